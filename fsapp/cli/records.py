"""`fsapp records`: looks after the memory, the SQL database. Asks and prints; what it does is in fsapp.records."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fsapp import log
from fsapp.cli.looking import noted
from fsapp.errors import FsappError, RecordsError, StateError

__all__ = ["records"]

_SHOWN = 20
_SETTLED_S = 60.0  # the stream may still be on its way
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def records() -> None:
    """Set up and look after the memory: the SQL database."""


@records.command()
@_json
@click.pass_obj
def migrate(obj: Any, as_json: bool) -> None:
    """Bring the database to the version that this fsapp wants, all the way or not at all; make it where there is none.

    Save it before: there is no way back down.
    """
    from fsapp.records import versions

    done = versions.migrate(obj.settings.database_url)
    if as_json:
        click.echo(json.dumps(done._asdict()))
    elif done.before == done.after:
        click.echo(f"the database has version {done.after} already")
    else:
        click.echo(f"the database went from {f'version {done.before}' if done.before else 'nothing'} to {done.after}")


@records.command()
@_json
@click.pass_obj
def status(obj: Any, as_json: bool) -> None:
    """Where the database is, its version, how far the stream is recorded. Exit status 1 unless it is fit for use."""
    from fsapp.records import versions
    from fsapp.records.database import Database
    from fsapp.records.keeping import Keeper

    database = Database(obj.settings.database_url)
    version, fault, position, quarantined = None, "", None, 0
    try:
        version = database.read(versions.current)
        versions.refuse_outdated(database)
        keeper = Keeper(database, str)
        position, quarantined = keeper.position(), keeper.quarantined()
    except FsappError as error:
        fault = str(error)
    finally:
        database.close()
    if as_json:
        click.echo(json.dumps({
            "database": database.where, "version": version, "latest": versions.latest(), "fault": fault or None,
            "recorded": position._asdict() if position else None, "quarantined": quarantined}))
    elif not fault:
        click.echo(f"the database {database.where} has version {version}, the latest")
        click.echo(f"{position.events} events recorded, the last at {_time(position.at)}; some were cut off unread "
                   f"{position.gaps} times" if position else "nothing recorded yet: run `fsapp recorder`")
        if quarantined:
            click.echo(f"{quarantined} events in quarantine: see `fsapp records quarantine list`")
    if fault:
        raise FsappError(fault)


@records.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--since", type=click.FloatRange(min=0), metavar="HOURS", default=48.0, show_default=True,
              help="Only records that the switch wrote in the last so many hours; 0: all.")
@click.option("--dry-run", is_flag=True, help="Say what would be added; add nothing.")
@_json
@click.pass_obj
def reconcile(obj: Any, folder: Path | None, since: float, dry_run: bool, as_json: bool) -> None:
    """Add calls that the event stream has missed, from the switch's JSON records in FOLDER (FSAPP_CDR).

    Calls added so have the source `cdr`. Once more adds nothing more. Records written in the last minute are left
    to the next time. Exit status 1 if there are files that are no records; all others are done.
    """
    from fsapp.records.reconcile import reconcile as run

    now = time.time()
    with _opened(obj) as (database, keeper):
        found = run(folder or Path(obj.settings.cdr), database, keeper, obj.settings.switch_name,
                    since=now - since * 3600 if since else 0.0, before=now - _SETTLED_S, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "files": found.files, "calls": found.calls, "added": found.added,
                               "completed": found.completed, "bad": found.bad}, ensure_ascii=False))
    else:
        would = "would be " if dry_run else ""
        click.echo(f"{found.files} records read, {found.calls} of callers: {len(found.added)} calls {would}added, "
                   f"{len(found.completed)} {would}completed")
    if found.bad:
        faults = [f"{name}: {why}: skipped" for name, why in found.bad.items()]
        more = len(faults) - _SHOWN
        raise RecordsError("some files are no records of calls", [
            *faults[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


@records.command()
@click.option("--anew", is_flag=True, help="From the beginning, though the last time was interrupted.")
@_json
@click.pass_obj
def contacts(obj: Any, anew: bool, as_json: bool) -> None:
    """Bring the memory's contacts up to what Redis has, now; `fsapp recorder` does it by itself.

    Contacts that Redis has no more are marked as removed. Interrupted, it goes on there the next time. What unfinished
    imports bring is not seen.
    """
    from fsapp.recorder.contacts import ContactMirror
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.contact_pages import ContactPages

    log.configure(obj.settings.log_level, json=obj.settings.log_json, mask_numbers=obj.settings.mask_numbers)
    client = connect(obj.settings, PATIENT_S)
    with _opened(obj) as (database, _keeper):
        done = ContactMirror(ContactPages(client), database).whole(anew=anew)
    client.close()
    counts = {what: done.counts.get(what, 0) for what in ("added", "changed", "removed")}
    if as_json:
        click.echo(json.dumps({"read": done.read, **counts, "took_s": round(done.ended_at - done.began_at, 3)}))
    else:
        said = ", ".join(f"{many} {what}" for what, many in counts.items())
        click.echo(f"the contacts of {done.read} numbers read: {said}")


@records.group()
def quarantine() -> None:
    """Look at events that could not be written, try them again, or drop them."""


@quarantine.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@_json
@click.pass_obj
def list_(obj: Any, limit: int, as_json: bool) -> None:
    """Events in quarantine, oldest first: place in the stream, type, when, how often tried again, why."""
    with _opened(obj) as (_database, keeper):
        found, count = keeper.quarantine(limit=limit), keeper.quarantined()
    if as_json:
        click.echo(json.dumps([{name: value for name, value in one._asdict().items() if name != "event"}
                               for one in found], ensure_ascii=False))
        return
    for one in found:
        click.echo(f"{one.place}  {one.type or '?'}  {_time(one.at)}  tried {one.tries} times  {one.error}")
    click.echo(f"{count} in quarantine")


@quarantine.command()
@click.argument("place")
@_json
@click.pass_obj
def show(obj: Any, place: str, as_json: bool) -> None:
    """An event in quarantine with all that is in it, and why it could not be written."""
    with _opened(obj) as (_database, keeper):
        found = keeper.quarantine([place])
    if not found:
        raise RecordsError(f"there is no event {place} in quarantine: see `fsapp records quarantine list`")
    one = found[0]
    noted(obj, "quarantine", subject=place)
    said = {**one._asdict(), "event": _readable(one.event)}
    click.echo(json.dumps(said, ensure_ascii=False, indent=None if as_json else 2, default=str))


@quarantine.command()
@click.argument("places", nargs=-1)
@_json
@click.pass_obj
def retry(obj: Any, places: tuple[str, ...], as_json: bool) -> None:
    """Write events of the quarantine after all: those at PLACES, else all. Exit status 1 if some still cannot be."""
    with _opened(obj) as (_database, keeper):
        faults = {one.place: keeper.retry(one) for one in keeper.quarantine(places)}
    written = [place for place, fault in faults.items() if not fault]
    unknown = {place: "is not in quarantine" for place in places if place not in faults}
    refused = {place: fault for place, fault in faults.items() if fault} | unknown
    if as_json:
        click.echo(json.dumps({"written": written, "refused": [*refused]}))
    else:
        click.echo(f"{len(written)} written, {len(refused)} not")
    if refused:
        raise RecordsError("some were not written", [f"{place}: {fault}" for place, fault in refused.items()])


@quarantine.command()
@click.argument("places", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All there are.")
@_json
@click.pass_obj
def drop(obj: Any, places: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Take events out of the quarantine for good: those at PLACES, or --all."""
    if bool(places) == everything:
        raise click.UsageError("name the places of the events, or all of them with --all")
    with _opened(obj) as (_database, keeper):
        known = {one.place for one in keeper.quarantine(places)} if places else set()
        count = keeper.drop(None if everything else places)
    click.echo(json.dumps({"dropped": count}) if as_json else f"{count} dropped")
    if unknown := [f"{place}: is not in quarantine" for place in places if place not in known]:
        raise RecordsError("some were not dropped", unknown)


@contextmanager
def _opened(obj: Any) -> Iterator[tuple[Any, Any]]:
    """The database, and what writes to it. RecordsOutdated, RecordsUnavailable."""
    from fsapp.core.clean import clean_number
    from fsapp.core.numbers import normalise
    from fsapp.records.database import Database
    from fsapp.records.keeping import Keeper
    from fsapp.records.versions import refuse_outdated

    region = ""

    def number_of(raw: str) -> str:
        nonlocal region
        region = region or _region(obj.settings)
        return normalise(clean_number(raw), region).key or raw

    database = Database(obj.settings.database_url)
    try:
        refuse_outdated(database)
        yield database, Keeper(database, number_of)
    finally:
        database.close()


def _region(settings: Any) -> str:
    """The centre's region for numbers: of the rules in force, else of the rules' folder, else none."""
    from fsapp.core.rules import Rules
    from fsapp.rules import load_folder
    from fsapp.state.connection import connect
    from fsapp.state.rules import RulesStore

    try:
        current = RulesStore(connect(settings)).current()
        if current is not None:
            return current.rules().region
    except StateError:
        pass  # the folder says it as well
    try:
        return Rules.from_document(load_folder(settings.rules)).region
    except FsappError:
        return "ZZ"


def _readable(event: bytes) -> Any:
    """What is in an event, as far as that can be shown."""
    import msgpack

    try:
        return msgpack.unpackb(event, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        return event.hex()


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
