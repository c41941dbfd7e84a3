"""Reads dispositions, answers to questions and messages, for the reports on them. Reckons nothing."""

from __future__ import annotations

from sqlalchemy import Connection, select

from fsapp.core.reports.query import Query
from fsapp.core.reports.rows import Rows
from fsapp.core.reports.said import count_answer, count_message
from fsapp.records.reports.reading import OF_CALL, Columns, only, read, within
from fsapp.records.schema import dispositions, interactions, surveys, voicemails

__all__ = ["read_dispositions", "read_surveys", "read_voicemails"]

_SAID, _ANSWER, _MESSAGE, _CALL = dispositions.c, surveys.c, voicemails.c, interactions.c
_SAID_COLUMNS: Columns = {
    **OF_CALL,
    "disposition": _SAID.disposition, "agent": _SAID.agent, "campaign": _SAID.campaign,
    "stage": _SAID.campaign + "/" + _SAID.stage, "line": _CALL.line,
}
_ANSWER_COLUMNS: Columns = {
    **OF_CALL,
    "flow": _ANSWER.flow, "block": _ANSWER.block, "value": _ANSWER.value, "agent": _CALL.agent, "line": _CALL.line,
    "campaign": _CALL.campaign, "stage": _CALL.campaign + "/" + _CALL.stage,
}
_MESSAGE_COLUMNS: Columns = {**OF_CALL, "flow": _MESSAGE.flow, "block": _MESSAGE.block, "line": _MESSAGE.line}


def read_dispositions(connection: Connection, query: Query, rows: Rows) -> None:
    for at, *values in read(connection, select(
            _SAID.at, *(_SAID_COLUMNS[name] for name in rows.by),
    ).join_from(dispositions, interactions, _CALL.id == _SAID.interaction_id, isouter=True).where(
            within(_SAID.at, query), *only(query, _SAID_COLUMNS))):
        rows.at(at, values).count("dispositions")


def read_surveys(connection: Connection, query: Query, rows: Rows) -> None:
    for at, value, *values in read(connection, select(
            _ANSWER.at, _ANSWER.value, *(_ANSWER_COLUMNS[name] for name in rows.by),
    ).join_from(surveys, interactions, _CALL.id == _ANSWER.interaction_id, isouter=True).where(
            within(_ANSWER.at, query), *only(query, _ANSWER_COLUMNS))):
        count_answer(rows.at(at, values), value)


def read_voicemails(connection: Connection, query: Query, rows: Rows) -> None:
    for at, heard_at, *values in read(connection, select(
            _MESSAGE.at, _MESSAGE.heard_at, *(_MESSAGE_COLUMNS[name] for name in rows.by),
    ).join_from(voicemails, interactions, _CALL.id == _MESSAGE.interaction_id, isouter=True).where(
            within(_MESSAGE.at, query), *only(query, _MESSAGE_COLUMNS))):
        count_message(rows.at(at, values), at, heard_at)
