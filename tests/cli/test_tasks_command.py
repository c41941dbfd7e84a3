"""`fsapp tasks` and `fsapp attempts list`: for people, for spreadsheets and for programs."""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fsapp.cli.root import main
from fsapp.core import task_life
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, Try, TryOutcome
from fsapp.core.task_rows import ATTEMPT_COLUMNS, TASK_COLUMNS
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.rules import load_folder
from fsapp.state import keys, stream
from fsapp.state.contacts import Entry
from fsapp.state.imports import Import
from fsapp.state.rules import RulesStore
from fsapp.state.tasks import Tasks

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf/rules")
DOCUMENT = copy.deepcopy(DOCUMENT) | {"list": {"never": {"numbers": ["+381601112233"]}}, "dial": {
    "do_not_call": ["never"], "regions": ["RS"]}}
RULES = Rules.from_document(DOCUMENT)
N = "+381601234567"
STAGE = ("--campaign", "renewals", "--stage", "first-call")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fsapp(redis_server: Any, redis_client: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Run:
    """Runs `fsapp` with the arguments; exit status, stdout, stderr."""
    RulesStore(redis_client).load(DOCUMENT, "", "", "")
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(args)
        return left.value.code, *capsys.readouterr()

    return run


def put(client: Any, id_: str, **more: Any) -> Task:
    now = datetime.now(UTC)
    more = {"kind": TaskKind.REQUESTED, "number": N, "place": "helpdesk", "due_at": now - timedelta(minutes=1),
            "expires_at": now + timedelta(hours=8), "made_at": now, "tries_left": 3, **more}
    task = Task(id_, **more)
    Tasks(client).change(task.number, lambda known: task_life.Changed((*known, task), task))
    return task


def listed(fsapp: Run, *args: str) -> list[str]:
    status, out, err = fsapp("tasks", "list", *args, "--json")
    assert (status, err) == (0, "")
    return [task["id"] for task in json.loads(out)["tasks"]]


def test_an_agents_call_again_from_adding_to_taking_back(fsapp: Run, redis_client: Any) -> None:
    status, out, err = fsapp("tasks", "add", "060 123-4567", "--agent", "ANA@example.com", *STAGE, "--due", "2h",
                             "--note", "ask for Mira", "--name", "Šime", "--json")
    assert (status, err) == (0, "")
    made = json.loads(out)
    assert list(made) == list(TASK_COLUMNS)
    assert (made["number"], made["kind"], made["state"], made["doing"], made["agent"], made["agent_name"]) == (
        N, "again", "open", "later", "1001", "ana")
    assert (made["caller_id"], made["note"], made["name"], made["tries_left"]) == (
        "+381115550100", "ask for Mira", "Šime", 3)
    due = datetime.fromisoformat(made["due_at"])
    assert timedelta(minutes=119) < due - datetime.now(UTC) <= timedelta(hours=2)
    assert datetime.fromisoformat(made["expires_at"]) - due == timedelta(hours=8)
    assert f"Task {made['id']}" not in fsapp("tasks", "list")[2]
    assert made["id"] in fsapp("tasks", "list")[1]

    status, out, _ = fsapp("tasks", "assign", made["id"], "--group", "support")
    assert (status, out) == (0, f"Task {made['id']} for {N}, due {due:%Y-%m-%d %H:%M} UTC, group support.\n")
    assert json.loads(fsapp("tasks", "show", made["id"], "--json")[1])["agent"] is None
    assert fsapp("tasks", "cancel", made["id"], "--why", "moved away")[1] == (
        f"Task {made['id']} is cancelled: {N} is not called for renewals/first-call.\n")
    assert listed(fsapp) == []
    assert listed(fsapp, "--state", "cancelled") == [made["id"]]
    told = [event for _, event in stream.tail(redis_client, 0.0, follow=False)]
    assert [(event["type"], event["what"], event["agent"], event["group"]) for event in told] == [
        ("task", "made", "1001", None), ("task", "assigned", None, "support"), ("task", "closed", None, "support")]
    for again in (("cancel", made["id"]), ("assign", made["id"], "--anyone")):
        status, out, err = fsapp("tasks", *again)
        assert (status, out, err) == (1, "", f"fsapp: task {made['id']} is over: cancelled, moved away\n")


def test_a_contact_gives_its_name(fsapp: Run, redis_client: Any) -> None:
    with Import(redis_client, "renewals/first-call") as bulk:
        bulk.write([(N, Entry(name="Mira"))])
    made = json.loads(fsapp("tasks", "add", N, *STAGE, "--due", "1d", "--json")[1])
    assert (made["name"], made["contact"]) == ("Mira", f"renewals/first-call/{N}")


@pytest.mark.parametrize(("number", "said"), [
    ("0900123456", "premium"), ("+12025550123", "country that the centre does not call"),
    ("+381115550100", "centre's own numbers"), ("junk", "no telephone number"), ("112", "no telephone number"),
    ("+381601112233", "do_not_call"), ("anonymous", "is no number"), ("\x1b[31m060", "no telephone number"),
    ("9" * 300, "no telephone number"),
])
def test_numbers_that_are_not_dialled(fsapp: Run, number: str, said: str) -> None:
    status, out, err = fsapp("tasks", "add", number, "--line", "helpdesk", "--due", "1h")
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert said in err and "\x1b" not in err
    assert listed(fsapp, "--state", "all") == []


@pytest.mark.parametrize(("args", "status", "said"), [
    (("add", N, "--due", "1h"), 2, "name the place"),
    (("add", N, "--due", "1h", "--line", "helpdesk", *STAGE), 2, "name the place"),
    (("add", N, "--due", "1h", "--stage", "first-call"), 2, "belong together"),
    (("add", N, "--due", "1h", "--line", "nowhere"), 1, "there are helpdesk, vip"),
    (("add", N, "--due", "1h", "--campaign", "x", "--stage", "y"), 1, "renewals/first-call"),
    (("add", N, "--due", "1h", "--line", "helpdesk", "--agent", "9999"), 1, "no agent 9999"),
    (("add", N, "--due", "1h", "--line", "helpdesk", "--group", "nobody"), 1, "sales, support"),
    (("add", N, "--due", "2020-01-01", "--line", "helpdesk"), 1, "is over"),
    (("add", N, "--due", "2999-01-01", "--line", "helpdesk"), 1, "more than 366 days"),
    (("add", N, "--due", "9999-12-31T23:59-12:00", "--line", "helpdesk"), 2, "is no time"),
    (("add", N, "--due", "soon", "--line", "helpdesk"), 2, "is no time"),
    (("add", N, "--due", "99999d", "--line", "helpdesk"), 1, "more than 366 days"),
    (("list", "--agent", "9999"), 1, "no agent 9999"), (("list", "--group", "nobody"), 1, "sales, support"),
    (("list", "--anyone", "--agent", "1001"), 2, "--anyone"), (("list", "--stage", "x"), 2, "--campaign"),
    (("list", "--campaign", "x"), 1, "renewals"), (("list", "--number", "junk"), 1, "no telephone number"),
    (("show", "gone"), 1, "there is no task gone"), (("cancel", "gone"), 1, "there is no task gone"),
    (("assign", "gone"), 2, "whose it is to be"), (("assign", "gone", "--anyone", "--agent", "1001"), 2, "whose"),
])
def test_what_is_refused(fsapp: Run, args: tuple[str, ...], status: int, said: str) -> None:
    left, out, err = fsapp("tasks", *args)
    assert (left, out) == (status, "")
    assert said in err
    assert status == 2 or err.count("\n") == 1


def test_filters(fsapp: Run, redis_client: Any) -> None:
    now = datetime.now(UTC)
    mine = put(redis_client, "mine", agent="1004", due_at=now - timedelta(hours=2))
    put(redis_client, "theirs", group="support", number="+381601234568", kind=TaskKind.LOST)
    put(redis_client, "later", place="renewals/first-call", due_at=now + timedelta(hours=2), kind=TaskKind.AGAIN)
    put(redis_client, "calling", number="+381601234569", call="c1")
    put(redis_client, "orphan", agent="gone", number="+381601234570", due_at=now + timedelta(days=2))
    put(redis_client, "over", number="+381601234571")
    Tasks(redis_client).change(
        "+381601234571", lambda known: task_life.tried(known, "over", Try("t", now, TryOutcome.TALKED), RULES))
    every = ["mine", "theirs", "calling", "later", "orphan"]
    assert sorted(listed(fsapp)) == sorted(every)
    assert listed(fsapp)[0] == mine.id
    assert listed(fsapp, "--state", "due") == ["mine", "theirs"]
    assert listed(fsapp, "--state", "later") == ["later", "orphan"]
    assert listed(fsapp, "--state", "calling") == ["calling"]
    assert listed(fsapp, "--state", "done") == ["over"]
    assert listed(fsapp, "--state", "all")[-1] == "over"
    assert listed(fsapp, "--agent", "Dejan@example.com") == ["mine"]
    assert listed(fsapp, "--agent", "gone") == ["orphan"]
    assert listed(fsapp, "--group", "support") == ["theirs"]
    assert listed(fsapp, "--anyone") == ["calling", "later"]
    assert listed(fsapp, "--due-before", "3h", "--due-after", "1h") == ["later"]
    assert listed(fsapp, "--campaign", "renewals") == listed(fsapp, *STAGE) == ["later"]
    assert listed(fsapp, "--line", "helpdesk", "--kind", "lost") == ["theirs"]
    assert sorted(listed(fsapp, "--number", "0601234567")) == ["later", "mine"]
    status, out, err = fsapp("tasks", "list", "--limit", "2")
    assert (status, err) == (0, "... and 3 more: --limit shows them\n")
    assert "tasks: 2" in out
    assert fsapp("tasks", "list", "--line", "vip")[1] == "There are no such tasks.\n"


def test_nobody_is_called_at_night(fsapp: Run, redis_client: Any) -> None:
    never = {"timezone": "Europe/Belgrade", "hours": [], "exceptions": ["2099-01-01 08:00-09:00"]}
    RulesStore(redis_client).load(DOCUMENT | {"schedule": {"never": never}, "dial": {"schedule": "never"}}, "", "", "")
    put(redis_client, "t1", agent="1004")
    shown = json.loads(fsapp("tasks", "show", "t1", "--json")[1])
    assert (shown["doing"], shown["waiting_at"]) == ("later", None)


NASTY = "=cmd|' /C calc'!A0 \x1b[2J\u202e[bold]x[/bold]"


def test_what_people_wrote_moves_no_cursor_and_is_no_formula(fsapp: Run, redis_client: Any) -> None:
    put(redis_client, "t1", name=NASTY, note=NASTY, made_by="@SUM(1)", why="-1+1")
    for args in (("list",), ("list", "--csv"), ("list", "--json"), ("show", "t1"), ("show", "t1", "--json")):
        out = fsapp("tasks", *args)[1]
        assert "\x1b" not in out and "\u202e" not in out
        assert "[bold]x[/bold]" in out
    table = list(csv.reader(fsapp("tasks", "list", "--csv")[1].splitlines()))
    assert table[0] == list(TASK_COLUMNS)
    row = dict(zip(*table, strict=True))
    assert not [value for value in row.values() if value[:1] in ("=", "+", "-", "@", "\t")]
    assert (row["number"], row["made_by"], row["why"]) == (f"'{N}", "'@SUM(1)", "'-1+1")


def test_numbers_of_a_list_can_be_imported(fsapp: Run, redis_client: Any, tmp_path: Path) -> None:
    put(redis_client, "t1")
    (tmp_path / "tasks.csv").write_text(fsapp("tasks", "list", "--csv")[1])
    done = fsapp("contacts", "import", str(tmp_path / "tasks.csv"), *STAGE)
    assert done[0] == 0, done
    assert json.loads(fsapp("contacts", "show", N, "--json")[1])["contacts"][0]["campaign"] == "renewals"


def test_show_tells_each_try(fsapp: Run, redis_client: Any) -> None:
    put(redis_client, "t1", agent="1004")
    at = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    Tasks(redis_client).change(N, lambda known: task_life.tried(
        known, "t1", Try("c1", at, TryOutcome.BUSY, "1004", "1005", "USER_BUSY"), RULES))
    out = fsapp("tasks", "show", "t1")[1]
    assert "try at 2026-11-25 12:00:00 UTC: busy (USER_BUSY), responsible 1004, agent 1005\n" in out
    assert "due_at: 2026-11-25 12:10:00 UTC" in out
    (one,) = json.loads(fsapp("tasks", "show", "t1", "--json")[1])["attempts"]
    assert (one["outcome"], one["agent"], one["responsible"]) == ("busy", "1005", "1004")


def tell(client: Any, *events: dict[str, Any]) -> None:
    stream.add(client, [stream.encode(event) for event in events])


def journal(fsapp: Run, *args: str) -> list[str]:
    return [row["id"] for row in json.loads(fsapp("attempts", "list", *args, "--json")[1])["attempts"]]


def test_the_journal_says_who_was_responsible_and_how_it_ended(fsapp: Run, redis_client: Any) -> None:
    fsapp("attempts", "record", N, "--agent", "1001", "--outcome", "failed", "--line", "helpdesk", "--id", "byhand")
    put(redis_client, "t1", agent="1004")
    one = Try("dialled", datetime.now(UTC), TryOutcome.BUSY, "1004", "1005", "USER_BUSY")
    changed = Tasks(redis_client).change(N, lambda known: task_life.tried(known, "t1", one, RULES))
    tell(redis_client, *changed.events, *changed.events, {"type": "attempt", "id": "broken"}, {"type": "other"})
    assert journal(fsapp) == ["byhand", "dialled"]
    assert journal(fsapp, "--responsible", "dejan@example.com") == journal(fsapp, "--agent", "1005") == ["dialled"]
    assert journal(fsapp, "--agent", "ana@example.com") == ["byhand"]
    assert journal(fsapp, "--outcome", "failed") == ["byhand", "dialled"]
    assert journal(fsapp, "--outcome", "busy") == ["dialled"]
    assert journal(fsapp, "--number", "0601234567", "--line", "helpdesk") == ["byhand", "dialled"]
    assert journal(fsapp, *STAGE) == journal(fsapp, "--until", "1h") == []
    assert journal(fsapp, "--since", "2099-01-01T00:00") == []
    row = json.loads(fsapp("attempts", "list", "--json")[1])["attempts"][1]
    assert list(row) == list(ATTEMPT_COLUMNS)
    assert (row["task"], row["responsible_name"], row["agent_name"]) == ("t1", "dejan", "eva")
    assert row["cause"] == "USER_BUSY"
    table = list(csv.reader(fsapp("attempts", "list", "--csv")[1].splitlines()))
    assert table[0] == list(ATTEMPT_COLUMNS)
    assert table[1][1] == f"'{N}"
    out = fsapp("attempts", "list")[1]
    assert "1004 dejan" in out and "attempts: 2" in out
    assert fsapp("attempts", "list", "--limit", "1")[2] == "... and 1 more: --limit shows them\n"
    assert fsapp("attempts", "list", *STAGE)[1] == "There are no such attempts.\n"
    assert fsapp("attempts", "list", "--since", "later")[0] == 2


def test_an_attempt_may_end_with_call_again(fsapp: Run, redis_client: Any) -> None:
    record = ("attempts", "record", N, "--agent", "1002", *STAGE, "--outcome", "failed", "--id", "one", "--again", "3h",
              "--note", "after lunch")
    said = json.loads(fsapp(*record, "--json")[1])
    again = json.loads(fsapp(*record, "--json")[1])
    assert again["task"] == said["task"]
    shown = json.loads(fsapp("tasks", "show", said["task"], "--json")[1])
    assert (shown["agent"], shown["kind"], shown["note"], shown["made_by"]) == ("1002", "again", "after lunch", "boris")
    assert "boris calls again, due" in fsapp(*record)[1]
    assert len(listed(fsapp)) == 1


def test_an_agent_works_a_task_by_hand(fsapp: Run, redis_client: Any) -> None:
    put(redis_client, "t1", agent="1004")
    record = ("attempts", "record", N, "--agent", "1005", "--task", "t1", "--outcome")
    for _ in range(2):
        assert fsapp(*record, "failed", "--result", "busy", "--id", "one")[0] == 0
    shown = json.loads(fsapp("tasks", "show", "t1", "--json")[1])
    assert (shown["state"], shown["doing"], shown["tries"], shown["tries_left"]) == ("open", "later", 1, 2)
    assert fsapp(*record, "talked", "--talked-s", "30")[0] == 0
    assert json.loads(fsapp("tasks", "show", "t1", "--json")[1])["state"] == "done"
    rows = json.loads(fsapp("attempts", "list", "--json")[1])["attempts"]
    assert [(row["responsible"], row["agent"], row["result"], row["line"], row["task"]) for row in rows] == [
        ("1004", "1005", "busy", "helpdesk", "t1"), ("1004", "1005", "talked", "helpdesk", "t1")]
    assert json.loads(fsapp("stickiness", "show", N, "--json")[1])["sticky"]["agent"] == "1005"


def test_a_talk_by_hand_ends_callbacks_of_the_same_place(fsapp: Run, redis_client: Any) -> None:
    put(redis_client, "t1")
    put(redis_client, "t2", place="vip")
    assert fsapp("attempts", "record", N, "--agent", "1005", "--line", "helpdesk", "--outcome", "talked")[0] == 0
    assert listed(fsapp) == ["t2"]


def test_call_again_takes_the_place_of_what_was_tried(fsapp: Run, redis_client: Any) -> None:
    put(redis_client, "t1", agent="1004")
    said = json.loads(fsapp("attempts", "record", N, "--agent", "1005", "--task", "t1", "--outcome", "failed",
                            "--again", "3h", "--json")[1])
    assert listed(fsapp) == [said["task"]]
    assert json.loads(fsapp("tasks", "show", "t1", "--json")[1])["why"] == "called-again"


@pytest.mark.parametrize(("args", "status", "said"), [
    (("--task", "t1", "--line", "helpdesk"), 2, "says the stage or line itself"),
    (("--task", "gone"), 1, "no task gone"),
    (("--result", "busy"), 2, "--result belongs"), (("--task", "other"), 1, "is one of +381601234568"),
    (("--again", "2h"), 2, "--again needs"), (("--note", "x"), 2, "--note belongs to --again"),
    (("--again", "2h", "--line", "nowhere"), 1, "no line nowhere"),
    (("--again", "2020-01-01", "--line", "helpdesk"), 1, "is over"),
    (("--line", "helpdesk", *STAGE), 2, "name the place"),
])
def test_attempts_that_are_refused_write_nothing(
    fsapp: Run, redis_client: Any, args: tuple[str, ...], status: int, said: str,
) -> None:
    put(redis_client, "t1")
    put(redis_client, "other", number="+381601234568")
    left, out, err = fsapp("attempts", "record", N, "--agent", "1001", "--outcome", "failed", *args)
    assert (left, out) == (status, "")
    assert said in err
    assert list(stream.tail(redis_client, 0.0, follow=False)) == []


def test_a_premium_number_is_not_called_again(fsapp: Run, redis_client: Any) -> None:
    status, _, err = fsapp("attempts", "record", "0900123456", "--agent", "1001", "--outcome", "failed",
                           "--line", "helpdesk", "--again", "2h")
    assert status == 1
    assert err.count("\n") == 1
    assert list(stream.tail(redis_client, 0.0, follow=False)) == []


def test_the_memory_has_the_same_journal(
    fsapp: Run, redis_client: Any, database_url: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FSAPP_DATABASE_URL", database_url)
    assert fsapp("records", "migrate")[0] == 0
    fsapp("attempts", "record", N, "--agent", "1001", "--outcome", "failed", *STAGE, "--id", "byhand")
    put(redis_client, "t1", agent="1004")
    fsapp("attempts", "record", N, "--agent", "1005", "--task", "t1", "--outcome", "talked", "--talked-s", "9")
    fsapp("attempts", "record", "+381601234568", "--agent", "1005", "--outcome", "talked", "--line", "vip")
    database = Database(database_url)
    entries = [(place.decode(), fields[stream.FIELD]) for place, fields in redis_client.xrange(keys.EVENTS)]
    Keeper(database, lambda number: number).keep(entries)
    database.close()
    filters = [(), ("--agent", "1005"), ("--responsible", "1004"), ("--number", N), STAGE, ("--line", "helpdesk"),
               ("--outcome", "failed"), ("--outcome", "talked"), ("--until", "1h"), ("--since", "1h", "--limit", "2")]
    for args in filters:
        said = json.loads(fsapp("attempts", "list", *args, "--json")[1])
        assert json.loads(fsapp("attempts", "list", *args, "--memory", "--json")[1]) == said
    assert len(json.loads(fsapp("attempts", "list", "--memory", "--json")[1])["attempts"]) == 3
    assert said["more"] == 1
