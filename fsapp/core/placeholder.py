"""A call of our own that stands in a queue for a customer who is to be called back: its legs, and how it ended. Pure.

The link makes it (`link.callbacks`), the dialplan leads it (`fsapp-place` and what follows in dialplan/fsapp.xml). It
has a leg in the line, which is offered to agents as a caller would be; the far leg behind it, which waits and then
dials; and, once dialled, the customer's. All of them carry these variables.

A call whose customer a flow asks (`flow_leg`) is of a task too, and stands in no line: it is one leg alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from fsapp.core.task import Try, TryOutcome

__all__ = [
    "ASKS", "CUSTOMER", "PLACE", "PLACE_EXTENSION", "TASK", "Side", "Standing", "heard", "is_placeholders",
    "outcome_of", "side_of", "try_of",
]

PLACE_EXTENSION = "fsapp-place"
TASK = "fsapp_task"          # the id of the task
PLACE = "fsapp_place"        # the uuid of the leg in the line
CUSTOMER = "fsapp_customer"  # the customer's number in E.164
ASKS = "fsapp_asks"          # the flow that asks the customer


class Side(StrEnum):
    LINE = "line"          # stands in the queue
    FAR = "far"            # waits behind it, then dials
    CUSTOMER = "customer"  # the customer's own
    ASKED = "asked"        # the customer's own, of a call without a line, an agent or another leg: a flow's


class Leg(Protocol):
    """What a leg of the floor, or an event about one, says of it."""

    @property
    def direction(self) -> str: ...

    @property
    def called(self) -> str: ...

    @property
    def variables(self) -> Mapping[str, str]: ...


_CAUSES: Mapping[TryOutcome, frozenset[str]] = {
    TryOutcome.BUSY: frozenset({"USER_BUSY"}),
    TryOutcome.NO_ANSWER: frozenset({"NO_ANSWER", "ALLOTTED_TIMEOUT", "PROGRESS_TIMEOUT"}),
    # NORMAL_CLEARING: picked up and hung up while we said who is calling.
    TryOutcome.REJECTED: frozenset({"CALL_REJECTED", "NORMAL_CLEARING"}),
    TryOutcome.UNREACHABLE: frozenset({
        "UNALLOCATED_NUMBER", "NO_ROUTE_DESTINATION", "NO_USER_RESPONSE", "NUMBER_CHANGED", "INVALID_NUMBER_FORMAT",
        "SUBSCRIBER_ABSENT", "USER_NOT_REGISTERED", "DESTINATION_OUT_OF_ORDER", "INCOMPATIBLE_DESTINATION",
    }),
    TryOutcome.GIVEN_UP: frozenset({"ORIGINATOR_CANCEL"}),
}
# A queue tells of a leg that has hung up already.
_LIFE = frozenset({"call-created", "call-answered", "call-bridged", "call-described", "call-hung-up"})
_OURS = frozenset({"MANAGER_REQUEST", "SYSTEM_SHUTDOWN", "CRASH"})


@dataclass(frozen=True, slots=True)
class Standing:
    """A placeholder as far as it is known. `place`: the uuid of the leg in the line, `legs` those that live.

    `connected`: an agent has answered it. `dialled`: the customer was. `cause`: why the customer was not reached,
    `line_cause` how the leg in the line ended; empty where nobody knows. `talk_at`: since when agent and customer
    talk, `ended_at`: until when. `lost`: a leg was found to be gone, and nobody knows how.
    """

    place: str
    task: str
    number: str
    legs: frozenset[str] = field(default_factory=frozenset)
    agent: str = ""
    connected: bool = False
    dialled: bool = False
    cause: str = ""
    line_cause: str = ""
    talk_at: datetime | None = None
    ended_at: datetime | None = None
    lost: bool = False

    @property
    def over(self) -> bool:
        return not self.legs


class Event(Leg, Protocol):
    """What is needed of a FloorEvent, or made of a leg of the floor that is found there."""

    @property
    def kind(self) -> str: ...

    @property
    def at(self) -> datetime: ...

    @property
    def call(self) -> str: ...

    @property
    def cause(self) -> str: ...

    @property
    def answered_at(self) -> datetime | None: ...


def side_of(uuid: str, leg: Leg) -> Side | None:
    """Which leg of a call for a task this is; None for any other. One whose variables nobody has read yet counts."""
    inbound = leg.direction == "inbound"
    if not leg.variables.get(TASK):
        # Nobody outside can call this extension: the dialplan leads no number there.
        known = leg.called == PLACE_EXTENSION and not leg.variables
        return (Side.FAR if inbound else Side.LINE) if known else None
    if leg.variables.get(ASKS):
        return Side.ASKED
    if uuid == leg.variables.get(PLACE):
        return Side.LINE
    return Side.FAR if inbound else Side.CUSTOMER


def is_placeholders(uuid: str, leg: Leg) -> bool:
    """Whether this leg stands in line for a customer, or belongs to one that does."""
    return side_of(uuid, leg) not in (None, Side.ASKED)


def heard(known: Standing | None, event: Event) -> Standing | None:
    """What is known after an event about one of its legs; None of a placeholder that nothing was known of before."""
    side = side_of(event.call, event)
    place, task = event.variables.get(PLACE, ""), event.variables.get(TASK, "")
    if side in (None, Side.ASKED) or not place or not task or event.kind not in _LIFE:
        return known
    if event.kind == "call-hung-up":
        return None if known is None else _hung_up(known, side, event)
    found = known or Standing(place, task, event.variables.get(CUSTOMER, ""))
    found = replace(
        found, legs=found.legs | {event.call},
        dialled=found.dialled or side is Side.CUSTOMER or bool(event.variables.get("fsapp_dialled")))
    if side is Side.FAR:
        found = replace(found, talk_at=found.talk_at or _reached(event))
    if event.kind != "call-bridged":
        return found
    if side is Side.LINE:
        return replace(found, connected=True)
    return replace(found, talk_at=found.talk_at or event.at)


def _hung_up(known: Standing, side: Side, event: Event) -> Standing:
    found = replace(
        known, legs=known.legs - {event.call}, dialled=known.dialled or bool(event.variables.get("fsapp_dialled")))
    if side is Side.LINE:
        agent = event.variables.get("cc_agent", "")
        return replace(
            found, agent=agent or found.agent, line_cause=event.cause,
            connected=found.connected or bool(agent) or found.dialled)
    if side is Side.FAR:
        cause = event.variables.get("fsapp_outcome", "")
        return replace(
            found, cause=found.cause or cause, talk_at=found.talk_at or _reached(event),
            ended_at=found.ended_at or event.at)
    return replace(found, dialled=True, cause=event.cause or found.cause, ended_at=event.at)


def _reached(event: Event) -> datetime | None:
    """Since when agent and customer hear each other, as the dialplan has noted it."""
    text = event.variables.get("fsapp_reached", "")
    return datetime.fromtimestamp(int(text), UTC) if re.match(r"[0-9]{1,11}\Z", text, re.ASCII) else None


def try_of(known: Standing, responsible: str | None, now: datetime) -> Try | None:
    """The try that a placeholder which is over has been; None where no agent was connected to it: it was none."""
    if not (known.connected or known.dialled):
        return None
    outcome = _outcome(known)
    talked_s = 0.0
    if outcome is TryOutcome.TALKED and known.talk_at is not None:
        talked_s = round(max(0.0, ((known.ended_at or now) - known.talk_at).total_seconds()), 3)
    cause = known.cause or known.line_cause
    return Try(known.place, known.ended_at or now, outcome, responsible, known.agent or None, cause, talked_s)


def outcome_of(cause: str) -> TryOutcome | None:
    """How a try ended by the switch's cause; None where that does not say it."""
    return next((outcome for outcome, causes in _CAUSES.items() if cause in causes), None)


def _outcome(known: Standing) -> TryOutcome:
    if known.talk_at is not None:
        return TryOutcome.TALKED
    found = outcome_of(known.cause)
    if found is not None:
        return found
    if known.cause or known.lost or known.line_cause in _OURS:
        return TryOutcome.FAILED
    return TryOutcome.GIVEN_UP
