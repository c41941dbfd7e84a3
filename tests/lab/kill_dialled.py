"""Whom the lab switch dialled for which task, leg by leg; and what of it tasks and attempts have otherwise. No tests.

As docs/callbacks.md has it: what becomes of a call while no link is there counts as no try, or as one that failed on
our side; everything else is written once, as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kill_truth import Blind, Row, Truth

from fsapp.core.task import Task
from fsapp.lab.channel import Channel
from fsapp.lab.switch import Switch

__all__ = ["Dialled", "Placed", "differences_of_tasks", "differences_of_tries"]

_SLACK_S = 2.0     # the busy tone that an agent hears, and this machine
_UNWRITTEN_S = 2.5
_RESULTS = {
    "USER_BUSY": "busy", "CALL_REJECTED": "rejected", "NO_ANSWER": "no-answer", "ALLOTTED_TIMEOUT": "no-answer",
    "ORIGINATOR_CANCEL": "given-up", "NORMAL_CLEARING": "rejected",
}


@dataclass
class Placed:
    """A call that stood in line for a task. `agent`: who was connected, `ended_at`: when the last leg was over."""

    place: str
    task: str
    number: str
    at: float
    legs: set[str] = field(default_factory=set)
    agent: str | None = None
    dialled_at: float | None = None
    rung_until: float | None = None
    reached: bool = False
    cause: str = ""
    ended_at: float = 0.0

    @property
    def tried(self) -> bool:
        return self.agent is not None or self.dialled_at is not None

    @property
    def result(self) -> str:
        """How the try ended, as docs/callbacks.md names it."""
        if self.reached:
            return "talked"
        return "given-up" if self.dialled_at is None else _RESULTS.get(self.cause, "failed")


class Dialled(Truth):
    """An observer of the switch, which is told of each leg that has to do with a task as well."""

    def __init__(self) -> None:
        super().__init__()
        self.placed: dict[str, Placed] = {}

    def follow(self, switch: Switch) -> None:
        began, ended, now = switch.started, switch.ended, switch.clock.now

        def started(leg: Channel) -> None:
            self._began(leg, now())
            began(leg)

        def over(leg: Channel) -> None:
            self._ended(leg, now())
            ended(leg)

        switch.started, switch.ended = started, over  # type: ignore[method-assign]

    def __call__(self, event: Mapping[str, Any]) -> None:
        placed = self.placed.get(event["uuid"])
        if placed is None:
            super().__call__(event)
        elif event["event"] == "answered":
            placed.agent = event["agent"]

    def _began(self, leg: Channel, at: float) -> None:
        place, task = leg.variables.get("fsapp_place"), leg.variables.get("fsapp_task")
        if not place or not task:
            return
        placed = self.placed.setdefault(place, Placed(place, task, leg.get("fsapp_customer"), at))
        placed.legs.add(leg.uuid)
        if leg.direction == "outbound" and leg.uuid != place:
            placed.dialled_at = at

    def _ended(self, leg: Channel, at: float) -> None:
        placed = self.placed.get(leg.variables.get("fsapp_place", ""))
        if placed is None:
            return
        placed.legs.discard(leg.uuid)
        placed.reached = placed.reached or bool(leg.variables.get("fsapp_reached"))
        if leg.direction == "outbound" and leg.uuid != placed.place:
            placed.cause, placed.rung_until = leg.hangup_cause, at
        if not placed.legs:
            placed.ended_at = at


def differences_of_tries(
    placed: Mapping[str, Placed], attempts: Sequence[Row], blind: Sequence[Blind], tries: int,
) -> Iterator[str]:
    """Where attempts are not what was dialled; who was dialled too often, or twice at a time."""
    rows = {row["id"]: row for row in attempts}
    for row in attempts:
        if row["id"] not in placed or not placed[row["id"]].tried:
            yield f"an attempt that was none: {dict(row)}, of {placed.get(row['id'])}"
    for one in placed.values():
        row, hidden = rows.get(one.place), _hidden(one, blind)
        if row is None:
            if one.tried and not hidden:
                yield f"no attempt of {one}"
            continue
        yield from (f"{what}, of {one}" for what in _try(one, row, hidden))
    by_task: dict[str, list[Placed]] = {}
    for one in placed.values():
        if one.dialled_at is not None:
            by_task.setdefault(one.task, []).append(one)
    for calls in by_task.values():
        yield from _too_often(sorted(calls, key=lambda one: one.dialled_at or 0.0), blind, tries)


def _hidden(one: Placed, blind: Iterable[Blind]) -> bool:
    """Whether no link was there to hear how it ended, or to write it down, as it does once a second."""
    return any(gap.has(at, _UNWRITTEN_S) for gap in blind for at in (one.ended_at, one.rung_until or one.ended_at))


def _try(one: Placed, row: Row, hidden: bool) -> Iterator[str]:
    results = {one.result, *(("failed", "talked", "given-up") if hidden else ())}
    if row["result"] not in results:
        yield f"result is {row['result']} instead of {results}"
    if row["outcome"] != ("talked" if row["result"] == "talked" else "failed"):
        yield f"outcome is {row['outcome']} with {row['result']}"
    for name, wanted in (("task_id", one.task), ("number", one.number), ("interaction_id", one.place)):
        if row[name] != wanted:
            yield f"{name} is {row[name]} instead of {wanted}"
    if row["agent"] != one.agent and not (hidden and row["agent"] is None):
        yield f"agent is {row['agent']} instead of {one.agent}"
    if not hidden and abs(row["at"] - one.ended_at) > _SLACK_S:
        yield f"at is {row['at']} instead of {one.ended_at}"


def _too_often(calls: Sequence[Placed], blind: Iterable[Blind], tries: int) -> Iterator[str]:
    for before, after in zip(calls, calls[1:], strict=False):
        assert after.dialled_at is not None
        if after.dialled_at < (before.rung_until or before.ended_at or float("inf")):
            yield f"dialled twice at a time: {before}, {after}"
        if before.reached and not _hidden(before, blind):
            yield f"dialled after they had talked: {before}, {after}"
    counted = [one for one in calls if one.result != "failed" and not _hidden(one, blind)]
    if len(counted) > tries:
        yield f"dialled too often: {counted}"


def differences_of_tasks(
    tasks: Sequence[Task], rows: Sequence[Row], attempts: Sequence[Row], tries: int,
) -> Iterator[str]:
    """Where tasks in the memory are not what Redis has, or not what their attempts make of them, or are forgotten."""
    kept = {row["id"]: row for row in rows}
    by_task: dict[str, list[Row]] = {}
    for row in sorted(attempts, key=lambda row: row["at"]):
        by_task.setdefault(row["task_id"], []).append(row)
    yield from (f"a task that Redis does not have: {dict(kept[id_])}" for id_ in kept.keys() - {t.id for t in tasks})
    for task in tasks:
        row, made = kept.get(task.id), by_task.get(task.id, [])
        if row is None:
            yield f"no row of {task}"
            continue
        for name, wanted in (
            ("state", task.state.value), ("kind", task.kind.value), ("number", task.number), ("tries", len(task.tries)),
            ("why", task.why), ("place", task.place), ("due_at", task.due_at.timestamp()),
        ):
            if (row[name] or "") != (wanted or ""):
                yield f"{name} is {row[name]} instead of {wanted}, of {task}"
        if [one.id for one in task.tries] != [one["id"] for one in made]:
            yield f"attempts are {[one['id'] for one in made]}, of {task}"
        results = [one["result"] for one in made]
        counted = [result for result in results if result != "failed"]
        ends = {
            "done": results[-1:] == ["talked"], "failed": len(counted) == tries and "talked" not in results,
            "cancelled": task.why in ("got-through", "asked-for"),
            "open": results[-1:] == ["failed"] and task.call is None,  # again in some minutes
        }
        if not ends.get(task.state.value):
            yield f"{task.state} after {results}, of {task}"
