"""Tasks of imports: seen with the contacts or not at all, made once, moved when the file says another time."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from fsapp.core import task_life
from fsapp.core.rules import Rules
from fsapp.core.task import TaskKind, TaskState
from fsapp.core.task_making import imported
from fsapp.rules import load_folder
from fsapp.state import keys, stream
from fsapp.state.contacts import Contacts, Entry
from fsapp.state.imports import Import
from fsapp.state.store import Store
from fsapp.state.tasks import Tasks

RULES = Rules.from_document(load_folder("conf/rules"))
STAGE = "renewals/first-call"
NOW = datetime.now(UTC).replace(microsecond=0)
DUE = (NOW + timedelta(hours=1)).timestamp()
N, M = "+381601234567", "+381601234568"


def task_of(number, entry):
    return imported(number, RULES.stages[STAGE], RULES, NOW, entry.due_at, agent=entry.agent, made_by="t", name="")


begun = partial(Import, stage_id=STAGE, task_of=task_of)


def run(client, rows, **options):
    with begun(client, **options) as bulk:
        bulk.write(rows)
    return bulk.written


def seen(client, number=N):
    """By all who may ask; they agree."""
    of = list(Tasks(client).of(number))
    assert list(Store(client).facts(number).tasks) == of
    listed = {task.id for task in Tasks(client).every() if task.number == number}
    assert listed == {task.id for task in of if task.open}
    return of


def events(client):
    return [(event["what"], event["state"]) for _, event in stream.tail(client, 0.0, follow=False)]


def test_a_contact_with_a_time_is_a_task_of_its_agent(redis_client):
    written = run(redis_client, [(N, Entry(agent="1001", due_at=DUE)), (M, Entry())])
    assert (written.added, written.tasks) == (2, 1)
    [task] = seen(redis_client)
    assert (task.kind, task.place, task.agent, task.contact) == (TaskKind.IMPORTED, STAGE, "1001", f"{STAGE}/{N}")
    assert task.due_at.timestamp() == DUE
    assert seen(redis_client, M) == []
    assert events(redis_client) == [("made", "open")]


def test_nothing_is_seen_before_the_end(redis_client):
    with begun(redis_client) as bulk:
        bulk.write([(N, Entry(due_at=DUE))])
        assert seen(redis_client) == []
        assert Tasks(redis_client).due(NOW + timedelta(days=1)) == []
    assert len(seen(redis_client)) == 1


def test_an_import_that_fails_leaves_no_tasks(redis_client):
    run(redis_client, [(M, Entry(due_at=DUE))])
    with pytest.raises(ZeroDivisionError), begun(redis_client) as bulk:
        bulk.write([(N, Entry(due_at=DUE)), (M, Entry(due_at=DUE + 60))])
        raise ZeroDivisionError
    assert seen(redis_client) == []
    assert redis_client.get(keys.tasks(N)) is None
    assert [task.due_at.timestamp() for task in seen(redis_client, M)] == [DUE]


def test_one_that_was_cut_off_is_taken_back_by_the_next(redis_client):
    begun(redis_client).__enter__().write([(N, Entry(due_at=DUE))])
    redis_client.delete(keys.import_lease(int(redis_client.get(keys.IMPORTS).split(b":")[0])))
    assert seen(redis_client) == []
    run(redis_client, [(M, Entry(due_at=DUE))])
    assert redis_client.get(keys.tasks(N)) is None
    assert seen(redis_client) == []
    assert len(seen(redis_client, M)) == 1


def test_one_whose_lease_has_run_out_makes_no_tasks(redis_client):
    bulk = begun(redis_client).__enter__()
    redis_client.delete(keys.import_lease(bulk._batch))
    assert bulk._tasks.write([task_of(N, Entry(due_at=DUE))]) is False
    assert redis_client.get(keys.tasks(N)) is None


def test_the_same_file_again_makes_no_second_task(redis_client):
    run(redis_client, [(N, Entry(due_at=DUE))])
    [task] = seen(redis_client)
    Tasks(redis_client).change(N, lambda known: task_life.assigned(known, task.id, "1002", None, NOW))
    assert run(redis_client, [(N, Entry(due_at=DUE))]).tasks == 0
    assert [(one.id, one.agent) for one in seen(redis_client)] == [(task.id, "1002")]
    Tasks(redis_client).change(N, lambda known: task_life.cancelled(known, task.id, "done by mail", NOW))
    assert run(redis_client, [(N, Entry(due_at=DUE))]).tasks == 0
    assert [one.state for one in seen(redis_client)] == [TaskState.CANCELLED]


def test_another_time_in_the_file_moves_the_task_and_back(redis_client):
    for due_at in (DUE, DUE + 3600, DUE, DUE + 3600):
        run(redis_client, [(N, Entry(due_at=due_at))])
        assert [task.due_at.timestamp() for task in seen(redis_client) if task.open] == [due_at]
    assert events(redis_client) == [("made", "open"), *[("made", "open"), ("closed", "cancelled")] * 3]


def test_a_task_that_is_replaced_is_back_when_that_import_is_not(redis_client):
    run(redis_client, [(N, Entry(due_at=DUE))])
    with pytest.raises(ZeroDivisionError), begun(redis_client) as bulk:
        bulk.write([(N, Entry(due_at=DUE + 60))])
        assert [task.due_at.timestamp() for task in seen(redis_client)] == [DUE]
        raise ZeroDivisionError
    assert [task.due_at.timestamp() for task in seen(redis_client) if task.open] == [DUE]


def test_a_closed_contact_is_not_called(redis_client):
    run(redis_client, [(N, Entry())])
    Contacts(redis_client).set_open(N, STAGE, False)
    assert run(redis_client, [(N, Entry(due_at=DUE))]).tasks == 0
    assert seen(redis_client) == []
    assert run(redis_client, [(N, Entry(due_at=DUE))], reopen=True).tasks == 1


def test_other_tasks_of_the_customer_stay(redis_client):
    other = task_of(N, Entry(due_at=DUE + 5))
    Tasks(redis_client).change(N, lambda known: task_life.made(known, other))
    run(redis_client, [(N, Entry(due_at=DUE))])
    assert len(seen(redis_client)) == 2


def test_very_many(redis_client):
    numbers = [f"+38160{place:07d}" for place in range(2500)]
    run(redis_client, [(number, Entry(due_at=DUE)) for number in numbers])
    assert sum(1 for _ in Tasks(redis_client).every()) == 2500
