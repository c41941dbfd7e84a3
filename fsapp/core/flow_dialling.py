"""Which customers are called now so that a flow asks them, and which of those calls are taken back. Pure.

Tasks with a flow need no agent: a few of them at a time are called, those that have been due for longest first, within
the hours and by the rules of any other task. What becomes of such a call is in `flow_leg`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fsapp.core.callbacks import End, Hours, caller_id_of, on_the_line
from fsapp.core.dialling import refusal, route_of
from fsapp.core.floor import Seen
from fsapp.core.flow_leg import ABOUT, ABOUT_AGENT, FlowLeg, plain_word, written_id
from fsapp.core.follow_up import SURVEY_CALL
from fsapp.core.numbers import normalise
from fsapp.core.placeholder import ASKS, CUSTOMER, TASK
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TryOutcome

__all__ = ["NO_FLOW", "FlowCall", "FlowPlan", "planned", "variables_of"]

_AT_ONCE = 100  # refused; the others come next time
NO_FLOW = "no-such-flow"  # why a task is over whose flow the rules do not know any more


class FlowCall(NamedTuple):
    """Call this customer now. `route`: the dial string; `ring_s`: for how long."""

    task: Task
    route: str
    caller_id: str
    ring_s: int


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """`refused`: tasks whose customer may not be called at all, or asked by no flow, with why: they are over."""

    start: tuple[FlowCall, ...] = ()
    end: tuple[End, ...] = ()
    refused: tuple[tuple[Task, str], ...] = ()


def planned(
    due: Iterable[Task], legs: Mapping[str, FlowLeg], seen: Seen, rules: Rules, switch: str, now: datetime,
    resting: frozenset[str] = frozenset(),
) -> FlowPlan:
    """What is to be done now on `switch`. `due`: tasks with a flow that are due, and those of `legs`, calls by uuid.

    `resting`: ids of tasks that get no call now. Who is on the line, or waits to be called back, is not called.
    """
    tasks = {task.id: task for task in due}
    ends = tuple(
        End(leg.call, leg.task, why) for leg in legs.values()
        if not leg.answered and (why := _why_end(leg, tasks.get(leg.task), rules)))
    room, open_hours = rules.dialling.surveys_at_once - len(legs), Hours(rules, switch, now)
    wanted = [task for task in tasks.values() if task.id not in resting and _wanted(task, open_hours)]
    if room <= 0 or not wanted:
        return FlowPlan(end=ends)
    busy = on_the_line(seen, rules) | _kept_places(seen) | {leg.number for leg in legs.values()}
    started: list[FlowCall] = []
    refused: list[tuple[Task, str]] = []
    for task in sorted(wanted, key=lambda task: (task.due_at, task.id)):
        if len(started) >= room or len(refused) >= _AT_ONCE:
            break
        if task.number in busy:
            continue
        number = normalise(task.number, rules.region)
        why = refusal(number, rules.dialling, rules.numbers, rules.lists)
        if why is not None or task.flow not in rules.flows:
            refused.append((task, str(why) if why is not None else NO_FLOW))
            continue
        caller_id = caller_id_of(task, rules)
        if caller_id is not None:
            busy |= {task.number}
            started.append(FlowCall(task, route_of(task.number, rules.dialling), caller_id, rules.dialling.ring_s))
    return FlowPlan(tuple(started), ends, tuple(refused))


def _wanted(task: Task, open_hours: Hours) -> bool:
    """Whether this switch is to call for the task at this moment."""
    return (
        task.open and not task.call and task.due_at <= open_hours.now < task.expires_at
        and not open_hours.why_not(task))


def _why_end(leg: FlowLeg, task: Task | None, rules: Rules) -> str:
    """Why a phone is not to ring any more; empty where it is.

    A switch that was held up for long makes a call that was given up, and for which another was made meanwhile.
    """
    if task is not None and any(one.id == leg.call and one.outcome is TryOutcome.ASKED for one in task.tries):
        return ""  # answered already: the visit was faster than the switch's event
    if task is None or not task.open:
        return "over"
    if task.flow not in rules.flows:
        return NO_FLOW
    return "twice" if task.call != leg.call else ""


def _kept_places(seen: Seen) -> frozenset[str]:
    """Whose place is kept in a queue, or who is called back just now."""
    return frozenset(found for call in seen.calls.values() if (found := call.variables.get(CUSTOMER)))


def variables_of(start: FlowCall, rules: Rules, switch: str) -> dict[str, str]:
    """The variables with which the call is made. The place's are those of a call that a visit has routed there."""
    task = start.task
    found = {
        TASK: task.id, ASKS: task.flow, CUSTOMER: task.number, "fsapp_called": start.caller_id, "fsapp_switch": switch,
        "fsapp_reason": SURVEY_CALL, "fsapp_campaign": task.campaign, "fsapp_stage": task.stage,
        "fsapp_line": task.line, ABOUT: written_id(task.about),
        ABOUT_AGENT: plain_word(task.about_agent), "fsapp_flow_language": plain_word(task.language),
    }
    return {name: text for name, text in found.items() if text}
