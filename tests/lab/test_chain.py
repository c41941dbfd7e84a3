"""The whole chain live: calls on the lab switch, what the memory has of them, what reports, timeline and pop say, and
what follows from them by rule: a signed webhook, a letter, ticket, tag and task.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flow_centre import FLOW_NUMBER, document, press
from lab_ends import until
from small_servers import HttpServer, MailServer
from sqlalchemy import select
from test_callback_calls import CUSTOMER, HELPDESK, Calling
from web_ends import Asker, Page, make_token

from fsapp import log
from fsapp.app.followups import FollowupsProcess
from fsapp.app.recorder import RecorderProcess
from fsapp.app.web import WebProcess
from fsapp.cli.root import main
from fsapp.core.task import TaskState
from fsapp.lab.channel import Channel
from fsapp.lab.offering import Reaction
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.records.versions import migrate
from fsapp.rules import check_document
from fsapp.state import keys
from fsapp.state.availability import unpack_availability

FIRST_CALL = "+381115550100"
STAGE = "renewals/first-call"
SECRET = "s3cret"
ANA, GONE, CONTACT, MAIL = "+381601112201", "+381601112202", "+381641112204", "+381601112205"


def rules(crm: str) -> dict[str, Any]:
    """The example centre with a survey after talks, a flow that takes messages, and a ticket of each talk.

    Of a talk with who is on a list somebody's CRM at `crm` and the agent are told, and the agent is to call again.
    """
    found = document()
    found["line"]["helpdesk"] |= {"survey": "after"}
    found["flow"]["after"] = {"line": "helpdesk", "start": "rate", "languages": ["sr", "en"], "block": {
        "rate": {"kind": "survey", "say": ["survey"], "min": 1, "max": 5, "next": "end"},
        "end": {"kind": "hangup", "say": ["thanks"]}}}
    found["list"]["watched"] = {"numbers": [ANA]}
    found["after"] = [
        {"name": "ticket", "outcome": ["answered"], "ticket": "open-or-new"},
        {"name": "told", "outcome": ["answered"], "list": ["watched"], "tags": ["talked"], "webhook": "crm",
         "email": "agent", "task": {"due_s": 3600, "who": "agent", "note": "as {agent_name} said on {called}"}}]
    found["webhook"] = {"crm": {"url": crm, "secret_env": "FSAPP_TEST_SECRET"}}
    found["email"] = {"agent": {"to": ["{agent_email}"], "subject": "{name} called", "text": "{outcome}, {ticket}"}}
    checked = check_document(found, "test")
    assert checked.faults == ()
    return checked.document


class Chain:
    """The lab switch with `fsapp serve` and a link, recorder, follow-ups and web, and what the switch said it did."""

    def __init__(self, redis_server: Any, folder: Path, monkeypatch: Any, capsys: Any) -> None:
        url = f"sqlite:///{folder}/fsapp.db"
        migrate(url)
        monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
        monkeypatch.setenv("FSAPP_DATABASE_URL", url)
        monkeypatch.setenv("FSAPP_TEST_SECRET", SECRET)
        self.crm, self.mail = HttpServer(), MailServer()
        self._capsys = capsys
        log.configure()  # to stderr: what commands print is read
        self.calling = Calling(redis_server, folder, speed=4, rules=rules(f"{self.crm.url}/calls"))
        self.switch = self.calling.switch
        # Who is connected with a customer who is called back waits; other talks are short.
        self.switch._phone = lambda _agent, call: (
            Reaction(after_s=0.2) if call.get("fsapp_task") else Reaction(after_s=2, talk_s=4))
        self.client = self.calling.centre.client
        self.database = Database(url)
        settings = redis_server.settings.model_copy(update={
            "database_url": url, "recordings": str(folder), "snapshot": str(folder / "web-snapshot"),
            "smtp_url": f"smtp://127.0.0.1:{self.mail.port}", "mail_from": "fsapp@example.com",
            **dict.fromkeys(("recorder_http", "followups_http", "web_listen", "web_http"), "127.0.0.1:0")})
        self.parts = [RecorderProcess(settings), FollowupsProcess(settings), WebProcess(settings)]
        for part in self.parts:
            part.start()
        self.web = self.parts[-1]
        self.did: dict[str, dict[str, Any]] = {}
        self.switch.subscribe(self._observe)

    def _observe(self, told: dict[str, Any]) -> None:
        did = self.did.setdefault(told["uuid"], {"number": told["caller"], "called": told["called"], "joined": []})
        if told["event"] == "queue_joined":
            did["joined"].append((told["queue"], told["at"]))
        elif told["event"] == "answered":
            did |= {"agent": told["agent"], "answered_at": told["at"]}
        elif told["event"] == "ended":
            did["ended_at"] = told["at"]

    def fsapp(self, *words: str) -> Any:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([*words, "--json"])
        out, err = self._capsys.readouterr()
        assert not left.value.code, err
        return json.loads(out)

    def rows(self, table: Any) -> list[dict[str, Any]]:
        query = select(table).order_by(*table.primary_key)
        return [dict(row) for row in self.database.read(lambda connection: connection.execute(query).mappings().all())]

    def recorded(self) -> bool:
        """Whether all that is in the stream is in the memory."""
        newest = self.client.xrevrange(keys.EVENTS, count=1)[0][0].decode()
        position = Keeper(self.database, str).position()
        return position is not None and position.place == newest

    def call(self, number: str, called: str = HELPDESK) -> Channel:
        call = self.switch.call(number, called)
        until(lambda: call.get("current_application") == "callcenter", f"{number} waits")
        return call

    def at_work(self, agent: str) -> None:
        """Available, and decisions know it."""
        def known() -> bool:
            value = self.client.get(keys.floor("main", "free"))
            return bool(value) and unpack_availability(value).free_at.get(agent, 1e12) < 1e11

        self.calling.at_work(agent)
        until(known, f"{agent} is free")

    def stop(self) -> None:
        for part in self.parts[::-1]:
            part.stop()
        self.database.close()
        self.calling.close()
        self.crm.stop()
        self.mail.stop()


@pytest.fixture
def chain(own_redis: Any, tmp_path: Path, monkeypatch: Any, capsys: Any) -> Iterator[Chain]:
    made = Chain(own_redis(), tmp_path, monkeypatch, capsys)
    yield made
    made.stop()


def test_what_happened_is_what_people_see(chain: Chain) -> None:
    chain.fsapp("customers", "add", ANA, "--name", "Ana", "--vip", "3")
    chain.calling.centre.import_contacts({CONTACT: "1001"})
    # Nobody is at work: one gives up, one leaves a message, one asks to be called back (in 15 s).
    gone = chain.call(GONE)
    joined = chain.switch.clock.now()
    until(lambda: chain.switch.clock.now() - joined >= 6, "for a while")
    gone.hangup("NORMAL_CLEARING", "caller")
    mail = chain.switch.call(MAIL, FLOW_NUMBER)
    press(mail, "speak", "1")
    press(mail, "department", "5")
    until(lambda: mail.recordings.running, "the message is recorded")
    mail.hangup("NORMAL_CLEARING", "caller")
    asked = chain.call(CUSTOMER)
    asked.press("5")
    until(lambda: "callback-confirm" in asked.get("current_application_data"), "it is asked on which number")
    asked.press("1")
    until(lambda: not asked.up, "the customer has hung up")
    # Who calls now is known before the phone is picked up.
    chain.at_work("1004")
    asker = Asker(chain.web, make_token(chain.web, "read"))
    page = Page(asker, "1004")
    talked = chain.call(ANA)
    name, _id, popped = page.next()
    assert (name, popped["offer"]["call"]) == ("pop", talked.uuid)
    assert (popped["pop"]["name"], popped["pop"]["vip"]) == ("Ana", 3)
    assert "answered_at" not in chain.did[talked.uuid]
    press(talked, "rate", "4")
    until(lambda: not talked.up, "the survey is over")
    page.close()
    asker.close()
    # A contact calls back, and it is said how that ended; then the one who asked is called.
    chain.at_work("1001")
    contact = chain.call(CONTACT, FIRST_CALL)
    until(lambda: not contact.up, "the contact has talked")
    until(lambda: chain.calling.task().state is TaskState.DONE, "the customer was called back")
    until(lambda: len(chain.rows(schema.interactions)) == 6 and chain.recorded(), "all is recorded")
    chain.fsapp("interactions", "dispose", contact.uuid, "sold")
    until(lambda: len(chain.rows(schema.tickets)) == 3, "there are tickets")
    until(lambda: chain.rows(schema.contacts), "the contact is in the memory")

    [back] = [uuid for uuid, did in chain.did.items() if did["number"] == CUSTOMER and "agent" in did]
    rows = {row["id"]: row for row in chain.rows(schema.interactions)}
    assert {uuid: row["outcome"] for uuid, row in rows.items()} == {
        gone.uuid: "abandoned", mail.uuid: "voicemail", asked.uuid: "flow", talked.uuid: "answered",
        contact.uuid: "answered", back: "answered"}
    assert not any(row["recovered"] for row in rows.values())
    for uuid, row in rows.items():
        check_call(chain.did[uuid], row)
    check_followed(chain, talked.uuid)
    check_reports(chain, rows, talked.uuid, contact.uuid, back)
    check_people(chain, asked.uuid, talked.uuid, contact.uuid, back)


def check_call(did: dict[str, Any], row: dict[str, Any]) -> None:
    """The row of a call has what the switch said it did; mod_callcenter counts in whole seconds."""
    assert (row["number"], row["called"], row["agent"]) == (did["number"], did["called"], did.get("agent"))
    if not did["joined"]:
        assert row["waited_s"] is None
        return
    [(queue, joined_at)] = did["joined"]
    assert row["queue"] == queue
    if "agent" in did:
        assert abs(row["waited_s"] - (did["answered_at"] - joined_at)) <= 1.1
        assert abs(row["answered_at"] - did["answered_at"]) <= 1.1
        assert 3 <= row["talked_s"] <= 8
    else:
        assert row["talked_s"] is None


def check_followed(chain: Chain, talked: str) -> None:
    """The CRM and the agent were told once, of this talk and of no other, and what they were told is so."""
    until(lambda: {row["state"] for row in chain.rows(schema.followups)} == {"done"}, "all of it is done")
    kinds = sorted(row["kind"] for row in chain.rows(schema.followups) if row["interaction_id"] == talked)
    assert kinds == ["email", "tags", "task", "ticket", "webhook"]
    [(path, headers, body)] = chain.crm.taken
    stated, signature = (part.partition("=")[2] for part in headers["HTTP_FSAPP_SIGNATURE"].split(","))
    wanted = hmac.new(SECRET.encode(), stated.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert (path, signature, headers["HTTP_FSAPP_TRY"]) == ("/calls", wanted, "1")
    [ticket] = [row for row in chain.rows(schema.tickets) if row["number"] == ANA]
    said = json.loads(body)
    assert said["delivery"] == headers["HTTP_FSAPP_DELIVERY"] and said["rule"] == "told"
    call = said["interaction"]
    assert (call["id"], call["number"], call["outcome"], call["ticket"], call["tags"]) == (
        talked, ANA, "answered", ticket["id"], ["talked"])
    assert (said["agent"]["id"], said["customer"]["name"], said["customer"]["vip"]) == ("1004", "Ana", 3)
    [(sender, to, letter)] = chain.mail.letters
    assert "fsapp@example.com" in sender and to == ["rcpt TO:<dejan@example.com>"]
    assert "Subject: Ana called" in letter and f"answered, {ticket['id']}" in letter
    [task] = chain.calling.tasks.of(ANA)
    assert (task.state, task.agent, task.place, task.note) == (
        TaskState.OPEN, "1004", "helpdesk", f"as {chain.calling.rules.agents['1004'].name} said on {HELPDESK}")
    [row] = [row for row in chain.rows(schema.tasks) if row["id"] == task.id]
    assert (row["state"], row["number"], row["agent"]) == ("open", ANA, "1004")
    shown = chain.fsapp("interactions", "show", talked)
    assert {one["kind"]: one["state"] for one in shown["followups"]} == dict.fromkeys(kinds, "done")


def check_reports(chain: Chain, rows: dict[str, dict[str, Any]], talked: str, contact: str, back: str) -> None:
    total = chain.fsapp("report", "calls", "--from", "1d")["total"]
    talk_s = round(sum(rows[uuid]["talked_s"] for uuid in (talked, contact)), 3)
    wanted = {"calls": 5, "offered": 4, "answered": 2, "abandoned": 1, "short_abandoned": 0, "elsewhere": 1,
              "waiting": 0, "talking": 0, "talk_s": talk_s}
    assert {name: total[name] for name in wanted} == wanted
    by_queue = chain.fsapp("report", "calls", "--from", "1d", "--by", "queue")["rows"]
    assert {row["queue"]: (row["offered"], row["answered"], row["abandoned"]) for row in by_queue} == {
        "agent-1001@fsapp": (1, 1, 0), "helpdesk@fsapp": (3, 1, 1)}

    def total_of(report: str, *figures: str) -> tuple[Any, ...]:
        said = chain.fsapp("report", report, "--from", "1d")["total"]
        return tuple(said[name] for name in figures)

    assert total_of("callbacks", "callbacks", "requested", "done", "tries") == (1, 1, 1, 1)
    of_queue = chain.fsapp("report", "callbacks", "--from", "1d", "--by", "queue", "--by", "number")["rows"]
    assert [(row["queue"], row["number"], row["done"]) for row in of_queue] == [("helpdesk@fsapp", HELPDESK, 1)]
    assert total_of("attempts", "attempts", "talked", "talk_s") == (1, 1, rows[back]["talked_s"])
    assert total_of("surveys", "answers", "average_mark") == (1, 4.0)
    assert total_of("voicemails", "messages", "heard") == (1, 0)
    assert total_of("campaigns", "contacts", "open", "untried") == (1, 1, 1)


def check_people(chain: Chain, asked: str, talked: str, contact: str, back: str) -> None:
    def seen(number: str) -> list[tuple[str, Any]]:
        """Kinds on a timeline, newest first, each with what tells it apart."""
        said = chain.fsapp("customers", "timeline", number)["entries"]
        return [(one["kind"], one.get({"call": "id", "task": "state", "survey": "value", "attempt": "interaction_id",
                                       "ticket": "state"}.get(one["kind"], ""))) for one in said]

    assert seen(GONE)[0][0] == "call" and len(seen(GONE)) == 1
    assert sorted(kind for kind, _ in seen(MAIL)) == ["call", "voicemail"]
    assert set(seen(ANA)) == {("ticket", "open"), ("survey", "4"), ("call", talked), ("task", "open")}
    assert set(seen(CUSTOMER)) == {
        ("call", asked), ("task", "done"), ("call", back), ("attempt", back), ("ticket", "open")}
    assert set(seen(CONTACT)) == {("call", contact), ("ticket", "open")}
    pop = chain.fsapp("customers", "pop", ANA)
    assert (pop["name"], pop["vip"], pop["responsible"]["agent"]) == ("Ana", 3, "1004")
    assert [one["id"] for one in pop["interactions"]] == [talked]
    assert [one["agent"] for one in pop["tickets"]] == ["1004"]
    pop = chain.fsapp("customers", "pop", CONTACT, "--contact", f"{STAGE}/{CONTACT}")
    assert (pop["contact"]["open"], pop["contact"]["attempts"], pop["contact"]["disposition"]) == (True, 0, "sold")
    assert pop["interactions"][0]["disposition"] == "sold"
