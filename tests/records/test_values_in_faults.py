"""What a database refuses is told without the values: names and numbers are not to come into a log that way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from fsapp import log
from fsapp.records import schema
from fsapp.records.database import Database


def test_no_name_is_logged_with_a_fault_of_the_database(database: Database, capsys: Any) -> None:
    log.configure(json=True)
    row = {"id": "c1", "channel": "call", "name": "Ana Petrovi\u0107", "number": "0601234567", "started_at": None}
    with pytest.raises(IntegrityError) as refused:
        database.write(lambda connection: connection.execute(schema.interactions.insert(), [row]))
    try:
        raise refused.value
    except IntegrityError as error:
        log.get_logger("test").exception("failed", error=str(error.orig))
    line = capsys.readouterr().err
    assert "interactions" in json.loads(line)["exception"]
    assert "Ana" not in line and "0601234567" not in line
