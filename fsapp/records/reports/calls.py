"""Reads calls that came in, for the reports on them. Reckons nothing: that is `core.reports`.

A call is one row of `interactions` that nobody of ours has begun. Where queues are told apart, a stay in a queue
(`queue_stays`) is counted instead, at the time it was joined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from sqlalchemy import Connection, and_, exists, or_, select

from fsapp.core.model import CallClass
from fsapp.core.reports.calls import Came, count_call
from fsapp.core.reports.flows import count_flow_end
from fsapp.core.reports.kept import Belonged, count_kept, had_right_to, stuck_to
from fsapp.core.reports.query import Query
from fsapp.core.reports.rows import Rows
from fsapp.core.reports.tally import Tally
from fsapp.records.reports.reading import Columns, only, read, within
from fsapp.records.schema import decisions, flow_ends, interactions, queue_stays

__all__ = ["read_calls", "read_direct_callbacks", "read_flows", "read_stickiness"]

_CALL, _STAY, _END = interactions.c, queue_stays.c, flow_ends.c

_COLUMNS: Columns = {
    "queue": _CALL.queue, "agent": _CALL.agent, "number": _CALL.called, "line": _CALL.line,
    "campaign": _CALL.campaign, "stage": _CALL.campaign + "/" + _CALL.stage, "class": _CALL.call_class,
    "reason": _CALL.reason, "switch": _CALL.switch,
}
_STAY_COLUMNS: Columns = {**_COLUMNS, "queue": _STAY.queue, "agent": _STAY.agent, "switch": _STAY.switch}
_END_COLUMNS: Columns = {**_COLUMNS, "flow": _END.flow, "block": _END.block, "end": _END.end}
# Customers called by us, and places kept in a queue for them, are no calls that came in.
_CAME_IN = and_(
    _CALL.channel == "call", or_(_CALL.direction.is_(None), _CALL.direction != "outbound"), _CALL.task_id.is_(None))
_OFFERED = or_(
    _CALL.waited_s.is_not(None), _CALL.outcome.in_(("answered", "abandoned")),
    exists().where(_STAY.interaction_id == _CALL.id))


def read_calls(connection: Connection, query: Query, rows: Rows) -> None:
    targets = lru_cache(maxsize=1024)(query.target_s)
    come = _stays if "queue" in query.by or "queue" in query.only else _calls
    for tally, one in come(connection, query, rows, targets):
        count_call(tally, one, query)


Counted = Iterator[tuple[Tally, Came]]
Targets = Callable[[str | None, str | None, str | None], float]


def _calls(connection: Connection, query: Query, rows: Rows, target_s: Targets) -> Counted:
    question = select(
        _CALL.started_at, _CALL.outcome, _OFFERED, _CALL.ended_at.is_not(None), _CALL.waited_s, _CALL.talked_s,
        _CALL.campaign, _CALL.stage, _CALL.line, *(_COLUMNS[name] for name in rows.by),
    ).where(_CAME_IN, within(_CALL.started_at, query), *only(query, _COLUMNS))
    for at, outcome, offered, over, waited_s, talked_s, campaign, stage, line, *values in read(connection, question):
        came = Came(outcome, bool(offered), bool(over), waited_s, talked_s, target_s(campaign, stage, line))
        yield rows.at(at, values), came


def _stays(connection: Connection, query: Query, rows: Rows, target_s: Targets) -> Counted:
    for at in (_STAY.joined_at, _CALL.started_at):
        question = select(
            at, _STAY.outcome, _CALL.outcome, or_(_CALL.ended_at.is_not(None), _STAY.talk_ended_at.is_not(None)),
            _STAY.waited_s, _STAY.talked_s, _CALL.campaign, _CALL.stage, _CALL.line,
            *(_STAY_COLUMNS[name] for name in rows.by),
        ).join_from(queue_stays, interactions, _CALL.id == _STAY.interaction_id).where(
            _CAME_IN, within(at, query), *only(query, _STAY_COLUMNS))
        if at is not _STAY.joined_at:  # when it was joined is not known
            question = question.where(_STAY.joined_at.is_(None))
        for when, outcome, of_call, over, waited_s, talked_s, campaign, stage, line, *values in read(
                connection, question):
            if outcome is None and over and of_call == "abandoned":
                outcome = of_call
            over = over or outcome not in (None, "answered")
            came = Came(outcome, True, bool(over), waited_s, talked_s, target_s(campaign, stage, line))
            yield rows.at(when, values), came


def read_flows(connection: Connection, query: Query, rows: Rows) -> None:
    question = select(_END.at, _END.end, *(_END_COLUMNS[name] for name in rows.by)).join_from(
        flow_ends, interactions, _CALL.id == _END.interaction_id).where(
        within(_END.at, query), *only(query, _END_COLUMNS))
    for at, end, *values in read(connection, question):
        count_flow_end(rows.at(at, values), end)


def read_stickiness(connection: Connection, query: Query, rows: Rows) -> None:
    """Calls whose caller had talked to an agent, as it was known when the first decision was made."""
    question = select(
        _CALL.started_at, _CALL.outcome, _CALL.agent, _CALL.sticky_agent, decisions.c.facts["sticky"], _CALL.campaign,
        _CALL.stage, _CALL.line, *(_COLUMNS[name] for name in rows.by),
    ).join_from(interactions, decisions, decisions.c.id == _CALL.decision_id, isouter=True).where(
        _CAME_IN, _OFFERED, _CALL.sticky_agent.is_not(None), within(_CALL.started_at, query), *only(query, _COLUMNS))
    for at, outcome, agent, known, sticky, campaign, stage, line, *values in read(connection, question):
        place = f"{campaign}/{stage}" if campaign and stage else line
        if to := stuck_to(known, sticky, place, query.rules, at):
            count_kept(rows.at(at, values), Belonged(outcome, to, agent), query.rules)


def read_direct_callbacks(connection: Connection, query: Query, rows: Rows) -> None:
    """Callbacks of customers who had the right to call an agent back, as it was known at the first decision."""
    rights = decisions.c.facts["rights"]
    question = select(
        _CALL.started_at, _CALL.outcome, _CALL.agent, rights, *(_COLUMNS[name] for name in rows.by),
    ).join_from(interactions, decisions, decisions.c.id == _CALL.decision_id).where(
        _CAME_IN, decisions.c.call_class == CallClass.CALLBACK, rights.as_string().is_not(None),
        within(_CALL.started_at, query), *only(query, _COLUMNS))
    for at, outcome, agent, known, *values in read(connection, question):
        if to := had_right_to(known, at):
            count_kept(rows.at(at, values), Belonged(outcome, to, agent), query.rules)
