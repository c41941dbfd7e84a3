"""`fsapp customers timeline`: all that was with one customer, newest first. What belongs to it is in records."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click
from sqlalchemy import Connection

from fsapp.cli.author import author
from fsapp.cli.memory import open_memory
from fsapp.cli.times import AGO
from fsapp.core.clean import clean_text
from fsapp.records.access import looked
from fsapp.records.shapes import interaction_shape
from fsapp.records.timeline import KINDS, Cursor, Page, Whose, timeline, whose_customer, whose_number

__all__ = ["timeline_command"]

_WIDEST = 500


def _cursor(_ctx: click.Context, _option: click.Parameter, value: str | None) -> Cursor | None:
    try:
        return Cursor.parse(value) if value else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command("timeline")
@click.argument("whom", metavar="NUMBER|ID")
@click.option("--since", type=AGO, metavar="TIME", help="Nothing from before then: ISO 8601, or 2h, 7d.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="So many at most.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only these; may be given again.")
@click.option("--before", callback=_cursor, metavar="NEXT", help="Go on where a page ended: what it said as `next`.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def timeline_command(
    obj: Any, whom: str, since: datetime | None, limit: int, kinds: tuple[str, ...], before: Cursor | None,
    as_json: bool,
) -> None:
    """Calls, e-mails, texts, chats, visits, attempts, tasks, notes, tickets, surveys and voicemails of one customer.

    Newest first, of all of the customer's numbers; a number that is nobody's has a timeline, too.
    """
    find = _whose(obj, whom)
    at = time.time()

    def work(connection: Connection) -> tuple[Whose, Page]:
        owner = find(connection)
        looked(connection, at=at, who=f"cli:{author()}", what="timeline", subject=owner.customer_id,
               number=owner.numbers[0] if owner.customer_id is None else None, customer_id=owner.customer_id, how="cli")
        return owner, timeline(connection, owner, limit=limit, before=before,
                               since=since.timestamp() if since else None, kinds=kinds)

    owner, page = open_memory(obj).write(work)
    if as_json:
        click.echo(json.dumps({
            "customer": owner.customer_id, "numbers": owner.numbers,
            "entries": [interaction_shape(entry) for entry in page.entries],
            "next": str(page.next) if page.next else None}, ensure_ascii=False))
        return
    for entry in page.entries:
        click.echo(_line(interaction_shape(entry)))
    if not page.entries:
        click.echo("nothing is known of them")
    if page.next:
        click.echo(f"more: --before {page.next}")


def _whose(obj: Any, whom: str) -> Callable[[Connection], Whose]:
    from fsapp.cli.customers import find_customer, is_id, region_for
    from fsapp.core.customer import read_number

    region = region_for(obj, whom)
    if is_id(whom):
        return lambda connection: whose_customer(connection, find_customer(connection, whom, region).id)
    number = read_number(whom, region).number
    return lambda connection: whose_number(connection, number)


def _line(entry: dict[str, Any]) -> str:
    """One entry on one line: when, what, by whom, how it ended, and what there is to read."""
    place = entry.get("line") or (f"{entry['campaign']}/{entry['stage']}" if entry.get("stage") else None)
    said = entry.get("subject") or entry.get("text") or entry.get("value") or entry.get("why")
    agents = entry.get("agents") or [entry.get("agent") or entry.get("by")]
    talked = f"{entry['talked_s']:.0f} s" if entry.get("talked_s") else None
    parts = (entry["kind"], entry.get("direction"), place or entry.get("place"), entry.get("outcome") or
             entry.get("state"), talked, ", ".join(agent for agent in agents if agent), entry.get("disposition"),
             " / ".join(str(said).splitlines()) if said else None, entry.get("recording") or entry.get("file"))
    said = "  ".join(clean_text(str(part), _WIDEST) for part in parts if part)
    return f"{(entry['at'] or '')[:16]}  {said}"
