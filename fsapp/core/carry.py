"""A call whose queue is at home on another switch: what is sent along, and what that switch makes of it. Pure.

The switch where a call landed decides about it for as long as it lasts, and carries it to the home of its queue by SIP.
The home holds it for that one queue and hands it back when the wait is over; it carries nothing on. So no call is ever
carried in circles, and what a call has tried is known in one place.

What is sent along is read here and nowhere in the dialplan: the switch would expand `${...}` in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fsapp.core.choose import CLOSED
from fsapp.core.classify import TASK_OVER
from fsapp.core.clean import clean_name, clean_number
from fsapp.core.flow.state import left
from fsapp.core.model import DEGRADED_REASON, FALLBACK_REASON, REASONS, CallClass, Decision, Target
from fsapp.core.numbers import normalise
from fsapp.core.rules import Rules
from fsapp.core.score import MAX_SCORE
from fsapp.core.treatment import ANNOUNCED, key, recording, ring
from fsapp.core.visit import (
    CARRIED,
    CLOSED_EXTENSION,
    CONTEXT,
    QUEUE_EXTENSION,
    UNKNOWN_EXTENSION,
    Arrival,
    ended,
    routed,
    variables,
)

__all__ = ["CARRY_CONTEXT", "CARRY_EXTENSION", "HANDED_BACK", "NOT_TAKEN", "Course", "course", "hold"]

CARRY_CONTEXT = "fsapp-carry"
CARRY_EXTENSION = "fsapp-carry"
# How the home ends its leg: the wait is over without an answer, or the call is none for it. Both come over SIP as they
# are, and neither is what a talk ends with.
HANDED_BACK = "NO_ANSWER"
NOT_TAKEN = "EXCHANGE_ROUTING_ERROR"

_WORD = re.compile(r"[A-Za-z0-9@+./:_-]{1,256}\Z")
_TRIED = re.compile(r"[A-Za-z0-9@+./:_,-]{1,2000}\Z")
_PLAIN_NUMBER = re.compile(r"\+?[0-9]{1,32}\Z", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,10}\Z", re.ASCII)


class Course(NamedTuple):
    """What becomes of a call at the end of a visit: the events to write, then the variables to set, then where it goes.

    `extension` with `context`, or None where the call ends with `cause`. `fault`: the name of what is wrong, to be
    logged.
    """

    events: tuple[dict[str, Any], ...]
    variables: dict[str, str]
    extension: str | None
    context: str = CONTEXT
    cause: str = ""
    fault: str = ""


def course(arrival: Arrival, decision: Decision, decision_id: str, at: float, rules: Rules) -> Course:
    """Where a decided call goes: into its queue here, or to the switch where that is at home. `at`: epoch seconds.

    A queue whose home is not known waits here.
    """
    again = arrival.call.earlier is not None
    found = arrival.renamed | variables(decision, decision_id, again=again) | ring(decision, rules, again=again)
    if arrival.call.task is None:  # nobody is on the line yet, of a call that is made for a task
        found |= key(decision, rules, again=again)
    if not arrival.recording:
        found |= recording(decision, rules, at, arrival.call.caller, arrival.uuid)
    if arrival.flow is not None:
        found |= left(arrival.flow)
    events = (routed(arrival, decision, decision_id, at),)
    if decision.target is None and decision.reason.endswith(TASK_OVER):  # nobody is on the line to hear a message
        return Course(events, found, None, cause="NORMAL_CLEARING")
    if decision.target is None:
        closed = decision.reason.endswith(CLOSED)  # whatever stands before: fallback-, degraded-
        return Course(events, found, CLOSED_EXTENSION if closed else UNKNOWN_EXTENSION)
    home = _home(decision.target.queue, rules)
    # A call that stands in line for a task is carried nowhere: whoever took it there would be taken for the agent.
    if home == arrival.switch or home not in rules.switches or arrival.call.task:
        return Course(events, found, QUEUE_EXTENSION)
    sent = _sent(arrival, decision, decision_id, arrival.recording or found.get("fsapp_recording"))
    found |= {"fsapp_carry": rules.switches[home], "fsapp_carry_from": _from(arrival.call.caller.raw)} | sent
    events += ({
        "type": "call_carried", "id": f"{int(decision_id, 16) + 1:026x}", "at": at, "call": arrival.uuid,
        "decision": decision_id, "queue": decision.target.queue, "from": arrival.switch, "to": home,
        "waited_s": arrival.waited_s, "base_score": decision.base_score,
    },)
    return Course(events, found, CARRY_EXTENSION, CARRY_CONTEXT)


def _from(number: str) -> str:
    """Whose call it is for SIP, which has no room for everything a number may be; the number itself is a header."""
    return number if _PLAIN_NUMBER.match(number) else "anonymous"


def _home(queue: str, rules: Rules) -> str | None:
    known = rules.queues.get(queue)
    return known.home if known else None


def _sent(arrival: Arrival, decision: Decision, decision_id: str, file: str | None) -> dict[str, str]:
    """The headers' variables. The score holds the time waited: the home's queue counts from its own answer on."""
    call, target = arrival.call, decision.target
    assert target is not None
    texts = {
        "class": decision.call_class, "queue": target.queue,
        "score": min((decision.base_score or 0) + arrival.waited_s, MAX_SCORE), "decision": decision_id,
        "reason": decision.reason, "campaign": decision.campaign, "stage": decision.stage, "line": decision.line,
        "contact": decision.contact, "agent": target.agent, "tried": ",".join(decision.tried),
        "degraded": "true" if decision.degraded else None, "called": call.called.raw, "number": call.caller.raw,
        "name": call.name, "waited": arrival.waited_s, "call": arrival.uuid, "switch": arrival.switch,
        "recording": file, "announced": None,  # the dialplan says so when it has been
    }
    # All of them, every time: nothing that the caller sent under such a name goes along.
    return {variable: "" if texts[name] is None else str(texts[name]) for name, variable in CARRIED.items()}


def hold(arrival: Arrival, id_: str, at: float, rules: Rules) -> Course:
    """What becomes of a call that another switch has carried here: one queue, then back. `at`: epoch seconds.

    Nothing that came along is believed beyond its form: a queue that is not at home here is not taken.
    """
    if arrival.cause == "answered":
        return Course((ended(arrival, id_, at),), {}, None, cause="NORMAL_CLEARING")
    if arrival.cause:
        return Course((), {}, None, cause=HANDED_BACK)
    came = arrival.carried or {}
    found = _taken(came, rules)
    if found is None or found.target is None:
        return Course((), {}, None, cause=NOT_TAKEN, fault="carried_without_a_decision")
    if _home(found.target.queue, rules) != arrival.switch:
        return Course((), {}, None, cause=NOT_TAKEN, fault="not_at_home")
    decision_id = _match(_WORD, came.get("decision")) or id_
    waited = _match(_COUNT, came.get("waited")) or "0"
    event = {
        "type": "call_arrived", "id": id_, "at": at, "call": arrival.uuid, "decision": decision_id,
        "carried_call": _match(_WORD, came.get("call")), "queue": found.target.queue,
        "from": _match(_WORD, came.get("switch")), "to": arrival.switch, "waited_s": int(waited),
        "base_score": found.base_score,
    }
    told = variables(found, decision_id, again=True) | {
        "fsapp_called": clean_number(came.get("called") or ""), "fsapp_waited": waited,
        "fsapp_carried_call": event["carried_call"] or "", "caller_id_number": clean_number(came.get("number") or ""),
        "caller_id_name": clean_name(came.get("name") or ""), **dict.fromkeys(CARRIED.values(), ""),
    } | ring(found, rules, again=True, carried=True)
    caller = normalise(clean_number(came.get("number") or ""), rules.region)
    told |= recording(found, rules, at, caller, event["carried_call"] or arrival.uuid, came.get("recording"))
    if came.get("announced") == ANNOUNCED:
        told["fsapp_announced"] = ANNOUNCED
    return Course((event,), told, QUEUE_EXTENSION)


def _taken(came: Mapping[str, str], rules: Rules) -> Decision | None:
    """The decision that came along; None without a class, a score or a queue."""
    try:
        call_class = CallClass(came.get("class", ""))
    except ValueError:
        return None
    queue, score = _match(_WORD, came.get("queue")), _match(_COUNT, came.get("score"))
    if queue is None or score is None or int(score) > MAX_SCORE:
        return None
    reason = came.get("reason") or ""
    if reason.removeprefix(FALLBACK_REASON).removeprefix(DEGRADED_REASON) not in REASONS:
        reason = ""
    words = {name: _match(_WORD, came.get(name)) for name in ("campaign", "stage", "line", "contact", "agent")}
    wait_s = rules.queues[queue].wait_s if queue in rules.queues else None
    return Decision(
        call_class, reason, int(score), words["campaign"], words["stage"], words["line"], words["contact"],
        target=Target(queue, words["agent"], wait_s),
        tried=tuple(name for name in (_match(_TRIED, came.get("tried")) or "").split(",") if name),
        rules_version=rules.version, degraded=came.get("degraded") == "true",
    )


def _match(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text and pattern.match(text) else None
