"""What facts of the link mean for tasks: who gave up waiting is called back, who got through otherwise is not."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fsapp.core import task_life
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState, Try, TryOutcome
from fsapp.core.task_facts import meant_by
from fsapp.rules import load_folder

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf" / "rules")
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
N = "+381601234567"


def rules_of(**line: Any) -> Rules:
    document = copy.deepcopy(DOCUMENT)
    document["line"]["helpdesk"] |= {"call_back_lost": True, "lost_wait_s": 10, "lost_after_s": 60} | line
    document["list"] = {"never": {"numbers": ["+381601112233"]}}
    document["dial"] = {"do_not_call": ["never"]}
    return Rules.from_document(document)


RULES = rules_of()


def fact(type_: str = "call_abandoned", **more: Any) -> dict[str, Any]:
    return {"type": type_, "id": "m1:left", "at": AT.timestamp(), "call": "c1", "member": "m1", "number": "0601234567",
            "queue": "helpdesk@fsapp", "line": "helpdesk", "waited_s": 30.0, "base_score": 101_003_540,
            "called": "+381115550300", "direction": "inbound"} | more


def lost(rules: Rules = RULES, came_at: datetime | None = None, now: datetime = AT, **more: Any) -> Task | None:
    meant = meant_by(fact(**more), rules, now, came_at)
    return meant.new if meant else None


def test_a_lost_call_makes_a_task_that_keeps_the_place() -> None:
    task = lost()
    assert (task.kind, task.number, task.place, task.agent, task.group) == (TaskKind.LOST, N, "helpdesk", None, None)
    assert (task.due_at, task.made_at) == (AT + timedelta(seconds=60), AT)
    assert (task.caller_id, task.tries_left, task.about) == ("+381115550300", 3, "c1")
    # As if still waiting: a minute after, the score of who has waited a minute and a half.
    assert (task.base_score, task.since) == (101_003_540, AT - timedelta(seconds=30))
    assert task_life.kept_score(task, task.due_at) == 101_003_540 + 90


@pytest.mark.parametrize(("queue", "agent", "group"), [
    ("agent-1004@fsapp", "1004", None), ("group-support@fsapp", None, "support"), ("helpdesk@fsapp", None, None),
    ("agent-9999@fsapp", None, None), ("group-gone@fsapp", None, None), ("agent-1004@elsewhere", None, None),
])
def test_whose_it_is_says_the_queue(queue: str, agent: str | None, group: str | None) -> None:
    task = lost(queue=queue)
    assert (task.agent, task.group) == (agent, group)


def test_without_a_score_no_place_is_kept() -> None:
    task = lost(base_score=0)
    assert (task.base_score, task.since) == (None, None)


@pytest.mark.parametrize("called", ["+381601234599", "1001", "", "junk"])
def test_the_customer_sees_a_number_of_ours(called: str) -> None:
    assert lost(called=called).caller_id == "+381115550100"


@pytest.mark.parametrize("more", [
    {"waited_s": 9.9}, {"number": "anonymous"}, {"number": ""}, {"number": "0900123456"}, {"number": "+12025550123"},
    {"number": "+381115550100"}, {"number": "+381601112233"}, {"number": "junk"}, {"task": "t1"},
    {"direction": "outbound"}, {"line": "vip"}, {"line": "gone"}, {"line": "", "queue": "agent-1004@fsapp"},
    {"type_": "call_left_queue"}, {"type_": "queue_joined"}, {"number": "x" * 500},
])
def test_who_is_not_called_back(more: dict[str, Any]) -> None:
    assert lost(**more) is None


def test_the_wait_counts_from_the_first_queue_on() -> None:
    assert lost(waited_s=3.0) is None
    assert lost(waited_s=3.0, came_at=AT - timedelta(seconds=12)) is not None


def test_a_place_that_does_not_ask_for_it_has_none() -> None:
    assert lost(rules_of(call_back_lost=False)) is None


def test_what_is_known_too_late_is_left() -> None:
    assert lost(now=AT + timedelta(hours=8)) is not None
    assert lost(now=AT + timedelta(hours=9)) is None


def test_however_often_it_is_told_it_is_one_task() -> None:
    first = meant_by(fact(), RULES, AT).change(())
    again = meant_by(fact(recovered=True, at=AT.timestamp() + 5), RULES, AT)
    assert again.change(first.tasks).events == ()
    over = task_life.cancelled(first.tasks, first.task.id, "no", AT)
    assert again.change(over.tasks).tasks == over.tasks
    second_call = meant_by(fact(id="m2:left"), RULES, AT)
    assert second_call.change(first.tasks).events == ()
    assert second_call.change(over.tasks).task.open


def test_who_gives_up_again_and_again_is_not_called_as_often() -> None:
    known: tuple[Task, ...] = ()
    for number in range(10):
        known = meant_by(fact(id=f"m{number}:left"), RULES, AT).change(known).tasks
        known = tuple(replace(one, state=TaskState.DONE, tries=(Try(one.id, AT, TryOutcome.TALKED),)) for one in known)
    assert len(known) == RULES.dialling.callbacks_a_day == 5


@pytest.mark.parametrize("type_", ["call_answered", "talk_ended"])
def test_who_gets_through_otherwise_is_not_called_back(type_: str) -> None:
    known = meant_by(fact(), RULES, AT).change(()).tasks

    def after(**more: Any) -> TaskState:
        told = fact(type_, **({"id": "m2:x", "at": AT.timestamp() + 20, "agent": "1004"} | more))
        meant = meant_by(told, RULES, AT)
        return (meant.change(known).tasks if meant and meant.number == N else known)[0].state

    assert after() is TaskState.CANCELLED
    assert after(line="vip") is TaskState.OPEN
    assert after(number="0601234568") is TaskState.OPEN
    assert after(task="t1") is TaskState.OPEN
    assert after(direction="outbound") is TaskState.OPEN
    assert after(at=AT.timestamp() - 1) is TaskState.OPEN  # that talk was before the call that was lost


def test_who_gets_through_is_not_called_back_on_another_number() -> None:
    made = meant_by(fact(), RULES, AT).change(()).tasks[0]
    asked = replace(made, number="+381641234567", asked_by=N)
    others = replace(asked, id="t2", asked_by="+381601234599")
    meant = meant_by(fact("talk_ended", id="m2:x", at=AT.timestamp() + 20, agent="1004"), RULES, AT)
    changed = meant.change_asked((asked, others))
    assert [(one.state, one.why) for one in changed.tasks] == [
        (TaskState.CANCELLED, "got-through"), (TaskState.OPEN, "")]
    assert meant.change_asked(changed.tasks).events == ()
