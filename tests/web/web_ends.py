"""A running `fsapp web` on a real socket, and somebody who asks it. No tests."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import urllib3

from fsapp.app.web import WebProcess
from fsapp.records.tokens import May, add
from fsapp.rules import load_folder
from fsapp.settings import Settings
from fsapp.state.rules import RulesStore

__all__ = ["Answer", "Asker", "start_web"]

EXAMPLE = Path(__file__).parents[2] / "conf" / "rules"


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
