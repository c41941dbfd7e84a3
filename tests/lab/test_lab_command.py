import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab_ends import PATIENCE_S, until

ROOT = Path(__file__).parents[2]
SCENARIO = """
speed = 100
calls = 3
talk = { kind = "constant", seconds = 2 }
patience = { kind = "constant", seconds = 86400 }
[[arrival]]
called = "+381115550300"
per_minute = 600
callers = ["+38160*******"]
"""


@pytest.fixture
def lab(tmp_path):
    """Runs `fsapp lab run` on a scenario with the example rules, with nobody deciding (the fallback does)."""
    running = []

    def start(text, *options):
        file = tmp_path / "scenario.toml"
        file.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "fsapp", "lab", "run", str(file), "--connect", "127.0.0.1:1", *options]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")}
        process = subprocess.Popen(command, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        running.append(process)
        return process

    def run(text, *options):
        process = start(text, *options)
        out, err = process.communicate(timeout=PATIENCE_S * 3)
        return process.returncode, out, err

    run.start = start
    yield run
    for process in running:
        process.kill()
        process.communicate()


def test_a_run_that_goes_well(lab):
    status, out, err = lab(SCENARIO, "--rules", "conf/rules", "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert (told["calls"], told["answered"], told["lost"], told["order_violations"]) == (3, 3, 0, 0)
    assert told["classes"]["service"]["calls"] == 3


def test_lines_for_people_end_with_a_table(lab):
    status, out, _ = lab(SCENARIO, "--rules", "conf/rules", "--calls", "2")
    assert status == 0
    assert "waits in helpdesk@fsapp" in out
    assert "2 calls in " in out


def test_a_call_that_ends_nowhere_is_refused_in_the_end(lab):
    status, out, err = lab(SCENARIO.replace("+381115550300", "+1"), "--rules", "conf/rules", "--json")
    assert status == 1
    assert json.loads(out)["lost"] == 3
    assert err.count("fsapp: call lost:") == 3


def test_ctrl_c_ends_it_with_the_summary(lab):
    process = lab.start(SCENARIO.replace("calls = 3", "calls = 100000"), "--rules", "conf/rules")
    until(lambda: "waits in" in process.stdout.readline(), "somebody waits")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert " calls in " in out


@pytest.mark.parametrize(("text", "options", "words"), [
    ("speed = 0", ["--rules", "conf/rules"], "speed"),
    (SCENARIO, ["--rules", "conf/absent"], "conf/absent"),
    (SCENARIO, ["--rules", "conf/rules", "--dialplan", "conf/lab"], "--dialplan"),
    (SCENARIO + "[agent.99]\nwrap_up_s = 1\n", ["--rules", "conf/rules"], "no such agent"),
])
def test_bad_input_is_one_line_a_fault(lab, text, options, words):
    status, out, err = lab(text, *options)
    assert (status, out) == (1, "")
    assert words in err
    assert all(line.startswith("fsapp: ") for line in err.splitlines())


def test_a_wrong_address_is_wrong_usage(lab):
    assert lab(SCENARIO, "--event-socket", "nowhere")[0] == 2
