"""`fsapp privacy`: what is kept of a person, erasing it, what is too old, who looked at what. Asks and prints."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from fsapp.cli.author import author
from fsapp.cli.memory import open_memory
from fsapp.cli.tables import output_options, print_csv, print_json, print_table
from fsapp.cli.times import AGO
from fsapp.errors import CustomersError, FsappError, RecordsError, StateError

__all__ = ["privacy"]

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_SHOWN = 20


@click.group()
def privacy() -> None:
    """Retention, export and erasure of one person's data, and who looked at what."""


@privacy.command()
@click.argument("number")
@click.option("--to", "path", metavar="FILE.zip", required=True, help="The file; readable by its owner only.")
@_json
@click.pass_obj
def export(obj: Any, number: str, path: str, as_json: bool) -> None:
    """Write everything that is kept of the person with this NUMBER, and the customer's other numbers, to one zip file.

    Rows of the memory, contacts, rights, stickiness and tasks, events of the stream, recordings and voicemails, the
    switch's own records on this machine; index.json in it says what is what, and what is not there.
    """
    from fsapp.cli.looking import noted

    work, key = _work(obj, number)
    who = work.person(key)
    index = work.export(who, path)
    noted(obj, "export", number=key, customer_id=who.customer)
    if as_json:
        click.echo(json.dumps({"file": path, **index}, ensure_ascii=False))
        return
    click.echo(f"{path}: {', '.join(who.numbers)}, {len(index['files'])} files")
    for line in index["not_included"]:
        click.echo(f"not in it: {line}")


@privacy.command()
@click.argument("number")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--without", multiple=True, metavar="N", help="A number that was theirs earlier, and is not meant.")
@_json
@click.pass_obj
def erase(obj: Any, number: str, yes: bool, without: tuple[str, ...], as_json: bool) -> None:
    """Erase everything that is kept of the person with this NUMBER and of the customer's other numbers, for good.

    Those that were the customer's earlier are among them, unless somebody else has used them since, which is said.
    What figures need (calls, attempts, tasks, answers to surveys) stays without who it was; all else goes, recordings
    and voicemails too. What is told later of what was before stays out; who calls again is somebody new.
    """
    work, key = _work(obj, number)
    left_out = [_key(obj, one) for one in without]
    if unknown := set(left_out) - set(work.person(key).earlier):
        raise CustomersError(f"{sorted(unknown)[0]} is no number that was theirs earlier: leave --without out")
    who = work.person(key, left_out)
    if not yes:
        if as_json:
            raise click.UsageError("nobody can be asked with --json: say --yes")
        click.echo(f"{', '.join(who.numbers)}: {len(who.calls)} calls, {len(who.tickets)} tickets", err=True)
        if who.earlier:
            click.echo(f"theirs earlier: {', '.join(who.earlier)}; --without leaves one out", err=True)
        click.confirm("Erase all of it for good?", abort=True, err=True)
    done = work.erase(who, f"cli:{author()}")
    if as_json:
        click.echo(json.dumps({
            "numbers": done.numbers, "earlier": done.earlier, "tables": done.tables, "redis_keys": done.redis_keys,
            "events": done.events,
            "recordings": done.recordings, "cdr": done.cdr, "unreached": done.unreached}, ensure_ascii=False))
        return
    for table, how in done.tables.items():
        click.echo(f"{table}: " + ", ".join(f"{count} {what}" for what, count in how.items()))
    click.echo(f"Redis: {done.redis_keys} keys and {done.events} events removed")
    click.echo(f"{done.recordings} recordings and {done.cdr} records of the switch removed")
    for line in done.unreached:
        click.echo(f"not reached: {line}")


@privacy.command()
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@_json
@click.pass_obj
def purge(obj: Any, dry_run: bool, as_json: bool) -> None:
    """Remove what is older than the settings keep_..._days say, in small batches. `fsapp recorder` does it every day.

    Contacts that are closed are forgotten by Redis as well. Recordings are removed by `fsapp link` and `fsapp
    recordings purge`, as the rules say.
    """
    from fsapp.app.retention import run
    from fsapp.state.connection import connect

    found = run(obj.settings, open_memory(obj), connect(obj.settings), dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, "rows": found.rows, "files": found.files, "faults": found.faults}))
    else:
        for table, count in found.rows.items():
            click.echo(f"{table}: {count}")
        what = "would be removed" if dry_run else "removed"
        click.echo(f"{sum(found.rows.values())} rows {what}" + (f", {found.files} voicemails" if found.files else ""))
    if found.faults:
        raise RecordsError("something could not be removed", found.faults[:_SHOWN])


@privacy.command()
@click.option("--who", metavar="NAME", help="Of this user or token only, for example cli:ana.")
@click.option("--number", metavar="N", help="Of the customer with this number only.")
@click.option("--since", type=AGO, metavar="TIME", help="Not before: ISO 8601, or how long ago (2h, 7d).")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@output_options
@click.pass_obj
def access(
    obj: Any, who: str | None, number: str | None, since: datetime | None, limit: int, as_csv: bool, as_json: bool,
) -> None:
    """Who looked at what, newest first; and who erased whom, without the number."""
    from sqlalchemy import or_, select

    from fsapp.records.person import person
    from fsapp.records.schema import access_log

    query = select(access_log).order_by(access_log.c.at.desc(), access_log.c.id).limit(limit)
    if who is not None:
        query = query.where(access_log.c.who == who)
    if since is not None:
        query = query.where(access_log.c.at >= since.timestamp())
    database = open_memory(obj)
    if number is not None:
        from fsapp.records.erasures import Tombstones

        key = _key(obj, number)
        whom = database.read(lambda connection: person(connection, key))
        hashed = database.read(lambda connection: Tombstones(connection).hash(key))
        same = [access_log.c.number.in_(whom.numbers), access_log.c.subject.in_((*whom.numbers, hashed))]
        if whom.customer:
            same.append(access_log.c.customer_id == whom.customer)
        query = query.where(or_(*same))
    rows = [dict(row) for row in database.read(lambda connection: connection.execute(query).mappings().all())]
    for row in rows:
        row["time"] = datetime.fromtimestamp(row["at"], UTC).isoformat(" ", "seconds")
    if as_json:
        print_json({"access": rows})
    elif as_csv:
        print_csv(["time", "who", "what", "subject", "number", "customer_id", "how"], rows)
    elif rows:
        print_table("Who looked at what", {
            "time (UTC)": "time", "who": "who", "what": "what", "subject": "subject", "number": "number",
            "customer": "customer_id", "how": "how"}, rows)
    else:
        click.echo("nobody looked at anything of that")


def _work(obj: Any, number: str) -> tuple[Any, str]:
    """What works on one person, and the number in E.164."""
    from fsapp.app.privacy import Privacy
    from fsapp.state.connection import PATIENT_S, connect

    client = connect(obj.settings, PATIENT_S)
    click.get_current_context().call_on_close(client.close)
    region, switches, lists = _centre(obj)
    work = Privacy(obj.settings, open_memory(obj), client, region=region, switches=switches, lists=lists)
    return work, _read(number, region)


def _key(obj: Any, number: str) -> str:
    return _read(number, _centre(obj)[0])


def _read(number: str, region: str) -> str:
    from fsapp.core.clean import clean_number
    from fsapp.core.numbers import normalise

    key = normalise(clean_number(number), region).key
    if key is None:
        raise CustomersError(f"{clean_number(number)!r} is no number that can be a customer's: write for example "
                             "+381601234567")
    return key


def _centre(obj: Any) -> tuple[str, tuple[str, ...], dict[str, frozenset[str]]]:
    """Region, switches and lists of the rules in force, else of the folder; without either, numbers need a plus."""
    from fsapp.core.rules import MAIN, Rules
    from fsapp.rules import load_folder
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.rules import RulesStore

    client = connect(obj.settings, PATIENT_S)
    try:
        current = RulesStore(client).current()
    except StateError:
        current = None  # who needs Redis says so
    finally:
        client.close()
    try:
        rules = current.rules() if current is not None else Rules.from_document(load_folder(obj.settings.rules))
    except FsappError:
        return "ZZ", (MAIN,), {}
    return rules.region, rules.switch_names, {name: one.numbers for name, one in rules.lists.items()}
