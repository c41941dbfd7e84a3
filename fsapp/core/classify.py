"""What a call is to us: callback, new customer or service. Pure; whom it waits for is decided in route.

The four rules in order, each leaving one or more lines in the trace:

1. callback: the caller is an open contact of an outbound stage behind the number called, or holds a direct-callback
   right.
2. new customer: the number belongs to a new-customers stage, and the caller is no contact of an outbound stage
   behind it.
3. service: everything else that has a service line (or a flow) on the number.
4. otherwise the number is not ours.

A call that we make ourselves for a task stands in a queue for its customer, and is a callback.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from fsapp.core.model import DEGRADED_REASON, Call, CallClass, Contact, Facts, Right, Step
from fsapp.core.rules import DialedNumber, Flow, Line, Rules, Stage
from fsapp.core.task import Task
from fsapp.core.task_life import kept_score

__all__ = ["TASK_OVER", "Classified", "classify"]

TASK_OVER = "task-over"

_NEVER = datetime.min.replace(tzinfo=UTC)


class Classified(NamedTuple):
    """A class with the place it leads to: a stage or a service line; both None when the number is not ours.

    `base_score` is that of an earlier visit where its class is kept, else None. `flow`: to be run through
    first. `agent`: whom a flow has led to. `task`: the one this call is made for.
    """

    call_class: CallClass | None
    reason: str
    place: Stage | Line | None
    contact: Contact | None = None
    contact_id: str | None = None
    right: Right | None = None
    base_score: int | None = None
    flow: str | None = None
    agent: str | None = None
    task: Task | None = None


def classify(call: Call, facts: Facts, rules: Rules, now: datetime, trace: list[Step]) -> Classified:
    """The class of a call with the reason for it; appends what it looked at to `trace`."""
    if call.task is not None and call.earlier is None:
        return _task(call, facts, rules, now, trace)
    kept = _kept(call, facts, rules, now, trace)
    if kept is not None:
        return kept
    called = rules.numbers.get(call.called.key or "")
    if called is None:
        trace.append(Step("number", f"{call.called} was called", "not a number of this centre"))
    else:
        trace.append(Step("number", f"{called.number} was called", _describe(called)))
    if facts.degraded:
        trace.append(Step("facts", "the state cannot be asked", "decided without contacts, rights and stickiness"))
    right = _live_right(facts, rules, now, trace)
    found = (
        _callback(call, facts, rules, called, right, trace)
        or (called and _new_customer(call, facts, called, trace))
        or _led(call, rules, called, trace)
        or (called and _service(call, facts, rules, called, trace))
        or (called and facts.degraded and _presumed_callback(called, trace))
        or _not_ours(call, rules, called, trace)
    )
    return found._replace(reason=f"{DEGRADED_REASON}{found.reason}") if facts.degraded else found


def _kept(call: Call, facts: Facts, rules: Rules, now: datetime, trace: list[Step]) -> Classified | None:
    """A later visit keeps the class of the first one, unless the rules no longer know the place."""
    earlier = call.earlier
    if earlier is None:
        return None
    stage_id = f"{earlier.campaign}/{earlier.stage}"
    place = rules.lines.get(earlier.line) if earlier.line else rules.stages.get(stage_id)
    if place is None:
        trace.append(Step("earlier visit", f"was {earlier.call_class}", "its place is gone: decided anew"))
        return None
    trace.append(Step("earlier visit", f"was {earlier.call_class} for {place.id}", "kept"))
    contact = next((c for c in facts.contacts if c.id == earlier.contact), None)
    right = _live_right(facts, rules, now, trace)
    return Classified(
        earlier.call_class, earlier.reason, place, contact, earlier.contact, right, earlier.base_score,
        task=facts.task(call.task))


def _task(call: Call, facts: Facts, rules: Rules, now: datetime, trace: list[Step]) -> Classified:
    """A call we make for a task is a callback, with the place in the queue that is kept for it, if one is."""
    task = facts.task(call.task)
    place = rules.place(task.place) if task else None
    if task is None or place is None:
        fact, what = (f"task {call.task}", "cannot be asked for" if facts.degraded else "is over or not there")
        trace.append(Step("task", fact, what if task is None else f"its place {task.place} is gone"))
        return Classified(None, TASK_OVER, None)
    trace.append(Step("task", f"a {task.kind} callback of {task.number} is due", f"callback for {place.id}"))
    score = kept_score(task, now)
    if score is not None:
        trace.append(Step("score", f"the place kept since {task.since:%Y-%m-%d %H:%M:%S} UTC", str(score)))
    return Classified(CallClass.CALLBACK, "task", place, None, task.contact, None, score, task=task)


def _describe(called: DialedNumber) -> str:
    parts = [f"caller ID of {stage.id}" for stage in called.outbound]
    if called.new_customers:
        parts.append(f"new customers of {called.new_customers.id}")
    if called.line:
        parts.append(f"service line {called.line.name}")
    if called.flow:
        parts.append(f"flow {called.flow.name}")
    return ", ".join(parts) or "nothing is behind it"


def _live_right(facts: Facts, rules: Rules, now: datetime, trace: list[Step]) -> Right | None:
    live = None
    for right in facts.rights:
        if right.expires_at <= now:
            trace.append(Step("direct callback", f"right to agent {right.agent}", "expired"))
        elif right.agent not in rules.agents:
            trace.append(Step("direct callback", f"right to agent {right.agent}", "no such agent: not used"))
        elif live is None or right.expires_at >= live.expires_at:  # of equals the later attempt's
            live = right
    return live


def _behind(facts: Facts, called: DialedNumber | None) -> list[Contact]:
    """The caller's contacts in outbound stages behind the number called."""
    if called is None or not facts.contacts:
        return []
    stages = {(stage.campaign, stage.name) for stage in called.outbound}
    return [contact for contact in facts.contacts if (contact.campaign, contact.stage) in stages]


def _callback(
    call: Call, facts: Facts, rules: Rules, called: DialedNumber | None, right: Right | None, trace: list[Step],
) -> Classified | None:
    behind = _behind(facts, called)
    opened = [contact for contact in behind if contact.open]
    if opened:
        # The most recently attempted wins; among equals the order of the rules' stages decides.
        order = {stage.id: -place for place, stage in enumerate(called.outbound)}
        contact = max(opened, key=lambda c: (c.attempted_at or _NEVER, order[f"{c.campaign}/{c.stage}"]))
        stage = rules.stages[f"{contact.campaign}/{contact.stage}"]
        trace.append(Step("callback", f"{call.caller} is an open contact of {stage.id}", "callback"))
        return Classified(CallClass.CALLBACK, "open-contact", stage, contact, contact.id, right)
    if right is not None:
        place = rules.stages.get(f"{right.campaign}/{right.stage}")
        if place is None and called is not None:
            place = _first_place(rules, called)
        if place is not None:
            fact = f"{call.caller} holds a right to agent {right.agent} until {right.expires_at:%Y-%m-%d %H:%M} UTC"
            trace.append(Step("callback", fact, "callback"))
            return Classified(CallClass.CALLBACK, "direct-callback", place, None, None, right)
        trace.append(Step("callback", f"right to agent {right.agent}", "leads to no stage or line: not used"))
    if called is not None and called.outbound and not facts.degraded:
        fact = "a closed contact" if behind else "no contact"
        trace.append(Step("callback", f"{call.caller} is {fact} of {_names(called.outbound)}", "no callback"))
    return None


def _first_place(rules: Rules, called: DialedNumber) -> Stage | Line | None:
    """Where a right leads whose own stage is gone."""
    if called.outbound:
        return called.outbound[0]
    flow_line = rules.lines.get(called.flow.line) if called.flow else None
    return called.line or flow_line or called.new_customers


def _names(stages: tuple[Stage, ...]) -> str:
    return ", ".join(stage.id for stage in stages)


def _new_customer(call: Call, facts: Facts, called: DialedNumber, trace: list[Step]) -> Classified | None:
    stage = called.new_customers
    if stage is None:
        return None
    if _behind(facts, called):
        trace.append(Step("new customer", f"{call.caller} is a contact of a stage behind this number", "not new"))
        return None
    if not stage.answering:
        if not stage.strict and (called.line or called.flow):
            trace.append(Step("new customer", f"nobody takes calls of {stage.id}", "falls through to service"))
            return None
        outcome = "kept: the stage is strict" if stage.strict else "kept: there is no service to fall through to"
        trace.append(Step("new customer", f"nobody takes calls of {stage.id}", outcome))
    trace.append(Step("new customer", f"{call.caller} is no contact behind this number", f"new customer of {stage.id}"))
    return Classified(CallClass.NEW_CUSTOMER, "new-caller", stage)


def _led(call: Call, rules: Rules, called: DialedNumber | None, trace: list[Step]) -> Classified | None:
    """A flow has led the call somewhere, whatever the rules say of its number by now; unless that is gone."""
    led = call.led
    if led is None:
        return None
    fact = f"{led.flow} went {' > '.join(led.path) or 'nowhere'}"
    line = rules.lines.get(led.line)
    if line is None:
        trace.append(Step("flow", fact, f"there is no line {led.line} any more"))
        return None
    trace.append(Step("flow", fact, f"service, line {line.name}{f', agent {led.agent}' if led.agent else ''}"))
    return Classified(CallClass.SERVICE, "flow" if called else "unknown-number", line, agent=led.agent)


def _flow(call: Call, flow: Flow) -> str | None:
    """The flow's name where it is still to be run."""
    return flow.name if flow.start is not None and call.led is None else None


def _service(call: Call, facts: Facts, rules: Rules, called: DialedNumber, trace: list[Step]) -> Classified | None:
    if called.flow is not None:
        flow = called.flow
        trace.append(Step("service", f"flow {flow.name} answers this number", f"service, line {flow.line}"))
        return Classified(CallClass.SERVICE, "flow", rules.lines[flow.line], flow=_flow(call, flow))
    line = called.line
    if line is None:
        return None
    reason = "service-line"
    if any(not contact.open for contact in _behind(facts, called)):
        reason = "closed-contact"
    trace.append(Step("service", f"service line {line.name} is on this number", "service"))
    return Classified(CallClass.SERVICE, reason, line)


def _presumed_callback(called: DialedNumber, trace: list[Step]) -> Classified | None:
    """Without the contacts, whoever calls a number that only ever shows as our caller ID is taken for calling back."""
    if not called.outbound:
        return None
    stage = called.outbound[0]
    trace.append(Step("callback", f"the number is only the caller ID of {stage.id}", "presumed callback"))
    return Classified(CallClass.CALLBACK, "presumed-callback", stage)


def _not_ours(call: Call, rules: Rules, called: DialedNumber | None, trace: list[Step]) -> Classified:
    reason = "unknown-number" if called is None else "no-line"
    flow = rules.flows.get(rules.unknown_flow or "")
    if flow is not None:
        trace.append(Step("default", f"the default flow is {flow.name}", f"service at line {flow.line}"))
        return Classified(CallClass.SERVICE, reason, rules.lines[flow.line], flow=_flow(call, flow))
    trace.append(Step("default", "nothing takes this call", "a message and a hangup"))
    return Classified(None, reason, None)
