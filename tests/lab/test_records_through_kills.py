"""What must hold: everything is killed in a loop under load, and afterwards the records equal what the switch did.

FSAPP_TEST_KILLS_S says for how many seconds, FSAPP_TEST_KILLS_SEED in which order and who does what;
`scripts/kill-loop` does it for minutes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent
import pytest
from kill_callers import Callers, rules
from kill_truth import Blind, Truth, differences
from lab_centre import ROOT, Centre, Load, scenario
from lab_ends import until
from postgresql_server import PostgresServer, missing
from sqlalchemy import select

from fsapp.core.clean import clean_number
from fsapp.core.numbers import normalise
from fsapp.core.recording import read_name
from fsapp.errors import FsappError
from fsapp.lab.channel import Channel
from fsapp.lab.esl_in import EventSocket
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.records.reconcile import reconcile
from fsapp.records.versions import migrate
from fsapp.state import keys
from fsapp.state.customers import Customers
from fsapp.state.floor import read_floor
from fsapp.state.tasks import Tasks

KILLS_S = float(os.environ.get("FSAPP_TEST_KILLS_S", "20"))
SEED = os.environ.get("FSAPP_TEST_KILLS_SEED", "7")
PER_S = 10
PASSWORD = "ClueCon"
REDIS = ("redis", "redis_hangs")
_AROUND_S = 2.0   # of a kill: a visit, and what it has to tell


class Everything:
    """The example centre with all of its parts as processes of their own, and a switch whose memory is the truth.

    Lab time is real time: what the link finds after a gap has the time at which it looked.
    """

    def __init__(self, redis: Any, database: PostgresServer | None, url: str, folder: Path) -> None:
        self.redis, self.postgres, self.url, self.folder = redis, database, url, folder
        self.chance = random.Random(SEED)
        self.cdr, self.recordings = folder / "json_cdr", folder / "recordings"
        self.cdr.mkdir()
        migrate(url)
        self.centre = Centre(redis, folder, rules())
        self.centre.import_contacts(Load.contacts)
        self.centre.start_serve()
        self.switch = self.centre.switch(scenario(speed=1, busy=4), recordings_dir=str(self.recordings))
        self.switch.cdr = self.cdr
        self.socket = EventSocket(self.switch, ("127.0.0.1", 0), PASSWORD)
        self.truth = Truth()
        self.switch.subscribe(self.truth)
        self.killed: list[tuple[str, float, float]] = []
        self.dead_at = 0.0
        self.processes = {name: self._start(name) for name in ("link", "recorder")}
        self.callers = Callers(self.switch, PER_S, self.chance)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": self.redis.url, "FSAPP_DATABASE_URL": self.url, "FSAPP_RECORDER_HTTP": "127.0.0.1:0",
            "FSAPP_LINK_HTTP": "127.0.0.1:0", "FSAPP_SWITCH": "{}:{}".format(*self.socket.address),
            "FSAPP_SWITCH_PASSWORD": PASSWORD, "FSAPP_SYNC_S": "2",
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "fsapp", name, "--json"], cwd=ROOT, env=environ, stdout=log, stderr=log)

    # Kills

    def kill_one(self, name: str) -> None:
        began = self.dead_at = time.time()
        getattr(self, f"_kill_{name}")()
        # What the link still said, on a busy machine, after it was to be killed is none of its successor's.
        self.killed.append((name, began, self.dead_at if name == "link" else time.time()))

    def parts(self) -> list[str]:
        database = ["database", "database_hangs"] if self.postgres else []
        return ["recorder", *database, "serve", "redis", "redis_hangs", "link"]

    def _kill_recorder(self) -> None:
        self._again("recorder")

    def _kill_link(self) -> None:
        self._again("link")

    def _again(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait(20)
        self.dead_at = time.time()
        self.processes[name] = self._start(name)

    def _kill_serve(self) -> None:
        self.centre.serve.kill()
        self.centre.serve.wait(20)
        self.centre.start_serve(self.centre.listen)

    def _kill_redis(self) -> None:
        self.redis.stop()
        gevent.sleep(0.3)
        self.redis.start()

    def _kill_redis_hangs(self) -> None:
        """As a machine that stands still for longer than anybody waits for an answer."""
        self.redis.stand_still()
        gevent.sleep(self.chance.uniform(0.5, 4))
        self.redis.go_on()

    def _kill_database_hangs(self) -> None:
        self.postgres.stand_still()
        gevent.sleep(self.chance.uniform(0.5, 4))
        self.postgres.go_on()

    def _kill_database(self) -> None:
        self.postgres.kill()
        gevent.sleep(0.3)
        self.postgres.start()

    # What came of it

    def blind(self) -> list[Blind]:
        """When the link heard nothing, or was killed with what it had heard while Redis was away."""
        lines = [json.loads(line) for line in (self.folder / "link.log").read_text().splitlines()
                 if line.startswith("{") and '"link_up"' in line]
        ups = [datetime.fromisoformat(one["timestamp"]).timestamp() for one in lines if one["event"] == "link_up"]
        found = [Blind(0.0, ups[0])]
        for name, began, dead_at in self.killed:
            if name != "link":
                continue
            held = [down for other, down, up in self.killed if other in REDIS and down < began < up + _AROUND_S]
            found.append(Blind(min([began, *held]), next((up for up in ups if up > dead_at), time.time())))
        return found

    def around(self, at: float, *names: str) -> bool:
        """Whether one of these was killed about then."""
        return any(name in names and began - _AROUND_S <= at <= ended + _AROUND_S
                   for name, began, ended in self.killed)

    def held(self, at: float) -> bool:
        """Whether what `fsapp serve` had to tell then was lost: Redis was away, and it was killed before that was back.

        A visit waits for Redis a quarter of a second at most, for the caller's sake; then all that there is of an event
        is in the memory of a process that is killed.
        """
        return any(
            down <= killed <= up + _AROUND_S and down - 3 <= at <= killed + 0.5
            for other, down, up in self.killed if other in REDIS
            for name, killed, _ended in self.killed if name == "serve")

    def messages(self) -> dict[str, list[str]]:
        """Files of messages that callers have left, by call."""
        found: dict[str, list[str]] = {}
        for path in self.recordings.rglob("*.wav"):
            name = str(path.relative_to(self.recordings))
            read = read_name(name)
            if read is not None and read.call_class == "voicemail":
                found.setdefault(read.call, []).append(name)
        return found

    def stop(self) -> None:
        self.callers.stop()
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
    clock = gevent.get_hub().loop
    started, killed, parts = clock.now(), 0, everything.parts()
    while clock.now() - started < KILLS_S or killed < 2 * len(parts):
        everything.chance.shuffle(parts)
        for name in parts:
            gevent.sleep(everything.chance.uniform(0.2, 2.2))
            everything.kill_one(name)
            killed += 1
    everything.callers.stop()
    for call in everything.callers.calls:
        call.hangup("ORIGINATOR_CANCEL", "caller")
    until(lambda: not everything.switch.calls, "everybody has left")
    with gevent.Timeout(90, AssertionError(f"not all is recorded: {everything.said()}")):
        while not _recorded(everything):
            gevent.sleep(0.1)

    database = Database(everything.url)
    region = everything.centre.rules.current().rules().region
    keeper = Keeper(database, lambda raw: normalise(clean_number(raw), region).key or raw)
    before = {row["id"]: row for row in _rows(database, schema.interactions)}
    found = reconcile(everything.cdr, database, keeper, "main")
    assert found.bad == {} and found.calls == len(everything.callers.calls)
    again = reconcile(everything.cdr, database, keeper, "main")
    assert (again.added, again.completed) == ([], [])
    rows = {name: _rows(database, table) for name, table in schema.METADATA.tables.items()}
    database.close()

    interactions = {row["id"]: row for row in rows["interactions"]}
    calls = {call.uuid: call for call in everything.callers.calls}
    assert interactions.keys() == calls.keys() == everything.truth.calls.keys()
    messages, blind = everything.messages(), everything.blind()
    gaps = [[gap.start, gap.end] for gap in blind]
    (everything.folder / "kills.json").write_text(json.dumps({"killed": everything.killed, "blind": gaps}))
    decided: dict[str, list[Any]] = {}
    for row in sorted(rows["decisions"], key=lambda row: row["at"]):
        decided.setdefault(row["interaction_id"], []).append(row)
    left = {row["interaction_id"] for row in rows["voicemails"]}  # each is compared by itself
    hung = {row["interaction_id"] for row in rows["flow_ends"] if row["end"] == "hangup"}
    wrong = []
    for uuid, call in calls.items():
        wrong += [f"{uuid}: {what}" for what in _wrong(
            everything, call, interactions[uuid], decided.get(uuid, []), uuid in left, uuid in hung)]
    wrong += differences(everything.truth.calls, rows["queue_stays"], rows["offers"], blind)
    wrong += _of_flows(everything, rows, messages)
    wrong += _what_followed(everything, rows, blind)
    assert not wrong, "\n".join([f"{len(wrong)} differences in {len(calls)} calls:", *wrong[:20]])
    assert rows["quarantine"] == []
    outcomes = Counter(row["outcome"] for row in interactions.values())
    assert all(outcomes[name] > 2 for name in ("answered", "abandoned", "voicemail", "flow")), outcomes
    unknown = [uuid for uuid, row in before.items() if row["ended_at"] is None]
    print(f"\nseed {SEED}: {len(calls)} calls, {dict(outcomes)}, {killed} kills, {len(rows['queue_stays'])} stays, "
          f"{len(rows['offers'])} offers, {len(rows['voicemails'])} messages, {len(rows['surveys'])} answers; from the "
          f"switch's records: {len(found.added)} added, {len(found.completed)} completed; "
          f"{len(unknown)} had no end before")


def _rows(database: Database, table: Any) -> list[dict[str, Any]]:
    return database.read(lambda connection: [dict(row) for row in connection.execute(select(table)).mappings()])


def _wrong(
    parts: Everything, call: Channel, row: dict[str, Any], decisions: list[dict[str, Any]], told: bool,
    flow_ended: bool,
) -> Iterator[str]:
    """In which columns an interaction is not what the switch did with the call."""
    did = parts.truth.calls[call.uuid]
    talk, last = did.talk, did.last
    known: dict[str, tuple[Any, ...]] = {
        "number": (call.first_profile.caller_id_number,), "cause": (call.hangup_cause,), "direction": ("inbound",),
        "agent": (talk.agent if talk else None,), "outcome": _outcomes(parts, call, told, flow_ended),
        "called": (call.first_profile.destination_number,),
    }
    routed = call.variables.get("fsapp_class")
    # Decided, and gone before the switch was told: then only what has decided knows.
    known["call_class"] = (routed,) if routed else (None, *(one["call_class"] for one in decisions[:1]))
    if last is not None:
        known["queue"] = ((talk or last).queue,)
    for name, values in known.items():
        if row[name] not in values:
            yield f"{name} is {row[name]!r} instead of {values}"
    times: dict[str, float | None] = {
        "started_at": did.started_at, "ended_at": did.ended_at, "answered_at": talk and talk.answered_at}
    for name, at in times.items():
        if (at is None) != (row[name] is None) or (at is not None and abs(row[name] - at) > 1.6):
            yield f"{name} is {row[name]} instead of {at}"
    decision = call.variables.get("fsapp_decision")
    if decision and last is not None and decision not in {one["id"] for one in decisions} and not parts.around(
            last.joined_at, "serve", *REDIS):
        yield f"decision {decision} is not there, of {last}"


def _outcomes(parts: Everything, call: Channel, told: bool, flow_ended: bool) -> tuple[str, ...]:
    did = parts.truth.calls[call.uuid]
    if did.talk is not None:
        return ("answered",)
    if told:
        return ("voicemail",)
    if did.last is not None:
        return ("abandoned",)
    if call.end == "hangup" and call.variables.get("fsapp_flow"):
        # What has ended the flow was killed with the word of it still to be told.
        return ("flow", "hung-up") if parts.around(did.ended_at, "serve", *REDIS) else ("flow",)
    gone = call.hangup_cause in ("ORIGINATOR_CANCEL", "NORMAL_CLEARING")
    if flow_ended:
        return ("flow",)  # in the moment in which the caller hung up as well
    return ("hung-up" if gone else "failed",)


def _what_followed(parts: Everything, rows: dict[str, Any], blind: list[Blind]) -> Iterator[str]:
    """Who gave up waiting is to be called back, once; who talked is that agent's. In Redis and in the memory alike.

    Only of those who called once. What the link has never seen, a stay that began and ended while it was away, has no
    consequence; nor has it that somebody hung up between two queues, of which mod_callcenter tells nothing. Somebody
    who was known to wait, and has talked and gone before the link looked again, has given up as far as anybody can see
    from the switch's tables: called back in vain is better than not called back.
    """
    tasks, customers = Tasks(parts.centre.client), Customers(parts.centre.client)
    kept: dict[str, list[dict[str, Any]]] = {}
    stuck: dict[str, set[str]] = {}
    for row in rows["tasks"]:
        kept.setdefault(row["number"], []).append(row)
    for row in rows["customer_events"]:
        if row["type"] == "stickiness":
            stuck.setdefault(row["number"], set()).add(row["agent"])
    for call in parts.truth.calls.values():
        if call.number in Load.contacts:
            continue
        last = call.last
        unseen = last is not None and any(gap.has(last.joined_at, 1.0) for gap in blind)
        gave_up = last is not None and call.talk is None and last.reason == "BREAK_OUT"
        wanted = [("lost", "open")] if gave_up else []
        over_at = call.talk.over_at or call.ended_at if call.talk is not None else None
        hidden = call.talk is not None and any(
            gap.has(call.talk.answered_at, 1.0) and gap.has(over_at, 1.0) for gap in blind)
        for name, found in (
            ("memory", [(row["kind"], row["state"]) for row in kept.get(call.number, ())]),
            ("Redis", [(one.kind.value, one.state.value) for one in tasks.of(call.number)]),
        ):
            if found != wanted and not (unseen and not found) and not (hidden and found == [("lost", "open")]):
                yield f"{call.uuid}: tasks in {name} are {found} instead of {wanted}, of {last}"
        known = customers.get(call.number).sticky
        agents = {"memory": stuck.get(call.number, set()), "Redis": {known.agent} if known else set()}
        talked = {call.talk.agent} if call.talk is not None else set()
        for name, of in agents.items():
            if of != talked and not ((unseen or hidden) and not of):
                yield f"{call.uuid}: {name} has the customer stick to {of} instead of {talked}, of {last}"


def _of_flows(parts: Everything, rows: dict[str, Any], messages: dict[str, list[str]]) -> Iterator[str]:
    """Messages and answers: each file has one row, each answer that was taken one, and nothing else has."""
    files = Counter(row["file"] for row in rows["voicemails"])
    there = {file for some in messages.values() for file in some}
    for file in there:
        read = read_name(file)
        if files[file] != 1 and not (files[file] == 0 and read and parts.held(read.at.timestamp())):
            yield f"{file}: {files[file]} rows of a message"
    for row in rows["voicemails"]:
        if row["file"] not in there and not parts.callers.was_at(parts.callers.by_uuid[row["interaction_id"]], "mail"):
            yield f"a message that was none: {row}"
    answers: dict[str, list[str]] = {}
    for row in rows["surveys"]:
        answers.setdefault(row["interaction_id"], []).append(row["value"])
    for uuid, values in answers.items():
        pressed = [key for key, _at in parts.callers.answers.get(uuid, ())]
        if len(values) > len(pressed) or set(values) - set(pressed):
            yield f"{uuid}: answers {values} instead of {pressed}"
    for uuid, given in parts.callers.answers.items():
        # Taken, and the flow gone on, in the moment in which who took it was killed; or pressed as nobody listened.
        if uuid not in answers and not any(parts.around(at, "serve", *REDIS) for _key, at in given):
            yield f"{uuid}: no answer of {given}"
