"""Whether a customer may be called, and when: which numbers we dial at all, do-not-call, calling hours. Pure.

A number that a caller has typed is as hostile as anything else a caller writes: it is dialled at our cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import phonenumbers

from fsapp.core.lists import NumberList
from fsapp.core.model import NumberKind, PhoneNumber
from fsapp.core.schedule import Schedule, open_at, opens_at

__all__ = [
    "DEFAULT_ROUTE", "NUMBER", "Dialling", "Refusal", "dialling_from", "gateway_of", "may_call_at", "refusal",
    "route_of",
]

NUMBER = "{number}"  # in a route: the digits of the number, without its plus
DEFAULT_ROUTE = f"sofia/gateway/trunk/{NUMBER}"
DEFAULT_RING_S = 30
DEFAULT_CALLBACKS_A_DAY = 5
DEFAULT_OTHER_NUMBERS_A_DAY = 5
DEFAULT_HIDDEN_CALLERS_A_DAY = 50
DEFAULT_SURVEYS_AT_ONCE = 2
# Wherever they are, calls to these are dear: they lead on to anywhere, and their owners may earn by it.
_DEAR = frozenset({phonenumbers.PhoneNumberType.PERSONAL_NUMBER, phonenumbers.PhoneNumberType.PAGER})
_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z", re.ASCII)
_SHORTEST = 8  # with its plus


class Refusal(StrEnum):
    """Why a number is not dialled."""

    ANONYMOUS = "anonymous"      # there is none
    NONSENSE = "nonsense"        # nobody could be called by it from outside
    PREMIUM = "premium"          # costs us
    OURS = "ours"                # one of the centre's own numbers
    FOREIGN = "foreign"          # of a country the centre does not call
    DO_NOT_CALL = "do-not-call"  # on a list of those who are not to be called


@dataclass(frozen=True, slots=True)
class Dialling:
    """How customers are called. `route`: the dial string, with NUMBER in it. `regions` (ISO 3166): those called.

    `do_not_call`: names of lists. `schedule`: the name of that in which customers are called, None: at any time.
    `callbacks_a_day`: how many callbacks one number gets within 24 hours, whoever asks for them. `other_numbers_a_day`:
    how many one caller may ask for on other numbers; `hidden_callers_a_day`: all callers without a number together.
    `surveys_at_once`: how many customers a switch calls for flows at the same time, those included who are being asked.
    """

    route: str = DEFAULT_ROUTE
    regions: tuple[str, ...] = ()
    do_not_call: tuple[str, ...] = ()
    schedule: str | None = None
    ring_s: int = DEFAULT_RING_S
    callbacks_a_day: int = DEFAULT_CALLBACKS_A_DAY
    other_numbers_a_day: int = DEFAULT_OTHER_NUMBERS_A_DAY
    hidden_callers_a_day: int = DEFAULT_HIDDEN_CALLERS_A_DAY
    surveys_at_once: int = DEFAULT_SURVEYS_AT_ONCE


def dialling_from(document: Mapping[str, Any]) -> Dialling:
    """What a checked document says of it; without a word only numbers of the centre's own country are called."""
    spec = document.get("dial", {})
    return Dialling(
        spec.get("route", DEFAULT_ROUTE), tuple(spec.get("regions", ())) or (document["centre"]["region"],),
        tuple(spec.get("do_not_call", ())), spec.get("schedule"), spec.get("ring_s", DEFAULT_RING_S),
        spec.get("callbacks_a_day", DEFAULT_CALLBACKS_A_DAY),
        spec.get("other_numbers_a_day", DEFAULT_OTHER_NUMBERS_A_DAY),
        spec.get("hidden_callers_a_day", DEFAULT_HIDDEN_CALLERS_A_DAY),
        spec.get("surveys_at_once", DEFAULT_SURVEYS_AT_ONCE),
    )


def refusal(
    number: PhoneNumber, dialling: Dialling, ours: Mapping[str, Any], lists: Mapping[str, NumberList],
) -> Refusal | None:
    """Why this number is not dialled; None where it may be. `ours`: the centre's numbers in E.164."""
    if number.kind is NumberKind.ANONYMOUS:
        return Refusal.ANONYMOUS
    if number.kind is NumberKind.PREMIUM:
        return Refusal.PREMIUM
    if number.e164 is None or not _E164.match(number.e164):
        return Refusal.NONSENSE
    # Exchanges leave out digits too many: behind one of ours they lead back to us.
    if any(number.e164[:end] in ours for end in range(_SHORTEST, len(number.e164) + 1)):
        return Refusal.OURS
    parsed = phonenumbers.parse(number.e164, None)
    # Codes that several countries share are told apart by the number; those of no country (satellites) have none.
    if phonenumbers.region_code_for_number(parsed) not in dialling.regions:
        return Refusal.FOREIGN if phonenumbers.is_possible_number(parsed) else Refusal.NONSENSE
    if not phonenumbers.is_valid_number(parsed):
        return Refusal.NONSENSE
    if phonenumbers.number_type(parsed) in _DEAR:
        return Refusal.PREMIUM
    if any(number.e164 in lists[name] for name in dialling.do_not_call if name in lists):
        return Refusal.DO_NOT_CALL
    return None


def may_call_at(at: datetime, schedules: Sequence[Schedule]) -> datetime | None:
    """The first moment from `at` on at which all of these are open; None where that is not within a year."""
    for _ in range(100):
        closed = next((schedule for schedule in schedules if not open_at(schedule, at)), None)
        if closed is None:
            return at
        opens = opens_at(closed, at)
        if opens is None:
            return None
        at = opens
    return None


def gateway_of(dialling: Dialling) -> str:
    """The gateway that the route goes by; empty for another kind of route."""
    found = re.match(r"sofia/gateway/([^/{]+)/", dialling.route)
    return found[1] if found else ""


def route_of(number: str, dialling: Dialling) -> str:
    """The dial string for a number in E.164. ValueError for anything else: it becomes a part of a command."""
    if not _E164.match(number):
        raise ValueError(f"{number!r} is no number in E.164")
    return dialling.route.replace(NUMBER, number.removeprefix("+"))
