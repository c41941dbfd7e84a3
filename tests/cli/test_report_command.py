"""`fsapp report`: periods, zones and names as people write them, and tables, CSV and JSON as programs read them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest

from fsapp.cli.report_options import period, wanted, zone_of
from fsapp.cli.root import main
from fsapp.core.reports.catalogue import CATALOGUE
from fsapp.core.rules import Rules
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.versions import migrate
from fsapp.rules import load_folder

RULES = Rules.from_document(load_folder("conf/rules"))
BELGRADE = ZoneInfo("Europe/Belgrade")
NOW = datetime(2026, 10, 26, 8, 30, tzinfo=UTC)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`fsapp report` on a memory with three calls, without Redis: exit status, stdout, stderr."""
    url = f"sqlite:///{tmp_path}/fsapp.db"
    migrate(url)
    database = Database(url)
    start = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    rows = [{"id": f"c{place}", "started_at": start + place * 3600, "ended_at": start + place * 3600 + 80,
             "outcome": "answered", "waited_s": 10.0, "talked_s": 65.0, "agent": "1004", "queue": "helpdesk@fsapp",
             "called": "+381115550300", "direction": "inbound", "line": line}
            for place, line in enumerate(["helpdesk", "=HYPERLINK(1)", "evil\x1b[2J\u202e"])]
    database.write(lambda connection: connection.execute(schema.interactions.insert(), rows))
    database.close()
    monkeypatch.setenv("FSAPP_DATABASE_URL", url)
    monkeypatch.setenv("FSAPP_REDIS_URL", f"unix://{tmp_path}/nothing.sock")

    def report(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["report", *args])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return report


DAY = ("--from", "2026-10-25", "--to", "2026-10-25", "--timezone", "Europe/Belgrade")


def test_json_has_rows_and_total(run: Run) -> None:
    status, out, _err = run("calls", *DAY, "--by", "hour", "--json")
    found = json.loads(out)
    assert status == 0 and len(found["rows"]) == 25 and found["total"]["calls"] == 3
    assert [row["hour"] for row in found["rows"] if row["calls"]] == [
        "2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00", "2026-10-25 03:00+01:00"]
    assert (found["from"], found["to"]) == ("2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00")
    assert (found["report"], found["timezone"], found["by"]) == ("calls", "Europe/Belgrade", ["hour"])


def test_no_cell_of_csv_is_a_formula(run: Run) -> None:
    status, out, _err = run("answer-speed", *DAY, "--by", "line", "--by", "number", "--csv")
    rows = list(csv.reader(io.StringIO(out)))
    assert status == 0
    assert rows[0] == ["line", "number", *CATALOGUE["answer-speed"].units]
    assert [row[:3] for row in rows[1:]] == [
        ["'=HYPERLINK(1)", "'+381115550300", "1"], ["evil[2J", "'+381115550300", "1"],
        ["helpdesk", "'+381115550300", "1"]]
    assert run("calls", *DAY, "--csv")[1].splitlines()[1].startswith("3,3,3,0,")


def test_a_table_says_what_it_is_of_and_moves_no_cursor(run: Run) -> None:
    status, out, _err = run("calls", *DAY, "--by", "line")
    assert status == 0 and "\x1b[2J" not in out and "\u202e" not in out
    assert "calls, 2026-10-25T00:00:00+02:00 to 2026-10-26T00:00:00+01:00 (Europe/Belgrade)" in out
    assert "total" in out and "100.0 %" in out and "3:15" in out and "1:05" in out


def test_a_table_has_the_names_of_agents(run: Run) -> None:
    assert " 1004 dejan " in run("calls", *DAY, "--by", "agent")[1]
    assert [row["agent"] for row in json.loads(run("calls", *DAY, "--by", "agent", "--json")[1])["rows"]] == ["1004"]


@pytest.mark.parametrize("args", [
    ("--line", "helpdesk"), ("--queue", "helpdesk", "--agent", "dejan@example.com"), ("--number", "011 555 03 00"),
    ("--agent", "1004"), ("--agent", "9999"), ("--class", "service"),
])
def test_narrowing(run: Run, args: tuple[str, ...]) -> None:
    status, out, err = run("calls", *DAY, *args, "--json")
    wanted_calls = {"--line": 1, "--queue": 0, "--number": 3, "--class": 0}.get(args[0], 0 if "9999" in args else 3)
    assert (status, err, json.loads(out)["total"]["calls"]) == (0, "", wanted_calls)


@pytest.mark.parametrize(("args", "status", "said"), [
    (("--from", "soon"), 2, "'soon' is no time"), (("--from", "2026-02-30"), 2, "is no time"),
    (("--from", "2026-10-25", "--to", "2026-10-24"), 2, "--to is not after --from"),
    (("--from", "1900-01-01"), 2, "more than ten years"), (("--from", "0001-01-01"), 2, "more than ten years"),
    (("--from", "9999-12-31"), 2, "is no time"), (("--to", "9999-12-31"), 2, "is no time"),
    (("--from", ""), 2, "is no time"), (("--from", "9999-12-30", "--to", "9999-12-30"), 2, "ten years from now"),
    (("--timezone", "Mars/Olympus"), 2, "is no time zone"),
    (("--timezone", "../../etc/passwd"), 2, "is no time zone"), (("--by", "shoe-size"), 2, "shoe-size"),
    (("--agent", "dejam@example.com"), 1, "did you mean"),
    (("--from", "2020-01-01", "--to", "2026-01-01", "--by", "quarter-hour"), 2, "--by quarter-hour is for 925 days"),
    (("--from", "2020-01-01", "--to", "2026-01-01", "--by", "half-hour"), 2, "--by half-hour is for 1850 days"),
])
def test_what_cannot_be_reported_is_refused_in_one_line(
    run: Run, args: tuple[str, ...], status: int, said: str,
) -> None:
    code, out, err = run("calls", *args)
    assert (code, out) == (status, "") and said in err


def test_a_name_that_is_no_text_finds_nothing(run: Run) -> None:
    status, out, _err = run("calls", *DAY, "--line", "help\udcffdesk\x00", "--queue", "'; DROP TABLE x", "--json")
    assert status == 0 and json.loads(out)["total"]["calls"] == 0


def test_without_a_database_it_says_what_to_do(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSAPP_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    status, _out, err = run("calls")
    assert status == 1 and "run `fsapp records migrate`" in err and err.count("\n") == 1


def test_list_explains_each(run: Run) -> None:
    found = json.loads(run("list", "--json")[1])["reports"]
    assert [one["report"] for one in found] == list(CATALOGUE)
    text = run("list")[1]
    assert all(f"{kind.name}: {kind.summary}" in text for kind in CATALOGUE.values())
    assert len(run("list", "--csv")[1].splitlines()) == len(CATALOGUE) + 1


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_report_prints_a_table_and_csv(run: Run, name: str) -> None:
    assert run(name, *DAY)[0] == 0
    assert run(name, *DAY, "--csv")[1].splitlines()[0].endswith(",".join(CATALOGUE[name].units))


@pytest.mark.parametrize(("since", "until", "start", "end"), [
    # The day after the clocks were put back; 08:30 UTC is 09:30 there.
    ("today", None, "2026-10-25T23:00", "2026-10-26T23:00"),
    ("yesterday", "yesterday", "2026-10-24T22:00", "2026-10-25T23:00"),
    ("2026-10-25", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),
    ("20261025", "20261025", "2026-10-24T22:00", "2026-10-25T23:00"), ("2026-W43-7", "2026-W43-7", "2026-10-24T22:00",
                                                                      "2026-10-25T23:00"),
    ("2026-10-25T01:00", "2026-10-25T04:00", "2026-10-24T23:00", "2026-10-25T03:00"),
    ("2026-10-25T01:00Z", "2026-10-25T04:00+00:00", "2026-10-25T01:00", "2026-10-25T04:00"),
    ("2h", None, "2026-10-26T06:30", "2026-10-26T23:00"),
    ("7d", "1d", "2026-10-19T08:30", "2026-10-25T08:30"),
    ("2026-10-30", None, "2026-10-29T23:00", "2026-10-30T23:00"),  # to come: nothing yet
])
def test_periods(since: str, until: str | None, start: str, end: str) -> None:
    found = period(since, until, BELGRADE, NOW)
    assert [datetime.fromtimestamp(at, UTC).isoformat(timespec="minutes").removesuffix("+00:00")
            for at in (found.start, found.end)] == [start, end]


def test_the_zone_is_that_of_the_schedules_else_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Australia/Lord_Howe")
    assert zone_of(None, None).key == "Australia/Lord_Howe"
    zones = {schedule.timezone.key for schedule in RULES.schedules.values()}
    assert zone_of(None, RULES).key == (zones.pop() if len(zones) == 1 else "Australia/Lord_Howe")
    assert zone_of("Asia/Tokyo", RULES).key == "Asia/Tokyo"
    monkeypatch.setenv("TZ", "nonsense")
    assert zone_of(None, None).key
    with pytest.raises(click.UsageError):
        zone_of("nonsense", RULES)


def test_names_are_found_as_people_write_them() -> None:
    assert wanted({"queue": ("helpdesk",), "number": ("011/555-0300",), "agent": ("DEJAN@example.com",), "line": ()},
                  RULES) == {"queue": ("helpdesk", "helpdesk@fsapp"), "number": ("+381115550300",), "agent": ("1004",)}
    assert wanted({"agent": ("who",), "number": ("+381115550300",)}, None) == {
        "agent": ("who",), "number": ("+381115550300",)}
