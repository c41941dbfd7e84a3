"""One `fsapp contacts import`: read and check the whole file first, then import it, then say what was done.

Rows wait on disk in between, so that a file of any size takes little memory. Knows nothing of the command line.
"""

from __future__ import annotations

import csv
import json
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO

import click
import msgpack
import redis
from rich.console import Console
from rich.progress import Progress

from fsapp.cli.author import author
from fsapp.core.dialling import refusal
from fsapp.core.numbers import normalise
from fsapp.core.rules import Rules
from fsapp.core.task import Task
from fsapp.core.task_making import imported
from fsapp.errors import ContactsError
from fsapp.state.contact_file import BadRow, ContactFile
from fsapp.state.contacts import Entry
from fsapp.state.imports import CHUNK, Import, Written

__all__ = ["Job"]

_SHOWN = 20
_LOOK_EVERY = 2000


class Job:
    """One import into one stage; ContactsError or StateError when nothing was imported."""

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
        self._progress = Progress(console=Console(stderr=True), disable=quiet or not sys.stderr.isatty())
        self._good = 0
        self._bad = 0
        self._first_bad: list[BadRow] = []

    def run(
        self, path: str, *, as_json: bool, delimiter: str | None, encoding: str | None, columns: Mapping[str, str],
    ) -> None:
        """Import `path` (- for standard input) and print what was done; ContactsError lists the first bad rows."""
        with ExitStack() as stack:
            name = "standard input" if path == "-" else path
            try:
                file = stack.enter_context(_opened(path))
                _refuse_report_over(path, self._report)
                good = stack.enter_context(tempfile.TemporaryFile())
                bad = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", newline=""))
                contact_file = ContactFile(
                    file, name, self._rules, delimiter=delimiter, encoding=encoding, columns=columns)
                with self._progress:
                    self._sort(contact_file, good, bad)
                    if self._report is not None:
                        _copy_report(bad, self._report)
                    refused = bool(self._bad) and not self._skip_bad
                    written = Written() if refused or self._dry_run or not self._good else self._import(good)
            except OSError as error:
                what = f"{error.filename or name}: {error.strerror or error}"
                raise ContactsError(f"{what}: nothing was imported") from None
            self._say(contact_file, written, bad, as_json)
            if refused:
                raise ContactsError(f"{name} is refused", self._faults(name))

    def _sort(self, contact_file: ContactFile, good: IO[bytes], bad: IO[str]) -> None:
        task = self._progress.add_task("reading", total=contact_file.size)
        packer = msgpack.Packer()
        report = csv.writer(bad)
        for row in contact_file.rows():
            if isinstance(row, BadRow):
                self._bad += 1
                if self._bad <= _SHOWN:
                    self._first_bad.append(row)
                report.writerow(row)
                continue
            self._good += 1
            good.write(packer.pack((row.number, row.entry)))
            if self._good % _LOOK_EVERY == 0:
                self._progress.update(task, completed=contact_file.position())
        self._progress.update(task, completed=contact_file.position())

    def _import(self, good: IO[bytes]) -> Written:
        task = self._progress.add_task("importing", total=self._good)
        good.seek(0)
        waiting = iter(msgpack.Unpacker(good))
        with Import(self._client, self._stage_id, reopen=self._reopen, task_of=self._task_of()) as bulk:
            while rows := [(number, Entry(*values)) for number, values in islice(waiting, CHUNK)]:
                bulk.write(rows)
                self._progress.update(task, advance=len(rows))
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

    def _say(self, contact_file: ContactFile, written: Written, bad: IO[str], as_json: bool) -> None:
        imported = written.added + written.updated
        if as_json:
            said: dict[str, Any] = {
                "file": contact_file.name, "stage": self._stage_id, "encoding": contact_file.encoding,
                "delimiter": contact_file.delimiter, "fields": contact_file.own, "dry_run": self._dry_run,
                "rows": self._good + self._bad, "good": self._good, "imported": imported, "added": written.added,
                "updated": written.updated, "still_closed": written.closed, "tasks": written.tasks,
            }
            _print_json(said, bad)
        elif self._dry_run and (self._skip_bad or not self._bad):
            click.echo(f"{self._stage_id}: {self._good} contacts would be imported, {self._bad} rows are bad")
        elif self._skip_bad or not self._bad:
            how = f"{written.added} new, {written.updated} updated"
            click.echo(f"{self._stage_id}: {imported} contacts imported, {how}")
            if written.tasks:
                click.echo(f"{written.tasks} of them are called at their time (`fsapp tasks list --kind imported`)")
            if written.closed:
                click.echo(f"{written.closed} of them stay closed (--reopen opens them)")
            if self._bad:
                click.echo(f"{self._bad} bad rows left out{f', see {self._report}' if self._report else ''}")
        if not as_json:
            separator = {"\t": "tab"}.get(contact_file.delimiter, contact_file.delimiter)
            click.echo(f"read as {contact_file.encoding} with the delimiter {separator}")

    def _faults(self, name: str) -> list[str]:
        faults = [f"{name}: line {row.line}: {row.reason}" for row in self._first_bad]
        if self._bad > len(faults):
            faults.append(f"{name}: ... and {self._bad - len(faults)} more (--report FILE writes all of them)")
        faults.append(f"{name}: nothing was imported: mend these rows, or leave them out with --skip-bad")
        return faults


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """The file, or a copy of what can be read only once."""
    if path == "-":
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            yield copy
        return
    try:
        kind = Path(path).stat().st_mode
        if stat.S_ISDIR(kind):
            raise ContactsError(f"{path}: is a folder, name a CSV file in it")
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind)):
            raise ContactsError(f"{path}: is no file")
        file = Path(path).open("rb")  # noqa: SIM115  the fault of opening is told apart from those of reading
    except (OSError, ValueError) as error:
        raise ContactsError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    with file:
        if not stat.S_ISFIFO(kind):
            yield file
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            yield copy


def _refuse_report_over(path: str, report: str | None) -> None:
    """Writing the report must not destroy the contacts it is about."""
    if report is not None and path != "-" and Path(report).exists() and Path(report).samefile(path):
        raise ContactsError(f"{report}: is the file of contacts: name another one with --report")


def _copy_report(bad: IO[str], path: str) -> None:
    bad.seek(0)
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as report:
            report.write("line,reason\r\n")
            shutil.copyfileobj(bad, report)
    except OSError as error:
        raise ContactsError(f"{path}: cannot be written: {error.strerror}: nothing was imported") from None


def _print_json(said: dict[str, Any], bad: IO[str]) -> None:
    """Print `said` with all bad rows, which may be too many to hold."""
    out = sys.stdout
    out.write(json.dumps(said, ensure_ascii=False)[:-1] + ', "bad": [')
    bad.seek(0)
    for place, (line, reason) in enumerate(csv.reader(bad)):
        out.write((", " if place else "") + json.dumps({"line": int(line), "reason": reason}, ensure_ascii=False))
    out.write("]}\n")
