"""What it costs to bring a million contacts of Redis into the memory: at first, again, after changes; seconds, memory.

Run by scripts/bench-mirror. Redis, contacts and databases are its own and gone at the end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import click
from contacts import number
from processes import Processes

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from postgresql_server import PostgresServer, missing  # noqa: E402

from fsapp.state import keys  # noqa: E402
from fsapp.state.contacts import Entry, pack  # noqa: E402

FSAPP = Path(sys.executable).parent / "fsapp"
_AT_ONCE = 5000


def fill(client: Any, places: range, name: str) -> None:
    """Contacts with a name, an agent and two fields of their own."""
    waiting = iter(places)
    while some := list(islice(waiting, _AT_ONCE)):
        pipeline = client.pipeline(transaction=False)
        for place in some:
            entry = Entry(name=f"{name} {place}", agent=str(1001 + place % 6),
                          fields={"city": "Novi Sad", "plan": "SML"[place % 3]})
            pipeline.set(keys.contacts(number(place)), pack({"renewals/first-call": entry}))
        pipeline.execute()


def empty(client: Any, places: range) -> None:
    waiting = iter(places)
    while some := list(islice(waiting, _AT_ONCE)):
        client.delete(*(keys.contacts(number(place)) for place in some))


def measured(count: int) -> dict[str, Any]:
    """`fsapp records contacts`: what it did, contacts a second, the most memory it had in MB."""
    started = time.monotonic()
    with subprocess.Popen([str(FSAPP), "records", "contacts", "--json"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.read())
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    seconds = time.monotonic() - started
    return said | {"seconds": round(seconds, 1), "contacts_per_s": round(count / seconds),
                   "memory_mb": round(usage.ru_maxrss / 1024)}


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/fsapp.db"
        return
    server = PostgresServer("fsync=on", "shared_buffers=128MB")
    try:
        yield server.create()
    finally:
        server.remove()


@click.command()
@click.option("--count", default=1_000_000, show_default=True, help="How many contacts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(count: int, as_json: bool) -> None:
    """Print what bringing contacts of Redis into the memory costs, on each database in turn."""
    found: dict[str, dict[str, Any]] = {}
    tenth = count // 10
    for kind in ("sqlite", "postgresql"):
        if kind == "postgresql" and (why := missing()):
            click.echo(f"postgresql: {why}", err=True)
            continue
        with tempfile.TemporaryDirectory() as name, database(kind, Path(name)) as url:
            processes = Processes(Path(name))
            try:
                client = processes.start_redis()
                os.environ |= {"FSAPP_REDIS_URL": processes.redis_url, "FSAPP_DATABASE_URL": url}
                fill(client, range(count), "Ana")
                subprocess.run([str(FSAPP), "records", "migrate"], check=True, stdout=subprocess.DEVNULL)
                found[kind] = {"at first": measured(count), "again": measured(count)}
                fill(client, range(tenth), "Eva")
                empty(client, range(count - tenth, count))
                found[kind]["a tenth changed, a tenth gone"] = measured(count)
            finally:
                processes.close()
    if as_json:
        click.echo(json.dumps({"contacts": count, **found}))
        return
    for kind, steps in found.items():
        for what, one in steps.items():
            click.echo(f"{kind}, {what}: {one['seconds']} s, {one['contacts_per_s']} contacts/s, {one['memory_mb']} MB "
                       f"({one['added']} added, {one['changed']} changed, {one['removed']} removed)")


if __name__ == "__main__":
    main()
