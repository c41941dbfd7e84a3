"""A sheet of an Excel workbook (XLSX) as rows of text, read as a stream of which `unfolding` has seen the bounds.

Formulas count as what they came to, merged cells as the same value in each of their rows. Dates and numbers become text
that the other files have too: 2030-05-01 09:30, 381601234567.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError
from zlib import error as ZlibError

from defusedxml import DefusedXmlException
from openpyxl import load_workbook
from openpyxl.utils.cell import range_boundaries

from fsapp.errors import SheetError
from fsapp.sheets.rows import MAX_COLUMNS, BadRow, Cells
from fsapp.sheets.unfolding import MAX_ROWS, refuse_bomb

__all__ = ["WorkbookRows", "is_zip"]

MAX_MERGED = 10_000
_PAGE = 1 << 20
_FAULTS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, ZlibError, ParseError, DefusedXmlException, KeyError, ValueError,
    IndexError, TypeError, AttributeError, EOFError, NotImplementedError, RuntimeError, OverflowError, AssertionError,
)
_END_OF_CELLS = re.compile(rb"</(?:[A-Za-z0-9]+:)?sheetData>|<(?:[A-Za-z0-9]+:)?sheetData ?/>")
_MERGED = re.compile(rb"<(?:[A-Za-z0-9]+:)?mergeCell\b[^>]*?\bref=\"([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})\"")


def is_zip(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


class WorkbookRows:
    """The sheet named `sheet`, else the only one that is shown. SheetError with what to do."""

    encoding = None
    delimiter = None

    def __init__(self, file: BinaryIO, name: str, *, sheet: str | None = None) -> None:
        self.name = name
        self.size = file.seek(0, io.SEEK_END)
        self._file = file
        refuse_bomb(file, name)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of styles and extensions that openpyxl leaves out
                self._book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except _FAULTS as error:
            raise self._broken(error) from None
        self._sheet = self._chosen(sheet)
        self.sheet = self._sheet.title
        self._merges = self._merged()
        self._rows = self._read()
        self.header = self._header()

    def rows(self) -> Iterator[Cells | BadRow]:
        for line, cells in self._rows:
            if any(cells):
                yield Cells(line, cells)

    def position(self) -> int:
        """A workbook's end is read first, so that this says little: the part of the sheet that was read."""
        return self.size if self._done else min(self.size, self._line * self.size // max(self._sheet.max_row or 1, 1))

    def _chosen(self, wanted: str | None) -> Any:
        sheets = [sheet for sheet in self._book.worksheets if hasattr(sheet, "iter_rows")]
        shown = [sheet for sheet in sheets if sheet.sheet_state == "visible"]
        names = ", ".join(repr(sheet.title) for sheet in shown[:20])
        if wanted is not None:
            found = [sheet for sheet in sheets if sheet.title.casefold() == wanted.strip().casefold()]
            if not found:
                raise SheetError(f"{self.name}: has no sheet {wanted!r}; there are: {names}")
            return found[0]
        if not shown:
            raise SheetError(f"{self.name}: holds no sheet")
        if len(shown) > 1:
            filled = [sheet for sheet in shown if self._says_something(sheet)]
            if len(filled) != 1:
                raise SheetError(f"{self.name}: has several sheets: say which one with --sheet; there are: {names}")
            return filled[0]
        return shown[0]

    def _says_something(self, sheet: Any) -> bool:
        try:
            sheet.reset_dimensions()
            return any(
                value is not None
                for row in sheet.iter_rows(max_row=100, max_col=MAX_COLUMNS, values_only=True) for value in row)
        except _FAULTS as error:
            raise self._broken(error) from None

    def _merged(self) -> dict[int, list[tuple[int, int, int]]]:
        """Of each row in which one begins: first and last column, last row. They stand behind the sheet's cells."""
        found: dict[int, list[tuple[int, int, int]]] = {}
        count = 0
        try:
            with self._sheet._get_source() as source:  # noqa: SLF001  read-only sheets do not say what is merged
                rest = b""
                behind = False
                while page := source.read(_PAGE):
                    rest += page
                    if not behind:
                        end = _END_OF_CELLS.search(rest)
                        if end is None:
                            rest = rest[-64:]
                            continue
                        behind, rest = True, rest[end.end():]
                    matches = list(_MERGED.finditer(rest))
                    for match in matches:
                        left, top, right, bottom = range_boundaries(match[1].decode())
                        count += 1
                        if count > MAX_MERGED:
                            raise SheetError(f"{self.name}: has more than {MAX_MERGED} merged cells: unmerge them")
                        if left is not None and left <= MAX_COLUMNS:
                            found.setdefault(top, []).append((left, min(right, MAX_COLUMNS + 1), bottom))
                    rest = rest[max(matches[-1].end() if matches else 0, len(rest) - 256):]
        except _FAULTS as error:
            raise self._broken(error) from None
        return found

    def _read(self) -> Iterator[tuple[int, list[str]]]:
        """Every row with its number, merged cells filled downwards."""
        self._line, self._done = 0, False
        below: dict[int, tuple[int, str]] = {}  # column -> the last row of the merged cell, and what it says
        try:
            self._sheet.reset_dimensions()  # they may be wrong, or a row of a million columns
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for line, values in enumerate(
                        self._sheet.iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS + 1, values_only=True), 1):
                    self._line = line
                    cells = [_text(value) for value in values]
                    for column, (last, said) in list(below.items()):
                        if line > last:
                            del below[column]
                        else:
                            cells[column - 1] = said
                    for left, _right, bottom in self._merges.get(line, ()):
                        if bottom > line and cells[left - 1]:
                            below[left] = (bottom, cells[left - 1])
                    yield line, cells
        except SheetError:
            raise
        except _FAULTS as error:
            raise self._broken(error) from None
        self._done = True

    def _header(self) -> list[str]:
        """The first row that says something and is more than a title in a merged cell."""
        for line, cells in self._rows:
            if not any(cells):
                continue
            wide = [merged for merged in self._merges.get(line, ()) if merged[1] > merged[0]]
            if wide and sum(map(bool, cells)) == 1:
                continue
            while cells and not cells[-1]:
                cells.pop()
            return cells
        raise SheetError(f"{self.name}: the sheet {self.sheet!r} is empty")

    def _broken(self, error: Exception) -> SheetError:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        return SheetError(f"{self.name}: is a broken Excel workbook ({why}): open it and save it again, or as CSV")


def _text(value: Any) -> str:
    """What a cell says, as somebody would type it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**40 else ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    if isinstance(value, datetime):
        whole = value.replace(microsecond=0)
        if whole.time() == time():
            return whole.date().isoformat()
        return whole.isoformat(" ", "seconds" if whole.second else "minutes")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)
