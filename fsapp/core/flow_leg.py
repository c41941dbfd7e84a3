"""A call of our own whose customer a flow asks, and no agent: its variables, and how it went. Pure; calls nobody.

The link makes it (`link.flow_calls`): one leg, to the customer. Answered, it goes to `fsapp-ask` of dialplan/fsapp.xml
and so to a visit, which runs the flow and hangs up. It stands in no queue, and whoever answers has not called us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from fsapp.core.placeholder import ASKS, CUSTOMER, TASK, Event, Side, outcome_of, side_of
from fsapp.core.task import Try, TryOutcome

__all__ = [
    "ABOUT", "ABOUT_AGENT", "ASK_EXTENSION", "Asks", "FlowLeg", "asks_of", "counts", "heard", "left_unasked",
    "plain_word", "read_id", "try_of", "written_id",
]

ASK_EXTENSION = "fsapp-ask"
ABOUT = "fsapp_about"              # the interaction that it asks about, as `written_id` has it
ABOUT_AGENT = "fsapp_about_agent"  # who had talked there
_HEX = "hex-"
_BEGUN = "fsapp_flow"  # set by the visit as soon as a flow runs
_LIFE = frozenset({"call-created", "call-answered", "call-described", "call-hung-up"})
_TAKEN_BACK = frozenset({"ORIGINATOR_CANCEL", "MANAGER_REQUEST"})
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.:@/-")
_LONGEST = 250


class Asks(NamedTuple):
    """What a call is for: which flow asks whom (a number in E.164), about which interaction and whose talk."""

    flow: str
    task: str
    number: str
    about: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class FlowLeg:
    """The leg as far as it is known. `begun`: a flow asks, or has. `cause`: of its end; `lost`: nobody knows how."""

    call: str
    task: str
    number: str
    answered: bool = False
    begun: bool = False
    over: bool = False
    cause: str = ""
    ended_at: datetime | None = None
    lost: bool = False


def written_id(text: str) -> str:
    """An interaction's id as a variable of a call may hold it; empty for one that is too long for that."""
    if not set(text) <= _SAFE or text.startswith(_HEX):
        text = _HEX + text.encode().hex()
    return text if len(text) <= _LONGEST else ""


def plain_word(text: str) -> str:
    """A word of ours as a variable of a call may hold it; empty for anything else."""
    return text if set(text) <= _SAFE and len(text) <= _LONGEST else ""


def read_id(text: str) -> str:
    """The id back; what is none as it stands."""
    try:
        return bytes.fromhex(text.removeprefix(_HEX)).decode() if text.startswith(_HEX) else text
    except ValueError:
        return text


def asks_of(variables: Mapping[str, str]) -> Asks | None:
    """What these variables of a call say that it is for; None of any other call."""
    flow, task = variables.get(ASKS, ""), variables.get(TASK, "")
    if not flow or not task:
        return None
    return Asks(flow, task, variables.get(CUSTOMER, ""), read_id(variables.get(ABOUT, "")),
                variables.get(ABOUT_AGENT, ""))


def heard(known: FlowLeg | None, event: Event) -> FlowLeg | None:
    """What is known after an event about such a leg; of an end of which no beginning was heard as well."""
    asks = asks_of(event.variables)
    if side_of(event.call, event) is not Side.ASKED or asks is None or event.kind not in _LIFE:
        return known
    found = known or FlowLeg(event.call, asks.task, asks.number)
    found = replace(
        found, answered=found.answered or event.answered_at is not None or event.kind == "call-answered",
        begun=found.begun or bool(event.variables.get(_BEGUN)))
    if event.kind != "call-hung-up":
        return found
    return replace(found, over=True, cause=event.cause or found.cause, ended_at=event.at)


def try_of(known: FlowLeg, now: datetime, *, killed: bool = False) -> Try:
    """The try that a call which is over has been. `killed`: we have taken it back."""
    at = known.ended_at or now
    if known.begun:
        outcome = TryOutcome.ASKED
    elif known.answered or known.lost:
        outcome = TryOutcome.FAILED
    elif killed or known.cause in _TAKEN_BACK:
        outcome = TryOutcome.GIVEN_UP
    else:
        outcome = outcome_of(known.cause) or TryOutcome.FAILED
    return Try(known.call, at.astimezone(UTC), outcome, cause=known.cause)


def counts(known: FlowLeg) -> bool | None:
    """Whether it uses up a try (`task_life.tried`): also where the phone has rung, or may have, for nothing."""
    return True if known.answered or known.lost else None


def left_unasked(known: FlowLeg) -> bool:
    """Whether a customer has answered and nobody has asked: `fsapp serve` is away, or the dialplan is an older one.

    Or the customer hung up at once: nobody can tell, as most hang up while they hear that we have failed, too.
    """
    return known.answered and not known.begun and not known.lost
