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
from fsapp.core.dialling import Refusal, may_call_at, refusal, route_of
from fsapp.core.floor import MemberState, Seen
from fsapp.core.floor_facts import is_callers
from fsapp.core.model import CallClass
from fsapp.core.numbers import normalise
from fsapp.core.placeholder import CUSTOMER, PLACE, TASK, Standing, is_placeholders
from fsapp.core.rules import Rules, agent_queue, group_queue
from fsapp.core.score import base_score
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import hours as task_hours
from fsapp.core.task_life import kept_score, unstuck_at, until
from fsapp.core.task_making import caller_id

__all__ = ["PER_AGENT", "End", "Hours", "Plan", "Start", "caller_id_of", "on_the_line", "planned", "variables_of"]

PER_AGENT = 2  # calls that stand in a queue, for each agent there


class Start(NamedTuple):
    """Have a call stand in line for this task. `queue`: where it is expected to go first.

    `until`: when the switch is to take it away by itself, should nobody have done so.
    """

    task: Task
    queue: str
    caller_id: str
    until: datetime


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
    there, callers, hours = availability(seen), on_the_line(seen, rules), Hours(rules, switch, now)
    kept = _kept(standing.values(), tasks)
    ends = tuple(
        End(one.place, one.task, why) for one in standing.values() if not one.connected
        if (why := _why_not(tasks.get(one.task), hours, callers) or _spare(one, kept)))
    refused = [(task, why) for one in standing.values() if not one.connected and (task := tasks.get(one.task))
               and task.open and (why := _refusal(task, rules))]
    served = {one.task for one in standing.values()} | resting
    busy = callers | {one.number for one in standing.values()}
    wanted = []
    for task in tasks.values():
        if task.id not in served and not _why_not(task, hours, busy):
            queue = _queue(task, rules, switch, there, now)
            if queue:
                wanted.append((-_score(task, rules, now), task.due_at, task.id, queue, task))
    wanted.sort(key=lambda one: one[:3])
    room = _Room(standing, seen, rules, there, now)
    started, numbers = [], set()
    for *_order, queue, task in wanted:
        if not room.left(queue) or task.number in numbers:
            continue
        # Looked at last: of ten thousand tasks only those whose turn it is.
        why = _refusal(task, rules)
        caller_id = caller_id_of(task, rules)
        if why is not None:
            refused.append((task, why))
        elif caller_id is not None:
            room.take(queue)
            numbers.add(task.number)
            started.append(Start(task, queue, caller_id, until(task, rules, now)))
    return Plan(tuple(started), ends, tuple(refused))


def _refusal(task: Task, rules: Rules) -> Refusal | None:
    return refusal(normalise(task.number, rules.region), rules.dialling, rules.numbers, rules.lists)


class _Room:
    """How many more calls may stand in a queue."""

    def __init__(
        self, standing: Mapping[str, Standing], seen: Seen, rules: Rules, there: Availability, now: datetime,
    ) -> None:
        queues = {one.call: one.queue for one in seen.members.values() if one.state != MemberState.ABANDONED}
        self._used = Counter(queues.get(one.place, "") for one in standing.values() if not one.connected)
        # Those that are in no queue yet may go to any.
        self._anywhere = self._used.pop("", 0)
        self._most: dict[str, int] = {}
        self._present = lambda queue: _present(rules.queues[queue].staff, there, now)

    def left(self, queue: str) -> bool:
        if queue not in self._most:
            self._most[queue] = PER_AGENT * self._present(queue)
        return self._most[queue] > self._used[queue] + self._anywhere

    def take(self, queue: str) -> None:
        self._used[queue] += 1


class Hours:
    """Which places of this switch call customers at this moment."""

    def __init__(self, rules: Rules, switch: str, now: datetime) -> None:
        self.now = now
        self._rules = rules
        self._switch = switch
        self._known: dict[str, str] = {}

    def why_not(self, task: Task) -> str:
        found = self._known.get(task.place)
        if found is None:
            found = self._known[task.place] = self._look(task)
        return found

    def _look(self, task: Task) -> str:
        place = self._rules.place(task.place)
        if place is None or place.home != self._switch:
            return "elsewhere"
        return "" if may_call_at(self.now, task_hours(task, self._rules)) == self.now else "not-now"


def _why_not(task: Task | None, hours: Hours, busy: frozenset[str]) -> str:
    """Why no call is to stand in line for a task now; empty where one is."""
    if task is None or not task.open:
        return "over"
    if task.expires_at <= hours.now:
        return "expired"
    if task.due_at > hours.now:
        return "not-now"
    return hours.why_not(task) or ("calls-himself" if busy & {task.number, task.asked_by} else "")


def _kept(standing: Iterable[Standing], tasks: Mapping[str, Task]) -> Mapping[str, str]:
    """Of each customer's calls the one that stays: an agent's, else the task's own.

    A switch that was held up for long makes what was asked of it long ago, and for which another was made meanwhile.
    """
    def last(one: Standing) -> tuple[bool, bool, str]:
        task = tasks.get(one.task)
        return one.connected, task is not None and task.call == one.place, one.place

    return {one.number: one.place for one in sorted(standing, key=last)}


def _spare(one: Standing, kept: Mapping[str, str]) -> str:
    return "" if kept[one.number] == one.place else "twice"


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


def on_the_line(seen: Seen, rules: Rules) -> frozenset[str]:
    """Who is on the line with us at this moment, or called so that a flow asks them."""
    found = set()
    for call in seen.calls.values():
        if is_callers(call) and not is_placeholders(call.uuid, call):
            number = call.variables.get(CUSTOMER) or call.number
            key = normalise(clean_number(number), rules.region).key
            if key:
                found.add(key)
    return frozenset(found)


def _score(task: Task, rules: Rules, now: datetime) -> int:
    """With which score the call will stand in line, as the decision about it will say; lists are left aside."""
    kept = kept_score(task, now)
    if kept is not None:
        return kept
    number = rules.numbers.get(task.caller_id or "")
    return base_score(CallClass.CALLBACK, 0, number.priority if number else 0, rules.place(task.place).sla_s)


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
        "fsapp_until": str(int(start.until.timestamp())),
        # Said to who picks up; true of those alone who have asked.
        **({"fsapp_here": "true"} if task.kind is TaskKind.REQUESTED else {}),
    }
