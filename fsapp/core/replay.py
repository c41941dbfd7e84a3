"""A recorded call decided again under other rules, and what would be different. Pure: reads no stream and no Redis.

What the caller would do otherwise is not guessed: only the first decision about a call is made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from fsapp.core.facts_record import facts_from, led_from
from fsapp.core.model import DEGRADED_REASON, FALLBACK_REASON, Call, Decision, Facts, Led, Step, Target
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules

__all__ = ["KINDS", "Recorded", "Replayed", "read_recorded", "replay"]

# What may differ, the first that does names the change: a change of class mostly changes all the others too.
KINDS = ("class", "flow", "place", "targets", "score")


class Recorded(NamedTuple):
    """A first decision as the stream has it. `facts` None: it holds none, as before facts were recorded.

    `outcome` by the names of KINDS, without the flow then. `led`: where a flow had led the caller.
    """

    id: str
    call_id: str
    at: datetime
    caller: str
    called: str
    reason: str
    rules: int
    facts: Facts | None
    outcome: Mapping[str, Any]
    trace: tuple[Step, ...]
    led: Led | None = None


class Replayed(NamedTuple):
    """What would be different; `kind` one of KINDS. `why`: the first step of each trace that the other has not."""

    kind: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: str
    why: tuple[Step | None, Step | None]


def read_recorded(event: Mapping[str, Any]) -> Recorded | None:
    """The first decision that an event tells of; None for any other event, ValueError for one that cannot be read."""
    if event.get("type") not in ("call_routed", "call_refused") or event.get("visit", 0) > 1 or event.get("later"):
        return None
    try:
        at = datetime.fromtimestamp(event["at"], UTC)
        caller, called = _text(event["caller"]), _text(event["called"])
        record, degraded = event.get("facts"), bool(event.get("degraded"))
        facts = None if record is None else facts_from(record, caller, at, degraded=degraded)
        trace = tuple(Step(*map(str, step)) for step in event.get("trace", ()))
        led = None if record is None else led_from(record)
        outcome = {
            "class": event["class"],
            **({} if record is None else {"flow": led.flow if led else record.get("flow")}),
            "place": f"{event['campaign']}/{event['stage']}" if event.get("stage") else event.get("line"),
            "targets": tuple(Target(*target) for target in event.get("targets", ())),
            "score": event.get("base_score"),
        }
        return Recorded(str(event["id"]), str(event.get("call")), at, caller, called, str(event.get("reason")),
                        int(event.get("rules") or 0), facts, outcome, trace, led)
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError(f"no decision: {error!r}") from None


def replay(recorded: Recorded, facts: Facts, rules: Rules) -> Replayed | None:
    """What would be different under these rules at the time of the call; None if nothing would."""
    call = Call(normalise(recorded.caller, rules.region), normalise(recorded.called, rules.region))
    decision = decide(call, facts, rules, recorded.at)
    flow = decision.flow
    if recorded.led is not None and flow == recorded.led.flow:
        # The caller comes into the same flow, and does there what was done then.
        decision = decide(replace(call, led=recorded.led), facts, rules, recorded.at)
    after = _outcome(decision, flow)
    before = recorded.outcome
    kind = next((kind for kind in KINDS if kind in before and after[kind] != before[kind]), None)
    if kind is None:
        return None
    return Replayed(kind, before, after, _plain(decision.reason), _differing(recorded.trace, decision.trace))


def _outcome(decision: Decision, flow: str | None) -> dict[str, Any]:
    return {
        "class": decision.call_class.value if decision.call_class else None,
        "flow": flow,
        "place": f"{decision.campaign}/{decision.stage}" if decision.stage else decision.line,
        "targets": decision.targets,
        "score": decision.base_score,
    }


def _differing(before: Sequence[Step], after: Sequence[Step]) -> tuple[Step | None, Step | None]:
    known, new = set(before), set(after)
    return next((step for step in before if step not in new), None), next((s for s in after if s not in known), None)


def _plain(reason: str) -> str:
    return reason.removeprefix(FALLBACK_REASON).removeprefix(DEGRADED_REASON)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no number")
    return value
