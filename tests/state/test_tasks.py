"""Tasks in Redis: changed at once, found by when they are due, and nothing open that is not found."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgpack
import pytest

from fsapp.core import task_life
from fsapp.core.callbacks import planned
from fsapp.core.floor import Seen
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState, Try, TryOutcome
from fsapp.core.task_rows import task_row
from fsapp.rules import load_folder
from fsapp.state import keys
from fsapp.state.contacts import Visibility
from fsapp.state.known import UNREADABLE
from fsapp.state.store import Store
from fsapp.state.task_record import pack_tasks, shown, unpack_tasks
from fsapp.state.tasks import Tasks, member_of

RULES = Rules.from_document(load_folder(Path(__file__).parents[2] / "conf" / "rules"))
NOW = datetime.now(UTC).replace(microsecond=0)


def task(id_: str, number: str = "+381601234567", **more) -> Task:
    more = {"due_at": NOW, "expires_at": NOW + timedelta(hours=8), "made_at": NOW, "place": "helpdesk", **more}
    return Task(id_, more.pop("kind", TaskKind.AGAIN), number, **more)


def put(tasks: Tasks, new: Task) -> None:
    tasks.change(new.number, lambda known: task_life.made(known, new))


def test_everything_of_a_task_comes_back():
    one = task("t1", agent="1004", group="support", caller_id="+381115550300", contact="a/b/c", base_score=7, since=NOW,
               tries=(Try("c1", NOW, TryOutcome.BUSY, "1004", "1005", "USER_BUSY", 0.5),), name="Šđ", note="n",
               language="sr", call="c2", closed_at=NOW, why="w", state=TaskState.FAILED, tries_left=4, made_by="ana",
               asked_by="+381601112223")
    assert unpack_tasks(one.number, pack_tasks([one])) == (one,)


def test_due_tasks_are_found_and_others_are_not(redis_client):
    tasks = Tasks(redis_client)
    put(tasks, task("later", due_at=NOW + timedelta(hours=1)))
    put(tasks, task("second"))
    put(tasks, task("first", "+381601234568", due_at=NOW - timedelta(minutes=1)))
    assert [found.id for found in tasks.due(NOW)] == ["first", "second"]
    assert [found.id for found in tasks.every()] == ["first", "second", "later"]
    assert [found.id for found in Store(redis_client).facts("+381601234567").tasks] == ["later", "second"]


def test_ten_thousand_that_nobody_calls_hide_none(redis_client):
    """Of a file, say, for a stage where nobody works today."""
    idle, pipeline = NOW - timedelta(hours=1), redis_client.pipeline(transaction=False)
    for one in range(10_001):
        pipeline.zadd(keys.TASKS_OPEN, {member_of(f"+38165{one:07}", "idle"): idle.timestamp()})
        pipeline.set(keys.tasks(f"+38165{one:07}"), pack_tasks([task("idle", f"+38165{one:07}", due_at=idle)]))
    pipeline.execute()
    tasks = Tasks(redis_client)
    put(tasks, task("asked-for"))
    assert tasks.due(NOW)[-1].id == "asked-for"


def test_what_is_over_is_kept_for_a_while(redis_client):
    tasks = Tasks(redis_client)
    put(tasks, task("t1"))
    tasks.change("+381601234567", lambda known: task_life.cancelled(known, "t1", "no", NOW))
    assert list(tasks.every()) == []
    assert [(found.id, found.why) for found in tasks.every(over=True)] == [("t1", "no")]
    assert tasks.get("t1").state is TaskState.CANCELLED
    assert 0 < redis_client.ttl(keys.tasks("+381601234567")) <= keys.TASKS_S


def test_two_at_once_lose_nothing(redis_client):
    tasks = Tasks(redis_client)
    raced = []

    def change(known):
        if not raced:
            raced.append(True)
            put(Tasks(redis_client), task("other"))
        return task_life.made(known, task("mine"))

    tasks.change("+381601234567", change)
    assert {found.id for found in tasks.every()} == {"mine", "other"}


def test_garbage_is_nothing_and_the_lists_are_cleaned(redis_client):
    tasks = Tasks(redis_client)
    put(tasks, task("t1"))
    redis_client.set(keys.tasks("+381601234567"), b"\xc1nonsense")
    redis_client.zadd(keys.TASKS_OPEN, {b"\xff\xfe": 1, "+1 gone": 2})
    assert list(tasks.every()) == []
    assert redis_client.zcard(keys.TASKS_OPEN) == 0
    assert Store(redis_client).facts("+381601234567").tasks == ()
    put(tasks, task("t2"))
    assert [found.id for found in tasks.due(NOW)] == ["t2"]


@pytest.mark.parametrize("name", sorted(field.name for field in fields(Task) if field.name != "number"))
@pytest.mark.parametrize("odd", [
    None, 5, -1, 1e308, float("nan"), "x", b"\xff", [], {}, [1], [[1, 2, "busy", 3, [], {}, "x"]], True, "${x}\n"])
def test_what_is_read_is_a_task_or_nothing(name, odd):
    """Whoever reads the tasks of all customers must not stop at one."""
    good = task("t1", agent="1004", since=NOW, base_score=5, tries=(Try("c1", NOW, TryOutcome.BUSY),))
    [written] = msgpack.unpackb(pack_tasks([good]))
    try:
        found = unpack_tasks(good.number, msgpack.packb([written | {name: odd}]))
    except UNREADABLE:
        return
    shown(found, Visibility.parse(None))
    planned(found, {}, Seen(), RULES, "main", NOW)
    task_life.tried(found, found[0].id, Try("c2", NOW, TryOutcome.BUSY), RULES)
    task_life.expired(found, NOW)
    task_row(found[0], RULES, NOW)
    assert unpack_tasks(good.number, pack_tasks(found)) == found


def test_a_task_put_off_is_found_later(redis_client):
    tasks = Tasks(redis_client)
    put(tasks, task("t1"))
    tasks.change("+381601234567", lambda known: task_life.Changed(
        tuple(replace(one, due_at=NOW + timedelta(hours=2)) for one in known), None))
    assert tasks.due(NOW) == []
    assert [found.id for found in tasks.due(NOW + timedelta(hours=2))] == ["t1"]
