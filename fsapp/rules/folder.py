"""Reads a folder of TOML files as one document and remembers where all of it stood. Does not judge what rules say."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from stat import S_ISREG
from typing import Any

__all__ = ["MAX_BYTES", "Folder", "Origin", "Path", "key_text", "read_folder"]

MAX_BYTES = 5_000_000
Path = tuple[str | int, ...]
_DEEPEST = 6
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_KEY = re.compile(rf"\s*((?:{_PART.pattern})(?:\s*\.\s*(?:{_PART.pattern}))*)\s*=")
_HEADER = re.compile(r"\s*(\[\[?[^\[\]]+\]\]?)\s*(?:#.*)?\Z")
# The tables of which there may be many without a name in the header.
_NAMED_BY = {"number": "number", "check": "name", "after": "name"}
_PLAIN = re.compile(r"\+?[A-Za-z0-9_-]+\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a key stands: the file's name and, where it is known, the line."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(slots=True)
class Folder:
    """What a rules folder holds. `complete` is False when a file could not be read: names may be missing then."""

    document: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    complete: bool = True

    def origin(self, path: Path) -> Origin | None:
        """Where `path` stands, or the nearest table around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return None


def key_text(path: Path, document: Mapping[str, Any]) -> str:
    """`path` as people write it; the place of a number or check in its list becomes the number or name itself."""
    parts = list(path)
    if len(parts) > 1 and parts[0] in _NAMED_BY and isinstance(parts[1], int):
        entry = document[str(parts[0])][parts[1]]
        written = entry.get(_NAMED_BY[str(parts[0])]) if isinstance(entry, Mapping) else None
        parts[1] = written if isinstance(written, str) and len(written) <= 40 else f"no-{parts[1] + 1}"
    return ".".join(_key_part(str(part)) for part in parts)


def _key_part(part: str) -> str:
    if _PLAIN.match(part):
        return part if len(part) <= 80 else part[:77] + "..."
    return repr(part if len(part) <= 60 else part[:57] + "...")


def read_folder(path: str | FilePath) -> Folder:
    """All `*.toml` of a folder as one document, with a fault for each file that cannot be read and each double table.

    Files whose names begin with a dot are left out: editors keep their own there. Raises nothing.
    """
    folder = Folder()
    root = FilePath(path)
    try:
        files = sorted(file for file in root.iterdir() if file.suffix == ".toml" and not file.name.startswith("."))
    except OSError as error:
        _refuse(folder, _file_text(str(path)), f"cannot be read ({error.strerror}); name the folder of the rules files")
        return folder
    except ValueError:
        _refuse(folder, _file_text(str(path)), "is no path; name the folder of the rules files")
        return folder
    if not files:
        _refuse(folder, _file_text(str(path)), "holds no .toml file; name the folder of the rules files")
    for file in files:
        text = _text_of(file, folder)
        if text is not None:
            _add(folder, _file_text(file.name), text)
    return folder


def _refuse(folder: Folder, where: str, message: str) -> None:
    folder.faults.append(f"{where}: {message}")
    folder.complete = False


def _file_text(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _text_of(file: FilePath, folder: Folder) -> str | None:
    name = _file_text(file.name)
    try:
        state = file.stat()
        if not S_ISREG(state.st_mode):
            return _refuse(folder, name, "is no plain file; remove it from the folder")
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return _refuse(folder, name, f"cannot be read ({error.strerror}); make it readable or remove it")
    if len(data) > MAX_BYTES:
        return _refuse(folder, name, f"is larger than {MAX_BYTES // 1_000_000} MB; split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _refuse(folder, f"{name}:{line}", "is not UTF-8; save the file in that encoding")


def _add(folder: Folder, file: str, text: str) -> None:
    try:
        values = tomllib.loads(text)
    except RecursionError:
        return _refuse(folder, file, "is nested too deeply; rules need four levels at most")
    except ValueError as error:  # TOMLDecodeError, and a whole number of thousands of digits
        found = re.search(r" \(at line (\d+), column \d+\)\Z", str(error))
        message = str(error)[: found.start()] if found else str(error)
        where = f"{file}:{found.group(1)}" if found else file
        return _refuse(folder, where, f"is not TOML: {message}; mend it there or just before")
    lines = dict(_positions(text, values))
    _merge(folder, folder.document, values, (), file, lines)
    return None


def _may_merge(path: Path) -> bool:
    """Whether the table at `path` may be spread over several files: names, a campaign's stages, a flow."""
    if len(path) <= 1:
        return path != ("centre",)
    if path[0] == "flow":
        return True
    return path[0] == "campaign" and (len(path) == 2 or (len(path) == 3 and path[2] == "stage"))


def _merge(
    folder: Folder, into: dict[str, Any], values: Mapping[str, Any], path: Path, file: str, lines: Mapping[Path, int],
) -> None:
    for key, value in values.items():
        place = (*path, key)
        if place in (("check",), ("after",)) and key not in into and isinstance(value, list):
            # Their order means something, so all of them are in one file.
            into[key] = value
            folder.origins[place] = Origin(file, lines.get(place))
            for index, entry in enumerate(value):
                _remember(folder, entry, (*place, index), (*place, index), file, lines)
        elif place == ("number",) and isinstance(value, list) and isinstance(into.setdefault(key, []), list):
            folder.origins.setdefault(place, Origin(file, lines.get(place)))
            for index, entry in enumerate(value):
                _remember(folder, entry, (*place, len(into[key])), (*place, index), file, lines)
                into[key].append(entry)
        elif key not in into:
            if isinstance(value, dict) and _may_merge(place):
                folder.origins[place] = Origin(file, lines.get(place))
                into[key] = {}
                _merge(folder, into[key], value, place, file, lines)
            else:
                into[key] = value
                _remember(folder, value, place, place, file, lines)
        elif _may_merge(place) and isinstance(value, dict) and isinstance(into[key], dict):
            _merge(folder, into[key], value, place, file, lines)
        else:
            here = Origin(file, lines.get(place))
            folder.faults.append(f"{here}: {key_text(place, {})}: is also in {folder.origin(place)}; keep one of them")


def _remember(folder: Folder, value: object, place: Path, local: Path, file: str, lines: Mapping[Path, int]) -> None:
    """Note where `place` and what is in it stand; `local` is its path within its own file."""
    around = folder.origins.get(place[:-1])
    near = around.line if around and around.file == file else None
    folder.origins[place] = Origin(file, lines.get(local, near))
    if isinstance(value, dict) and len(place) < _DEEPEST:
        for key, inner in value.items():
            _remember(folder, inner, (*place, key), (*local, key), file, lines)


def _positions(text: str, values: Mapping[str, Any]) -> Iterator[tuple[Path, int]]:
    """The path and line of each table and key that stands on a line of its own, as far as a glance can tell."""
    table: Path = ()
    counts: Counter[Path] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            found = _key_path(header.group(1).strip("[] \t"))
            if header.group(1).startswith("[["):
                counts[found] += 1
                found = (*found, counts[found] - 1)
            if _at(values, found):
                table = found
                yield table, number
            continue
        key = _KEY.match(line)
        if key:
            yield (*table, *_key_path(key.group(1))), number


def _key_path(written: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in _PART.findall(written))


def _at(values: Any, path: Path) -> bool:
    for key in path:
        there = key in values if isinstance(values, dict) else isinstance(values, list) and key in range(len(values))
        if not there:
            return False
        values = values[key]
    return True
