"""Tasks and attempts as rows for people, spreadsheets and programs: what a task is doing now, whose it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from fsapp.core.clean import clean_name, clean_text
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState
from fsapp.core.task_life import unstuck_at, waiting

__all__ = ["ATTEMPT_COLUMNS", "TASK_COLUMNS", "AttemptFilter", "Doing", "TaskFilter", "attempt_row", "task_row"]

MAX_NOTE = 500
TASK_COLUMNS = (
    "id", "kind", "state", "doing", "number", "name", "campaign", "stage", "line", "agent", "agent_name", "group",
    "due_at", "waiting_at", "unstuck_at", "expires_at", "made_at", "made_by", "caller_id", "contact", "tries",
    "tries_left", "last_outcome", "call", "closed_at", "why", "language", "note", "asked_by", "flow", "about",
)
ATTEMPT_COLUMNS = (
    "at", "number", "responsible", "responsible_name", "agent", "agent_name", "outcome", "result", "cause", "talked_s",
    "campaign", "stage", "line", "contact", "task", "id", "flow",
)


class Doing(StrEnum):
    """What an open task is doing."""

    DUE = "due"          # it could be tried now
    LATER = "later"      # its time has not come, or nobody is called at this hour
    CALLING = "calling"  # a call stands in a queue for it, or its customer's phone rings


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks are wanted: None means all. `state`: a TaskState or a Doing; `anyone`: those of no one alone."""

    state: str | None = TaskState.OPEN.value
    agent: str | None = None
    group: str | None = None
    anyone: bool = False
    due_before: datetime | None = None
    due_after: datetime | None = None
    campaign: str | None = None
    stage: str | None = None
    line: str | None = None
    kind: TaskKind | None = None

    @property
    def over(self) -> bool:
        """Whether tasks that are over may be among them."""
        return self.state not in (TaskState.OPEN, *Doing)

    def wants(self, task: Task, rules: Rules, now: datetime) -> bool:
        return (
            (self.state in (None, task.state) or self.state == doing(task, rules, now))
            and self.agent in (None, task.agent) and self.group in (None, task.group)
            and not (self.anyone and (task.agent or task.group))
            and (self.due_before is None or task.due_at < self.due_before)
            and (self.due_after is None or task.due_at >= self.due_after)
            and self.campaign in (None, task.campaign) and self.stage in (None, task.stage)
            and self.line in (None, task.line) and self.kind in (None, task.kind)
        )


def doing(task: Task, rules: Rules, now: datetime) -> Doing | None:
    """What an open task is doing; None of one that is over."""
    if not task.open:
        return None
    if task.call is not None:
        return Doing.CALLING
    return Doing.DUE if waiting(task, rules, now) == now else Doing.LATER


def task_row(task: Task, rules: Rules, now: datetime) -> dict[str, Any]:
    """All of TASK_COLUMNS; times as text in ISO 8601, what people wrote without anything that is not printed.

    `waiting_at`: when it is tried next, hours considered; `unstuck_at`: until when its agent alone is waited for.
    """
    at = waiting(task, rules, now) if task.open else None
    known = rules.agents.get(task.agent or "")
    return {
        "id": task.id, "kind": task.kind.value, "state": task.state.value, "doing": doing(task, rules, now),
        "number": task.number, "name": clean_name(task.name) or None, "campaign": task.campaign, "stage": task.stage,
        "line": task.line, "agent": task.agent, "agent_name": clean_name(known.name) if known else None,
        "group": task.group, "due_at": _text(task.due_at), "waiting_at": _text(at),
        "unstuck_at": _text(unstuck_at(task, rules)) if task.open and task.agent else None,
        "expires_at": _text(task.expires_at), "made_at": _text(task.made_at),
        "made_by": clean_name(task.made_by) or None, "caller_id": task.caller_id, "contact": task.contact,
        "tries": len(task.tries), "tries_left": task.tries_left if task.open else None,
        "last_outcome": task.tries[-1].outcome.value if task.tries else None, "call": task.call,
        "closed_at": _text(task.closed_at), "why": clean_text(task.why, MAX_NOTE) or None,
        "language": task.language or None, "note": clean_text(task.note, MAX_NOTE) or None,
        "asked_by": task.asked_by or None,
        "flow": task.flow or None, "about": clean_text(task.about, MAX_NOTE) or None,
    }


@dataclass(frozen=True, slots=True)
class AttemptFilter:
    """Which attempts are wanted: None means all. `outcome`: talked or failed, or a TryOutcome."""

    since: datetime | None = None
    until: datetime | None = None
    agent: str | None = None
    responsible: str | None = None
    number: str | None = None
    campaign: str | None = None
    stage: str | None = None
    line: str | None = None
    outcome: str | None = None

    def wants(self, row: Mapping[str, Any]) -> bool:
        """Of a row as `attempt_row` makes it."""
        at = datetime.fromisoformat(row["at"])
        return (
            (self.since is None or at >= self.since) and (self.until is None or at < self.until)
            and self.outcome in (None, row["outcome"], row["result"])
            and all(wanted in (None, row[name]) for name, wanted in (
                ("agent", self.agent), ("responsible", self.responsible), ("number", self.number),
                ("campaign", self.campaign), ("stage", self.stage), ("line", self.line)))
        )


def attempt_row(event: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """All of ATTEMPT_COLUMNS from an `attempt` of the event stream. ValueError for one that does not say when.

    `responsible`: whose task it was then; `agent`: who tried.
    """
    try:
        at = datetime.fromtimestamp(float(event["at"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise ValueError("no attempt: no time") from None
    row: dict[str, Any] = {name: _word(event.get(name)) for name in ATTEMPT_COLUMNS}
    talked_s = event.get("talked_s")
    return row | {
        "at": _text(at), "talked_s": talked_s if isinstance(talked_s, int | float) else None,
        **{f"{who}_name": _name(row[who], rules) for who in ("agent", "responsible")},
    }


def _name(agent: str | None, rules: Rules) -> str | None:
    known = rules.agents.get(agent or "")
    return clean_name(known.name) if known else None


def _word(value: Any) -> str | None:
    return clean_text(str(value), MAX_NOTE) or None if value is not None else None


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")

