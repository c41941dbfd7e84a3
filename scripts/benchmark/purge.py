"""How long the recorder waits to write while `fsapp privacy purge` removes half of all calls, beside when nobody does.

Run by scripts/bench-purge. The databases are its own and gone at the end.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from itertools import islice  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import click  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]

from postgresql_server import PostgresServer, missing  # noqa: E402
from records import START, events  # noqa: E402

from fsapp.errors import RecordsBusy  # noqa: E402
from fsapp.records.database import Database, engine_of  # noqa: E402
from fsapp.records.keeping import Keeper  # noqa: E402
from fsapp.records.versions import migrate  # noqa: E402
from fsapp.state import stream  # noqa: E402

FSAPP = Path(sys.executable).parent / "fsapp"
_BATCH, _EVERY_S = 50, 0.25  # events: those of a large centre
_OLD_DAYS = 800.0


def fill(url: str, calls: int) -> None:
    """So many calls with their rows, the older half older than anything is kept."""
    engine = engine_of(url)
    postgresql = engine.dialect.name == "postgresql"
    uuid = "gen_random_uuid()::text" if postgresql else "lower(hex(randomblob(16)))"
    series = (f"generate_series(1, {calls}) AS given(n)" if postgresql else
              f"(WITH RECURSIVE given(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM given WHERE n < {calls}) "
              "SELECT n FROM given) AS given")
    now = time.time()
    at = f"{now} - CASE WHEN n * 2 <= {calls} THEN {_OLD_DAYS} ELSE 20 END * 86400 + n * 0.05"
    filler = "x" * 600
    blob = f"convert_to('{filler}', 'UTF8')" if postgresql else f"CAST('{filler}' AS BLOB)"
    with engine.begin() as connection:
        for statement in (
            "INSERT INTO interactions (id, number, called, call_class, line, queue, agent, outcome, started_at, "
            f"ended_at, followed_at) SELECT {uuid}, '+38160' || (n % 300000), '+381115550300', 'service', 'helpdesk', "
            f"'helpdesk@fsapp', CAST(1001 + n % 200 AS VARCHAR), 'answered', {at}, {at} + 60, {at} + 61 FROM {series}",
            f"INSERT INTO decisions (id, interaction_id, at, trace) SELECT {uuid}, id, started_at, "
            f"'[\"{filler}\"]' FROM interactions",
            "INSERT INTO queue_stays (id, interaction_id, queue, agent, joined_at, answered_at) "
            f"SELECT {uuid}, id, queue, agent, started_at, started_at + 5 FROM interactions",
            "INSERT INTO offers (id, interaction_id, stay_id, agent, offered_at) "
            "SELECT id || ':1', interaction_id, id, agent, joined_at FROM queue_stays",
            "INSERT INTO call_states (id, state, changed_at) "
            f"SELECT id, {blob}, started_at FROM interactions",
        ):
            connection.exec_driver_sql(statement.replace("%", "%%") if postgresql else statement)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def write(url: str, until: Any) -> list[float]:
    """Keep events as the recorder does, until `until()`: how long each batch took."""
    database = Database(url)
    keeper = Keeper(database, lambda raw: raw)
    later = time.time() - START
    told = (event | {"at": event["at"] + later} for event in events(10**9))
    took: list[float] = []
    place = int(time.time() * 1000)
    while not until():
        started = time.perf_counter()
        place += 1
        batch = [(f"{place}-{n}", stream.encode(event)) for n, event in enumerate(islice(told, _BATCH))]
        while True:
            try:
                keeper.keep(batch)
                break
            except RecordsBusy:
                time.sleep(_EVERY_S)
        took.append(time.perf_counter() - started)
        time.sleep(max(0.0, _EVERY_S - took[-1]))
    database.close()
    return took


def figures(took: list[float]) -> dict[str, float]:
    found = sorted(took)
    at = {"half_ms": 0.5, "p99_ms": 0.99, "longest_ms": 1.0}
    return {name: round(1000 * found[min(len(found) - 1, int(part * len(found)))], 1) for name, part in at.items()}


def measure(url: str, calls: int, alone_s: float) -> dict[str, Any]:
    migrate(url)
    fill(url, calls)
    ends = time.monotonic() + alone_s
    alone = write(url, lambda: time.monotonic() > ends)
    started = time.monotonic()
    purge = subprocess.Popen([str(FSAPP), "privacy", "purge", "--json"], stdout=subprocess.PIPE,
                             env=os.environ | {"FSAPP_DATABASE_URL": url})
    try:
        beside = write(url, lambda: purge.poll() is not None)
        seconds = time.monotonic() - started
        assert purge.stdout is not None
        rows = json.loads(purge.stdout.read())["rows"]
    finally:
        purge.kill()
        purge.wait()
    return {"calls": calls, "purged": rows, "seconds": round(seconds, 1),
            "rows_per_s": round(sum(rows.values()) / seconds), "alone": figures(alone), "beside": figures(beside)}


@click.command()
@click.option("--calls", type=click.IntRange(min=1000), default=1_000_000, show_default=True, help="How many calls.")
@click.option("--database", type=click.Choice(["sqlite", "postgresql", "both"]), default="both", show_default=True,
              help="Which database.")
@click.option("--alone-s", default=20.0, show_default=True, help="Seconds for which nothing is removed, first.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(calls: int, database: str, alone_s: float, as_json: bool) -> None:
    """Remove half of so many calls while others are recorded; print how long a batch of 50 events took then."""
    found: dict[str, Any] = {}
    for kind in ("sqlite", "postgresql"):
        if database not in (kind, "both"):
            continue
        folder, server = tempfile.mkdtemp(prefix="fsapp-purge-"), None
        try:
            if kind == "postgresql":
                if why := missing():
                    click.echo(f"postgresql: {why}", err=True)
                    continue
                server = PostgresServer("fsync=on", "shared_buffers=128MB")
            found[kind] = measure(server.create() if server else f"sqlite:///{folder}/fsapp.db", calls, alone_s)
        finally:
            if server is not None:
                server.remove()
            shutil.rmtree(folder)
    if as_json:
        click.echo(json.dumps(found))
        return
    for kind, one in found.items():
        click.echo(f"{kind}: {sum(one['purged'].values())} rows removed in {one['seconds']} s ({one['rows_per_s']}/s)")
        for when in ("alone", "beside"):
            click.echo(f"  a batch of {_BATCH} events, {when}: half within {one[when]['half_ms']} ms, 99 % within "
                       f"{one[when]['p99_ms']} ms, the longest {one[when]['longest_ms']} ms")


if __name__ == "__main__":
    main()
