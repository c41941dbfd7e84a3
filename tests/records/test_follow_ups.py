"""What follows from interactions, in the memory: once, whole, whatever was there before, and nothing stops the rest."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from memory_rows import HOSTILE, NUMBER, OTHER, customer, interaction, rules_with
from sqlalchemy import select, update

from fsapp.core.rules import Rules
from fsapp.records import follow_ups, interactions, outbox, schema, tickets
from fsapp.records.database import Database
from fsapp.records.follow_ups import Looked, look
from fsapp.records.writer import Given, write_events
from fsapp.rules import check_document

NOW = 1_000_100.0
SECOND = "+381641112222"
WEBHOOK = {"crm": {"url": "http://127.0.0.1:1/x"}}
EMAIL = {"boss": {"to": ["boss@example.com", "{agent_email}", "{customer_email}"], "subject": "{name} called",
                  "text": "{note}\n{talked_s} s"}}


def _rules(*after: dict[str, Any]) -> Rules:
    document = rules_with(after=list(after), webhook=WEBHOOK, email=EMAIL)
    checked = check_document(document, "test")
    assert checked.faults == ()
    return Rules.from_document(checked.document, 7)


def _look(database: Database, rules: Rules, now: float = NOW) -> Looked:
    return database.write(lambda connection: look(connection, rules, now))


def _all(database: Database, table: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in database.read(lambda connection: connection.execute(
        select(table).order_by(*table.primary_key.columns)).mappings().all())]


def _followed(database: Database) -> list[tuple[str, str | None, str]]:
    return sorted((row["kind"], row["target"], row["state"]) for row in _all(database, schema.followups))


ALL = {"name": "all", "ticket": "open-or-new", "subject": "{outcome}: {name}", "tags": ["answered"],
       "task": {"due_s": 600}, "webhook": "crm", "email": "boss"}


def test_everything_follows_once(database: Database) -> None:
    customer(database, email="vera@example.com", language="sr", vip=2)
    interaction(database, customer_id="c1")
    rules = _rules(ALL)
    assert _look(database, rules).followed == ("ticket", "tags", "task", "webhook", "email")
    before = {table.name: _all(database, table) for table in (
        schema.followups, schema.tickets, schema.tags, schema.interactions)}
    assert _look(database, rules) == Looked()
    database.write(lambda connection: connection.execute(update(schema.interactions).values(followed_at=None)))
    assert _look(database, rules).followed == (), "looked at once more, it is all there already"
    assert before == {name: _all(database, schema.METADATA.tables[name]) for name in before}

    [ticket] = before["tickets"]
    assert (ticket["subject"], ticket["place"], ticket["agent"]) == ("answered: Vera", "helpdesk", "1004")
    assert (ticket["customer_id"], ticket["made_by"], ticket["opened_at"]) == ("c1", "rule all", 1_000_060.0)
    [call] = before["interactions"]
    assert (call["ticket_id"], call["followed_at"]) == (ticket["id"], NOW)
    [tag] = before["tags"]
    assert (tag["tag"], tag["how"], tag["by"], tag["subject_id"]) == ("answered", "rule", "rule all", "u1")
    rows = {row["kind"]: row for row in before["followups"]}
    assert rows["task"]["payload"] | {"number": NUMBER, "place": "helpdesk", "due_at": 1_000_660.0, "agent": "1004",
                                      "group": None} == rows["task"]["payload"]
    told = rows["webhook"]["payload"]
    assert told["interaction"] | {"id": "u1", "class": "service", "place": "helpdesk", "tags": ["answered"],
                                  "ticket": ticket["id"], "outcome": "answered"} == told["interaction"]
    assert told["customer"] == {"id": "c1", "name": "Vera", "email": "vera@example.com", "language": "sr", "vip": 2}
    assert told["agent"]["email"] == "dejan@example.com" and told["delivery"] == rows["webhook"]["id"]
    assert rows["email"]["payload"]["to"] == ["boss@example.com", "dejan@example.com", "vera@example.com"]
    assert {row["rules"] for row in rows.values()} == {7}


def test_only_what_is_over_and_settled_is_looked_at(database: Database) -> None:
    rules = _rules({"name": "all", "tags": ["x"]})
    interaction(database, "going-on", ended_at=None, outcome=None)
    interaction(database, "done")
    interaction(database, "fresh")
    state = {"id": "fresh", "state": b"", "changed_at": NOW - 1}
    database.write(lambda connection: connection.execute(schema.call_states.insert(), state))
    assert _look(database, rules).interactions == 1
    assert _look(database, rules).interactions == 0
    assert _look(database, rules, NOW - 1 + follow_ups.SETTLE_S).interactions == 1
    database.write(lambda connection: connection.execute(update(schema.interactions).values(followed_at=None)))
    assert _look(database, rules, NOW - 10_000).interactions == 2, "the clock was put back: that is no reason to wait"


def test_what_a_call_turns_out_to_be_later_counts(database: Database) -> None:
    rules = _rules({"name": "sold", "disposition": ["sold"], "webhook": "crm"},
                   {"name": "billing", "tag": ["billing"], "task": {"who": "anyone"}})
    one = interaction(database)
    assert _look(database, rules).followed == ()

    def by_hand(connection: Any) -> None:
        row = interactions.get(connection, one)
        assert row is not None
        interactions.dispose(connection, row, "sold", None, NOW)
        interactions.set_tags(connection, one, ["billing"], "ana", "hand", NOW)

    database.write(by_hand)
    assert _look(database, rules).followed == ("webhook", "task")
    database.write(by_hand)
    assert _look(database, rules).followed == (), "said twice, it follows once"


def test_the_open_ticket_of_the_customer_and_place_or_a_new_one(database: Database) -> None:
    rules = _rules({"name": "all", "ticket": "open-or-new", "ticket_days": 30})
    customer(database)
    day = 86400.0
    interaction(database, "u1", customer_id="c1", ended_at=40 * day)
    interaction(database, "u2", customer_id="c1", ended_at=41 * day)
    interaction(database, "u3", customer_id="c1", ended_at=41 * day, line="vip")
    interaction(database, "u4", number=OTHER, ended_at=41 * day)
    interaction(database, "u5", customer_id="c1", ended_at=72 * day)
    interaction(database, "u6", number=None, ended_at=41 * day)
    interaction(database, "u7", number=None, ended_at=41 * day)
    by_hand = database.write(lambda connection: tickets.open_ticket(connection, tickets.NewTicket("c1", NUMBER), 1.0))
    interaction(database, "u8", customer_id="c1", ended_at=73 * day, ticket_id=by_hand)
    look_at = 41 * day + 10
    _look(database, rules, look_at)
    linked = {row["id"]: row["ticket_id"] for row in _all(database, schema.interactions)}
    assert linked["u1"] == linked["u2"]
    assert len({linked[one] for one in ("u1", "u3", "u4", "u5", "u6", "u7", "u8")}) == 7
    assert linked["u8"] == by_hand and None not in linked.values()
    database.write(lambda connection: tickets.close(connection, linked["u5"], look_at))
    interaction(database, "u9", customer_id="c1", ended_at=73 * day)
    _look(database, rules, look_at)
    assert {row["id"]: row["ticket_id"] for row in _all(database, schema.interactions)}["u9"] not in linked.values()


def test_no_consequences_of_what_is_long_over(database: Database) -> None:
    rules = _rules(ALL)
    interaction(database)
    assert _look(database, rules, 1_000_060.0 + follow_ups.OLDEST_S + 1) == Looked(1)
    assert _followed(database) == []


def test_nothing_new_follows_from_what_is_long_over(database: Database) -> None:
    rules = _rules({"name": "sold", "disposition": ["sold"], "webhook": "crm"})
    interaction(database, disposition="sold")
    interaction(database, "u2", disposition="sold", ended_at=1_000_060.0 + 10)
    assert _look(database, rules, 1_000_065.0 + follow_ups.LATEST_S) == Looked(2, ("webhook",))


def test_what_could_never_be_done_says_why(database: Database) -> None:
    rules = Rules.from_document(rules_with(
        after=[{"name": "all", "task": {}, "email": "who"}],
        email={"who": {"to": ["{customer_email}"], "subject": "s", "text": "t"}}))
    interaction(database, number=None, line=None)
    _look(database, rules)
    errors = {row["kind"]: (row["state"], row["error"]) for row in _all(database, schema.followups)}
    assert errors["task"] == ("failed", "there is no number to call")
    assert errors["email"][0] == "failed" and "nobody to write to" in errors["email"][1]


def test_a_survey_follows_from_whom_can_be_asked_and_from_no_survey(database: Database) -> None:
    how = rules_with()["flow"] | {"how": {"line": "helpdesk", "start": "end", "block": {"end": {"kind": "hangup"}}}}
    rules = Rules.from_document(rules_with(
        after=[{"name": "how", "survey": "how", "survey_due_s": 60}, {"name": "all", "tags": ["called"]}], flow=how))
    interaction(database, name="Vera")
    interaction(database, "anonymous", number=None)
    interaction(database, "of-no-place", line=None)
    interaction(database, "survey", direction="outbound", reason="survey", outcome="flow", agent=None)
    interaction(database, "callback", direction="outbound", call_class="callback", task_id="t1")
    _look(database, rules)
    rows = {row["interaction_id"]: row for row in _all(database, schema.followups) if row["kind"] == "survey"}
    assert {id_: (row["state"], row["target"], row["error"]) for id_, row in rows.items()} == {
        "u1": ("waiting", "how", None), "callback": ("waiting", "how", None),
        "anonymous": ("dropped", "how", "there is no number to call"),
        "of-no-place": ("dropped", "how", "there is no stage or line '' to call for")}
    assert rows["u1"]["payload"] == {
        "number": NUMBER, "place": "helpdesk", "due_at": 1_000_120.0, "called": None, "name": "Vera", "language": "",
        "flow": "how", "about": "u1", "about_agent": "1004"}
    assert _look(database, rules).interactions == 0


@pytest.mark.parametrize(("days", "attempt", "asked_again"), [
    (None, {}, False), (None, {"at": NOW - 7 * 86400 - 1}, True), (8, {"at": NOW - 7 * 86400 - 1}, False),
    (0, {}, True), (None, {"result": "no-answer"}, True), (None, {"flow": "other"}, True),
    (None, {"number": OTHER}, True), (None, {"number": OTHER, "customer_id": "c1"}, False),
    (None, {"number": SECOND}, False), (None, {"number": SECOND, "customer_id": "c2"}, False),
])
def test_nobody_is_asked_the_same_again_soon(
    database: Database, days: int | None, attempt: dict[str, Any], asked_again: bool,
) -> None:
    """SECOND is a number of the customer too, who may not have been known when it was called."""
    of_a_customer(database)
    rows(database, "attempts", {
        "id": "a1", "number": NUMBER, "flow": "how", "outcome": "talked", "result": "asked", "at": NOW - 3600,
        **attempt})
    assert asked_again == wanted(database, {} if days is None else {"survey_rest_days": days})


@pytest.mark.parametrize(("call", "end", "asked_again"), [
    ({"id": "u1"}, {}, False), ({"id": "u0", "number": SECOND}, {}, False),
    ({"id": "u0", "number": OTHER, "customer_id": "c1"}, {}, False), ({"id": "u0", "number": OTHER}, {}, True),
    ({"id": "u1"}, {"flow": "other"}, True), ({"id": "u0", "started_at": NOW - 7 * 86400 - 60}, {"at": 1.0}, True),
    ({"id": "u0", "started_at": NOW - 7 * 86400 - 60}, {"at": NOW - 7 * 86400 + 1}, False),
])
def test_who_was_asked_after_a_talk_is_not_called_for_the_same(
    database: Database, call: dict[str, Any], end: dict[str, Any], asked_again: bool,
) -> None:
    of_a_customer(database)
    if call["id"] != "u1":
        interaction(database, **call, followed_at=NOW)
    rows(database, "flow_ends", {
        "id": "f1", "interaction_id": call["id"], "flow": "how", "end": "hung-up", "at": NOW - 45, **end})
    assert asked_again == wanted(database, {})


@pytest.mark.parametrize(("task", "days", "needless"), [
    ({}, 7, True), ({}, 0, True), ({"number": SECOND}, 7, True), ({"number": OTHER, "customer_id": "c1"}, 7, True),
    ({"number": OTHER}, 7, False), ({"flow": "other"}, 7, False), ({"state": "failed"}, 7, False),
    ({"expires_at": NOW - 1}, 7, False),
])
def test_who_is_to_be_asked_on_another_number_is_not_asked_twice(
    database: Database, task: dict[str, Any], days: int, needless: bool,
) -> None:
    of_a_customer(database)
    rows(database, "tasks", {"id": "t1", "kind": "survey", "state": "open", "number": NUMBER, "flow": "how",
                             "expires_at": NOW + 60, "changed_at": NOW, "told": "x", **task})
    assert needless != wanted(database, {"survey_rest_days": days})
    if needless:
        assert _all(database, schema.followups)[0]["error"] == (
            "the customer is to be asked the same anyway, by task t1")


def test_callers_without_a_number_do_not_stand_for_each_other(database: Database) -> None:
    for id_ in ("u0", "u1"):
        interaction(database, id_, number="anonymous")
    rows(database, "flow_ends", {"id": "f1", "interaction_id": "u0", "flow": "how", "end": "hung-up", "at": NOW - 45})
    wanted(database, {})
    assert not any("survey_rest_days" in (row["error"] or "") for row in _all(database, schema.followups))


def of_a_customer(database: Database) -> None:
    """An interaction to look at; its customer has two numbers."""
    customer(database)
    customer(database, "c2", "+381601234569")
    rows(database, "customer_numbers", {"number": SECOND, "customer_id": "c1"})
    interaction(database, customer_id="c1")


def rows(database: Database, table: str, row: dict[str, Any]) -> None:
    database.write(lambda connection: connection.execute(schema.METADATA.tables[table].insert(), row))


def wanted(database: Database, rest: dict[str, int]) -> bool:
    """Whether a survey follows from the last interaction; if not, it was dropped."""
    flows = rules_with()["flow"] | {"how": {"line": "helpdesk", "start": "end", "block": {"end": {"kind": "hangup"}}}}
    _look(database, Rules.from_document(rules_with(after=[{"name": "how", "survey": "how", **rest}], flow=flows)))
    row = _all(database, schema.followups)[-1]
    assert row["kind"] == "survey"
    if row["state"] == "waiting":
        return True
    assert row["state"] == "dropped" and ("survey_rest_days" in row["error"] or "asked the same" in row["error"])
    return False


@pytest.mark.parametrize("email", [HOSTILE, "a@b", "x@example.com\nBcc: y@example.com", "x@example.com, y@example.com",
                                   "<x@example.com>", "a" * 300 + "@example.com"])
def test_hostile_text_goes_nowhere_but_where_it_is_text(database: Database, email: str) -> None:
    customer(database, name=HOSTILE, email=email)
    interaction(database, customer_id="c1", name=HOSTILE, subject=HOSTILE, disposition=HOSTILE, cause=HOSTILE)
    database.write(lambda connection: connection.execute(schema.notes.insert(), {
        "id": "n", "interaction_id": "u1", "at": 1.0, "text": HOSTILE + "{number}"}))
    _look(database, _rules(ALL))
    rows = {row["kind"]: row["payload"] for row in _all(database, schema.followups)}
    assert rows["email"]["to"] == ["boss@example.com", "dejan@example.com"]
    assert rows["email"]["subject"].isprintable() and "\u202e" not in rows["email"]["subject"]
    assert rows["email"]["text"].count("\n") == 1 and "{number}" in rows["email"]["text"], "a value is no placeholder"
    assert rows["task"]["name"].isprintable()
    assert json.loads(json.dumps(rows["webhook"]))["interaction"]["name"] == HOSTILE, "JSON carries it as it is"
    [ticket] = _all(database, schema.tickets)
    assert ticket["subject"].isprintable()


def test_one_that_breaks_is_set_aside_and_the_others_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = _rules({"name": "all", "tags": ["x"], "webhook": "crm"})
    for id_ in ("u1", "u2", "u3"):
        interaction(database, id_)

    def broken(one: Any, *_more: Any) -> Any:
        if one.id == "u2":
            raise ValueError("half way")
        return follow_ups.Unfit("no")

    with monkeypatch.context() as changed:
        changed.setattr(follow_ups, "document", broken)
        looked = _look(database, rules)
    assert looked.broken == (("u2", "ValueError: half way"),) and looked.interactions == 3
    assert [row["subject_id"] for row in _all(database, schema.tags)] == ["u1", "u3"], "nothing of u2 is kept"
    assert _look(database, rules) == Looked()
    [broken_row] = [row for row in _all(database, schema.followups) if row["kind"] == "look"]
    assert broken_row["error"] == "ValueError: half way"
    assert database.write(lambda connection: outbox.retry(connection, [broken_row["id"]], NOW)) == [broken_row["id"]]
    assert _look(database, rules).followed == ("tags", "webhook")
    assert not [row for row in _all(database, schema.followups) if row["kind"] == "look"]


def test_many_are_looked_at_in_the_order_they_ended_and_none_is_left(database: Database) -> None:
    rules = _rules({"name": "all", "ticket": "open-or-new"})
    for place in range(30):
        interaction(database, f"u{place}", ended_at=1_000_000.0 + place)
    seen = 0
    while looked := database.write(lambda connection: look(connection, rules, NOW, 7)).interactions:
        seen += looked
    assert seen == 30 and len(_all(database, schema.tickets)) == 1


def test_an_erased_interaction_takes_what_follows_along(database: Database) -> None:
    interaction(database)
    _look(database, _rules(ALL))
    database.write(lambda connection: connection.execute(schema.interactions.delete()))
    assert _followed(database) == []


def test_what_ended_before_the_update_is_left_alone(empty_database: str) -> None:
    from fsapp.records.versions import migrate

    migrate(empty_database, "0001")
    database = Database(empty_database)

    def older(connection: Any) -> None:
        for id_, ended in (("u1", 5.0), ("u2", None)):
            connection.exec_driver_sql(
                f"INSERT INTO interactions (id, started_at, ended_at) VALUES ('{id_}', 1.0, {ended or 'NULL'})")

    database.write(older)
    migrate(empty_database)
    found = {row["id"]: row["followed_at"] for row in _all(database, schema.interactions)}
    assert found == {"u1": 5.0, "u2": None}
    database.close()


def test_what_the_recorder_learns_later_is_looked_at_once_more(database: Database) -> None:
    rules = _rules({"name": "all", "tags": ["x"]}, {"name": "voicemail", "outcome": ["voicemail"], "webhook": "crm"})
    at = time.time() - 60
    events = [
        {"type": "call_routed", "id": "d1", "at": at, "call": "u1", "caller": NUMBER, "called": "+381115550400",
         "class": "service", "line": "helpdesk", "queue": "helpdesk@fsapp"},
        {"type": "call_hung_up", "id": "h1", "at": at + 30, "call": "u1", "direction": "inbound", "number": NUMBER,
         "cause": "NORMAL_CLEARING", "lasted_s": 30.0},
        {"type": "voicemail_left", "id": "v1", "at": at + 20, "call": "u1", "flow": "main", "block": "leave",
         "line": "helpdesk", "file": "a.wav"},
    ]

    def record(*some: dict[str, Any]) -> None:
        database.write(lambda connection: write_events(connection, [Given(one["id"], one) for one in some], str))

    record(*events[:2])
    assert _look(database, rules, time.time() + follow_ups.SETTLE_S + 1).followed == ("tags",)
    record(events[1])
    assert _look(database, rules, time.time() + follow_ups.SETTLE_S + 1) == Looked(), "nothing new was said"
    record(events[2])
    assert _look(database, rules, time.time()).interactions == 0, "more may be on its way"
    assert _look(database, rules, time.time() + follow_ups.SETTLE_S + 1).followed == ("webhook",)
    [ended] = _all(database, schema.interactions)
    assert ended["outcome"] == "voicemail"
