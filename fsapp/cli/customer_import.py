"""One `fsapp customers import`: read and check the whole file, write it in one transaction, say what was done.

Rows wait on disk in between, so that a file of any size takes little memory. Knows nothing of the command line.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

import click
import msgpack
from sqlalchemy import Connection

from fsapp.cli.author import author
from fsapp.cli.bad_rows import BadRows, read_as, refuse_report_over
from fsapp.cli.progress import Shown, progress
from fsapp.errors import SheetError
from fsapp.records.customer_file import CustomerFile, CustomerRow
from fsapp.records.customer_import import Written, planned, stage, write
from fsapp.records.database import Database
from fsapp.records.versions import refuse_outdated
from fsapp.settings import Settings
from fsapp.sheets.opening import opened, rows_of
from fsapp.sheets.rows import BadRow, Rows

__all__ = ["Job"]

_LOOK_EVERY = 1000
_STATEMENT_S = 1800


class Job:
    """One import; SheetError, CustomersError or RecordsError when nothing was imported."""

    def __init__(
        self, settings: Settings, region: str, *, dry_run: bool, skip_bad: bool, report: str | None, quiet: bool,
    ) -> None:
        self._settings = settings
        self._region = region
        self._dry_run = dry_run
        self._skip_bad = skip_bad
        self._report = report
        self._quiet = quiet
        self._good = 0

    def run(
        self, path: str, *, as_json: bool, delimiter: str | None, encoding: str | None, sheet: str | None,
        columns: Mapping[str, Any],
    ) -> None:
        """Import `path` (- for standard input) and print what was done; SheetError lists the first bad rows."""
        name = "standard input" if path == "-" else path
        database = Database(self._settings.database_url, statement_s=_STATEMENT_S)
        try:
            refuse_outdated(database)
            with opened(path) as file, tempfile.TemporaryFile() as good, BadRows() as bad:
                refuse_report_over(path, self._report)
                rows = rows_of(file, name, region=self._region, delimiter=delimiter, encoding=encoding, sheet=sheet)
                customers = CustomerFile(rows, self._region, columns)
                with progress(quiet=self._quiet) as shown:
                    self._sort(rows, customers, good, bad, shown)
                    written = self._import(database, good, bad, shown)
                if self._report is not None:
                    bad.report(self._report)
                self._say(rows, customers, written, bad, as_json)
                if bad.count and not self._skip_bad:
                    raise SheetError(f"{name} is refused", bad.faults(
                        name, "mend these rows, or leave them out with --skip-bad"))
        except OSError as error:
            raise SheetError(f"{error.filename or name}: {error.strerror or error}: nothing was imported") from None
        finally:
            database.close()

    def _sort(self, rows: Rows, customers: CustomerFile, good: IO[bytes], bad: BadRows, shown: Shown) -> None:
        shown.start("reading", rows.size)
        packer = msgpack.Packer()
        for count, row in enumerate(customers.rows(), 1):
            if isinstance(row, BadRow):
                bad.add(row)
            else:
                self._good += 1
                good.write(packer.pack(row))
            if count % _LOOK_EVERY == 0:
                shown.reached(rows.position())
        shown.reached(rows.size)

    def _import(self, database: Database, good: IO[bytes], bad: BadRows, shown: Shown) -> Written:
        """Write the good rows, unless some are bad, or it is a dry run: then what would be."""
        shown.start("importing", self._good)

        would_be = Written()

        def looked(connection: Connection) -> bool:
            """Whether it is to be written. Holds up no other writer, however long it takes."""
            nonlocal would_be
            stage(connection, _unpacked(good), bad=bad.add, staged=shown.reached)
            refused = bad.count and not self._skip_bad
            if not refused:
                would_be = planned(connection)
            return not (refused or self._dry_run)

        return database.write_after(
            looked, lambda connection: write(connection, by=f"cli:{author()}", at=time.time())) or would_be

    def _say(self, rows: Rows, customers: CustomerFile, written: Written, bad: BadRows, as_json: bool) -> None:
        refused = bad.count and not self._skip_bad
        imported = 0 if self._dry_run else written.added + written.updated
        if as_json:
            bad.print_json({
                "file": rows.name, "encoding": rows.encoding, "delimiter": rows.delimiter, "sheet": rows.sheet,
                "columns": customers.known, "fields": customers.own, "dry_run": self._dry_run,
                "rows": written.added + written.updated + bad.count if not refused else None, "imported": imported,
                "added": written.added, "updated": written.updated, "numbers": written.numbers,
            })
            return
        if not refused:
            how = f"{written.added} new, {written.updated} updated, {written.numbers} new numbers"
            if self._dry_run:
                click.echo(f"{written.added + written.updated} customers would be imported: {how}")
            else:
                click.echo(f"{imported} customers imported: {how}")
            if bad.count:
                click.echo(f"{bad.count} bad rows left out{f', see {self._report}' if self._report else ''}")
        for known, names in customers.known.items():
            if [name.casefold() for name in names] != [known]:
                click.echo(f"read as {known}: {', '.join(names)}")
        click.echo(read_as(rows))


def _unpacked(good: IO[bytes]) -> Iterator[CustomerRow]:
    good.seek(0)
    for line, numbers, *values, tags, note in msgpack.Unpacker(good, use_list=False):
        yield CustomerRow(line, numbers, *values, tags, note)
