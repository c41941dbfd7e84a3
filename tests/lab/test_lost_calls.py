"""Calls that are lost, on the lab switch: each makes a task, once; who gets through otherwise is not called back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lab_desk import CUSTOMER, HELPDESK, Desk
from lab_ends import until

from fsapp.core import task_life
from fsapp.core.model import Sticky
from fsapp.core.task import Task, TaskKind, TaskState
from fsapp.errors import StateUnavailable
from fsapp.lab.channel import Channel
from fsapp.lab.offering import Reaction
from fsapp.metrics import REGISTRY
from fsapp.state.tasks import Tasks

LOST = {"call_back_lost": True, "lost_wait_s": 1, "lost_after_s": 3600, "callback_expires_s": 7200}


@pytest.fixture
def make_desk(own_redis: Any, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(**line: Any) -> Desk:
        made.append(Desk(own_redis(), tmp_path, {}, {"stickiness": "agent"} | LOST | line))
        return made[-1]

    yield make
    for desk in made:
        desk.stop()


def tasks(desk: Desk) -> tuple[Task, ...]:
    return Tasks(desk.centre.client).of(CUSTOMER)


def lose(desk: Desk, caller: str = CUSTOMER, waits_s: float = 2) -> Channel:
    """A call whose caller gives up waiting."""
    before = len(desk.facts("queue_joined"))
    call = desk.switch.call(caller, HELPDESK)
    until(lambda: len(desk.facts("queue_joined")) > before, "the caller waits")
    joined = desk.switch.clock.now()
    until(lambda: desk.switch.clock.now() - joined >= waits_s, "for a while")
    lost = len(desk.facts("call_abandoned"))
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: len(desk.facts("call_abandoned")) > lost, "that is told")
    return call


def test_a_lost_call_is_due_and_keeps_its_place(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    lose(desk)
    until(lambda: tasks(desk), "there is a task")
    [task] = tasks(desk)
    assert (task.kind, task.place, task.agent, task.group) == (TaskKind.LOST, "helpdesk", None, None)
    assert task.caller_id == HELPDESK
    [joined] = desk.facts("queue_joined")
    [left] = desk.facts("call_abandoned")
    assert task.base_score == joined["base_score"] > 100_000_000
    assert abs((task.since - datetime.fromtimestamp(joined["at"], UTC)).total_seconds()) <= 1
    assert task.due_at == datetime.fromtimestamp(left["at"], UTC) + timedelta(hours=1)
    until(lambda: desk.facts("task"), "it is told")
    assert [(event["what"], event["kind"], event["switch"]) for event in desk.facts("task")] == [
        ("made", "lost", "main")]
    until(lambda: REGISTRY.get_sample_value("fsapp_tasks_changed_total", {"kind": "lost", "state": "open"}), "counted")


def test_one_who_gives_up_twice_is_called_back_once(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    lose(desk)
    lose(desk)
    until(lambda: tasks(desk), "there is a task")
    lose(desk, "+381601234568")
    until(lambda: Tasks(desk.centre.client).of("+381601234568"), "all is taken in order")
    [task] = tasks(desk)
    assert abs((task.since - datetime.fromtimestamp(desk.facts("queue_joined")[0]["at"], UTC)).total_seconds()) <= 1


@pytest.mark.parametrize(("caller", "waits_s", "line"), [
    (CUSTOMER, 2, {"call_back_lost": False}), (CUSTOMER, 0, {"lost_wait_s": 600}), ("0900123456", 2, {}),
    ("anonymous", 2, {}),
])
def test_who_is_not_called_back(
    make_desk: Callable[..., Desk], caller: str, waits_s: float, line: dict[str, Any],
) -> None:
    desk = make_desk(**line)
    lose(desk, caller, waits_s)
    desk.link.stop()  # writes what is in hand
    assert list(Tasks(desk.centre.client).every(over=True)) == []


def test_a_call_lost_in_an_agents_queue_is_the_agents_task(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.reaction = Reaction("NO_ANSWER", 60)
    desk.status("Available", "1005")
    desk.customers.put_sticky(CUSTOMER, lambda _old: Sticky("1005", datetime.now(UTC)), 3600)
    lose(desk)
    until(lambda: tasks(desk), "there is a task")
    assert tasks(desk)[0].agent == "1005"
    assert [fact["queue"] for fact in desk.facts("call_abandoned")] == ["agent-1005@fsapp"]


def asked(desk: Desk) -> Channel:
    """A call whose caller has waited for a while and is asked where to call back."""
    call = desk.switch.call(CUSTOMER, HELPDESK)
    until(lambda: desk.facts("queue_joined"), "the caller waits")
    joined = desk.switch.clock.now()
    until(lambda: desk.switch.clock.now() - joined >= 2, "for a while")
    call.press("5")
    hears(call, "callback-confirm")
    return call


def hears(call: Channel, prompt: str) -> None:
    until(lambda: f"/{prompt}.wav" in call.get("current_application_data"), f"the caller hears {prompt}")


def gone(desk: Desk, call: Channel) -> Task:
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: desk.facts("key_left"), "it is written down")
    [task] = Tasks(desk.centre.client).every(over=True)
    return task


def test_who_hangs_up_with_nothing_confirmed_has_given_up(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(callback_key="5")
    task = gone(desk, asked(desk))
    assert (task.kind, task.number, task.place, task.caller_id) == (TaskKind.LOST, CUSTOMER, "helpdesk", HELPDESK)
    [joined] = desk.facts("queue_joined")
    assert task.base_score == joined["base_score"]
    # The lab's clock is faster than ours: it has waited for longer there.
    assert task.since < datetime.fromtimestamp(joined["at"], UTC) + timedelta(seconds=1)
    assert [event["what"] for event in desk.facts("task")] == ["made"]


def test_who_has_confirmed_another_number_is_called_there_alone(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(callback_key="5")
    call = asked(desk)
    call.press("2")
    hears(call, "callback-enter")
    call.press("0641234567#")
    hears(call, "callback-confirm")
    call.press("1")
    hears(call, "callback-noted")
    task = gone(desk, call)
    assert (task.kind, task.number) == (TaskKind.REQUESTED, "+381641234567")


def test_who_gets_through_otherwise_is_not_called_back(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    lose(desk)
    until(lambda: tasks(desk), "there is a task")
    desk.status("Available", "1005")
    desk.talk("1005")
    until(lambda: tasks(desk)[0].state is TaskState.CANCELLED, "it is not needed any more")
    assert tasks(desk)[0].why == "got-through"
    until(lambda: len(desk.facts("task")) == 2, "that is told, too")


def test_redis_that_is_away_when_a_call_is_lost(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = make_desk()
    change, refused = Tasks.change, []

    def away(self: Tasks, *args: Any) -> Any:
        if len(refused) < 3:
            refused.append(args)
            raise StateUnavailable("Redis is away")
        return change(self, *args)

    monkeypatch.setattr(Tasks, "change", away)
    lose(desk)
    until(lambda: tasks(desk), "it is caught up")
    assert len(refused) == 3


def test_a_fact_that_is_told_again_makes_no_second_task(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    lose(desk)
    until(lambda: tasks(desk), "there is a task")
    [task] = tasks(desk)
    Tasks(desk.centre.client).change(
        CUSTOMER, lambda known: task_life.cancelled(known, task.id, "not wanted", datetime.now(UTC)))
    [fact] = desk.facts("call_abandoned")
    desk.link._tell({**fact, "recovered": True})
    lose(desk, "+381601234568")
    until(lambda: Tasks(desk.centre.client).of("+381601234568"), "all is taken in order")
    assert [one.id for one in tasks(desk)] == [task.id]
    # Told with the task itself: a link that was killed has told of it as well.
    [made] = [event for event in desk.facts("task") if (event["task"], event["what"]) == (task.id, "made")]
    assert made["state"] == "open"


def test_tasks_end_when_their_time_is_over(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    now = datetime.now(UTC)
    long_ago = Task("t1", TaskKind.AGAIN, CUSTOMER, "helpdesk", now - timedelta(hours=9), now - timedelta(hours=1), now)
    others = Task("t2", TaskKind.AGAIN, CUSTOMER, "gone", now - timedelta(hours=9), now + timedelta(hours=1), now)
    Tasks(desk.centre.client).change(CUSTOMER, lambda known: task_life.Changed((long_ago, others), None))
    desk.link._task_keeping.look(now)
    assert [task.state for task in tasks(desk)] == [TaskState.EXPIRED, TaskState.OPEN]
    until(lambda: desk.facts("task"), "it is told")
    assert [(event["task"], event["state"]) for event in desk.facts("task")] == [("t1", "expired")]
    assert REGISTRY.get_sample_value("fsapp_tasks_due", {"kind": "again"}) == 1
