"""What must hold: everything is killed in a loop under load, and afterwards the records equal what the switch did.

FSAPP_TEST_KILLS_S says for how many seconds; `scripts/kill-loop` does it for minutes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from lab_centre import ROOT, Centre, Load, scenario
from lab_ends import until
from postgresql_server import PostgresServer, missing
from sqlalchemy import select

from fsapp.core.clean import clean_number
from fsapp.core.numbers import normalise
from fsapp.errors import FsappError
from fsapp.lab.channel import Channel
from fsapp.lab.esl_in import EventSocket
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.records.reconcile import reconcile
from fsapp.records.versions import migrate
from fsapp.state import keys
from fsapp.state.floor import read_floor

KILLS_S = float(os.environ.get("FSAPP_TEST_KILLS_S", "20"))
SPEED = 2
PER_S = 8
REST_S = 1.2
PASSWORD = "ClueCon"


class Everything:
    """The example centre with all of its parts as processes of their own, and a switch whose memory is the truth."""

    def __init__(self, redis: Any, database: PostgresServer | None, url: str, folder: Path) -> None:
        self.redis, self.postgres, self.url, self.folder = redis, database, url, folder
        self.cdr = folder / "json_cdr"
        self.cdr.mkdir()
        migrate(url)
        self.centre = Centre(redis, folder)
        self.centre.import_contacts(Load.contacts)
        self.centre.start_serve()
        self.switch = self.centre.switch(scenario(speed=SPEED, busy=4))
        self.switch.cdr = self.cdr
        self.socket = EventSocket(self.switch, ("127.0.0.1", 0), PASSWORD)
        self.agents: dict[str, str] = {}
        self.ended: dict[str, dict[str, Any]] = {}
        self.switch.subscribe(self._observe)
        self.processes = {name: self._start(name) for name in ("link", "recorder")}
        self.load = Load(self.switch, PER_S)

    def _observe(self, event: dict[str, Any]) -> None:
        if event["event"] == "answered":
            self.agents.setdefault(event["uuid"], event["agent"])
        elif event["event"] == "ended":
            self.ended[event["uuid"]] = event

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": self.redis.url, "FSAPP_DATABASE_URL": self.url, "FSAPP_RECORDER_HTTP": "127.0.0.1:0",
            "FSAPP_LINK_HTTP": "127.0.0.1:0", "FSAPP_SWITCH": "{}:{}".format(*self.socket.address),
            "FSAPP_SWITCH_PASSWORD": PASSWORD, "FSAPP_SYNC_S": "2",
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fsapp", name, "--json"], cwd=ROOT, env=environ, stdout=log, stderr=log)

    def kills(self) -> list[Callable[[], None]]:
        database = [self.kill_database] if self.postgres else []
        return [self.kill_recorder, *database, self.kill_serve, self.kill_redis, self.kill_link]

    def kill_recorder(self) -> None:
        self._again("recorder")

    def kill_link(self) -> None:
        self._again("link")

    def _again(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait(20)
        self.processes[name] = self._start(name)

    def kill_serve(self) -> None:
        self.centre.serve.kill()
        self.centre.serve.wait(20)
        self.centre.start_serve(self.centre.listen)

    def kill_redis(self) -> None:
        self.redis.stop()
        gevent.sleep(0.3)
        self.redis.start()

    def kill_database(self) -> None:
        self.postgres.kill()
        gevent.sleep(0.3)
        self.postgres.start()

    def stop(self) -> None:
        self.load.stop()
        for process in self.processes.values():
            process.kill()
            process.wait(20)
        self.socket.stop()
        self.centre.close()

    def said(self) -> str:
        return "".join((self.folder / f"{name}.log").read_text()[-3000:] for name in self.processes)


@pytest.fixture(params=["sqlite", "postgresql"])
def everything(request: pytest.FixtureRequest, own_redis: Any, tmp_path: Path) -> Iterator[Everything]:
    postgres = None
    url = f"sqlite:///{tmp_path}/fsapp.db"
    if request.param == "postgresql":
        if why := missing():
            pytest.skip(why)
        postgres = PostgresServer("fsync=on")
        url = postgres.create()
    redis = own_redis("--appendonly", "yes", "--appendfsync", "always")
    parts = Everything(redis, postgres, url, tmp_path)
    yield parts
    parts.stop()
    if postgres is not None:
        postgres.remove()


def _impatient(parts: Everything, chance: random.Random) -> None:
    """Some callers hang up, whatever is going on with them."""
    while True:
        gevent.sleep(0.25)
        waiting = [call for call in parts.load.calls if not call.hangup_cause]
        if len(waiting) > 20:
            chance.choice(waiting).hangup("ORIGINATOR_CANCEL", "caller")


def _recorded(parts: Everything) -> bool:
    """Whether all that is in the stream is in the memory, and the link knows that nobody is on the line any more."""
    database = Database(parts.url)
    try:
        client = parts.centre.client
        floor = read_floor(client, "main")
        newest = client.xrevrange(keys.EVENTS, count=1)[0][0].decode()
        position = Keeper(database, str).position()
        return floor.up and not floor.seen.calls and position is not None and position.place == newest
    except FsappError:
        return False
    finally:
        database.close()


def test_the_records_are_what_the_switch_did(everything: Everything) -> None:
    chance = random.Random(7)
    hanging_up = gevent.spawn(_impatient, everything, chance)
    kills = everything.kills()
    clock = gevent.get_hub().loop
    started, place = clock.now(), 0
    while clock.now() - started < KILLS_S or place < 2 * len(kills):
        gevent.sleep(REST_S)
        kills[place % len(kills)]()
        place += 1
    hanging_up.kill()
    everything.load.stop()
    everything.switch.hang_up_all("caller")
    until(lambda: not everything.switch.calls, "everybody has left")
    with gevent.Timeout(90, AssertionError(f"not all is recorded: {everything.said()}")):
        while not _recorded(everything):
            gevent.sleep(0.1)

    database = Database(everything.url)
    region = everything.centre.rules.current().rules().region
    keeper = Keeper(database, lambda raw: normalise(clean_number(raw), region).key or raw)
    before = _interactions(database)
    found = reconcile(everything.cdr, database, keeper, "main")
    assert found.bad == {} and found.calls == len(everything.load.calls)
    again = reconcile(everything.cdr, database, keeper, "main")
    assert (again.added, again.completed) == ([], [])
    rows = _interactions(database)
    quarantined = keeper.quarantined()
    database.close()

    truth = {call.uuid: _truth(everything, call) for call in everything.load.calls}
    assert rows.keys() == truth.keys()
    wrong = [(uuid, {name: (value, rows[uuid][name]) for name, value in what.items() if rows[uuid][name] != value})
             for uuid, what in truth.items() if any(rows[uuid][name] != value for name, value in what.items())]
    assert not wrong, f"{len(wrong)} of {len(truth)}: {wrong[:3]}"
    assert quarantined == 0
    outcomes = Counter(what["outcome"] for what in truth.values())
    assert outcomes["answered"] > 5 and outcomes["abandoned"] > 5, outcomes
    unknown = [uuid for uuid, row in before.items() if row["ended_at"] is None]
    print(f"{len(truth)} calls, {dict(outcomes)}, {place} kills; from the switch's records: {len(found.added)} added, "
          f"{len(found.completed)} completed; {len(unknown)} had no end before")


def _interactions(database: Database) -> dict[str, dict[str, Any]]:
    query = select(schema.interactions)
    return {row["id"]: dict(row) for row in database.read(
        lambda connection: connection.execute(query).mappings().all())}


def _truth(parts: Everything, call: Channel) -> dict[str, Any]:
    """What the switch knows of a call, in the columns of its interaction."""
    outcome = parts.ended[call.uuid]["outcome"]
    if call.joined_at is None:
        outcome = "hung-up" if call.hangup_cause in ("ORIGINATOR_CANCEL", "NORMAL_CLEARING") else "failed"
    known = {
        "number": call.first_profile.caller_id_number, "outcome": outcome, "agent": parts.agents.get(call.uuid),
        "call_class": call.variables.get("fsapp_class"), "cause": call.hangup_cause,
    }
    if known["call_class"] is None:
        del known["call_class"]  # decided, and gone before the switch was told
    if call.variables.get("cc_queue"):
        known["queue"] = call.variables["cc_queue"]
    return known
