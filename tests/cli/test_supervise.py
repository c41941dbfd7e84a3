"""Programs that are kept running: started again when they die, ended together, given up when they refuse to start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest

ROOT = Path(__file__).parents[2]
CODE = """
import json, sys
from fsapp.cli.supervise import supervise
sys.exit(supervise(json.loads(sys.argv[1]), lambda line: print(line, flush=True)))
"""
LIVES = "import os, time; print('lives', os.getpid(), flush=True); time.sleep(60)"
DIES = "import os; os.kill(os.getpid(), 9)"
REFUSES = "import sys; sys.exit(1)"
ENDS = "pass"


@contextmanager
def supervised(**parts: str) -> Iterator[subprocess.Popen[str]]:
    commands = {name: [sys.executable, "-c", code] for name, code in parts.items()}
    process = subprocess.Popen([sys.executable, "-c", CODE, json.dumps(commands)], cwd=ROOT,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        with gevent.Timeout(40, AssertionError("it does not do what it should")):
            yield process
    finally:
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], words: str) -> str:
    while words not in (line := process.stdout.readline()):
        assert line, f"it ended without saying {words!r}"
    return line


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("code", [LIVES, DIES], ids=["while it runs", "before the next start"])
def test_a_signal_ends_it_whatever_it_is_doing(code: str, number: int) -> None:
    with supervised(one=code) as process:
        until(process, "lives" if code == LIVES else "starting it again")
        process.send_signal(number)
        assert process.wait() == 0
        assert "again" not in process.stdout.read()


def test_one_dies_the_other_runs_on_and_both_end_together() -> None:
    with supervised(dies=DIES, lives=LIVES) as process:
        pid, lines = 0, []
        while not (pid and sum("dies died with status -9, starting it again" in line for line in lines) > 1):
            line = process.stdout.readline()
            assert line
            lines.append(line)
            if line.startswith("lives "):
                assert not pid, "the other was started again too"
                pid = int(line.split()[1])
        waits = [line for line in lines if "died" in line]
        assert "in 2 s" in waits[0] and "in 4 s" in waits[1]
        assert alive(pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        assert not alive(pid)


def test_one_that_refuses_to_start_ends_all() -> None:
    with supervised(refuses=REFUSES, lives=LIVES) as process:
        out = process.communicate()[0]
        assert process.returncode == 1
        assert "again" not in out
        assert not [line for line in out.splitlines() if line.startswith("lives") and alive(int(line.split()[1]))]


def test_one_that_ends_by_itself_is_started_again() -> None:
    with supervised(ends=ENDS) as process:
        until(process, "ends ended, starting it again")
