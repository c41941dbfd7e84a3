"""`fsapp interactions`: calls and the like that were: shown, disposed, tagged, noted on. Decides nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from fsapp.cli.agent_status import find_agent
from fsapp.cli.author import author
from fsapp.cli.looking import noted
from fsapp.cli.memory import open_memory
from fsapp.cli.tables import output_options, print_csv, print_json, print_table
from fsapp.cli.task_reading import key_of
from fsapp.cli.tasks import open_tasks
from fsapp.cli.tickets import MAX_NOTE, moment
from fsapp.cli.times import AGO
from fsapp.core.clean import clean_lines, clean_text
from fsapp.core.disposition import chosen
from fsapp.core.rules import Rules
from fsapp.core.tagging import clean_tag
from fsapp.errors import FsappError

__all__ = ["interactions", "there", "wanted_tag"]

COLUMNS = ("id", "channel", "direction", "started_at", "number", "name", "called", "class", "place", "queue", "outcome",
           "waited_s", "talked_s", "agent", "disposition", "ticket")
_HEADINGS = {
    "began (UTC)": "started_at", "channel": "channel", "number": "number", "name": "name", "class": "class",
    "place": "place", "outcome": "outcome", "talked s": "talked_s", "agent": "agent", "disposition": "disposition",
    "ticket": "ticket", "id": "id",
}
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_id = click.argument("id_", metavar="ID")


@click.group()
def interactions() -> None:
    """Calls and what else came, once it is over: look at one, say how it ended, tag it, write a note."""


@interactions.command("list")
@click.option("--number", metavar="N", help="Of the customer with this number, in any spelling.")
@click.option("--customer", metavar="ID", help="Of this customer.")
@click.option("--agent", metavar="ID|E-MAIL", help="Of this agent.")
@click.option("--ticket", metavar="TICKET", help="Of this ticket.")
@click.option("--disposition", metavar="TEXT", help="That ended so.")
@click.option("--tag", metavar="TAG", help="With this tag.")
@click.option("--since", type=AGO, metavar="TIME", help="Begun then or later: ISO 8601, or 2h, 7d for so long ago.")
@click.option("--until", type=AGO, metavar="TIME", help="Begun before.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="So many at most.")
@output_options
@click.pass_obj
def list_command(
    obj: Any, number: str | None, customer: str | None, agent: str | None, ticket: str | None, disposition: str | None,
    tag: str | None, since: datetime | None, until: datetime | None, limit: int, as_csv: bool, as_json: bool,
) -> None:
    """List interactions, newest first. Exit status 0 though there are none."""
    from fsapp.records import interactions as kept

    key, who = None, None
    if number or agent:
        rules, _client = open_tasks(obj)
        key = key_of(number, rules) if number else None
        who = find_agent(rules, agent).id if agent else None
    wanted = kept.InteractionFilter(
        key, customer, who, ticket, disposition, wanted_tag(tag) if tag else None,
        since.timestamp() if since else None, until.timestamp() if until else None)
    found = open_memory(obj).read(lambda connection: kept.find(connection, wanted, limit + 1))
    rows = [_row(one) for one in found[:limit]]
    noted(obj, "interactions", number=key, customer_id=customer)
    if as_json:
        print_json({"interactions": rows, "more": len(found) > limit})
        return
    if as_csv:
        print_csv(COLUMNS, rows)
    elif rows:
        print_table(f"interactions: {len(rows)}", _HEADINGS, rows)
    else:
        click.echo("There are no such interactions.")
    if len(found) > limit:
        click.echo("... and more: --limit shows them", err=True)


@interactions.command()
@_id
@_json
@click.pass_obj
def show(obj: Any, id_: str, as_json: bool) -> None:
    """All about one interaction: how it went, why (the trace), tags, notes, dispositions, answers, what followed."""
    from fsapp.records import interactions as kept

    def work(connection: Any) -> Any:
        found = kept.show(connection, id_)
        return found and {**found, "decisions": kept.decisions_of(connection, id_)}

    found = there(open_memory(obj).read(work), id_)
    noted(obj, "interaction", number=found["number"], customer_id=found["customer_id"], subject=id_)
    found = _timed(found)
    if as_json:
        print_json(found)
        return
    lists = ("stays", "dispositions", "followups", "surveys", "notes", "tags", "decisions")
    lines = [f"{name}: {_plain(value)}" for name, value in found.items()
             if name not in lists and value not in (None, "", False)]
    lines += [f"tags: {', '.join(found['tags'])}"] if found["tags"] else []
    for name in ("stays", "dispositions", "notes", "followups", "surveys"):
        for one in found[name]:
            said = ", ".join(f"{key} {_plain(value)}" for key, value in one.items() if value not in (None, "", 0))
            lines.append(f"{name}: {said}")
    for one in found["decisions"]:
        lines.append(_plain(f"decided at {one['at']}: {one['call_class'] or '-'} ({one['reason'] or '-'}), because"))
        lines += [f"  {_plain(step)}" for step in map(_step, one["trace"] or ())]
    click.echo("\n".join(lines))


@interactions.command()
@_id
@click.argument("disposition")
@click.option("--agent", metavar="ID|E-MAIL", help="Who says so; else who talked.")
@click.option("--note", default="", metavar="TEXT", help="A note on it.")
@_json
@click.pass_obj
def dispose(obj: Any, id_: str, disposition: str, agent: str | None, note: str, as_json: bool) -> None:
    """Say how an interaction ended: one of the dispositions of its stage or line, where the rules name some.

    Follow-ups that depend on it come then.
    """
    from fsapp.records import interactions as kept

    rules, _client = open_tasks(obj)
    who = find_agent(rules, agent).id if agent else None
    now = time.time()

    def work(connection: Any) -> Any:
        one = there(kept.get(connection, id_), id_)
        words = known_disposition(disposition, one, rules)
        kept.dispose(connection, one, words, who or one["agent"], now, clean_lines(note, MAX_NOTE), author())
        return kept.get(connection, id_)

    done = open_memory(obj).write(work)
    noted(obj, "interaction", number=done["number"], customer_id=done["customer_id"], subject=id_)
    row = _row(done)
    print_json(row) if as_json else click.echo(f"{_plain(id_)} ended as {row['disposition']}.")


@interactions.command()
@_id
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@click.option("--remove", is_flag=True, help="Take the tags away instead.")
@_json
@click.pass_obj
def tag(obj: Any, id_: str, tags: Sequence[str], remove: bool, as_json: bool) -> None:
    """Tag an interaction, or take tags away. Follow-ups that depend on a tag come then."""
    from fsapp.records import interactions as kept
    from fsapp.records.notes import tags_of

    wanted = [wanted_tag(one) for one in tags]
    now = time.time()

    def work(connection: Any) -> list[str]:
        there(kept.get(connection, id_), id_)
        if remove:
            missing = [one for one in wanted if not kept.untag(connection, id_, one)]
            if missing:
                raise FsappError(f"it has no tag {', '.join(missing)}: it has "
                                 f"{', '.join(tags_of(connection, ('interaction', id_))) or 'none'}")
        else:
            kept.set_tags(connection, id_, wanted, author(), "hand", now)
        return tags_of(connection, ("interaction", id_))

    found = open_memory(obj).write(work)
    if as_json:
        print_json({"id": id_, "tags": found})
    else:
        click.echo(f"{_plain(id_)} has {f'the tags {chr(44).join(found)}' if found else 'no tags'}.")


@interactions.command()
@_id
@click.argument("text")
@_json
@click.pass_obj
def note(obj: Any, id_: str, text: str, as_json: bool) -> None:
    """Write a note on an interaction and its customer."""
    from fsapp.records import interactions as kept

    words = clean_lines(text, MAX_NOTE)
    if not words:
        raise FsappError("the note is empty: write what is to be known")
    now = time.time()
    made = open_memory(obj).write(
        lambda connection: kept.note(connection, there(kept.get(connection, id_), id_), words, author(), now))
    print_json({"id": id_, "note": made}) if as_json else click.echo(f"{_plain(id_)} has a note more.")


def known_disposition(written: str, one: Any, rules: Rules) -> str:
    """A disposition as it is kept. FsappError where the interaction's place has a list, and it is not in it."""
    from fsapp.records.interactions import place_of

    place = rules.place(place_of(one) or "")
    named = place.dispositions if place is not None else ()
    words = chosen(written, named)
    if words is None:
        raise FsappError(f"{place.id if place else ''} has no disposition {written[:80]!r}: there are "
                         f"{', '.join(named)}")
    if not words:
        raise FsappError("the disposition is empty: write how it ended")
    return words


def wanted_tag(written: str) -> str:
    """A tag as it is kept; FsappError for what is none."""
    found = clean_tag(written)
    if found is None:
        raise FsappError(f"{written[:80]!r} is no tag: write small letters, digits and single hyphens")
    return found


def there(found: Any, id_: str) -> Any:
    """What was found. FsappError where nothing was."""
    if found is None:
        raise FsappError(f"there is no interaction {id_[:80]!r}: see `fsapp interactions list`")
    return found


def _row(one: Any) -> dict[str, Any]:
    from fsapp.records.interactions import place_of

    row = {**one, "class": one["call_class"], "place": place_of(one), "ticket": one["ticket_id"],
           "started_at": moment(one["started_at"])}
    return {name: row[name] for name in COLUMNS}


def _timed(value: Any, name: str = "") -> Any:
    """The same with times as people read them."""
    if isinstance(value, dict):
        return {key: inner if key == "fields" else _timed(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_timed(one) for one in value]
    return moment(value) if name == "at" or name.endswith("_at") else value


def _step(step: Any) -> str:
    """A step of a trace (rule, fact, outcome), as `fsapp explain` says it."""
    return ": ".join(map(str, step)) if isinstance(step, list) else str(step)


def _plain(value: Any) -> str:
    return clean_text(str(value), MAX_NOTE)
