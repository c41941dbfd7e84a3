"""A machine dies and Redis, which writes to its disk once a second, has not what came last: what is lost, what is not.

A process of Redis that is killed leaves all that it has answered for to the machine, which writes it. Only the machine
takes the last second along: here its file is cut off where it ended a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kill_truth import Truth
from lab_ends import until
from sqlalchemy import select
from test_callback_calls import HELPDESK, Calling

from fsapp.lab.channel import Channel
from fsapp.lab.offering import Reaction
from fsapp.recorder.loop import Recorder
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.records.reconcile import reconcile
from fsapp.state import keys
from fsapp.state.group import GroupReader

BEFORE, TALKED, GAVE_UP, GOES_ON, AFTER = (f"+38160111220{last}" for last in range(5))


class Centre:
    def __init__(self, redis: Any, folder: Path, database: Database) -> None:
        self.redis, self.database = redis, database
        self.file = folder / "redis0" / "appendonly.aof"
        self.cdr = folder / "json_cdr"
        self.cdr.mkdir()
        self.calling = Calling(redis, folder, speed=1)
        self.calling.agent = Reaction(after_s=0.2, talk_s=0.5)
        self.switch = self.calling.switch
        self.switch.cdr = self.cdr
        self.truth = Truth()
        self.switch.subscribe(self.truth)
        self.client = self.calling.centre.client
        self.keeper = Keeper(database, str)

    def told(self, call: Channel, kind: str) -> None:
        until(lambda: any(event["call"] == call.uuid for event in self.calling.told(kind)), f"{kind} is told")

    def talk(self, number: str) -> Channel:
        call = self.switch.call(number, HELPDESK)
        until(lambda: not call.up, "they have talked")
        self.told(call, "call_hung_up")
        return call

    def record(self) -> None:
        """As a recorder that was just started."""
        recorder = Recorder(GroupReader(self.client), self.keeper, block_s=0.1)
        while not recorder.step():
            pass
        while recorder.step():
            pass

    def rows(self, table: Any) -> dict[str, dict[str, Any]]:
        found = self.database.read(lambda connection: connection.execute(select(table)).mappings().all())
        return {row["id"]: dict(row) for row in found}


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path, database: Database) -> Iterator[Centre]:
    redis = own_redis("--appendonly", "yes", "--appendfsync", "everysec")
    made = Centre(redis, tmp_path, database)
    yield made
    made.calling.close()


def test_a_redis_that_is_killed_has_all_that_it_answered_for(centre: Centre) -> None:
    centre.calling.at_work("1004")
    call = centre.talk(BEFORE)
    told = centre.calling.centre.events()
    centre.redis.stop()
    centre.redis.start()
    assert centre.calling.centre.events()[:len(told)] == told
    centre.record()
    assert centre.rows(schema.interactions)[call.uuid]["outcome"] == "answered"


@pytest.mark.parametrize("ahead", [False, True], ids=["unread", "read"])
def test_what_the_last_second_takes_along(centre: Centre, ahead: bool) -> None:
    """`ahead`: the memory had it already; it has it still, and goes on."""
    centre.calling.at_work("1004")
    before = centre.talk(BEFORE)
    centre.record()
    kept = centre.file.stat().st_size
    talked = centre.talk(TALKED)
    centre.calling.agent = Reaction(after_s=0.2, talk_s=None)
    goes_on = centre.switch.call(GOES_ON, HELPDESK)
    centre.told(goes_on, "call_answered")
    gave_up = centre.switch.call(GAVE_UP, HELPDESK)
    centre.told(gave_up, "queue_joined")
    gave_up.hangup("ORIGINATOR_CANCEL", "caller")
    centre.told(gave_up, "call_hung_up")
    if ahead:
        centre.record()
    centre.redis.stop()
    with centre.file.open("r+b") as file:
        file.truncate(kept)
    centre.redis.start()
    assert {event["call"] for event in centre.calling.told("call_hung_up")} == {before.uuid}

    until(lambda: centre.client.hlen(keys.floor("main", "calls")), "the link has written the floor again")
    goes_on.hangup("NORMAL_CLEARING", "caller")
    centre.told(goes_on, "call_hung_up")
    centre.calling.agent = Reaction(after_s=0.2, talk_s=0.5)
    after = centre.talk(AFTER)
    centre.record()
    lost = set() if ahead else {talked.uuid, gave_up.uuid}
    assert centre.rows(schema.interactions).keys() == centre.truth.calls.keys() - lost

    found = reconcile(centre.cdr, centre.database, centre.keeper, "main")
    assert (set(found.added), found.bad) == (lost, {})
    rows = centre.rows(schema.interactions)
    assert {uuid: (row["outcome"], row["agent"], row["queue"], row["number"]) for uuid, row in rows.items()} == {
        before.uuid: ("answered", "1004", "helpdesk@fsapp", BEFORE),
        talked.uuid: ("answered", "1004", "helpdesk@fsapp", TALKED),
        gave_up.uuid: ("abandoned", None, "helpdesk@fsapp", GAVE_UP),
        goes_on.uuid: ("answered", "1004", "helpdesk@fsapp", GOES_ON),
        after.uuid: ("answered", "1004", "helpdesk@fsapp", AFTER)}
    for uuid, did in centre.truth.calls.items():
        stay, row = did.last, rows[uuid]
        assert stay is not None and row["call_class"] == "service"
        assert abs(row["waited_s"] - (stay.end(did) - stay.joined_at)) <= 1.1, uuid
        assert (row["talked_s"] is None) == (stay.over_at is None)
        assert stay.over_at is None or abs(row["talked_s"] - (stay.over_at - (stay.answered_at or 0))) <= 1.6, uuid
    # What only the stream had of the lost ones is gone: why they were decided so, and whom they were offered to.
    some = {row["interaction_id"] for row in centre.rows(schema.decisions).values()}
    assert some == centre.truth.calls.keys() - (lost if ahead else {*lost, goes_on.uuid})
    assert not lost & {row["interaction_id"] for row in centre.rows(schema.offers).values()}
    assert centre.keeper.quarantined() == 0 and centre.keeper.position().gaps == 0
