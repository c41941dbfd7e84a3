"""A customers file, row by row to customers. Every cell is hostile until cleaned; does not talk to the database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from fsapp.core.clean import clean_text
from fsapp.core.tagging import MAX_TAG, clean_tag
from fsapp.errors import SheetError
from fsapp.sheets.cells import BadCell, number_cell, unguarded
from fsapp.sheets.columns import CUSTOMER_COLUMNS, place_columns
from fsapp.sheets.rows import BadRow, Cells, Rows

__all__ = ["KNOWN", "SEVERAL", "CustomerFile", "CustomerRow"]

KNOWN = tuple(CUSTOMER_COLUMNS)
SEVERAL = ("numbers",)  # of which a file may have several columns
MAX_CELL = 200
MAX_VALUE = 2000
MAX_NOTE = 4000
MAX_NUMBERS = 20
MAX_TAGS = 50
_BETWEEN_NUMBERS = re.compile(r"[;,|\n\r]+")
_BETWEEN_TAGS = _BETWEEN_NUMBERS
_EMAIL = re.compile(r"[^@\s<>\"',;]{1,64}@[^@\s<>\"',;]{1,190}\Z")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*\Z", re.IGNORECASE | re.ASCII)


class CustomerRow(NamedTuple):
    """A good row. `numbers` in E.164, the main one first; what the file does not say is None."""

    line: int
    numbers: tuple[str, ...]
    name: str | None
    vip: int | None
    language: str | None
    timezone: str | None
    email: str | None
    company: str | None
    fields: dict[str, str]
    tags: tuple[str, ...]
    note: str | None


class CustomerFile:
    """`file` as customers. `said`: a name of KNOWN -> the file's name for it. SheetError with one line a fault.

    `own` are the columns that become fields of the customer's own.
    """

    def __init__(self, file: Rows, region: str, said: Mapping[str, str | Sequence[str]]) -> None:
        self._file = file
        self._region = region
        self._columns = place_columns(file.name, file.header, CUSTOMER_COLUMNS, said, several=SEVERAL)
        self.own = [name for name, _place in self._columns.own]
        self.known = {name: [file.header[place] for place in places] for name, places in self._columns.known.items()}

    def rows(self) -> Iterator[CustomerRow | BadRow]:
        """Every row once, good or bad, in order. SheetError when there is none, or the rest cannot be read."""
        empty = True
        for row in self._file.rows():
            empty = False
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                yield self._row(row)
            except BadCell as bad:
                yield BadRow(row.line, str(bad))
        if empty:
            raise SheetError(f"{self._file.name}: holds a header and no customers")

    def _row(self, row: Cells) -> CustomerRow:
        cells, width = row.cells, self._columns.width
        if len(cells) > width and any(cells[width:]):
            raise BadCell(f"has {len(cells)} cells, the header has {width}: a value with the delimiter needs quotes")
        cells = [*cells, *[""] * (width - len(cells))]

        def cell(name: str, limit: int = MAX_CELL) -> str | None:
            places = self._columns.known.get(name)
            return None if not places else _text(cells[places[0]], name, limit) or None

        return CustomerRow(
            row.line, self._numbers(cells), self._name(cells), _vip(cell("vip")), _language(cell("language")),
            _zone(cell("timezone")), _email(cell("email")), cell("company"),
            {name: text for name, place in self._columns.own if (text := _text(cells[place], name, MAX_VALUE))},
            _tags(cells[self._columns.known["tags"][0]] if "tags" in self._columns.known else ""),
            cell("note", MAX_NOTE),
        )

    def _numbers(self, cells: Sequence[str]) -> tuple[str, ...]:
        places = self._columns.known
        found = []
        for part in _parts(cells[places["number"][0]]):
            found.append(number_cell(part, self._region))
        for place in places.get("numbers", ()):
            found += [number_cell(part, self._region) for part in _parts(cells[place])]
        if not found:
            raise BadCell("has no number")
        if len(found) > MAX_NUMBERS:
            raise BadCell(f"has {len(found)} numbers, at most {MAX_NUMBERS} can be kept")
        return tuple(dict.fromkeys(found))

    def _name(self, cells: Sequence[str]) -> str | None:
        places = self._columns.known
        parts = [unguarded(cells[places[name][0]]) for name in ("name", "surname") if name in places]
        text = " ".join(part for part in parts if part.strip())
        if len(text) > MAX_CELL and len(" ".join(text.split())) > MAX_CELL:
            raise BadCell(f"the name is longer than {MAX_CELL} characters")
        return clean_text(text, MAX_CELL) or None


def _parts(cell: str) -> list[str]:
    text = cell.strip()
    # A comma may be the decimal one of a spreadsheet, and a semicolon part of an address: sip:+381...;ext=12
    if text.lower().startswith(("tel:", "sip:", "sips:")) or re.fullmatch(r"[0-9]+,[0-9]+([eE]\+?[0-9]+)?", text):
        return [text]
    return [part for part in _BETWEEN_NUMBERS.split(text) if part.strip(" '")]


def _text(cell: str, column: str, limit: int) -> str:
    cell = unguarded(cell)
    if len(cell) > limit:
        raise BadCell(f"{column!r} is longer than {limit} characters")
    if cell.isascii() and cell.isprintable():
        return " ".join(cell.split())
    return clean_text(cell, limit)


def _tags(cell: str) -> tuple[str, ...]:
    tags: dict[str, None] = {}
    for part in _BETWEEN_TAGS.split(unguarded(cell)):
        said = clean_text(part, MAX_TAG + 1)
        tag = clean_tag(said) if len(said) <= MAX_TAG else None
        if said and tag is None:
            raise BadCell(f"{said!r} is no tag: write letters and digits with hyphens between, at most {MAX_TAG} "
                          "characters")
        if tag:
            tags[tag] = None
    if len(tags) > MAX_TAGS:
        raise BadCell(f"has {len(tags)} tags, at most {MAX_TAGS} can be kept")
    return tuple(tags)


def _vip(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]", text):
        raise BadCell(f"the VIP level {text[:20]!r} is not a number from 0 to 9")
    return int(text)


def _language(text: str | None) -> str | None:
    if text is None:
        return None
    if not _LANGUAGE.match(text):
        raise BadCell(f"{text[:20]!r} is no language: write for example sr or en")
    return text.lower()


def _email(text: str | None) -> str | None:
    if text is None:
        return None
    text = text.removeprefix("mailto:")
    if not _EMAIL.match(text):
        raise BadCell(f"{text[:60]!r} is no e-mail address")
    return text


@lru_cache(maxsize=1024)
def _zone(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        # The pattern first: the name becomes part of a path.
        if re.fullmatch(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}", text):
            return ZoneInfo(text).key
    except (ValueError, OSError, LookupError):
        pass  # said below, like every other time zone that is none
    raise BadCell(f"there is no time zone {text[:40]!r}: write for example Europe/Belgrade")
