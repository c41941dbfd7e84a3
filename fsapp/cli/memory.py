"""The memory for a command: opened, the right version made sure of, closed at the end. Reads and writes nothing."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["open_memory"]


def open_memory(obj: Any) -> Any:
    """The database of the settings. RecordsError where it is away or of another version."""
    from fsapp.records.database import Database
    from fsapp.records.versions import refuse_outdated

    database = Database(obj.settings.database_url)
    click.get_current_context().call_on_close(database.close)
    refuse_outdated(database)
    return database
