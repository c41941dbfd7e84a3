"""`fsapp stickiness` and `fsapp attempts record`: for people and for machines."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsapp.cli.root import main
from fsapp.core.availability import Availability
from fsapp.rules import load_folder
from fsapp.state import keys
from fsapp.state.availability import pack_availability
from fsapp.state.contacts import Entry
from fsapp.state.imports import Import
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf/rules")
N = "+381601234567"


@pytest.fixture
def fsapp(
    redis_server: Any, redis_client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
) -> Callable[..., tuple[int, str, str]]:
    """Runs `fsapp` with the arguments; exit status, stdout, stderr."""
    document = copy.deepcopy(DOCUMENT)
    document["centre"] |= {"direct_callback": 2, "direct_callback_s": 3600}
    RulesStore(redis_client).load(document, "", "", "")
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(args)
        return left.value.code, *capsys.readouterr()

    return run


def test_set_show_and_clear(fsapp: Callable[..., Any], redis_client: Any) -> None:
    assert fsapp("stickiness", "show", N)[1] == f"{N}\n  belongs to no agent\n"
    status, out, _ = fsapp("stickiness", "set", "060 123-4567", "--agent", "ANA@example.com", "--json")
    assert (status, json.loads(out)) == (0, {"number": N, "was": None, "agent": "1001", "place": None})
    status, out, _ = fsapp("stickiness", "set", N, "--agent", "1004", "--place", "helpdesk")
    assert out == f"{N} belongs to agent 1004 (dejan) in helpdesk; last with agent 1001 (ana).\n"
    shown = json.loads(fsapp("stickiness", "show", N, "--json")[1])
    assert shown["sticky"]["agent"] == "1004"
    places = [(talk["place"], talk["agent"]) for talk in shown["sticky"]["places"]]
    assert places == [(None, "1001"), ("helpdesk", "1004")]
    assert "elsewhere: agent 1001 (ana)" in fsapp("stickiness", "show", N)[1]
    assert json.loads(fsapp("stickiness", "clear", N, "--json")[1])["was"] == "1004"
    assert json.loads(fsapp("stickiness", "show", N, "--json")[1])["sticky"] is None
    told = [event for _, event in tail(redis_client, 0.0, follow=False)]
    assert [(event["type"], event["agent"], event["place"], event["by"]) for event in told] == [
        ("stickiness", "1001", None, "hand"), ("stickiness", "1004", "helpdesk", "hand"),
        ("stickiness", None, None, "hand")]


@pytest.mark.parametrize(("args", "said"), [
    (("set", "junk", "--agent", "1001"), "no telephone number"), (("set", N, "--agent", "9999"), "no agent 9999"),
    (("set", N, "--agent", "1001", "--place", "nowhere"), "helpdesk"), (("show", "112"), "no telephone number"),
])
def test_what_is_refused(fsapp: Callable[..., Any], args: tuple[str, ...], said: str) -> None:
    status, out, err = fsapp("stickiness", *args)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert said in err


def test_attempts_give_rights_and_take_them(fsapp: Callable[..., Any], redis_client: Any) -> None:
    stage = ("--campaign", "renewals", "--stage", "first-call")
    attempt = ("attempts", "record", N, "--agent", "boris@example.com", *stage)
    status, out, _ = fsapp(*attempt, "--outcome", "failed", "--id", "one", "--json")
    assert (status, json.loads(out)) == (
        0, {"number": N, "agent": "1002", "outcome": "failed", "right": "arises", "sticky": False, "contact": False})
    again = json.loads(fsapp(*attempt, "--outcome", "failed", "--id", "one", "--json")[1])
    assert again["right"] is None
    explained = json.loads(fsapp("explain", "--from", N, "--to", "+381115550300", "--json")[1])
    assert (explained["class"], explained["reason"], explained["targets"][0]["agent"]) == (
        "callback", "direct-callback", "1002")
    assert "may reach agent 1002 (boris) until" in fsapp("stickiness", "show", N)[1]
    out = fsapp(*attempt, "--outcome", "talked")[1]
    assert out == f"{N}: boris's attempt talked; the right to call back ends, the customer sticks to the agent.\n"
    assert json.loads(fsapp("stickiness", "show", N, "--json")[1])["rights"] == []
    told = [event["type"] for _, event in tail(redis_client, 0.0, follow=False)]
    assert told == ["attempt", "direct_callback", "attempt", "attempt", "direct_callback", "stickiness"]


@pytest.mark.parametrize(("args", "status", "said"), [
    (("--outcome", "failed", "--campaign", "renewals"), 2, "belong together"),
    (("--outcome", "failed", "--talked-s", "3"), 2, "--outcome talked"), (("--outcome", "won"), 2, "won"),
    (("--outcome", "failed", "--at", "2999-01-01T00:00"), 2, "future"),
    (("--outcome", "failed", "--campaign", "x", "--stage", "y"), 1, "renewals/first-call"),
])
def test_attempts_that_are_refused(fsapp: Callable[..., Any], args: tuple[str, ...], status: int, said: str) -> None:
    left, _, err = fsapp("attempts", "record", N, "--agent", "1001", *args)
    assert left == status
    assert said in err


def test_an_attempt_is_noted_with_the_contact(fsapp: Callable[..., Any], redis_client: Any) -> None:
    with Import(redis_client, "renewals/first-call") as bulk:
        bulk.write([(N, Entry())])
    stage = ("--campaign", "renewals", "--stage", "first-call", "--outcome", "failed")
    for at in ("2026-03-02T09:00+00:00", "2026-03-01T09:00+00:00"):
        out = fsapp("attempts", "record", N, "--agent", "1001", *stage, "--at", at, "--json")[1]
        assert json.loads(out)["contact"] is True
    shown = json.loads(fsapp("contacts", "show", N, "--json")[1])
    assert shown["contacts"][0]["attempted_at"] == "2026-03-02T09:00:00+00:00"


def test_explain_says_who_is_not_there(fsapp: Callable[..., Any], redis_client: Any) -> None:
    fsapp("stickiness", "set", N, "--agent", "1004")
    there = Availability({"1005": 0.0}, frozenset({"1004"}))
    redis_client.set(keys.floor("main", "free"), pack_availability(there))
    out = fsapp("explain", "--from", N, "--to", "+381115550300")[1]
    assert "sticky agent: the caller last talked to agent 1004: is logged out or on a break: skipped." in out
    assert "1. It waits in helpdesk@fsapp, until somebody answers." in out
