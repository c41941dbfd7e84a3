"""What opening hours, lists of callers and checks of numbers make of a classified call. Pure.

The class stands before any of it. Opening hours and a lead to a line or stage may give the call another place of the
same class; the agents and groups led to are targets, which route puts in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from fsapp.core.classify import Classified
from fsapp.core.lists import Check, Lead, NumberList
from fsapp.core.model import DEGRADED_REASON, Call, CallClass, Step
from fsapp.core.rules import DialedNumber, Line, Rules
from fsapp.core.schedule import Schedule, open_at

__all__ = ["CLOSED", "LedBy", "leads", "placed"]

CLOSED = "closed"


class LedBy(NamedTuple):
    """A lead with who gave it: `rule` is "list" or "check", `name` which one."""

    rule: str
    name: str
    lead: Lead

    @property
    def by(self) -> str:
        return f"{self.rule} {self.name}"


def leads(call: Call, rules: Rules, now: datetime, trace: list[Step]) -> tuple[LedBy, ...]:
    """Where the caller's list leads, then where the checks lead; says in the trace which fitted."""
    found = _listed(call, rules.listed.of(call.caller.key), trace) if rules.lists else []
    if rules.checks:
        found += _checked(call, rules.checks, rules.schedules, now, trace)
    return tuple(found)


def _listed(call: Call, lists: Sequence[NumberList], trace: list[Step]) -> list[LedBy]:
    """Of several lists that lead somewhere the first one counts."""
    found: list[LedBy] = []
    for one in lists:
        outcome = f"VIP {one.vip}" if one.vip else "no VIP"
        if one.lead != Lead():
            outcome = f"another list leads, {outcome}" if found else f"{_where(one.lead, one.name)}, {outcome}"
            found = found or [LedBy("list", one.name, one.lead)]
        trace.append(Step("list", f"{call.caller} is in {one.name}", outcome))
    return found


def _checked(
    call: Call, checks: Sequence[Check], schedules: Mapping[str, Schedule], now: datetime, trace: list[Step],
) -> list[LedBy]:
    """Each check after the other until one fits and names no next. A next one comes later: there is always an end."""
    found: list[LedBy] = []
    place = 0
    fitted = False
    while place < len(checks):
        check = checks[place]
        place += 1
        if not check.fits(call) or (check.schedule and not open_at(schedules[check.schedule], now)):
            continue
        fitted = True
        outcome = _where(check.lead) if check.lead != Lead() else "leads nowhere"
        if check.lead != Lead():
            found.append(LedBy("check", check.name, check.lead))
        if check.then is None or check.then < place:
            place = len(checks)
        else:
            place = check.then
            outcome += f", then check {checks[place].name}"
        trace.append(Step("check", f"{call.caller} to {call.called} fits {check.name}", outcome))
    if not fitted:
        trace.append(Step("check", f"{call.caller} to {call.called} fits no check", "no lead"))
    return found


def _where(lead: Lead, list_name: str = "") -> str:
    words = [
        f"agent {lead.agent}" if lead.agent else "", f"agents of list {list_name}" if lead.list_queue else "",
        f"group {lead.group}" if lead.group else "", f"line {lead.line}" if lead.line else "",
        f"stage {lead.stage}" if lead.stage else "",
    ]
    return f"leads to {', '.join(word for word in words if word)}"


def placed(
    found: Classified, led: Sequence[LedBy], call: Call, rules: Rules, now: datetime, trace: list[Step],
) -> Classified:
    """The same class with the place the call is to have now; place None where everything is closed.

    A later visit's place is kept: who waits already is not sent away at closing time. So is that of a task, which was
    not due before its hours.
    """
    if found.call_class is None or found.base_score is not None or found.task is not None:
        return found
    called = rules.numbers.get(call.called.key or "")
    if called is not None and called.schedule is not None:
        now_open = open_at(rules.schedules[called.schedule], now)
        if not now_open:
            return _closed(found, called, call, rules, now, trace)
        trace.append(Step("schedule", f"{called.number} keeps schedule {called.schedule}", "open"))
    if call.led is None:  # where a flow has led a caller, the caller wants to be
        found = _led(found, led, rules, trace)
    return _open_line(found, rules, now, trace)


def _closed(
    found: Classified, called: DialedNumber, call: Call, rules: Rules, now: datetime, trace: list[Step],
) -> Classified:
    """Outside the hours of its number nothing is left of a class: nobody is there whom a callback could reach."""
    fact = f"{called.number} keeps schedule {called.schedule}"
    flow = rules.flows.get(called.closed_flow or "")
    name = flow.line if flow is not None else called.closed_line
    led = call.led if flow is not None and call.led is not None and call.led.line in rules.lines else None
    line = rules.lines.get(led.line if led else name or "")
    if line is None:
        trace.append(Step("schedule", fact, "closed: a message and a hangup"))
        return Classified(None, _reason(found), None)
    trace.append(Step("schedule", fact, f"closed: {f'flow {flow.name}, ' if flow else ''}line {line.name}"))
    entered = flow.name if flow is not None and flow.start is not None and call.led is None else None
    agent = led.agent if led else None
    return _open_line(
        Classified(CallClass.SERVICE, _reason(found), line, flow=entered, agent=agent), rules, now, trace)


def _reason(found: Classified) -> str:
    return f"{DEGRADED_REASON}{CLOSED}" if found.reason.startswith(DEGRADED_REASON) else CLOSED


def _led(found: Classified, led: Sequence[LedBy], rules: Rules, trace: list[Step]) -> Classified:
    """The first line leads a service call, the first stage a new customer; a callback stays with its contact."""
    if found.call_class is CallClass.SERVICE:
        ways = [(one, place) for one in led if (place := rules.lines.get(one.lead.line or "")) is not None]
    elif found.call_class is CallClass.NEW_CUSTOMER:
        ways = [(one, place) for one in led if (place := rules.stages.get(one.lead.stage or "")) is not None]
    else:
        return found
    if not ways:
        return found
    one, place = ways[0]
    trace.append(Step(one.rule, f"a {found.call_class} call is led by {one.by}", f"to {place.id}"))
    return found._replace(place=place, flow=None)


def _open_line(found: Classified, rules: Rules, now: datetime, trace: list[Step]) -> Classified:
    """The call's line, or the one that is named for when it is closed, and so on; none left: everything is closed."""
    place = found.place
    seen = set()
    while isinstance(place, Line) and place.schedule is not None and place.name not in seen:
        seen.add(place.name)
        fact = f"line {place.name} keeps schedule {place.schedule}"
        if open_at(rules.schedules[place.schedule], now):
            trace.append(Step("schedule", fact, "open"))
            break
        following = rules.lines.get(place.closed_line or "")
        if following is None and found.flow is not None:
            trace.append(Step("schedule", fact, "closed: the flow comes first"))
            break
        if following is None:
            trace.append(Step("schedule", fact, "closed: a message and a hangup"))
            return Classified(None, _reason(found), None)
        trace.append(Step("schedule", fact, f"closed: line {following.name}"))
        place = following
    return found if place is found.place else found._replace(place=place, reason=_reason(found))
