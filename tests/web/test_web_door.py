"""Who is let in, how much, how often; bad bodies; a memory that is away: one clear answer each, and it goes on."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import urllib3
from gevent import socket
from web_ends import Asker, make_token, start_web

from fsapp.app.web import WebProcess
from fsapp.records import tokens
from fsapp.web import token_book


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer ", "Bearer x", "Basic dXNlcjpwYXNz",
                                   "Bearer fsapp_\xe9\xff", "bearer " + "a" * 7000])
def test_nobody_is_let_in_without_a_token(web: WebProcess, asker: Callable[..., Asker], given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    for path in ("/customers?text=a", "/nothing/here"):
        said = asker(None).ask("GET", path, **headers)
        assert (said.status, said.error, said.headers["WWW-Authenticate"]) == (401, "no-token", "Bearer")


def test_a_token_may_what_it_may(asker: Callable[..., Asker]) -> None:
    reader, writer = asker("read"), asker("write")
    assert reader.ask("GET", "/customers?text=a").status == 200
    assert reader.ask("POST", "/customers", {}).error == "not-allowed"
    made = writer.ask("POST", "/customers", {"name": "A"})
    assert made.status == 201
    assert writer.ask("POST", f"/customers/{made.json['id']}/merge", {"other": "x"}).error == "not-allowed"


def test_a_token_that_is_removed_is_refused(
    web: WebProcess, asker: Callable[..., Asker], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token_book, "KEPT_S", 0.0)
    reader = asker("read", "gone")
    assert reader.ask("GET", "/customers?text=a").status == 200
    web.parts.database.write(lambda connection: tokens.remove(connection, "gone"))
    assert reader.ask("GET", "/customers?text=a").status == 401


def test_only_a_hash_of_a_token_is_kept(web: WebProcess) -> None:
    text = make_token(web, "read")
    [kept] = web.parts.database.read(tokens.listed)
    assert text not in repr(kept) and kept.hash == tokens.hashed(text)


@pytest.mark.parametrize(("raw", "status", "code"), [
    (b"", 400, "not-json"), (b"{", 400, "not-json"), (b"[]", 400, "not-json"), (b"null", 400, "not-json"),
    (b'"text"', 400, "not-json"), (b'{"name": NaN}', 400, "not-json"), (b"\xff\xfe{}", 400, "not-json"),
    (b"[" * 60_000, 400, "not-json"), (b'{"fields":' * 30 + b"1" + b"}" * 30, 400, "not-json"),
    (b'{"name": "' + b"a" * 70_000 + b'"}', 413, "too-large"), (b'{"vip": 1e400}', 422, "refused"),
    (b'{"vip": ' + b"9" * 5000 + b"}", 400, "not-json"), (b'{"name": "\\ud800"}', 201, ""),
])
def test_bad_bodies(admin: Asker, raw: bytes, status: int, code: str) -> None:
    said = admin.ask("POST", "/customers", raw=raw)
    assert said.status == status
    assert not code or said.error == code


def in_chunks(content: bytes, each: int) -> Iterator[bytes]:
    return (content[at: at + each] for at in range(0, len(content), each))


@pytest.mark.parametrize(("size", "status"), [(10, 201), (100, 201), (70_000, 413), (1_000_000, 413)])
def test_a_body_in_chunks_is_as_good_as_one_with_its_length(admin: Asker, size: int, status: int) -> None:
    content = b'{"name": "' + b"a" * size + b'"}'
    with urllib3.PoolManager(retries=False) as pool:
        said = pool.request(
            "POST", f"{admin.base}/api/customers", body=in_chunks(content, 5000), timeout=20, chunked=True,
            headers={"Authorization": f"Bearer {admin.token}", "Content-Type": "application/json"})
    assert (said.status, said.json().get("error", {}).get("code")) == (status, "too-large" if status == 413 else None)


def test_a_body_that_never_ends_keeps_no_connection(web: WebProcess) -> None:
    head = b"POST /api/customers HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n"
    with gevent.Timeout(20, AssertionError("it is read to its end")), socket.create_connection(
            web.server.address) as raw:
        raw.sendall(head)
        assert raw.recv(65536).startswith(b"HTTP/1.1 401 ")
        with contextlib.suppress(OSError):
            while True:  # a byte a moment, as a slow one would
                raw.sendall(b"x")
                gevent.sleep(0.05)


def test_a_body_that_is_something_else(admin: Asker) -> None:
    said = admin.ask("POST", "/customers", raw=b"name=a", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert (said.status, said.error) == (415, "not-json")


def test_what_is_not_there_and_what_cannot_be_done_there(admin: Asker) -> None:
    for path in ("/nothing", "/customers//timeline", "//customers"):
        assert admin.ask("GET", path).error == "not-found"
    said = admin.ask("DELETE", "/customers")
    assert (said.status, said.error) == (405, "wrong-method")
    assert "POST" in said.headers["Allow"]


@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "/customers/%00", None), ("GET", "/customers/a%00b/timeline", None), ("GET", "/interactions/%00", None),
    ("PATCH", "/customers/%00", {"name": "A"}), ("POST", "/tickets/%00/close", {}),
    ("DELETE", "/customers/%00/tags/x", None),
    ("POST", "/customers/{}/merge", {"other": "\0"}), ("POST", "/customers/{}/merge", {"other": "\ud800"}),
    ("POST", "/tickets", {"subject": "A", "customer": "a\0"}),
    ("POST", "/tickets", {"subject": "A", "customer": "\ud800"}),
    ("POST", "/tickets", {"subject": "A", "interaction": "\0x"}),
])
def test_ids_that_no_database_takes(admin: Asker, method: str, path: str, body: Any) -> None:
    customer = admin.ask("POST", "/customers", {"name": "A"}).json["id"]
    said = admin.ask(method, path.format(customer), body)
    assert said.status in (404, 422) and said.error


def test_too_many_requests_are_put_off(database_url: str, redis_server: Any, tmp_path: Path) -> None:
    process = start_web(database_url, redis_server, tmp_path, web_rate=0.001)
    one, other = Asker(process, make_token(process, "read")), Asker(process, make_token(process, "write"))
    assert one.ask("GET", "/customers?text=a").status == 200
    said = one.ask("GET", "/customers?text=a")
    assert (said.status, said.error) == (429, "too-often") and int(said.headers["Retry-After"]) > 500
    assert other.ask("GET", "/customers?text=a").status == 200, "each has a limit of their own"
    one.close()
    other.close()
    process.stop()


def test_a_memory_that_is_not_there_is_said_and_comes_back(redis_server: Any, tmp_path: Path) -> None:
    from fsapp.records.versions import migrate

    url = f"sqlite:///{tmp_path}/late.db"
    process = start_web(url, redis_server, tmp_path)
    asker = Asker(process, "fsapp_x")
    said = asker.ask("GET", "/customers?text=a")
    assert (said.status, said.error) == (503, "records-unavailable")
    assert "fsapp records migrate" in said.json["error"]["message"]
    migrate(url)
    asker.token = make_token(process, "read")
    assert asker.ask("GET", "/customers?text=a").status == 200
    asker.close()
    process.stop()


@pytest.mark.parametrize("sent", [
    b"\x00\x01\x02\r\n\r\n", b"GET /api/customers HTTP/9.9\r\n\r\n", b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"POST /api/customers HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000 + b"\r\n",
    b"POST /api/customers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
])
def test_what_is_no_http_ends_its_own_connection_only(web: WebProcess, admin: Asker, sent: bytes) -> None:
    with gevent.Timeout(30, AssertionError("the connection is not ended")), socket.create_connection(
            web.server.address) as raw:
        try:
            raw.sendall(sent)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(65536):
                pass
        except OSError:
            pass  # it ended the connection before it had read all
    assert admin.ask("GET", "/customers?text=a").status == 200


def test_health_is_said_without_a_token(web: WebProcess) -> None:
    with urllib3.PoolManager(retries=False) as pool:
        answer = pool.request("GET", "http://{}:{}/healthz".format(*web.health.address), timeout=10)
    assert json.loads(answer.data) == {"healthy": True, "faults": []}
