"""What follows from interactions, in the memory: each looked at, tickets and tags made, the rest put out for delivery.

An interaction and all that follows from it are one transaction, and what follows has an id that is always the same: it
is there once, whatever was killed when. What must be told to others is `waiting` in the table `followups`, the outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, or_, select, update
from sqlalchemy.exc import DataError, IntegrityError

from fsapp.core.after_rules import TicketRule
from fsapp.core.follow_up import Action, Finished, Kind, action_id, follow_ups
from fsapp.core.following import Unfit, document, letter, subject_of, survey_wanted, task_wanted
from fsapp.core.rules import Rules
from fsapp.core.task import TaskState, TryOutcome
from fsapp.records import schema, tickets
from fsapp.records.whose import numbers_of
from fsapp.records.writer import lock, upsert

__all__ = ["DONE", "DROPPED", "FAILED", "LATEST_S", "LOOK", "OLDEST_S", "SETTLE_S", "WAITING", "Looked", "look"]

WAITING, DONE, FAILED, DROPPED = "waiting", "done", "failed", "dropped"
LOOK = "look"          # the kind of a row that says that an interaction could not be looked at
SETTLE_S = 3.0         # so long nothing more must have been heard of a call: events of its end come together
OLDEST_S = 7 * 86400   # what ended earlier before it was known here has no consequences any more
LATEST_S = 30 * 86400  # nor has what ended earlier any new ones; what followed is remembered for longer than that
_DAY_S = 86400
_FIELDS = (
    "id", "channel", "direction", "number", "called", "call_class", "reason", "campaign", "stage", "line", "queue",
    "contact", "outcome", "agent", "sticky_agent", "disposition", "waited_s", "talked_s", "started_at", "ended_at",
    "recording", "subject", "customer_id", "ticket_id")
_BROKEN = (ValueError, TypeError, KeyError, ArithmeticError, DataError, IntegrityError)
Row = dict[str, Any]
Known = tuple[Finished, set[str]]  # with the ids of what has followed from it already


class Looked(NamedTuple):
    """How many interactions were looked at, which could not be (id, why), and what followed from the others."""

    interactions: int = 0
    followed: tuple[str, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()


def look(connection: Connection, rules: Rules, now: float, limit: int = 50, timezone: str = "UTC") -> Looked:
    """Decide what follows from interactions that are over and have not been looked at, or have changed since.

    Within the caller's transaction, of which there is one at a time. An interaction for which something fails is set
    aside as a row that says so, and stops none of the others.
    """
    lock(connection)
    found = _found(connection, now, limit)
    known = _with_all(connection, found) if found else []
    writing = _Writing(connection, rules, now, timezone)
    broken = []
    try:
        followed = writing.all(known)
    except _BROKEN:
        # One of them; which, is found one by one.
        followed = []
        for one in known:
            try:
                followed += writing.all([one])
            except _BROKEN as error:
                why = f"{type(error).__name__}: {error}"[:300]
                broken.append((one[0].id, why))
                _set_aside(connection, one[0].id, why, now, rules)
    if found:
        table = schema.interactions
        connection.execute(
            update(table).where(table.c.id.in_([row["id"] for row in found])).values(followed_at=now))
    return Looked(len(found), tuple(followed), tuple(broken))


def _found(connection: Connection, now: float, limit: int) -> list[Row]:
    table, states = schema.interactions, schema.call_states
    changed = states.c.changed_at
    # A time to come is one of a clock that was put back since.
    settled = or_(changed.is_(None), changed <= now - SETTLE_S, changed > now + SETTLE_S)
    query = (
        select(*(table.c[name] for name in (*_FIELDS, "name")))
        .select_from(table.outerjoin(states, states.c.id == table.c.id))
        .where(table.c.followed_at.is_(None), table.c.ended_at.is_not(None), settled)
        .order_by(table.c.ended_at).limit(limit))
    return [dict(row) for row in connection.execute(query).mappings()]


def _with_all(connection: Connection, rows: Sequence[Row]) -> list[Known]:
    """The interactions with customers, tags and notes."""
    ids = [row["id"] for row in rows]
    customers = {row["customer_id"] for row in rows if row["customer_id"]}
    table = schema.customers
    known = {row["id"]: row for row in connection.execute(
        select(table.c.id, table.c.name, table.c.email, table.c.language, table.c.vip)
        .where(table.c.id.in_(customers))).mappings()} if customers else {}
    tags: dict[str, set[str]] = {id_: set() for id_ in ids}
    table = schema.tags
    for subject, tag in connection.execute(select(table.c.subject_id, table.c.tag).where(
            table.c.kind == "interaction", table.c.subject_id.in_(ids))):
        tags[subject].add(tag)
    notes: dict[str, str] = {}
    table = schema.notes
    for id_, text in connection.execute(select(table.c.interaction_id, table.c.text).where(
            table.c.interaction_id.in_(ids)).order_by(table.c.at, table.c.id)):
        notes[id_] = text
    done: dict[str, set[str]] = {id_: set() for id_ in ids}
    table = schema.followups
    for id_, interaction in connection.execute(select(table.c.id, table.c.interaction_id).where(
            table.c.interaction_id.in_(ids))):
        done[interaction].add(id_)
    found = []
    for row in rows:
        who = known.get(row["customer_id"], {})
        found.append((Finished(
            **{name: row[name] for name in _FIELDS}, name=who.get("name") or row["name"],
            email=who.get("email"), language=who.get("language"), vip=who.get("vip") or 0,
            tags=frozenset(tags[row["id"]]), note=notes.get(row["id"], "")), done[row["id"]]))
    return found


class _Writing:
    """Has things follow from interactions. Rows are gathered and written together; tickets are found one by one."""

    def __init__(self, connection: Connection, rules: Rules, now: float, timezone: str) -> None:
        self._connection = connection
        self._rules = rules
        self._now = now
        self._timezone = timezone
        self._rows: list[Row] = []
        self._tags: list[Row] = []
        self._links: list[Row] = []

    def all(self, known: Sequence[Known]) -> list[str]:
        """What followed, by kind: of all of them, or, where it raises, of none."""
        self._rows, self._tags, self._links = [], [], []
        with self._connection.begin_nested():
            followed = [kind for one, done in known for kind in self._one(one, done)]
            upsert(self._connection, schema.tags, self._tags, once=True)
            if self._rows:
                self._connection.execute(schema.followups.insert(), self._rows)
            if self._links:
                table = schema.interactions
                self._connection.execute(
                    update(table).where(table.c.id == bindparam("call")).values(ticket_id=bindparam("ticket")),
                    self._links)
        return followed

    def _one(self, one: Finished, done: set[str]) -> list[str]:
        unheard = not done and one.disposition is None and not one.tags
        if one.ended_at < self._now - (OLDEST_S if unheard else LATEST_S):
            return []
        followed = []
        for action in follow_ups(one, self._rules.follow, self._rules.lists):
            if action.id in done:
                continue
            if action.kind is Kind.TICKET:
                one = replace(one, ticket_id=one.ticket_id or self._ticket(one, action))
                made: Row = {"state": DONE, "target": one.ticket_id}
            elif action.kind is Kind.TAGS:
                one = self._tag(one, action)
                made = {"state": DONE, "target": ", ".join(action.rule.tags)}
            else:
                made = self._needless(one, action) or _outgoing(
                    one, action, self._rules, self._now, self._timezone)
            over = made["state"] != WAITING
            self._rows.append({
                "id": action.id, "interaction_id": one.id, "rule": action.rule.name, "kind": action.kind.value,
                "made_at": self._now, "ended_at": self._now if over else None, "rules": self._rules.version,
                "error": None, "payload": None, "next_at": None, **made})
            followed.append(action.kind.value)
        return followed

    def _needless(self, one: Finished, action: Action) -> Row | None:
        """The row of a survey that the customer is to be asked anyway, or was not long ago: nobody is called for it."""
        if action.kind is not Kind.SURVEY or not (one.number or "").startswith("+"):
            return None  # callers without a number are not one customer
        numbers = {one.number, *(numbers_of(self._connection, one.customer_id) if one.customer_id else ())}

        def theirs(table: Table) -> ColumnElement[bool]:
            # Whoever had the number then: it is the same phone.
            mine = table.c.number.in_(numbers)
            return or_(mine, table.c.customer_id == one.customer_id) if one.customer_id else mine

        flow, days, tasks = action.target, action.rule.survey_rest_days, schema.tasks
        task = self._first(select(tasks.c.id).where(
            theirs(tasks), tasks.c.flow == flow, tasks.c.state == TaskState.OPEN.value, tasks.c.expires_at > self._now))
        if task is not None:
            why = f"the customer is to be asked the same anyway, by task {task}"
        elif days and self._asked(theirs, flow, self._now - days * _DAY_S):
            why = f"this flow has asked the customer in the last {days} days (survey_rest_days)"
        else:
            return None
        return {"state": DROPPED, "target": flow, "error": why}

    def _asked(self, theirs: Callable[[Table], ColumnElement[bool]], flow: str, since: float) -> bool:
        """Whether the flow has asked the customer since then, having called them or in a call of theirs."""
        tries, calls, ends = schema.attempts, schema.interactions, schema.flow_ends
        called = select(tries.c.id).where(
            theirs(tries), tries.c.flow == flow, tries.c.result == TryOutcome.ASKED.value, tries.c.at > since)
        led = select(ends.c.id).join(calls, calls.c.id == ends.c.interaction_id).where(
            theirs(calls), ends.c.flow == flow, ends.c.at > since, calls.c.started_at > since - _DAY_S)
        return self._first(called) is not None or self._first(led) is not None

    def _first(self, question: Select[tuple[str]]) -> str | None:
        return self._connection.execute(question.limit(1)).scalar()

    def _ticket(self, one: Finished, action: Action) -> str:
        """The ticket that the interaction belongs to: unless somebody has said so by hand."""
        rule, id_ = action.rule, None
        if rule.ticket is TicketRule.OPEN_OR_NEW:
            since = one.ended_at - rule.ticket_days * _DAY_S
            id_ = tickets.open_of(self._connection, one.number, one.customer_id, one.place, since)
        if id_ is None:
            id_ = tickets.open_ticket(self._connection, tickets.NewTicket(
                one.customer_id, one.number, subject_of(one, rule.subject, self._rules, self._timezone), one.agent,
                place=one.place, made_by=f"rule {rule.name}"), one.ended_at, action.id[:16])
        else:
            tickets.touch(self._connection, id_, one.ended_at)
        self._links.append({"call": one.id, "ticket": id_})
        return id_

    def _tag(self, one: Finished, action: Action) -> Finished:
        self._tags += [
            {"kind": "interaction", "subject_id": one.id, "tag": tag, "at": self._now,
             "by": f"rule {action.rule.name}", "how": "rule"} for tag in action.rule.tags if tag not in one.tags]
        return replace(one, tags=one.tags | set(action.rule.tags))


def _outgoing(one: Finished, action: Action, rules: Rules, now: float, timezone: str) -> Row:
    """The row of the outbox."""
    payload: dict[str, Any] | Unfit
    if action.kind is Kind.WEBHOOK:
        payload = document(one, action, rules, now)
    elif action.kind is Kind.EMAIL:
        payload = letter(one, rules.follow.emails[action.target], rules, timezone)
    elif action.kind is Kind.SURVEY:
        payload = survey_wanted(one, action.target, action.rule.survey_due_s, rules)
    else:
        assert action.rule.task is not None
        payload = task_wanted(one, action.rule.task, rules, timezone)
    if isinstance(payload, Unfit):
        # Of a survey nobody has to look after that: callers without a number cannot be asked.
        state = DROPPED if action.kind is Kind.SURVEY else FAILED
        return {"state": state, "target": action.target, "error": str(payload)}
    return {"state": WAITING, "target": action.target, "payload": payload, "next_at": now}


def _set_aside(connection: Connection, id_: str, why: str, now: float, rules: Rules) -> None:
    table, row = schema.followups, action_id(id_, LOOK)
    connection.execute(table.delete().where(table.c.id == row))
    connection.execute(table.insert(), {
        "id": row, "interaction_id": id_, "kind": LOOK, "state": FAILED, "made_at": now, "ended_at": now, "error": why,
        "rules": rules.version})
