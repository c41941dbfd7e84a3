"""Rows of the memory for tests: customers, interactions; and the command line against a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fsapp.cli.root import main
from fsapp.records import schema
from fsapp.records.database import Database
from fsapp.rules import load_folder
from fsapp.state.rules import RulesStore

EXAMPLE = Path(__file__).parents[2] / "conf" / "rules"
NUMBER = "+381601234567"
OTHER = "+381601234568"
HOSTILE = "\u202eO'Brien \"x\"; DROP TABLE notes; --\r\nBcc: all@example.com \x1b[2J =HYPERLINK() \U0001f600"


def customer(database: Database, id_: str = "c1", number: str = NUMBER, **more: Any) -> str:
    def work(connection: Any) -> None:
        connection.execute(schema.customers.insert(), {"id": id_, "made_at": 1.0, "name": "Vera", **more})
        connection.execute(schema.customer_numbers.insert(), {"number": number, "customer_id": id_})

    database.write(work)
    return id_


def interaction(database: Database, id_: str = "u1", **more: Any) -> str:
    """An answered service call of the helpdesk that ended at 1,000,060."""
    row = {
        "id": id_, "number": NUMBER, "call_class": "service", "line": "helpdesk", "queue": "helpdesk@fsapp",
        "started_at": 1_000_000.0, "ended_at": 1_000_060.0, "outcome": "answered", "agent": "1004", "waited_s": 10.0,
        "talked_s": 50.0, "direction": "inbound", **more,
    }
    database.write(lambda connection: connection.execute(schema.interactions.insert(), row))
    return id_


def rules_with(**tables: Any) -> dict[str, Any]:
    """The example centre's document with these tables added; a line's keys are added to that line."""
    document = load_folder(EXAMPLE)
    for name, value in tables.items():
        document[name] = value
    return document


class CommandLine:
    """Runs `fsapp` in this process against a database and a Redis with rules loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: Any, database_url: str, redis_server: Any) -> None:
        monkeypatch.setenv("FSAPP_DATABASE_URL", database_url)
        monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
        self._capsys = capsys
        self._redis = redis_server

    def load(self, document: dict[str, Any]) -> None:
        client = self._redis.connect()
        RulesStore(client).load(document, note="", author="test", source="test")
        client.close()

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit status, what it printed, what it complained about."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        told = self._capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    def json(self, *words: str) -> Any:
        status, out, err = self(*words, "--json")
        assert status == 0, err
        return json.loads(out)

    def refused(self, *words: str) -> str:
        """The one line it is refused with."""
        status, out, err = self(*words)
        assert (status, out) == (1, ""), (status, out, err)
        assert err.count("\n") == 1 and "\x1b" not in err
        return err
