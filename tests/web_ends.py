"""A running `fsapp web` on a real socket, and somebody who asks it. No tests."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import urllib3

from fsapp.app.web import WebProcess
from fsapp.records.tokens import May, add
from fsapp.rules import load_folder
from fsapp.settings import Settings
from fsapp.state.rules import RulesStore

__all__ = ["Answer", "Asker", "Page", "make_token", "start_web"]

EXAMPLE = Path(__file__).parents[1] / "conf" / "rules"


class Answer(NamedTuple):
    status: int
    json: Any
    headers: Any

    @property
    def error(self) -> str:
        """The code of the fault, which has the one shape."""
        assert set(self.json) == {"error"} and {"code", "message", "faults"} <= set(self.json["error"]), self.json
        assert self.json["error"]["faults"] and all(isinstance(one, str) for one in self.json["error"]["faults"])
        return self.json["error"]["code"]


class Asker:
    """Asks with a token; `ask("POST", "/customers", {...})`."""

    def __init__(self, process: WebProcess, token: str | None) -> None:
        self.base = "http://{}:{}".format(*process.server.address)
        self.token = token
        self._pool = urllib3.PoolManager(retries=False)

    def ask(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str) -> Answer:
        sent = {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **headers}
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        found = self._pool.request(method, f"{self.base}/api{path}", body=content, headers=sent, timeout=20)
        return Answer(found.status, json.loads(found.data) if found.data else None, found.headers)

    def close(self) -> None:
        self._pool.clear()


class Page:
    """A browser's page that follows an agent: the events it gets, one by one."""

    def __init__(self, asker: Asker, agent: str, last: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {asker.token}", **({"Last-Event-ID": last} if last else {})}
        self._pool = urllib3.PoolManager(retries=False)
        self.answer = self._pool.request("GET", f"{asker.base}/api/agents/{agent}/pops", headers=headers,
                                         preload_content=False, timeout=30)
        self._lines = self._split()
        assert self.answer.status == 200 and self.answer.headers["Content-Type"].startswith("text/event-stream")
        assert next(self._lines) == "retry: 1000" and next(self._lines) == ""

    def _split(self) -> Iterator[str]:
        kept = b""
        for chunk in self.answer.stream(65536):
            kept += chunk
            *lines, kept = kept.split(b"\n")
            yield from (line.decode() for line in lines)

    def next(self) -> tuple[str, str | None, Any]:
        """Name, id and data of the next event."""
        said: dict[str, str] = {}
        with gevent.Timeout(20, AssertionError("nothing comes")):
            for line in self._lines:
                if not line and "data" in said:
                    return said["event"], said.get("id"), json.loads(said["data"])
                name, _, value = line.partition(": ")
                if name:
                    said[name] = value
        raise AssertionError("the stream has ended")

    def ends(self) -> bool:
        with gevent.Timeout(20, AssertionError("it goes on")):
            return list(self._lines) is not None

    def close(self) -> None:
        self.answer.close()
        self._pool.clear()


def start_web(database_url: str, redis_server: Any, folder: Path, **changes: Any) -> WebProcess:
    """With the example centre's rules."""
    client = redis_server.connect()
    RulesStore(client).load(load_folder(EXAMPLE), note="", author="test", source="test")
    client.close()
    process = WebProcess(Settings(
        redis_url=redis_server.url, redis_timeout_s=2, database_url=database_url, web_listen="127.0.0.1:0",
        web_http="127.0.0.1:0", snapshot=str(folder / "snapshot"), **{"web_rate": 10_000, **changes}))
    process.start()
    return process


def make_token(process: WebProcess, may: str, name: str = "") -> str:
    return process.parts.database.write(
        lambda connection: add(connection, name or f"test-{may}", May(may), at=time.time()))
