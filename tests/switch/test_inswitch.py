"""The scripts inside a real switch: queues made of the rules, and the same decision as fsapp's while fsapp is down."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
import pytest
from app import App
from desk import Desk
from machine import PASSWORD, ROOT, Switch, binary, count_elsewhere, rules_document, wait_until
from phone import Phone

from fsapp import __version__
from fsapp.core.model import Right, Sticky
from fsapp.core.rules import Rules
from fsapp.settings import Settings
from fsapp.state import keys, stream
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore
from fsapp.state.store import Store

CALLER = "+381601234567"


class Redis:
    """The Redis that the scripts of the switch ask, with the rules of the switch loaded."""

    def __init__(self, switch: Switch) -> None:
        self.settings = Settings(redis_url=f"unix://{switch.redis_socket}", redis_timeout_s=2)
        self.client = connect(self.settings)
        count_elsewhere(self.client)
        self.load(rules_document())

    def load(self, document: dict[str, Any]) -> int:
        return RulesStore(self.client).load(document, "", "test", "test").version

    def fsapp(self, *args: str, cwd: Path) -> str:
        environment = {"FSAPP_REDIS_URL": self.settings.redis_url, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
        return subprocess.run([sys.executable, "-m", "fsapp", *args], env=environment, cwd=cwd, check=True,
                              capture_output=True, text=True, timeout=60).stdout

    def events(self, call: str) -> list[dict[str, Any]]:
        return [event for _, event in stream.read(self.client, stream.BEGINNING) if event["call"] == call]


def test_a_switch_started_with_the_path_of_the_operators_page_finds_fsapp(tmp_path: Path) -> None:
    page = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
    [line] = [line.strip() for line in page.splitlines() if line.startswith("    export PATH=")]
    path = subprocess.run(["bash", "-c", f'{line}; printf %s "$PATH"'], cwd=ROOT, env={"PATH": "/usr/bin:/bin"},
                          check=True, capture_output=True, text=True, timeout=60).stdout
    assert f"{ROOT}/.venv/bin" in path.split(":")
    found = binary()
    assert found is not None
    switch = Switch(found, tmp_path / "switch", {"FSAPP_SWITCH_PASSWORD": PASSWORD, "PATH": path})
    switch.folder.mkdir()
    try:
        switch.start()
        assert json.loads(switch.cli("python fsapp_probe").splitlines()[0])["version"] == __version__
    finally:
        switch.stop()


@pytest.fixture
def redis(switch: Switch, own_redis: Any) -> Iterator[Redis]:
    with redis_of(switch, own_redis) as found:
        yield found


@contextmanager
def redis_of(switch: Switch, own_redis: Any) -> Iterator[Redis]:
    """Running, and known to run: the switch asks for a queue until it is from here."""
    with switch.asking(own_redis()):
        found = Redis(switch)
        document = rules_document()
        document["line"]["here"] = {"groups": ["support"]}
        found.load(document)
        wait_until(lambda: "+OK" in switch.cli("callcenter_config queue load here@fsapp"), "the switch asks Redis")
        switch.cli("callcenter_config queue unload here@fsapp")
        found.load(rules_document())
        yield found
        found.client.close()


def queues(switch: Switch) -> dict[str, dict[str, str]]:
    """What the switch says of its queues, by name."""
    head, *rows = switch.cli("callcenter_config queue list").splitlines()
    return {row.split("|")[0]: dict(zip(head.split("|"), row.split("|"), strict=True)) for row in rows if "|" in row}


def waiting_call(switch: Switch, queue: str) -> tuple[dict[str, str], str]:
    member = switch.wait_waiting(queue)
    return member, member["session_uuid"]


def test_a_queue_appears_when_the_rules_have_it_and_no_file_is_touched(switch: Switch, redis: Redis) -> None:
    files = {path: path.stat().st_mtime_ns for path in switch.folder.glob("conf/**/*.xml")}
    document = rules_document()
    assert "+OK" not in switch.cli("callcenter_config queue load parcels@fsapp")
    document["line"]["parcels"] = {"groups": ["support"]}
    document["agent"]["1004"]["wait_s"] = 7
    redis.load(document)
    for queue in ("parcels@fsapp", "agent-1004@fsapp"):
        switch.cli(f"callcenter_config queue unload {queue}")
        assert "+OK" in switch.cli(f"callcenter_config queue load {queue}")
    found = queues(switch)
    assert found["parcels@fsapp"]["max_wait_time"] == "0"
    assert found["agent-1004@fsapp"]["max_wait_time"] == "7"
    assert files == {path: path.stat().st_mtime_ns for path in switch.folder.glob("conf/**/*.xml")}
    redis.load(rules_document())
    for queue in ("parcels@fsapp", "agent-1004@fsapp"):
        switch.cli(f"callcenter_config queue unload {queue}")
        switch.cli(f"callcenter_config queue load {queue}")
    assert "parcels@fsapp" not in queues(switch)


def test_every_queue_is_loaded_as_the_rules_say(switch: Switch) -> None:
    rules = Rules.from_document(rules_document())
    for queue in rules.queues.values():
        switch.cli(f"callcenter_config queue unload {queue.name}")
        assert "+OK" in switch.cli(f"callcenter_config queue load {queue.name}"), queue.name
    found = queues(switch)
    for queue in rules.queues.values():
        row = found[queue.name]
        assert row["strategy"] == "longest-idle-agent"
        assert row["time_base_score"] == "system"
        assert row["max_wait_time"] == str(queue.wait_s or 0)


@pytest.mark.parametrize("called", ["0115550100", "0115550200", "0115550300", "0115550400", "0115550900"])
def test_with_redis_the_class_and_score_are_those_that_explain_says(
    switch: Switch, redis: Redis, phone: Phone, tmp_path: Path, called: str,
) -> None:
    contacts = tmp_path / "contacts.csv"
    contacts.write_text(f"number,name,agent\n{CALLER},Customer 1,dejan@example.com\n")
    redis.fsapp("contacts", "import", str(contacts), "--campaign", "renewals", "--stage", "first-call", cwd=tmp_path)
    said = json.loads(redis.fsapp("explain", "--from", CALLER, "--to", called, "--json", cwd=tmp_path))
    phone.call(called, CALLER)
    phone.wait_for(200)
    member, call = waiting_call(switch, said["targets"][0]["queue"])
    assert member["base_score"] == str(said["base_score"])
    assert switch.variable(call, "fsapp_class") == said["class"]
    assert switch.variable(call, "fsapp_reason") == f"fallback-{said['reason']}"
    assert switch.variable(call, "fsapp_contact") == said["contact"]
    wait_until(lambda: redis.events(call), "the decision is written")
    [event] = redis.events(call)
    assert (event["type"], event["class"]) == ("call_routed", said["class"])
    assert event["id"] == switch.variable(call, "fsapp_decision")


def test_a_right_and_a_sticky_agent_count_too(switch: Switch, redis: Redis, phone: Phone) -> None:
    store = Store(redis.client)
    store.put_right(CALLER, Right("1006", datetime(2100, 1, 1, tzinfo=UTC)))
    store.put_sticky(CALLER, Sticky("1005", datetime.now(UTC)))
    phone.call("0115550300", CALLER)
    phone.wait_for(200)
    _, call = waiting_call(switch, "agent-1006@fsapp")
    assert switch.variable(call, "fsapp_reason") == "fallback-direct-callback"


def test_difficult_callers_get_a_queue_of_their_own_agents_who_take_turns_as_the_rules_say(
    switch: Switch, redis: Redis, phone: Phone,
) -> None:
    document = rules_document()
    document["list"] = {"hard": {"numbers": [f"{CALLER[:-3]}*"], "agents": ["1005"], "wait_s": 60,
                                 "strategy": "least-busy"}}
    redis.load(document)
    try:
        phone.call("0115550300", CALLER)
        phone.wait_for(200)
        _, call = waiting_call(switch, "list-hard@fsapp")
        assert switch.variable(call, "fsapp_line") == "helpdesk"
        row = queues(switch)["list-hard@fsapp"]
        assert (row["strategy"], row["max_wait_time"]) == ("agent-with-least-talk-time", "60")
    finally:
        redis.load(rules_document())
        switch.cli("callcenter_config queue unload list-hard@fsapp")


def test_a_closed_line_is_known_inside_the_switch_too(switch: Switch, redis: Redis, phone: Phone) -> None:
    """Time zones are there for the switch's own Python as well."""
    document = rules_document()
    document["schedule"] = {"never": {"timezone": "Europe/Belgrade", "exceptions": ["2020-01-01 01:00-02:00"]}}
    document["line"]["helpdesk"]["schedule"] = "never"
    redis.load(document)
    try:
        phone.call("0115550300", CALLER)
        phone.wait_for(183)
        assert phone.wait_for(480) == 480
        wait_until(lambda: stream.read(redis.client, stream.BEGINNING), "the decision is written")
        [(_, event)] = stream.read(redis.client, stream.BEGINNING)
        assert (event["type"], event["reason"]) == ("call_refused", "fallback-closed")
    finally:
        redis.load(rules_document())


def test_without_redis_the_snapshot_decides(switch: Switch, phone: Phone) -> None:
    phone.call("0115550900", CALLER)
    phone.wait_for(200)
    member, call = waiting_call(switch, "vip@fsapp")
    assert member["base_score"] == "109003590"
    assert switch.variable(call, "fsapp_reason") == "fallback-degraded-service-line"
    assert switch.variable(call, "fsapp_degraded") == "true"


def test_what_callers_hear_is_found_though_no_file_names_it(switch: Switch, phone: Phone) -> None:
    """In an answer $${...} is not filled in; ${...} is, for each caller, from the switch's own variables."""
    phone.call("0115550900", CALLER)
    phone.wait_for(200)
    heard = 0

    def enough() -> bool:
        nonlocal heard
        heard += phone.heard()
        return heard > 25

    wait_until(enough, "half a second of sound")
    assert "Couldn't play" not in log(switch)


def test_what_was_decided_without_redis_is_written_with_the_next_decision(
    switch: Switch, phone: Phone, own_redis: Any,
) -> None:
    phone.call("0115550900", CALLER)
    phone.wait_for(200)
    _, call = waiting_call(switch, "vip@fsapp")
    with redis_of(switch, own_redis) as redis, Phone(switch.trunk_port) as second:
        second.call("0115550300", "+381601234568")
        second.wait_for(200)
        waiting_call(switch, "helpdesk@fsapp")
        wait_until(lambda: redis.events(call), "the first decision is caught up")
        assert [event["reason"] for event in redis.events(call)] == ["fallback-degraded-service-line"]


def test_the_wait_for_one_agent_ends_and_the_next_decision_is_made_inside(switch: Switch, phone: Phone) -> None:
    with App(switch.app_port) as app:
        phone.call("0115550100", CALLER)
        app.route(
            "agent-1001@fsapp", fsapp_class="callback", fsapp_decision="d1", fsapp_reason="open-contact",
            fsapp_campaign="renewals", fsapp_stage="first-call", fsapp_tried="agent-1001@fsapp",
            fsapp_contact=f"renewals/first-call/{CALLER}", cc_base_score="305003580",
        )
        phone.wait_for(200)
    member, call = waiting_call(switch, "renewals.first-call@fsapp")
    assert int(member["base_score"]) > 305003580, "the class's band is kept, and so is the time waited"
    assert switch.variable(call, "fsapp_reason") == "fallback-open-contact"
    assert switch.variable(call, "fsapp_contact") == f"renewals/first-call/{CALLER}"


def test_a_call_that_was_answered_ends(switch: Switch, redis: Redis, phone: Phone, agent: Desk) -> None:
    phone.call("0115550300", CALLER)
    agent.answer()
    switch.wait_talking()
    [call] = [line.split(",")[0] for line in switch.cli("show channels").splitlines() if "sofia/trunks/" in line]
    agent.hang_up()
    phone.wait_end()
    wait_until(lambda: len(redis.events(call)) == 2, "the end is written")
    routed, ended = redis.events(call)
    assert (routed["type"], ended["type"]) == ("call_routed", "call_ended")
    assert ended["decision"] == routed["id"]
    assert ended["agent"] == "1004"


def test_calls_come_thick_and_fast_while_fsapp_is_down(switch: Switch, redis: Redis, tmp_path: Path) -> None:
    """A hundred calls, twenty a second, to three numbers; a third of them from open contacts."""
    contacts = tmp_path / "contacts.csv"
    callers = [f"+3816012{number:05d}" for number in range(100)]
    contacts.write_text("number\n" + "".join(f"{caller}\n" for caller in callers[::3]))
    redis.fsapp("contacts", "import", str(contacts), "--campaign", "renewals", "--stage", "first-call", cwd=tmp_path)
    wanted = {}
    for number, caller in enumerate(callers):
        called = ("0115550100", "0115550200", "0115550900")[number // 3 % 3]
        contact = number % 3 == 0 and called == "0115550100"
        wanted[caller] = "callback" if contact else "new-customer" if called == "0115550200" else "service"
        switch.cli(f"bgapi originate {{origination_caller_id_number={caller}}}loopback/{called}/public &park()")
        time.sleep(0.05)
    wait_until(lambda: redis.client.xlen(keys.EVENTS) >= len(callers), "every decision is in the stream")
    events = [event for _, event in stream.read(redis.client, stream.BEGINNING)]
    assert {event["caller"]: event["class"] for event in events} == wanted
    assert {event["degraded"] for event in events} == {False}
    waiting = [switch.waiting(queue) for queue in {event["queue"] for event in events}]
    assert sum(map(len, waiting)) == len(callers), "nobody was dropped"


def test_a_version_that_cannot_be_read_leaves_the_last_good_rules(switch: Switch, redis: Redis, phone: Phone) -> None:
    version = int(redis.client.incr(keys.RULES_CURRENT))
    redis.client.hset(keys.RULES_VERSIONS, str(version), msgpack.packb(["no document"]))
    phone.call("0115550900", CALLER)
    phone.wait_for(200)
    _, call = waiting_call(switch, "vip@fsapp")
    assert switch.variable(call, "fsapp_reason") == "fallback-service-line"
    assert f"event='rules_refused' part='inswitch' version={version}" in log(switch)


def test_without_any_rules_the_dialplan_decides_alone(tmp_path: Path, phone_of) -> None:
    phone, switch = phone_of(tmp_path)
    switch.cli("callcenter_config queue load helpdesk@fsapp")
    switch.snapshot.unlink()
    phone.call("0115550900", CALLER)
    phone.wait_for(200)
    _, call = waiting_call(switch, "helpdesk@fsapp")
    assert switch.variable(call, "fsapp_reason") == "fallback"
    assert "event='no_rules'" in log(switch)


@pytest.fixture
def phone_of(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Boots a switch of its own in a folder, and a phone that calls it."""
    made: list[Any] = []

    def make(folder: Path) -> tuple[Phone, Switch]:
        from machine import binary

        switch = Switch(str(binary()), folder)
        made.append(switch.stop)
        switch.start()
        phone = Phone(switch.trunk_port)
        phone.__enter__()
        made.append(lambda: phone.__exit__(None, None, None))
        return phone, switch

    yield make
    for end in reversed(made):
        end()


def log(switch: Switch) -> str:
    return (switch.folder / "log/freeswitch.log").read_text(errors="replace")


def test_a_call_decided_inside_is_recorded_as_ever(
    switch: Switch, redis: Redis, phone: Phone, agent: Desk,
) -> None:
    document = rules_document()
    document["line"]["helpdesk"] |= {"record": "both", "announce": True}
    # The switch has seen other Redises at this address, and remembers for a while which of their versions was spoilt.
    while redis.load(document) < 9:
        pass
    phone.call("0115550300", caller="+381641111111")
    phone.wait_for(200)
    agent.answer()
    switch.wait_talking()
    [call] = [line.split(",")[0] for line in switch.cli("show channels").splitlines() if "sofia/trunks/" in line][:1]
    assert (switch.variable(call, "fsapp_reason") or "").startswith("fallback-")
    assert switch.variable(call, "fsapp_announced") == "FILE PLAYED"
    files = switch.folder / "recordings"
    wait_until(lambda: list(files.glob(f"*/*Z_service_helpdesk_+381641111111_{call}.wav")), "the recording begins")
