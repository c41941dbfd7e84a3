"""Facts in one round trip, and garbage in Redis costs nobody a call."""

from datetime import UTC, datetime, timedelta

import msgpack
import pytest
import structlog
from structlog.testing import capture_logs

from fsapp.core.model import NO_FACTS, Contact, Facts, Right, Sticky
from fsapp.errors import StateUnavailable
from fsapp.settings import Settings
from fsapp.state import keys
from fsapp.state.connection import connect
from fsapp.state.contacts import Entry, pack
from fsapp.state.imports import Import
from fsapp.state.store import Store

N = "+381601234567"
M = "+381611234567"
NOW = datetime.now(UTC).replace(microsecond=250_000)


@pytest.fixture
def store(redis_client):
    structlog.reset_defaults()
    return Store(redis_client)


def test_nothing_is_known(store):
    assert store.facts(N) == NO_FACTS
    assert store.facts_many([]) == []


def test_everything_at_once(store, redis_client):
    at = datetime(2030, 5, 1, 9, 30, tzinfo=UTC)
    entry = Entry(name="Ana", agent="1001", attempted_at=at.timestamp(), fields={"city": "Niš"})
    redis_client.set(keys.contacts(N), pack({"renewals/first-call": entry, "a/b": Entry(open=False)}))
    right = Right("1002", NOW + timedelta(hours=1), "renewals", "first-call")
    store.put_right(N, right)
    store.put_sticky(N, Sticky("1003", NOW))
    expected = Facts(
        (Contact("renewals", "first-call", N, True, "1001", at, "Ana"), Contact("a", "b", N, False)),
        (right,), Sticky("1003", NOW),
    )
    assert store.facts(N) == expected
    assert store.facts_many([M, N, M]) == [NO_FACTS, expected, NO_FACTS]


def test_one_round_trip(store, redis_client):
    store.facts(N)
    before = redis_client.info("stats")["total_commands_processed"]
    store.facts_many([N, M] * 100)
    assert redis_client.info("stats")["total_commands_processed"] - before == 2  # INFO counts itself


def test_a_store_that_has_read_before_sees_an_import_as_soon_as_it_ends(store, redis_client):
    with Import(redis_client, "renewals/first-call") as bulk:
        bulk.write([(N, Entry(name="first"))])
        assert store.facts(N) == NO_FACTS
    assert [contact.name for contact in store.facts(N).contacts] == ["first"]
    with Import(redis_client, "renewals/first-call") as bulk:
        bulk.write([(N, Entry(name="second"))])
        assert [contact.name for contact in store.facts(N).contacts] == ["first"]
    assert [contact.name for contact in store.facts(N).contacts] == ["second"]


def test_rights(store, redis_client):
    first, second = Right("1001", NOW + timedelta(hours=1)), Right("1002", NOW + timedelta(hours=2))
    store.put_right(N, first)
    store.put_right(N, second)
    longer = Right("1001", NOW + timedelta(hours=5), "renewals", "first-call")
    store.put_right(N, longer)
    assert store.facts(N).rights == (second, longer)
    assert 4 * 3600_000 < redis_client.pttl(keys.rights(N)) < 5 * 3600_000 + 1000
    store.clear_right(N, "1001")
    assert store.facts(N).rights == (second,)
    assert redis_client.pttl(keys.rights(N)) < 2 * 3600_000 + 1000
    store.clear_right(N, "1002")
    store.clear_right(N, "1002")
    assert not redis_client.exists(keys.rights(N))


def test_a_right_that_is_over_is_not_kept(store, redis_client):
    store.put_right(N, Right("1001", NOW - timedelta(seconds=1)))
    assert not redis_client.exists(keys.rights(N))


def test_stickiness(store, redis_client):
    store.put_sticky(N, Sticky("1001", NOW), life_s=60)
    assert 0 < redis_client.ttl(keys.sticky(N)) <= 60
    store.clear_sticky(N)
    assert store.facts(N).sticky is None


GARBAGE = [
    b"\xc1", b"garbage", b"\x00", b"\xff" * 100, b"\xdd\xff\xff\xff\xff",
    msgpack.packb({"a/b": 5}), msgpack.packb({1: [True]}), msgpack.packb([1]),
    msgpack.packb([["1001", 1e300, None, None]]), msgpack.packb(["1001", float("nan")]), msgpack.packb([[1, 2]]),
    msgpack.packb({"a/b": [True, 0, "x", None, 1e300]}), msgpack.packb([["1001", "soon", None, None]]),
    msgpack.packb([None, 5]), msgpack.packb({"a/b": [True, 0, 7]}),
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_counts_as_absent_and_is_logged_once(store, redis_client, garbage):
    for place in (keys.contacts, keys.rights, keys.sticky):
        redis_client.set(place(N), garbage)
    with capture_logs() as logs:
        assert store.facts(N) == NO_FACTS
        assert store.facts_many([N, M]) == [NO_FACTS, NO_FACTS]
    assert sorted(line["key"].rpartition(":")[2] for line in logs) == ["contacts", "rights", "sticky"]
    assert {line["event"] for line in logs} == {"bad_value"}
    assert not any("601234567" in str(line) for line in logs)


def test_a_right_takes_the_place_of_garbage(store, redis_client):
    redis_client.set(keys.rights(N), b"garbage")
    right = Right("1001", NOW + timedelta(hours=1))
    store.put_right(N, right)
    assert store.facts(N).rights == (right,)


def test_a_key_of_another_type_counts_as_absent(store, redis_client):
    redis_client.lpush(keys.contacts(N), "x")
    assert store.facts(N) == NO_FACTS


def test_redis_away(tmp_path):
    with pytest.raises(StateUnavailable, match="does not answer"):
        Store(connect(Settings(redis_url=f"unix://{tmp_path}/nobody"))).facts(N)
