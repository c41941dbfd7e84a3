"""`fsapp contacts` from the command line to Redis and back."""

import io
import json
import os
import sys
from datetime import datetime
from types import SimpleNamespace

import openpyxl
import pytest

from fsapp.cli.root import main
from fsapp.rules import load_folder
from fsapp.state import keys
from fsapp.state.contacts import Contacts, Entry, pack
from fsapp.state.imports import Import
from fsapp.state.rules import RulesStore

INTO = ("--campaign", "renewals", "--stage", "first-call")
N = "+381601234567"


@pytest.fixture
def fsapp(redis_server, redis_client, monkeypatch, capsys):
    """Runs a command as the console script would: exit status, standard output, lines of standard error."""
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    RulesStore(redis_client).load(load_folder("conf/rules"), "", "", "conf/rules")

    def run(*args, stdin=b""):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as left:
            main(list(args))
        out, err = capsys.readouterr()
        return SimpleNamespace(status=left.value.code or 0, out=out, faults=err.splitlines())

    return run


@pytest.fixture
def imported(fsapp, redis_client, tmp_path):
    """Imports CSV text; the answer of the command."""

    def run(text, *options, into=INTO):
        path = tmp_path / "contacts.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return fsapp("contacts", "import", str(path), *into, *options)

    return run


def known(client, number=N):
    return Contacts(client).get(number).get("renewals/first-call")


GOOD = "number;name;agent;city\n060 1234567;Ana;ceca@example.com;Niš\n0611234567;Eva;;\n"


def test_import_and_show(fsapp, imported):
    done = imported(GOOD)
    assert (done.status, done.faults) == (0, [])
    assert done.out.splitlines() == [
        "renewals/first-call: 2 contacts imported, 2 new, 0 updated", "read as utf-8 with the delimiter ;"]
    shown = json.loads(fsapp("contacts", "show", "0601234567", "--json").out)
    assert shown == {"number": N, "rights": [], "sticky": None, "contacts": [{
        "campaign": "renewals", "stage": "first-call", "open": True, "name": "Ana", "agent": "1003",
        "attempted_at": None, "priority": None, "due_at": None, "timezone": None, "list": None,
        "fields": {"city": "Niš"},
    }]}
    assert fsapp("contacts", "show", N).out.splitlines() == [
        N, "  renewals/first-call: open", "    name: Ana", "    agent: 1003", "    city: Niš"]


def test_a_time_that_is_none_is_left_out(fsapp, imported, redis_client):
    imported(GOOD)
    redis_client.set(keys.contacts(N), pack({"renewals/first-call": Entry(name="Ana", due_at=1e300)}))
    shown = fsapp("contacts", "show", N, "--json")
    assert (shown.status, json.loads(shown.out)["contacts"][0]["due_at"]) == (0, None)


def test_import_says_json(imported):
    said = json.loads(imported(GOOD, "--json").out)
    del said["file"]
    assert said == {
        "stage": "renewals/first-call", "encoding": "utf-8", "delimiter": ";", "fields": ["city"], "dry_run": False,
        "sheet": None, "rows": 2, "good": 2, "imported": 2, "added": 2, "updated": 0, "still_closed": 0, "tasks": 0,
        "bad": [],
    }


def test_standard_input(fsapp, redis_client):
    assert fsapp("contacts", "import", "-", *INTO, stdin=GOOD.encode("cp1250")).status == 0
    assert known(redis_client).fields == {"city": "Niš"}


def test_a_pipe(fsapp, redis_client):
    reading, writing = os.pipe()
    os.write(writing, GOOD.encode())
    os.close(writing)
    assert fsapp("contacts", "import", f"/dev/fd/{reading}", *INTO).status == 0
    os.close(reading)
    assert known(redis_client).name == "Ana"


def test_a_dry_run_imports_nothing(imported, redis_client):
    done = imported(GOOD, "--dry-run")
    assert done.out.startswith("renewals/first-call: 2 contacts would be imported, 2 new, 0 updated\n")
    assert known(redis_client) is None
    assert not redis_client.exists(keys.IMPORTS)


@pytest.mark.parametrize("more", [(), ("--reopen",), ("--skip-bad",)])
def test_a_dry_run_says_what_the_run_then_does(fsapp, imported, redis_client, more):
    imported("number;due\n0601234567;2031-05-01\n0601234568;\n0601234569;\n")
    fsapp("contacts", "close", "0601234567", *INTO)
    fsapp("contacts", "close", "0601234568", *INTO)
    again = ("number;due\n0601234567;2031-05-01\n0601234568;2031-05-01\n0601234569;2031-05-01\n0601234570;2031-05-02\n"
             "0601234571;2001-01-01\n") + ("nobody;\n" if "--skip-bad" in more else "")
    before = [redis_client.dump(key) for key in sorted(redis_client.keys())]
    tried = json.loads(imported(again, "--dry-run", "--json", *more).out)
    said = imported(again, "--dry-run", *more).out
    assert [redis_client.dump(key) for key in sorted(redis_client.keys())] == before
    done = json.loads(imported(again, "--json", *more).out)
    assert (tried.pop("imported"), done.pop("imported")) == (0, 5)
    assert (tried.pop("dry_run"), done.pop("dry_run")) == (True, False)
    assert tried == done
    # 0601234569 and 0601234570 are called; with --reopen 0601234568 too, while the first one's task of before stays.
    assert [done[name] for name in ("added", "updated", "still_closed", "tasks")] == [
        2, 3, *((0, 3) if "--reopen" in more else (2, 2))]
    assert "5 contacts would be imported, 2 new, 3 updated" in said


def test_a_dry_run_needs_no_redis_that_takes_writes(imported, redis_client):
    redis_client.config_set("maxmemory", 1)
    try:
        assert imported(GOOD, "--dry-run").status == 0
        assert imported(GOOD).status == 1
    finally:
        redis_client.config_set("maxmemory", 0)
    assert not redis_client.exists(keys.PROBE)


def test_one_bad_row_imports_nothing(imported, redis_client):
    done = imported(GOOD + "nobody;X;;\n")
    assert done.status == 1
    assert [fault.partition("contacts.csv: ")[2] for fault in done.faults] == [
        "line 4: 'nobody' is no phone number",
        "nothing was imported: mend these rows, or leave them out with --skip-bad"]
    assert known(redis_client) is None
    assert imported(GOOD + "nobody;X;;\n", "--skip-bad").out.splitlines()[:2] == [
        "renewals/first-call: 2 contacts imported, 2 new, 0 updated", "1 bad rows left out"]
    assert known(redis_client).name == "Ana"


def test_many_bad_rows(imported, tmp_path):
    text = "number\n" + "".join(f"nobody{n}\n" for n in range(100))
    report = tmp_path / "report.csv"
    done = imported(text, "--report", str(report))
    assert done.status == 1
    assert len(done.faults) == 22
    assert "line 21: 'nobody19'" in done.faults[19]
    assert "... and 80 more" in done.faults[20]
    lines = report.read_text().splitlines()
    assert (lines[0], lines[100], len(lines)) == ("line,reason", "101,'nobody99' is no phone number", 101)
    bad = json.loads(imported(text, "--json").out)["bad"]
    assert bad == [{"line": n + 2, "reason": f"'nobody{n}' is no phone number"} for n in range(100)]


def test_a_report_does_not_overwrite_the_contacts(imported, tmp_path):
    path = tmp_path / "contacts.csv"
    (tmp_path / "link.csv").symlink_to(path)
    for report in (path, tmp_path / "link.csv"):
        done = imported(GOOD, "--report", str(report))
        assert (done.status, done.faults) == (
            1, [f"fsapp: {report}: is the file to import: name another one with --report"])
    assert path.read_text() == GOOD


def test_all_rows_bad_and_skipped(imported):
    done = imported("number\nnobody\n", "--skip-bad")
    assert (done.status, done.out.splitlines()[0]) == (0, "renewals/first-call: 0 contacts imported, 0 new, 0 updated")


def test_a_report_that_cannot_be_written(imported, redis_client, tmp_path):
    done = imported(GOOD, "--report", str(tmp_path / "no" / "report.csv"))
    assert done.status == 1
    assert "report.csv: cannot be written (No such file or directory)" in done.faults[0]
    assert done.faults[0].endswith(": nothing was imported")
    assert known(redis_client) is None


@pytest.mark.parametrize(("into", "said"), [
    (("--campaign", "renewals", "--stage", "new"), "the rules have no stage renewals/new; the outbound stages are: "),
    (("--campaign", "x\n", "--stage", "y"), "the outbound stages are: renewals/first-call"),
    (("--campaign", "web-leads", "--stage", "new"), "web-leads/new is a new-customers stage, only outbound ones"),
])
def test_stages_that_take_no_contacts(imported, into, said):
    done = imported(GOOD, into=into)
    assert done.status == 1
    assert len(done.faults) == 1
    assert said in done.faults[0]


@pytest.mark.parametrize(("name", "said"), [
    ("missing.csv", "missing.csv: cannot be read: No such file or directory"), (".", "is a folder"),
    ("empty.csv", "empty.csv: is empty"), ("nul\0.csv", "cannot be read"), ("/dev/zero", "is no file"),
])
def test_files_that_are_none(fsapp, tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").touch()
    done = fsapp("contacts", "import", name, *INTO)
    assert done.status == 1
    assert len(done.faults) == 1
    assert said in done.faults[0]


def test_no_rules_are_loaded(fsapp, redis_client):
    redis_client.flushall()
    for command in (("import", "-", *INTO), ("show", N), ("close", N, *INTO)):
        done = fsapp("contacts", *command)
        assert (done.status, done.faults) == (1, ["fsapp: no rules are loaded: run `fsapp rules load`"])


def test_redis_is_away(fsapp, monkeypatch, tmp_path):
    monkeypatch.setenv("FSAPP_REDIS_URL", f"unix://{tmp_path}/nobody")
    for command in (("import", "-", *INTO), ("show", N), ("remove", N, "--all")):
        done = fsapp("contacts", *command)
        assert done.status == 1
        assert done.faults == [
            f"fsapp: Redis at unix://{tmp_path}/nobody does not answer: start it, or set FSAPP_REDIS_URL"]


@pytest.mark.parametrize("options", [
    ("--column", "telefon=number"), ("--column", "number"), ("--column", "number=A", "--column", "number=B"),
    ("--delimiter", ";;"), ("--delimiter", '"'), ("--campaign",),
])
def test_wrong_usage(imported, options):
    assert imported(GOOD, *options).status == 2


def test_columns_delimiter_and_encoding_by_option(imported, redis_client):
    text = "Telefon\tKupac\n0601234567\tČeda\n".encode("iso8859-2")
    options = ("--column", "number=telefon", "--column", "name=kupac", "--delimiter", "tab", "--encoding", "latin2")
    assert imported(text, *options).status == 0
    assert known(redis_client).name == "Čeda"


def test_close_open_and_import_again(fsapp, imported, redis_client):
    imported(GOOD)
    assert fsapp("contacts", "close", "060/123-4567", *INTO).out == f"{N} in renewals/first-call is closed\n"
    assert fsapp("contacts", "close", N, *INTO).out == f"{N} in renewals/first-call is closed already\n"
    assert json.loads(fsapp("contacts", "close", N, *INTO, "--json").out) == {
        "number": N, "contact": f"renewals/first-call/{N}", "open": False, "changed": False}
    again = imported(GOOD)
    assert again.out.splitlines()[:2] == [
        "renewals/first-call: 2 contacts imported, 0 new, 2 updated",
        "1 of them stay closed (--reopen opens them)"]
    assert not known(redis_client).open
    assert fsapp("contacts", "open", N, *INTO).status == 0
    assert known(redis_client).open
    fsapp("contacts", "close", N, *INTO)
    imported(GOOD, "--reopen")
    assert known(redis_client).open


def test_remove(fsapp, imported, redis_client):
    imported(GOOD)
    assert fsapp("contacts", "remove", N).status == 2
    assert fsapp("contacts", "remove", N, "--stage", "x").status == 2
    assert fsapp("contacts", "remove", N, "--all", *INTO).status == 2
    assert fsapp("contacts", "remove", N, *INTO).out == f"{N} is removed from renewals/first-call\n"
    assert known(redis_client) is None
    assert json.loads(fsapp("contacts", "remove", "0611234567", "--all", "--json").out) == {
        "number": "+381611234567", "removed": ["renewals/first-call"]}


def test_who_is_not_there(fsapp, imported):
    imported(GOOD)
    other = ("--campaign", "renewals", "--stage", "second-call")
    said = [
        (("show", "+381691234567"), "nothing is known of +381691234567"),
        (("close", "+381691234567", *INTO), "+381691234567 is no contact of any stage"),
        (("open", N, *other), f"{N} is no contact of renewals/second-call, but of renewals/first-call"),
        (("remove", N, *other), f"{N} is no contact of renewals/second-call, but of renewals/first-call"),
        (("remove", "+381691234567", "--all"), "+381691234567 is no contact of any stage"),
        (("show", "hello\n${x}"), "'hello x' is no number of a contact: write for example +381601234567"),
    ]
    for command, fault in said:
        done = fsapp("contacts", *command)
        assert (done.status, done.faults) == (1, [f"fsapp: {fault}"])


def test_a_time_makes_a_task(fsapp, imported):
    text = ("number,agent,due,timezone\n060 1234567,ana@example.com,2035-05-01 09:30,Europe/Belgrade\n"
            "0611234567,,2035-05-01,\n0621234567,,,\n0631234567,,2020-05-01,\n+12025550123,,2035-05-01,\n")
    done = imported(text)
    assert "2 of them are called at their time (`fsapp tasks list --kind imported`)" in done.out.splitlines()
    tasks = json.loads(fsapp("tasks", "list", "--json").out)["tasks"]
    assert [(task["number"], task["agent"], task["due_at"]) for task in tasks] == [
        ("+381611234567", None, "2035-05-01T00:00:00+00:00"), (N, "1001", "2035-05-01T07:30:00+00:00")]
    assert {(task["kind"], task["campaign"], task["stage"]) for task in tasks} == {
        ("imported", "renewals", "first-call")}
    assert json.loads(imported(text, "--json").out)["tasks"] == 0


def test_a_bad_time_is_told_by_line_and_nothing_is_planned(fsapp, imported):
    done = imported("number,due\n0601234567,2035-05-01\n0611234567,tomorrow\n")
    assert done.status == 1
    assert done.faults[0].endswith("line 3: 'tomorrow' is no time: write for example 2030-05-01 09:30")
    assert json.loads(fsapp("tasks", "list", "--state", "all", "--json").out)["tasks"] == []


@pytest.mark.parametrize(("command", "why"), [("close", "contact-closed"), ("remove", "contact-removed")])
def test_whoever_is_no_open_contact_any_more_is_not_called(fsapp, imported, command, why):
    imported("number,due\n0601234567,2035-05-01\n")
    fsapp("tasks", "add", N, "--line", "helpdesk", "--due", "1h")
    assert fsapp("contacts", command, N, *INTO).status == 0
    tasks = json.loads(fsapp("tasks", "list", "--state", "all", "--json").out)["tasks"]
    assert [(task["kind"], task["state"], task["why"]) for task in tasks] == [
        ("again", "open", None), ("imported", "cancelled", why)]


def test_what_is_due_at_night_is_not_over_before_the_morning(fsapp, imported, redis_client):
    office = {"timezone": "Europe/Belgrade", "hours": ["mon-sun 09:00-17:00"]}
    document = load_folder("conf/rules") | {"schedule": {"office": office}, "dial": {"schedule": "office"}}
    RulesStore(redis_client).load(document, "", "", "")
    imported("number,due\n0601234567,2035-12-03\n")
    [task] = json.loads(fsapp("tasks", "list", "--json").out)["tasks"]
    assert (task["waiting_at"], task["expires_at"]) == ("2035-12-03T08:00:00+00:00", "2035-12-03T16:00:00+00:00")


def test_a_workbook_is_imported_and_exported(fsapp, redis_client, tmp_path):
    book = openpyxl.Workbook()
    for row in (["number", "name", "agent", "due", "city"], [381601234567.0, "Ana", "ceca@example.com",
                datetime(2030, 5, 1, 9, 30), "=1+1"], ["061/123-45-67", "Eva", None, None, "+x"]):
        book.active.append(row)
    book.active["E2"].data_type = "s"
    path = tmp_path / "contacts.xlsx"
    book.save(path)
    done = fsapp("contacts", "import", str(path), *INTO)
    assert (done.status, done.faults, done.out.splitlines()[-1]) == (0, [], "read the sheet Sheet")
    entry = known(redis_client)
    assert (entry.name, entry.agent, entry.due_at, entry.fields) == ("Ana", "1003", 1903858200, {"city": "=1+1"})
    before = {number: known(redis_client, number) for number in (N, "+381611234567")}
    for kind in ("csv", "xlsx"):
        out = tmp_path / f"out.{kind}"
        done = fsapp("contacts", "export", *INTO, "--to", str(out), "--json")
        assert (done.status, json.loads(done.out)["contacts"]) == (0, 2)
        fsapp("contacts", "remove", N, "--all")
        fsapp("contacts", "remove", "+381611234567", "--all")
        assert fsapp("contacts", "import", str(out), *INTO).status == 0
        for number, entry in before.items():
            after = known(redis_client, number)
            assert after._replace(batch=0) == entry._replace(batch=0)
    fsapp("contacts", "close", N, *INTO)
    lines = fsapp("contacts", "export", *INTO, "--open").out.splitlines()
    assert lines == ["number,name,agent,priority,due,timezone,list,city", "'+381611234567,Eva,,,,,,'+x"]
    assert fsapp("contacts", "export", *INTO, "--json").status == 2


def test_an_export_sees_no_half_import(fsapp, imported, redis_client):
    imported(GOOD)
    with pytest.raises(RuntimeError), Import(redis_client, "renewals/first-call") as bulk:
        bulk.write([("+381621234567", Entry(name="Ceca"))])
        assert len(fsapp("contacts", "export", *INTO).out.splitlines()) == 3
        raise RuntimeError


def test_who_looks_at_a_contact_is_written_down(fsapp, imported, tmp_path, monkeypatch):
    monkeypatch.setenv("FSAPP_DATABASE_URL", f"sqlite:///{tmp_path}/fsapp.db")
    imported(GOOD)
    assert fsapp("contacts", "show", N).status == 0, "no memory was ever made: nothing is written down, nothing said"
    fsapp("records", "migrate")
    fsapp("contacts", "show", N)
    fsapp("contacts", "export", *INTO)
    found = json.loads(fsapp("privacy", "access", "--json").out)["access"]
    assert [(row["what"], row["number"], row["subject"]) for row in found] == [
        ("export", None, "renewals/first-call"), ("contact", N, None)]
