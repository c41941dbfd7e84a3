"""What becomes of a task: asked once, tried, tried again, ended; and the place in the queue that is kept for it."""

import copy
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fsapp.core import task_life
from fsapp.core.availability import Availability
from fsapp.core.model import Call, Facts, NumberKind, PhoneNumber, Sticky
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState, Try, TryOutcome
from fsapp.rules.check import load_folder

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DOCUMENT = load_folder("conf/rules")
RULES = Rules.from_document(DOCUMENT)
CUSTOMER = "+381601234567"


def task(id_: str = "t1", kind: TaskKind = TaskKind.REQUESTED, **more) -> Task:
    more = {"number": CUSTOMER, "place": "helpdesk", "due_at": NOW, "expires_at": NOW + timedelta(hours=8),
            "made_at": NOW, "tries_left": 3, **more}
    return Task(id_, kind, **more)


def one(outcome: TryOutcome, id_: str = "c1", at: datetime = NOW) -> Try:
    return Try(id_, at, outcome, None, "1004", "X", 12.0 if outcome is TryOutcome.TALKED else 0.0)


def test_asking_twice_asks_once():
    first = task_life.made((), task())
    again = task_life.made(first.tasks, task("t2"))
    assert again.tasks == first.tasks
    assert again.task.id == "t1"
    assert again.events == ()
    elsewhere = task_life.made(first.tasks, task("t3", place="vip"))
    assert [found.id for found in elsewhere.tasks] == ["t1", "t3"]


def test_a_request_takes_over_the_place_of_a_lost_call():
    lost = task("t1", TaskKind.LOST, base_score=100, since=NOW - timedelta(minutes=5))
    changed = task_life.made((lost,), task("t2", base_score=100, since=NOW))
    assert [(found.id, found.state) for found in changed.tasks] == [
        ("t1", TaskState.CANCELLED), ("t2", TaskState.OPEN)]
    assert changed.task.since == lost.since


def test_a_number_gets_so_many_callbacks_a_day_whoever_asks_for_them():
    dialled, unneeded = (one(TryOutcome.TALKED),), task("t0", state=TaskState.CANCELLED, why="got-through")
    known = (unneeded, task("t1", state=TaskState.DONE, tries=dialled),
             task("t2", TaskKind.LOST, state=TaskState.FAILED, tries=dialled), task("t3", place="vip"))
    for kind in task_life.ASKED:
        assert task_life.made(known, task("t4", kind), 3) == task_life.Changed(known, None)
        assert task_life.made(known, task("t4", kind), 4).task.id == "t4"
        assert task_life.made(known, task("t4", kind, made_at=NOW + timedelta(days=1, seconds=1)), 3).task.id == "t4"
    assert task_life.made(known, task("t4", TaskKind.AGAIN), 3).task.id == "t4"
    assert task_life.made(known, task("t4", place="vip"), 3).task.id == "t3"


def test_what_an_agent_plans_does_not_hang_on_what_callers_ask():
    changed = task_life.made((task("t1", TaskKind.AGAIN),), task("t2"))
    assert [found.id for found in changed.tasks] == ["t1", "t2"]


@pytest.mark.parametrize(("outcome", "state", "left"), [
    (TryOutcome.TALKED, TaskState.DONE, 2),
    (TryOutcome.BUSY, TaskState.OPEN, 2),
    (TryOutcome.NO_ANSWER, TaskState.OPEN, 2),
    (TryOutcome.FAILED, TaskState.OPEN, 3),
])
def test_a_try_ends_a_task_or_makes_it_due_again(outcome, state, left):
    changed = task_life.tried((task(call="c1"),), "t1", one(outcome), RULES)
    assert (changed.task.state, changed.task.tries_left, changed.task.call) == (state, left, None)
    assert [event["type"] for event in changed.events] == ["attempt", "task"]
    if changed.task.open:
        assert changed.task.due_at > NOW
    assert task_life.tried(changed.tasks, "t1", one(outcome), RULES).events == ()


def test_what_fails_on_our_side_is_tried_more_and_more_rarely():
    found, at, waits = (task(expires_at=NOW + timedelta(days=30)),), NOW, []
    for place in range(7):
        outcome = TryOutcome.BUSY if place == 5 else TryOutcome.FAILED
        changed = task_life.tried(found, "t1", one(outcome, f"c{place}", at), RULES)
        found, waits, at = changed.tasks, [*waits, (changed.task.due_at - at).total_seconds()], changed.task.due_at
    assert waits == [300, 600, 1200, 2400, 3600, 600, 300]


def test_a_task_that_is_over_has_no_call_any_more_once_that_has_gone():
    over = task_life.cancelled((task(call="c1"),), "t1", "no", NOW)
    assert task_life.placed(over.tasks, "t1", "c2") == task_life.Changed(over.tasks, None)
    assert task_life.placed(over.tasks, "t1", None).task == replace(over.task, call=None)


def test_no_tries_left_and_no_time_left():
    last = task_life.tried((task(tries_left=1),), "t1", one(TryOutcome.BUSY), RULES)
    assert last.task.state is TaskState.FAILED
    late = task_life.tried((task(expires_at=NOW + timedelta(seconds=60)),), "t1", one(TryOutcome.BUSY), RULES)
    assert late.task.state is TaskState.EXPIRED
    assert task_life.expired((task(),), NOW + timedelta(hours=8)).task.state is TaskState.EXPIRED
    assert task_life.expired((task(call="c1"),), NOW + timedelta(hours=8)).task is None


def test_a_customer_who_gets_through_otherwise_is_not_called_back():
    found = (task("t1"), task("t2", place="vip"), task("t3", TaskKind.AGAIN))
    changed = task_life.reached(found, "helpdesk", NOW)
    assert [known.state for known in changed.tasks] == [TaskState.CANCELLED, TaskState.OPEN, TaskState.OPEN]
    assert changed.events[0]["why"] == "got-through"
    rung = task_life.tried(changed.tasks, "t1", one(TryOutcome.BUSY), RULES)
    assert rung.task.state is TaskState.CANCELLED
    assert [event["type"] for event in rung.events] == ["attempt"]


def test_the_place_is_kept_as_if_still_waiting():
    waits = task(base_score=101_003_540, since=NOW)
    assert task_life.kept_score(waits, NOW + timedelta(seconds=75.4)) == 101_003_615
    assert task_life.kept_score(replace(waits, base_score=None), NOW) is None


def call(task_id: str) -> Call:
    return Call(PhoneNumber(CUSTOMER, CUSTOMER, NumberKind.ORDINARY),
                PhoneNumber("+381115550300", "+381115550300", NumberKind.ORDINARY), task=task_id)


def test_a_task_waits_for_its_agent_and_then_comes_unstuck():
    mine = task(agent="1005", group="support", due_at=NOW)
    found = decide(call("t1"), Facts(tasks=(mine,)), RULES, NOW + timedelta(seconds=10))
    assert (found.call_class, found.reason, found.line) == ("callback", "task", "helpdesk")
    assert [target.queue for target in found.targets] == ["agent-1005@fsapp", "group-support@fsapp", "helpdesk@fsapp"]
    late = decide(call("t1"), Facts(tasks=(mine,)), RULES, NOW + timedelta(seconds=301))
    assert [target.queue for target in late.targets] == ["group-support@fsapp", "helpdesk@fsapp"]


def test_an_agent_who_takes_no_inbound_calls_has_tasks_all_the_same():
    document = copy.deepcopy(DOCUMENT)
    document["line"]["helpdesk"]["priority"] = {"1005": 0}
    found = decide(call("t1"), Facts(tasks=(task(agent="1005"),)), Rules.from_document(document), NOW)
    assert [target.queue for target in found.targets] == ["agent-1005@fsapp", "helpdesk@fsapp"]


def test_who_keeps_a_place_does_not_wait_for_a_busy_sticky_agent_again():
    rules = Rules.from_document({**DOCUMENT, "line": {**DOCUMENT["line"], "helpdesk": {
        "groups": ["support"], "stickiness": "agent-then-group"}}})
    busy = Availability(dict.fromkeys(("1004", "1005", "1006"), math.inf), frozenset())
    facts = Facts(sticky=Sticky("1005", NOW), availability=busy)
    kept, planned = task(base_score=101_003_540, since=NOW), task("t2", TaskKind.AGAIN)
    for one, first in ((kept, "helpdesk@fsapp"), (planned, "agent-1005@fsapp")):
        found = decide(call(one.id), replace(facts, tasks=(one,)), rules, NOW)
        assert found.targets[0].queue == first


def test_a_task_keeps_its_score_and_one_without_has_a_callbacks():
    kept = task(base_score=101_003_540, since=NOW)
    assert decide(call("t1"), Facts(tasks=(kept,)), RULES, NOW + timedelta(seconds=60)).base_score == 101_003_600
    assert decide(call("t1"), Facts(tasks=(task(),)), RULES, NOW).base_score == 301_003_540


@pytest.mark.parametrize("tasks", [(), (task(state=TaskState.CANCELLED),), (task(place="gone"),)])
def test_a_call_for_a_task_that_is_over_goes_nowhere(tasks):
    found = decide(call("t1"), Facts(tasks=tasks), RULES, NOW)
    assert (found.call_class, found.reason, found.target) == (None, "task-over", None)


def test_hours_put_off_what_is_due():
    rules = Rules.from_document({
        **DOCUMENT, "schedule": {"day": {"timezone": "Europe/Belgrade", "hours": ["mon-sun 09:00-12:00"]}},
        "dial": {"schedule": "day"},
    })
    opens = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    assert task_life.waiting(task(expires_at=NOW + timedelta(days=1)), rules, NOW) == opens
    assert task_life.waiting(task(), rules, NOW) is None
    assert task_life.unstuck_at(task(), rules) == opens + timedelta(seconds=300)
