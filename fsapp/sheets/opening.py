"""The file that somebody named, as rows: what it is is seen by what is in it, whatever its name ends in."""

from __future__ import annotations

import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from fsapp.errors import SheetError
from fsapp.sheets.csv_rows import CsvRows
from fsapp.sheets.rows import Rows

__all__ = ["opened", "rows_of"]


def rows_of(
    file: BinaryIO, name: str, *, region: str, delimiter: str | None = None, encoding: str | None = None,
    sheet: str | None = None,
) -> Rows:
    """A seekable file as rows. SheetError when it is neither CSV nor XLSX, or has no such sheet."""
    from fsapp.sheets.workbook import WorkbookRows, is_zip  # openpyxl takes a while to import, and few need it

    if is_zip(file):
        return WorkbookRows(file, name, sheet=sheet)
    if sheet is not None:
        raise SheetError(f"{name}: is no Excel workbook, so that there is no sheet {sheet!r}: leave --sheet out")
    return CsvRows(file, name, region=region, delimiter=delimiter, encoding=encoding)


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """The file, or a copy of what can be read only once; - is standard input. SheetError, or OSError while copying."""
    if path == "-":
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            yield copy
        return
    try:
        kind = Path(path).stat().st_mode
        if stat.S_ISDIR(kind):
            raise SheetError(f"{path}: is a folder, name a CSV or XLSX file in it")
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise SheetError(f"{path}: is no file")
        file = Path(path).open("rb")  # noqa: SIM115  the fault of opening is told apart from those of reading
    except (OSError, ValueError) as error:
        raise SheetError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    with file:
        if not stat.S_ISFIFO(kind):
            yield file
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            yield copy
