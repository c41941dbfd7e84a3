"""The switch's JSON files of ended legs (mod_json_cdr) on this machine: those that name a number, found and removed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

from fsapp.core.erased import looks_like, maybe_in
from fsapp.errors import RecordsError

__all__ = ["naming"]

_LARGEST = 4 * 1024 * 1024
_ENDING = ".cdr.json"
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_RUN = re.compile(r"\+?[0-9]{8,15}(?![0-9])", re.ASCII)


def naming(folder: str | Path, numbers: Sequence[str], calls: Collection[str] = ()) -> Iterator[Path]:
    """The files in which one of the numbers (E.164) stands in some spelling, or the uuid of one of the calls.

    RecordsError without such a folder.
    """
    ids = frozenset(calls)
    try:
        found = sorted(entry.name for entry in os.scandir(folder)
                       if entry.name.endswith(_ENDING) and entry.is_file(follow_symlinks=False))
    except OSError as error:
        raise RecordsError(f"{folder}: the switch's records cannot be read ({error.strerror}): set FSAPP_CDR") from None
    for name in found:
        path = Path(folder) / name
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST)
        except OSError:
            continue  # gone meanwhile
        if ids and not ids.isdisjoint(one.decode() for one in _UUID.findall(content)):
            yield path
        elif maybe_in(content, numbers):
            text = unquote(content.decode(errors="replace"))
            if any(looks_like(run, numbers) for run in _RUN.findall(text)):
                yield path
