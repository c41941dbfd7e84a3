"""On a real switch: 100 callers wait, 20 call every second, fsapp or its Redis dies, and nobody is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from callers import Callers, Serve, redis_with_contacts, written
from machine import PASSWORD, Switch, wait_until
from test_inswitch import Redis

from fsapp.telephony.link import Link

PER_S = 20
WAITING = 100
MEMBERS = 'json {"command":"callcenter_config","data":{"arguments":"member list"}}'


class Floor:
    """Nobody answers here: whoever has called waits, or was lost."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.callers = Callers(link, PER_S)

    def waiting(self) -> set[str]:
        """The uuids of all calls that wait in a queue."""
        rows = json.loads(self._link.api(MEMBERS, 20))["response"]
        return {row["session_uuid"] for row in rows if row["state"] == "Waiting"}

    def since(self, index: int) -> list[tuple[str, str, str]]:
        """Expected class, class and reason of the calls from this one on that wait by now."""
        waiting = self.waiting()
        return [
            (expected, self._variable(uuid, "fsapp_class"), self._variable(uuid, "fsapp_reason"))
            for uuid, expected in list(self.callers.expected.items())[index:] if uuid in waiting
        ]

    def decisions(self) -> set[str]:
        return {self._variable(uuid, "fsapp_decision") for uuid in self.callers.expected}

    def end(self) -> list[tuple[str, str, str]]:
        """Nobody calls any more, everybody waits: `since` of all of them."""
        self.callers.stop()
        wait_until(lambda: self.waiting() >= self.callers.expected.keys(), "everybody waits")
        return self.since(0)

    def _variable(self, uuid: str, name: str) -> str:
        return self._link.api(f"uuid_getvar {uuid} {name}")


@pytest.fixture
def redis(switch: Switch, own_redis: Any) -> Iterator[tuple[Redis, Any]]:
    with redis_with_contacts(switch, own_redis) as found:
        yield found


@pytest.fixture
def serve(switch: Switch, redis: tuple[Redis, Any], tmp_path: Path) -> Iterator[Serve]:
    serve = Serve(switch, redis[0].settings.redis_url, tmp_path)
    try:
        serve.start()
        yield serve
    finally:
        serve.close()


@pytest.fixture
def floor(switch: Switch, serve: Serve) -> Iterator[Floor]:
    with Link("127.0.0.1", switch.event_port, PASSWORD, timeout=20) as link:
        floor = Floor(link)
        try:
            wait_until(lambda: len(floor.waiting()) >= WAITING, f"{WAITING} callers wait")
            yield floor
        finally:
            floor.callers.stop()
            switch.settle()


def test_serve_killed_and_started_again(floor: Floor, serve: Serve, redis: tuple[Redis, Any]) -> None:
    serve.kill()
    killed = len(floor.callers.expected)
    gevent.sleep(5)
    serve.start()
    again = len(floor.callers.expected)
    wait_until(lambda: len([1 for *_, reason in floor.since(again) if not reason.startswith("fallback")]) > 20,
               "fsapp decides again")
    found = floor.end()
    assert [one for one in found if one[0] != one[1]] == []
    assert len([1 for *_, reason in found[killed:again] if reason.startswith("fallback-")]) > 50
    assert "fallback" not in {reason for *_, reason in found}
    assert floor.decisions() <= written(redis[0])


def test_redis_killed_and_started_again(floor: Floor, redis: tuple[Redis, Any]) -> None:
    redis[1].stop()
    stopped = len(floor.callers.expected)
    wait_until(lambda: any("degraded" in reason for *_, reason in floor.since(stopped)), "calls go on without Redis")
    gevent.sleep(5)
    redis[1].start()
    back = len(floor.callers.expected)
    wait_until(lambda: any("degraded" not in reason for *_, reason in floor.since(back)), "Redis is asked again")
    # Without facts nobody is known as a contact; everything else is as it was.
    wrong = [one for one in floor.end() if one[0] != one[1]]
    assert [one for one in wrong if one[0] != "callback" or "degraded" not in one[2]] == []
    wait_until(lambda: floor.decisions() <= written(redis[0]), "every decision is written")
