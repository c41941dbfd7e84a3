"""What is said of a fault of the database has no values of the row in it, which are of persons."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.records.database_faults import words_of


@pytest.mark.parametrize("row", [
    {"id": "ana-1", "name": "Ana Petrović", "made_at": None},  # PostgreSQL quotes the row that lacks something
    {"id": "there", "name": "Ana Petrović", "made_at": 1.0},   # and the key that is there already
])
def test_no_value_of_a_row(database: Database, row: dict[str, Any]) -> None:
    database.write(lambda connection: connection.execute(schema.customers.insert(), {"id": "there", "made_at": 1.0}))
    with pytest.raises(DBAPIError) as found:
        database.write(lambda connection: connection.execute(schema.customers.insert(), row))
    assert words_of(found.value)
    for said in (words_of(found.value), repr(found.value).partition("\\nDETAIL")[0]):
        assert "Ana" not in said and "ana-1" not in said and "there" not in said
