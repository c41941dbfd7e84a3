"""`fsapp agents list`, `fsapp queues`, `fsapp calls`: what is known of the floor, and how old it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import redis

from fsapp.cli.root import main
from fsapp.core.floor import (
    RememberedStatus,
    Seen,
    SeenAgent,
    SeenCall,
    SeenMember,
    SeenQueue,
    SeenTier,
)
from fsapp.core.wait import Estimate
from fsapp.rules import load_folder
from fsapp.state import keys
from fsapp.state.floor import FloorWriter, remember
from fsapp.state.lease import Lease
from fsapp.state.rules import RulesStore

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)
HELPDESK = "helpdesk@fsapp"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


SEEN = Seen(
    "core",
    {
        "1004": SeenAgent("1004", status="Available", state="In a queue call", call="leg", status_at=ago(7300),
                          talked_at=ago(65), answered=12, registered=True),
        "1005": SeenAgent("1005", status="On Break", status_at=ago(200), registered=False),
        "1006": SeenAgent("1006", status="Available", status_at=ago(10)),
    },
    tuple(SeenTier(HELPDESK, agent) for agent in ("1004", "1005", "1006")),
    {HELPDESK: SeenQueue(HELPDESK, None, 40, 2), "vip@fsapp": SeenQueue("vip@fsapp", 20)},
    {
        "m1": SeenMember("m1", HELPDESK, "c1", "+381601234567", "Mira", ago(100), ago(65), 300_003_540, 0, "1004",
                         "Answered"),
        "m2": SeenMember("m2", HELPDESK, "c2", "+381601234568", "", ago(50), None, 100_003_540),
        "m3": SeenMember("m3", HELPDESK, "c3", "anonymous", "", ago(20), None, 200_003_540),
        "ghost": SeenMember("ghost", HELPDESK, "c9", "+381601234571", "", ago(500), None, 400_003_540),
        "gone": SeenMember("gone", HELPDESK, "", "+381601234569", joined_at=ago(90), state="Abandoned"),
    },
    {
        "c1": SeenCall("c1", "inbound", "+381601234567", "0115550300", "ACTIVE", ago(110), ago(109), "leg",
                       {"fsapp_class": "callback", "cc_side": "member"}),
        "leg": SeenCall("leg", "outbound", "+381601234567", "1004", bridged_to="c1", variables={"cc_side": "agent"}),
        "c2": SeenCall("c2", "inbound", "+381601234568"),
        "c3": SeenCall("c3", "inbound", "anonymous"),
        "c4": SeenCall("c4", "inbound", "+381601234570", "0115550400", created_at=ago(5)),
    },
)


@pytest.fixture
def run(
    redis_server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
) -> Callable[..., tuple[int, str, str]]:
    """Runs `fsapp` with the arguments; exit status, stdout, stderr."""
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(args)
        return left.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def link(redis_client: redis.Redis) -> Lease:
    """A link has the floor in Redis."""
    RulesStore(redis_client).load(load_folder(str(ROOT / "conf/rules")), "", "", "")
    lease = Lease(redis_client, keys.floor("main", "lease"), "the link")
    lease.hold()
    FloorWriter(redis_client, "main", lease.token).whole(SEEN, datetime.now(UTC))
    remember(redis_client, {
        "1005": RememberedStatus("On Break", "lunch", ago(200)), "1001": RememberedStatus("Logged Out"),
    })
    return lease


def rows(run: Callable[..., Any], *args: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    status, out, err = run(*args, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    [switch] = found.pop("switches")
    [listed] = found.values()
    return switch, listed


def test_agents(run: Callable[..., Any], link: Lease) -> None:
    switch, listed = rows(run, "agents", "list")
    assert (switch["switch"], switch["up"], switch["link"]) == ("main", True, str(link.holder))
    assert switch["age_s"] <= 60
    agents = {row["agent"]: row for row in listed}
    assert sorted(agents) == ["1001", "1002", "1003", "1004", "1005", "1006"]
    talks = agents["1004"]
    assert (talks["name"], talks["state"], talks["queue"], talks["number"], talks["phone"]) == (
        "dejan", "In a queue call", HELPDESK, "+381601234567", "registered")
    assert talks["status_s"] >= 7300 > talks["state_s"] >= 65
    assert (agents["1005"]["reason"], agents["1005"]["phone"]) == ("lunch", "away")
    # Of the rules, and on no switch.
    assert (agents["1001"]["state"], agents["1001"]["status"]) == (None, "Logged Out")
    assert agents["1002"]["status"] is None


def test_queues(run: Callable[..., Any], link: Lease) -> None:
    helpdesk, vip = rows(run, "queues")[1]
    assert (helpdesk["waiting"], helpdesk["talking"], helpdesk["free"], helpdesk["ready"], helpdesk["staff"]) == (
        2, 1, 1, 2, 3)
    assert helpdesk["longest_s"] >= 50
    assert (helpdesk["answered"], helpdesk["abandoned"], helpdesk["limit_s"]) == (40, 2, None)
    assert (vip["queue"], vip["waiting"], vip["longest_s"], vip["limit_s"]) == ("vip@fsapp", 0, 0, 20)
    assert helpdesk["wait"] is None


def test_queues_say_what_to_expect(run: Callable[..., Any], link: Lease, redis_client: redis.Redis) -> None:
    writer = FloorWriter(redis_client, "main", link.token)
    writer.waits({HELPDESK: Estimate(62.2, 20.0, 130.4, 3, 2), "vip@fsapp": Estimate(0, 0, 0, 1, 0, "no agent")})
    helpdesk, vip = rows(run, "queues")[1]
    assert helpdesk["wait"] == {"estimate_s": 62, "low_s": 20, "high_s": 130, "doubt": None}
    assert vip["wait"]["doubt"] == "no agent"
    text = run("queues")[1]
    assert "wait now" in text and "1:02 (20 s to 2:10)" in text
    # Without a link nobody knows.
    link.release()
    assert rows(run, "queues")[1][0]["wait"] is None


def test_calls_in_the_order_of_being_served(run: Callable[..., Any], link: Lease) -> None:
    listed = rows(run, "calls")[1]
    assert [(row["call"], row["state"], row["class"]) for row in listed] == [
        ("c1", "talks", "callback"), ("c3", "waits", "new-customer"), ("c2", "waits", "service"), ("c4", None, None)]
    talks = listed[0]
    assert (talks["agent"], talks["agent_name"], talks["wait_s"]) == ("1004", "dejan", 35)
    assert listed[1]["score"] >= 200_003_560
    assert listed[1]["number"] == "anonymous"


@pytest.mark.parametrize(("command", "words"), [
    (("agents", "list"), ["dejan", "talking", "lunch", "2:0", "away"]),
    (("queues",), ["helpdesk", "vip", "longest"]),
    (("calls",), ["+381601234567", "callback", "new-customer", "300,003,", "dejan"]),
])
def test_tables(run: Callable[..., Any], link: Lease, command: tuple[str, ...], words: list[str]) -> None:
    status, out, err = run(*command)
    assert (status, err) == (0, "")
    assert [word for word in words if word not in out] == []
    assert "switch main: heard" in out


def test_a_terminal_is_shown_no_orders(run: Callable[..., Any], link: Lease, redis_client: redis.Redis) -> None:
    agents = {"1005": SeenAgent("1005", status="On \x1b[2JBreak\x07", state="Wait\x1b]0;title\x07ing")}
    FloorWriter(redis_client, "main", link.token).whole(replace(SEEN, agents=agents), datetime.now(UTC))
    status, out, _err = run("agents", "list")
    assert (status, "\x1b" in out, "\x07" in out) == (0, False, False)
    assert "1005" in out


def test_the_age_of_the_picture_is_said(run: Callable[..., Any], redis_client: redis.Redis, link: Lease) -> None:
    writer = FloorWriter(redis_client, "main", link.token)
    writer.whole(SEEN, datetime.now(UTC) - timedelta(seconds=300))
    assert "as of 5:0" in run("queues")[1]
    writer.down()
    assert "does not answer the link: as of 5:0" in run("queues")[1]
    assert not rows(run, "calls")[0]["up"]
    link.release()
    assert "no link runs: as of 5:0" in run("agents", "list")[1]
    assert rows(run, "calls")[0]["link"] is None


@pytest.mark.parametrize("command", [("agents", "list"), ("queues",), ("calls",)])
def test_without_any_link_ever(run: Callable[..., Any], redis_client: redis.Redis, command: tuple[str, ...]) -> None:
    status, out, err = run(*command)
    assert (status, out) == (1, "")
    assert err == "fsapp: nothing is known of switch main: start `fsapp link`\n"


def test_several_switches(run: Callable[..., Any], redis_client: redis.Redis, link: Lease) -> None:
    document = load_folder(str(ROOT / "conf/rules"))
    document["switch"] = {"main": {"sip": "10.0.0.1:5080"}, "second": {"sip": "10.0.0.2:5080"}}
    RulesStore(redis_client).load(document, "", "", "")
    lease = Lease(redis_client, keys.floor("second", "lease"), "the link")
    lease.hold()
    other = Seen("other", {}, (), {"x@fsapp": SeenQueue("x@fsapp")})
    FloorWriter(redis_client, "second", lease.token).whole(other, NOW)
    found = json.loads(run("queues", "--json")[1])
    assert [row["switch"] for row in found["switches"]] == ["main", "second"]
    assert {row["switch"] for row in found["queues"]} == {"main", "second"}
    alone = json.loads(run("queues", "--json", "--switch", "second")[1])
    assert [row["queue"] for row in alone["queues"]] == ["x@fsapp"]
    status, _, err = run("queues", "--switch", "third")
    assert (status, err) == (1, "fsapp: the rules know no switch third: there are main, second\n")


def test_without_redis(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSAPP_REDIS_URL", "redis://127.0.0.1:1/0")
    status, _, err = run("calls")
    assert status == 1
    assert "does not answer" in err


def test_watching_until_ctrl_c(redis_server: Any, link: Lease) -> None:
    command = [sys.executable, "-m", "fsapp", "calls", "--watch", "--json"]
    environment = {**os.environ, "FSAPP_REDIS_URL": redis_server.url}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None and process.stderr is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, b"")
    assert [len(json.loads(line)["calls"]) for line in lines] == [4, 4]


def test_whoever_watches_through_a_pipe_sees_it_each_second_too(redis_server: Any, link: Lease) -> None:
    command = [sys.executable, "-m", "fsapp", "calls", "--watch"]
    environment = {**os.environ, "FSAPP_REDIS_URL": redis_server.url}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None and process.stderr is not None
        killer = Timer(60, process.kill)
        killer.start()
        titles = 0
        while titles < 2 and (line := process.stdout.readline()):
            titles += line.startswith(b"calls: 4")
        process.stdout.close()
        killer.cancel()
        assert titles == 2
        assert process.wait(timeout=20) == 1  # whoever read has gone
        assert process.stderr.read() == b""
