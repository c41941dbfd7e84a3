"""One person in all the places where fsapp keeps something: collected into a file, or erased. Asks and prints nothing.

The memory, Redis with the event stream, recordings and voicemails, and the switch's own records of calls on this
machine.
"""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
from sqlalchemy import Connection, select

from fsapp import cdr_files, recordings
from fsapp.core.erased import maybe_in
from fsapp.core.numbers import normalise
from fsapp.core.rules import MAIN
from fsapp.errors import FsappError, RecordingError, RecordsError, StateError
from fsapp.records import schema
from fsapp.records.access import looked
from fsapp.records.database import Database
from fsapp.records.erased_ids import rename
from fsapp.records.erasures import Tombstones
from fsapp.records.numbers_held import numbers_of
from fsapp.records.person import Person, addresses, attempts_of, erase_rows, passing, person, rows_of
from fsapp.records.writer import lock
from fsapp.settings import Settings
from fsapp.sheets.writing import whole_file
from fsapp.state import person as hot
from fsapp.state.erased import Erased as Lately
from fsapp.state.floor import read_floor

__all__ = ["Erased", "Privacy"]

_PASSING_S = 2 * 24 * 3600
_STREAM = "events"


@dataclass(slots=True)
class Erased:
    """What was done, by place, and what could not be reached, a line each; `waiting`: of this what can be later."""

    numbers: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    tables: dict[str, dict[str, int]] = field(default_factory=dict)
    redis_keys: int = 0
    events: int = 0
    recordings: int = 0
    cdr: int = 0
    waiting: list[str] = field(default_factory=list)
    unreached: list[str] = field(default_factory=list)


class Privacy:
    """Works on the stores of `settings`; `region`, `switches` and `lists` (numbers by name) are the centre's.

    RecordsError and StateError.
    """

    def __init__(
        self, settings: Settings, database: Database, client: redis.Redis, *, region: str = "ZZ",
        switches: Iterable[str] = (MAIN,), lists: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._client = client
        self._region = region
        self._switches = tuple(switches)
        self._lists = dict(lists or {})
        self._passing: set[str] = set()

    def person(self, number: str, without: Collection[str] = ()) -> Person:
        """Whose number it is; `without`: numbers that were theirs earlier and are not to be taken for theirs."""
        return self._database.read(lambda connection: person(connection, number, without))

    def export(self, who: Person, path: str) -> dict[str, Any]:
        """Everything of one person in one zip file, which is at `path` when it is whole; its index."""
        index: dict[str, Any] = {
            "made_at": time.time(), "numbers": who.numbers, "earlier": who.earlier, "customer": who.customer,
            "files": {}, "not_included": self._not_meant(who)}
        with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as folded:

            def put(name: str, value: Any, what: str) -> None:
                folded.writestr(name, json.dumps(value, ensure_ascii=False, indent=1, default=str))
                index["files"][name] = what

            for table, rows in self._database.read(lambda connection: list(rows_of(connection, who))):
                put(f"records/{table}.json", rows, f"{len(rows)} rows of the memory")
            put("redis.json", hot.known(self._client, who.numbers), "contacts, rights, stickiness, tasks")
            events = [event | {"place": place} for place, event in
                      hot.events_of(self._client, who.numbers, who.calls)]
            put("events.json", events, f"{len(events)} events of the stream")
            self._pack_files(folded, who, index)
            folded.writestr("index.json", json.dumps(index, ensure_ascii=False, indent=1))
        return index

    def erase(self, who: Person, by: str) -> Erased:
        """Erase one person. `by`: who does it, for the access log. What is told later of what was before stays out."""
        done = Erased(who.numbers, who.earlier)
        at, without = time.time(), self._without(who)
        # First of all: what the link hears from now on of calls of before makes nothing again.
        lately = Lately(self._client)
        lately.add(who.numbers, self._on_the_line(who), at)
        self._erase_redis(who, done)
        # Files before rows: only the rows know which numbers and calls are the person's, for who was killed here.
        self._erase_files(who, self._files_of(who), done)
        self._erase_cdr(who, done)

        def work(connection: Connection) -> int:
            lock(connection)
            again = person(connection, who.numbers[0], without)
            tombstones = Tombstones(connection)
            self._passing.update(passing(connection, again, at - _PASSING_S))
            tombstones.add({*again.numbers, *who.numbers}, self._passing, at, addresses(connection, again))
            named = sum(maybe_in(one.encode(), again.numbers) for one in attempts_of(connection, again))
            done.tables = erase_rows(connection, again, at)
            if renamed := rename(connection, tombstones, again.calls):
                done.tables.setdefault("interactions", {})["renamed"] = renamed
            looked(connection, at=at, who=by, what="erasure", subject=tombstones.hash(who.numbers[0]), how="cli")
            return named

        if named := self._database.write(work):
            done.unreached.append(f"{named} attempts whose id has the number in it, as it was given with --id")
        lately.add(who.numbers, self._passing, at)
        # Once more: what was written while the memory was being cleaned.
        self._erase_redis(who, done)
        done.unreached += self._database.settle(rewrite=True)
        if self._database.file is None:
            done.unreached.append("the files of PostgreSQL, its WAL with them: it writes over what was removed when it "
                                  "has use for the room")
        done.unreached = [
            *done.waiting, *self._not_meant(who), *done.unreached,
            "what other machines have: recordings and the switch's records there; run this command on each of them",
            "copies that fsapp does not know of: backups, exported files, log files, phones, the trunk's own records"]
        return done

    def _not_meant(self, who: Person) -> list[str]:
        """What may be theirs too, and is left to whoever knows that."""
        lines = [f"{number} was a number of theirs, and somebody else has used it since: what is kept under it alone "
                 f"stays; name it as well if it is still theirs: fsapp privacy ... {number}" for number in who.doubtful]
        for owner in who.owners:
            theirs = self._database.read(lambda connection, owner=owner: numbers_of(connection, owner))
            lines.append(f"{who.numbers[0]} was a number of customer {owner}, who has {', '.join(theirs) or 'none'} "
                         "now: name one of these if that is the same person")
        lines += [f"list {name} of the rules names {number}: take it out of its file and load the rules, unless it has "
                  "to stay there; Redis keeps the versions before, too"
                  for name, numbers in self._lists.items() for number in who.numbers if number in numbers]
        return lines

    def _without(self, who: Person) -> list[str]:
        """Earlier numbers that were left out."""
        whole = self.person(who.numbers[0])
        return [number for number in whole.earlier if number not in who.earlier]

    def _erase_redis(self, who: Person, done: Erased) -> None:
        removed = hot.erase(self._client, who.numbers, self._read_until(), who.calls)
        done.redis_keys += len(removed.keys)
        done.events += removed.events
        talking = self._on_the_line(who)
        self._passing |= removed.passing | talking
        again = "erase again afterwards" + (
            f", each of {', '.join(who.numbers)}: nobody knows any more that they are one's" if who.numbers[1:] else "")
        done.waiting = []
        if removed.left:
            done.waiting.append(f"{removed.left} events that `fsapp recorder` has not read yet: it records them "
                                f"without who it was; {again}, to have them out of the stream")
        if talking:
            done.waiting.append(f"{len(talking)} calls that go on: the switch has their numbers until they end, and "
                                f"the stream then has events of it; {again}")

    def _read_until(self) -> str | None:
        """How far the recorder has read the stream; None where none has ever run."""
        table = schema.recorder_positions
        return self._database.read(lambda connection: connection.execute(
            select(table.c.place).where(table.c.stream == _STREAM)).scalar())

    def _on_the_line(self, who: Person) -> set[str]:
        found = set()
        for switch in self._switches:
            try:
                floor = read_floor(self._client, switch)
            except StateError:
                continue
            for call in floor.seen.calls.values():
                numbers = {call.number, call.called, call.variables.get("fsapp_customer", "")}
                if any(normalise(number, self._region).key in who.numbers for number in numbers if number):
                    found.add(call.uuid)
        return found

    def _files_of(self, who: Person) -> set[str]:
        """Names of recordings that rows name: of calls under a number that no name has."""
        def work(connection: Connection) -> set[str]:
            found = set()
            for table, rows in rows_of(connection, who):
                for row in rows:
                    name = row.get("recording") if table == "interactions" else row.get("file")
                    if isinstance(name, str):
                        found.add(name)
            return found

        return self._database.read(work)

    def _wanted(self, who: Person) -> Any:
        calls = set(who.calls)
        return lambda one: one.number in who.numbers or one.call in calls

    def _erase_files(self, who: Person, names: set[str], done: Erased) -> None:
        folder = self._settings.recordings
        try:
            wanted = self._wanted(who)
            removed = recordings.remove(folder, lambda name, one: name in names or wanted(one))
        except RecordingError as error:
            done.unreached.append(f"recordings: {error}")
            return
        done.recordings = len(removed.removed)
        done.unreached += removed.faults
        missing = names - {file.name for file in removed.removed}
        if missing:
            done.unreached.append(
                f"{len(missing)} recordings that are not in {folder}: on another machine, or gone before")

    def _erase_cdr(self, who: Person, done: Erased) -> None:
        try:
            for path in cdr_files.naming(self._settings.cdr, who.numbers, who.calls):
                try:
                    path.unlink()
                    done.cdr += 1
                except OSError as error:
                    done.unreached.append(f"{path}: cannot be removed: {error.strerror}")
        except RecordsError as error:
            done.unreached.append(str(error))

    def _pack_files(self, folded: zipfile.ZipFile, who: Person, index: dict[str, Any]) -> None:
        try:
            names, wanted = self._files_of(who), self._wanted(who)
            for file in recordings.find(self._settings.recordings):
                if file.name not in names and not wanted(file.recorded):
                    continue
                name = f"recordings/{file.name}"
                try:
                    with folded.open(name, "w") as to:
                        recordings.copy(self._settings.recordings, file.name, to)
                except FileNotFoundError:
                    continue  # its time was over meanwhile
                index["files"][name] = f"recording, {file.seconds or '?'} s"
        except RecordingError as error:
            index["not_included"].append(f"recordings: {error}")
        try:
            for path in cdr_files.naming(self._settings.cdr, who.numbers, who.calls):
                name = f"switch/{path.name}"
                folded.writestr(name, path.read_bytes())
                index["files"][name] = "the switch's record of a leg"
        except FsappError as error:
            index["not_included"].append(str(error))
        index["not_included"].append("what other machines have: recordings and the switch's records there")
