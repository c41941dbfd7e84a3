"""Writes what events say into the memory, a batch in a transaction. Decides nothing: what rows hold is made in core.

Whoever writes calls holds the database's one write lock, so that what is known of a call is read, added to and written
by one at a time: two recorders, or a recorder and a command, are as good as one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgpack
from sqlalchemy import Connection, bindparam, delete, func, select, text

from fsapp.core.agent_record import LOGGED_OUT, Status, times
from fsapp.core.call_rows import rows_of
from fsapp.core.call_state import State, learn
from fsapp.core.event_rows import Put, put
from fsapp.core.task import TryOutcome
from fsapp.records import schema
from fsapp.records.contact_tries import count_attempts
from fsapp.records.database import WRITE_LOCK
from fsapp.records.erasures import Tombstones
from fsapp.records.upsert import upsert

__all__ = ["Given", "lock", "write_events"]

_AT_ONCE = 500  # ids in one question: PostgreSQL takes 65535 values, SQLite 32766
Row = dict[str, Any]


class Given(NamedTuple):
    """An event and where it stood in the stream."""

    place: str
    event: Mapping[str, Any]


def write_events(connection: Connection, events: Sequence[Given], number_of: Callable[[str], str]) -> Counter[str]:
    """Write the events, within the caller's transaction; how many rows of which table.

    `number_of`: a number in E.164, or as it is. ValueError for a malformed event: give them one by one to find which.
    What the database says of a value is raised as it is (sqlalchemy.exc).
    """
    lock(connection)
    clean = Tombstones(connection).without([given.event for given in events], number_of)
    puts = [(given._replace(event=event), put(event)) for given, event in zip(events, clean, strict=True)]
    written: Counter[str] = Counter()
    _write_calls(connection, puts, number_of, written)
    _write_own(connection, [row for _given, one in puts for row in one.rows], number_of, written)
    _write_tasks(connection, [one.task for _given, one in puts if one.task is not None], number_of, written)
    _write_statuses(connection, [one.status for _given, one in puts if one.status is not None], written)
    _write_sights(connection, [one.sight for _given, one in puts if one.sight is not None], written)
    return written


def lock(connection: Connection) -> None:
    """Be the only one who writes calls, until the transaction ends. SQLite has one writer as it is."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})"))


# Calls


def _write_calls(
    connection: Connection, puts: Sequence[tuple[Given, Put]], number_of: Callable[[str], str], written: Counter[str],
) -> None:
    states = _load(connection, {call for _given, one in puts for call in one.calls})
    changed = set()
    for given, one in puts:
        for call in one.calls:
            if learn(states.setdefault(call, {}), call, given.event):
                changed.add(call)
    if not changed:
        return
    # A leg on another switch makes rows of the call it is a leg of, and that one has rows of all its legs.
    roots = {states[call].get("from") or call for call in changed}
    states |= _load(connection, roots - states.keys())
    legs = {leg for root in roots for leg in states.get(root, {}).get("homes", ())}
    states |= _load(connection, legs - states.keys())
    now = time.time()
    upsert(connection, schema.call_states, [
        {"id": call, "state": msgpack.packb(states[call]), "changed_at": now} for call in sorted(changed)],
        first=("changed_at",))
    rows = []
    for root in sorted(roots):
        state = states.get(root)
        if state is not None and not state.get("from") and "start" in state:
            homes = {leg: states[leg] for leg in state.get("homes", ()) if states.get(leg, {}).get("from") == root}
            rows.append(rows_of(root, state, homes, number_of))
    interactions = [one.interaction for one in rows]
    _name_customers(connection, interactions)
    # What follows from a call is decided once more when more is known of it.
    upsert(connection, schema.interactions, [row | {"followed_at": None} for row in interactions],
           keep=("customer_id", "task_id"))
    # A stay's rows hang on its own events, and on which call it is a part of.
    told = {given.event.get("member") for given, _one in puts}
    for table, some in (
        (schema.queue_stays, [row for one in rows for row in one.stays if legs or row["id"] in told]),
        (schema.offers, [row for one in rows for row in one.offers if legs or row["stay_id"] in told]),
    ):
        upsert(connection, table, some)
        written[table.name] += len(some)
    written["interactions"] += len(interactions)
    _forget_legs(connection, {call: states[call]["from"] for call in changed if states[call].get("from")})


def _forget_legs(connection: Connection, legs: Mapping[str, str]) -> None:
    """Legs found to be parts of other calls are no calls of their own any more; what they had is those calls'."""
    for leg, root in sorted(legs.items()):
        decisions, tasks, interactions = schema.decisions, schema.tasks, schema.interactions
        connection.execute(decisions.update().where(decisions.c.interaction_id == leg).values(interaction_id=root))
        connection.execute(tasks.update().where(tasks.c.about_id == leg).values(about_id=root))
        connection.execute(delete(interactions).where(interactions.c.id == leg))


def _load(connection: Connection, calls: Iterable[str]) -> dict[str, State]:
    """What is known of each of the calls; of those that are known."""
    table = schema.call_states
    found: dict[str, State] = {}
    for some in _pages(sorted(calls)):
        for call, state in connection.execute(select(table.c.id, table.c.state).where(table.c.id.in_(some))):
            found[call] = msgpack.unpackb(state, strict_map_key=False)
    return found


# What is an event's own


def _write_own(
    connection: Connection, rows: Sequence[tuple[str, Row]], number_of: Callable[[str], str], written: Counter[str],
) -> None:
    by_table: dict[str, list[Row]] = {}
    for name, row in rows:
        by_table.setdefault(name, []).append(row)
    for name, some in sorted(by_table.items()):
        table = schema.METADATA.tables[name]
        if "number" in some[0]:
            for row in some:
                row["number"] = number_of(row["number"]) if row["number"] else None
        if "customer_id" in table.c:
            _name_customers(connection, some)
        if name in ("decisions", "flow_ends"):
            some = _of_roots(connection, some)
        if name == "attempts":
            count_attempts(connection, some)
        upsert(connection, table, some, once=True)
        if name == "attempts":
            _asked_after_all(connection, some)
        written[name] += len(some)


def _asked_after_all(connection: Connection, rows: Sequence[Row]) -> None:
    """Of a survey call that was given up for lost and reached the customer later counts what came of it."""
    table, told = schema.attempts, ("outcome", "result", "cause", "at")
    asked = [{"call": row["id"], **{f"told_{name}": row[name] for name in told}}
             for row in rows if row["result"] == TryOutcome.ASKED.value]
    if asked:
        connection.execute(
            table.update().where(table.c.id == bindparam("call"), table.c.result == TryOutcome.FAILED.value)
            .values({name: bindparam(f"told_{name}") for name in told}), asked)


def _of_roots(connection: Connection, rows: list[Row], name: str = "interaction_id") -> list[Row]:
    """Such rows belong to interactions, by this column: of a leg on another switch, to the call it is a leg of."""
    table = schema.interactions
    wanted = sorted({row[name] for row in rows if row[name]})
    there = {id_ for some in _pages(wanted)
             for id_ in connection.execute(select(table.c.id).where(table.c.id.in_(some))).scalars()}
    for state_id, state in _load(connection, set(wanted) - there).items():
        for row in rows:
            if row[name] == state_id and state.get("from"):
                row[name] = state["from"]
    return rows


def _name_customers(connection: Connection, rows: Sequence[Row]) -> None:
    """Say whose each row is, where its number is a customer's."""
    table = schema.customer_numbers
    numbers = sorted({row["number"] for row in rows if row["number"]})
    known = {
        number: customer for some in _pages(numbers) for number, customer in connection.execute(
            select(table.c.number, table.c.customer_id).where(table.c.number.in_(some)))
    }
    for row in rows:
        row["customer_id"] = known.get(row["number"] or "")


def _write_tasks(
    connection: Connection, rows: Sequence[Row], number_of: Callable[[str], str], written: Counter[str],
) -> None:
    newest: dict[str, Row] = {}
    for row in rows:
        if row["id"] not in newest or newest[row["id"]]["told"] < row["told"]:
            newest[row["id"]] = row
    table = schema.tasks
    for some in _pages(sorted(newest)):
        for id_, told in connection.execute(select(table.c.id, table.c.told).where(table.c.id.in_(some))):
            if told >= newest[id_]["told"]:
                del newest[id_]
    found = _of_roots(connection, list(newest.values()), "about_id")
    for row in found:
        row["number"] = number_of(row["number"]) if row["number"] else None
    _name_customers(connection, found)
    upsert(connection, table, found, keep=("customer_id",))
    written["tasks"] += len(found)


def _write_statuses(connection: Connection, rows: Sequence[Row], written: Counter[str]) -> None:
    if not rows:
        return
    upsert(connection, schema.agent_statuses, list(rows), once=True)
    written["agent_statuses"] += len(rows)
    first: dict[tuple[str, str], float] = {}
    for row in rows:
        who = row["agent"], row["switch"]
        first[who] = min(row["at"], first.get(who, row["at"]))
    for (agent, switch), at in first.items():
        _write_times(connection, agent, switch, at)


def _write_times(connection: Connection, agent: str, switch: str, at: float) -> None:
    """Make sessions and breaks anew since the last time the agent was logged out before `at`."""
    table = schema.agent_statuses
    mine = (table.c.agent == bindparam("a")) & (table.c.switch == bindparam("s"))
    who = {"a": agent, "s": switch}
    since = connection.execute(
        select(func.max(table.c.at)).where(mine, table.c.status == LOGGED_OUT, table.c.at < at), who).scalar() or 0.0
    sessions, breaks = times(Status(*row) for row in connection.execute(
        select(table.c.at, table.c.id, table.c.status, table.c.reason).where(mine, table.c.at >= since), who))
    about = {"agent": agent, "switch": switch}
    for target, rows in (
        (schema.agent_sessions, [{"id": one.id, "started_at": one.started_at, "ended_at": one.ended_at} | about
                                 for one in sessions]),
        (schema.agent_breaks, [{"id": one.id, "session_id": one.session_id, "reason": one.reason,
                                "started_at": one.started_at, "ended_at": one.ended_at} | about for one in breaks]),
    ):
        connection.execute(delete(target).where(
            target.c.agent == agent, target.c.switch == switch, target.c.started_at >= since))
        upsert(connection, target, rows)


def _write_sights(connection: Connection, rows: Sequence[Row], written: Counter[str]) -> None:
    """The latest moment counts, in whatever order they are told."""
    table = schema.switch_sights
    newest: dict[str, Row] = {}
    for row in rows:
        newest[row["id"]] = max(row, newest.get(row["id"], row), key=lambda one: one["seen_at"])
    for some in _pages(sorted(newest)):
        for id_, seen_at in connection.execute(select(table.c.id, table.c.seen_at).where(table.c.id.in_(some))):
            if seen_at >= newest[id_]["seen_at"]:
                del newest[id_]
    upsert(connection, table, list(newest.values()))
    written["switch_sights"] += len(newest)


def _pages(values: Sequence[str]) -> Iterable[Sequence[str]]:
    for place in range(0, len(values), _AT_ONCE):
        yield values[place: place + _AT_ONCE]
