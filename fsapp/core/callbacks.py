"""Which tasks get a call that stands in line for their customer now, and which of those calls are taken away. Pure.

A task that is due waits for an agent in the switch's own queue, as a call of ours (`placeholder`): mod_callcenter keeps
the order among customers who wait on the line and those who wait to be called. There are never many more of these than
agents who could take them, the first in line first; ten thousand tasks are not ten thousand calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fsapp.core.availability import Availability, Presence, availability
from fsapp.core.clean import clean_number
from fsapp.core.dialling import Refusal, refusal, route_of
from fsapp.core.floor import MemberState, Seen
from fsapp.core.floor_facts import is_callers
from fsapp.core.model import CallClass
from fsapp.core.numbers import normalise
from fsapp.core.placeholder import CUSTOMER, PLACE, TASK, Standing, is_placeholders
from fsapp.core.rules import Rules, agent_queue, group_queue
from fsapp.core.score import base_score
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import kept_score, unstuck_at, waiting
from fsapp.core.task_making import caller_id

__all__ = ["PER_AGENT", "End", "Plan", "Start", "caller_id_of", "planned", "variables_of"]

PER_AGENT = 2  # calls that stand in a queue, for each agent there


class Start(NamedTuple):
    """Have a call stand in line for this task. `queue`: where it is expected to go first."""

    task: Task
    queue: str
    caller_id: str


class End(NamedTuple):
    """Take the call away that stands for a task. `why`: one word."""

    place: str
    task: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`refused`: tasks whose customer may not be called at all, with the reason: they are over."""

    start: tuple[Start, ...] = ()
    end: tuple[End, ...] = ()
    refused: tuple[tuple[Task, Refusal], ...] = ()


def planned(
    due: Iterable[Task], standing: Mapping[str, Standing], seen: Seen, rules: Rules, switch: str, now: datetime,
    resting: frozenset[str] = frozenset(),
) -> Plan:
    """What is to be done now on `switch`. `due`: tasks that are due, and those of `standing`, calls by their uuid.

    `resting`: ids of tasks that get no call now, whatever else.
    """
    tasks = {task.id: task for task in due}
    there, callers = availability(seen), _callers(seen, rules)
    ends = tuple(
        End(one.place, one.task, why) for one in standing.values() if not one.connected
        if (why := _why_not(tasks.get(one.task), rules, switch, now, callers)))
    refused, wanted = [], []
    served = {one.task for one in standing.values()}
    busy = callers | {one.number for one in standing.values()}
    for task in tasks.values():
        if not task.open or task.id in served:
            continue
        why = refusal(normalise(task.number, rules.region), rules.dialling, rules.numbers, rules.lists)
        if why is not None and _home(task, rules) == switch:
            refused.append((task, why))
        elif why is None and task.id not in resting and not _why_not(task, rules, switch, now, busy):
            queue, caller_id = _queue(task, rules, switch, there, now), caller_id_of(task, rules)
            if queue and caller_id:
                wanted.append(Start(task, queue, caller_id))
    wanted.sort(key=lambda one: (-_score(one, rules, now), one.task.due_at, one.task.id))
    return Plan(_within(wanted, standing, seen, rules, there, now), ends, tuple(refused))


def _within(
    wanted: Iterable[Start], standing: Mapping[str, Standing], seen: Seen, rules: Rules, there: Availability,
    now: datetime,
) -> tuple[Start, ...]:
    """The first of them that there is room for; one a customer."""
    members = {member.call: member.queue for member in seen.members.values() if member.state != MemberState.ABANDONED}
    used = Counter(members.get(one.place, "") for one in standing.values() if not one.connected)
    # Those that are in no queue yet may go to any.
    anywhere = used.pop("", 0)
    started, numbers = [], set()
    for one in wanted:
        room = PER_AGENT * _present(rules.queues[one.queue].staff, there, now) - used[one.queue] - anywhere
        if room > 0 and one.task.number not in numbers:
            used[one.queue] += 1
            numbers.add(one.task.number)
            started.append(one)
    return tuple(started)


def _why_not(task: Task | None, rules: Rules, switch: str, now: datetime, busy: frozenset[str]) -> str:
    """Why no call is to stand in line for a task now; empty where one is."""
    if task is None or not task.open:
        return "over"
    if _home(task, rules) != switch:
        return "elsewhere"
    if task.expires_at <= now:
        return "expired"
    at = waiting(task, rules, now)
    if at is None or at > now:
        return "not-now"
    return "calls-himself" if task.number in busy else ""


def _home(task: Task, rules: Rules) -> str | None:
    place = rules.place(task.place)
    return place.home if place else None


def _queue(task: Task, rules: Rules, switch: str, there: Availability, now: datetime) -> str:
    """The queue that a call for the task would go to first; empty where nobody is there who could take it."""
    if task.agent in rules.agents and now < unstuck_at(task, rules):
        # Waits for this agent alone; where the agent is not there no call has to wait along.
        mine = there.of(task.agent, now) in (Presence.FREE, Presence.BUSY)
        return agent_queue(rules.domain, task.agent) if mine else ""
    names = [group_queue(rules.domain, task.group)] if task.group in rules.groups else []
    names.append(rules.place(task.place).queue)
    found = (rules.queues[name] for name in names)
    return next((one.name for one in found if one.home == switch and _present(one.staff, there, now)), "")


def _present(staff: Mapping[str, int], there: Availability, now: datetime) -> int:
    """How many agents could take a call now or later today: priority 0 takes none that comes by a queue."""
    ready = (Presence.FREE, Presence.BUSY)
    return sum(1 for agent, priority in staff.items() if priority and there.of(agent, now) in ready)


def _callers(seen: Seen, rules: Rules) -> frozenset[str]:
    """Who is on the line with us at this moment."""
    found = set()
    for call in seen.calls.values():
        if is_callers(call) and not is_placeholders(call.uuid, call):
            key = normalise(clean_number(call.number), rules.region).key
            if key:
                found.add(key)
    return frozenset(found)


def _score(one: Start, rules: Rules, now: datetime) -> int:
    """With which score the call will stand in line, as the decision about it will say; lists are left aside."""
    kept = kept_score(one.task, now)
    if kept is not None:
        return kept
    number = rules.numbers.get(one.caller_id)
    return base_score(CallClass.CALLBACK, 0, number.priority if number else 0, rules.place(one.task.place).sla_s)


def caller_id_of(task: Task, rules: Rules) -> str | None:
    """The number of ours that the customer sees: the task's own, else one that leads back to its place."""
    if task.caller_id in rules.numbers:
        return task.caller_id
    place = rules.place(task.place)
    return caller_id(place, rules) if place is not None else None


def variables_of(start: Start, place: str, rules: Rules, switch: str) -> dict[str, str]:
    """The variables with which the call of uuid `place` is made; ValueError for a number that is none in E.164."""
    task = start.task
    return {
        TASK: task.id, PLACE: place, CUSTOMER: task.number, "fsapp_called": start.caller_id, "fsapp_switch": switch,
        "fsapp_dial": route_of(task.number, rules.dialling), "fsapp_ring": str(rules.dialling.ring_s),
        # Said to who picks up; true of those alone who have asked.
        **({"fsapp_here": "true"} if task.kind is TaskKind.REQUESTED else {}),
    }
