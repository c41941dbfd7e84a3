"""Writes down that a command has shown what is known of a customer. Shows nothing itself, and stops no command."""

from __future__ import annotations

import time
from typing import Any

import click

from fsapp.cli.author import author
from fsapp.errors import FsappError

__all__ = ["noted"]

_PATIENCE_S = 2


def noted(
    obj: Any, what: str, *, number: str | None = None, customer_id: str | None = None, subject: str | None = None,
) -> None:
    """`what`: contact, tasks, export ...; `number` in E.164. Of a list of many, one entry without either.

    A memory that is away, or held by somebody else for two seconds, costs the entry, which is said in one line.
    """
    from fsapp.records.access import looked
    from fsapp.records.database import Database

    database = None
    try:
        database = Database(obj.settings.database_url, threads=1, patience_s=_PATIENCE_S)
        if database.file is not None and not database.file.exists():
            return  # no memory was ever made
        database.write(lambda connection: looked(
            connection, at=time.time(), who=f"cli:{author()}", what=what, subject=subject, number=number,
            customer_id=customer_id, how="cli"))
    except FsappError as error:
        click.echo(f"fsapp: who looked at this is not written down: {error}", err=True)
    finally:
        if database is not None:
            database.close()
