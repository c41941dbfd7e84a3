"""`fsapp explain`: the decision of a call that has not happened yet, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from fsapp.cli.root import main
from fsapp.core.model import Right
from fsapp.rules import load_folder, to_toml
from fsapp.state.contacts import Entry
from fsapp.state.imports import Import
from fsapp.state.rules import RulesStore
from fsapp.state.store import Store

RULES = str(Path(__file__).parents[2] / "conf/rules")
CALLER = "+381601234567"


@pytest.fixture
def explain(
    redis_server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
) -> Callable[..., tuple[int, str, str]]:
    """Runs `fsapp explain` with the arguments; exit status, stdout, stderr."""
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    monkeypatch.setenv("TZ", "UTC")

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["explain", *args])
        return left.value.code, *capsys.readouterr()

    return run


def test_json_is_the_contract(explain: Callable[..., Any], redis_client: Any) -> None:
    RulesStore(redis_client).load(load_folder(RULES), "", "", "")
    with Import(redis_client, "renewals/first-call") as bulk:
        bulk.write([(CALLER, Entry(agent="1001"))])
    status, out, err = explain("--from", "060 123-4567", "--to", "0115550100", "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    trace = found.pop("trace")
    assert found == {
        "class": "callback", "reason": "open-contact", "campaign": "renewals", "stage": "first-call",
        "contact": f"renewals/first-call/{CALLER}", "base_score": 305003580, "targets": [
            {"queue": "agent-1001@fsapp", "agent": "1001", "wait_s": 20},
            {"queue": "renewals.first-call@fsapp", "agent": None, "wait_s": None},
        ],
    }
    assert all(step.keys() == {"rule", "fact", "outcome"} for step in trace)


def test_the_time_asked_about_counts(explain: Callable[..., Any], redis_client: Any) -> None:
    RulesStore(redis_client).load(load_folder(RULES), "", "", "")
    expires_at = datetime.now(UTC) + timedelta(hours=10)
    Store(redis_client).put_right(CALLER, Right("1005", expires_at, "renewals", "first-call"))

    def called_at(at: datetime) -> str:
        _, out, _ = explain("--from", CALLER, "--to", "0115550300", "--json", "--at", at.isoformat())
        return json.loads(out)["class"]

    hour, zone = timedelta(hours=1), timedelta(hours=5)
    assert called_at(expires_at - hour) == "callback"
    assert called_at(expires_at + hour) == "service"
    # Another way to write the same moments.
    assert called_at((expires_at - hour).astimezone(timezone(zone))) == "callback"
    assert called_at((expires_at + hour).astimezone(timezone(-zone))) == "service"


def test_opening_hours_are_those_of_the_time_asked_about(explain: Callable[..., Any], tmp_path: Path) -> None:
    document = load_folder(RULES)
    document["schedule"] = {"office": {"timezone": "Europe/Belgrade", "hours": ["mon-fri 08:00-20:00"]}}
    document["line"]["helpdesk"] |= {"schedule": "office", "closed_line": "vip"}
    document["line"]["vip"] |= {"schedule": "office"}
    (tmp_path / "rules.toml").write_text(to_toml(document))
    asked = ("--rules", str(tmp_path), "--from", CALLER, "--to", "0115550300")

    def found(at: str) -> dict[str, Any]:
        return json.loads(explain(*asked, "--at", at, "--json")[1])

    # The clocks in Belgrade are changed on 25 October: 06:30 UTC is after eight in summer, and before it in winter.
    assert [found(f"2026-10-{day}T06:30+00:00")["class"] for day in (23, 26)] == ["service", None]
    closed = found("2026-10-23T21:00+02:00")
    assert (closed["class"], closed["reason"], closed["targets"]) == (None, "closed", [])
    assert {step["rule"] for step in closed["trace"]} == {"number", "service", "schedule"}
    _, out, _ = explain(*asked, "--at", "2026-10-23T21:00+02:00")
    assert "Nobody takes this call (closed): the caller hears so and is let go." in out


def test_plain_sentences_from_a_folder_ask_nothing_of_redis(
    explain: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FSAPP_REDIS_URL", "redis://127.0.0.1:1")
    status, out, err = explain("--rules", RULES, "--from", "0601234567", "--to", "0115550300")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[:5] == [
        f"{CALLER} calls +381115550300.", "The call is a service call for line helpdesk (service-line).",
        "Its base score is 101003540; the highest score is answered first.",
        "1. It waits in helpdesk@fsapp, until somebody answers.", "Because:",
    ]
    assert len(lines) > 6


def test_a_number_that_is_not_ours_and_a_caller_without_one(explain: Callable[..., Any]) -> None:
    status, out, _ = explain("--rules", RULES, "--from", "anonymous", "--to", "+12125550123")
    assert status == 0
    assert out.startswith("anonymous (anonymous) calls +12125550123.\nNobody takes this call (unknown-number)")
    _, out, _ = explain("--rules", RULES, "--from", "anonymous", "--to", "+12125550123", "--json")
    found = json.loads(out)
    assert (found["class"], found["base_score"], found["targets"]) == (None, None, [])


def test_what_is_missing_is_one_line_and_wrong_usage_is_two(explain: Callable[..., Any]) -> None:
    status, out, err = explain("--from", CALLER, "--to", "0115550300")
    assert (status, out) == (1, "")
    assert err.startswith("fsapp: no rules are loaded: run `fsapp rules load`")
    assert explain("--rules", RULES, "--from", CALLER, "--to", "0115550300", "--at", "soon")[0] == 2


def test_with_several_switches_it_says_where_the_call_waits(explain: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("""
        centre = {region = "RS", home = "one"}
        number = [{number = "+381115550100", line = "desk"}]
        line.desk.agents = ["1001"]
        agent.1001 = {name = "Ana", email = "ana@example.com"}
        group.all.agents = ["1001"]
        switch = {one = {sip = "10.0.0.1:5070"}, two = {sip = "10.0.0.2:5070"}}
    """)
    status, out, _ = explain("--rules", str(tmp_path), "--from", "0601234567", "--to", "0115550100")
    assert status == 0
    assert "1. It waits in desk@fsapp on switch one, until somebody answers." in out
    _, out, _ = explain("--rules", RULES, "--from", "0601234567", "--to", "0115550300")
    assert "It waits in helpdesk@fsapp, until" in out
