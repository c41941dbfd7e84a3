"""What happens to a customer changes rights and stickiness once, whoever else writes, and Redis ends them in time."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gevent
import msgpack
import pytest
from structlog.testing import capture_logs

from fsapp.core.availability import NOBODY_KNOWS, Availability, Presence
from fsapp.core.model import NO_FACTS, Right, Sticky, Talk
from fsapp.core.rules import Rules
from fsapp.core.stickiness import after_talk
from fsapp.core.talks import Happened, Outcome, attempt
from fsapp.rules import load_folder
from fsapp.state import keys
from fsapp.state.availability import pack_availability, unpack_availability
from fsapp.state.customers import Customers
from fsapp.state.store import Store

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf" / "rules")
N = "+381601234567"
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def rules_of(type_: int) -> Rules:
    document = copy.deepcopy(DOCUMENT)
    document["centre"] |= {"direct_callback": type_, "direct_callback_s": 3600, "sticky_days": 2}
    return Rules.from_document(document)


RULES = rules_of(2)


def failed(id_: str, at: datetime = NOW, agent: str = "1001") -> Happened:
    return attempt(N, agent, Outcome.FAILED, at, id_, "renewals", "first-call")


def talked(id_: str, at: datetime = NOW, agent: str = "1001") -> Happened:
    return attempt(N, agent, Outcome.TALKED, at, id_, "renewals", "first-call")


@pytest.fixture
def customers(redis_client):
    return Customers(redis_client)


def test_a_right_arises_and_ends_and_decisions_read_it(customers, redis_client):
    assert [event["effect"] for event in customers.take(failed("a"), RULES)] == ["arises"]
    assert Store(redis_client).facts(N).rights == (Right("1001", NOW + HOUR, "renewals", "first-call"),)
    assert 0 < redis_client.pttl(keys.rights(N)) <= 3601 * 1000
    customers.take(talked("b"), RULES)
    assert not redis_client.exists(keys.rights(N))
    assert Store(redis_client).facts(N).sticky == Sticky("1001", NOW, (Talk("renewals/first-call", "1001", NOW),))
    assert 0 < redis_client.ttl(keys.sticky(N)) <= 90 * 24 * 3600


def test_what_is_told_twice_counts_once(customers):
    assert customers.take(failed("a"), RULES)
    assert customers.take(talked("b"), RULES)
    assert customers.take(failed("c", NOW + timedelta(seconds=1)), RULES)
    # The talk once more, as by a link that was started again: the right that arose since stays.
    assert customers.take(talked("b"), RULES) == []
    assert customers.take(failed("a"), RULES) == []
    assert [right.agent for right in customers.get(N).rights] == ["1001"]


def test_what_changed_nothing_is_remembered_as_well(customers):
    rules = rules_of(1)
    customers.take(failed("a"), rules)
    assert customers.take(failed("b"), rules) == []
    customers.take(talked("c"), rules)
    assert customers.take(failed("b"), rules) == []
    assert customers.get(N).rights == ()


def test_stickiness_lives_on_as_long_as_it_would_when_only_a_right_changes(customers, redis_client):
    customers.put_sticky(N, lambda old: after_talk(old, "1003", NOW), 1000)
    customers.take(failed("a"), RULES)
    assert 0 < redis_client.ttl(keys.sticky(N)) <= 1000
    assert customers.get(N).sticky == Sticky("1003", NOW)
    Store(redis_client).put_sticky(N, Sticky("1002", NOW))
    redis_client.persist(keys.sticky(N))
    customers.take(failed("b", agent="1002"), RULES)
    assert redis_client.ttl(keys.sticky(N)) == -1


def test_set_and_cleared_by_hand(customers, redis_client):
    assert customers.put_sticky(N, lambda old: after_talk(old, "1003", NOW, "vip"), 1000) is None
    was = customers.put_sticky(N, lambda _old: None, 0)
    assert was.agent == "1003"
    assert not redis_client.exists(keys.sticky(N))


def test_many_at_once_lose_nothing(redis_server):
    rules = rules_of(3)

    def tell(agent: str) -> None:
        client = redis_server.connect()
        Customers(client).take(failed(f"by {agent}", agent=agent), rules)
        client.close()

    agents = list(rules.agents)
    gevent.joinall([gevent.spawn(tell, agent) for agent in agents], raise_error=True)
    client = redis_server.connect()
    assert sorted(right.agent for right in Customers(client).get(N).rights) == sorted(agents)
    client.close()


def test_an_old_value_and_garbage(customers, redis_client):
    redis_client.set(keys.sticky(N), msgpack.packb(["1003", NOW.timestamp()]))
    assert Store(redis_client).facts(N).sticky == customers.get(N).sticky == Sticky("1003", NOW)
    for key in (keys.rights(N), keys.sticky(N), keys.heard(N)):
        redis_client.set(key, b"\xc1 nonsense")
    with capture_logs() as logs:
        assert customers.take(talked("a"), RULES)
    assert {log["event"] for log in logs} == {"bad_value"}
    assert customers.get(N).sticky.agent == "1001"


@pytest.mark.parametrize("places", [["x"], [["vip"]], [[1, "1001", 0]], 7, [["vip", "1001", "now"]]])
def test_places_that_cannot_be_read_are_no_stickiness(redis_client, places):
    redis_client.set(keys.sticky(N), msgpack.packb(["1003", NOW.timestamp(), places]))
    with capture_logs():
        assert Store(redis_client).facts(N) == NO_FACTS


def test_who_is_free_comes_with_the_facts_in_one_round_trip(redis_client):
    store = Store(redis_client)
    store.facts(N)
    there = Availability({"1001": 0.0, "1002": float("inf")}, frozenset({"1003"}))
    redis_client.set(keys.floor("main", "free"), pack_availability(there))
    redis_client.set(keys.floor("second", "free"), pack_availability(Availability({"1003": 0.0})))
    before = redis_client.info("stats")["total_commands_processed"]
    assert store.facts(N).availability == there
    store.switches = ("main", "second")
    assert store.facts(N).availability.of("1003", NOW) is Presence.FREE
    assert redis_client.info("stats")["total_commands_processed"] - before == 3  # INFO counts itself
    redis_client.delete(keys.floor("main", "free"), keys.floor("second", "free"))
    assert store.facts(N) == NO_FACTS


@pytest.mark.parametrize("value", [b"", b"\xc1", *map(msgpack.packb, (
    7, [{}, [1]], [{"a": "b"}, []], [{"1001": float("nan")}, []], [[], []]))])
def test_garbage_says_nothing_of_anybody(value):
    with capture_logs() as logs:
        assert unpack_availability(value) == NOBODY_KNOWS
    assert logs
