"""A contacts file: any usual encoding and delimiter, row by row to numbers and entries. Does not talk to Redis.

Whatever stands in the file is hostile: every cell goes through `core.clean`, and no line or row may be endless.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from fsapp.core.clean import MAX_NAME, clean_name, clean_number, clean_text
from fsapp.core.model import NumberKind
from fsapp.core.numbers import normalise
from fsapp.core.rules import Rules
from fsapp.errors import ContactsError
from fsapp.sheets.encoding import detect_encoding
from fsapp.state.contacts import Entry

__all__ = ["KNOWN", "BadRow", "ContactFile", "Row"]

KNOWN = ("number", "name", "agent", "priority", "due", "timezone", "list")
MAX_CELL = 500
MAX_COLUMNS = 100
MAX_LINE = 1 << 20
_DELIMITERS = ",;\t|"
_EXCEL_SEPARATOR = re.compile(r"sep=([,;:|\t])\s*\Z", re.IGNORECASE)
_DUE_FORMATS = ("%d.%m.%Y", "%d.%m.%Y.", "%d.%m.%Y %H:%M", "%d.%m.%Y. %H:%M")
_NO_NUMBER = {
    NumberKind.PREMIUM: "is a premium number: it is never dialled",
    NumberKind.SHORT: "is a short code, not a number to dial from outside",
    NumberKind.INVALID: "is no phone number",
    NumberKind.ANONYMOUS: "is no phone number",
}


class Row(NamedTuple):
    """A good row. `line` is the one it starts in, the header's being 1."""

    line: int
    number: str
    entry: Entry


class BadRow(NamedTuple):
    line: int
    reason: str


class _Bad(Exception):
    """Why the row in hand cannot be imported."""


class ContactFile:
    """A seekable binary file as contacts; it is closed with this. ContactsError with one line a fault if it cannot be.

    `columns` maps a name of KNOWN to the file's own name for it; every other column is kept as the contact's field.
    """

    def __init__(
        self, file: BinaryIO, name: str, rules: Rules, *,
        delimiter: str | None = None, encoding: str | None = None, columns: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.size = file.seek(0, io.SEEK_END)
        self._file = file
        self._rules = rules
        self._agents = {agent.email.casefold(): agent.id for agent in rules.agents.values()}
        self._line = 0
        self._nul = False
        self.encoding = encoding or detect_encoding(file, name, rules.region)
        try:
            file.seek(0)
            self._text = io.TextIOWrapper(file, encoding=self.encoding, errors="strict", newline="")
        except LookupError:
            raise ContactsError(f"there is no encoding {encoding!r}: write for example utf-8 or cp1250") from None
        self._lines = self._read_lines()
        said, first = self._header_line()
        self.delimiter = delimiter or said or max(_DELIMITERS, key=_outside_quotes(first).count)
        self._reader = csv.reader(self._chained(first), delimiter=self.delimiter, strict=True)
        header = self._next()
        if isinstance(header, BadRow) or header is None:
            raise ContactsError(f"{name}: line 1: the header {header.reason if header else 'is missing'}")
        self._place_columns(header, columns or {})

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row once, good or bad, in order; a number that came before is bad."""
        lines: dict[int, int] = {}
        empty = True
        while True:
            self._nul = False
            start = self._reader.line_num + self._skipped + 1
            cells = self._next()
            if cells is None:
                break
            if not isinstance(cells, BadRow) and not any(cells):
                continue
            empty = False
            if isinstance(cells, BadRow):
                yield cells
                continue
            try:
                if self._nul:
                    raise _Bad("holds NUL bytes: export the file again")
                number, entry = self._row(cells)
                first = lines.setdefault(int(number[1:]), start)
                if first != start:
                    raise _Bad(f"{number} is already in line {first}")
            except _Bad as bad:
                yield BadRow(start, str(bad))
            else:
                yield Row(start, number, entry)
        if empty:
            raise ContactsError(f"{self.name}: holds a header and no contacts")

    def position(self) -> int:
        """About how many bytes have been read."""
        return self._file.tell()

    def _read_lines(self) -> Iterator[str]:
        try:
            while line := self._text.readline(MAX_LINE):
                self._line += 1
                if self._line == 1:
                    # An encoding that was named leaves the mark in.
                    line = line.removeprefix("\ufeff") or "\n"
                if len(line) >= MAX_LINE and line[-1] not in "\r\n":
                    raise ContactsError(f"{self.name}: line {self._line} has no end: this is not a CSV file")
                if "\0" in line:
                    self._nul = True
                yield line
        except UnicodeError:
            raise ContactsError(
                f"{self.name}: what follows line {self._line} is not {self.encoding}: "
                "name the right one with --encoding"
            ) from None

    def _header_line(self) -> tuple[str | None, str]:
        """The first line that says something, and the delimiter if Excel has named it before."""
        self._skipped = 0
        said = None
        for line in self._lines:
            separator = _EXCEL_SEPARATOR.match(line)
            if separator and said is None:
                said = separator.group(1)
            elif line.strip():
                return said, line
            self._skipped += 1
        raise ContactsError(f"{self.name}: is empty")

    def _chained(self, first: str) -> Iterator[str]:
        yield first
        yield from self._lines

    def _next(self) -> list[str] | BadRow | None:
        start = self._reader.line_num + self._skipped + 1
        try:
            return next(self._reader, None)
        except csv.Error as error:
            text = str(error)
            if "field larger than" in text:
                raise ContactsError(
                    f"{self.name}: line {start}: a quote is opened and never closed, "
                    f"or a value has more than {csv.field_size_limit()} characters"
                ) from None
            if "unexpected end of data" in text:
                raise ContactsError(f"{self.name}: line {start}: a quote is opened and never closed") from None
            return BadRow(start, "has a quote in the middle of a value: write it twice, and quotes around the value")

    def _place_columns(self, header: list[str], columns: Mapping[str, str]) -> None:
        names = [clean_text(cell, MAX_NAME) for cell in header]
        while names and not names[-1]:
            names.pop()
        folded = [name.casefold() for name in names]
        faults = [f"column {place} has no name" for place, name in enumerate(names, 1) if not name]
        twice = {name for name in folded if name and folded.count(name) > 1}
        faults += [f"there are two columns {name!r}" for name in sorted(twice)]
        if len(names) > MAX_COLUMNS:
            faults.append(f"has {len(names)} columns, at most {MAX_COLUMNS} can be kept")
        wanted = {known: clean_text(columns.get(known, known), MAX_NAME).casefold() for known in KNOWN}
        there = ", ".join(names[:20])
        faults += [
            f"there is no column {columns[known]!r} for {known}; there are: {there}"
            for known in columns if wanted[known] not in folded
        ]
        if "number" not in columns and "number" not in folded:
            faults.append(f"there is no column 'number' but {there}: say which one it is with --column number=NAME")
        if faults:
            raise ContactsError(f"{self.name} is refused", [f"{self.name}: {fault}" for fault in faults])
        self._width = len(names)
        self._known = {known: folded.index(name) for known, name in wanted.items() if name in folded}
        taken = set(self._known.values())
        self.own = [name for place, name in enumerate(names) if place not in taken]
        self._own = [(name, place) for place, name in enumerate(names) if place not in taken]

    def _row(self, cells: list[str]) -> tuple[str, Entry]:
        if len(cells) > self._width and any(cells[self._width:]):
            raise _Bad(f"has {len(cells)} cells, the header has {self._width}: a value with the delimiter needs quotes")
        cells += [""] * (self._width - len(cells))
        known = self._known
        number = self._number(cells[known["number"]])
        name = cells[known["name"]] if "name" in known else ""
        if len(name) > MAX_NAME and len(" ".join(name.split())) > MAX_NAME:
            raise _Bad(f"the name is longer than {MAX_NAME} characters")
        fields = {field: value for field, place in self._own if (value := _text(cells[place], field))}
        agent = self._agent(cells[known["agent"]]) if "agent" in known else None
        priority = _priority(cells[known["priority"]]) if "priority" in known else None
        zone = _zone(cells[known["timezone"]].strip()) if "timezone" in known else None
        due_at = _due(cells[known["due"]].strip(), zone) if "due" in known else None
        list_ = (_text(cells[known["list"]], "list") or None) if "list" in known else None
        return number, Entry(
            name=clean_name(name), agent=agent, priority=priority, due_at=due_at, timezone=zone, list=list_,
            fields=fields,
        )

    def _number(self, cell: str) -> str:
        text = clean_number(cell.removeprefix("'"))  # so it is written where a spreadsheet may take it for a formula
        if not text:
            raise _Bad("has no number")
        number = normalise(text, self._rules.region)
        if number.kind is not NumberKind.ORDINARY or number.e164 is None:
            raise _Bad(f"{text[:40]!r} {_NO_NUMBER.get(number.kind, 'is no phone number')}")
        return number.e164

    def _agent(self, cell: str) -> str | None:
        email = cell.strip().casefold()
        if not email:
            return None
        agent = self._agents.get(email)
        if agent is None:
            raise _Bad(f"no agent of the rules has the e-mail {clean_text(cell, 60)!r}")
        return agent


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def _text(cell: str, column: str) -> str:
    if len(cell) > MAX_CELL:
        raise _Bad(f"{column!r} is longer than {MAX_CELL} characters")
    if cell.isascii() and cell.isprintable():
        return " ".join(cell.split())
    return clean_text(cell, MAX_CELL)


def _priority(cell: str) -> int | None:
    text = cell.strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,2}", text):
        raise _Bad(f"the priority {clean_text(text, 20)!r} is not a number from 0 to 99")
    return int(text)


@lru_cache(maxsize=1024)
def _zone(text: str) -> str | None:
    if not text:
        return None
    try:
        # The pattern first: the name becomes part of a path.
        if re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", text):
            return ZoneInfo(text).key
    except (ValueError, OSError, LookupError):
        pass  # said below, like every other time zone that is none
    raise _Bad(f"there is no time zone {clean_text(text, 40)!r}: write for example Europe/Belgrade")


@lru_cache(maxsize=4096)
def _due(text: str, zone: str | None) -> float | None:
    """Epoch seconds of a day or a time, UTC unless the text or the row's time zone says otherwise."""
    if not text:
        return None
    due = None
    try:
        due = datetime.fromisoformat(text)
    except ValueError:
        for form in _DUE_FORMATS:
            try:
                due = datetime.strptime(text, form)
                break
            except ValueError:
                continue
    if due is None or not 1970 < due.year < 9999:
        raise _Bad(f"{clean_text(text, 40)!r} is no time: write for example 2030-05-01 09:30")
    if due.tzinfo is None:
        due = due.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    stamp = due.timestamp()
    return int(stamp) if stamp.is_integer() else stamp
