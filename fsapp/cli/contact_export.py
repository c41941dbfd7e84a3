"""Contacts of a stage to a file, by way of one on disk, as nobody knows before which fields there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any

import msgpack
import redis

from fsapp.core.rules import Rules
from fsapp.sheets.columns import distinct_names
from fsapp.sheets.writing import write_rows
from fsapp.state.contact_file import KNOWN
from fsapp.state.contacts import Contacts, Entry

__all__ = ["export_contacts"]


def export_contacts(
    client: redis.Redis, rules: Rules, stage_id: str, path: str, kind: str, *, only_open: bool = False,
) -> int:
    """How many contacts were written. SheetError, StateError."""
    emails = {agent.id: agent.email for agent in rules.agents.values()}
    own: dict[str, None] = {}
    with tempfile.TemporaryFile() as waiting:
        for number, entry in Contacts(client).of_stage(stage_id):
            if only_open and not entry.open:
                continue
            own.update(dict.fromkeys(entry.fields))
            waiting.write(msgpack.packb((number, entry._replace(previous=None))))
        names = sorted(own)
        return write_rows(path, kind, distinct_names([*KNOWN, *names]), _rows(waiting, names, emails))


def _rows(waiting: IO[bytes], own: list[str], emails: dict[str, str]) -> Iterator[list[Any]]:
    waiting.seek(0)
    for number, values in msgpack.Unpacker(waiting):
        entry = Entry(*values)
        yield [
            number, entry.name, emails.get(entry.agent or ""), entry.priority, _time(entry.due_at), entry.timezone,
            entry.list, *(entry.fields.get(name) for name in own),
        ]


def _time(at: float | None) -> str | None:
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):  # whoever wrote it: no time there is
        return None
