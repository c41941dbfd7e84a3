"""What a million customers cost: imported, imported again, exported, as seconds, and the most memory taken.

Run by scripts/bench-import. With FSAPP_DATABASE_URL in that database (an empty one), else in a file that is gone then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

FSAPP = Path(sys.executable).parent / "fsapp"


def make(path: Path, count: int) -> None:
    """A CSV file in Windows 1250, as Excel writes it in Serbia."""
    with path.open("w", encoding="cp1250", newline="") as file:
        file.write("Telefon;Ime;Prezime;VIP;E-mail;Grad;oznake\r\n")
        file.writelines(
            f"06{n % 5} {2_000_000 + n // 5:07d};Željko;Đurić {n};{n % 10};k{n}@example.com;Niš;a\r\n"
            for n in range(count))


def measured(*words: str) -> dict[str, float]:
    """A command's seconds, and the most memory it had in MB."""
    started = time.monotonic()
    process = subprocess.Popen([str(FSAPP), *words], stdout=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    if status:
        raise click.ClickException(f"fsapp {' '.join(words)} failed")
    return {"seconds": round(time.monotonic() - started, 1), "memory_mb": round(usage.ru_maxrss / 1024)}


def recorded_beside(*words: str) -> dict[str, object]:
    """A command's seconds, and how long batches of 50 events took to be written alone and meanwhile."""
    from purge import figures, write

    url, ends = os.environ["FSAPP_DATABASE_URL"], time.monotonic() + 20
    alone = write(url, lambda: time.monotonic() > ends)
    started = time.monotonic()
    process = subprocess.Popen([str(FSAPP), *words], stdout=subprocess.DEVNULL)
    meanwhile = write(url, lambda: process.poll() is not None)
    if process.returncode:
        raise click.ClickException(f"fsapp {' '.join(words)} failed")
    return {"seconds": round(time.monotonic() - started, 1), "alone": figures(alone), "meanwhile": figures(meanwhile)}


@click.command()
@click.option("--count", default=1_000_000, show_default=True, help="How many customers.")
@click.option("--beside", is_flag=True, help="Only one import, and how long a recorder waits to write meanwhile.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(count: int, beside: bool, as_json: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.setdefault("FSAPP_DATABASE_URL", f"sqlite:///{folder}/fsapp.db")
        make(folder / "customers.csv", count)
        measured("records", "migrate")
        if beside:
            kept = recorded_beside("customers", "import", "--region", "RS", str(folder / "customers.csv"))
            click.echo(json.dumps({"customers": count} | kept))
            return
        found = {
            what: measured("customers", *words) for what, words in {
                "imported": ("import", "--region", "RS", str(folder / "customers.csv")),
                "imported again": ("import", "--region", "RS", str(folder / "customers.csv")),
                "exported to CSV": ("export", "--to", str(folder / "out.csv")),
                "exported to XLSX": ("export", "--to", str(folder / "out.xlsx")),
                "imported from XLSX": ("import", "--region", "RS", str(folder / "out.xlsx")),
            }.items()
        }
    if as_json:
        kind = os.environ["FSAPP_DATABASE_URL"].partition(":")[0]
        click.echo(json.dumps({"customers": count, "database": kind, **found}))
        return
    click.echo(f"{count} customers")
    for what, figures in found.items():
        click.echo(f"{what}: {figures['seconds']} s, {figures['memory_mb']} MB")


if __name__ == "__main__":
    main()
