"""Ctrl-C while things are being set up: nothing is left behind, nothing is destroyed, and no traceback is shown."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import gevent
import pytest

ROOT = Path(__file__).parents[2]


def _interrupt(process, after_s):
    """As a terminal does it: the whole group at once. What the process said, and its status."""
    gevent.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    return said, process.returncode


@pytest.mark.parametrize("after_s", [0.2, 0.4, 0.7, 1.0, 1.4, 1.9])
def test_the_demo_can_be_interrupted_at_any_moment(tmp_path, after_s):
    environ = os.environ | {"TMPDIR": str(tmp_path)}
    code = "import fsapp.__main__; fsapp.__main__.main(['lab', 'demo', '--json'])"
    demo = subprocess.Popen([sys.executable, "-S", "-c", f"import site, sys; sys.path[:0] = {sys.path!r}; {code}"],
                            cwd=ROOT, env=environ, start_new_session=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, status = _interrupt(demo, after_s)
    assert "Traceback" not in said
    # The summary of a demo that was done in time counts refused calls.
    assert "refused" not in said.replace('"refused": 0', "")
    assert status in (0, 130, -signal.SIGINT)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_question_does_not_cost_the_environment(tmp_path):
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "install", tmp_path / "scripts")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    # As pip does it when it is asked for its version: ends with a status of its own.
    python.write_text("#!/bin/sh\ntrap 'exit 1' INT\nkill -INT 0\nexit 1\n")
    python.chmod(0o755)
    done = subprocess.run(["scripts/install"], cwd=tmp_path, start_new_session=True, timeout=60, check=False,
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
    assert python.exists()
