"""A report by its name: which rows it is read from. Reads and reckons nothing itself, and prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from fsapp.core.reports.catalogue import CATALOGUE, Report
from fsapp.core.reports.query import Query
from fsapp.core.reports.rows import Rows
from fsapp.records.database import Database
from fsapp.records.reports import agents, calls, outbound, said

__all__ = ["READERS", "report"]

READERS: Mapping[str, Callable[[Connection, Query, Rows], None]] = {
    "calls": calls.read_calls, "service-level": calls.read_calls, "answer-speed": calls.read_calls,
    "abandonment": calls.read_calls, "classes": calls.read_calls, "flows": calls.read_flows,
    "callbacks": outbound.read_callbacks, "attempts": outbound.read_attempts, "campaigns": outbound.read_campaigns,
    "survey-calls": outbound.read_survey_calls,
    "agents": agents.read_agents, "breaks": agents.read_breaks, "stickiness": calls.read_stickiness,
    "direct-callbacks": calls.read_direct_callbacks, "dispositions": said.read_dispositions,
    "surveys": said.read_surveys, "voicemails": said.read_voicemails,
}


def report(database: Database, name: str, query: Query) -> Report:
    """The report of this name in the catalogue. RecordsUnavailable where the database does not answer."""
    rows = Rows(query)
    database.read(lambda connection: READERS[name](connection, query, rows))
    kind = CATALOGUE[name]
    found, total = rows.report(kind.reckon)
    return Report(kind, query, tuple(found), total)
