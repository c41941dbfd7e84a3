"""`fsapp customers import|export`: customers from and to files. Asks and prints; the work is in records and sheets."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from fsapp.cli.import_options import import_options
from fsapp.cli.looking import noted
from fsapp.errors import RulesError
from fsapp.records.customer_file import KNOWN, SEVERAL

__all__ = ["export", "import_"]


@click.command("import")
@click.argument("file")
@import_options(KNOWN, SEVERAL)
@click.option("--region", metavar="CC", help="Whose national numbers the file has, for example RS; the rules' region "
              "when not given.")
@click.pass_obj
def import_(
    obj: Any, file: str, delimiter: str | None, encoding: str | None, sheet: str | None, columns: dict[str, Any],
    dry_run: bool, skip_bad: bool, report: str | None, as_json: bool, region: str | None,
) -> None:
    """Import the customers in FILE (CSV or XLSX; - for standard input): all of them at once, or none.

    Columns known by name, in Serbian, Slovene, Hungarian, Polish or English: number, numbers (the customer's others),
    name, surname, vip (0-9), language, timezone, email, company, tags, note. All others are kept as the customer's own
    fields. A customer who is there already, by any of the numbers, is updated: what the file leaves empty stays.
    """
    from fsapp.cli.customer_import import Job

    job = Job(
        obj.settings, region or _region(obj), dry_run=dry_run, skip_bad=skip_bad, report=report, quiet=as_json)
    job.run(file, as_json=as_json, delimiter=delimiter, encoding=encoding, sheet=sheet, columns=columns)


@click.command("export")
@click.option("--to", "path", metavar="FILE", default="-", show_default=True, help="The file; - is standard output.")
@click.option("--format", "format_", type=click.Choice(["csv", "xlsx"]), help="As FILE's name ends when not given.")
@click.option("--tag", metavar="TAG", help="Only customers with this tag.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about the file, which --to names then.")
@click.pass_obj
def export(obj: Any, path: str, format_: str | None, tag: str | None, as_json: bool) -> None:
    """Write customers to a file that `fsapp customers import` reads: whole, or not at all.

    In CSV a cell that begins with = + - or @ gets an apostrophe before it, so that no spreadsheet takes it for a
    formula; in XLSX such a cell is a text.
    """
    from fsapp.cli.progress import progress
    from fsapp.records.customer_export import COLUMNS, count_customers, customer_rows, own_fields
    from fsapp.records.database import Database
    from fsapp.sheets.columns import distinct_names
    from fsapp.sheets.writing import format_of, write_rows

    if as_json and path == "-":
        raise click.UsageError("the customers go to standard output: name a file with --to, or leave --json out")
    kind = format_of(path, format_)
    database = Database(obj.settings.database_url)
    try:
        with progress(quiet=as_json or path == "-") as shown:

            def work(connection: Any) -> int:
                shown.start("writing", count_customers(connection, tag))
                own = own_fields(connection, tag)
                header = distinct_names([*COLUMNS, *own])
                return write_rows(path, kind, header, shown.counted(customer_rows(connection, tag, own)))

            count = database.read(work)
        noted(obj, "export", subject="customers")
    finally:
        database.close()
    if as_json:
        click.echo(json.dumps({"file": path, "format": kind, "customers": count, "at": time.time()}))
    elif path != "-":
        click.echo(f"{path}: {count} customers")


def _region(obj: Any) -> str:
    """The region of the rules in force, else of the rules' folder."""
    from fsapp.errors import StateError
    from fsapp.rules import load_folder
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.rules import RulesStore

    client = connect(obj.settings, PATIENT_S)
    try:
        current = RulesStore(client).current()
        if current is not None:
            return current.rules().region
    except StateError:
        pass  # customers need no Redis: the folder says it as well
    finally:
        client.close()
    try:
        from fsapp.core.rules import Rules

        return Rules.from_document(load_folder(obj.settings.rules)).region
    except RulesError:
        raise RulesError("no rules are loaded that say whose national numbers these are: run `fsapp rules load`, or "
                         "say it with --region, for example --region RS") from None
