"""`fsapp serve` as a process: what it says of a Redis that is not fit, and that the first call finds the rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from fsapp.rules import load_folder
from fsapp.state.rules import RulesStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Starts `fsapp serve` in place of the one before and returns what it says until it serves."""
    processes = []

    def stop() -> None:
        while processes:
            processes[-1].terminate()
            processes.pop().communicate(timeout=20)

    def start(redis_url: str) -> list[dict[str, Any]]:
        stop()
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": redis_url, "FSAPP_LISTEN": "127.0.0.1:0", "FSAPP_HTTP": "127.0.0.1:0",
            "FSAPP_SNAPSHOT": str(tmp_path / "snapshot"),
        }
        command = [sys.executable, "-m", "fsapp", "serve", "--json"]
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        said = []
        with gevent.Timeout(30, AssertionError(f"it does not serve: {said}")):
            while not said or said[-1]["event"] != "serving":
                said.append(json.loads(process.stderr.readline()))
        return said

    start.stop = stop
    yield start
    stop()


def test_the_rules_are_there_before_the_first_call(serve, redis_server, redis_client):
    RulesStore(redis_client).load(load_folder(ROOT / "conf/rules"), "", "", "")
    assert [fact["event"] for fact in serve(redis_server.url)] == ["rules_in_force", "serving"]


def test_a_redis_that_takes_no_writes_is_said(serve, own_redis):
    server = own_redis()
    with server.connect() as client:
        RulesStore(client).load(load_folder(ROOT / "conf/rules"), "", "", "")
        client.replicaof("127.0.0.1", 1)
        client.config_set("replica-serve-stale-data", "yes")
        said = {fact["event"]: fact for fact in serve(server.url)}
    assert "read-only replica: set FSAPP_REDIS_URL to its primary" in said["redis_unfit"]["error"]
    assert "rules_in_force" in said


def test_a_restart_takes_up_the_same_rules_once(serve, redis_server, redis_client):
    store = RulesStore(redis_client)
    store.load(load_folder(ROOT / "conf/rules"), "", "", "")
    assert [fact["event"] for fact in serve(redis_server.url)].count("rules_in_force") == 1
    assert [fact["event"] for fact in serve(redis_server.url)].count("rules_in_force") == 1
    serve.stop()
    document = load_folder(ROOT / "conf/rules")
    document["line"]["helpdesk"]["sla_s"] = 30
    store.load(document, "", "", "")
    versions = [fact["version"] for fact in serve(redis_server.url) if fact["event"] == "rules_in_force"]
    assert versions == [1, 2]
