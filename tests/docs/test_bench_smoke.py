"""scripts/bench works: its load is answered, it notices calls that go wrong, its verdicts can be both. No timings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gevent.server import StreamServer

BENCH = Path(__file__).parents[2] / "scripts/benchmark"
PATIENCE_S = 60


def play(answer, calls=20):
    """The load's report on an app that answers each connection with `answer(socket, address)`."""
    server = StreamServer(("127.0.0.1", 0), answer)
    server.start()
    try:
        done = subprocess.run(
            [sys.executable, str(BENCH / "load.py")], input=json.dumps({"port": server.server_port, "calls": calls}),
            capture_output=True, text=True, timeout=PATIENCE_S, check=True,
        )
    finally:
        server.stop(timeout=0)
    return json.loads(done.stdout)


def route(sock, _address, call_class=None, score=b"cc_base_score=1"):
    sock.sendall(b"connect\n\n")
    data = b""
    while not data.endswith(b"\n\n"):
        data += sock.recv(65536)
    called = data.partition(b"variable_fsapp_called: 381115550")[2][:3]
    right = {b"100": b"callback", b"200": b"new-customer", b"300": b"service"}[called]
    variables = b"^^|fsapp_class=" + (call_class or right) + b"|" + score
    execute = b"sendmsg\ncall-command: execute\nexecute-app-name: %b\nexecute-app-arg: %b\n\n"
    sock.sendall(execute % (b"multiset", variables) + execute % (b"transfer", b"fsapp-queue XML fsapp") + b"exit\n\n")
    while sock.recv(65536):
        pass


def leave_at_once(sock, _address):
    sock.sendall(b"connect\n\nexit\n\n")
    while sock.recv(65536):
        pass


def test_calls_that_are_routed_rightly_are_timed_and_none_is_wrong():
    report = play(route)
    assert report["wrong"] == {}
    assert len(report["decided_ms"]) == len(report["total_ms"]) == 20


@pytest.mark.parametrize(("answer", "fault"), [
    (lambda sock, _address: sock.close(), "closed the connection early"),
    (leave_at_once, "no transfer"),
    (lambda sock, address: route(sock, address, score=b"x=1"), "no cc_base_score"),
    (lambda sock, address: route(sock, address, call_class=b"nonsense"), "not fsapp_class="),
])
def test_a_call_that_goes_wrong_is_counted(answer, fault):
    report = play(answer)
    assert report["decided_ms"] == []
    assert sum(count for name, count in report["wrong"].items() if fault in name) == 20


def test_the_command_prints_json_and_leaves_no_process(tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCH), "--quick", "--only", "generator", "--json"],
        capture_output=True, text=True, timeout=PATIENCE_S, check=True,
        env=os.environ | {"FSAPP_LISTEN": "nonsense", "TMPDIR": str(tmp_path)},
    )
    assert json.loads(done.stdout)["generator"]["calls_per_s"] > 0
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if os.fsencode(tmp_path) in _read(path)]


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_verdicts_are_met_or_missed(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import figures

    stock = {"calls_per_s": 500.0, "cpu_us": 800.0, "p50_ms": 60.0, "p99_ms": 110.0}
    fast = {"calls_per_s": 2000.0, "cpu_us": 400.0, "p50_ms": 3.0, "p99_ms": 11.0}
    slow = {"calls_per_s": 1999.0, "cpu_us": 401.0, "p50_ms": 3.1, "p99_ms": 11.1}
    for loop in figures.LOOPS.values():
        assert [figure.met for figure in figures.compare(loop, stock, fast)] == [True, True]
        assert [figure.met for figure in figures.compare(loop, stock, slow)] == [False, False]
