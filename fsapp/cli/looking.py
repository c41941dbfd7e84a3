"""Writes down that a command has shown what is known of a customer. Shows nothing itself, and stops no command."""

from __future__ import annotations

import time
from typing import Any

from fsapp.cli.author import author
from fsapp.errors import FsappError
from fsapp.log import get_logger

__all__ = ["noted"]

_log = get_logger("privacy")


def noted(
    obj: Any, what: str, *, number: str | None = None, customer_id: str | None = None, subject: str | None = None,
) -> None:
    """`what`: contact, recordings, export ... A memory that is not there yet costs the entry, with a warning."""
    from fsapp.records.access import looked
    from fsapp.records.database import Database

    database = Database(obj.settings.database_url)
    if database.file is not None and not database.file.exists():
        return  # no memory was ever made
    try:
        database.write(lambda connection: looked(
            connection, at=time.time(), who=f"cli:{author()}", what=what, subject=subject, number=number,
            customer_id=customer_id, how="cli"))
    except FsappError as error:
        _log.warning("access_not_logged", what=what, error=str(error))
    finally:
        database.close()
