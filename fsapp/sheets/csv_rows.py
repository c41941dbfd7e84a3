"""A CSV file as rows: any usual encoding and delimiter, lines counted as an editor does, none of them endless."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from fsapp.errors import SheetError
from fsapp.sheets.encoding import detect_encoding
from fsapp.sheets.rows import BadRow, Cells

__all__ = ["CsvRows"]

MAX_LINE = 1 << 20
_DELIMITERS = ",;\t|"
_EXCEL_SEPARATOR = re.compile(r"sep=([,;:|\t])\s*\Z", re.IGNORECASE)


class CsvRows:
    """A seekable binary file, closed with this. `region`: whose code page a file without marks has. SheetError."""

    sheet = None

    def __init__(
        self, file: BinaryIO, name: str, *, region: str, delimiter: str | None = None, encoding: str | None = None,
    ) -> None:
        self.name = name
        self.size = file.seek(0, io.SEEK_END)
        self._file = file
        self._line = 0
        self._nul = False
        self.encoding: str | None = encoding or detect_encoding(file, name, region)
        try:
            file.seek(0)
            self._text = io.TextIOWrapper(file, encoding=self.encoding, errors="strict", newline="")
        except LookupError:
            raise SheetError(f"there is no encoding {encoding!r}: write for example utf-8 or cp1250") from None
        self._lines = self._read_lines()
        said, first = self._header_line()
        self.delimiter: str | None = delimiter or said or max(_DELIMITERS, key=_outside_quotes(first).count)
        self._reader = csv.reader(self._chained(first), delimiter=self.delimiter, strict=True)
        header = self._next()
        if isinstance(header, BadRow) or header is None:
            raise SheetError(f"{name}: line 1: the header {header.reason if header else 'is missing'}")
        self.header = header

    def rows(self) -> Iterator[Cells | BadRow]:
        while True:
            self._nul = False
            start = self._reader.line_num + self._skipped + 1
            cells = self._next()
            if cells is None:
                return
            if isinstance(cells, BadRow):
                yield cells
            elif self._nul:
                yield BadRow(start, "holds NUL bytes: export the file again")
            elif any(cells):
                yield Cells(start, cells)

    def position(self) -> int:
        return self._file.tell()

    def _read_lines(self) -> Iterator[str]:
        try:
            while line := self._text.readline(MAX_LINE):
                self._line += 1
                if self._line == 1:
                    # An encoding that was named leaves the mark in.
                    line = line.removeprefix("\ufeff") or "\n"
                if len(line) >= MAX_LINE and line[-1] not in "\r\n":
                    raise SheetError(f"{self.name}: line {self._line} has no end: this is not a CSV file")
                if "\0" in line:
                    self._nul = True
                yield line
        except UnicodeError:
            raise SheetError(
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
        raise SheetError(f"{self.name}: is empty")

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
                raise SheetError(
                    f"{self.name}: line {start}: a quote is opened and never closed, "
                    f"or a value has more than {csv.field_size_limit()} characters"
                ) from None
            if "unexpected end of data" in text:
                raise SheetError(f"{self.name}: line {start}: a quote is opened and never closed") from None
            return BadRow(start, "has a quote in the middle of a value: write it twice, and quotes around the value")


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)
