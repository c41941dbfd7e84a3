"""Rows to a CSV or XLSX file, whole or not at all. No cell of it becomes a formula, whoever has written what is in it.

A file is written under a name of its own beside the one it gets, so that a full disk leaves what was there before.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from fsapp.core.clean import clean_text
from fsapp.errors import SheetError
from fsapp.sheets.cells import apart, guarded

__all__ = ["FORMATS", "format_of", "whole_file", "write_rows"]

FORMATS = ("csv", "xlsx")
_LONGEST = 32_000  # of a cell of Excel
_MAX_ROWS = 1_048_575


def format_of(path: str, said: str | None) -> str:
    """`csv` or `xlsx`: as said, else as the name ends. SheetError for a workbook on standard output."""
    kind = said or ("xlsx" if path.lower().endswith(".xlsx") else "csv")
    if kind == "xlsx" and path == "-":
        raise SheetError("a workbook is not written to standard output: name a file with --to FILE.xlsx")
    return kind


class whole_file:  # noqa: N801  used as a function
    """`with whole_file(path) as file:` a binary file that is at `path` afterwards; an exception leaves nothing of it.

    Readable by its owner only. SheetError when it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._written = ""

    def __enter__(self) -> IO[bytes]:
        try:
            self._path = self._path.resolve()  # what a link leads to, not the link
            if self._path.is_dir():
                raise SheetError(f"{self._path}: is a folder, name a file in it")
            if self._path.exists() and not self._path.is_file():
                self._file: IO[bytes] = self._path.open("wb")  # a pipe or a device: there is nothing to keep whole
                return self._file
            handle, self._written = tempfile.mkstemp(".part", f".{self._path.name}.", self._path.parent or ".")
        except OSError as error:
            raise self._fault(error) from None
        self._file = os.fdopen(handle, "w+b")
        return self._file

    def __exit__(self, _kind: Any, error: BaseException | None, _where: Any) -> None:
        try:
            if error is None:
                self._file.flush()
                if not self._written:
                    self._file.close()
                    return
                os.fsync(self._file.fileno())
                self._file.close()
                os.replace(self._written, self._path)
                return
        except OSError as fault:
            error = fault
        with contextlib.suppress(OSError):  # what could not be written is not wanted any more
            self._file.close()
        if self._written:
            Path(self._written).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise self._fault(error) from None

    def _fault(self, error: OSError) -> SheetError:
        return SheetError(f"{self._path}: cannot be written ({error.strerror or error}): nothing of it was kept")


def write_rows(path: str, kind: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """How many rows were written to `path`, - being standard output. SheetError."""
    if path == "-":
        out = csv.writer(sys.stdout, lineterminator="\r\n")
        return _csv(out, header, rows)
    with whole_file(path) as file:
        if kind == "xlsx":
            return _xlsx(file, header, rows)
        file.write(codecs.BOM_UTF8)  # with this mark Excel takes it for UTF-8
        return _csv(csv.writer(_Utf8(file), lineterminator="\r\n"), header, rows)


class _Utf8:
    """What csv writes, to a binary file. A TextIOWrapper would write what is left once more after a full disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "replace"))


def _csv(out: Any, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    out.writerow([guarded(_said(name)) for name in header])
    count = 0
    for row in rows:
        out.writerow([guarded(_said(value)) for value in row])
        count += 1
    return count


def _xlsx(file: IO[bytes], header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.writer.excel import ExcelWriter

    book = Workbook(write_only=True)
    sheet = book.create_sheet("fsapp")

    def cells(row: Sequence[Any]) -> list[Any]:
        made = []
        for value in row:
            if isinstance(value, int | float) and not isinstance(value, bool):
                made.append(value)
                continue
            cell = WriteOnlyCell(sheet, apart(_said(value)))
            if value not in (None, ""):
                cell.data_type = "s"  # a text, whatever it begins with
            made.append(cell)
        return made

    count = 0
    try:
        sheet.append(cells(header))
        for count, row in enumerate(rows, 1):
            if count > _MAX_ROWS:
                raise SheetError(f"a workbook holds {_MAX_ROWS} rows at most: write CSV")
            sheet.append(cells(row))
    finally:
        sheet.close()
    folded = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)  # noqa: SIM115  closed by the writer
    try:
        ExcelWriter(book, folded).save()
    except BaseException:
        folded.fp = None  # it would write its end, and fail once more
        raise
    return count


def _said(value: Any) -> str:
    return "" if value is None else clean_text(str(value), _LONGEST)
