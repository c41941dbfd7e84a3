"""What a million contacts cost: the time to import them, the memory, and a look-up beside one among a thousand.

Run by scripts/bench-contacts. Both Redis servers and all contacts are its own and gone at the end.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import click
from processes import BenchError, Processes

from fsapp.settings import Settings
from fsapp.state.connection import connect
from fsapp.state.store import Store

TARGET_IMPORT_S = 120
TARGET_BYTES = 250_000_000
TARGET_RATIO = 1.1
FEW = 1000
ROUNDS = 40
LOOK_UPS = 250
_NAMES = ("Ana Petrović", "Boris Jovanović", "Ceca Nikolić", "Dejan Marković", "Eva Kovač", "Filip Ilić")
_AGENTS = ("ana", "boris", "ceca", "dejan", "eva", "filip")
_CITIES = ("Beograd", "Novi Sad", "Niš", "Subotica")


def number(place: int) -> str:
    """The number of the contact at a place of the file: mobile numbers of six networks."""
    return f"+3816{place % 6}{1_000_000 + place:07d}"


def write_contacts(path: Path, count: int) -> None:
    """Contacts with a name, an agent and two short columns of their own."""
    with path.open("w", encoding="utf-8") as file:
        file.write("number,name,agent,city,plan\n")
        for place in range(count):
            own = f"{_CITIES[place % 4]},{'SML'[place % 3]}"
            file.write(f"{number(place)},{_NAMES[place % 6]},{_AGENTS[place // 6 % 6]}@example.com,{own}\n")


class Centre:
    """A Redis of its own with `count` contacts in it."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir()
        self._count = count
        self._processes = Processes(folder)
        self._file = folder / "contacts.csv"
        self._client = self._processes.start_redis()
        self._store = Store(connect(Settings(redis_url=self._processes.redis_url), 10))
        self._dice = random.Random(1)

    def close(self) -> None:
        self._store.client.close()
        self._processes.close()

    def fill(self) -> float:
        """Import the contacts; the seconds it took, the start of the command included."""
        write_contacts(self._file, self._count)
        self._processes.fsapp("rules", "load", "conf/rules")
        start = time.perf_counter()
        self._processes.fsapp(
            "contacts", "import", str(self._file), "--campaign", "renewals", "--stage", "first-call")
        took = time.perf_counter() - start
        if not self._client.dbsize() > self._count:
            raise BenchError(f"{self._count} contacts were imported and are not there")
        return took

    def memory(self) -> dict[str, Any]:
        return self._client.info("memory")

    def version(self) -> str:
        return self._client.info("server")["redis_version"]

    def look_up(self) -> list[float]:
        """The seconds that each of some look-ups took, as a call makes them."""
        took = []
        for _ in range(LOOK_UPS):
            key = number(self._dice.randrange(self._count))
            start = time.perf_counter()
            facts = self._store.facts(key)
            took.append(time.perf_counter() - start)
            if not facts.contacts:
                raise BenchError(f"{key} was imported and is not found")
        return took


def run(folder: Path, count: int) -> dict[str, Any]:
    few, many = Centre(folder / "few", FEW), Centre(folder / "many", count)
    try:
        few.fill()
        took = many.fill()
        memory = many.memory()
        rounds: dict[Centre, list[float]] = {few: [], many: []}
        for turn in range(ROUNDS):
            for centre in (few, many) if turn % 2 else (many, few):
                rounds[centre].append(median(centre.look_up()))
        ratios = [large / small for small, large in zip(rounds[few], rounds[many], strict=True)]
        return {
            "contacts": count, "redis": many.version(), "allocator": memory["mem_allocator"],
            "import_s": round(took, 1), "used_memory": memory["used_memory"],
            "look_up_few_us": round(median(rounds[few]) * 1e6, 1),
            "look_up_us": round(median(rounds[many]) * 1e6, 1), "look_up_ratio": round(median(ratios), 3),
        }
    finally:
        few.close()
        many.close()


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--count", type=click.IntRange(FEW, 8_000_000), default=1_000_000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(count: int, as_json: bool) -> None:
    """Import contacts into a Redis of its own, and look some of them up."""
    try:
        with tempfile.TemporaryDirectory(prefix="fsapp-bench-") as folder:
            found = run(Path(folder), count)
    except BenchError as error:
        print(f"bench-contacts: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    if as_json:
        print(json.dumps(found))
        return
    print(f"{found['contacts']} contacts in Redis {found['redis']} ({found['allocator']})")
    print(f"import      {found['import_s']:>9.1f} s    target {TARGET_IMPORT_S} s a million")
    print(f"memory      {found['used_memory'] / 1e6:>9.1f} MB   target {TARGET_BYTES / 1e6:.0f} MB a million")
    print(f"look-up     {found['look_up_us']:>9.1f} us   {found['look_up_few_us']:.1f} us among {FEW}")
    print(f"ratio       {found['look_up_ratio']:>9.3f}      target at most {TARGET_RATIO}, the noise of the measure")


if __name__ == "__main__":
    main()
