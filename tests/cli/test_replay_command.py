"""`fsapp replay`: recorded calls under other rules, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fsapp.cli.root import main
from fsapp.core.model import NO_FACTS, Call, Contact, Facts
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.visit import Arrival, routed
from fsapp.rules import load_folder, to_toml
from fsapp.state.contacts import Entry
from fsapp.state.imports import Import
from fsapp.state.stream import add, encode

RULES = str(Path(__file__).parents[2] / "conf/rules")
DOCUMENT = load_folder(RULES)
DESK, CALLBACKS = "+381115550300", "+381115550100"


@pytest.fixture
def replay(redis_server: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[..., SimpleNamespace]:
    """Runs `fsapp replay` with the arguments."""
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    monkeypatch.setenv("FSAPP_RULES", RULES)

    def run(*args: str) -> SimpleNamespace:
        with pytest.raises(SystemExit) as left:
            main(["replay", *args])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=left.value.code, out=out, err=err)

    return run


@pytest.fixture
def other(tmp_path: Path) -> str:
    """A folder of rules in which numbers of +38160 go to the VIP line."""
    document = DOCUMENT | {"list": {"mobile": {"numbers": ["+38160*"], "line": "vip"}}}
    (tmp_path / "rules.toml").write_text(to_toml(document))
    return str(tmp_path)


class Stream:
    """Writes decisions as `fsapp serve` does, each a second after the other, the last one now."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._count = 0

    def add(
        self, caller: str, called: str = DESK, known: Facts = NO_FACTS, *, ago_s: float = 0,
        changed: Mapping[str, Any] | None = None, without: str = "",
    ) -> str:
        self._count += 1
        at = datetime.now(UTC) - timedelta(seconds=ago_s)
        call = Call(normalise(caller, "RS"), normalise(called, "RS"))
        decision = decide(call, known, Rules.from_document(DOCUMENT, 1), at)
        id_ = f"d{self._count}"
        arrival = Arrival(f"u{self._count}", call, None, None, None, None, {}, False)
        event = routed(arrival, decision, id_, at.timestamp()) | (changed or {})
        add(self._client, [encode({key: value for key, value in event.items() if key != without})])
        return id_


def test_under_the_same_rules_nothing_changes(replay: Callable[..., Any], redis_client: Any) -> None:
    stream = Stream(redis_client)
    contact = Contact("renewals", "first-call", "+381601234567", agent="1001")
    stream.add("+381601234567")
    stream.add("+381601234567", CALLBACKS, Facts((contact,)))
    stream.add("anonymous", "+12125550123")
    found = replay("--since", "1h", "--json", "--fail-on-change")
    assert (found.status, found.err) == (0, "")
    said = json.loads(found.out)
    assert (said["calls"], said["changed"], said["changes"], said["unreadable"], said["facts"]) == (
        3, 0, [], 0, {"then": 3, "now": 0})


def test_what_would_change_and_why(replay: Callable[..., Any], redis_client: Any, other: str) -> None:
    stream = Stream(redis_client)
    first = stream.add("+381601234567")
    stream.add("+381631234567")
    stream.add("+381601234567", changed={"visit": 2})
    found = replay("--since", "1h", "--rules", other, "--json")
    said = json.loads(found.out)
    assert (found.status, said["calls"], said["changed"]) == (0, 2, 1)
    assert said["kinds"] == {"class": 0, "flow": 0, "place": 1, "targets": 0, "score": 0}
    [change] = said["changes"]
    assert (change["id"], change["kind"], change["facts"], change["caller"]) == (
        first, "place", "then", "+381601234567")
    assert change["before"] == {
        "reason": "service-line", "class": "service", "flow": None, "place": "helpdesk", "score": 101003540,
        "targets": [{"queue": "helpdesk@fsapp", "agent": None, "wait_s": None}]}
    assert (change["after"]["place"], change["after"]["score"]) == ("vip", 101003590)
    assert change["why"][1] == {"rule": "list", "fact": "+381601234567 is in mobile",
                                "outcome": "leads to line vip, no VIP"}
    assert replay("--since", "1h", "--rules", other, "--fail-on-change").status == 1


def test_plain_sentences(replay: Callable[..., Any], redis_client: Any, other: str) -> None:
    stream = Stream(redis_client)
    for last in range(3):
        stream.add(f"+38160123456{last}")
    stream.add("+381631234567")
    lines = replay("--since", "1h", "--rules", other, "--limit", "2").out.splitlines()
    assert lines[0].startswith("4 calls from ")
    assert lines[0].endswith(f": 3 (75.0 %) would be decided otherwise by {other}.")
    assert lines[1] == "     3  place: helpdesk -> vip"
    assert lines[2].endswith("+381601234560 to +381115550300, place: helpdesk -> vip")
    assert lines[4] == "    now: list: +381601234560 is in mobile: leads to line vip, no VIP"
    assert lines[-1] == "... and 1 more: --limit shows them."


def test_where_the_facts_are_not_recorded_those_of_now_count_and_it_says_so(
    replay: Callable[..., Any], redis_client: Any,
) -> None:
    stream = Stream(redis_client)
    stream.add("+381601234567", CALLBACKS)
    stream.add("+381601234568", CALLBACKS)
    with Import(redis_client, "renewals/first-call") as bulk:
        bulk.write([("+381601234567", Entry(agent="1001")), ("+381601234568", Entry(agent="1001"))])
    said = json.loads(replay("--since", "1h", "--json").out)
    assert (said["facts"], said["changed"]) == ({"then": 2, "now": 0}, 0)
    stream.add("+381601234567", CALLBACKS, without="facts")
    said = json.loads(replay("--since", "1h", "--json").out)
    assert (said["facts"], said["changed"]) == ({"then": 2, "now": 1}, 1)
    assert (said["changes"][0]["facts"], said["changes"][0]["kind"]) == ("now", "class")
    assert "Of 1 it is not recorded what was known of the caller" in replay("--since", "1h").out


def test_only_the_time_asked_for_each_call_once_and_nothing_that_cannot_be_read(
    replay: Callable[..., Any], redis_client: Any,
) -> None:
    stream = Stream(redis_client)
    stream.add("+381601234567", ago_s=7200)
    stream.add("+381601234567", ago_s=1800)
    stream.add("+381601234567", ago_s=60, changed={"id": "d2"})
    stream.add("+381601234567", ago_s=30, changed={"caller": 5})
    add(redis_client, [encode({"type": "call_ended", "id": "x", "at": 0.0})])
    said = json.loads(replay("--since", "1h", "--json").out)
    assert (said["calls"], said["unreadable"]) == (1, 1)
    assert "1 events could not be read and are left out." in replay("--since", "1h").out
    until = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    # The stream is read from where events were written, so an older one counts only where it was written since.
    assert json.loads(replay("--since", "3h", "--until", until, "--json").out)["calls"] == 1


def test_wrong_usage_and_faulty_rules(replay: Callable[..., Any], tmp_path: Path) -> None:
    assert replay().status == 2
    assert replay("--since", "soon").status == 2
    found = replay("--since", "1h", "--rules", str(tmp_path))
    assert (found.status, found.out) == (1, "")
    assert "holds no .toml file" in found.err


def test_a_redis_that_is_away_is_one_line(replay: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSAPP_REDIS_URL", "redis://127.0.0.1:1")
    found = replay("--since", "1h")
    assert (found.status, len(found.err.splitlines())) == (1, 1)
