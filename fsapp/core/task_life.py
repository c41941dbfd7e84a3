"""What becomes of tasks: made once, due, tried, tried again, ended. Pure: values in, values out; dials nobody.

All functions take the tasks of ONE customer and give the new ones, with the events that tell of what has changed
(`state.stream`): `task` for a change of a task, `attempt` for a try.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from fsapp.core.calling_back import CallingBack
from fsapp.core.dialling import may_call_at
from fsapp.core.rules import Line, Rules, Stage
from fsapp.core.schedule import Schedule, closes_at
from fsapp.core.score import MAX_SCORE
from fsapp.core.task import HIDDEN, Task, TaskKind, TaskState, Try, TryOutcome

__all__ = [
    "ASKED", "BY_RULE", "KEPT", "Changed", "assigned", "bounded", "cancelled", "contact_over", "expired", "forgotten",
    "hours", "hours_of", "kept_score", "made", "made_event", "placed", "reached", "rule_of", "tried", "unstuck_at",
    "until", "waiting",
]

# Callbacks: of these a customer has one at most at each place.
ASKED = frozenset({TaskKind.REQUESTED, TaskKind.LOST})
BY_RULE = "rule "  # how `made_by` begins of tasks that follow from calls
KEPT = 50  # tasks of one customer that are remembered, those that are over included
# Until a try that failed on our side, and so does not count, is made again: at first, and at most after several in a
# row, as the customer's phone may have rung each time.
_LATER_S, _MUCH_LATER_S = 300, 3600
_REACHED = (TryOutcome.TALKED, TryOutcome.ASKED)
_DAY = timedelta(days=1)


class Changed(NamedTuple):
    """The customer's tasks afterwards, the one it was about (None: there is none), and the events that tell of it."""

    tasks: tuple[Task, ...]
    task: Task | None
    events: tuple[dict[str, Any], ...] = ()


def rule_of(task: Task, rules: Rules) -> CallingBack:
    """What the task's place says of calling back; the usual where the rules do not know the place any more."""
    place = rules.place(task.place)
    return place.calling_back if place else CallingBack()


def hours(task: Task, rules: Rules) -> tuple[Schedule, ...]:
    """The schedules that must all be open for the customer to be called: the dialler's and the line's."""
    return hours_of(rules.place(task.place), rules)


def hours_of(place: Stage | Line | None, rules: Rules) -> tuple[Schedule, ...]:
    """The same for whatever is done for a place."""
    names = (rules.dialling.schedule, place.schedule if isinstance(place, Line) else None)
    return tuple(rules.schedules[name] for name in names if name in rules.schedules)


def made(tasks: Sequence[Task], new: Task, a_day: int | None = None) -> Changed:
    """Add a task. A callback there is already for this place stays as it is, and is the one: asking twice asks once.

    A caller's own request takes the place of a callback for a lost call, and keeps the earlier of the two places. One
    that was made before, by its id, is not made again, even if it is over; nor is one whose flow is to ask this
    customer anyway. `a_day`: how many callbacks a number gets within 24 hours, those counted that follow from calls by
    rule; one more is not made (the task is None): anybody can ask for anybody's number, or call with it.
    """
    again = next((old for old in tasks if old.id == new.id), None)
    if again is not None:
        return Changed(tuple(tasks), again)
    asks = next((old for old in tasks if new.flow and old.open and old.flow == new.flow), None)
    if asks is not None:
        return Changed(tuple(tasks), asks)
    same = next((old for old in tasks if old.open and old.kind in ASKED and old.place == new.place), None)
    if new.kind not in ASKED or same is None:
        if _by_itself(new) and a_day is not None and _rung_since(tasks, new.made_at - _DAY) >= a_day:
            return Changed(tuple(tasks), None)
        return Changed(bounded((*tasks, new)), new, (_told(new, "made", new.made_at),))
    if same.kind is TaskKind.LOST and new.kind is TaskKind.REQUESTED and same.call is None:
        earlier = same.since is not None and (new.since is None or same.since < new.since)
        kept = {"base_score": same.base_score, "since": same.since} if earlier else {}
        over = _closed(same, TaskState.CANCELLED, "asked-for", new.made_at)
        new = replace(new, **kept)
        return Changed(
            bounded((*_with(tasks, over), new)), new,
            (_told(over, "closed", new.made_at), _told(new, "made", new.made_at)))
    return Changed(tuple(tasks), same)


def waiting(task: Task, rules: Rules, now: datetime) -> datetime | None:
    """When the task is to stand in a queue: `due_at`, or later when the hours begin; None: never before it expires."""
    at = may_call_at(max(task.due_at, now), hours(task, rules))
    return at if at is not None and at < task.expires_at else None


def until(task: Task, rules: Rules, now: datetime) -> datetime:
    """Until when the customer may be dialled who may be dialled `now`: its time is over, or the hours of today end."""
    ends = [closes_at(schedule, now, _DAY) for schedule in hours(task, rules)]
    return min([task.expires_at, *(at for at in ends if at is not None)])


def unstuck_at(task: Task, rules: Rules) -> datetime:
    """Until when a due task waits for the responsible agent alone; afterwards it is the group's or anyone's."""
    due = may_call_at(task.due_at, hours(task, rules)) or task.due_at
    return due + timedelta(seconds=rule_of(task, rules).task_wait_s)


def kept_score(task: Task, now: datetime) -> int | None:
    """The base score with which a call that begins `now` stands where the customer would, still waiting.

    The switch adds a second's worth for each second of the call. None: the score is that of any callback.
    """
    if task.base_score is None or task.since is None:
        return None
    return min(task.base_score + max(0, int((now - task.since).total_seconds())), MAX_SCORE)


def placed(tasks: Sequence[Task], id_: str, call: str | None) -> Changed:
    """A call stands in the queue for the task now, or, with None, no longer does: of one that is over as well."""
    task = next((known for known in tasks if known.id == id_), None)
    if task is None or (call is not None and not task.open):
        return Changed(tuple(tasks), None)
    task = replace(task, call=call)
    return Changed(_with(tasks, task), task)


def tried(tasks: Sequence[Task], id_: str, one: Try, rules: Rules, counts: bool | None = None) -> Changed:
    """A try has ended. They talked, or a flow asked: done. Else it is due again, unless no tries or no time are left.

    `counts`: whether it uses up a try; None: unless it failed on our side, so that nobody was dialled. The same try
    twice changes nothing, unless it was given up for lost and the customer has answered it after all.
    """
    task = next((known for known in tasks if known.id == id_), None)
    known = next((known for known in task.tries if known.id == one.id), None) if task is not None else None
    if task is None or (known is not None and not _after_all(known, one)):
        return Changed(tuple(tasks), task)
    if known is not None:
        task = replace(task, tries=tuple(other for other in task.tries if other is not known))
    told = _attempt(task, one)
    if not task.open:  # it was cancelled while they rang: that they were is still to be known
        task = replace(task, tries=(*task.tries, one), call=None)
        return Changed(_with(tasks, task), task, (told,))
    counts = one.outcome is not TryOutcome.FAILED if counts is None else counts
    task = replace(task, tries=(*task.tries, one), tries_left=task.tries_left - counts, call=None)
    rule = rule_of(task, rules)
    if one.outcome in _REACHED:
        task = _closed(task, TaskState.DONE, one.outcome.value, one.at)
    elif task.tries_left <= 0:
        task = _closed(task, TaskState.FAILED, one.outcome.value, one.at)
    else:
        task = replace(task, due_at=one.at + timedelta(seconds=rule.retry_s if counts else _later_s(task)))
        if task.due_at >= task.expires_at:
            task = _closed(task, TaskState.EXPIRED, one.outcome.value, one.at)
    return Changed(_with(tasks, task), task, (told, _told(task, "tried" if task.open else "closed", one.at)))


def _after_all(known: Try, one: Try) -> bool:
    """A switch that was held up has made a call that nobody waited for any more."""
    return known.outcome is TryOutcome.FAILED and one.outcome is TryOutcome.ASKED


def _later_s(task: Task) -> int:
    failed = next((place for place, one in enumerate(reversed(task.tries)) if one.outcome is not TryOutcome.FAILED),
                  len(task.tries))
    return min(_LATER_S * 2 ** min(failed - 1, 10), _MUCH_LATER_S)


def reached(tasks: Sequence[Task], place: str, now: datetime, asker: str = "") -> Changed:
    """The customer has talked to somebody of this place otherwise: callbacks made before are not needed any more.

    `asker`: it was not the customer, but the caller with this number, who has asked for some of them.
    """
    return _ended(
        tasks, lambda task: task.kind in ASKED and task.place == place and task.made_at <= now
        and asker in ("", task.asked_by), "got-through", now)


def forgotten(tasks: Sequence[Task], asker: str) -> Changed:
    """The same tasks, without the number of this caller as that of who has asked for them."""
    found = tuple(replace(task, asked_by=HIDDEN) if task.asked_by == asker else task for task in tasks)
    return Changed(found, None)


def cancelled(tasks: Sequence[Task], id_: str, why: str, now: datetime) -> Changed:
    """Somebody takes the task back; none if it is not there or over already."""
    return _ended(tasks, lambda task: task.id == id_, why, now)


def contact_over(tasks: Sequence[Task], contacts: Collection[str], why: str, now: datetime) -> Changed:
    """These contacts (by id) are closed or gone: what a file or an agent has planned with them is not to be done."""
    planned = (TaskKind.IMPORTED, TaskKind.AGAIN)
    return _ended(tasks, lambda task: task.kind in planned and task.contact in contacts, why, now)


def expired(tasks: Sequence[Task], now: datetime) -> Changed:
    """Ends those whose time is over, unless a call stands for them: that one is let finish."""
    return _ended(tasks, lambda task: task.expires_at <= now and task.call is None, "", now, TaskState.EXPIRED)


def assigned(tasks: Sequence[Task], id_: str, agent: str | None, group: str | None, now: datetime) -> Changed:
    """Makes it an agent's, a group's or (both None) anyone's task."""
    task = _open(tasks, id_)
    if task is None:
        return Changed(tuple(tasks), None)
    task = replace(task, agent=agent, group=group)
    return Changed(_with(tasks, task), task, (_told(task, "assigned", now),))


def _by_itself(task: Task) -> bool:
    """Whether nobody of ours wanted it: callers can have as many of these made as they like."""
    return task.kind in ASKED or task.made_by.startswith(BY_RULE)


def _rung_since(tasks: Iterable[Task], at: datetime) -> int:
    """Those made by themselves since then for which the customer's phone has rung, or may ring still."""
    return sum(1 for task in tasks if _by_itself(task) and task.made_at > at and (task.open or task.tries))


def _ended(
    tasks: Sequence[Task], which: Callable[[Task], bool], why: str, now: datetime,
    state: TaskState = TaskState.CANCELLED,
) -> Changed:
    over = [_closed(task, state, why, now) for task in tasks if task.open and which(task)]
    found = tuple(tasks)
    for task in over:
        found = _with(found, task)
    return Changed(found, over[0] if over else None, tuple(_told(task, "closed", now) for task in over))


def _closed(task: Task, state: TaskState, why: str, now: datetime) -> Task:
    return replace(task, state=state, why=why, closed_at=now)


def _open(tasks: Iterable[Task], id_: str) -> Task | None:
    return next((task for task in tasks if task.id == id_ and task.open), None)


def _with(tasks: Iterable[Task], new: Task) -> tuple[Task, ...]:
    return tuple(new if task.id == new.id else task for task in tasks)


def bounded(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Those that are open, and the newest of those that are over."""
    over = [task.id for task in tasks if not task.open]
    gone = set(over[:max(0, len(tasks) - KEPT)])
    return tuple(task for task in tasks if task.id not in gone)


def made_event(task: Task) -> dict[str, Any]:
    """The event that tells of a new task."""
    return _told(task, "made", task.made_at)


def _told(task: Task, what: str, at: datetime) -> dict[str, Any]:
    """The event of a change; its id is the same whenever the same change is told."""
    return {
        "type": "task", "id": f"{task.id}:{what}:{len(task.tries)}:{int(at.timestamp() * 1000)}",
        "at": at.timestamp(), "task": task.id, "what": what, "kind": task.kind.value, "state": task.state.value,
        "number": task.number, "place": task.place, "campaign": task.campaign, "stage": task.stage, "line": task.line,
        "agent": task.agent, "group": task.group, "due_at": task.due_at.timestamp(),
        "expires_at": task.expires_at.timestamp(), "made_at": task.made_at.timestamp(), "made_by": task.made_by,
        "contact": task.contact, "tries": len(task.tries), "why": task.why, "note": task.note, **_follows(task),
    }


def _attempt(task: Task, one: Try) -> dict[str, Any]:
    return {
        "type": "attempt", "id": one.id, "at": one.at.timestamp(), "task": task.id, "number": task.number,
        "agent": one.agent, "responsible": one.responsible,
        "outcome": "talked" if one.outcome in _REACHED else "failed", "result": one.outcome.value,
        "cause": one.cause, "talked_s": None if task.flow and one.agent is None else one.talked_s,
        "campaign": task.campaign, "stage": task.stage, "line": task.line, "contact": task.contact, **_follows(task),
    }


def _follows(task: Task) -> dict[str, str]:
    """Which flow asks the customer, and which interaction it is about: nothing of a task that has neither."""
    return {name: text for name, text in (("flow", task.flow), ("about", task.about)) if text}
