"""The journal of attempts as the memory keeps it: found by whom, for whom, when and how. Reckons nothing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, or_, select

from fsapp.core.task_rows import AttemptFilter
from fsapp.records.schema import attempts

__all__ = ["find_attempts"]

_TRY = attempts.c
_COLUMNS = (
    _TRY.id, _TRY.at, _TRY.task_id.label("task"), _TRY.number, _TRY.agent, _TRY.responsible, _TRY.outcome, _TRY.result,
    _TRY.cause, _TRY.talked_s, _TRY.campaign, _TRY.stage, _TRY.line, _TRY.contact, _TRY.flow,
)


def find_attempts(connection: Connection, wanted: AttemptFilter, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Attempts as events tell of them, oldest first, and how many more than `limit` there are."""
    said = [
        column == value for column, value in (
            (_TRY.agent, wanted.agent), (_TRY.responsible, wanted.responsible), (_TRY.number, wanted.number),
            (_TRY.campaign, wanted.campaign), (_TRY.stage, wanted.stage), (_TRY.line, wanted.line))
        if value is not None
    ]
    if wanted.since is not None:
        said.append(_TRY.at >= wanted.since.timestamp())
    if wanted.until is not None:
        said.append(_TRY.at < wanted.until.timestamp())
    if wanted.outcome is not None:
        said.append(or_(_TRY.outcome == wanted.outcome, _TRY.result == wanted.outcome))
    count = connection.execute(select(func.count()).select_from(attempts).where(*said)).scalar_one()
    rows = connection.execute(select(*_COLUMNS).where(*said).order_by(_TRY.at, _TRY.id).limit(limit))
    found = [dict(row) for row in rows.mappings()]
    return found, count - len(found)
