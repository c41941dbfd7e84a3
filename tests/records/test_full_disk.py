"""A disk that is really full: the recorder says so, is killed, waits, and loses nothing once there is room again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from postgresql_server import PostgresServer, missing
from sqlalchemy import func, select
from test_recorder import call

from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.versions import migrate
from fsapp.state import stream

ROOT = Path(__file__).parents[2]
CALLS = 400  # more than what a database has room for in pages of its own


class SmallDisk:
    """A file system of `mib` MiB. `alone`: only those see it who are started with `inside`, for which it takes no root.

    It is gone when the test is, or as soon as it is killed, if it is alone.
    """

    def __init__(self, mib: int, *, alone: bool) -> None:
        # Not in pytest's folders: PostgreSQL is another user, and its socket's path must be short.
        self.where = Path(tempfile.mkdtemp(prefix="fsapp-disk-"))
        self.where.chmod(0o755)
        self._holder: subprocess.Popen[str] | None = None
        self.inside: list[str] = []
        if alone:
            self._be_alone(mib)
        else:
            done = subprocess.run(self._mount(mib), capture_output=True, text=True, timeout=20, check=False)
            if done.returncode:
                self.where.rmdir()
                pytest.skip(f"no small file system can be made here: {done.stderr.strip()}")
        # SQLite goes by what a path stands for, and would leave such a one for the folder that others see.
        self.seen = Path(f"/proc/{self._holder.pid}/root{self.where}") if self._holder else self.where

    def _mount(self, mib: int) -> list[str]:
        return ["mount", "-t", "tmpfs", "-o", f"mode=1777,size={mib}m", "tmpfs", str(self.where)]

    def _be_alone(self, mib: int) -> None:
        user = os.getuid() != 0
        made = '"$@" && echo ready && exec sleep 900'
        self._holder = subprocess.Popen(
            ["unshare", "--mount", *(["--map-root-user"] if user else []), "sh", "-c", made, "sh", *self._mount(mib)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != "ready\n":
            why = self._holder.stderr.read().strip()
            self.remove()
            pytest.skip(f"no small file system can be made here: {why}")
        self.inside = ["nsenter", "-t", str(self._holder.pid), "--mount",
                       *(["--user", "--preserve-credentials"] if user else [])]

    def fill(self) -> None:
        with (self.seen / "filler").open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while file.write(b"x" * size) == size:
                        pass
        with pytest.raises(OSError, match="No space left"), (self.seen / "more").open("wb", buffering=0) as file:
            file.write(b"x" * 4096)

    def make_room(self) -> None:
        (self.seen / "filler").unlink()

    def remove(self) -> None:
        if self._holder is not None:
            self._holder.kill()
            self._holder.wait(20)
            for pipe in (self._holder.stdout, self._holder.stderr):
                if pipe is not None:
                    pipe.close()
        else:
            # What was killed a moment ago may still be ending.
            subprocess.run(["umount", "--lazy", str(self.where)], timeout=20, check=True)
        self.where.rmdir()


class Recorders:
    """`fsapp recorder` as processes, one after the other."""

    def __init__(self, redis_url: str, database_url: str, log: Path, inside: list[str]) -> None:
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": redis_url, "FSAPP_DATABASE_URL": database_url, "FSAPP_RECORDER_HTTP": "127.0.0.1:0"}
        self._inside = inside
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as output:
            self.process = subprocess.Popen(
                [*self._inside, sys.executable, "-m", "fsapp", "recorder", "--json"], cwd=ROOT, env=self._environ,
                stdout=output, stderr=output)

    def said(self, event: str) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines()
        return [fact for line in lines if line.startswith("{") and line.endswith("}")
                and (fact := json.loads(line))["event"] == event]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def until(true: Callable[[], Any], what: str) -> Any:
    with gevent.Timeout(60, AssertionError(what)):
        while not (found := true()):
            gevent.sleep(0.05)
        return found


Counts = Callable[[Any], int]


def fill_and_make_room(recorders: Recorders, disk: SmallDisk, client: Any, count: Counts) -> None:
    """One call is recorded, the disk is full, more calls come, the recorder is killed, there is room again."""
    def tell(first: int, last: int) -> None:
        for place in range(first, last):
            stream.add(client, [stream.encode(event) for event in call(f"u{place}", 1_700_000_000.0 + place)])

    tell(0, 1)
    recorders.start()
    until(lambda: count(schema.interactions) == 1, "the first call is recorded")
    disk.fill()
    tell(1, CALLS)
    [lost] = until(lambda: recorders.said("database_lost"), "it says that there is no room")
    assert "make room on its disk" in lost["error"], lost
    assert 0 <= count(schema.interactions) < CALLS
    recorders.kill()
    recorders.start()
    lost = until(lambda: recorders.said("database_lost")[1:], "it says so once more")[0]
    assert "make room on its disk" in lost["error"], lost
    assert recorders.process is not None and recorders.process.poll() is None, "it waits"
    disk.make_room()
    until(lambda: count(schema.interactions) == CALLS, "it goes on by itself")
    assert (count(schema.queue_stays), count(schema.offers), count(schema.quarantine)) == (CALLS, CALLS, 0)
    until(lambda: recorders.said("database_back"), "it says that it is back")
    assert recorders.end() == 0


def test_of_sqlite(redis_server: Any, redis_client: Any, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("there is no unshare and nsenter (util-linux)")
    disk = SmallDisk(64, alone=True)  # SQLite writes ahead by 32 of them
    url = f"sqlite:///{disk.where}/fsapp.db"
    recorders = Recorders(redis_server.url, url, tmp_path / "log", disk.inside)

    def count(table: Any) -> int:
        query = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])"
        done = subprocess.run(
            [*disk.inside, sys.executable, "-c", query, str(disk.where / "fsapp.db"),
             f"SELECT count(*) FROM {table.name}"], capture_output=True, text=True, timeout=30, check=False)
        return int(done.stdout) if done.returncode == 0 else -1

    try:
        fill_and_make_room(recorders, disk, redis_client, count)
    finally:
        recorders.kill()
        disk.remove()


def test_of_postgresql(redis_server: Any, redis_client: Any, tmp_path: Path) -> None:
    if why := missing():
        pytest.skip(why)
    disk = SmallDisk(160, alone=False)
    server = recorders = None
    try:
        server = PostgresServer("min_wal_size=32MB", "max_wal_size=64MB", within=disk.where)
        url = server.create()
        migrate(url)
        database = Database(url)
        recorders = Recorders(redis_server.url, url, tmp_path / "log", [])

        def count(table: Any) -> int:
            return database.read(lambda connection: connection.execute(
                select(func.count()).select_from(table)).scalar_one())

        fill_and_make_room(recorders, disk, redis_client, count)
        database.close()
    finally:
        if recorders is not None and recorders.process is not None:
            recorders.kill()
        if server is not None:
            server.remove()
        disk.remove()
