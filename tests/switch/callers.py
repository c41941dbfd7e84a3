"""Callers made of the switch's own endpoint, and an `fsapp serve` for them, for tests under load. No tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import gevent
from machine import DEADLINE_S, ROOT, Switch, wait_until
from test_inswitch import Redis, redis_of

from fsapp.state.contacts import Entry
from fsapp.state.imports import Import
from fsapp.state.stream import BEGINNING, read
from fsapp.telephony.link import Link

__all__ = ["CONTACTS", "Callers", "Serve", "call", "caller_of", "redis_with_contacts", "written"]

CONTACTS = tuple(f"+3816012345{last:02}" for last in range(100))


def caller_of(index: int) -> tuple[str, str, str]:
    """The number, the number called and the class of a caller: every fourth is of a kind."""
    return (
        (CONTACTS[index % len(CONTACTS)], "+381115550100", "callback"),
        (f"+38164{index:07}", "+381115550100", "service"),
        (f"+38163{index:07}", "+381115550200", "new-customer"),
        (f"+38111{index:07}", "+381115550300", "service"),
    )[index % 4]


def call(link: Link, caller: str, called: str) -> str:
    """A caller calls; the call's uuid. Who is dialled is the caller, seen from the extension the leg goes to then."""
    uuid = str(uuid4())
    link.bgapi(f"originate {{origination_uuid={uuid}}}null/{caller} {called} XML public")
    return uuid


class Callers:
    """Callers who call until `stop`, `per_s` a second; `expected` is the class by the call's uuid, in their order."""

    def __init__(self, link: Link, per_s: float) -> None:
        self.expected: dict[str, str] = {}
        self._link = link
        self._per_s = per_s
        self._running = gevent.spawn(self._run)

    def stop(self) -> None:
        self._running.kill()

    def _run(self) -> None:
        start = time.monotonic()
        while True:
            index = len(self.expected)
            gevent.sleep(max(0.0, start + index / self._per_s - time.monotonic()))
            caller, called, expected = caller_of(index)
            self.expected[call(self._link, caller, called)] = expected


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
        wait_until(lambda: b"serving" in log.read_bytes() and b"rules_in_force" in log.read_bytes(), "fsapp serves")

    def kill(self) -> None:
        self._runs[-1].kill()
        self._runs[-1].wait(DEADLINE_S)

    def close(self) -> None:
        for run in self._runs:
            run.kill()
            run.wait(DEADLINE_S)


@contextmanager
def redis_with_contacts(switch: Switch, own_redis: Callable[..., Any]) -> Iterator[tuple[Redis, Any]]:
    """A Redis for serve and switch with open contacts, and its server; what it says it has survives a kill."""
    servers = []

    def make() -> Any:
        servers.append(own_redis("--appendonly", "yes", "--appendfsync", "always"))
        return servers[0]

    with redis_of(switch, make) as found:
        with Import(found.client, "renewals/first-call") as bulk:
            bulk.write([(number, Entry(agent=None)) for number in CONTACTS])
        yield found, servers[0]


def written(redis: Redis) -> set[str]:
    """The ids of all events in the stream."""
    return {event["id"] for _, event in read(redis.client, BEGINNING, count=1_000_000)}
