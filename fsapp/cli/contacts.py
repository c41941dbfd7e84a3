"""`fsapp contacts`: import a file, show, open, close, remove contacts. Asks and prints, the work is done in state."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

import click
import redis

from fsapp.cli.import_options import import_options
from fsapp.cli.looking import noted
from fsapp.cli.task_reading import change
from fsapp.core import task_life
from fsapp.core.clean import clean_number
from fsapp.core.numbers import normalise
from fsapp.core.rules import Rules, Stage, StageKind
from fsapp.errors import ContactsError, RulesError
from fsapp.state.connection import PATIENT_S, connect
from fsapp.state.contact_file import KNOWN
from fsapp.state.contacts import Contacts, Entry
from fsapp.state.rules import RulesStore
from fsapp.state.store import Store

__all__ = ["contacts"]


@click.group()
def contacts() -> None:
    """Import, show, open, close and remove contacts."""


@contacts.command("import")
@click.argument("file")
@click.option("--campaign", required=True, help="The campaign.")
@click.option("--stage", required=True, help="The outbound stage of it.")
@click.option("--reopen", is_flag=True, help="Open contacts again that are closed.")
@import_options(KNOWN)
@click.pass_obj
def import_(
    obj: Any, file: str, campaign: str, stage: str, reopen: bool, delimiter: str | None, encoding: str | None,
    sheet: str | None, columns: dict[str, str], dry_run: bool, skip_bad: bool, report: str | None, as_json: bool,
) -> None:
    """Import the contacts in FILE (CSV or XLSX; - for standard input): all of them at once, or none.

    Columns known by name: number, name, agent (an e-mail), priority (0-99), due, timezone, list. All others are kept
    as the contact's own fields. A contact that is there already is updated, and stays closed if it is.
    """
    from fsapp.cli.contact_import import Job

    client = _client(obj, check=not dry_run)
    rules = _rules(client)
    place = _outbound_stage(rules, campaign, stage)
    job = Job(client, rules, place.id, dry_run=dry_run, skip_bad=skip_bad, reopen=reopen, report=report, quiet=as_json)
    job.run(file, as_json=as_json, delimiter=delimiter, encoding=encoding, sheet=sheet, columns=columns)


@contacts.command()
@click.option("--campaign", required=True, help="The campaign.")
@click.option("--stage", required=True, help="The outbound stage of it.")
@click.option("--to", "path", metavar="FILE", default="-", show_default=True, help="The file; - is standard output.")
@click.option("--format", "format_", type=click.Choice(["csv", "xlsx"]), help="As FILE's name ends when not given.")
@click.option("--open", "only_open", is_flag=True, help="Only contacts that are open.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object about the file, which --to names then.")
@click.pass_obj
def export(
    obj: Any, campaign: str, stage: str, path: str, format_: str | None, only_open: bool, as_json: bool,
) -> None:
    """Write the contacts of a stage to a file that `fsapp contacts import` reads: whole, or not at all.

    In CSV a cell that begins with = + - or @ gets an apostrophe before it, so that no spreadsheet takes it for a
    formula; in XLSX such a cell is a text.
    """
    from fsapp.cli.contact_export import export_contacts
    from fsapp.sheets.writing import format_of

    if as_json and path == "-":
        raise click.UsageError("the contacts go to standard output: name a file with --to, or leave --json out")
    kind = format_of(path, format_)
    client = _client(obj)
    rules = _rules(client)
    place = _outbound_stage(rules, campaign, stage)
    noted(obj, "export", subject=place.id)
    count = export_contacts(client, rules, place.id, path, kind, only_open=only_open)
    if as_json:
        click.echo(json.dumps({"file": path, "format": kind, "stage": place.id, "contacts": count}))
    elif path != "-":
        click.echo(f"{path}: {count} contacts")


@contacts.command()
@click.argument("number")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(obj: Any, number: str, as_json: bool) -> None:
    """Show what is known of the customer with this NUMBER."""
    client = _client(obj)
    key = _key(number, _rules(client))
    found = Contacts(client).get(key)
    facts = Store(client).facts(key)
    noted(obj, "contact", number=key)
    known = {
        "number": key,
        "contacts": [_contact(stage_id, entry) for stage_id, entry in sorted(found.items())],
        "rights": [
            {"agent": right.agent, "expires_at": right.expires_at.isoformat(), "campaign": right.campaign,
             "stage": right.stage}
            for right in facts.rights
        ],
        "sticky": facts.sticky and {"agent": facts.sticky.agent, "talked_at": facts.sticky.talked_at.isoformat()},
    }
    if as_json:
        click.echo(json.dumps(known, ensure_ascii=False))
        return
    if not (found or facts.rights or facts.sticky):
        raise ContactsError(f"nothing is known of {key}")
    click.echo(key)
    for contact in known["contacts"]:
        click.echo(f"  {contact['campaign']}/{contact['stage']}: {'open' if contact['open'] else 'closed'}")
        for name, value in contact.items():
            if name not in ("campaign", "stage", "open", "fields") and value is not None:
                click.echo(f"    {name}: {value}")
        for name, value in contact["fields"].items():
            click.echo(f"    {name}: {value}")
    for right in facts.rights:
        click.echo(f"  may reach agent {right.agent} until {right.expires_at:%Y-%m-%d %H:%M} UTC")
    if facts.sticky:
        click.echo(f"  talked to agent {facts.sticky.agent} on {facts.sticky.talked_at:%Y-%m-%d %H:%M} UTC")


def _on_one_contact(command: Callable[..., None]) -> Callable[..., None]:
    for decorate in (
        click.pass_obj, click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--stage", required=True, help="The outbound stage of it."),
        click.option("--campaign", required=True, help="The campaign."), click.argument("number"),
    ):
        command = decorate(command)
    return command


@contacts.command("open")
@_on_one_contact
def open_(obj: Any, number: str, campaign: str, stage: str, as_json: bool) -> None:
    """Open the contact with this NUMBER: when it calls, that is a callback."""
    _set_open(obj, number, f"{campaign}/{stage}", as_json, open_=True)


@contacts.command()
@_on_one_contact
def close(obj: Any, number: str, campaign: str, stage: str, as_json: bool) -> None:
    """Close the contact with this NUMBER: when it calls, that is a service call."""
    _set_open(obj, number, f"{campaign}/{stage}", as_json, open_=False)


@contacts.command()
@click.argument("number")
@click.option("--campaign", help="The campaign.")
@click.option("--stage", help="The outbound stage of it.")
@click.option("--all", "everywhere", is_flag=True, help="From all stages of all campaigns.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def remove(
    obj: Any, number: str, campaign: str | None, stage: str | None, everywhere: bool, as_json: bool,
) -> None:
    """Remove the contact with this NUMBER from one stage, or from all."""
    if everywhere == bool(campaign or stage) or bool(campaign) != bool(stage):
        raise click.UsageError("name both --campaign and --stage, or --all")
    client = _client(obj)
    key = _key(number, _rules(client))
    stage_id = None if everywhere else f"{campaign}/{stage}"
    removed = Contacts(client).remove(key, stage_id)
    if not removed:
        raise _no_contact(client, key, stage_id)
    _end_tasks(client, key, removed, "contact-removed")
    if as_json:
        click.echo(json.dumps({"number": key, "removed": removed}))
    else:
        click.echo(f"{key} is removed from {', '.join(removed)}")


def _set_open(obj: Any, number: str, stage_id: str, as_json: bool, *, open_: bool) -> None:
    client = _client(obj)
    key = _key(number, _rules(client))
    changed = Contacts(client).set_open(key, stage_id, open_)
    if changed is None:
        raise _no_contact(client, key, stage_id)
    if not open_:
        _end_tasks(client, key, [stage_id], "contact-closed")
    if as_json:
        click.echo(json.dumps({"number": key, "contact": f"{stage_id}/{key}", "open": open_, "changed": changed}))
    else:
        click.echo(f"{key} in {stage_id} is {'open' if open_ else 'closed'}{'' if changed else ' already'}")


def _end_tasks(client: redis.Redis, key: str, stages: Collection[str], why: str) -> None:
    """Whoever is no open contact any more is not called as one."""
    ids = {f"{stage}/{key}" for stage in stages}
    change(client, key, lambda known: task_life.contact_over(known, ids, why, datetime.now(UTC)))


def _client(obj: Any, *, check: bool = False) -> redis.Redis:
    from fsapp.state import connection

    client = connect(obj.settings, PATIENT_S)
    click.get_current_context().call_on_close(client.close)
    if check:
        connection.check(client)
    return client


def _rules(client: redis.Redis) -> Rules:
    current = RulesStore(client).current()
    if current is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`")
    return current.rules()


def _outbound_stage(rules: Rules, campaign: str, stage: str) -> Stage:
    found = rules.stages.get(f"{campaign}/{stage}")
    outbound = [place.id for place in rules.stages.values() if place.kind is StageKind.OUTBOUND]
    there = f"the outbound stages are: {', '.join(outbound)}" if outbound else "the rules have no outbound stage"
    if found is None:
        raise ContactsError(f"the rules have no stage {campaign}/{stage}; {there}")
    if found.kind is not StageKind.OUTBOUND:
        raise ContactsError(f"{found.id} is a {found.kind} stage, only outbound ones have contacts; {there}")
    return found


def _key(number: str, rules: Rules) -> str:
    known = normalise(clean_number(number), rules.region)
    if known.key is None:
        raise ContactsError(f"{clean_number(number)!r} is no number of a contact: write for example +381601234567")
    return known.key


def _no_contact(client: redis.Redis, key: str, stage_id: str | None) -> ContactsError:
    stages = ", ".join(sorted(Contacts(client).get(key)))
    if not stages:
        return ContactsError(f"{key} is no contact of any stage")
    return ContactsError(f"{key} is no contact of {stage_id}, but of {stages}")


def _contact(stage_id: str, entry: Entry) -> dict[str, Any]:
    campaign, _, stage = stage_id.partition("/")
    return {
        "campaign": campaign, "stage": stage, "open": entry.open, "name": entry.name or None, "agent": entry.agent,
        "attempted_at": _time(entry.attempted_at), "priority": entry.priority, "due_at": _time(entry.due_at),
        "timezone": entry.timezone, "list": entry.list, "fields": dict(entry.fields),
    }


def _time(at: float | None) -> str | None:
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # whoever wrote it: no time there is
        return None
