"""A customer who is called back is one call in the memory, the customer's, with the try and the task beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_ends import until
from sqlalchemy import select
from test_callback_calls import CUSTOMER, Calling

from fsapp.lab.offering import Reaction
from fsapp.recorder.loop import Recorder
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.records.reconcile import reconcile
from fsapp.state.group import GroupReader


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path) -> Iterator[Calling]:
    made = Calling(own_redis("--appendonly", "no"), tmp_path)
    made.switch.cdr = tmp_path / "json_cdr"
    made.switch.cdr.mkdir()
    yield made
    made.close()


def rows(database: Database, table: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in database.read(
        lambda connection: connection.execute(select(table)).mappings().all())]


@pytest.mark.parametrize("picks_up", [True, False])
def test_a_callback(centre: Calling, database: Database, picks_up: bool) -> None:
    centre.customer = Reaction("" if picks_up else "USER_BUSY", 2, 6)
    centre.at_work("1004")
    task = centre.ask(tries_left=1)
    centre.tried()
    until(lambda: not centre.switch.channels, "everybody has hung up")
    until(lambda: any(event["direction"] == "outbound" for event in centre.told("call_hung_up")), "its end is told")
    until(lambda: not centre.task().open and centre.told("attempt"), "the task is over")
    keeper = Keeper(database, str)
    recorder = Recorder(GroupReader(centre.centre.client), keeper, block_s=0.1)
    while recorder.step():
        pass
    [call] = rows(database, schema.interactions)
    assert (call["number"], call["direction"], call["task_id"], call["agent"], call["queue"]) == (
        CUSTOMER, "outbound", task, "1004", "helpdesk@fsapp")
    assert (call["outcome"], bool(call["talked_s"])) == (("answered", True) if picks_up else ("unreached", False))
    [kept] = rows(database, schema.tasks)
    assert (kept["id"], kept["state"], kept["tries"]) == (task, "done" if picks_up else "failed", 1)
    [attempt] = rows(database, schema.attempts)
    assert attempt["interaction_id"] == call["id"]
    assert (attempt["task_id"], attempt["outcome"], attempt["agent"]) == (
        task, "talked" if picks_up else "failed", "1004")
    assert keeper.quarantined() == 0
    found = reconcile(centre.switch.cdr, database, keeper, "main")
    assert (found.calls, found.added, found.bad) == (1, [], {}), "its other legs are no calls"
    assert len(rows(database, schema.interactions)) == 1
