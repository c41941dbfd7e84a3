"""The floor in Redis: whole or in part, by the holder of the lease alone; who holds it; requests and their answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import gevent
import msgpack
import pytest
import redis

from fsapp.core.floor import (
    RememberedStatus,
    Seen,
    SeenAgent,
    SeenCall,
    SeenMember,
    SeenQueue,
    SeenTier,
)
from fsapp.core.floor_change import Changes
from fsapp.errors import NoLink, RequestRefused, StateRefused, StateUnavailable
from fsapp.state import keys
from fsapp.state.floor import FloorWriter, read_floor, remember, remembered
from fsapp.state.lease import Holder, Lease, holder_of
from fsapp.state.requests import answer, ask, next_request

AT = datetime(2026, 3, 2, 9, 0, 0, 250000, tzinfo=UTC)
AGENT = SeenAgent("1004", "user/1004@fsapp", "Available", "In a queue call", "leg", status_at=AT, registered=True)
QUEUE = SeenQueue("helpdesk@fsapp", None, 3, 1, {"strategy": "longest-idle-agent"})
MEMBER = SeenMember(
    "m1", "helpdesk@fsapp", "c1", "+381601234567", "Mira \u017d", AT, AT, 100, 103, "1004", "Answered")
CALL = SeenCall(
    "c1", "inbound", "+381601234567", "0115550300", "ACTIVE", AT, AT, "leg", {"fsapp_class": "service"})
SEEN = Seen(
    "core-1", {"1004": AGENT}, (SeenTier("helpdesk@fsapp", "1004", 6, 1, "Active Inbound"),),
    {"helpdesk@fsapp": QUEUE}, {"m1": MEMBER}, {"c1": CALL},
)


def lease(client: redis.Redis, switch: str = "main", life_s: float = 10) -> Lease:
    return Lease(client, keys.floor(switch, "lease"), f"the link to switch {switch}", life_s)


def held(client: redis.Redis, switch: str = "main") -> FloorWriter:
    taken = lease(client, switch)
    assert taken.hold() is None
    return FloorWriter(client, switch, taken.token)


def never(_seconds: float) -> bool:
    gevent.sleep(0.005)
    return False


def test_what_is_written_is_read(redis_client: redis.Redis) -> None:
    assert held(redis_client).whole(SEEN, AT)
    floor = read_floor(redis_client, "main")
    assert floor.seen == SEEN
    assert (floor.synced_at, floor.heard_at, floor.up) == (AT, AT, True)
    assert f"pid {os.getpid()}" in floor.link


def test_a_floor_that_nobody_ever_wrote(redis_client: redis.Redis) -> None:
    floor = read_floor(redis_client, "main")
    assert (floor.seen, floor.synced_at, floor.up, floor.link) == (Seen(), None, False, "")


def test_written_whole_it_is_exactly_that(redis_client: redis.Redis) -> None:
    writer = held(redis_client)
    writer.whole(SEEN, AT)
    writer.whole(Seen("core-2", {"1005": SeenAgent("1005")}), AT)
    assert read_floor(redis_client, "main").seen == Seen("core-2", {"1005": SeenAgent("1005")})


def test_changes_leave_the_rest(redis_client: redis.Redis) -> None:
    writer, later = held(redis_client), AT + timedelta(seconds=2)
    writer.whole(SEEN, AT)
    idle = replace(SEEN.agents["1004"], state="Waiting", call="")
    assert writer.change(Changes(agents={"1004": idle}, members={"m1": None}), later)
    floor = read_floor(redis_client, "main")
    assert floor.seen == replace(SEEN, agents={"1004": idle}, members={})
    assert (floor.synced_at, floor.heard_at) == (AT, later)


def test_a_switch_that_is_down_keeps_its_floor(redis_client: redis.Redis) -> None:
    writer = held(redis_client)
    writer.whole(SEEN, AT)
    assert writer.down()
    floor = read_floor(redis_client, "main")
    assert (floor.up, floor.seen, floor.heard_at) == (False, SEEN, AT)


def test_two_switches_are_two_floors(redis_client: redis.Redis) -> None:
    held(redis_client).whole(SEEN, AT)
    held(redis_client, "second").whole(Seen("other"), AT)
    assert read_floor(redis_client, "main").seen == SEEN
    assert read_floor(redis_client, "second").seen == Seen("other")


def test_a_writer_without_the_lease_writes_nothing(redis_client: redis.Redis) -> None:
    writer = held(redis_client)
    writer.whole(SEEN, AT)
    stranger = FloorWriter(redis_client, "main", b"another")
    assert not stranger.whole(Seen("forged"), AT)
    assert not stranger.change(Changes(members={"m1": None}), AT)
    assert not stranger.down()
    assert read_floor(redis_client, "main").seen == SEEN


def test_entries_of_another_version(redis_client: redis.Redis) -> None:
    held(redis_client).whole(SEEN, AT)
    key = keys.floor("main", "agents")
    redis_client.hset(key, "1005", msgpack.packb({"id": "1005", "favourite_colour": "blue"}))
    redis_client.hset(key, "1006", b"\xc1")
    redis_client.hset(key, "1007", msgpack.packb([1]))
    assert sorted(read_floor(redis_client, "main").seen.agents) == ["1004", "1005"]


def test_it_takes_a_whole_centre(redis_client: redis.Redis) -> None:
    agents = {f"{n}": SeenAgent(f"{n}", f"user/{n}@fsapp", status_at=AT) for n in range(1000)}
    members = {f"m{n}": SeenMember(f"m{n}", "q", f"c{n}", joined_at=AT) for n in range(3000)}
    tiers = tuple(SeenTier("q", f"{n}") for n in range(5000))
    seen = Seen("core", agents, tiers, {}, members, {})
    assert held(redis_client).whole(seen, AT)
    assert read_floor(redis_client, "main").seen == seen


def test_remembered_statuses(redis_client: redis.Redis) -> None:
    assert remembered(redis_client) == {}
    lunch = RememberedStatus("On Break", "lunch", AT)
    remember(redis_client, {"1004": lunch, "1005": RememberedStatus("Available")})
    remember(redis_client, {"1005": None})
    remember(redis_client, {})
    assert remembered(redis_client) == {"1004": lunch}


# -- the lease ---------------------------------------------------------------------------------------------------


def test_a_second_holder_is_refused_by_name(redis_client: redis.Redis) -> None:
    first, second = lease(redis_client), lease(redis_client)
    assert first.acquire(never)
    renewing = gevent.spawn(lambda: [(gevent.sleep(0.01), first.hold()) for _ in range(2000)])
    with gevent.Timeout(20), pytest.raises(StateRefused) as refused:
        second.acquire(never)
    renewing.kill()
    assert str(refused.value) == (
        f"the link to switch main is held by {os.uname().nodename} pid {os.getpid()}: stop that one first")


def test_it_is_taken_when_the_holder_gives_no_sign_of_life(redis_client: redis.Redis) -> None:
    assert lease(redis_client, life_s=0.2).hold() is None
    with gevent.Timeout(20):
        assert lease(redis_client).acquire(never)


def test_a_holder_that_is_seen_to_be_dead_is_not_waited_for(redis_client: redis.Redis) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    here = Holder.here()
    dead = Holder(here.host, process.pid, here.pids, "gone")
    redis_client.set(keys.floor("main", "lease"), msgpack.packb(
        {"host": dead.host, "pid": dead.pid, "pids": dead.pids, "id": dead.id}))  # would never run out

    def no_wait(_seconds: float) -> bool:
        raise AssertionError("waited for the dead")

    assert lease(redis_client).acquire(no_wait)


def test_a_holder_elsewhere_is_not_taken_for_dead() -> None:
    here = Holder.here()
    assert not replace(here, host="elsewhere", pid=2**22 + 1).is_dead()
    assert not replace(here, pids="another", pid=2**22 + 1).is_dead()
    assert not here.is_dead()


def test_only_the_holder_releases_it(redis_client: redis.Redis) -> None:
    first, second = lease(redis_client), lease(redis_client)
    assert first.hold() is None
    second.release()
    assert holder_of(redis_client, keys.floor("main", "lease")) == first.holder
    first.release()
    assert holder_of(redis_client, keys.floor("main", "lease")) is None


def test_who_waits_for_it_can_be_stopped(redis_client: redis.Redis) -> None:
    assert lease(redis_client).hold() is None
    assert not lease(redis_client).acquire(lambda _seconds: True)


# -- requests ----------------------------------------------------------------------------------------------------


@pytest.fixture
def link_there(redis_client: redis.Redis) -> None:
    assert lease(redis_client).hold() is None


def test_asked_and_answered(redis_client: redis.Redis, link_there: None, redis_server: object) -> None:
    def serve() -> None:
        other = redis_server.connect()
        request = next_request(other, "main", 10)
        assert request is not None
        assert request.what == {"do": "agent_status", "agent": "1004"}
        assert 0 < request.left_s <= 10
        answer(other, "main", request, {"status": "Available"})
        other.close()

    serving = gevent.spawn(serve)
    assert ask(redis_client, "main", {"do": "agent_status", "agent": "1004"}, 10) == {"status": "Available"}
    serving.get(timeout=10)


def test_a_refusal_has_every_fault(redis_client: redis.Redis, link_there: None, redis_server: object) -> None:
    def serve() -> None:
        other = redis_server.connect()
        request = next_request(other, "main", 10)
        assert request is not None
        answer(other, "main", request, None, ["no agent 9", "no agent 10"])
        other.close()

    serving = gevent.spawn(serve)
    with pytest.raises(RequestRefused) as refused:
        ask(redis_client, "main", {"do": "x"}, 10)
    assert refused.value.faults == ("no agent 9", "no agent 10")
    serving.get(timeout=10)


def test_without_a_link(redis_client: redis.Redis) -> None:
    with pytest.raises(NoLink, match="no link runs for switch main: start `fsapp link`"):
        ask(redis_client, "main", {"do": "x"}, 10)
    assert not redis_client.exists(keys.floor("main", "requests"))


def test_a_link_that_does_not_answer(redis_client: redis.Redis, link_there: None) -> None:
    with pytest.raises(NoLink, match="did not answer within 0.05 s"):
        ask(redis_client, "main", {"do": "x"}, 0.05)
    assert 0 < redis_client.ttl(keys.floor("main", "requests")) <= keys.REQUEST_S
    # Nobody waits any more: it is not done later.
    assert next_request(redis_client, "main", 0.05) is None


@pytest.mark.parametrize(
    "packed", [b"", b"\xc1", msgpack.packb(7), msgpack.packb({"id": 1}), msgpack.packb({"what": 1})])
def test_what_is_no_request_is_passed_over(redis_client: redis.Redis, packed: bytes) -> None:
    redis_client.rpush(keys.floor("main", "requests"), packed)
    assert next_request(redis_client, "main", 0.05) is None


def test_requests_that_nobody_takes_are_bounded(redis_client: redis.Redis, link_there: None) -> None:
    key = keys.floor("main", "requests")
    redis_client.rpush(key, *[b"x"] * 3000)
    with pytest.raises(NoLink):
        ask(redis_client, "main", {"do": "x"}, 0.02)
    assert redis_client.llen(key) == 1000


# -- Redis itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", [
    lambda client: read_floor(client, "main"), lambda client: FloorWriter(client, "main", b"x").whole(SEEN, AT),
    lambda client: lease(client).hold(), lambda client: ask(client, "main", {}, 1), remembered,
    lambda client: next_request(client, "main", 1),
])
def test_without_redis(own_redis: Callable, use: Callable[[redis.Redis], object]) -> None:
    server = own_redis()
    client = server.connect()
    server.stop()
    with pytest.raises(StateUnavailable):
        use(client)


def test_a_full_redis_keeps_the_lease_and_the_whole_floor(own_redis: Callable) -> None:
    server = own_redis("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")
    client = server.connect()
    taken = lease(client)
    assert taken.hold() is None
    writer = FloorWriter(client, "main", taken.token)
    assert writer.whole(SEEN, AT)
    with pytest.raises(redis.RedisError):
        for n in range(10_000):
            client.set(f"filler{n}", b"x" * 10_000)
    assert taken.hold() is None
    assert writer.whole(SEEN, AT)
    assert read_floor(client, "main").seen == SEEN


NONSENSE = {
    "no map": 7, "another map": {"zz": 1},
    "other kinds": dict.fromkeys(("id", "uuid", "name", "queue", "agent", "call", "status", "settings", "level"), 2.5),
    "no dates": {"uuid": "c", "name": "q", "id": "1", "queue": "q", "call": "c", "status": "x", "created_at": -1e18,
                 "joined_at": 1e300, "status_at": float("nan"), "since": float("inf")},
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=list(NONSENSE))
@pytest.mark.parametrize("part", ["agents", "queues", "tiers", "members", "calls", "meta"])
def test_what_is_no_floor_is_left_out_and_the_rest_is_read(
    redis_client: redis.Redis, part: str, nonsense: object,
) -> None:
    assert held(redis_client).whole(SEEN, AT)
    if part == "tiers":
        value = msgpack.packb([nonsense, {"queue": "helpdesk@fsapp", "agent": "1004"}])
        redis_client.hset(keys.floor("main", part), "all", value)
    else:
        for name in (b"\xff", b"core_uuid", b"synced_at", b"heard_at"):
            redis_client.hset(keys.floor("main", part), name, msgpack.packb(nonsense))
    seen = read_floor(redis_client, "main").seen
    assert [tier.agent for tier in seen.tiers] == ["1004"]
    for name in ("agents", "queues", "members", "calls"):
        assert getattr(SEEN, name).items() <= getattr(seen, name).items()


def test_a_remembered_status_that_is_none_is_forgotten(redis_client: redis.Redis) -> None:
    remember(redis_client, {"1004": RememberedStatus("On Break", "lunch", AT)})
    for number, nonsense in enumerate(NONSENSE.values()):
        redis_client.hset(keys.AGENT_STATUS, str(number), msgpack.packb(nonsense))
    found = remembered(redis_client)
    assert found["1004"] == RememberedStatus("On Break", "lunch", AT)
    assert {status.since for agent, status in found.items() if agent != "1004"} <= {None}
