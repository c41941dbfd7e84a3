"""Reads attempts, callbacks and contacts, for the reports on calling customers. Reckons nothing.

Queue and number of a callback, and of the attempts at one, are those of the call that it is due to; of a survey call,
and its agent, those of the call that it asks about.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, FromClause, case, exists, func, select

from fsapp.core.contact_rows import GONE
from fsapp.core.reports.outbound import Asked, Tried, count_attempt, count_callback, count_survey_call
from fsapp.core.reports.query import Query
from fsapp.core.reports.rows import Rows
from fsapp.core.task_life import ASKED
from fsapp.records.reports.reading import OF_CALL, Columns, only, read, within
from fsapp.records.schema import attempts, contacts, interactions, surveys, tasks

__all__ = ["read_attempts", "read_callbacks", "read_campaigns", "read_survey_calls"]

_TRY, _TASK, _CONTACT, _CALL = attempts.c, tasks.c, contacts.c, interactions.c
_OF_AGENTS = _TRY.flow.is_(None)  # no agent has a part in survey calls
_TRY_COLUMNS: Columns = {
    **OF_CALL,
    "agent": _TRY.agent, "responsible": _TRY.responsible, "campaign": _TRY.campaign,
    "stage": _TRY.campaign + "/" + _TRY.stage, "line": _TRY.line, "result": func.coalesce(_TRY.result, _TRY.outcome),
}
_TASK_COLUMNS: Columns = {
    **OF_CALL,
    "kind": _TASK.kind, "agent": _TASK.agent, "campaign": _TASK.campaign, "stage": _TASK.campaign + "/" + _TASK.stage,
    "line": _TASK.line,
}
_SURVEY_COLUMNS: Columns = {**_TRY_COLUMNS, "flow": _TRY.flow, "agent": _CALL.agent}
_CONTACT_COLUMNS: Columns = {"campaign": _CONTACT.campaign, "stage": _CONTACT.campaign + "/" + _CONTACT.stage}


def read_attempts(connection: Connection, query: Query, rows: Rows) -> None:
    for at, outcome, result, talked_s, *values in read(connection, select(
            _TRY.at, _TRY.outcome, _TRY.result, _TRY.talked_s, *(_TRY_COLUMNS[name] for name in rows.by),
    ).select_from(_with_calls(attempts, query)).where(
            within(_TRY.at, query), _OF_AGENTS, *only(query, _TRY_COLUMNS))):
        count_attempt(rows.at(at, values), Tried(outcome, result, talked_s))


def read_callbacks(connection: Connection, query: Query, rows: Rows) -> None:
    first_at = select(func.min(_TRY.at)).where(_TRY.task_id == _TASK.id).scalar_subquery()
    for made_at, kind, state, closed_at, tries, first, *values in read(connection, select(
            _TASK.made_at, _TASK.kind, _TASK.state, _TASK.closed_at, _TASK.tries, first_at,
            *(_TASK_COLUMNS[name] for name in rows.by),
    ).select_from(_with_calls(tasks, query)).where(
            _TASK.kind.in_([kind.value for kind in ASKED]), within(_TASK.made_at, query), *only(query, _TASK_COLUMNS))):
        count_callback(rows.at(made_at, values), Asked(kind, state, made_at, first, closed_at, tries))


def read_survey_calls(connection: Connection, query: Query, rows: Rows) -> None:
    responded = exists().where(surveys.c.call_id == _TRY.interaction_id)
    for at, result, answers, *values in read(connection, select(
            _TRY.at, _TRY.result, responded, *(_SURVEY_COLUMNS[name] for name in rows.by),
    ).select_from(_with_calls(attempts, query, "agent")).where(
            within(_TRY.at, query), _TRY.flow.is_not(None), *only(query, _SURVEY_COLUMNS))):
        count_survey_call(rows.at(at, values), result, bool(answers))


def _with_calls(table: FromClause, query: Query, *more: str) -> FromClause:
    """The table, with the calls that its tasks are due to where something of them is asked for, or one of `more`."""
    if not {*query.by, *query.only} & {*OF_CALL, *more}:
        return table
    joined: Any = table if table is tasks else table.outerjoin(tasks, _TASK.id == _TRY.task_id)
    return joined.outerjoin(interactions, _CALL.id == _TASK.about_id)


def read_campaigns(connection: Connection, query: Query, rows: Rows) -> None:
    untried = case((_CONTACT.attempted_at.is_(None) & (_CONTACT.attempts == 0), 1), else_=0)
    values_of = [_CONTACT_COLUMNS[name] for name in rows.by]
    for many, not_tried, state, *values in read(connection, select(
            func.count(), func.sum(untried), _CONTACT.state, *values_of,
    ).where(_CONTACT.state != GONE, *only(query, _CONTACT_COLUMNS)).group_by(_CONTACT.state, *values_of)):
        tally = rows.at(query.period.start, values)
        tally.count("contacts", many)
        tally.count("untried", int(not_tried))
        tally.count("open" if state == "open" else "closed", many)
    for at, outcome, result, talked_s, *values in read(connection, select(
            _TRY.at, _TRY.outcome, _TRY.result, _TRY.talked_s, *(_TRY_COLUMNS[name] for name in rows.by),
    ).where(within(_TRY.at, query), _OF_AGENTS, _TRY.campaign.is_not(None), *only(query, _TRY_COLUMNS))):
        count_attempt(rows.at(at, values), Tried(outcome, result, talked_s))
