"""`fsapp lab demo`: the real parts together for a few calls, and the exit status when something went wrong."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fsapp.cli import demo
from fsapp.cli.root import main
from fsapp.core.rules import Rules
from fsapp.lab.screen import summary_table
from fsapp.lab.summary import OUTCOMES, ClassSummary, Summary
from fsapp.rules import load_folder

ROOT = Path(__file__).parents[2]


def test_a_few_calls_from_the_first_to_the_summary() -> None:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")}
    done = subprocess.run(
        [sys.executable, "-m", "fsapp", "lab", "demo", "--calls", "4", "--speed", "60", "--json"],
        cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["calls"], told["lost"], told["order_violations"]) == (4, 0, 0)
    assert told["decisions"] >= 4


@pytest.mark.parametrize(("summary", "status"), [
    (Summary(), 0), (Summary(lost=["one: failed (X)"]), 1), (Summary(order_violations=["one before another"]), 1),
])
def test_the_exit_status_says_whether_it_went_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, summary: Summary, status: int,
) -> None:
    @contextmanager
    def nothing(*_: Any) -> Any:
        yield {"serving": {"listen": "127.0.0.1:1"}}

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(demo, "redis_server", lambda *_: nullcontext("unix:///nowhere"))
    monkeypatch.setattr(demo, "part", nothing)
    monkeypatch.setattr(demo, "command", lambda *_: None)
    monkeypatch.setattr(demo, "_load_rules", lambda *_: Rules.from_document(load_folder("conf/rules")))
    monkeypatch.setattr(demo, "_play", lambda *_: summary)
    with pytest.raises(SystemExit) as left:
        main(["lab", "demo", "--json"])
    out, err = capsys.readouterr()
    assert left.value.code == status
    assert json.loads(out)["order_violations"] == len(summary.order_violations)
    assert [f"fsapp: {fault}" for fault in summary.faults()] == err.splitlines()


def test_the_summary_is_shown_whole_on_a_terminal_of_eighty_columns() -> None:
    classes = {name: ClassSummary(calls=1000, waits_s=[1000.5]) for name in ("callback", "new-customer", "service")}
    console = Console(width=80, file=io.StringIO())
    console.print(summary_table(Summary(classes=classes)))
    shown = console.file.getvalue()
    assert "…" not in shown
    assert [line.split()[0] for line in shown.splitlines()[4:7]] == list(classes)
    heading = shown.splitlines()[2].replace("wait ", "wait_").split()
    assert heading == ["class", "calls", *OUTCOMES, "wait_mean", "wait_p90"]


def test_elsewhere_it_says_where_to_go(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["lab", "demo"])
    assert left.value.code == 1
    assert "run scripts/demo" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "words"), [
    (["--switch", "freeswitch"], "there is no `freeswitch` on the PATH: install FreeSWITCH 1.10 with mod_event_socket"),
    (["--freeswitch", "/nowhere/freeswitch"], "/nowhere/freeswitch is no program: install FreeSWITCH"),
])
def test_where_no_freeswitch_is_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path, options: list[str], words: str,
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FSAPP_TEST_SWITCH", raising=False)
    with pytest.raises(SystemExit) as left:
        main(["lab", "demo", *options])
    [line] = capsys.readouterr().err.splitlines()
    assert left.value.code == 1
    assert line.startswith(f"fsapp: {words}")
    assert "mod_loopback" in line and "mod_callcenter" in line and "`scripts/demo` without --switch" in line


def test_a_real_switch_has_no_speed(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as left:
        main(["lab", "demo", "--switch", "freeswitch", "--speed", "2"])
    assert left.value.code == 2
    assert "real time" in capsys.readouterr().err
