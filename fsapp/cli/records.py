"""`fsapp records`: looks after the memory, the SQL database. Asks and prints; what it does is in fsapp.records."""

from __future__ import annotations

import json
from typing import Any

import click

from fsapp.errors import FsappError

__all__ = ["records"]

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
    """Where the database is, which version it has, which this fsapp wants. Exit status 1 unless it is fit for use."""
    from fsapp.records import versions
    from fsapp.records.database import Database

    database = Database(obj.settings.database_url)
    version, fault = None, ""
    try:
        version = database.read(versions.current)
        versions.refuse_outdated(database)
    except FsappError as error:
        fault = str(error)
    finally:
        database.close()
    if as_json:
        click.echo(json.dumps({
            "database": database.where, "version": version, "latest": versions.latest(), "fault": fault or None}))
    elif not fault:
        click.echo(f"the database {database.where} has version {version}, the latest")
    if fault:
        raise FsappError(fault)
