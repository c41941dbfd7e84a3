"""Whole calls: lab switch, the project's dialplan, a real `fsapp serve`, a real Redis; parts that die under load."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from lab_ends import until

from fsapp.core.rules import Rules
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

# Short talks and many agents' worth of calls: what is tested is who gets where, not how long it takes.
SCENARIO = """
speed = 40
seed = 5
calls = {calls}
patience = {{ kind = "exponential", mean_s = 120 }}
talk = {{ kind = "uniform", low_s = 5, high_s = 20 }}
[agents]
answer = {{ kind = "uniform", low_s = 1, high_s = 3 }}
wrap_up_s = 1
no_answer_share = 0.02
[[arrival]]
called = "+381115550100"
per_minute = 20
callers = ["+3816012345*", "+38164*******"]
[[arrival]]
called = "+381115550200"
per_minute = 15
callers = ["+38163*******"]
[[arrival]]
called = "+381115550300"
per_minute = 25
callers = ["+38111*******"]
anonymous_share = 0.2
[[arrival]]
called = "+381115550400"
per_minute = 5
callers = ["+38111*******"]
"""


class Centre:
    """A Redis, an `fsapp serve` and a lab switch that hands its calls to it."""

    def __init__(self, redis_server: Any, folder: Path) -> None:
        self.redis = redis_server
        self.client = redis_server.connect()
        self.rules = RulesStore(self.client)
        self.rules.load(DOCUMENT, note="", author="test", source="test")
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._switches: list[Switch] = []
        self.listen = self.http = ""

    @property
    def serve(self) -> subprocess.Popen[bytes]:
        return self._processes[-1]

    def start_serve(self, listen: str = "127.0.0.1:0") -> None:
        log = self._folder / f"serve{len(self._processes)}.log"
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": self.redis.url, "FSAPP_LISTEN": listen, "FSAPP_HTTP": "127.0.0.1:0",
            "FSAPP_SNAPSHOT": str(self._folder / "snapshot"),
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

    def switch(self, scenario: Scenario) -> Switch:
        switch = build_switch(RULES, scenario, load_dialplan(ROOT / "dialplan", {"fsapp_socket": self.listen}))
        switch.start()
        self._switches.append(switch)
        return switch

    def events(self) -> list[dict[str, Any]]:
        return [event for _, event in tail(self.client, 0.0, follow=False)]

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


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path) -> Iterator[Centre]:
    # Every write is on disk before it is answered: what was written once must be there after a kill.
    centre = Centre(own_redis("--appendonly", "yes", "--appendfsync", "always"), tmp_path)
    centre.start_serve()
    yield centre
    centre.close()


class Joined:
    """Hears the switch, and keeps what each call carried when it joined a queue."""

    def __init__(self, switch: Switch) -> None:
        self.calls: list[dict[str, str]] = []
        self._switch = switch

    def __call__(self, event: dict[str, Any]) -> None:
        if event["event"] == "queue_joined":
            self.calls.append(dict(self._switch.channels[event["uuid"]].variables))


def _play(centre: Centre, calls: int, meanwhile: Callable[[Joined], None] | None = None) -> tuple[Summary, Joined]:
    """Play `calls` calls to their end, `meanwhile` doing its worst."""
    scenario = parse(SCENARIO.format(calls=calls))
    switch = centre.switch(scenario)
    joined = Joined(switch)
    running = gevent.spawn(run_scenario, switch, scenario, None, joined)
    try:
        if meanwhile is not None:
            meanwhile(joined)
        return running.get(timeout=240), joined
    finally:
        running.kill()


def test_calls_are_understood_ordered_answered_and_written_down(centre: Centre) -> None:
    with Import(centre.client, "renewals/first-call") as bulk:
        bulk.write([(f"+3816012345{last}", Entry(agent="1001" if last % 2 else None)) for last in range(10)])
    summary, joined = _play(centre, 150)
    assert summary.faults() == []
    assert {"callback", "new-customer", "service"} <= summary.classes.keys()
    assert summary.total("answered") > 75
    written = {event["id"]: event for event in centre.events() if event["type"] == "call_routed"}
    for call in joined.calls:
        event = written[call["fsapp_decision"]]
        assert (event["class"], event["queue"], event["reason"]) == (
            call["fsapp_class"], call["fsapp_queue"], call["fsapp_reason"])
        assert str(event["base_score"]) == call["cc_base_score"]
    ended = [event for event in centre.events() if event["type"] == "call_ended"]
    assert all(event["agent"] in RULES.agents for event in ended)
    assert 'fsapp_decisions_total{call_class="callback",reason="open-contact"}' in centre.get("/metrics")
    assert json.loads(centre.get("/healthz")) == {"healthy": True, "faults": []}


def test_redis_stopped_and_started_under_load(centre: Centre) -> None:
    def meanwhile(joined: Joined) -> None:
        until(lambda: len(joined.calls) >= 20, "calls run")
        centre.redis.stop()
        until(lambda: any(call.get("fsapp_degraded") for call in joined.calls), "calls are decided without Redis")
        until(lambda: len(joined.calls) >= 60, "many of them")
        centre.redis.start()
        until(lambda: "degraded" not in joined.calls[-1]["fsapp_reason"], "Redis is asked again")

    summary, joined = _play(centre, 150, meanwhile)
    assert summary.faults() == []
    degraded = [call for call in joined.calls if call["fsapp_reason"].startswith("degraded-")]
    assert degraded
    assert all("fsapp_decision" in call for call in joined.calls)
    written = {event["id"] for event in centre.events()}
    assert {call["fsapp_decision"] for call in joined.calls} <= written


def test_no_call_sees_half_a_version_of_the_rules(centre: Centre) -> None:
    other = copy.deepcopy(DOCUMENT)
    other["line"]["helpdesk"]["sla_s"] = 30
    for number in other["number"]:
        if number["number"] == "+381115550300":
            number["priority"] = 20
    scores = {"101003540", "102003570"}

    def meanwhile(joined: Joined) -> None:
        for turn in range(40):
            seen = len(joined.calls)
            centre.rules.load(other if turn % 2 == 0 else DOCUMENT, note="", author="test", source="test")
            until(lambda seen=seen: len(joined.calls) > seen + 1 or len(joined.calls) >= 100, "another call")

    summary, joined = _play(centre, 150, meanwhile)
    assert summary.faults() == []
    service = {call["cc_base_score"] for call in joined.calls if call["fsapp_called"] == "+381115550300"}
    assert service == scores
    assert len({event["rules"] for event in centre.events() if event["type"] == "call_routed"}) > 5


def test_serve_killed_and_started_again_loses_nobody(centre: Centre) -> None:
    def meanwhile(joined: Joined) -> None:
        until(lambda: len(joined.calls) >= 30, "callers wait")
        centre.serve.kill()
        centre.serve.wait(20)
        until(lambda: any(call["fsapp_reason"] == "fallback" for call in joined.calls), "the fallback takes over")
        centre.start_serve(centre.listen)
        seen = len(joined.calls)
        until(lambda: any(call["fsapp_reason"] != "fallback" for call in joined.calls[seen:]), "fsapp decides again")

    summary, joined = _play(centre, 150, meanwhile)
    assert summary.lost == []
    assert all("fsapp_class" in call for call in joined.calls)
    # Nothing that was decided before the kill is missing.
    written = {event["id"] for event in centre.events()}
    assert {call["fsapp_decision"] for call in joined.calls if "fsapp_decision" in call} <= written


def test_sigterm_lets_visits_finish(centre: Centre) -> None:
    def meanwhile(joined: Joined) -> None:
        until(lambda: len(joined.calls) >= 30, "callers wait")
        centre.serve.send_signal(signal.SIGTERM)
        assert centre.serve.wait(20) == 0

    summary, joined = _play(centre, 60, meanwhile)
    assert summary.lost == []
    written = {event["id"] for event in centre.events()}
    assert {call["fsapp_decision"] for call in joined.calls if "fsapp_decision" in call} <= written


def test_waiting_callers_hold_nothing_of_fsapp(centre: Centre) -> None:
    scenario = parse(SCENARIO.format(calls=1))
    switch = centre.switch(scenario)
    for agent in list(switch.callcenter.agents.values()):
        switch.callcenter.set_status(agent, "Logged Out")

    def files() -> int:
        return len(os.listdir(f"/proc/{centre.serve.pid}/fd"))

    switch.call("+381601112223", "+381115550300")
    waiting = switch.callcenter.queues["helpdesk@fsapp"].waiting
    until(lambda: len(waiting) == 1, "the first waits")
    until(lambda: "fsapp_connections 0.0" in centre.get("/metrics"), "its visit is over")
    before = files()
    for number in range(500):
        switch.call(f"+3816011{number:05}", "+381115550300")
    until(lambda: len(waiting) == 501, "all wait")
    until(lambda: "fsapp_connections 0.0" in centre.get("/metrics"), "all visits are over")
    # Redis may have got a connection more meanwhile; 500 visits would leave 500 sockets.
    until(lambda: files() <= before + 3, "their sockets are closed")
