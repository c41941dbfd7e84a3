"""Until when what has no end yet is known to have gone on: when switches were last seen. Reckons nothing."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from fsapp.core.reports.query import Query
from fsapp.records.schema import agent_statuses, switch_sights

__all__ = ["Sights"]

_FRESH_S = 180.0  # a switch that is there is told of once a minute


class Sights:
    """When each switch was last seen, as far as the memory knows."""

    def __init__(self, connection: Connection, query: Query) -> None:
        self._connection = connection
        self._now = query.now
        table = switch_sights.c
        self._seen: dict[str, float] = dict(map(tuple, connection.execute(
            select(table.switch, func.max(table.seen_at)).group_by(table.switch))))

    def until(self, switch: str | None, agent: str) -> float:
        """Now, while the switch is there; else when it was last seen.

        A switch that was never seen, while others are: when a status of the agent on it was last told. Where none ever
        was, all of it is from before that was told: now.
        """
        if switch is None or not self._seen:
            return self._now
        seen_at = self._seen.get(switch)
        if seen_at is None:
            table = agent_statuses.c
            told_at = self._connection.execute(select(func.max(table.at)).where(
                table.agent == agent, table.switch == switch)).scalar()
            return min(self._now, told_at) if told_at is not None else self._now
        return self._now if self._now - seen_at < _FRESH_S else seen_at
