"""Every command that shows what is known of somebody is in the access log, and none fails without one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from privacy_centre import OTHER, Centre, N, put

from fsapp.cli.root import COMMANDS, cli
from fsapp.core.floor_change import Changes
from fsapp.state import keys
from fsapp.state.floor import FloorWriter

INTO = ("--campaign", "renewals", "--stage", "first-call")

# Command: what follows its name, and the entry's `what` and number.
LOOKS: dict[str, tuple[tuple[str, ...], str, str | None]] = {
    "agents list": ((), "calls", None),
    "attempts list": (("--number", N), "attempts", N),
    "calls": ((), "calls", None),
    "contacts export": ((*INTO, "--to", "x.csv"), "export", None),
    "contacts show": ((N,), "contact", N),
    "customers export": (("--to", "x.csv"), "export", None),
    "customers find": (("Eva",), "customer", None),
    "customers merge": ((N, OTHER), "customer", None),
    "customers pop": ((N,), "pop", N),
    "customers set": ((N, "--vip", "3"), "customer", None),
    "customers show": ((N,), "customer", None),
    "customers tag": ((N, "new"), "customer", None),
    "customers timeline": ((N,), "timeline", None),
    "explain": (("--from", N, "--to", "+381115550300"), "explain", N),
    "followups show": (("f1",), "followup", None),
    "interactions dispose": (("u1", "sold"), "interaction", N),
    "interactions list": (("--number", N), "interactions", N),
    "interactions show": (("u1",), "interaction", N),
    "privacy erase": ((N, "--yes"), "erasure", None),
    "privacy export": ((N, "--to", "x.zip"), "export", N),
    "recordings list": ((), "recordings", None),
    "records quarantine show": (("q1",), "quarantine", None),
    "replay": (("--since", "5h"), "replay", None),
    "stickiness clear": ((N,), "stickiness", N),
    "stickiness set": ((N, "--agent", "1005"), "stickiness", N),
    "stickiness show": ((N,), "stickiness", N),
    "tags suggest": (("u1",), "interaction", None),
    "tasks add": ((N, "--due", "2h", "--line", "helpdesk"), "task", N),
    "tasks assign": (("t1", "--anyone"), "task", N),
    "tasks cancel": (("t1",), "task", N),
    "tasks list": (("--number", N), "tasks", N),
    "tasks show": (("t1",), "task", N),
    "tickets assign": (("k1", "--nobody"), "ticket", "+381641112222"),
    "tickets close": (("k1",), "ticket", "+381641112222"),
    "tickets list": ((), "tickets", None),
    "tickets note": (("k1", "x"), "ticket", "+381641112222"),
    "tickets open": (("--interaction", "u1", "--subject", "x"), "ticket", N),
    "tickets reopen": (("k2",), "ticket", N),
    "tickets show": (("k1",), "ticket", "+381641112222"),
}
# They show nothing of anybody that they were not given: figures, files of rules, what they have done.
OTHERS = """
agents login, agents logout, agents status, attempts record, contacts close, contacts import, contacts open,
contacts remove, customers add, customers import, customers note, dialplan check, doctor, flow coverage, flow draw,
flow try, followups drop, followups list, followups retry, followups run, followups test, interactions note,
interactions tag, lab demo, lab run, link, privacy access, privacy purge, queues, recorder, recordings pause,
recordings purge, recordings resume, records contacts, records migrate, records quarantine drop,
records quarantine list, records quarantine retry, records reconcile, records status, report, rules check, rules diff,
rules history, rules load, rules rollback, rules show, serve, sounds build, sounds check, switch config, switch sync,
tags train, up, web, web token add, web token list, web token remove
"""
FROM_REDIS = ("stickiness show", "explain", "tasks list", "tasks show", "attempts list", "contacts show", "calls",
              "recordings list", "replay", "agents list")


def commands() -> Iterator[str]:
    """All there are; reports are one."""
    def below(name: str, one: click.Command) -> Iterator[str]:
        if isinstance(one, click.Group) and name != "report":
            if one.invoke_without_command:
                yield name
            for inner, command in one.commands.items():
                yield from below(f"{name} {inner}", command)
        else:
            yield name

    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        yield from below(name, found)


def test_every_command_is_thought_of() -> None:
    others = {" ".join(name.split()) for name in OTHERS.split(",")}
    assert set(commands()) == set(LOOKS) | others and not set(LOOKS) & others
    page = " ".join(Path("docs/privacy.md").read_text().split())
    assert not [name for name in LOOKS if f"`{name}`" not in page]


@pytest.fixture
def seen(full: Centre, monkeypatch: pytest.MonkeyPatch) -> Centre:
    """What is missing in `full` for some of the commands: a closed ticket, a floor, an event in quarantine."""
    monkeypatch.chdir(full.folder)
    monkeypatch.setenv("FSAPP_RULES", str(Path(__file__).parents[2] / "conf" / "rules"))

    def work(connection: Any) -> None:
        put(connection, "tickets", {"id": "k2", "number": N, "state": "closed", "opened_at": 1.0, "closed_at": 2.0})
        put(connection, "quarantine", {"place": "q1", "event": b"\x80", "error": "x", "at": 1.0})

    full.database.write(work)
    full.client.set(keys.floor("main", "lease"), b"test")
    assert FloorWriter(full.client, "main", b"test").change(Changes(), datetime.now(UTC))
    return full


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_is_in_the_log(seen: Centre, name: str) -> None:
    words, what, number = LOOKS[name]
    done = seen.fsapp(*name.split(), *words)
    assert (done.status, done.faults) == (0, []), done
    [row] = [row for row in seen.rows("access_log") if row["id"] != "l1"]
    assert (row["what"], row["number"], row["who"].startswith("cli:"), row["how"]) == (what, number, True, "cli")


def test_a_memory_that_is_away_costs_the_entry_alone(seen: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    (seen.folder / "empty.db").touch()
    for address in ("postgresql://nobody@127.0.0.1:1/fsapp", f"sqlite:///{seen.folder}/empty.db"):
        monkeypatch.setenv("FSAPP_DATABASE_URL", address)
        for name in FROM_REDIS:
            done = seen.fsapp(*name.split(), *LOOKS[name][0], "--json")
            assert done.status == 0, name
            json.loads(done.out)
            [fault] = done.faults
            assert fault.startswith("fsapp: who looked at this is not written down: "), name


def test_a_memory_that_others_hold_is_not_waited_for_long(seen: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    if seen.database.file is None:
        pytest.skip("PostgreSQL has nobody wait who adds a row")
    monkeypatch.setattr("fsapp.cli.looking._PATIENCE_S", 0.05)
    other = sqlite3.connect(seen.database.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        done = seen.fsapp("stickiness", "show", N)
    finally:
        other.close()
    assert done.status == 0 and "is held by somebody else" in done.faults[0]
