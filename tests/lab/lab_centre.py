"""A whole centre for tests: a Redis, an `fsapp serve`, a lab switch with the project's dialplan. No tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gevent
from lab_ends import until

from fsapp.core.rules import Rules
from fsapp.lab.channel import Channel
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.run import build_switch, run_scenario
from fsapp.lab.scenario import Scenario, parse
from fsapp.lab.summary import Summary
from fsapp.lab.switch import Switch
from fsapp.rules import load_folder
from fsapp.state.contacts import Entry
from fsapp.state.imports import Import
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail

ROOT = Path(__file__).parents[2]
DOCUMENT = load_folder(ROOT / "conf/rules")
RULES = Rules.from_document(DOCUMENT)

# Short talks and many agents' worth of calls: what is tested is who gets where, not how long it takes. Slow enough that
# neither a caller's patience nor the dialplan's is a matter of how busy this machine is.
_SCENARIO = """
speed = {speed}
seed = 5
calls = {calls}
patience = {{ kind = "uniform", low_s = 60, high_s = 300 }}
talk = {{ kind = "uniform", low_s = {talk_s}, high_s = {longest_s} }}
[agents]
answer = {{ kind = "uniform", low_s = 1, high_s = 3 }}
wrap_up_s = 1
no_answer_share = 0.02
[[arrival]]
called = "+381115550100"
per_minute = {rates[0]}
callers = ["+3816012345*", "+38164*******"]
[[arrival]]
called = "+381115550200"
per_minute = {rates[1]}
callers = ["+38163*******"]
[[arrival]]
called = "+381115550300"
per_minute = {rates[2]}
callers = ["+38111*******"]
anonymous_share = 0.2
[[arrival]]
called = "+381115550400"
per_minute = {rates[3]}
callers = ["+38111*******"]
"""


def scenario(calls: int = 1, *, speed: float = 20, busy: float = 1) -> Scenario:
    """`busy` times as many calls a minute, and talks as much shorter."""
    rates = [round(busy * per_minute) for per_minute in (20, 15, 25, 5)]
    return parse(_SCENARIO.format(calls=calls, speed=speed, talk_s=5 / busy, longest_s=20 / busy, rates=rates))


class Centre:
    """A Redis, an `fsapp serve` and a lab switch that hands its calls to it, and decides itself when it must."""

    def __init__(self, redis_server: Any, folder: Path, document: Mapping[str, Any] = DOCUMENT) -> None:
        self.redis = redis_server
        self.client = redis_server.connect()
        self.rules = RulesStore(self.client)
        self.document = document
        self.rules.load(document, note="", author="test", source="test")
        self._folder = folder
        self.snapshot = str(folder / "snapshot")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._switches: list[Switch] = []
        self.listen = self.http = ""

    @property
    def serve(self) -> subprocess.Popen[bytes]:
        return self._processes[-1]

    def import_contacts(self, numbers: Mapping[str, str | None]) -> None:
        """Open contacts of renewals/first-call: the responsible agent by number, None for nobody."""
        with Import(self.client, "renewals/first-call") as bulk:
            bulk.write([(number, Entry(agent=agent)) for number, agent in numbers.items()])

    def start_serve(self, listen: str = "127.0.0.1:0") -> None:
        log = self._folder / f"serve{len(self._processes)}.log"
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": self.redis.url, "FSAPP_LISTEN": listen, "FSAPP_HTTP": "127.0.0.1:0",
            "FSAPP_SNAPSHOT": self.snapshot,
            "FSAPP_REDIS_TIMEOUT_S": "5",  # a slow disk is not what is tested here
        }
        with log.open("wb") as output:
            command = [sys.executable, "-m", "fsapp", "serve", "--json"]
            self._processes.append(subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output))

        def said() -> dict[str, Any]:
            assert self.serve.poll() is None, log.read_text()
            lines = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
            return {fact["event"]: fact for fact in map(json.loads, lines)}

        until(lambda: {"serving", "rules_in_force"} <= said().keys(), "fsapp serve is ready")
        self.listen, self.http = said()["serving"]["listen"], said()["serving"]["http"]

    def switch(self, scenario: Scenario, **variables: str) -> Switch:
        plan = load_dialplan(ROOT / "dialplan", {"fsapp_socket": self.listen, **variables})
        switch = build_switch(
            Rules.from_document(self.document), scenario, plan, redis_url=self.redis.url, snapshot=self.snapshot)
        switch.start()
        self._switches.append(switch)
        return switch

    def events(self) -> list[dict[str, Any]]:
        return [event for _, event in tail(self.client, 0.0, follow=False)]

    def decisions(self) -> set[str]:
        """The ids of all decisions in the event stream."""
        return {event["id"] for event in self.events() if event["type"] == "call_routed"}

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self.http}{path}", timeout=10) as answer:
            return answer.read().decode()

    def close(self) -> None:
        for switch in self._switches:
            switch.stop()
        for process in self._processes:
            process.kill()
            process.wait(20)
        self.client.close()


class Joined:
    """Hears the switch, and keeps what each call carried when it joined a queue."""

    def __init__(self, switch: Switch) -> None:
        self.calls: list[dict[str, str]] = []
        self._switch = switch

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "queue_joined":
            self.calls.append(dict(self._switch.channels[event["uuid"]].variables))


def play(centre: Centre, calls: int, *, busy: float = 1) -> tuple[Summary, Joined]:
    """Play `calls` calls to their end."""
    played = scenario(calls, busy=busy)
    switch = centre.switch(played)
    joined = Joined(switch)
    running = gevent.spawn(run_scenario, switch, played, None, joined)
    try:
        return running.get(timeout=240), joined
    finally:
        running.kill()


class Load:
    """Callers who call as long as this is open, `per_s` a lab second, each of a kind whose class is known beforehand.

    `expected` by uuid: the class. Contacts are the numbers of `contacts`, which the centre must have.
    """

    contacts: Mapping[str, str | None] = {f"+3816012345{last:02}": "1001" if last % 2 else None for last in range(100)}

    def __init__(self, switch: Switch, per_s: float = 20) -> None:
        self.calls: list[Channel] = []
        self.expected: dict[str, str] = {}
        self._switch = switch
        self._per_s = per_s
        self._running = gevent.spawn(self._run)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Nobody calls any more; who is on the line stays."""
        self._running.kill()

    def _run(self) -> None:
        clock = self._switch.clock
        start, known = clock.now(), list(self.contacts)
        while True:
            index = len(self.calls)
            clock.sleep(start + index / self._per_s - clock.now())
            caller, called, expected = (
                (known[index % len(known)], "+381115550100", "callback"),
                (f"+38164{index:07}", "+381115550100", "service"),
                (f"+38163{index:07}", "+381115550200", "new-customer"),
                (f"+38111{index:07}", "+381115550300", "service"),
            )[index % 4]
            call = self._switch.call(caller, called)
            self.calls.append(call)
            self.expected[call.uuid] = expected
