"""What reports on a month of a million calls cost beside reading the same rows with the bare driver and doing nothing.

Run by scripts/bench-reports. With FSAPP_DATABASE_URL in that database (an empty one), else in a file that is gone then.
Prints seconds, the ratio to the bare reading, and the most memory taken above that of a report on an empty day.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from fsapp.records import schema
from fsapp.records.database import engine_of

FSAPP = Path(sys.executable).parent / "fsapp"
START = datetime(2026, 10, 1, tzinfo=UTC).timestamp()
DAYS = 31
AT_ONCE = 5000
MONTH = ("--from", "2026-10-01", "--to", "2026-10-31", "--timezone", "Europe/Belgrade", "--json")
NEVER = ("--from", "2025-10-01", "--to", "2025-10-01", "--timezone", "Europe/Belgrade", "--json")
AGENTS = [str(1001 + n) for n in range(200)]
REPORTS = {
    "calls by day": ("calls", "--by", "day"), "calls by hour and line": ("calls", "--by", "hour", "--by", "line"),
    "service level by queue": ("service-level", "--by", "queue"), "answer speed": ("answer-speed",),
    "agents by day": ("agents", "--by", "agent", "--by", "day"), "stickiness by day": ("stickiness", "--by", "day"),
    "attempts by hour": ("attempts", "--by", "hour"), "callbacks": ("callbacks",),
}
BARE = """
import os, sys
from fsapp.records.database import engine_of
engine = engine_of(os.environ["FSAPP_DATABASE_URL"])
raw = engine.raw_connection()
cursor = raw.cursor("bare") if engine.dialect.name == "postgresql" else raw.cursor()
cursor.execute("SELECT started_at, outcome, ended_at, waited_s, talked_s, campaign, stage, line FROM interactions")
while cursor.fetchmany(5000):
    pass
"""


def rows(count: int, chance: random.Random) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Calls, their stays, an attempt and a callback for every tenth, some thousands at a time."""
    for first in range(0, count, AT_ONCE):
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("interactions", "queue_stays", "attempts",
                                                                        "tasks")}
        for n in range(first, min(first + AT_ONCE, count)):
            at = START + n * DAYS * 86_400 / count
            agent, line = chance.choice(AGENTS), chance.choice(("helpdesk", "vip"))
            waited, talked, answered = chance.expovariate(1 / 20), chance.expovariate(1 / 180), chance.random() < 0.9
            end = at + waited + (talked if answered else 0)
            found["interactions"].append({
                "id": f"c{n}", "number": f"+38160{n:07d}", "called": "+381115550300", "direction": "inbound",
                "call_class": "service", "reason": "line", "line": line, "queue": f"{line}@fsapp", "started_at": at,
                "ended_at": end, "waited_s": waited, "talked_s": talked if answered else None,
                "outcome": "answered" if answered else "abandoned", "agent": agent if answered else None,
                "sticky_agent": agent if n % 3 else None})
            found["queue_stays"].append({
                "id": f"m{n}", "interaction_id": f"c{n}", "queue": f"{line}@fsapp", "joined_at": at,
                "left_at": at + waited, "waited_s": waited, "outcome": "answered" if answered else "abandoned",
                "agent": agent if answered else None, "answered_at": at + waited if answered else None,
                "talk_ended_at": end if answered else None, "talked_s": talked if answered else None})
            if n % 10 == 0:
                found["attempts"].append({"id": f"a{n}", "task_id": f"t{n}", "agent": agent, "at": end + 900,
                                          "outcome": "talked", "result": "talked", "talked_s": 60.0, "line": line})
                found["tasks"].append({"id": f"t{n}", "kind": "lost", "state": "done", "made_at": end, "line": line,
                                       "closed_at": end + 900, "changed_at": end, "told": "1", "tries": 1})
        yield found


def fill(count: int) -> None:
    engine = engine_of(os.environ["FSAPP_DATABASE_URL"])
    with engine.connect() as connection, connection.begin():
        for some in rows(count, random.Random(1)):
            for name, values in some.items():
                if values:
                    connection.execute(schema.METADATA.tables[name].insert(), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def measured(command: list[str]) -> tuple[float, float]:
    """A command's seconds, and the most memory it had in MB."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(f"{' '.join(command)} failed")
    return round(time.monotonic() - started, 2), round(usage.ru_maxrss / 1024, 1)


@click.command()
@click.option("--count", default=1_000_000, show_default=True, help="How many calls in the month.")
@click.option("--only", multiple=True, type=click.Choice(list(REPORTS)), help="These reports alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(count: int, only: tuple[str, ...], as_json: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ.setdefault("FSAPP_DATABASE_URL", f"sqlite:///{name}/fsapp.db")
        subprocess.run([str(FSAPP), "records", "migrate"], check=True, stdout=subprocess.DEVNULL, timeout=120)
        fill(count)
        kind = os.environ["FSAPP_DATABASE_URL"].partition(":")[0]
        bare_s, _memory = measured([sys.executable, "-c", BARE])
        empty_s, empty_mb = measured([str(FSAPP), "report", "calls", *NEVER])
        found = {}
        for what in only or REPORTS:
            words = REPORTS[what]
            seconds, memory_mb = measured([str(FSAPP), "report", *words, *MONTH])
            found[what] = {"seconds": seconds, "beside_bare": round(seconds / bare_s, 1),
                           "memory_more_mb": round(memory_mb - empty_mb, 1)}
    if as_json:
        click.echo(json.dumps({"calls": count, "database": kind, "bare_s": bare_s, "empty_s": empty_s, **found}))
        return
    click.echo(f"{count} calls, {kind}; read with the bare driver in {bare_s} s; an empty day takes {empty_s} s")
    for what, figures in found.items():
        click.echo(f"{what}: {figures['seconds']} s, {figures['beside_bare']} x bare, "
                   f"{figures['memory_more_mb']} MB more than an empty day")


if __name__ == "__main__":
    main()
