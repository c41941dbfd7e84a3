"""`fsapp tickets`: tickets of customers: listed, shown, opened, given to somebody, closed. Decides nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from fsapp.cli.author import author
from fsapp.cli.looking import noted
from fsapp.cli.memory import open_memory
from fsapp.cli.tables import output_options, print_csv, print_json, print_table
from fsapp.cli.task_reading import find_place, key_of, known_place, place_options, who_is_responsible
from fsapp.cli.tasks import open_tasks
from fsapp.core.clean import clean_lines, clean_text
from fsapp.errors import FsappError

__all__ = ["MAX_NOTE", "moment", "tickets"]

MAX_NOTE = 4000
MAX_SUBJECT = 200
COLUMNS = ("id", "state", "priority", "number", "customer", "place", "subject", "agent", "group", "opened_at",
           "changed_at", "closed_at", "made_by")
_HEADINGS = {
    "ticket": "id", "state": "state", "priority": "priority", "number": "number", "customer": "customer",
    "place": "place", "subject": "subject", "agent": "agent", "group": "group", "opened": "opened_at",
    "changed": "changed_at",
}
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_ticket = click.argument("ticket", metavar="TICKET")


@click.group()
def tickets() -> None:
    """What customers want of us until it is done: list tickets, open, assign and close them."""


@tickets.command("list")
@click.option("--state", type=click.Choice(["open", "closed", "all"]), default="open", show_default=True,
              help="Of this state.")
@click.option("--number", metavar="N", help="Of the customer with this number.")
@click.option("--customer", metavar="ID", help="Of this customer.")
@click.option("--agent", metavar="ID|E-MAIL", help="Of this agent.")
@click.option("--group", metavar="GROUP", help="Of this group.")
@place_options
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="So many at most.")
@output_options
@click.pass_obj
def list_command(
    obj: Any, state: str, number: str | None, customer: str | None, agent: str | None, group: str | None,
    campaign: str | None, stage: str | None, line: str | None, limit: int, as_csv: bool, as_json: bool,
) -> None:
    """List tickets: the highest priority first, then the one that has been open for longest.

    Exit status 0 though there are none.
    """
    from fsapp.records import tickets as kept

    place, key, who, whose = None, None, None, None
    if number or agent or group or campaign or stage or line:
        rules, _client = open_tasks(obj)
        known_place(rules, campaign, stage, line)
        place = line or (f"{campaign}/{stage or ''}" if campaign else None)
        key = key_of(number, rules) if number else None
        who, whose = who_is_responsible(rules, agent, group)
    wanted = kept.TicketFilter(None if state == "all" else state, key, customer, who, whose, place)
    found = open_memory(obj).read(lambda connection: kept.find(connection, wanted, limit + 1))
    rows = [_row(one) for one in found[:limit]]
    noted(obj, "tickets", number=key, customer_id=customer)
    if as_json:
        print_json({"tickets": rows, "more": len(found) > limit})
        return
    if as_csv:
        print_csv(COLUMNS, rows)
    elif rows:
        print_table(f"tickets: {len(rows)}", _HEADINGS, rows)
    else:
        click.echo("There are no such tickets.")
    if len(found) > limit:
        click.echo("... and more: --limit shows them", err=True)


@tickets.command()
@_ticket
@_json
@click.pass_obj
def show(obj: Any, ticket: str, as_json: bool) -> None:
    """Everything about one ticket: its notes, and the interactions that belong to it."""
    from fsapp.records import notes
    from fsapp.records import tickets as kept

    def work(connection: Any) -> tuple[Any, ...]:
        return (kept.get(connection, ticket), notes.notes_of(connection, ticket=ticket),
                kept.interactions_of(connection, ticket, 100), notes.tags_of(connection, ("ticket", ticket)))

    found, said, calls, tags = open_memory(obj).read(work)
    row = _row(_there(found, ticket))
    noted(obj, "ticket", number=found["number"], customer_id=found["customer_id"], subject=ticket)
    said = [{**one, "at": moment(one["at"])} for one in said]
    calls = [{**one, "started_at": moment(one["started_at"])} for one in calls]
    if as_json:
        print_json({**row, "tags": tags, "notes": said, "interactions": calls})
        return
    lines = [f"{name}: {_plain(value)}" for name, value in row.items() if value not in (None, "")]
    lines += [f"tags: {', '.join(tags)}"] if tags else []
    lines += [f"note of {one['at']}, {_plain(one['by'])}: {_plain(one['text'])}" for one in said]
    lines += [
        f"{one['channel']} of {one['started_at']}: {one['outcome'] or 'going on'}"
        + (f", agent {one['agent']}" if one["agent"] else "")
        + (f", {_plain(one['disposition'])}" if one["disposition"] else "") + f" ({_plain(one['id'])})"
        for one in calls
    ]
    click.echo("\n".join(lines))


@tickets.command("open")
@click.option("--number", metavar="N", help="The customer's number, in any spelling.")
@click.option("--interaction", metavar="ID", help="The interaction that it is about: customer and place are its.")
@click.option("--subject", required=True, metavar="TEXT", help="What it is about.")
@place_options
@click.option("--agent", metavar="ID|E-MAIL", help="Whose it is.")
@click.option("--group", metavar="GROUP", help="Whose it is.")
@click.option("--priority", type=click.IntRange(0, 9), default=0, show_default=True, help="9 comes first.")
@_json
@click.pass_obj
def open_command(
    obj: Any, number: str | None, interaction: str | None, subject: str, campaign: str | None, stage: str | None,
    line: str | None, agent: str | None, group: str | None, priority: int, as_json: bool,
) -> None:
    """Open a ticket for the customer with a number, or about an interaction."""
    from fsapp.records import interactions
    from fsapp.records import tickets as kept
    from fsapp.records.writer import lock

    if bool(number) == bool(interaction):
        raise click.UsageError("say whose it is: --number, or --interaction")
    rules, _client = open_tasks(obj)
    place = find_place(rules, campaign, stage, line).id if campaign or stage or line else None
    who, whose = who_is_responsible(rules, agent, group)
    key, words = key_of(number, rules) if number else None, _subject(subject)
    now = time.time()

    def work(connection: Any) -> Any:
        about = None
        if interaction is not None:
            lock(connection)
            about = interactions.get(connection, interaction)
            if about is None:
                raise FsappError(f"there is no interaction {interaction[:80]!r}: see `fsapp interactions list`")
        whose_number = about["number"] if about else key
        customer = (about and about["customer_id"]) or (
            kept.customer_of(connection, whose_number) if whose_number else None)
        where = place or (interactions.place_of(about) if about else None)
        new = kept.NewTicket(customer, whose_number, words, who, whose, priority, where, author())
        id_ = kept.open_ticket(connection, new, now)
        if about is not None:
            kept.link(connection, about["id"], id_, now)
        return kept.get(connection, id_)

    _say(obj, open_memory(obj).write(work), as_json)


@tickets.command()
@_ticket
@click.option("--note", default="", metavar="TEXT", help="How it ended, as a note.")
@_json
@click.pass_obj
def close(obj: Any, ticket: str, note: str, as_json: bool) -> None:
    """Close a ticket: what it was about is done."""
    from fsapp.records import tickets as kept

    _change(obj, ticket, kept.close, "is closed already", as_json, note)


@tickets.command()
@_ticket
@click.option("--note", default="", metavar="TEXT", help="Why, as a note.")
@_json
@click.pass_obj
def reopen(obj: Any, ticket: str, note: str, as_json: bool) -> None:
    """Open a closed ticket again."""
    from fsapp.records import tickets as kept

    _change(obj, ticket, kept.reopen, "is open", as_json, note)


@tickets.command()
@_ticket
@click.option("--agent", metavar="ID|E-MAIL", help="To this agent.")
@click.option("--group", metavar="GROUP", help="To this group.")
@click.option("--nobody", is_flag=True, help="To nobody.")
@_json
@click.pass_obj
def assign(obj: Any, ticket: str, agent: str | None, group: str | None, nobody: bool, as_json: bool) -> None:
    """Give an open ticket to an agent or a group."""
    from fsapp.records import tickets as kept

    if nobody == bool(agent or group):
        raise click.UsageError("say whose it is to be: --agent, --group, or --nobody")
    who, whose = (None, None) if nobody else who_is_responsible(open_tasks(obj)[0], agent, group)
    _change(obj, ticket, lambda connection, id_, at: kept.assign(connection, id_, who, whose, at),
            "is closed: open it again first", as_json)


@tickets.command()
@_ticket
@click.argument("text")
@_json
@click.pass_obj
def note(obj: Any, ticket: str, text: str, as_json: bool) -> None:
    """Write a note on a ticket."""
    if not clean_lines(text, MAX_NOTE):
        raise FsappError("the note is empty: write what is to be known")
    _change(obj, ticket, lambda *_of: True, "", as_json, text)


def _change(obj: Any, ticket: str, change: Any, otherwise: str, as_json: bool, words: str = "") -> None:
    """Change a ticket, with a note about it; FsappError where it cannot be changed so."""
    from fsapp.records import notes
    from fsapp.records import tickets as kept

    now = time.time()

    def work(connection: Any) -> Any:
        before = _there(kept.get(connection, ticket), ticket)
        if not change(connection, ticket, now):
            raise FsappError(f"ticket {ticket} {otherwise}")
        cleaned = clean_lines(words, MAX_NOTE)
        if cleaned:
            notes.add_note(connection, cleaned, author(), now, customer=before["customer_id"], ticket=ticket)
            kept.touch(connection, ticket, now)
        return kept.get(connection, ticket)

    _say(obj, open_memory(obj).write(work), as_json)


def _there(found: Any, ticket: str) -> Any:
    if found is None:
        raise FsappError(f"there is no ticket {ticket[:80]!r}: see `fsapp tickets list --state all`")
    return found


def _subject(written: str) -> str:
    words = clean_text(written, MAX_SUBJECT)
    if not words:
        raise FsappError("the subject is empty: write what it is about")
    return words


def _row(found: Any) -> dict[str, Any]:
    """A ticket as it is printed."""
    row = {**found, "customer": found["customer_id"]}
    return {name: moment(row[name]) if name.endswith("_at") else row[name] for name in COLUMNS}


def moment(at: float | None) -> str | None:
    """A time of the memory in ISO 8601, UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _plain(value: Any) -> str:
    return clean_text(str(value), MAX_NOTE)


def _say(obj: Any, found: Any, as_json: bool) -> None:
    noted(obj, "ticket", number=found["number"], customer_id=found["customer_id"], subject=found["id"])
    row = _row(found)
    if as_json:
        print_json(row)
        return
    whose = f"agent {row['agent']}" if row["agent"] else f"group {row['group']}" if row["group"] else "nobody's"
    click.echo(f"Ticket {row['id']} is {row['state']}, {whose}: {_plain(row['subject'] or 'no subject')}.")
