"""What is remembered of the agents, and with which run of which switch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fsapp.core.floor import RememberedStatus
from fsapp.errors import StateUnavailable
from fsapp.state import keys
from fsapp.state.agents import AgentMemory
from fsapp.state.stream import tail

LUNCH = RememberedStatus("On Break", "lunch", datetime(2026, 5, 4, 12, 0, tzinfo=UTC))


def test_the_status_is_one_for_all_switches_and_the_run_each_ones_own(redis_client: Any) -> None:
    main, second = AgentMemory(redis_client, "main"), AgentMemory(redis_client, "second")
    assert main.read() == ({}, "")
    main.write({"1001": LUNCH, "1002": RememberedStatus("Available")}, (), "run-1")
    second.write({"1004": RememberedStatus("Available")}, ("1002",), "run-2")
    known = {"1001": LUNCH, "1004": RememberedStatus("Available")}
    assert main.read() == (known, "run-1")
    assert second.read() == (known, "run-2")


def test_a_status_without_a_run_leaves_the_run_as_it_was(redis_client: Any) -> None:
    memory = AgentMemory(redis_client, "main")
    memory.write({}, (), "run-1")
    memory.write({"1001": LUNCH})
    assert memory.read() == ({"1001": LUNCH}, "run-1")


def test_what_is_remembered_is_told_in_one_go(redis_client: Any) -> None:
    """Killed at any point, who writes has told of what is remembered. It is told once."""
    memory = AgentMemory(redis_client, "main")
    told = {"type": "agent_status", "id": "1", "agent": "1001", "status": "On Break"}
    with redis_client.monitor() as monitor:
        memory.write({"1001": LUNCH}, ("1002",), "run-1", [told])
        said = monitor.listen()
        commands = [next(said)["command"].partition(" ")[0] for _ in range(6)]
    assert commands == ["MULTI", "HDEL", "HSET", "HSET", "XADD", "EXEC"]
    assert [event for _, event in tail(redis_client, 0.0, follow=False)] == [told]
    assert memory.read() == ({"1001": LUNCH}, "run-1")


def test_what_cannot_be_read_is_not_remembered(redis_client: Any) -> None:
    memory = AgentMemory(redis_client, "main")
    memory.write({"1001": LUNCH}, (), "run-1")
    redis_client.hset(keys.AGENT_STATUS, "1002", b"\xc1")
    redis_client.hset(keys.AGENT_RUNS, "main", b"\xff")
    known, run = memory.read()
    assert known == {"1001": LUNCH} and run != "run-1"


def test_a_redis_that_is_away_is_said(own_redis: Any) -> None:
    server = own_redis()
    client = server.connect()
    memory = AgentMemory(client, "main")
    server.stop()
    with pytest.raises(StateUnavailable):
        memory.read()
    with pytest.raises(StateUnavailable):
        memory.write({"1001": LUNCH})
    client.close()
