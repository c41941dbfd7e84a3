"""Reads what agents did, one after the other, for the reports on them. Reckons nothing: that is `core.reports`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, or_, select, union

from fsapp.core.people import DEFAULT_PHONE_S
from fsapp.core.reports.agents import Rest, Worked, count_breaks, count_work, until
from fsapp.core.reports.query import Query
from fsapp.core.reports.rows import Rows
from fsapp.records.reports.reading import read
from fsapp.records.reports.sights import Sights
from fsapp.records.schema import agent_breaks, agent_sessions, attempts, interactions, offers, queue_stays

__all__ = ["read_agents", "read_breaks"]

_LONGEST_S = 24 * 3600.0  # of a talk: what began earlier is over when the period begins


def read_agents(connection: Connection, query: Query, rows: Rows) -> None:
    sights = Sights(connection, query)
    for agent in _agents(connection, query):
        one = Worked(agent)
        _add_times(connection, query, one, sights)
        _add_talks(connection, query, one, sights)
        _add_offers(connection, query, one)
        count_work(rows, one, query)


def read_breaks(connection: Connection, query: Query, rows: Rows) -> None:
    sights = Sights(connection, query)
    for agent in _agents(connection, query):
        one = Worked(agent)
        _add_times(connection, query, one, sights)
        _add_talks(connection, query, one, sights)
        count_breaks(rows, one, query)


def _agents(connection: Connection, query: Query) -> list[str]:
    """Whoever was there in the period, or had a call, or talked at an attempt."""
    wanted = query.only.get("agent")
    if wanted:
        return sorted(set(wanted))
    stay, tried, since = queue_stays.c, attempts.c, query.period.start - _LONGEST_S
    found = connection.execute(union(
        select(agent_sessions.c.agent).where(_overlaps(agent_sessions, query)),
        select(stay.agent).where(
            or_(and_(stay.joined_at >= since, stay.joined_at < query.period.end), stay.joined_at.is_(None)),
            stay.agent.is_not(None)),
        select(tried.agent).where(
            tried.at >= query.period.start, tried.at < query.period.end + _LONGEST_S, tried.outcome == "talked",
            tried.agent.is_not(None)),
    )).scalars()
    return sorted({*found, *(query.rules.agents if query.rules is not None else ())})


def _overlaps(table: Table, query: Query) -> ColumnElement[bool]:
    return and_(table.c.started_at < query.period.end,
                or_(table.c.ended_at.is_(None), table.c.ended_at > query.period.start))


def _add_times(connection: Connection, query: Query, one: Worked, sights: Sights) -> None:
    """Sessions and breaks; who has not logged out is still there, or was so for as long as that is known."""
    for table in (agent_sessions, agent_breaks):
        reason: Any = table.c.reason if table is agent_breaks else table.c.agent
        for start, end, why, switch in read(connection, select(
                table.c.started_at, table.c.ended_at, reason, table.c.switch).where(
                table.c.agent == one.agent, _overlaps(table, query))):
            span = until(start, end, None, sights.until(switch, one.agent) if end is None else query.now)
            if table is agent_breaks:
                one.rests.append(Rest(why, *span))
            else:
                one.sessions.append(span)


def _add_talks(connection: Connection, query: Query, one: Worked, sights: Sights) -> None:
    """Talks with callers, with the rest after each; and talks of attempts, which are the same ones or others."""
    known = query.rules.agents.get(one.agent) if query.rules is not None else None
    wrap_up_s = known.wrap_up_s if known is not None else DEFAULT_PHONE_S["wrap_up_s"]
    for start, end, going_on in _talks(connection, query, one.agent, sights):
        one.talks.append((start, end))
        one.answered.append((start, None if going_on else end - start))
        if not going_on:
            one.wraps.append((end, end + wrap_up_s))
    tried = attempts.c
    for at, talked_s in read(connection, select(tried.at, tried.talked_s).where(
            tried.agent == one.agent, tried.outcome == "talked", tried.talked_s > 0,
            tried.at >= query.period.start, tried.at < query.period.end + _LONGEST_S)):
        one.talks.append((at - talked_s, at))


def _talks(
    connection: Connection, query: Query, agent: str, sights: Sights,
) -> Iterator[tuple[float, float, bool]]:
    """(start, end, whether it goes on): a talk whose end nobody has told of ends with its call."""
    stay, call = queue_stays.c, interactions.c
    open_ended = stay.talk_ended_at.is_(None) & stay.talked_s.is_(None)
    call_ended_at = select(call.ended_at).where(call.id == stay.interaction_id).scalar_subquery()
    for start, end, talked_s, switch, ended_at in read(connection, select(
            stay.answered_at, stay.talk_ended_at, stay.talked_s, stay.switch, case((open_ended, call_ended_at)),
    ).where(
            stay.agent == agent, stay.answered_at >= query.period.start - _LONGEST_S,
            stay.answered_at < query.period.end)):
        if end is None and talked_s is None:
            end = ended_at
        going_on = end is None and talked_s is None
        yield *until(start, end, talked_s, sights.until(switch, agent) if going_on else query.now), going_on


def _add_offers(connection: Connection, query: Query, one: Worked) -> None:
    """Offers. What became of one nobody knows rang no longer than the caller stayed."""
    offer, stay, call = offers.c, queue_stays.c, interactions.c
    known_at = func.coalesce(offer.offered_at, offer.ended_at)
    call_ended_at = select(call.ended_at).where(call.id == offer.interaction_id).scalar_subquery()
    for start, end, outcome in read(connection, select(
            known_at, func.coalesce(offer.ended_at, stay.left_at, call_ended_at), offer.outcome,
    ).join_from(offers, queue_stays, stay.id == offer.stay_id, isouter=True).where(
            offer.agent == one.agent, known_at >= query.period.start - _LONGEST_S, known_at < query.period.end)):
        one.rings.append(until(start, end, None, query.now))
        if outcome == "missed":
            one.missed.append(start)
