"""How reports read: few columns, row after row, of a period and of what was asked for. Knows no report's figures.

However many rows there are, some thousands are held at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_

from fsapp.core.reports.query import Query
from fsapp.records.schema import interactions

__all__ = ["OF_CALL", "Columns", "only", "read", "within"]

_AT_ONCE = 5000
Columns = Mapping[str, ColumnElement[Any]]
OF_CALL: Columns = {"queue": interactions.c.queue, "number": interactions.c.called}  # of the call it is about


def read(connection: Connection, question: Select[Any]) -> Iterator[Row[Any]]:
    """The rows, held some thousands at a time."""
    result = connection.execute(question, execution_options={"yield_per": _AT_ONCE})
    try:
        yield from result
    finally:
        result.close()


def within(at: ColumnElement[Any], query: Query) -> ColumnElement[bool]:
    return and_(at >= query.period.start, at < query.period.end)


def only(query: Query, columns: Columns) -> list[ColumnElement[bool]]:
    """Conditions for what was asked for: one of the values, in each of the columns named."""
    return [columns[name].in_(values) for name, values in query.only.items()]
