"""What a file of rows is to those who read it, whichever kind of file it is. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

__all__ = ["MAX_COLUMNS", "BadRow", "Cells", "Rows"]

MAX_COLUMNS = 100  # more cannot be kept of one row


class Cells(NamedTuple):
    """A row that says something. `line` is the one it starts in, the file's first being 1."""

    line: int
    cells: list[str]


class BadRow(NamedTuple):
    line: int
    reason: str


class Rows(Protocol):
    """A file as a header and rows of text. `encoding` and `delimiter` of CSV, `sheet` of a workbook; None else."""

    name: str
    size: int
    header: list[str]
    encoding: str | None
    delimiter: str | None
    sheet: str | None

    def rows(self) -> Iterator[Cells | BadRow]:
        """Every row with anything in it, once, in order. SheetError when the rest cannot be read."""

    def position(self) -> int:
        """About how much of `size` has been read."""
