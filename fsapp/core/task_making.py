"""New tasks, with what the rules of their place say of them: how often, how long, under which number. Pure.

What becomes of them is in `task_life`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from fsapp.core.rules import Line, Rules, Stage
from fsapp.core.task import Task, TaskKind

__all__ = ["caller_id", "new_task"]


def new_task(
    id_: str, kind: TaskKind, number: str, place: Stage | Line, rules: Rules, now: datetime, due_at: datetime, *,
    agent: str | None = None, group: str | None = None, called: str | None = None, contact: str | None = None,
    made_by: str = "", name: str = "", language: str = "", note: str = "",
) -> Task:
    """An open task for a place. `called`: the number of ours that the customer has called, which is shown then.

    Its time is over as long after it is due as the place says.
    """
    rule = place.calling_back
    return Task(
        id_, kind, number, place.id, due_at, due_at + timedelta(seconds=rule.expires_s), now, agent=agent, group=group,
        caller_id=called if called in rules.numbers else caller_id(place, rules), contact=contact,
        tries_left=rule.tries, made_by=made_by, name=name, language=language, note=note,
    )


def caller_id(place: Stage | Line, rules: Rules) -> str | None:
    """The number of ours that customers see when called for this place: its own, else one that leads there."""
    return next(_numbers(place, rules), None)


def _numbers(place: Stage | Line, rules: Rules) -> Iterator[str]:
    if isinstance(place, Stage):
        yield from place.numbers
        return
    yield from (one.number for one in rules.numbers.values() if one.line and one.line.name == place.name)
    yield from (one.number for one in rules.numbers.values() if one.flow and one.flow.line == place.name)
