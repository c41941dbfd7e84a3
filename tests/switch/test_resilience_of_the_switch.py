"""What must hold on a real switch: 100 callers wait, 20 call every second, fsapp or its Redis dies, and nobody is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import gevent
import pytest
from machine import DEADLINE_S, PASSWORD, ROOT, Switch, wait_until
from test_inswitch import Redis, redis_of

from fsapp.state.contacts import Entry
from fsapp.state.imports import Import
from fsapp.state.stream import BEGINNING, read
from fsapp.telephony.link import Link

PER_S = 20
WAITING = 100
CONTACTS = tuple(f"+3816012345{last:02}" for last in range(100))


class Serve:
    """An `fsapp serve` where the switch looks for it."""

    def __init__(self, switch: Switch, redis_url: str, folder: Path) -> None:
        self._folder = folder
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": redis_url, "FSAPP_HTTP": "127.0.0.1:0", "FSAPP_REDIS_TIMEOUT_S": "5",
            "FSAPP_LISTEN": f"127.0.0.1:{switch.app_port}", "FSAPP_SNAPSHOT": str(switch.snapshot),
        }
        self._runs: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        log = self._folder / f"serve{len(self._runs)}"
        with log.open("wb") as output:
            self._runs.append(subprocess.Popen(
                [sys.executable, "-m", "fsapp", "serve"], env=self._environment, cwd=ROOT, stdout=output,
                stderr=output))
        wait_until(lambda: {b"serving", b"rules_in_force"} <= set(log.read_bytes().split()) or (
            b"serving" in log.read_bytes() and b"rules_in_force" in log.read_bytes()), "fsapp serves")

    def kill(self) -> None:
        self._runs[-1].kill()
        self._runs[-1].wait(DEADLINE_S)

    def close(self) -> None:
        for run in self._runs:
            run.kill()
            run.wait(DEADLINE_S)


class Callers:
    """Callers who call until `stop`, each of a kind whose class is known beforehand; nobody answers them."""

    def __init__(self, link: Link) -> None:
        self.expected: dict[str, str] = {}  # class by the call's uuid, in the order of calling
        self._link = link
        self._running = gevent.spawn(self._run)

    def stop(self) -> None:
        self._running.kill()

    def _run(self) -> None:
        start = time.monotonic()
        while True:
            index = len(self.expected)
            gevent.sleep(max(0.0, start + index / PER_S - time.monotonic()))
            caller, called, expected = (
                (CONTACTS[index % len(CONTACTS)], "+381115550100", "callback"),
                (f"+38164{index:07}", "+381115550100", "service"),
                (f"+38163{index:07}", "+381115550200", "new-customer"),
                (f"+38111{index:07}", "+381115550300", "service"),
            )[index % 4]
            uuid = str(uuid4())
            self.expected[uuid] = expected
            # The one called is the caller, seen from where the leg goes then.
            self._link.bgapi(f"originate {{origination_uuid={uuid}}}null/{caller} {called} XML public")


class Floor:
    def __init__(self, link: Link) -> None:
        self.link = link
        self.callers = Callers(link)

    def waiting(self) -> set[str]:
        """The uuids of all calls that wait in a queue."""
        answer = self.link.api('json {"command":"callcenter_config","data":{"arguments":"member list"}}', 20)
        return {row["session_uuid"] for row in json.loads(answer)["response"] if row["state"] == "Waiting"}

    def variable(self, uuid: str, name: str) -> str:
        return self.link.api(f"uuid_getvar {uuid} {name}")

    def since(self, index: int) -> list[tuple[str, str, str]]:
        """Expected class, class and reason of the calls from this one on that wait by now."""
        waiting = self.waiting()
        return [
            (expected, self.variable(uuid, "fsapp_class"), self.variable(uuid, "fsapp_reason"))
            for uuid, expected in list(self.callers.expected.items())[index:] if uuid in waiting
        ]

    def assert_everybody_waits(self) -> None:
        wait_until(lambda: self.waiting() >= self.callers.expected.keys(), "everybody waits")


@pytest.fixture
def redis(switch: Switch, own_redis: Any) -> Iterator[Redis]:
    with redis_of(switch, own_redis) as found:
        with Import(found.client, "renewals/first-call") as bulk:
            bulk.write([(number, Entry(agent=None)) for number in CONTACTS])
        yield found


@pytest.fixture
def serve(switch: Switch, redis: Redis, tmp_path: Path) -> Iterator[Serve]:
    serve = Serve(switch, redis.settings.redis_url, tmp_path)
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


def test_serve_killed_and_started_again(floor: Floor, serve: Serve, redis: Redis) -> None:
    serve.kill()
    killed = len(floor.callers.expected)
    gevent.sleep(5)
    serve.start()
    again = len(floor.callers.expected)
    wait_until(lambda: len([1 for *_, reason in floor.since(again) if not reason.startswith("fallback")]) > 20,
               "fsapp decides again")
    floor.callers.stop()
    floor.assert_everybody_waits()
    found = floor.since(0)
    assert len(found) == len(floor.callers.expected)
    assert [call for call in found if call[0] != call[1]] == []
    assert len([1 for *_, reason in found[killed:again] if reason.startswith("fallback-")]) > 50
    assert "fallback" not in {reason for *_, reason in found}
    decisions = {floor.variable(uuid, "fsapp_decision") for uuid in floor.callers.expected}
    written = {event["id"] for _, event in read(redis.client, BEGINNING, count=1_000_000)}
    assert decisions <= written
