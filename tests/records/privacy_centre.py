"""All the places in which a person can be, for tests of privacy: rows, Redis, stream, files; and the commands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest
from sqlalchemy import insert, select

from fsapp.cli.root import main
from fsapp.core.recording import file_name
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper
from fsapp.rules import load_folder
from fsapp.state import keys, stream
from fsapp.state.rules import RulesStore

N, SECOND, OTHER = "+381601234567", "+381641112222", "+381699998888"
TRACES = ("601234567", "641112222", "0641112222", "Ana Petr")


def put(connection: Any, name: str, *rows: dict[str, Any]) -> None:
    for row in rows:
        connection.execute(insert(schema.METADATA.tables[name]), row)


def number_of(raw: str) -> str:
    return "+381" + raw[1:] if raw.startswith("0") else raw


def a_call(uuid: str, at: float, number: str = N, *, over: bool = True) -> list[dict[str, Any]]:
    about = {"call": uuid, "switch": "main", "queue": "helpdesk@fsapp", "member": f"m-{uuid}"}
    events: list[dict[str, Any]] = [
        {"type": "call_routed", "id": f"d-{uuid}", "at": at, "call": uuid, "caller": number, "called": "+381115550300",
         "name": "Eva" if number == OTHER else "Ana Petrović", "class": "service", "reason": "service-line",
         "line": "helpdesk", "queue": "helpdesk@fsapp", "trace": [["number", f"{number} calls", "so"]],
         "facts": {"contacts": [number]}},
        {"type": "queue_joined", "id": f"m-{uuid}:joined", "at": at + 0.1, "number": "0" + number[4:], **about},
        {"type": "call_answered", "id": f"m-{uuid}:answered", "at": at + 1, "agent": "1005", "waited_s": 0.9, **about,
         "contact": f"renewals/first-call/{number}"},
    ]
    return [*events, *the_end(uuid, at, number)] if over else events


def the_end(uuid: str, at: float, number: str = N) -> list[dict[str, Any]]:
    about = {"call": uuid, "switch": "main", "queue": "helpdesk@fsapp", "member": f"m-{uuid}"}
    return [
        {"type": "talk_ended", "id": f"m-{uuid}:talked", "at": at + 60, "agent": "1005", "talked_s": 59.0,
         "number": number, **about},
        {"type": "call_hung_up", "id": f"{uuid}:hung-up", "at": at + 61, "call": uuid, "switch": "main",
         "direction": "inbound", "number": "0" + number[4:], "called": "0115550300", "lasted_s": 61.0,
         "answered_s": 60.0, "cause": "NORMAL_CLEARING",
         "variables": {"fsapp_contact": f"renewals/first-call/{number}"}},
    ]


def recording(uuid: str, number: str, kind: str = "service") -> str:
    return file_name(datetime(2026, 11, 1, 9, tzinfo=UTC), kind, "helpdesk", number, uuid)


class Centre:
    """All the places in which a person can be, and the command line."""

    def __init__(self, client: Any, database: Database, folder: Path, monkeypatch: Any, capsys: Any) -> None:
        self.client, self.database, self.folder, self._capsys = client, database, folder, capsys
        self.recordings, self.cdr = folder / "recordings", folder / "cdr"
        for path in (self.recordings, self.cdr):
            path.mkdir()
            monkeypatch.setenv(f"FSAPP_{path.name.upper()}", str(path))
        self.keeper = Keeper(database, number_of)
        RulesStore(client).load(load_folder("conf/rules"), "", "", "conf/rules")

    def fsapp(self, *words: str) -> Any:
        with pytest.raises(SystemExit) as left:
            main(list(words))
        out, err = self._capsys.readouterr()
        return SimpleNamespace(status=left.value.code or 0, out=out, faults=err.splitlines())

    def tell(self, *events: dict[str, Any], record: bool = True) -> None:
        """Put events into the stream; the recorder has read all of it, or nothing more."""
        before = self.client.xlen(keys.EVENTS)
        stream.add(self.client, [stream.encode(event) for event in events])
        if record:
            entries = self.client.xrange(keys.EVENTS)[before:]
            self.keeper.keep([(place.decode(), fields[stream.FIELD]) for place, fields in entries])

    def file(self, name: str) -> Path:
        path = self.recordings / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"RIFF")
        return path

    def everything(self) -> str:
        """All that is anywhere, as one text."""
        said = []
        for name, table in schema.METADATA.tables.items():
            for row in self.database.read(lambda connection, table=table: connection.execute(select(table)).all()):
                said.append(f"{name} {[_readable(value) for value in row]}")
        for key in self.client.scan_iter():
            kind = self.client.type(key).decode()
            if b"{rules}" in key:
                continue
            value = {"string": self.client.get, "hash": self.client.hgetall, "stream": self.client.xrange,
                     "zset": lambda key: self.client.zrange(key, 0, -1),
                     "list": lambda key: self.client.lrange(key, 0, -1)}[kind](key)
            said.append(f"{key.decode()} {_readable(value)}")
        said += [f"{path} {path.read_bytes()!r}" for path in sorted(self.folder.rglob("*"))
                 if path.is_file() and path.suffix != ".zip" and "fsapp.db" not in path.name]
        return "\n".join(said)

    def rows(self, name: str) -> list[dict[str, Any]]:
        table = schema.METADATA.tables[name]
        return [dict(row) for row in self.database.read(
            lambda connection: connection.execute(select(table)).mappings().all())]


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return repr(msgpack.unpackb(value, strict_map_key=False))
        except Exception:  # noqa: BLE001  it is something else
            return repr(value)
    if isinstance(value, dict):
        return {_readable(key): _readable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_readable(one) for one in value]
    return value
