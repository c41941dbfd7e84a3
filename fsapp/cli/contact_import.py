"""One `fsapp contacts import`: read and check the whole file first, then import it, then say what was done.

Rows wait on disk in between, so that a file of any size takes little memory. Knows nothing of the command line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any

import click
import msgpack
import redis

from fsapp.cli.author import author
from fsapp.cli.bad_rows import BadRows, read_as, refuse_report_over
from fsapp.cli.progress import Shown, progress
from fsapp.core.dialling import refusal
from fsapp.core.numbers import normalise
from fsapp.core.rules import Rules
from fsapp.core.task import Task
from fsapp.core.task_making import imported
from fsapp.errors import SheetError
from fsapp.sheets.opening import opened
from fsapp.sheets.rows import BadRow
from fsapp.state.contact_file import ContactFile
from fsapp.state.contacts import Entry
from fsapp.state.import_trial import ImportTrial
from fsapp.state.imports import CHUNK, Import, Written

__all__ = ["Job"]

_LOOK_EVERY = 2000


class Job:
    """One import into one stage; SheetError or StateError when nothing was imported."""

    def __init__(
        self, client: redis.Redis, rules: Rules, stage_id: str, *,
        dry_run: bool, skip_bad: bool, reopen: bool, report: str | None, quiet: bool,
    ) -> None:
        self._client = client
        self._rules = rules
        self._stage_id = stage_id
        self._dry_run = dry_run
        self._skip_bad = skip_bad
        self._reopen = reopen
        self._report = report
        self._quiet = quiet
        self._good = 0

    def run(
        self, path: str, *, as_json: bool, delimiter: str | None, encoding: str | None, sheet: str | None,
        columns: Mapping[str, str],
    ) -> None:
        """Import `path` (- for standard input) and print what was done; SheetError lists the first bad rows."""
        name = "standard input" if path == "-" else path
        try:
            with opened(path) as file, tempfile.TemporaryFile() as good, BadRows() as bad:
                refuse_report_over(path, self._report)
                contact_file = ContactFile(
                    file, name, self._rules, delimiter=delimiter, encoding=encoding, sheet=sheet, columns=columns)
                with progress(quiet=self._quiet) as shown:
                    self._sort(contact_file, good, bad, shown)
                    if self._report is not None:
                        bad.report(self._report)
                    refused = bool(bad.count) and not self._skip_bad
                    written = Written() if refused or not self._good else self._import(good, shown)
                self._say(contact_file, written, bad, as_json)
                if refused:
                    raise SheetError(f"{name} is refused", bad.faults(
                        name, "mend these rows, or leave them out with --skip-bad"))
        except OSError as error:
            raise SheetError(f"{error.filename or name}: {error.strerror or error}: nothing was imported") from None

    def _sort(self, contact_file: ContactFile, good: IO[bytes], bad: BadRows, shown: Shown) -> None:
        shown.start("reading", contact_file.file.size)
        packer = msgpack.Packer()
        for row in contact_file.rows():
            if isinstance(row, BadRow):
                bad.add(row)
                continue
            self._good += 1
            good.write(packer.pack((row.number, row.entry)))
            if self._good % _LOOK_EVERY == 0:
                shown.reached(contact_file.file.position())
        shown.reached(contact_file.file.size)

    def _import(self, good: IO[bytes], shown: Shown) -> Written:
        """Import the good rows; in a dry run only count what that would do."""
        shown.start("counting" if self._dry_run else "importing", self._good)
        good.seek(0)
        waiting = iter(msgpack.Unpacker(good))
        if self._dry_run:
            trial = ImportTrial(self._client, self._stage_id, reopen=self._reopen, task_of=self._task_of())
            _write_all(trial, waiting, shown)
            return trial.written
        with Import(self._client, self._stage_id, reopen=self._reopen, task_of=self._task_of()) as bulk:
            _write_all(bulk, waiting, shown)
        return bulk.written

    def _task_of(self) -> Callable[[str, Entry], Task | None]:
        """What makes the task of a contact that is due at a time; None for one whose time is over or not dialled."""
        rules, now, by = self._rules, datetime.now(UTC), author()

        def task_of(number: str, entry: Entry) -> Task | None:
            known = normalise(number, rules.region)
            if entry.due_at is None or refusal(known, rules.dialling, rules.numbers, rules.lists) is not None:
                return None
            task = imported(number, rules.stages[self._stage_id], rules, now, entry.due_at, agent=entry.agent,
                            made_by=by, name=entry.name)
            return task if task.expires_at > now else None

        return task_of

    def _say(self, contact_file: ContactFile, written: Written, bad: BadRows, as_json: bool) -> None:
        rows = contact_file.file
        would = written.added + written.updated
        imported = 0 if self._dry_run else would
        if as_json:
            said: dict[str, Any] = {
                "file": rows.name, "stage": self._stage_id, "encoding": rows.encoding, "delimiter": rows.delimiter,
                "sheet": rows.sheet, "fields": contact_file.own, "dry_run": self._dry_run,
                "rows": self._good + bad.count, "good": self._good, "imported": imported, "added": written.added,
                "updated": written.updated, "still_closed": written.closed, "tasks": written.tasks,
            }
            bad.print_json(said)
            return
        if self._skip_bad or not bad.count:
            how = f"{written.added} new, {written.updated} updated"
            done = "would be imported" if self._dry_run else "imported"
            click.echo(f"{self._stage_id}: {would} contacts {done}, {how}")
            if written.tasks:
                called = "would be called" if self._dry_run else "are called"
                click.echo(f"{written.tasks} of them {called} at their time (`fsapp tasks list --kind imported`)")
            if written.closed:
                stay = "would stay" if self._dry_run else "stay"
                click.echo(f"{written.closed} of them {stay} closed (--reopen opens them)")
            if bad.count:
                left = "would be left out" if self._dry_run else "left out"
                click.echo(f"{bad.count} bad rows {left}{f', see {self._report}' if self._report else ''}")
        click.echo(read_as(rows))


def _write_all(to: Import | ImportTrial, waiting: Iterator[Any], shown: Shown) -> None:
    done = 0
    while rows := [(number, Entry(*values)) for number, values in islice(waiting, CHUNK)]:
        to.write(rows)
        done += len(rows)
        shown.reached(done)
