"""The log of who looked at what of a customer, and nothing but that: written in the transaction of the look itself."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, select

from fsapp.records.schema import access_log

__all__ = ["looked", "looks"]


def looked(
    connection: Connection, *, at: float, who: str, what: str, subject: str | None = None, number: str | None = None,
    customer_id: str | None = None, how: str | None = None,
) -> None:
    """Write down that `who` (a token, or cli:USER) looked at `what` (customer, timeline, pop, interaction, ...).

    `how`: by which way (web, cli). `at` epoch seconds.
    """
    connection.execute(access_log.insert().values(
        id=str(uuid4()), at=at, who=who, what=what, subject=subject, number=number, customer_id=customer_id, how=how))


def looks(connection: Connection, customer_id: str, limit: int = 100) -> list[dict[str, Any]]:
    """The last looks at a customer, newest first."""
    rows = connection.execute(
        select(access_log).where(access_log.c.customer_id == customer_id).order_by(access_log.c.at.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]
