"""New tasks, with what the rules of their place say of them: how often, how long, under which number. Pure.

What becomes of them is in `task_life`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from fsapp.core.dialling import may_call_at
from fsapp.core.rules import Line, Rules, Stage
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import hours_of

__all__ = ["caller_id", "expires_at", "imported", "new_task"]


def new_task(
    id_: str, kind: TaskKind, number: str, place: Stage | Line, rules: Rules, now: datetime, due_at: datetime, *,
    agent: str | None = None, group: str | None = None, called: str | None = None, contact: str | None = None,
    made_by: str = "", name: str = "", language: str = "", note: str = "", flow: str = "", about: str = "",
    about_agent: str = "",
) -> Task:
    """An open task for a place. `called`: the number of ours that the customer has called, which is shown then.

    Its time is over as long after it is due as the place says.
    """
    return Task(
        id_, kind, number, place.id, due_at, expires_at(place, rules, due_at), now, agent=agent, group=group,
        caller_id=called if called in rules.numbers else caller_id(place, rules), contact=contact,
        tries_left=place.calling_back.tries, made_by=made_by, name=name, language=language, note=note, flow=flow,
        about=about, about_agent=about_agent,
    )


def expires_at(place: Stage | Line, rules: Rules, due_at: datetime) -> datetime:
    """When the time of a task that is due then is over: counted from when customers are called for the first time.

    What is due in the evening or on a holiday is not over before anybody could have been called.
    """
    first = may_call_at(due_at, hours_of(place, rules)) or due_at
    return first + timedelta(seconds=place.calling_back.expires_s)


def imported(
    number: str, stage: Stage, rules: Rules, now: datetime, due_at: float, *, agent: str | None, made_by: str,
    name: str,
) -> Task:
    """The task of a contact that is to be called at a time (epoch seconds); imported again it is the same."""
    contact = f"{stage.id}/{number}"
    id_ = sha256(f"{contact} {float(due_at)}".encode()).hexdigest()[:12]
    return new_task(
        id_, TaskKind.IMPORTED, number, stage, rules, now, datetime.fromtimestamp(due_at, UTC), agent=agent,
        contact=contact, made_by=made_by, name=name)


def caller_id(place: Stage | Line, rules: Rules) -> str | None:
    """The number of ours that customers see when called for this place: its own, else one that leads there."""
    return next(_numbers(place, rules), None)


def _numbers(place: Stage | Line, rules: Rules) -> Iterator[str]:
    if isinstance(place, Stage):
        yield from (number for number in place.numbers if number in rules.numbers)
        return
    yield from (one.number for one in rules.numbers.values() if one.line and one.line.name == place.name)
    yield from (one.number for one in rules.numbers.values() if one.flow and one.flow.line == place.name)
    yield from rules.numbers
