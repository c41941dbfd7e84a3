"""A whole centre whose parts are killed one after the other, and what of them could not be known meanwhile. No tests.

FSAPP_TEST_KILLS_SEED says in which order they are.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent
import pytest
from kill_truth import Blind, Truth
from lab_centre import ROOT, Centre, Load
from postgresql_server import PostgresServer, missing
from sqlalchemy import select

from fsapp.core.clean import clean_number
from fsapp.core.numbers import normalise
from fsapp.errors import FsappError
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.scenario import Scenario
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.records.reconcile import Reconciled, reconcile
from fsapp.records.versions import migrate
from fsapp.state import keys
from fsapp.state.floor import read_floor

__all__ = ["REDIS", "SEED", "Parts", "database_for", "rows_of"]

SEED = os.environ.get("FSAPP_TEST_KILLS_SEED", "7")
PASSWORD = "ClueCon"
REDIS = ("redis", "redis_hangs")
LINK = ("link", "link_meanwhile")
_DEAD_S = 6.0     # without an answer, and the link gives the switch up
_LONGER_S = 120.0  # until there is enough to look at
_AROUND_S = 2.0   # of a kill: a visit, and what it has to tell


@contextmanager
def database_for(kind: str, folder: Path) -> Iterator[tuple[PostgresServer | None, str]]:
    """A database of this kind of one's own, as a server where it is one, and its address."""
    if kind == "sqlite":
        yield None, f"sqlite:///{folder}/fsapp.db"
        return
    if why := missing():
        pytest.skip(why)
    postgres = PostgresServer("fsync=on")
    try:
        yield postgres, postgres.create()
    finally:
        postgres.remove()


def rows_of(database: Database, table: Any) -> list[dict[str, Any]]:
    return database.read(lambda connection: [dict(row) for row in connection.execute(select(table)).mappings()])


class Parts:
    """A centre of these rules with all of its parts as processes of their own, and a switch whose memory is the truth.

    Lab time is real time: what the link finds after a gap has the time at which it looked.
    """

    def __init__(
        self, redis: Any, postgres: PostgresServer | None, url: str, folder: Path, *, rules: Mapping[str, Any],
        scenario: Scenario, truth: Truth,
    ) -> None:
        self.redis, self.postgres, self.url, self.folder = redis, postgres, url, folder
        self.chance = random.Random(SEED)
        self.cdr, self.recordings = folder / "json_cdr", folder / "recordings"
        self.cdr.mkdir()
        migrate(url)
        self.centre = Centre(redis, folder, rules)
        self.centre.import_contacts(Load.contacts)
        self.centre.start_serve()
        self.switch = self.centre.switch(scenario, recordings_dir=str(self.recordings))
        self.switch.cdr = self.cdr
        self.socket = EventSocket(self.switch, ("127.0.0.1", 0), PASSWORD)
        self.truth = truth
        self.switch.subscribe(self.truth)
        self.killed: list[tuple[str, float, float]] = []
        self.dead_at = 0.0
        self.processes = {name: self._start(name) for name in ("link", "recorder")}

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

    def kill_all(self, at_least_s: float, enough: Callable[[], bool] = lambda: True) -> int:
        """Every part twice at least, one after the other, for so many seconds and until it is `enough`; how many."""
        clock, parts = gevent.get_hub().loop, self.parts()
        started, killed = clock.now(), 0
        while clock.now() - started < at_least_s or killed < 2 * len(parts) or not enough():
            assert clock.now() - started < at_least_s + _LONGER_S, "nothing comes of it"
            self.chance.shuffle(parts)
            for name in parts:
                gevent.sleep(self.chance.uniform(0.2, 2.2))
                self.kill_one(name)
                killed += 1
        return killed

    def kill_one(self, name: str) -> None:
        began = self.dead_at = time.time()
        getattr(self, f"_kill_{name}")()
        # What the link still said, on a busy machine, after it was to be killed is none of its successor's.
        self.killed.append((name, began, self.dead_at if name in LINK else time.time()))

    def parts(self) -> list[str]:
        database = ["database", "database_hangs"] if self.postgres else []
        return ["recorder", *database, "serve", "redis", "redis_hangs", "link"]

    def _kill_recorder(self) -> None:
        self._again("recorder")

    def _kill_link(self) -> None:
        self._again("link")

    def _kill_link_meanwhile(self) -> None:
        """While Redis is away, with what it could not tell any more."""
        began = time.time()
        self.redis.stop()
        gevent.sleep(self.chance.uniform(0, 0.5))
        self._again("link")
        self.redis.start()
        self.killed.append(("redis", began, time.time()))

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
        told: dict[str, list[float]] = {"link_up": [], "link_down": []}
        for line in (self.folder / "link.log").read_text().splitlines():
            one = json.loads(line) if line.startswith("{") else {}
            if one.get("event") in told:
                told[one["event"]].append(datetime.fromisoformat(one["timestamp"]).timestamp())
        ups = told["link_up"]
        found = [Blind(0.0, ups[0])]
        for name, began, dead_at in self.killed:
            if name not in LINK:
                continue
            held = [down for other, down, up in self.killed if other in REDIS and down < began < up + _AROUND_S]
            found.append(Blind(min([began, *held]), _next(ups, dead_at)))
        # A machine that stands still for so long that the link takes the switch for dead.
        found += [Blind(down - _DEAD_S, _next(ups, down)) for down in told["link_down"]]
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

    def recorded(self) -> bool:
        """Whether the memory has all that is in the stream, and the link knows that nobody is on the line any more."""
        database = Database(self.url)
        try:
            client = self.centre.client
            floor = read_floor(client, "main")
            newest = client.xrevrange(keys.EVENTS, count=1)[0][0].decode()
            position = Keeper(database, str).position()
            return floor.up and not floor.seen.calls and position is not None and position.place == newest
        except FsappError:
            return False
        finally:
            database.close()

    def rows(self) -> tuple[dict[str, list[dict[str, Any]]], Reconciled]:
        """All rows by table, once what the switch's own records tell is there as well; and what these have brought."""
        database = Database(self.url)
        try:
            region = self.centre.rules.current().rules().region
            keeper = Keeper(database, lambda raw: normalise(clean_number(raw), region).key or raw)
            found = reconcile(self.cdr, database, keeper, "main")
            again = reconcile(self.cdr, database, keeper, "main")
            assert (again.added, again.completed) == ([], [])
            return {name: rows_of(database, table) for name, table in schema.METADATA.tables.items()}, found
        finally:
            database.close()

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait(20)
        self.socket.stop()
        self.centre.close()

    def said(self) -> str:
        return "".join((self.folder / f"{name}.log").read_text()[-3000:] for name in self.processes)


def _next(ups: list[float], after: float) -> float:
    return next((up for up in ups if up > after), time.time())
