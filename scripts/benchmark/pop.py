"""How long the pop takes to read from a PostgreSQL with many interactions, beside a bare SELECT by primary key.

A cluster of its own in a temporary folder, removed afterwards. Its rows are made by the server itself: a customer for
every ten interactions, with 1.2 numbers, notes, tags and tickets; a call in ten is of nobody we know, one number has
100,000 calls. Rows of one caller lie far apart, as in a centre that took them over years.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import platform  # noqa: E402
import random  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import click  # noqa: E402
from sqlalchemy import Connection, text  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from postgresql_server import PostgresServer, missing  # noqa: E402

from fsapp.records.database import Database  # noqa: E402
from fsapp.records.pop import read_pop  # noqa: E402
from fsapp.records.versions import migrate  # noqa: E402

AIM_MS = 10.0
CHUNK = 500_000
HEAVY = 100_000
HEAVY_NUMBER = "+381690000000"
SERVER = ("shared_buffers=512MB", "max_wal_size=4GB", "maintenance_work_mem=512MB", "work_mem=16MB",
          "synchronous_commit=off")
BARE = text("SELECT name FROM customers WHERE id = :id")

CUSTOMERS = """
    INSERT INTO customers (id, name, vip, language, email, fields, made_at)
    SELECT 'c' || n, 'Customer ' || n, n % 10, 'sr', 'c' || n || '@example.com',
           jsonb_build_object('contract', 'A-' || n), 1.6e9 + n FROM generate_series({first}, {last}) n"""
NUMBERS = """
    INSERT INTO customer_numbers (number, customer_id, place)
    SELECT '+38160' || lpad(n::text, 7, '0'), 'c' || n, 0 FROM generate_series({first}, {last}) n
    UNION ALL SELECT '+38161' || lpad(n::text, 7, '0'), 'c' || n, 1 FROM generate_series({first}, {last}) n
    WHERE n % 5 = 0"""
NOTES = """
    INSERT INTO notes (id, customer_id, at, by, text)
    SELECT 'n' || n, 'c' || (1 + (n * 7919::bigint) % {customers}), 1.6e9 + n, '1004', repeat('A note. ', 12)
    FROM generate_series({first}, {last}) n"""
TAGS = """
    INSERT INTO tags (kind, subject_id, tag, at)
    SELECT 'customer', 'c' || n, 'tag-' || (n % 50), 1.6e9 FROM generate_series({first}, {last}) n WHERE n % 2 = 0"""
TICKETS = """
    INSERT INTO tickets (id, customer_id, state, subject, opened_at, changed_at)
    SELECT 't' || n, 'c' || n, CASE n % 4 WHEN 0 THEN 'open' ELSE 'closed' END, 'A ticket', 1.6e9 + n, 1.6e9 + n
    FROM generate_series({first}, {last}) n WHERE n % 3 = 0"""
# Who calls is spread by a multiplier that is prime to the number of customers: never the same one twice in a row.
INTERACTIONS = """
    INSERT INTO interactions (id, channel, switch, direction, number, called, customer_id, call_class, reason, line,
        queue, decision_id, rules, started_at, answered_at, ended_at, waited_s, talked_s, lasted_s, outcome, cause,
        agent, source, followed_at)
    SELECT 'u' || n, 'call', 'main', 'inbound',
        CASE WHEN n % {every} = 0 THEN '{heavy}'
             WHEN n % 10 = 9 THEN '+38163' || lpad(((n * 7919::bigint) % {customers})::text, 7, '0')
             ELSE '+38160' || lpad((1 + (n * 7919::bigint) % {customers})::text, 7, '0') END,
        '+381115550300',
        CASE WHEN n % {every} = 0 OR n % 10 = 9 OR n % 4 = 0 THEN NULL
             ELSE 'c' || (1 + (n * 7919::bigint) % {customers}) END,
        'service', 'line', 'helpdesk', 'helpdesk@fsapp', 'd' || n, 1, 1.6e9 + n, 1.6e9 + n + 5, 1.6e9 + n + 95, 5, 90,
        95, 'answered', 'NORMAL_CLEARING', (1001 + n % 6)::text, 'stream', 1.6e9 + n + 95
    FROM generate_series({first}, {last}) n"""


@click.command()
@click.option("--interactions", "count", type=click.IntRange(1000), default=200_000, show_default=True,
              help="How many interactions the memory has.")
@click.option("--rounds", type=click.IntRange(1), default=7, show_default=True, help="Rounds; their medians count.")
@click.option("--reads", type=click.IntRange(10), default=2000, show_default=True, help="Pops in a round.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(count: int, rounds: int, reads: int, as_json: bool) -> None:
    """Print how long a pop takes to read, beside a bare SELECT by primary key, with many interactions in PostgreSQL."""
    if why := missing():
        raise click.ClickException(why)
    server = PostgresServer(*SERVER)
    try:
        url = server.create()
        migrate(url)
        filled_s = fill(url, count)
        figures = measure(url, count, rounds, reads)
        size = Database(url).read(lambda connection: connection.execute(text(
            "SELECT pg_database_size(current_database())")).scalar())
    finally:
        server.remove()
    said = {"interactions": count, "rounds": rounds, "reads": reads, "filled_s": round(filled_s, 1),
            "gigabytes": round(size / 1e9, 2), "machine": platform.machine(), **figures,
            "aim_p99_ms": AIM_MS, "met": figures["pop"]["p99_ms"] <= AIM_MS}
    click.echo(json.dumps(said) if as_json else rendered(said))
    sys.exit(0 if said["met"] else 1)


def fill(url: str, count: int) -> float:
    """Seconds it took. Indexes are made afterwards, as whoever loads so much would."""
    started = time.monotonic()
    database = Database(url + "&options=-c%20statement_timeout%3D0")
    customers = max(1, count // 10)
    while customers % 7919 == 0:
        customers += 1
    indexes = database.read(lambda connection: connection.execute(text(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('interactions', 'notes', 'customers') AND "
        "indexname LIKE 'ix_%'")).all())
    _each(database, [f'DROP INDEX "{name}"' for name, _made in indexes])
    values = {"customers": customers, "heavy": HEAVY_NUMBER, "every": max(2, count // min(HEAVY, count // 10))}
    for statement, rows in ((CUSTOMERS, customers), (NUMBERS, customers), (NOTES, customers * 2), (TAGS, customers),
                            (TICKETS, customers), (INTERACTIONS, count)):
        for first in range(1, rows + 1, CHUNK):
            last = min(rows, first + CHUNK - 1)
            _each(database, [statement.format(first=first, last=last, **values)])
    _each(database, [made for _name, made in indexes])
    with database._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    database.close()
    return time.monotonic() - started


def _each(database: Database, statements: list[str]) -> None:
    for statement in statements:
        database.write(lambda connection, statement=statement: connection.execute(text(statement)))


def measure(url: str, count: int, rounds: int, reads: int) -> dict[str, Any]:
    database = Database(url)
    customers = max(1, count // 10)
    dice = random.Random(7)

    def number() -> str:
        kind = dice.random()
        start = "+38160" if kind < 0.8 else "+38161" if kind < 0.9 else "+38163"
        return f"{start}{dice.randint(1, customers):07}"

    def pop(whose: str) -> Callable[[Connection], Any]:
        return lambda connection: read_pop(connection, whose)

    def bare() -> Callable[[Connection], Any]:
        id_ = f"c{dice.randint(1, customers)}"
        return lambda connection: connection.execute(BARE, {"id": id_}).scalar()

    found: dict[str, list[list[float]]] = {"pop": [], "bare": [], "heavy": []}
    for round_ in range(rounds + 1):
        times: dict[str, list[float]] = {name: [] for name in found}
        for turn in range(reads):
            asked = [("pop", pop(number())), ("bare", bare())]
            if turn % 10 == 0:
                asked.append(("heavy", pop(HEAVY_NUMBER)))
            dice.shuffle(asked)
            for name, work in asked:
                times[name].append(_timed(database, work))
        if round_:  # the first one warms up
            for name, values in times.items():
                found[name].append(values)
    database.close()
    figures = {name: _figures(values) for name, values in found.items()}
    for name in ("pop", "heavy"):
        for figure in ("p50", "p99"):
            figures[name][f"{figure}_ratio"] = round(figures[name][f"{figure}_ms"] / figures["bare"][f"{figure}_ms"], 2)
    return figures


def _timed(database: Database, work: Callable[[Connection], Any]) -> float:
    started = time.perf_counter()
    database.read(work)
    return (time.perf_counter() - started) * 1000


def _figures(rounds: list[list[float]]) -> dict[str, float]:
    """Medians over the rounds, milliseconds."""
    def median(percent: float) -> float:
        return round(statistics.median(
            sorted(times)[min(len(times) - 1, int(len(times) * percent))] for times in rounds), 3)

    return {"p50_ms": median(0.5), "p99_ms": median(0.99),
            "worst_ms": round(max(max(times) for times in rounds), 3)}


def rendered(said: dict[str, Any]) -> str:
    lines = [f"{said['interactions']:,} interactions ({said['gigabytes']} GB, filled in {said['filled_s']} s), "
             f"medians of {said['rounds']} rounds of {said['reads']} pops"]
    for name, words in (("pop", "the pop of a caller"), ("heavy", "of the caller who called most"),
                        ("bare", "SELECT by primary key")):
        figures = said[name]
        ratio = f"  ({figures['p50_ratio']} x, {figures['p99_ratio']} x)" if "p50_ratio" in figures else ""
        lines.append(f"  {words:32} p50 {figures['p50_ms']:7.3f} ms   p99 {figures['p99_ms']:7.3f} ms{ratio}")
    lines.append(f"  aim: p99 at most {said['aim_p99_ms']:g} ms: {'met' if said['met'] else 'missed'}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
