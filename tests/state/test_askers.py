"""Who has asked for callbacks on other numbers: counted within a day, found by who asked, forgotten with a person."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fsapp.app.asking import Requests
from fsapp.core.dialling import Dialling
from fsapp.core.flow.actions import Already, Failed, Noted, Refused
from fsapp.core.task import HIDDEN, Task, TaskKind
from fsapp.state import keys, person
from fsapp.state.askers import DAY_S, Askers
from fsapp.state.erased import Erased
from fsapp.state.tasks import Tasks

NOW = datetime.now(UTC).replace(microsecond=0)
ASKER, FRIEND = "+381601112223", "+381641234567"
DIALLING = Dialling(callbacks_a_day=40, other_numbers_a_day=2, hidden_callers_a_day=3)


def task(id_: str, number: str = FRIEND, by: str = ASKER, **more) -> Task:
    more = {"due_at": NOW, "expires_at": NOW + timedelta(hours=8), "made_at": NOW, "place": "helpdesk", **more}
    return Task(id_, TaskKind.REQUESTED, number, asked_by=by, **more)


@pytest.fixture
def requests(redis_client) -> Requests:
    return Requests(Tasks(redis_client, {}), Askers(redis_client), Erased(redis_client))


@pytest.mark.parametrize(("by", "most"), [(ASKER, 2), (HIDDEN, 3)])
def test_one_caller_asks_for_so_many_other_numbers_a_day(requests, redis_client, by, most):
    for place in range(most):
        assert requests(task(f"t{place}", f"+38164123000{place}", by), DIALLING) == Noted()
    assert requests(task("more", by=by), DIALLING) == Refused("too-often")
    assert Tasks(redis_client).of(FRIEND) == ()
    assert requests(task("other", by="+381601112224"), DIALLING) == Noted()
    assert requests(task("own", "+381601112223", by=""), DIALLING) == Noted()
    later = NOW + timedelta(seconds=DAY_S + 1)
    assert requests(task("later", "+381641230009", by, made_at=later), DIALLING) == Noted()


def test_what_is_not_made_does_not_count(requests, redis_client):
    assert requests(task("t1"), DIALLING) == Noted()
    for place in range(5):
        assert requests(task(f"again{place}"), DIALLING) == Already()
    assert requests(task("t2", "+381641230001"), DIALLING) == Noted()
    dear = replace(DIALLING, callbacks_a_day=1, other_numbers_a_day=9)
    assert requests(task("t3", "+381641230001", place="vip"), dear) == Refused("too-often")
    assert set(Askers(redis_client).numbers(ASKER)) == {FRIEND, "+381641230001"}
    assert requests(task("again"), DIALLING) == Already()
    assert requests(task("t4", "+381641230002"), DIALLING) == Refused("too-often")


def test_it_is_known_as_long_as_the_task_may_be_open(redis_client):
    askers = Askers(redis_client)
    askers.take(task("t1", expires_at=NOW + timedelta(days=9)), 5)
    askers.take(task("t2"), 5)
    assert 8 * DAY_S < redis_client.ttl(keys.asked(ASKER)) <= 9 * DAY_S
    askers.take(task("t3", by=HIDDEN), 5)
    assert 0 < redis_client.ttl(keys.asked(HIDDEN)) <= DAY_S


def test_without_redis_nobody_is_told_that_it_is_noted(own_redis):
    server = own_redis()
    client = server.connect()
    requests = Requests(Tasks(client, {}), Askers(client), Erased(client))
    server.stop()
    assert requests(task("t1"), DIALLING) == Failed("no-state")


def test_who_asked_is_in_what_is_exported_and_forgotten_with_the_person(requests, redis_client):
    requests(task("t1"), DIALLING)
    [asker] = person.known(redis_client, [ASKER])
    [friend] = person.known(redis_client, [FRIEND])
    assert asker["asked"] == [FRIEND]
    assert [one["asked_by"] for one in friend["tasks"]] == [ASKER]
    person.erase(redis_client, [ASKER], None)
    [left] = Tasks(redis_client).of(FRIEND)
    assert left == replace(task("t1"), asked_by=HIDDEN)
    assert not redis_client.exists(keys.asked(ASKER))


def test_nobody_has_asked_for_who_was_erased(requests, redis_client):
    requests(task("t1"), DIALLING)
    requests(task("t2", by=HIDDEN, place="vip"), DIALLING)
    person.erase(redis_client, [FRIEND], None)
    assert Askers(redis_client).numbers(ASKER) == Askers(redis_client).numbers(HIDDEN) == []


def test_a_new_wish_of_who_was_erased_does_not_say_whose_call_it_was(requests, redis_client):
    Erased(redis_client).add([ASKER], ["u1"], NOW.timestamp() - 5)
    for id_, about in (("t1", "u1"), ("t2", "u2")):
        assert requests(task(id_, ASKER, by="", about=about, place=id_), DIALLING) == Noted()
    assert {one.id: one.about for one in Tasks(redis_client).of(ASKER)} == {"t1": "", "t2": "u2"}
