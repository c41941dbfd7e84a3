"""`fsapp up`: everything that is missing is said at once, a line each; what is there is run and kept running."""

from __future__ import annotations

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
from sqlalchemy import text as sql

from fsapp.cli.up import look
from fsapp.core.rules import Rules
from fsapp.lab.callcenter import from_rules
from fsapp.lab.dialplan import parse
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.switch import Switch
from fsapp.records.database import engine_of
from fsapp.rules import load_folder
from fsapp.settings import Settings
from fsapp.state.rules import RulesStore
from fsapp.telephony.link import Link

ROOT = Path(__file__).parents[2]
DOCUMENT = load_folder(ROOT / "conf/rules")
PASSWORD = "a-password-of-the-test"


@pytest.fixture
def switch() -> Iterator[Any]:
    """A switch with the queues of the example centre, and its event socket's address."""
    queues, tiers = from_rules(Rules.from_document(DOCUMENT).queues.values())
    switch = Switch(parse({"public.xml": "<include/>"}), queues, (), ())
    switch.start()
    event_socket = EventSocket(switch, ("127.0.0.1", 0), PASSWORD)
    switch.where = "{}:{}".format(*event_socket.address)
    yield switch
    event_socket.stop()
    switch.stop()


def _settings(redis_server: Any, switch: Any, **changes: Any) -> Settings:
    changes = {"database_url": "sqlite:////nowhere/fsapp.db"} | changes
    return Settings(redis_url=redis_server.url, redis_timeout_s=2, switch=switch.where, switch_password=PASSWORD,
                    rules=str(ROOT / "conf/rules"), dialplan=str(ROOT / "dialplan"), **changes)


def _load(redis_client: Any) -> None:
    RulesStore(redis_client).load(DOCUMENT, note="", author="test", source="test")


def preflight(settings: Settings) -> list[str]:
    """Everything that is missing."""
    return [line for lines in look(settings) for line in lines]


def test_everything_is_there(redis_server: Any, redis_client: Any, switch: Any) -> None:
    _load(redis_client)
    assert preflight(_settings(redis_server, switch)) == []


def test_every_fault_at_once(redis_server: Any, redis_client: Any, switch: Any) -> None:
    settings = _settings(redis_server, switch).model_copy(update={"switch_password": "wrong"})
    no_rules, refused = preflight(settings)
    assert "no rules are loaded: run `fsapp rules load" in no_rules
    assert "FSAPP_SWITCH_PASSWORD" in refused


def test_a_password_that_was_never_set(redis_server: Any, redis_client: Any, switch: Any) -> None:
    _load(redis_client)
    [fault] = preflight(_settings(redis_server, switch).model_copy(update={"switch_password": ""}))
    assert "FSAPP_SWITCH_PASSWORD" in fault


def test_a_switch_without_a_queue_and_a_dialplan_for_another_address(
    redis_server: Any, redis_client: Any, switch: Any,
) -> None:
    _load(redis_client)
    del switch.callcenter.queues["helpdesk@fsapp"]
    for name, text in switch.configuration.files.items():
        switch.configuration.files[name] = text.replace("helpdesk@fsapp", "gone@fsapp")
    faults = preflight(_settings(redis_server, switch, listen="127.0.0.1:9999"))
    assert any("fsapp_socket" in fault or "9999" in fault for fault in faults)
    assert any("no queue helpdesk@fsapp" in fault for fault in faults)


def test_a_switch_without_queues_is_one_fault_and_its_python_is_to_blame_where_it_has_one(
    redis_server: Any, redis_client: Any, switch: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    _load(redis_client)
    switch.callcenter.queues.clear()
    switch.configuration.files.clear()
    [fault] = preflight(_settings(redis_server, switch))
    assert "has no queue renewals.first-call@fsapp and 11 more of the rules: its mod_python3 does not" in fault
    monkeypatch.setattr(Link, "api", lambda link, cmd, timeout_s=None, ask=Link.api: (
        "false" if cmd == "module_exists mod_python3" else ask(link, cmd, timeout_s)))
    [fault] = preflight(_settings(redis_server, switch))
    assert "and 11 more of the rules: have it load mod_python3" in fault


def test_a_queue_that_is_loaded_when_it_is_needed_is_no_fault(
    redis_server: Any, redis_client: Any, switch: Any,
) -> None:
    _load(redis_client)
    del switch.callcenter.queues["helpdesk@fsapp"]
    assert preflight(_settings(redis_server, switch)) == []
    assert "helpdesk@fsapp" in switch.callcenter.queues


def test_nobody_at_the_switchs_address(redis_server: Any, redis_client: Any, switch: Any) -> None:
    _load(redis_client)
    [fault] = preflight(_settings(redis_server, switch).model_copy(update={"switch": "127.0.0.1:1"}))
    assert "127.0.0.1:1" in fault


def test_up_runs_its_parts_starts_each_again_and_ends_with_them(
    redis_server: Any, redis_client: Any, switch: Any, tmp_path: Path,
) -> None:
    _load(redis_client)
    dialplan = tmp_path / "dialplan"
    dialplan.mkdir()
    with gevent.socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    for file in (ROOT / "dialplan").glob("*.xml"):
        # Rules loaded since know no such queue: no reason to leave the centre without fsapp.
        text = file.read_text().replace("127.0.0.1:8040", listen).replace("_queue=helpdesk@", "_queue=gone@")
        (dialplan / file.name).write_text(text)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
        "FSAPP_REDIS_URL": redis_server.url, "FSAPP_SWITCH": switch.where, "FSAPP_SWITCH_PASSWORD": PASSWORD,
        "FSAPP_LISTEN": listen, "FSAPP_HTTP": "127.0.0.1:0", "FSAPP_LINK_HTTP": "127.0.0.1:0",
        "FSAPP_RECORDER_HTTP": "127.0.0.1:0", "FSAPP_FOLLOWUPS_HTTP": "127.0.0.1:0", "FSAPP_DATABASE_URL": f"sqlite:///{tmp_path}/fsapp.db",
        "FSAPP_WEB_LISTEN": "127.0.0.1:0", "FSAPP_WEB_HTTP": "127.0.0.1:0",
        "FSAPP_DIALPLAN": str(dialplan), "FSAPP_SNAPSHOT": str(tmp_path / "snapshot"), "FSAPP_LOG_JSON": "true",
    }
    up = subprocess.Popen([sys.executable, "-m", "fsapp", "up", "--json"], cwd=ROOT, env=environ,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        with gevent.Timeout(60, AssertionError("fsapp up does not do what it should")):
            said = json.loads(up.stdout.readline())
            assert (said["ready"], said["faults"]) == (True, [])
            assert ["gone@fsapp" in line for line in said["warnings"]] == [True]
            _until_it_says(up, f"fsapp: warning: {said['warnings'][0]}")
            _until_it_says(up, "serving")
            [serve] = [pid for pid in _children(up.pid) if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            os.kill(serve, signal.SIGKILL)
            _until_it_says(up, "fsapp serve died with status -9, starting it again")
            _until_it_says(up, "serving")
            assert serve not in _children(up.pid)
            [link] = [pid for pid in _children(up.pid) if b"\0link\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            os.kill(link, signal.SIGKILL)
            _until_it_says(up, "fsapp link died with status -9, starting it again")
            _until_it_says(up, "link_up")  # the lease of the one that died does not keep it out
            _until_there(tmp_path / "fsapp.db")
            [recorder] = [pid for pid in _children(up.pid)
                          if b"\0recorder\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            os.kill(recorder, signal.SIGKILL)
            _until_it_says(up, "fsapp recorder died with status -9, starting it again")
            _until_it_says(up, "recording")
            [followups] = [pid for pid in _children(up.pid)
                           if b"\0followups\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            os.kill(followups, signal.SIGKILL)
            _until_it_says(up, "fsapp followups run died with status -9, starting it again")
            _until_it_says(up, "looking")
            up.send_signal(signal.SIGTERM)
            assert up.wait() == 0
            assert _children(up.pid) == []
    finally:
        up.kill()
        up.communicate()


def test_a_database_of_another_version_is_doubted_and_keeps_nothing_from_starting(
    redis_server: Any, redis_client: Any, switch: Any, database_url: str,
) -> None:
    _load(redis_client)
    settings = _settings(redis_server, switch, database_url=database_url)
    assert look(settings) == ([], [])
    engine = engine_of(database_url)
    with engine.begin() as connection:
        connection.execute(sql("UPDATE alembic_version SET version_num = '0001'"))
    engine.dispose()
    faults, [doubt] = look(settings)
    assert faults == [] and "run `fsapp records migrate`" in doubt


@pytest.mark.parametrize("password", ["ClueCon", "cluecon", "1234"])
def test_a_well_known_password_is_a_fault_before_anything_starts(
    redis_server: Any, redis_client: Any, switch: Any, password: str,
) -> None:
    _load(redis_client)
    [fault] = preflight(_settings(redis_server, switch).model_copy(update={"switch_password": password}))
    assert "well-known default" in fault
    assert password not in fault


def _until_it_says(process: subprocess.Popen[str], words: str) -> None:
    while words not in (line := process.stderr.readline()):
        assert line, f"it ended without saying {words!r}"


def _until_there(path: Path) -> None:
    while not path.exists():
        gevent.sleep(0.05)


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []
