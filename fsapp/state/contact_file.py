"""A contacts file, row by row to numbers and entries. Does not talk to Redis.

Whatever stands in the file is hostile: every cell goes through `core.clean`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import BinaryIO, NamedTuple
from zoneinfo import ZoneInfo

from fsapp.core.clean import MAX_NAME, clean_name, clean_text
from fsapp.core.rules import Rules
from fsapp.errors import SheetError
from fsapp.sheets.cells import BadCell, number_cell, unguarded
from fsapp.sheets.columns import place_columns
from fsapp.sheets.opening import rows_of
from fsapp.sheets.rows import BadRow
from fsapp.state.contacts import Entry

__all__ = ["KNOWN", "BadRow", "ContactFile", "Row"]

KNOWN = ("number", "name", "agent", "priority", "due", "timezone", "list")
MAX_CELL = 500
_DUE_FORMATS = ("%d.%m.%Y", "%d.%m.%Y.", "%d.%m.%Y %H:%M", "%d.%m.%Y. %H:%M")


class Row(NamedTuple):
    """A good row. `line` is the one it starts in, the header's being 1."""

    line: int
    number: str
    entry: Entry


class ContactFile:
    """A seekable binary file, CSV or XLSX, as contacts; it is closed with this. SheetError with one line a fault.

    `columns` maps a name of KNOWN to the file's own name for it; every other column is kept as the contact's field.
    """

    def __init__(
        self, file: BinaryIO, name: str, rules: Rules, *, delimiter: str | None = None, encoding: str | None = None,
        sheet: str | None = None, columns: Mapping[str, str] | None = None,
    ) -> None:
        self._rules = rules
        self._agents = {agent.email.casefold(): agent.id for agent in rules.agents.values()}
        self.file = rows_of(file, name, region=rules.region, delimiter=delimiter, encoding=encoding, sheet=sheet)
        placed = place_columns(name, self.file.header, dict.fromkeys(KNOWN, ()), columns or {})
        self._width = placed.width
        self._known = {known: places[0] for known, places in placed.known.items()}
        self._own = placed.own
        self.own = [name for name, _place in placed.own]

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row once, good or bad, in order; a number that came before is bad."""
        lines: dict[int, int] = {}
        empty = True
        for row in self.file.rows():
            empty = False
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                number, entry = self._row(row.cells)
                first = lines.setdefault(int(number[1:]), row.line)
                if first != row.line:
                    raise BadCell(f"{number} is already in line {first}")
            except BadCell as bad:
                yield BadRow(row.line, str(bad))
            else:
                yield Row(row.line, number, entry)
        if empty:
            raise SheetError(f"{self.file.name}: holds a header and no contacts")

    def _row(self, cells: list[str]) -> tuple[str, Entry]:
        if len(cells) > self._width and any(cells[self._width:]):
            raise BadCell(
                f"has {len(cells)} cells, the header has {self._width}: a value with the delimiter needs quotes")
        cells = [*cells, *[""] * (self._width - len(cells))]
        known = self._known
        number = number_cell(cells[known["number"]], self._rules.region)
        name = unguarded(cells[known["name"]]) if "name" in known else ""
        if len(name) > MAX_NAME and len(" ".join(name.split())) > MAX_NAME:
            raise BadCell(f"the name is longer than {MAX_NAME} characters")
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

    def _agent(self, cell: str) -> str | None:
        email = cell.strip().casefold()
        if not email:
            return None
        agent = self._agents.get(email)
        if agent is None:
            raise BadCell(f"no agent of the rules has the e-mail {clean_text(cell, 60)!r}")
        return agent


def _text(cell: str, column: str) -> str:
    cell = unguarded(cell)
    if len(cell) > MAX_CELL:
        raise BadCell(f"{column!r} is longer than {MAX_CELL} characters")
    if cell.isascii() and cell.isprintable():
        return " ".join(cell.split())
    return clean_text(cell, MAX_CELL)


def _priority(cell: str) -> int | None:
    text = cell.strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,2}", text):
        raise BadCell(f"the priority {clean_text(text, 20)!r} is not a number from 0 to 99")
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
    raise BadCell(f"there is no time zone {clean_text(text, 40)!r}: write for example Europe/Belgrade")


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
        raise BadCell(f"{clean_text(text, 40)!r} is no time: write for example 2030-05-01 09:30")
    if due.tzinfo is None:
        due = due.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    stamp = due.timestamp()
    return int(stamp) if stamp.is_integer() else stamp
