"""The files of recordings on this machine's disk: finding them, and removing those whose time is over. Asks nobody.

Only files whose whole path below the folder is a name of `core.recording` are ours; everything else is left alone, and
so is a symbolic link, whatever its name. Folders are opened without following links, and files removed inside of what
was opened: nothing that is put in place of a folder meanwhile leads elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO

from fsapp.core.recording import Recorded, read_name
from fsapp.errors import RecordingError

__all__ = ["File", "Purged", "copy", "find", "purge", "remove"]

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
# A folder that is empty may be one that the switch has just made: those of today and of nearly today stay.
_STAYS = timedelta(days=2)
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class File:
    """A recording. `name`: below the folder. `seconds`: None of one that cannot be read, or is still being written."""

    name: str
    recorded: Recorded
    size: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Purged:
    """`removed`: what was removed, or would be. `others`: how many files are no recordings of ours."""

    removed: tuple[File, ...] = ()
    kept: int = 0
    others: int = 0
    folders: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.removed)


def find(folder: str | Path, wanted: Callable[[Recorded], bool] = lambda _: True) -> list[File]:
    """The recordings that are wanted, by time. RecordingError when there is no such folder."""
    found = []
    for day, names, opened in _days(Path(folder)):
        for name in names:
            full = f"{day}/{name}"
            recorded, size = read_name(full), _size(name, opened)
            if recorded is not None and size is not None and wanted(recorded):
                found.append(File(full, recorded, size, _seconds(name, opened)))
    return sorted(found, key=lambda file: (file.recorded.at, file.name))


def purge(folder: str | Path, keep_days: Callable[[str], int], now: datetime, *, dry_run: bool = False) -> Purged:
    """Remove each recording that is older than `keep_days` of its place, then the folders of past days left empty.

    RecordingError when there is no such folder; a file that cannot be removed is one of the faults.
    """
    removed: list[File] = []
    faults: list[str] = []
    folders: list[str] = []
    kept = others = 0
    for day, names, opened in _days(Path(folder)):
        left = len(names)
        for name in names:
            full = f"{day}/{name}"
            recorded, size = read_name(full), _size(name, opened)
            if recorded is None or size is None:
                others += 1
            elif recorded.due(keep_days(recorded.place)) > now:
                kept += 1
            else:
                fault = "" if dry_run else _remove(name, opened)
                if fault:
                    faults.append(f"{full}: cannot be removed: {fault}")
                else:
                    removed.append(File(full, recorded, size))
                    left -= 1
        if not left and _past(day, now):
            fault = "" if dry_run else _remove_folder(Path(folder) / day)
            if not fault:
                folders.append(day)
    return Purged(tuple(removed), kept, others, tuple(folders), tuple(faults))


def remove(folder: str | Path, wanted: Callable[[str, Recorded], bool]) -> Purged:
    """Remove the recordings that are wanted, by name and what that says. RecordingError without such a folder."""
    removed: list[File] = []
    faults: list[str] = []
    for day, names, opened in _days(Path(folder)):
        for name in names:
            full = f"{day}/{name}"
            recorded, size = read_name(full), _size(name, opened)
            if recorded is not None and size is not None and wanted(full, recorded):
                if fault := _remove(name, opened):
                    faults.append(f"{full}: cannot be removed: {fault}")
                else:
                    removed.append(File(full, recorded, size))
    return Purged(tuple(removed), faults=tuple(faults))


def copy(folder: str | Path, name: str, to: IO[bytes]) -> None:
    """Copy what a recording that `find` has found holds to `to`. OSError when it is gone or cannot be read."""
    day, _, file = name.partition("/")
    top = os.open(Path(folder), _FLAGS)
    try:
        opened = os.open(day, _FLAGS | os.O_NOFOLLOW, dir_fd=top)
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=opened)
            with open(descriptor, "rb") as content:
                shutil.copyfileobj(content, to)
        finally:
            os.close(opened)
    finally:
        os.close(top)


def _days(root: Path) -> Iterator[tuple[str, list[str], int]]:
    """The folders of days: name, what is in them, and the open folder."""
    try:
        top = os.open(root, _FLAGS)
    except OSError as error:
        raise RecordingError(f"{root}: cannot be read ({error.strerror}): set FSAPP_RECORDINGS to the folder where the "
                             "switch records") from None
    try:
        for day in sorted(entry for entry in os.listdir(top) if _DAY.match(entry)):
            try:
                opened = os.open(day, _FLAGS | os.O_NOFOLLOW, dir_fd=top)
            except OSError:
                continue  # a link, a file, or gone
            try:
                yield day, sorted(os.listdir(opened)), opened
            finally:
                os.close(opened)
    finally:
        os.close(top)


def _size(name: str, opened: int) -> int | None:
    """The size of a plain file; None of anything else."""
    try:
        found = os.stat(name, dir_fd=opened, follow_symlinks=False)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _remove(name: str, opened: int) -> str:
    try:
        os.unlink(name, dir_fd=opened)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return error.strerror or repr(error)
    return ""


def _remove_folder(path: Path) -> str:
    """Only an empty one goes; rmdir takes no link for one."""
    try:
        path.rmdir()
    except OSError as error:
        return error.strerror or repr(error)
    return ""


def _past(day: str, now: datetime) -> bool:
    try:
        return date.fromisoformat(day) < (now.astimezone(UTC) - _STAYS).date()
    except ValueError:
        return False


def _seconds(name: str, opened: int) -> float | None:
    """How long it lasts, as its header says."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=opened)
        with open(descriptor, "rb") as content, wave.open(content) as file:
            seconds = file.getnframes() / file.getframerate()
    except (OSError, EOFError, wave.Error, ZeroDivisionError):
        return None
    return round(seconds, 1) or None
