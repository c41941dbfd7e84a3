"""Reads the switch's JSON records of ended calls, and writes what the stream has missed. Judges no call itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from fsapp.core.cdr import events_of
from fsapp.errors import RecordsError
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.keeping import Keeper

__all__ = ["Reconciled", "reconcile"]

_AT_ONCE = 200
_LARGEST = 4 * 1024 * 1024
_ENDING = ".cdr.json"


@dataclass(slots=True)
class Reconciled:
    """What was found: files read, callers' calls in them, calls that were not known, calls of which more is known now.

    `bad`: files that could not be taken, with why.
    """

    files: int = 0
    calls: int = 0
    added: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)


def reconcile(
    folder: Path, database: Database, keeper: Keeper, switch: str, *, since: float = 0.0,
    before: float = float("inf"), dry_run: bool = False,
) -> Reconciled:
    """Add the calls of `folder` that the memory lacks, and what it lacks of others. RecordsError, RecordsUnavailable.

    Only files written from `since` until `before` (epoch seconds). A file that is no record is named and skipped.
    `dry_run`: nothing is written.
    """
    found = Reconciled()
    batch: list[tuple[str, list[dict[str, Any]]]] = []
    for path in _files(folder, since, before):
        found.files += 1
        try:
            events = events_of(_record(path), switch)
        except ValueError as error:
            found.bad[path.name] = str(error)
            continue
        if events:
            found.calls += 1
            batch.append((path.name, events))
        if len(batch) >= _AT_ONCE:
            _write(batch, database, keeper, found, dry_run)
            batch = []
    _write(batch, database, keeper, found, dry_run)
    return found


def _write(
    batch: list[tuple[str, list[dict[str, Any]]]], database: Database, keeper: Keeper, found: Reconciled, dry_run: bool,
) -> None:
    """Write them; most tell nothing new."""
    if not batch:
        return
    wanted = [events[-1]["call"] for _name, events in batch]
    table = schema.call_states
    query = select(table.c.id).where(table.c.id.in_(wanted))
    known = set(database.read(lambda connection: connection.execute(query).scalars().all()))
    became = keeper.add([events for _name, events in batch], dry_run=dry_run)
    for (name, events), kept in zip(batch, became, strict=True):
        call = events[-1]["call"]
        if kept.quarantined:
            found.bad[name] = next(iter(kept.quarantined.values()))
        elif kept.rows["interactions"]:
            (found.completed if call in known else found.added).append(call)


def _files(folder: Path, since: float, before: float) -> Iterator[Path]:
    try:
        entries = sorted((entry.stat().st_mtime, entry.name) for entry in os.scandir(folder)
                         if entry.name.endswith(_ENDING) and entry.is_file())
    except OSError as error:
        raise RecordsError(f"{folder}: the switch's records cannot be read ({error.strerror}): name their folder, or "
                           "set FSAPP_CDR") from None
    return (folder / name for at, name in entries if since <= at < before)


def _record(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ValueError("it is too large for a record of a call")
        return json.loads(text)
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"it is no JSON: {error}") from None
