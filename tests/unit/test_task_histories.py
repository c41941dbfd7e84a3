"""Whatever is done to a customer's tasks, in any order: asked once, not tried too often, and over is over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fsapp.core import task_life
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState, Try, TryOutcome
from fsapp.core.task_life import ASKED, KEPT, Changed
from fsapp.rules import load_folder

RULES = Rules.from_document(load_folder(Path(__file__).parents[2] / "conf" / "rules"))
START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PLACES = ("helpdesk", "vip", "renewals/first-call")
NUMBER = "+381601234567"

_names = st.integers(0, 7).map(lambda one: f"t{one}")
_steps = st.lists(st.one_of(
    st.tuples(st.just("made"), _names, st.sampled_from(TaskKind), st.sampled_from(PLACES), st.integers(1, 4),
              st.booleans()),
    st.tuples(st.just("tried"), _names, st.sampled_from(TryOutcome), st.integers(0, 30)),
    st.tuples(st.just("placed"), _names, st.booleans()),
    st.tuples(st.just("cancelled"), _names),
    st.tuples(st.just("reached"), st.sampled_from(PLACES)),
    st.tuples(st.just("assigned"), _names, st.sampled_from(("1004", None)), st.sampled_from(("support", None))),
    st.tuples(st.just("expired")),
    st.tuples(st.just("contact_over"), _names),
), max_size=60)


def do(tasks: tuple[Task, ...], step: tuple[Any, ...], now: datetime) -> Changed:
    what = step[0]
    if what == "made":
        _, id_, kind, place, tries, waited = step
        more = {"base_score": 101_000_000, "since": now - timedelta(minutes=2)} if waited else {}
        return task_life.made(tasks, Task(
            id_, kind, NUMBER, place, now, now + timedelta(hours=2), now, tries_left=tries, contact=f"c-{id_}", **more))
    if what == "tried":
        _, id_, outcome, call = step
        return task_life.tried(tasks, id_, Try(f"c{call}", now, outcome, None, "1004"), RULES)
    if what == "placed":
        return task_life.placed(tasks, step[1], "call" if step[2] else None)
    if what == "cancelled":
        return task_life.cancelled(tasks, step[1], "no", now)
    if what == "reached":
        return task_life.reached(tasks, step[1], now)
    if what == "assigned":
        return task_life.assigned(tasks, *step[1:], now)
    if what == "contact_over":
        return task_life.contact_over(tasks, {f"c-{step[1]}"}, "contact-closed", now)
    return task_life.expired(tasks, now)


def check(before: tuple[Task, ...], after: tuple[Task, ...], now: datetime) -> None:
    assert len({task.id for task in after}) == len(after) <= KEPT
    asked = [task.place for task in after if task.open and task.kind in ASKED]
    assert len(asked) == len(set(asked)), "never two callbacks of one customer at one place"
    known = {task.id: task for task in before}
    for task in after:
        old = known.get(task.id)
        if task.open:
            assert task.tries_left > 0 and task.due_at < task.expires_at
            assert task.closed_at is None and not task.why
        else:
            assert task.tries_left >= 0 and task.closed_at is not None and task.closed_at <= now
        if old is not None and not old.open:
            assert (task.state, task.why, task.closed_at) == (old.state, old.why, old.closed_at), "over is over"
        assert len({one.id for one in task.tries}) == len(task.tries)
        if old is not None:
            assert task.tries[:len(old.tries)] == old.tries, "the journal is only added to"
            counted = sum(one.outcome is not TryOutcome.FAILED for one in task.tries[len(old.tries):])
            assert task.tries_left == old.tries_left - (counted if old.open else 0)


@settings(max_examples=300, deadline=None)
@given(_steps, st.integers(1, 3000))
def test_any_order_of_what_may_happen(steps: list[tuple[Any, ...]], apart_s: int) -> None:
    tasks: tuple[Task, ...] = ()
    told: list[str] = []
    attempts: list[str] = []
    for place, step in enumerate(steps):
        now = START + timedelta(seconds=place * apart_s)
        changed = do(tasks, step, now)
        check(tasks, changed.tasks, now)
        known, new = set(tasks), set(changed.tasks)
        closed = {task.id for task in new - known if not task.open} & {task.id for task in known if task.open}
        assert {event["task"] for event in changed.events
                if event["type"] == "task" and event["what"] == "closed"} == closed
        told += [event["id"] for event in changed.events if event["type"] == "task"]
        attempts += [(event["task"], event["id"]) for event in changed.events if event["type"] == "attempt"]
        again = do(changed.tasks, step, now)
        if step[0] != "assigned":
            assert again.events == (), "told twice, it happens once"
        assert again.tasks == changed.tasks
        tasks = changed.tasks
    assert len(told) == len(set(told))
    assert len(attempts) == len(set(attempts))
    assert sorted(attempts) == sorted((task.id, one.id) for task in tasks for one in task.tries)


@given(st.lists(st.sampled_from(TryOutcome), max_size=40), st.integers(1, 20))
def test_a_customer_is_not_dialled_more_often_than_is_allowed(outcomes: list[TryOutcome], allowed: int) -> None:
    """As a dialler does: no try unless the task is open."""
    tasks = (Task("t", TaskKind.REQUESTED, NUMBER, "helpdesk", START, START + timedelta(days=30), START,
                  tries_left=allowed),)
    dialled = 0
    for place, outcome in enumerate(outcomes):
        if tasks[0].open:
            one = Try(f"c{place}", START + timedelta(minutes=place), outcome)
            tasks = task_life.tried(tasks, "t", one, RULES).tasks
            dialled += outcome is not TryOutcome.FAILED
    assert dialled <= allowed
    reached = {TryOutcome.TALKED, TryOutcome.ASKED}
    wanted = {TaskState.DONE} if reached & set(outcomes[:len(tasks[0].tries)]) else (
        {TaskState.FAILED} if dialled == allowed else {TaskState.OPEN})
    assert {tasks[0].state} == wanted


@given(st.permutations(["made", "reached", "tried", "cancelled"]))
def test_got_through_and_called_back_at_once(order: list[str]) -> None:
    """Of two who end the same task one does, and both tries are in the journal."""
    tasks: tuple[Task, ...] = ()
    steps = {"made": ("made", "t1", TaskKind.REQUESTED, "helpdesk", 3, True), "reached": ("reached", "helpdesk"),
             "tried": ("tried", "t1", TryOutcome.TALKED, 1), "cancelled": ("cancelled", "t1")}
    for place, name in enumerate(order):
        tasks = do(tasks, steps[name], START + timedelta(seconds=place)).tasks
    [task] = tasks
    after = order[order.index("made") + 1:]
    assert task.open is (not after)
    assert bool(task.tries) is ("tried" in after)
    ends = {"reached": TaskState.CANCELLED, "tried": TaskState.DONE, "cancelled": TaskState.CANCELLED}
    assert task.state is (ends[after[0]] if after else TaskState.OPEN)
