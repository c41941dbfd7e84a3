"""The bad rows of a file: the first are said on the terminal, all of them are in a report. They wait on disk."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from fsapp.errors import SheetError
from fsapp.sheets.cells import guarded, unguarded
from fsapp.sheets.rows import BadRow, Rows
from fsapp.sheets.writing import whole_file

__all__ = ["BadRows", "read_as", "refuse_report_over"]

_SHOWN = 20


class BadRows:
    """`with BadRows() as bad:` until then. `nothing`: what a fault ends with, for example `nothing was imported`."""

    def __init__(self, nothing: str = "nothing was imported") -> None:
        self._nothing = nothing
        self._first: list[BadRow] = []
        self.count = 0

    def __enter__(self) -> BadRows:
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115
        self._writer = csv.writer(self._file)
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def add(self, row: BadRow) -> None:
        self.count += 1
        if self.count <= _SHOWN:
            self._first.append(row)
        self._writer.writerow((row.line, guarded(row.reason)))

    def report(self, path: str) -> None:
        """Write all of them to `path`. SheetError."""
        self._file.seek(0)
        try:
            with whole_file(path) as report:
                report.write(b"line,reason\r\n")
                while page := self._file.read(1 << 16):
                    report.write(page.encode())
        except SheetError as error:
            raise SheetError(f"{error}: {self._nothing}") from None

    def faults(self, name: str, todo: str) -> list[str]:
        """A line each, the first of them; then what to do."""
        faults = [f"{name}: line {row.line}: {row.reason}" for row in self._first]
        if self.count > len(faults):
            faults.append(f"{name}: ... and {self.count - len(faults)} more (--report FILE writes all of them)")
        return [*faults, f"{name}: {self._nothing}: {todo}"]

    def print_json(self, said: dict[str, Any]) -> None:
        """Print `said` with all bad rows, which may be too many to hold."""
        out = sys.stdout
        out.write(json.dumps(said, ensure_ascii=False)[:-1] + ', "bad": [')
        self._file.seek(0)
        for place, (line, reason) in enumerate(csv.reader(self._file)):
            said_of = {"line": int(line), "reason": unguarded(reason)}
            out.write((", " if place else "") + json.dumps(said_of, ensure_ascii=False))
        out.write("]}\n")


def read_as(rows: Rows) -> str:
    """How a file was read, for who wonders about its names."""
    if rows.sheet is not None:
        return f"read the sheet {rows.sheet}"
    separator = {"\t": "tab"}.get(rows.delimiter or "", rows.delimiter)
    return f"read as {rows.encoding} with the delimiter {separator}"


def refuse_report_over(path: str, report: str | None) -> None:
    """SheetError where writing the report would destroy the file that it is about."""
    if report is not None and path != "-" and Path(report).exists() and Path(report).samefile(path):
        raise SheetError(f"{report}: is the file to import: name another one with --report")
