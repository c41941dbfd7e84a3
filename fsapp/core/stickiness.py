"""Whom a customer sticks to: what a successful talk leaves behind, and who is meant at the next call. Pure.

A place is a stage (`renewals/first-call`) or a line (`helpdesk`), by its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fsapp.core.model import Sticky, Talk

__all__ = ["DEFAULT_DAYS", "Busy", "Scope", "StickyRule", "after_talk", "sticky_rule", "talk_for"]

DEFAULT_DAYS = 90
DEFAULT_TALK_S = 5
MAX_PLACES = 16  # of one customer; the oldest go
_EVERYWHERE = ""


class Busy(StrEnum):
    """What becomes of a caller whose sticky agent is busy."""

    WAIT = "wait"  # for that agent first
    ANY = "any"    # gets any free agent at once


class Scope(StrEnum):
    """Whose last talk counts."""

    CENTRE = "centre"      # with anybody, anywhere
    CAMPAIGN = "campaign"  # in the same campaign
    PLACE = "place"        # in the same stage or line


@dataclass(frozen=True, slots=True)
class StickyRule:
    """`talk_s`: from how many seconds on a talk is a successful one; `days`: for how long it counts.

    `busy` None: ANY for a caller who comes out of a flow, WAIT for all others.
    """

    talk_s: int = DEFAULT_TALK_S
    days: int = DEFAULT_DAYS
    busy: Busy | None = None
    scope: Scope = Scope.CENTRE


def sticky_rule(spec: Mapping[str, Any], centre: Mapping[str, Any]) -> StickyRule:
    """The rule of a stage or line of a checked document; what it does not say, the centre does."""
    said = {**centre, **spec}
    busy = said.get("sticky_busy")
    return StickyRule(
        said.get("sticky_talk_s", DEFAULT_TALK_S), said.get("sticky_days", DEFAULT_DAYS),
        Busy(busy) if busy else None, Scope(said.get("sticky_scope", Scope.CENTRE)),
    )


def after_talk(sticky: Sticky | None, agent: str, at: datetime, place: str | None = None) -> Sticky:
    """What is known after a successful talk, or after somebody has said so; without a `place` it holds for all.

    A talk told late does not undo a later one.
    """
    if place is None:
        return Sticky(agent, at)
    talks = {talk.place: talk for talk in _talks(sticky)} if sticky else {}
    if place not in talks or talks[place].talked_at <= at:
        talks[place] = Talk(place, agent, at)
    newest = tuple(sorted(talks.values(), key=lambda talk: talk.talked_at)[-MAX_PLACES:])
    if sticky is not None and sticky.talked_at > at:
        return Sticky(sticky.agent, sticky.talked_at, newest)
    return Sticky(agent, at, newest)


def talk_for(sticky: Sticky, place: str, rule: StickyRule, now: datetime) -> tuple[Talk | None, str]:
    """The talk that counts for a call to `place`, or None; then a word on why."""
    found = _within(sticky, place, rule.scope)
    if found is None:
        return None, f"no talk in this {rule.scope}: nobody is sticky"
    if found.talked_at + timedelta(days=rule.days) <= now:
        return None, f"more than {rule.days} days ago: no longer sticky"
    return found, ""


def _within(sticky: Sticky, place: str, scope: Scope) -> Talk | None:
    if scope is Scope.CENTRE:
        return Talk(_EVERYWHERE, sticky.agent, sticky.talked_at)
    campaign = place.rpartition("/")[0]
    wanted = [
        talk for talk in _talks(sticky) if talk.place in (place, _EVERYWHERE)
        or (scope is Scope.CAMPAIGN and campaign and talk.place.startswith(f"{campaign}/"))
    ]
    return max(wanted, key=lambda talk: talk.talked_at, default=None)


def _talks(sticky: Sticky) -> tuple[Talk, ...]:
    """The talks by place; of one without a place it is only known that it holds everywhere."""
    return sticky.places or (Talk(_EVERYWHERE, sticky.agent, sticky.talked_at),)
