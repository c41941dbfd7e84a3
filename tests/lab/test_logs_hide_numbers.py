"""All processes at work, with calls, faults and nonsense: no log has a name or a number in any spelling in it."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import urllib3
from gevent import socket
from lab_centre import DOCUMENT, ROOT, Centre, scenario
from lab_ends import until
from sqlalchemy import func, select

from fsapp.lab.esl_in import EventSocket
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.tokens import May, add
from fsapp.records.versions import migrate
from fsapp.state import keys, stream

NUMBER, NAME = "+381601234567", "Ana Petrovi\u0107"
SPELLINGS = (NUMBER, "0601234567", "00381601234567", "381601234567", "060/123-45-67")
TRACES = ("601234567", "060123", "Petrovi")
HELPDESK, FLOW, FIRST_CALL = "+381115550300", "+381115550400", "+381115550100"
CLOSED = "http://127.0.0.1:1"


def document() -> dict[str, Any]:
    """Calls that are lost are called back, and what follows goes where nobody listens."""
    made = copy.deepcopy(DOCUMENT)
    made["line"]["helpdesk"] |= {"stickiness": "agent", "call_back_lost": True, "lost_wait_s": 0, "lost_after_s": 0}
    made["webhook"] = {"crm": {"url": f"{CLOSED}/hook"}}
    made["email"] = {"thanks": {"to": "ana@example.com", "subject": "{number} {name}", "text": "{number}"}}
    made["after"] = [
        {"name": "tell", "webhook": "crm", "email": "thanks", "ticket": "new", "subject": "{name} {number}"}]
    return made


class Everything:
    """The example centre, each part a process of its own whose log is a file."""

    def __init__(self, redis: Any, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/fsapp.db"
        migrate(self.url)
        self.database = Database(self.url)
        self.token = self.database.write(lambda connection: add(connection, "test", May.ADMIN, at=1.0))
        self.centre = Centre(redis, folder, document())
        self.centre.import_contacts({NUMBER: "1001"})
        self.centre.start_serve()
        self.switch = self.centre.switch(scenario(speed=10, busy=2))
        self.socket = EventSocket(self.switch, ("127.0.0.1", 0), "ClueCon")
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": redis.url, "FSAPP_DATABASE_URL": self.url, "FSAPP_SWITCH_PASSWORD": "ClueCon",
            "FSAPP_SWITCH": "{}:{}".format(*self.socket.address), "FSAPP_LINK_HTTP": "127.0.0.1:0",
            "FSAPP_RECORDER_HTTP": "127.0.0.1:0", "FSAPP_FOLLOWUPS_HTTP": "127.0.0.1:0",
            "FSAPP_WEB_HTTP": "127.0.0.1:0", "FSAPP_WEB_LISTEN": "127.0.0.1:0", "PYTHONIOENCODING": "utf-8",
            "FSAPP_POP_LOOKUP": f"{CLOSED}/crm?number={{number}}", "FSAPP_SMTP_URL": "smtp://127.0.0.1:1",
            "FSAPP_MAIL_FROM": "centre@example.com", "FSAPP_LOG_LEVEL": "debug",
            "FSAPP_SNAPSHOT": str(folder / "snapshot-of-others"),
        }
        # Both forms of a log.
        self.processes = {name: self._start(name, *words) for name, *words in (
            ("link", "--json"), ("recorder",), ("followups", "run"), ("web", "--json"))}
        until(lambda: "web_up" in self.log("web"), "the web is up")
        until(lambda: "link_up" in self.log("link"), "the link is up")
        facts = [json.loads(line) for line in self.log("web").splitlines() if line.startswith("{")]
        self.web = next(fact["listen"] for fact in facts if fact["event"] == "web_up")

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fsapp", name, *words], cwd=ROOT, env=self.environ, stdout=log, stderr=log)

    def fsapp(self, *words: str) -> str:
        """What a command says on stderr."""
        done = subprocess.run([sys.executable, "-m", "fsapp", *words], cwd=ROOT, env=self.environ, timeout=60,
                              capture_output=True, check=False)
        return done.stderr.decode()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def ask(self, path: str, body: Any = None) -> int:
        pool = urllib3.PoolManager(retries=False)
        try:
            return pool.request("GET" if body is None else "POST", f"http://{self.web}/api{path}", timeout=20, headers={
                "Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
                body=None if body is None else json.dumps(body).encode()).status
        finally:
            pool.clear()

    def count(self, table: Any) -> int:
        query = select(func.count()).select_from(table)
        return self.database.read(lambda connection: connection.execute(query).scalar_one())

    def stop(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        self.socket.stop()
        self.centre.close()
        self.database.close()


@pytest.fixture
def everything(own_redis: Any, tmp_path: Path) -> Iterator[Everything]:
    parts = Everything(own_redis(), tmp_path)
    yield parts
    parts.stop()


def nonsense(client: Any) -> None:
    """What nobody wrote is under the customer's keys and in the stream."""
    for key in (keys.rights(NUMBER), keys.sticky(NUMBER), keys.contacts(NUMBER), keys.tasks(NUMBER)):
        client.set(key, b"\xc1 0601234567 " + NAME.encode())
    stream.add(client, [
        stream.encode({"type": "call_hung_up", "id": f"{NUMBER}-1", "at": f"never {NUMBER}", "call": "x"}),
        stream.encode({"type": "talk_ended", "id": "0601234567", "at": 1.0, "call": "x", "agent": [NAME, NUMBER]}),
        stream.encode({"type": f"{NUMBER}", "id": "y", "at": 1.0, "name": NAME}), b"0601234567 " + NAME.encode()])


def calls(parts: Everything) -> None:
    made = [parts.switch.call(one, called, name=NAME) for one in SPELLINGS for called in (HELPDESK, FIRST_CALL)]
    for call in made:
        until(lambda call=call: call.hangup_cause or call.get("cc_agent"), "an agent takes it")
    flow = parts.switch.call(SPELLINGS[1], FLOW, name=NAME)
    until(lambda: flow.get("fsapp_block") or flow.hangup_cause, "the flow asks")
    for call in (*made, flow):
        call.hangup("NORMAL_CLEARING", "caller")


def test_no_log_has_a_number_or_a_name(everything: Everything) -> None:
    calls(everything)
    until(lambda: everything.count(schema.interactions) >= 11, "they are recorded")
    nonsense(everything.centre.client)
    calls(everything)
    until(lambda: everything.count(schema.quarantine) >= 3, "what is malformed is in quarantine")
    for path in ("/pop?number=0601234567", "/pop/outside?number=060%201234567", "/timeline?number=%2B381601234567",
                 "/customers?number=0601234567&text=Ana", "/nothing/0601234567"):
        everything.ask(path)
    everything.ask("/interactions", {"channel": "sms", "id": "0601234567-1", "number": "0601234567", "subject": NAME})
    everything.ask("/customers", {"name": NAME, "numbers": ["0601234567", "0601234567x"]})
    host, _, port = everything.web.partition(":")
    with socket.create_connection((host, int(port)), 10) as raw:
        raw.sendall(b"GET /api/pop?number=0601234567 HTTP/9.9\r\nX: " + NAME.encode() + b"\r\n\r\n")
        raw.recv(1000)
    until(lambda: "followup_" in everything.log("followups"), "a webhook is tried in vain")
    until(lambda: everything.count(schema.interactions) >= 23, "all is recorded")
    said = everything.fsapp("tasks", "list", "--number", NUMBER) + everything.fsapp("stickiness", "show", NUMBER)
    for name in everything.processes:
        everything.processes[name].send_signal(signal.SIGTERM)
    with gevent.Timeout(30, AssertionError("they end")):
        while any(process.poll() is None for process in everything.processes.values()):
            gevent.sleep(0.02)
    logs = {path.name: path.read_text() for path in everything.folder.glob("*.log")} | {"commands": said}
    assert set(logs) == {"serve0.log", "link.log", "recorder.log", "followups.log", "web.log", "commands"}
    for name, text in logs.items():
        assert not [line for line in text.splitlines() if any(trace in line for trace in TRACES)], name
        assert "part=" in text or '"part"' in text, f"{name} is a log"
    assert "*****567}" in logs["serve0.log"], "they are masked, not left out"
    assert "event_quarantined" in logs["recorder.log"] and "bad_value" in logs["commands"]
