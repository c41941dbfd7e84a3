"""The pop opens when the call is offered: to whoever follows the agent, again after a break, without what is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
import pytest
import redis
import urllib3
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from sqlalchemy import select
from web_ends import Asker, Page, make_token, start_web

from fsapp.app.web import WebProcess
from fsapp.core.model import Sticky
from fsapp.records.schema import access_log, contacts
from fsapp.state import keys, stream
from fsapp.state.contacts import Entry, pack
from fsapp.state.store import Store

NUMBER = "+381601234567"
CONTACT = f"renewals/first-call/{NUMBER}"


@pytest.fixture
def page(web: WebProcess, asker: Callable[..., Asker]) -> Iterator[Callable[..., Page]]:
    reader = asker("read", "pages")
    opened: list[Page] = []

    def make(agent: str = "1004", last: str | None = None) -> Page:
        opened.append(Page(reader, agent, last))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def offer(client: redis.Redis, member: str = "m1", agent: str = "1004", **more: Any) -> None:
    tell(client, "agent_offered", member, agent=agent, number="0601234567",
         **{"call": f"c-{member}", "queue": "helpdesk@fsapp", **more})


def tell(client: redis.Redis, kind: str, member: str, **more: Any) -> None:
    event = {"type": kind, "id": f"{kind}-{member}-{more.get('agent')}", "at": time.time(), "member": member, **more}
    stream.add(client, [stream.encode(event)])


def test_the_pop_is_there_when_the_call_is_offered(
    admin: Asker, page: Callable[..., Page], redis_client: redis.Redis, web: WebProcess,
) -> None:
    vera = admin.ask("POST", "/customers", {"name": "Vera \U0001f600 \"x\"", "vip": 4, "numbers": [NUMBER]}).json
    admin.ask("POST", f"/customers/{vera['id']}/tags", {"tag": "gold"})
    admin.ask("POST", f"/customers/{vera['id']}/notes", {"text": "one\ntwo"})
    admin.ask("POST", "/interactions", {"channel": "sms", "id": "s1", "number": NUMBER, "text": "hello"})
    redis_client.set(keys.contacts(NUMBER), pack({"renewals/first-call": Entry(
        name="Vera P.", agent="1001", fields={"policy": "P-1 \u202e"})}))
    follower = page()
    offer(redis_client, **{"class": "callback", "contact": CONTACT, "campaign": "renewals"})
    name, id_, data = follower.next()
    assert (name, data["offer"]["id"], data["offer"]["agent"]) == ("pop", id_, "1004")
    assert (data["offer"]["member"], data["offer"]["class"], data["offer"]["queue"]) == (
        "m1", "callback", "helpdesk@fsapp")
    shown = data["pop"]
    assert shown == admin.ask("GET", f"/pop?number=060%201234567&contact={CONTACT.replace('+', '%2B')}").json
    assert (shown["number"], shown["known"], shown["name"], shown["vip"]) == (NUMBER, True, "Vera \U0001f600 \"x\"", 4)
    assert (shown["tags"], [note["text"] for note in shown["notes"]]) == (["gold"], ["one\ntwo"])
    assert [(one["channel"], one["number"]) for one in shown["interactions"]] == [("sms", NUMBER)]
    assert (shown["contact"]["id"], shown["contact"]["fields"]) == (CONTACT, {"policy": "P-1 \u202e"})
    assert shown["responsible"] == {"agent": "1001", "name": "ana", "because": "contact"}
    assert shown["faults"] == []

    def seen() -> list[str]:
        return sorted(web.parts.database.read(lambda connection: connection.execute(
            select(access_log.c.how).where(access_log.c.what == "pop", access_log.c.customer_id == vera["id"])
        ).scalars().all()))

    with gevent.Timeout(10, AssertionError("the look is not written down")):
        while seen() != ["pop for agent 1004", "web"]:
            gevent.sleep(0.02)


def test_the_call_itself_is_none_of_the_last_interactions(
    admin: Asker, page: Callable[..., Page], redis_client: redis.Redis,
) -> None:
    for id_ in ("before", "now"):
        admin.ask("POST", "/interactions", {"channel": "chat", "id": id_, "number": NUMBER})
    follower = page()
    offer(redis_client, call="chat:now")
    assert [one["id"] for one in follower.next()[2]["pop"]["interactions"]] == ["chat:before"]


@pytest.mark.parametrize("poison", [
    {"type": {"a": 1}}, {"type": ["agent_offered"]}, {"type": "agent_offered", "at": "never"},
    {"type": "agent_offered", "at": [1]}, {"type": "agent_offered", "at": float("nan")},
    {"type": "agent_offered", "agent": {}}, {"type": "call_answered", "member": {"a": 1}},
])
def test_a_poison_event_stops_no_pops(
    database_url: str, redis_server: Any, redis_client: redis.Redis, tmp_path: Path, poison: dict[str, Any],
) -> None:
    given = {"id": "p1", "at": time.time(), "agent": "1004", "member": "m0", **poison}
    stream.add(redis_client, [stream.encode(given)])
    process = start_web(database_url, redis_server, tmp_path)
    asker = Asker(process, make_token(process, "read"))
    follower = Page(asker, "1004")
    stream.add(redis_client, [stream.encode(given)])
    offer(redis_client, "m1", call=b"\xff", queue={"a": b"b"})
    _name, id_, data = follower.next()
    assert (data["offer"]["id"], data["offer"]["member"], data["pop"]["number"]) == (id_, "m1", NUMBER)
    process.stop()
    follower.close()
    asker.close()


def test_only_the_agents_own_calls_come(page: Callable[..., Page], redis_client: redis.Redis) -> None:
    mine, other = page("1004"), page("1005")
    offer(redis_client, "m1", "1005")
    offer(redis_client, "m2", "1004")
    assert mine.next()[2]["offer"]["member"] == "m2"
    assert other.next()[2]["offer"]["member"] == "m1"


def test_an_unknown_caller_is_an_empty_record_and_a_withheld_number_none(
    page: Callable[..., Page], redis_client: redis.Redis,
) -> None:
    follower = page()
    for member, number in (("m1", "0601234567"), ("m2", "anonymous"), ("m3", None), ("m4", "\u202e'; DROP TABLE--")):
        tell(redis_client, "agent_offered", member, agent="1004", number=number)
    found = [follower.next()[2]["pop"] for _ in range(4)]
    assert [one["number"] for one in found] == [NUMBER, None, None, None]
    for one in found:
        assert {key: value for key, value in one.items() if key != "number"} == {
            "known": False, "name": None, "vip": 0, "customer": None, "tags": [], "tickets": [], "interactions": [],
            "notes": [], "responsible": None, "contact": None, "faults": []}


def test_a_page_that_comes_back_has_missed_nothing(page: Callable[..., Page], redis_client: redis.Redis) -> None:
    first = page()
    offer(redis_client, "m1")
    _, seen, _ = first.next()
    first.close()
    tell(redis_client, "agent_missed", "m1", agent="1004")
    offer(redis_client, "m2")
    tell(redis_client, "agent_missed", "m2", agent="1004")
    offer(redis_client, "m3")
    again = page(last=seen)
    assert [again.next()[2]["offer"]["member"] for _ in range(2)] == ["m2", "m3"]


def test_a_page_that_comes_late_gets_what_is_going_on(page: Callable[..., Page], redis_client: redis.Redis) -> None:
    early = page()
    for member in ("missed", "talked", "ringing"):
        offer(redis_client, member)
    tell(redis_client, "agent_missed", "missed", agent="1004")
    tell(redis_client, "call_answered", "talked", agent="1004")
    tell(redis_client, "agent_missed", "ringing", agent="1005")  # somebody else's
    got = [early.next() for _ in range(5)]
    assert [(name, data.get("became")) for name, _, data in got if name == "became"] == [
        ("became", "missed"), ("became", "answered")]
    late = page()
    assert [(data["offer"]["member"], data["offer"]["became"]) for _, _, data in (late.next(), late.next())] == [
        ("talked", "answered"), ("ringing", None)]
    tell(redis_client, "talk_ended", "talked", agent="1004")
    name, _, data = late.next()
    assert (name, data["became"]) == ("became", "ended")


def test_a_fact_told_twice_opens_one_pop(page: Callable[..., Page], redis_client: redis.Redis) -> None:
    follower = page()
    offer(redis_client, "m1")
    offer(redis_client, "m1")
    offer(redis_client, "m2")
    assert [follower.next()[2]["offer"]["member"] for _ in range(2)] == ["m1", "m2"]


def test_what_is_in_the_stream_before_the_start_is_known(
    database_url: str, redis_server: Any, redis_client: redis.Redis, tmp_path: Path,
) -> None:
    offer(redis_client, "m1")
    process = start_web(database_url, redis_server, tmp_path)
    asker = Asker(process, make_token(process, "read"))
    follower = Page(asker, "1004")
    assert follower.next()[2]["offer"]["member"] == "m1"
    process.stop()
    assert follower.ends(), "the end of the process is the end of the stream"
    follower.close()
    asker.close()


def test_whose_a_customer_is(admin: Asker, redis_client: redis.Redis) -> None:
    def responsible(query: str = "") -> Any:
        found = admin.ask("GET", f"/pop?number={NUMBER.replace('+', '%2B')}{query}").json["responsible"]
        return found and (found["agent"], found["because"])

    assert responsible() is None
    entries = {"renewals/first-call": Entry(agent="1001", attempted_at=5.0), "web-leads/new": Entry(agent="1002")}
    redis_client.set(keys.contacts(NUMBER), pack(entries))
    assert responsible() == ("1001", "contact")
    Store(redis_client).put_sticky(NUMBER, Sticky("1005", datetime.now(UTC)))
    assert responsible() == ("1005", "stickiness")
    assert responsible(f"&contact=web-leads/new/{NUMBER.replace('+', '%2B')}") == ("1002", "contact")


def test_a_contact_that_redis_does_not_have_comes_from_the_memory(admin: Asker, web: WebProcess) -> None:
    web.parts.database.write(lambda connection: connection.execute(contacts.insert().values(
        id=CONTACT, campaign="renewals", stage="first-call", number=NUMBER, state="closed", agent="1002",
        fields={"policy": "P-2"})))
    found = admin.ask("GET", f"/pop?number=0601234567&contact={CONTACT.replace('+', '%2B')}").json["contact"]
    assert (found["open"], found["agent"], found["fields"]) == (False, "1002", {"policy": "P-2"})


def test_without_the_memory_what_redis_has_is_shown(
    redis_server: Any, redis_client: redis.Redis, tmp_path: Path, database_url: str,
) -> None:
    process = start_web(database_url, redis_server, tmp_path)
    asker = Asker(process, make_token(process, "read"))
    follower = Page(asker, "1004")
    redis_client.set(keys.contacts(NUMBER), pack({"renewals/first-call": Entry(name="Vera P.", fields={"a": "b"})}))
    process.parts.database._engine.dispose()
    process.parts.pop_reader._database = process.parts.database.__class__(f"sqlite:///{tmp_path}/nowhere.db")
    offer(redis_client, contact=CONTACT)
    shown = follower.next()[2]["pop"]
    assert (shown["name"], shown["contact"]["fields"], shown["customer"]) == ("Vera P.", {"a": "b"}, None)
    assert [("fsapp records migrate" in fault) for fault in shown["faults"]] == [True]
    process.stop()
    follower.close()
    asker.close()


@contextmanager
def crm(answer: Callable[[], tuple[str, bytes]]) -> Iterator[tuple[str, list[str]]]:
    """Somebody's CRM: its address with {number}, and what it was asked for."""
    asked: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        asked.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        status, body = answer()
        start_response(status, [("Content-Type", "application/json")])
        return [body]

    server = WSGIServer(("127.0.0.1", 0), application, log=None, error_log=None)
    server.start()
    yield f"http://127.0.0.1:{server.server_port}/by?n={{number}}", asked
    server.stop(timeout=0)


@pytest.mark.parametrize(("status", "body", "said"), [
    ("200 OK", b'{"debt": 12}', {"state": "answered", "answer": {"debt": 12}}),
    ("500 Oops", b"{}", {"state": "status-500", "answer": None}),
    ("200 OK", b"<html>", {"state": "not-json", "answer": None}),
    ("200 OK", b"[1]", {"state": "not-json", "answer": None}),
    ("200 OK", b'{"a": "' + b"x" * 70_000 + b'"}', {"state": "huge", "answer": None}),
    ("200 OK", b'{"a": ' + b"[" * 500 + b"]" * 500 + b"}", {"state": "wrong", "answer": None}),
    ("200 OK", b'{"a": NaN}', {"state": "not-json", "answer": None}),
    ("200 OK", b'{"a": [1e999]}', {"state": "wrong", "answer": None}),
    ("200 OK", b'{"a\\ud800": ["\\ud800"]}', {"state": "answered", "answer": {"a?": ["?"]}}),
])
def test_a_crm_outside_is_asked_and_ours_does_not_wait(
    database_url: str, redis_server: Any, redis_client: redis.Redis, tmp_path: Path, status: str, body: bytes,
    said: Any,
) -> None:
    go_on = Event()

    def answer() -> tuple[str, bytes]:
        assert go_on.wait(20)
        return status, body

    with crm(answer) as (address, asked):
        process = start_web(database_url, redis_server, tmp_path, pop_lookup=address, pop_lookup_s=20)
        asker = Asker(process, make_token(process, "read"))
        follower = Page(asker, "1004")
        offer(redis_client)
        name, id_, data = follower.next()
        assert (name, data["pop"]["number"]) == ("pop", NUMBER), "ours is there while the outside has said nothing"
        assert asker.ask("GET", "/pop?number=0601234567").status == 200
        go_on.set()
        name, none, outside = follower.next()
        assert (name, none, outside) == ("outside", None, {"offer": id_, **said})
        assert asker.ask("GET", "/pop/outside?number=0601234567").json == {"number": NUMBER, **said}
        assert set(asked) == {"/by?n=%2B381601234567"}
        process.stop()
        follower.close()
        asker.close()


def test_a_crm_that_hangs_or_is_not_there_costs_nothing(database_url: str, redis_server: Any, tmp_path: Path) -> None:
    hang = Event()
    with crm(lambda: (hang.wait(20) and "200 OK" or "500 no", b"{}")) as (address, _asked):
        for lookup, state, limit_s in ((address, "slow", 0.2), ("http://127.0.0.1:1/{number}", "down", 20)):
            process = start_web(database_url, redis_server, tmp_path, pop_lookup=lookup, pop_lookup_s=limit_s)
            asker = Asker(process, make_token(process, "read", f"test-{state}"))
            assert asker.ask("GET", "/pop/outside?number=0601234567").json == {
                "number": NUMBER, "state": state, "answer": None}
            process.stop()
            asker.close()
        hang.set()


def test_no_crm_is_asked_where_none_is_named(admin: Asker) -> None:
    assert admin.ask("GET", "/pop/outside?number=0601234567").error == "no-lookup"


@pytest.mark.parametrize(("path", "status", "code"), [
    ("/agents/9999/pops", 404, "no-agent"), ("/agents/%E2%80%AE/pops", 404, "no-agent"), ("/pop", 422, "refused"),
    ("/pop?number=x", 422, "refused"), ("/pop?number=0601234567&contact=a", 422, "refused"),
    ("/pop?number=0601234567&contact=a/b/%2B1'--", 422, "refused")])
def test_what_cannot_be_shown(admin: Asker, path: str, status: int, code: str) -> None:
    said = admin.ask("GET", path)
    assert (said.status, said.error) == (status, code)


def test_redis_that_is_back_is_no_fault_though_nothing_happens(
    database_url: str, own_redis: Callable[..., Any], tmp_path: Path,
) -> None:
    server = own_redis()
    process = start_web(database_url, server, tmp_path)

    def healthy() -> bool:
        with urllib3.PoolManager(retries=False) as pool:
            said = pool.request("GET", "http://{}:{}/healthz".format(*process.health.address), timeout=20)
        return bool(said.json()["healthy"])

    def until(wanted: bool) -> None:
        with gevent.Timeout(30, AssertionError(f"it never says healthy: {wanted}")):
            while healthy() is not wanted:
                gevent.sleep(0.05)

    until(True)
    server.stop()
    until(False)
    server.start()
    until(True)
    process.stop()


@pytest.mark.parametrize("last", ["0", "x", "-1", "9" * 40, "1-1; DROP", "99999999999999-0"])
def test_a_last_id_that_is_none_is_no_harm(page: Callable[..., Page], redis_client: redis.Redis, last: str) -> None:
    follower = page(last=last)
    offer(redis_client)
    assert follower.next()[0] == "pop"


def test_a_page_that_is_gone_leaves_nothing(
    web: WebProcess, page: Callable[..., Page], redis_client: redis.Redis,
) -> None:
    for _ in range(3):
        page().close()
    with gevent.Timeout(30, AssertionError("a page is still followed")):
        count = 0
        while web.parts.pops.following:
            count += 1
            offer(redis_client, f"m{count}")  # what cannot be sent any more tells that nobody is there
            gevent.sleep(0.05)
