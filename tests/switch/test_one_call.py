"""The operator's page, "One call", typed word for word: a caller is classified, queued and answered by a SIP phone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machine import PASSWORD, Switch, binary, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]


def commands() -> list[str]:
    """The commands of the section, in order."""
    page = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
    section = page.partition("\n## One call, from classified to answered\n")[2].partition("\n## ")[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


class Terminal:
    """Types into a shell, with the ports of the test's switch instead of the page's."""

    def __init__(self, switch: Switch, redis_url: str, folder: Path) -> None:
        binary = folder / "bin"
        binary.mkdir()
        cli = Path(switch.fs_cli)
        (binary / "fs_cli").write_text(f'#!/bin/sh\nexec {cli} -H 127.0.0.1 -P {switch.event_port} "$@"\n')
        (binary / "fsapp").write_text(f'#!/bin/sh\nexec {sys.executable} -m fsapp "$@"\n')
        for path in binary.iterdir():
            path.chmod(0o755)
        self._folder = folder
        self._ports = {"5060": switch.phone_port, "5080": switch.trunk_port, "5091": free_port(), "5092": free_port()}
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("FSAPP_")} | {
            "PATH": f"{binary}:{os.environ['PATH']}", "TERM": "dumb", "FSAPP_REDIS_URL": redis_url,
            "FSAPP_SWITCH_PASSWORD": PASSWORD, "FSAPP_PHONE_PASSWORD": "phone",
            "FSAPP_SWITCH": f"127.0.0.1:{switch.event_port}", "FSAPP_LISTEN": f"127.0.0.1:{switch.app_port}",
            "FSAPP_HTTP": "127.0.0.1:0", "FSAPP_LINK_HTTP": "127.0.0.1:0", "FSAPP_SNAPSHOT": str(folder / "snapshot"),
            "FSAPP_DIALPLAN": str(switch.folder / "dialplan"),
        }
        self._running: list[subprocess.Popen[bytes]] = []

    def type(self, line: str) -> str:
        """What the command prints, once it has ended with success."""
        done = subprocess.run(["bash", "-c", self._ours(line)], cwd=ROOT, env=self._environment, capture_output=True,
                              text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, line: str) -> Path:
        """The command goes on running, as in a terminal of its own; the file with what it prints."""
        line = line.removesuffix("&").replace(" -bg", "")
        said = self._folder / f"output{len(self._running)}"
        with open(said, "wb") as output:
            self._running.append(subprocess.Popen(
                ["bash", "-c", "exec " + self._ours(line)], cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output))
        return said

    def close(self) -> None:
        for process in self._running:
            process.terminate()
            process.wait(20)

    def _ours(self, line: str) -> str:
        return re.sub(r"\b(5060|5080|5091|5092)\b", lambda found: str(self._ports[found[0]]), line).replace(
            "/tmp/", f"{self._folder}/")


@pytest.fixture
def own_switch(tmp_path: Path) -> Iterator[Switch]:
    """Not the one of the other tests: the link makes the queues of this one as the example's rules say."""
    found = binary()
    assert found is not None
    switch = Switch(found, tmp_path / "switch")
    switch.folder.mkdir()
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()


@pytest.fixture
def terminal(own_switch: Switch, redis_server: Any, tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("sipp") is None:
        pytest.skip("no sipp on the PATH")
    terminal = Terminal(own_switch, redis_server.url, tmp_path)
    yield terminal
    terminal.close()


def test_the_page_typed_word_for_word_ends_with_an_answered_call(own_switch: Switch, terminal: Terminal) -> None:
    switch, typed = own_switch, commands()
    assert [line.split()[0] for line in typed] == [
        "fsapp", "printf", "fsapp", "fsapp", "sipp", "sipp", "sipp", "fs_cli", "fs_cli"]
    for line in typed[:3]:
        terminal.type(line)
    said, events = terminal.start(typed[3]), ("serving", "rules_in_force", "link_up")
    wait_until(lambda: all(event in said.read_text() for event in events), "fsapp is up")
    terminal.type(typed[4])
    terminal.start(typed[5])
    terminal.start(typed[6])
    wait_until(lambda: switch.waiting("renewals.first-call@fsapp"), "the customer waits")
    [member] = switch.waiting("renewals.first-call@fsapp")
    assert (member["cid_number"], member["base_score"]) == ("+381601234567", "305003580")
    terminal.type(typed[7])
    wait_until(lambda: "1 total" in terminal.type(typed[8]), "ana and the customer talk")
    assert switch.variable(member["session_uuid"], "fsapp_class") == "callback"
    assert switch.variable(member["session_uuid"], "fsapp_contact") == "renewals/first-call/+381601234567"
