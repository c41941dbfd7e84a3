"""`fsapp lab demo --switch freeswitch`: a switch of its own, calls on its own endpoints, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

from machine import ROOT, binary, wait_until

DEADLINE_S = 180


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")}
    return subprocess.Popen(
        [sys.executable, "-m", "fsapp", "lab", "demo", "--freeswitch", str(binary()), *options], cwd=ROOT,
        env=environment | {"TMPDIR": str(folder)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def processes_in(folder: Path) -> list[str]:
    """What still runs of all that was started with this folder in its command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def test_ten_calls_from_the_first_to_the_summary(tmp_path: Path) -> None:
    demo = start(tmp_path, "--calls", "10", "--json")
    out, err = demo.communicate(timeout=DEADLINE_S)
    assert (demo.returncode, err) == (0, "")
    told = json.loads(out)
    assert (told["calls"], told["lost"], told["refused"], told["cut"]) == (10, 0, 0, 0)
    assert told["answered"] + told["abandoned"] == 10
    assert told["answered"] > 0
    assert set(told["classes"]) == {"callback", "new-customer", "service"}
    assert list(tmp_path.iterdir()) == []
    assert processes_in(tmp_path) == []


def test_ctrl_c_ends_it_with_a_summary_and_leaves_nothing(tmp_path: Path) -> None:
    demo = start(tmp_path)
    try:
        while "talks to" not in (line := demo.stdout.readline()):
            assert line, "it ended before anybody talked"
        assert [line for line in processes_in(tmp_path) if "freeswitch" in line]
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=60)
    finally:
        demo.kill()
    assert (demo.returncode, err) == (0, "")
    assert "lost 0" in out
    wait_until(lambda: not processes_in(tmp_path), "everything has ended")
    assert list(tmp_path.iterdir()) == []


def test_the_switch_is_started_without_our_own_python_on_its_path(tmp_path: Path) -> None:
    fake = tmp_path / "freeswitch"
    fake.write_text('#!/bin/sh\necho "PATH is $PATH" >&2\nexit 3\n')
    fake.chmod(0o755)
    scripts = sysconfig.get_path("scripts")
    done = subprocess.run(
        [sys.executable, "-m", "fsapp", "lab", "demo", "--freeswitch", str(fake), "--calls", "1"], cwd=ROOT,
        env={"PATH": f"{scripts}:/usr/bin:/bin"}, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.stderr == "fsapp: the event socket of FreeSWITCH ended with status 3: PATH is /usr/bin:/bin\n"


def test_a_program_that_is_no_switch(tmp_path: Path) -> None:
    fake = tmp_path / "freeswitch"
    fake.write_text("#!/bin/sh\necho cannot start >&2\nexit 3\n")
    fake.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")}
    done = subprocess.run(
        [sys.executable, "-m", "fsapp", "lab", "demo", "--freeswitch", str(fake), "--calls", "1"], cwd=ROOT,
        env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 1
    assert done.stderr == "fsapp: the event socket of FreeSWITCH ended with status 3: cannot start\n"
