"""The event stream, read."""

import time

import gevent
import pytest
import structlog
from structlog.testing import capture_logs

from fsapp.state import keys, stream


def put(client, event):
    payload = stream.encode(event) if isinstance(event, dict) else event
    return client.xadd(keys.EVENTS, {stream.FIELD: payload}).decode()


def event(number):
    return {"type": "call_routed", "id": f"e{number}", "at": 1.5, "call": "uuid", "name": "Čeda", "trace": [["a", "b"]]}


def test_an_event_comes_back():
    assert stream.decode(stream.encode(event(1))) == event(1)
    assert stream.decode(stream.encode({"odd": {1, 2} - {2}})) == {"odd": "{1}"}


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"\x01", b"\x91\x01", b"\xff" * 9])
def test_garbage_is_a_value_error(garbage):
    with pytest.raises(ValueError):
        stream.decode(garbage)


def test_from_the_beginning_and_on(redis_client):
    places = [put(redis_client, event(n)) for n in range(1200)]
    seen = list(stream.tail(redis_client, stream.BEGINNING, follow=False))
    assert seen == [(place, event(n)) for n, place in enumerate(places)]
    assert list(stream.tail(redis_client, places[1197], follow=False)) == seen[1198:]
    assert stream.read(redis_client, places[1197]) == seen[1198:]


def test_since_a_time(redis_client):
    for stamp in (1000, 2000, 3000):
        redis_client.xadd(keys.EVENTS, {stream.FIELD: stream.encode(event(stamp))}, id=f"{stamp}-5")
    assert [e["id"] for _, e in stream.tail(redis_client, 2.0, follow=False)] == ["e2000", "e3000"]
    assert [e["id"] for _, e in stream.tail(redis_client, 0.0, follow=False)] == ["e1000", "e2000", "e3000"]
    assert list(stream.tail(redis_client, time.time(), follow=False)) == []


def test_what_is_no_event_is_skipped(redis_client):
    structlog.reset_defaults()
    put(redis_client, b"garbage")
    redis_client.xadd(keys.EVENTS, {"other": "field"})
    put(redis_client, event(1))
    with capture_logs() as logs:
        assert [e["id"] for _, e in stream.tail(redis_client, stream.BEGINNING, follow=False)] == ["e1"]
    assert [line["event"] for line in logs] == ["bad_event", "bad_event"]


def test_following_waits_for_what_comes(redis_server, redis_client):
    put(redis_client, event(0))
    seen = []

    def follow():
        with redis_server.connect() as client:
            for _, found in stream.tail(client, block_s=0.05):
                seen.append(found["id"])
                if found["id"] == "e3":
                    return

    follower = gevent.spawn(follow)
    # The follower starts at what is there when it first asks: wait until it does.
    with gevent.Timeout(20):
        while not any(client["cmd"].startswith("xread") for client in redis_client.client_list()):
            gevent.sleep(0.01)
    for number in (1, 2, 3):
        put(redis_client, event(number))
    follower.get(timeout=20)
    assert seen == ["e1", "e2", "e3"]


def test_following_outlasts_the_clients_time_limit(redis_server):
    with redis_server.connect(timeout_s=1) as client:
        follower = gevent.spawn(lambda: next(iter(stream.tail(client, block_s=60))))
        with redis_server.connect() as other, gevent.Timeout(20):
            # Several pages are asked for before anything comes.
            while other.info("commandstats").get("cmdstat_xread", {}).get("calls", 0) < 3:
                gevent.sleep(0.02)
            put(other, event(1))
        assert follower.get(timeout=20)[1] == event(1)
