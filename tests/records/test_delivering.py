"""Deliveries: signed, tried again, given up; one that hangs delays nobody; letters; tasks. Real servers, real Redis."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import gevent
import pytest
from memory_rows import HOSTILE, NUMBER, OTHER, interaction, rules_with
from small_servers import HttpServer, MailServer, certificate
from sqlalchemy import select, update

from fsapp.core.flow.actions import Failed
from fsapp.core.retrying import FIRST_S, LONGEST_S, MAX_TRIES, Delivered, Later, Needless, Never, Outcome, pause_s
from fsapp.core.rules import Rules
from fsapp.followups.delivering import AT_ONCE, Delivering
from fsapp.followups.mail import Mailer, server_of
from fsapp.followups.sending import Sending
from fsapp.followups.tasks import TaskMaker
from fsapp.followups.webhook import Poster, signature
from fsapp.lookup import Lookup
from fsapp.records import outbox, schema
from fsapp.records.database import Database
from fsapp.records.outbox import Target
from fsapp.state import stream
from fsapp.state.tasks import Tasks

SECRET = "a secret of the test \u0161"
LETTER = {"to": ["ana@example.com", "boris@example.com"], "subject": "Lost call of Vera", "text": "line one\nline two"}


@pytest.fixture
def http() -> Iterator[HttpServer]:
    server = HttpServer()
    yield server
    server.stop()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


@pytest.fixture
def running(database: Database) -> Iterator[Callable[..., Delivering]]:
    """Starts a Delivering with a `send`."""
    parts = []

    def start(send: Callable[[Any], Outcome]) -> Delivering:
        parts.append(Delivering(database, send))
        parts[-1].start(lambda greenlet: None)
        return parts[-1]

    yield start
    for part in parts:
        part.stop(5)


def _until(true: Callable[[], Any], what: str) -> Any:
    with gevent.Timeout(30, AssertionError(what)):
        while not (found := true()):
            gevent.sleep(0.01)
    return found


def _waiting(database: Database, id_: str, target: str = "crm", kind: str = "webhook", **more: Any) -> str:
    row = {"id": id_, "interaction_id": "u1", "kind": kind, "target": target, "state": "waiting",
           "made_at": time.time(), "next_at": time.time(), "payload": {"n": id_}, "rule": "all", **more}
    database.write(lambda connection: connection.execute(schema.followups.insert(), row))
    return id_


def _row(database: Database, id_: str) -> dict[str, Any]:
    return database.read(lambda connection: dict(connection.execute(
        select(schema.followups).where(schema.followups.c.id == id_)).mappings().one()))


def _rules(url: str = "http://127.0.0.1:1", **tables: Any) -> Rules:
    return Rules.from_document(rules_with(webhook={
        name: {"url": f"{url}/{name}", "secret_env": "FSAPP_TEST_SECRET", "timeout_s": 1}
        for name in ("crm", "slow", "gone")}, **tables))


def _sending(rules: Rules, client: Any = None, environ: dict[str, str] | None = None) -> Sending:
    return Sending(lambda: rules, Poster(), Mailer("", ""), TaskMaker(client) if client else None,  # type: ignore[arg-type]
                   {"FSAPP_TEST_SECRET": SECRET} if environ is None else environ)


def _post(http: HttpServer, path: str = "/x", timeout_s: float = 1.0) -> Outcome:
    return Poster()(http.url + path, {"name": "Vera \u202e"}, secret=SECRET, timeout_s=timeout_s, id_="d1", tries=2,
                    now=1_700_000_000.9)


def test_a_webhook_is_signed_as_documented(http: HttpServer) -> None:
    assert _post(http) == Delivered("200")
    [(path, headers, body)] = http.taken
    assert path == "/x" and json.loads(body) == {"name": "Vera \u202e"}
    assert headers["CONTENT_TYPE"] == "application/json"
    assert (headers["HTTP_FSAPP_DELIVERY"], headers["HTTP_FSAPP_TRY"]) == ("d1", "2")
    parts = dict(part.split("=", 1) for part in headers["HTTP_FSAPP_SIGNATURE"].split(","))
    wanted = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert parts == {"t": "1700000000", "v1": wanted}
    assert signature(body, SECRET, 1_700_000_000) == headers["HTTP_FSAPP_SIGNATURE"]


@pytest.mark.parametrize(("answer", "outcome"), [
    (("204 No Content", []), Delivered("204")),
    (("500 Oh No", []), Later("answered 500")),
    (("503 Later", [("Retry-After", "120")]), Later("answered 503", 120.0)),
    (("429 Slower", [("Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT")]), Later("answered 429")),
    (("408 Timeout", []), Later("answered 408")),
    (("404 Not Found", []), Never("answered 404")),
    (("410 Gone", []), Never("answered 410")),
])
def test_what_an_answer_means(http: HttpServer, answer: Any, outcome: Outcome) -> None:
    http.answers["/x"] = answer
    assert _post(http) == outcome


def test_redirects_are_not_followed(http: HttpServer) -> None:
    http.answers["/x"] = ("307 Elsewhere", [("Location", http.url + "/elsewhere")])
    outcome = _post(http)
    assert isinstance(outcome, Never) and "redirects are not followed" in outcome.why
    assert http.of("/elsewhere") == []


def test_who_hangs_or_is_not_there_is_asked_later(http: HttpServer) -> None:
    http.answers["/x"] = "hang"
    assert _post(http, timeout_s=0.2) == Later("no answer within 0.2 s")
    outcome = Poster()("http://127.0.0.1:1/", {}, secret=None, timeout_s=5, id_="d", tries=1, now=0.0)
    assert isinstance(outcome, Later) and "cannot be reached" in outcome.why and "\n" not in outcome.why


def test_who_dribbles_is_not_waited_for(http: HttpServer) -> None:
    from gevent.server import StreamServer

    def dribble(socket: Any, _address: Any) -> None:
        with gevent.Timeout(30, False):
            socket.sendall(b"HTTP/1.1 200 OK\r\n")
            while not gevent.sleep(0.05):
                socket.sendall(b"X-A: b\r\n")

    server = StreamServer(("127.0.0.1", 0), dribble)
    server.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    outcome = Poster()(url, {}, secret=None, timeout_s=0.5, id_="d", tries=1, now=0.0)
    found = Lookup()(url, 0.5)
    server.stop(timeout=1)
    assert outcome == Later("no answer within 0.5 s")
    assert found == Failed("slow")


def test_who_never_begins_an_answer_is_not_read_for_ever() -> None:
    """Nobody else would come to their turn while there is always more to read."""
    from gevent.server import StreamServer

    def flood(socket: Any, _address: Any) -> None:
        with gevent.Timeout(30, False), contextlib.suppress(OSError):
            while True:
                socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    server = StreamServer(("127.0.0.1", 0), flood)
    server.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    outcome = Poster()(url, {}, secret=None, timeout_s=5, id_="d", tries=1, now=0.0)
    found = Lookup()(url, 5)
    server.stop(timeout=1)
    assert isinstance(outcome, Later) and "nothing but interim answers" in outcome.why
    assert found == Failed("down")


def test_pauses_double_and_end_after_about_a_day() -> None:
    pauses = [pause_s(tries, 0.5) for tries in range(1, MAX_TRIES)]
    assert pauses[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S] and max(pauses) == LONGEST_S
    assert 20 * 3600 < sum(pauses) < 26 * 3600
    assert pause_s(MAX_TRIES, 0.5) is None and pause_s(10**9, 0.5) is None
    assert (pause_s(1, 0.0), pause_s(1, 1.0)) == (FIRST_S / 2, FIRST_S * 1.5)
    assert pause_s(1, 0.5, 120.0) == 120.0 and pause_s(1, 0.5, 1e9) == LONGEST_S


def test_one_that_hangs_delays_nobody_else(database: Database, http: HttpServer, running: Any) -> None:
    interaction(database)
    http.answers["/slow"] = "hang"
    http.answers["/gone"] = ("410 Gone", [])
    for place in range(3 * AT_ONCE):
        _waiting(database, f"slow{place:02}", "slow")
    for place in range(10):
        _waiting(database, f"crm{place}", next_at=time.time() + 0.001)
    _waiting(database, "gone", "gone")
    rules = _rules(http.url)
    running(_sending(rules))
    _until(lambda: len(http.of("/crm")) == 10, "the others were told")
    assert len(http.of("/slow")) <= AT_ONCE * 2, "it is asked by a few at a time"
    assert not http.released.is_set()
    _until(lambda: all(_row(database, f"crm{place}")["state"] == "done" for place in range(10)), "and that is known")
    gone = _until(lambda: (row := _row(database, "gone"))["state"] == "failed" and row, "refused for good")
    assert (gone["error"], gone["tries"], gone["next_at"]) == ("answered 410", 1, None)
    slow = _until(lambda: (row := _row(database, "slow00"))["error"] and row, "who hung is asked later")
    assert slow["state"] == "waiting" and "no answer within 1 s" in slow["error"] and slow["next_at"] > time.time()


def test_what_fails_is_tried_again_with_the_same_body_until_it_is_taken(
    database: Database, http: HttpServer, running: Any,
) -> None:
    interaction(database)
    http.answers["/crm"] = [("500 No", []), ("503 No", [])]
    _waiting(database, "d1", payload={"who": HOSTILE})
    running(_sending(_rules(http.url)))
    for tries in (1, 2):
        _until(lambda tries=tries: (row := _row(database, "d1"))["error"] and row["tries"] == tries, "it failed")
        database.write(lambda connection: connection.execute(
            update(schema.followups).values(next_at=time.time(), error=None)))
    row = _until(lambda: (row := _row(database, "d1"))["state"] == "done" and row, "taken at last")
    assert row["tries"] == 3 and row["ended_at"] and row["error"] is None
    assert len(set(http.of("/crm"))) == 1 and json.loads(http.of("/crm")[0]) == {"who": HOSTILE}
    assert [headers["HTTP_FSAPP_TRY"] for _path, headers, _body in http.taken] == ["1", "2", "3"]


def test_it_is_given_up_in_the_end_and_can_be_tried_again_by_hand(
    database: Database, http: HttpServer, running: Any,
) -> None:
    interaction(database)
    http.answers["/crm"] = [("500 No", [])]
    _waiting(database, "d1", tries=MAX_TRIES - 1)
    delivering = running(_sending(_rules(http.url)))
    row = _until(lambda: (row := _row(database, "d1"))["state"] == "failed" and row, "given up")
    assert row["error"] == f"given up after {MAX_TRIES} tries: answered 500"
    assert database.write(lambda connection: outbox.retry(connection, ["d1", "nonesuch"], time.time())) == ["d1"]
    delivering.wake()
    row = _until(lambda: (row := _row(database, "d1"))["state"] == "done" and row, "taken")
    assert row["tries"] == 1
    assert database.write(lambda connection: outbox.retry(connection, ["d1"], time.time())) == []
    assert database.write(lambda connection: outbox.drop(connection, ["d1"], time.time())) == []


def test_what_is_dropped_meanwhile_stays_dropped(database: Database) -> None:
    interaction(database)
    _waiting(database, "d1")
    now = time.time()
    [entry] = database.write(lambda connection: outbox.claim(connection, Target("webhook", "crm"), now, 60, 9))
    assert database.write(lambda connection: outbox.drop(connection, ["d1"], now)) == ["d1"]
    database.write(lambda connection: outbox.ended(connection, entry.id, now))
    database.write(lambda connection: outbox.later(connection, entry.id, now, "x"))
    assert _row(database, "d1")["state"] == "dropped"


def test_what_is_in_hand_is_taken_by_nobody_else_until_it_has_been_for_long(database: Database) -> None:
    interaction(database)
    _waiting(database, "d1")
    now = time.time()

    def claim(at: float) -> list[str]:
        return [one.id for one in database.write(
            lambda connection: outbox.claim(connection, Target("webhook", "crm"), at, 60, 9))]

    assert (claim(now), claim(now), claim(now + 59)) == (["d1"], [], [])
    assert claim(now + 61) == ["d1"], "whoever had it was killed"
    assert _row(database, "d1")["tries"] == 2


def test_a_clock_that_was_put_back_keeps_nothing_waiting(database: Database) -> None:
    interaction(database)
    now = time.time()
    for id_, next_at in (("d1", now + 7200), ("d2", now + 3600), ("d3", now - 7200)):
        _waiting(database, id_)
        database.write(lambda connection, id_=id_, at=next_at: outbox.later(connection, id_, at, "x"))
    target = Target("webhook", "crm")
    assert database.read(lambda connection: outbox.due(connection, now)) == [target]
    taken = database.write(lambda connection: outbox.claim(connection, target, now, 60, 9))
    assert {one.id for one in taken} == {"d1", "d3"}, "no pause is as long as that of d1; d2 may have to wait so long"
    assert database.write(lambda connection: outbox.claim(connection, target, now, 60, 9)) == []


def test_without_the_secret_nothing_is_sent(database: Database, http: HttpServer, running: Any) -> None:
    interaction(database)
    _waiting(database, "d1")
    _waiting(database, "d2", "unknown")
    running(_sending(_rules(http.url), environ={}))
    row = _until(lambda: (row := _row(database, "d1"))["error"] and row, "it says why")
    assert "FSAPP_TEST_SECRET is not set" in row["error"] and row["state"] == "waiting" and http.taken == []
    row = _until(lambda: (row := _row(database, "d2"))["error"] and row, "it says why")
    assert "no webhook unknown any more" in row["error"] and row["state"] == "waiting"


def test_what_is_broken_stops_nothing(
    database: Database, http: HttpServer, running: Any, redis_client: Any,
) -> None:
    interaction(database)
    _waiting(database, "d1", kind="task", payload={"place": "helpdesk"})
    _waiting(database, "d2", kind="nonsense")
    _waiting(database, "d3")
    running(_sending(_rules(http.url), client=redis_client))
    _waiting(database, "d4", payload=None)
    for id_, state in (("d1", "failed"), ("d2", "failed"), ("d3", "done"), ("d4", "failed")):
        _until(lambda id_=id_, state=state: _row(database, id_)["state"] == state, id_)
    assert _row(database, "d4")["error"] == "what was to be sent has been erased" and len(http.taken) == 1


# Letters


def _mailer(server: MailServer, kind: str = "smtp", user: str = "", host: str = "127.0.0.1") -> Mailer:
    return Mailer(f"{kind}://{user}{host}:{server.port}", "fsapp@example.com", 5.0)


def test_a_letter(mail: MailServer) -> None:
    assert _mailer(mail)(LETTER | {"subject": "Propu\u0161ten poziv \U0001f600", "text": "\u0161ta\n.\nline"},
                         id_="d1", now=1.0) == Delivered("sent")
    [(sender, to, text)] = mail.letters
    assert "fsapp@example.com" in sender and len(to) == 2
    letter = message_from_bytes(text.replace("\r\n..", "\r\n.").encode(), policy=policy.default)
    assert letter["Subject"] == "Propu\u0161ten poziv \U0001f600" and letter["From"] == "fsapp@example.com"
    assert letter["To"] == "ana@example.com, boris@example.com"
    assert letter["Message-ID"] == "<d1@example.com>" and letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_content().replace("\r\n", "\n") == "\u0161ta\n.\nline\n"


@pytest.mark.parametrize("change", [
    {"subject": "x\r\nBcc: all@example.com"}, {"subject": "x\nBcc: all@example.com"},
    {"to": ["x@example.com\r\nBcc: all@example.com"]}, {"to": ["x@example.com>\r\nRCPT TO:<all@example.com"]},
    {"to": []}, {"to": [""]},
])
def test_no_header_comes_from_a_value(mail: MailServer, change: dict[str, Any]) -> None:
    outcome = _mailer(mail)(LETTER | change, id_="d1", now=1.0)
    assert isinstance(outcome, Never), outcome
    assert mail.letters == []


@pytest.mark.parametrize(("verb", "answer", "kind"), [
    ("MAIL", "451 later", Later), ("MAIL", "550 not you", Later), ("RCPT", "450 full", Later),
    ("RCPT", "550 unknown", Never), ("DATA", "554 spam", Never), ("DATA", "421 bye", Later), ("EHLO", "421 bye", Later),
])
def test_what_a_mail_server_says(mail: MailServer, verb: str, answer: str, kind: type) -> None:
    mail.refuse[verb] = answer
    if verb == "EHLO":
        mail.refuse["HELO"] = answer
    outcome = _mailer(mail)(LETTER, id_="d1", now=1.0)
    assert isinstance(outcome, kind), outcome
    assert outcome.why.isprintable() and mail.letters == []


@pytest.mark.parametrize("answer", ["421 bye", "500 what", "250 ok"])
def test_a_letter_that_was_taken_is_not_sent_again_for_a_farewell(mail: MailServer, answer: str) -> None:
    mail.refuse["QUIT"] = answer
    assert _mailer(mail)(LETTER, id_="d1", now=1.0) == Delivered("sent")
    assert len(mail.letters) == 1


def test_a_mail_server_that_dribbles_is_not_waited_for() -> None:
    from gevent.server import StreamServer

    def dribble(socket: Any, _address: Any) -> None:
        with gevent.Timeout(30, False), contextlib.suppress(OSError):
            while not gevent.sleep(0.05):
                socket.sendall(b"220-wait\r\n")

    server = StreamServer(("127.0.0.1", 0), dribble)
    server.start()
    with gevent.Timeout(10, AssertionError("it is waited for")):
        outcome = Mailer(f"smtp://127.0.0.1:{server.server_port}", "fsapp@example.com", 5.0, 0.5)(
            LETTER, id_="d", now=1.0)
    server.stop(timeout=1)
    assert outcome == Later("the mail server did not take it within 0.5 s")


def test_a_mail_server_that_never_ends_its_answer_is_not_read_for_ever() -> None:
    from gevent.server import StreamServer

    def flood(socket: Any, _address: Any) -> None:
        with gevent.Timeout(30, False), contextlib.suppress(OSError):
            while True:
                socket.sendall(b"220-wait\r\n" * 1000)

    server = StreamServer(("127.0.0.1", 0), flood)
    server.start()
    outcome = Mailer(f"smtp://127.0.0.1:{server.server_port}", "fsapp@example.com", 5.0, 5.0)(LETTER, id_="d", now=1.0)
    server.stop(timeout=1)
    assert isinstance(outcome, Later) and "an answer without end" in outcome.why


def test_a_mail_server_that_is_not_there_or_not_set() -> None:
    outcome = Mailer("smtp://127.0.0.1:1", "fsapp@example.com", 5.0)(LETTER, id_="d", now=1.0)
    assert isinstance(outcome, Later) and "cannot be reached" in outcome.why
    outcome = Mailer("", "")(LETTER, id_="d", now=1.0)
    assert isinstance(outcome, Later) and "FSAPP_SMTP_URL" in outcome.why


def test_passwords_and_letters_go_encrypted_or_not_at_all(
    mail: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    outcome = _mailer(mail, "smtp+starttls")(LETTER, id_="d", now=1.0)
    assert isinstance(outcome, Later) and "STARTTLS" in outcome.why and mail.letters == []
    context, trusted = certificate(tmp_path)
    server = MailServer(starttls=context, login=True)
    outcome = _mailer(server, "smtp+starttls", "u%40x:p%2Fw@")(LETTER, id_="d", now=1.0)
    assert isinstance(outcome, Later) and server.letters == [], "a certificate that nobody vouches for"
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    for kind in ("smtp", "smtp+starttls"):
        assert _mailer(server, kind, "u%40x:p%2Fw@")(LETTER, id_="d", now=1.0) == Delivered("sent")
    assert [secure for secure, _said in server.logins] == [True, True] and len(server.letters) == 2
    server.stop()
    server = MailServer(smtps=context, login=True)
    assert _mailer(server, "smtps", "u:p@")(LETTER, id_="d", now=1.0) == Delivered("sent")
    server.stop()
    assert server_of("smtps://u%40x:p%2Fw@mail") == ("smtps", "mail", 465, "u@x", "p/w")


# Tasks


def _task(rules: Rules, client: Any, id_: str = "f" * 32, **more: Any) -> Outcome:
    wanted = {"number": NUMBER, "place": "helpdesk", "due_at": 1_700_000_600.0, "agent": "1004", "group": None,
              "called": "+381115550300", "name": "Vera", "language": "", "note": "again", **more}
    now = datetime.fromtimestamp(1_700_000_000.0, UTC)
    return TaskMaker(client)(wanted, rules, id_=id_, rule="all", made_at=now, now=now)


def test_a_task_is_made_once_and_told(redis_client: Any) -> None:
    rules = _rules()
    assert _task(rules, redis_client) == Delivered("f" * 12)
    assert _task(rules, redis_client) == Delivered("f" * 12), "whoever was killed in between does it once more"
    [task] = Tasks(redis_client).of(NUMBER)
    assert (task.id, task.agent, task.place, task.note) == ("f" * 12, "1004", "helpdesk", "again")
    assert (task.caller_id, task.made_by, task.kind.value) == ("+381115550300", "rule all", "again")
    assert task.due_at == datetime.fromtimestamp(1_700_000_600.0, UTC)
    events = [event for _place, event in stream.read(redis_client, stream.BEGINNING)]
    assert {event["id"] for event in events if event["type"] == "task"} == {events[0]["id"]}
    assert _task(rules, redis_client, "e" * 32, number=OTHER).what == "e" * 12


@pytest.mark.parametrize(("change", "said"), [
    ({"number": "+381900123456"}, "not dialled"), ({"number": "+381115550100"}, "not dialled: ours"),
    ({"number": "+12025550123"}, "not dialled: foreign"), ({"number": HOSTILE}, "not dialled"),
    ({"place": "closed-down"}, "no stage or line closed-down any more"),
])
def test_a_task_that_can_never_be_done(redis_client: Any, change: dict[str, Any], said: str) -> None:
    outcome = _task(_rules(), redis_client, **change)
    assert isinstance(outcome, Never) and said in outcome.why
    assert Tasks(redis_client).of(NUMBER) == ()


def test_who_calls_again_and_again_is_not_called_as_often(redis_client: Any) -> None:
    """Anybody can call with anybody's number."""
    made = [_task(_rules(), redis_client, str(which) * 32) for which in range(6)]
    assert made[:5] == [Delivered(str(which) * 12) for which in range(5)]
    assert made[5] == Never("the number has been called back 5 times within 24 hours, or is to be")
    assert len(Tasks(redis_client).of(NUMBER)) == 5
    assert _task(_rules(), redis_client, "0" * 32) == Delivered("0" * 12), "one that was made is there"


HOW = {"flow": rules_with()["flow"] | {
    "how": {"line": "helpdesk", "start": "end", "block": {"end": {"kind": "hangup"}}}}}
SURVEY = {"flow": "how", "about": "u1", "about_agent": "1004", "agent": None, "note": ""}


def test_a_survey_is_made_once_and_asks_nobody_twice(redis_client: Any) -> None:
    rules = _rules(**HOW)
    assert [_task(rules, redis_client, **SURVEY) for _ in range(2)] == [Delivered("f" * 12)] * 2
    [task] = Tasks(redis_client).of(NUMBER)
    assert (task.kind.value, task.flow, task.about, task.about_agent, task.agent, task.group) == (
        "survey", "how", "u1", "1004", None, None)
    assert (task.caller_id, task.made_by, task.tries_left) == ("+381115550300", "rule all", 3)
    again = _task(rules, redis_client, "e" * 32, **SURVEY)
    assert again == Needless(f"the customer is to be asked the same anyway, by task {task.id}")
    events = [event for _place, event in stream.read(redis_client, stream.BEGINNING)]
    assert {(event["task"], event["flow"], event["about"]) for event in events} == {(task.id, "how", "u1")}


def test_a_survey_that_cannot_be_made_is_dropped(database: Database, redis_client: Any, running: Any) -> None:
    for change in ({"number": "+381900123456"}, {"number": "+12025550123"}, {"number": HOSTILE}):
        assert isinstance(_task(_rules(**HOW), redis_client, **{**SURVEY, **change}), Needless)
    # What its author would want to know of has failed.
    assert _task(_rules(), redis_client, **SURVEY) == Never("the rules have no flow how any more")
    assert isinstance(_task(_rules(**HOW), redis_client, **{**SURVEY, "place": "gone"}), Never)
    interaction(database)
    _waiting(database, "s1", "how", "survey", payload={
        "number": "+381900123456", "place": "helpdesk", "due_at": 1.0, **SURVEY})
    running(_sending(_rules(**HOW), redis_client))
    _until(lambda: _row(database, "s1")["state"] != "waiting", "it is looked at")
    assert (_row(database, "s1")["state"], _row(database, "s1")["error"]) == (
        "dropped", "the number is not dialled: premium")


def test_while_redis_is_away_a_task_waits(own_redis: Any) -> None:
    server = own_redis()
    client = server.connect(0.5)
    server.stop()
    assert isinstance(_task(_rules(), client), Later)
    client.close()
