"""Every report on memories by chance against a second model of docs/reports.md: not one figure may differ.

Around the changes of summer time in zones that change by an hour or half of one, at midnight too, on both sides of the
equator; in periods that begin and end anywhere; by everything that a report can be told apart by.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from random_memory import AGENTS, LINES, STAGES, random_document, random_tables
from second_model_reports import TIMES, Asked, second_report
from sqlalchemy import Connection, delete

from fsapp.core.reports.catalogue import CATALOGUE
from fsapp.core.reports.period import Period
from fsapp.core.reports.query import Abandoned, Query
from fsapp.core.rules import Rules
from fsapp.records import reports, schema
from fsapp.records.database import Database

ASKED_OF_EACH = 4  # of each report
# A zone, and a change of its clocks in UTC.
CHANGES = (
    ("Europe/Belgrade", "2026-03-29T01:00"), ("Europe/Belgrade", "2026-10-25T01:00"),
    ("Asia/Kolkata", "2026-10-25T01:00"), ("Asia/Kathmandu", "2026-10-25T01:00"),  # none, at +05:30 and +05:45
    ("Australia/Adelaide", "2026-04-04T16:30"), ("Australia/Adelaide", "2026-10-03T16:30"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"), ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("America/Santiago", "2026-04-05T03:00"), ("America/Santiago", "2026-09-06T04:00"),  # at midnight, back and on
    ("Africa/Cairo", "2026-04-23T22:00"), ("Africa/Cairo", "2026-10-29T21:00"),
    ("America/St_Johns", "2026-11-01T04:30"), ("America/Havana", "2026-11-01T05:00"),
    ("Pacific/Apia", "2011-12-30T10:00"), ("UTC", "2026-12-31T23:00"),
)
VALUES = {"agent": AGENTS, "line": LINES[:3], "campaign": ("renewals", "gone"), "class": ("callback", "service"),
          "stage": tuple(f"{campaign}/{stage}" for campaign, stage in STAGES), "number": ("+381115550100",),
          "queue": ("helpdesk@fsapp", "vip@fsapp"), "flow": ("main",)}


def test_memories_by_chance_are_reported_as_the_definitions_say(database: Database) -> None:
    compared: Counter[str] = Counter()
    for seed, (zone, changes_at) in enumerate(CHANGES):
        random = Random(seed)
        middle = datetime.fromisoformat(f"{changes_at}+00:00").timestamp()
        tables = random_tables(random, middle, random.choice((6, 12, 40)))
        database.write(lambda connection, tables=tables: _fill(connection, tables))
        for name, kind in CATALOGUE.items():
            for _ in range(ASKED_OF_EACH):
                options = _options(random, kind.by_words, kind.only)
                document = random.choice((None, random_document(random), random_document(random)))
                start, end, now = _period(random, middle)
                second = second_report(name, tables, Asked(start, end, zone, now, document, **options))
                first = reports.report(database, name, Query(
                    Period(start, end, ZoneInfo(zone)), now, **options | {"abandoned": Abandoned(options["abandoned"])},
                    rules=Rules.from_document(document) if document else None))
                rows = {tuple(row[word] for word in options["by"]): {figure: row[figure] for figure in kind.units}
                        for row in first.rows}
                where = (seed, name, zone, start, end, now, options)
                if options["by"]:
                    assert rows == second[0], where
                assert first.total == second[1], where
                compared[name] += len(rows)
                compared.update(
                    figure for row in (*rows.values(), first.total) for figure, value in row.items() if value)
    # The comparison is worth something only if there was something to compare, of each figure many times.
    figures = {figure for kind in CATALOGUE.values() for figure in kind.units}
    assert [word for word in (*CATALOGUE, *figures) if compared[word] < 10] == [], compared


def _fill(connection: Connection, tables: dict[str, list[dict[str, Any]]]) -> None:
    for name in reversed(tables):
        connection.execute(delete(schema.METADATA.tables[name]))
    for name, rows in tables.items():
        if rows:
            connection.execute(schema.METADATA.tables[name].insert(), rows)


def _options(random: Random, by_words: tuple[str, ...], only: tuple[str, ...]) -> dict[str, Any]:
    names = [name for name in only if random.random() < 0.12]
    by = random.sample(by_words, random.choice((0, 1, 1, 2)) if len(by_words) > 1 else 1)
    if random.random() < 0.3 and set(TIMES) & set(by_words):
        by = random.sample(TIMES, random.choice((1, 2)))
    if random.random() < 0.3 and "queue" in by_words:  # stays instead of calls
        by = ["queue", random.choice([word for word in by_words if word != "queue"])]
    return {"by": tuple(by), "only": {name: tuple(random.sample(VALUES[name], 1)) for name in names},
            "within_s": random.choice((None, None, 0.0, 20.0)), "short_s": random.choice((0.0, 5.0, 30.0)),
            "abandoned": random.choice([one.value for one in Abandoned])}


def _period(random: Random, middle: float) -> tuple[float, float, float]:
    """Start, end and now, at full seconds: anywhere around the change, in the same hour too."""
    hours = random.choice((0.5, 3, 12, 24, 72))
    start = middle - random.randrange(int(hours * 3600))
    end = start + random.randrange(1, int(2 * hours * 3600))
    if random.random() < 0.5:
        start, end = start - start % 1800, end - end % 1800 + 1800
    return start, end, random.choice((end + 7200, end + 7200, start + random.randrange(int(end - start) + 1), start))
