"""`fsapp customers`: finds, makes, changes and merges customers. Asks and prints; the work is done in records."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import click
from sqlalchemy import Connection

from fsapp.cli.author import author
from fsapp.cli.customer_files import export, import_
from fsapp.cli.customer_pop import pop
from fsapp.cli.customer_timeline import timeline_command
from fsapp.cli.memory import open_memory
from fsapp.core.clean import clean_number, clean_text
from fsapp.core.customer import read_draft, read_note, read_number, read_tag
from fsapp.core.numbers import normalise
from fsapp.core.rules import Rules
from fsapp.errors import CustomersError, FsappError, RulesError, StateError
from fsapp.records import customers as kept
from fsapp.records.access import looked
from fsapp.records.customers import CUSTOMER, Customer
from fsapp.records.notes import add_note, add_tags, remove_tag
from fsapp.records.shapes import customer_shape, time_shape

__all__ = ["customers", "find_customer", "is_id", "region_for", "rules_in_force"]

T = TypeVar("T")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_whom = click.argument("whom", metavar="NUMBER|ID")


@click.group()
def customers() -> None:
    """Find, make, change and merge customers, import and export them. Numbers may be written in any spelling."""


customers.add_command(import_)
customers.add_command(export)
customers.add_command(pop)
customers.add_command(timeline_command)


def _details(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say something of a customer."""
    for option in reversed((
        click.option("--name", help="The customer's name."),
        click.option("--vip", type=click.IntRange(0, 9), help="How important, 0 to 9."),
        click.option("--language", help="The customer's language: sr, sl, hu, pl, en, ..."),
        click.option("--timezone", help="The customer's time zone, as Europe/Belgrade."),
        click.option("--email", help="The customer's e-mail address."),
        click.option("--company", help="The customer's company."),
        click.option("--field", "fields", multiple=True, metavar="NAME=VALUE",
                     help="A field of your own; may be given several times."),
    )):
        command = option(command)
    return command


@customers.command()
@click.argument("number")
@_details
@_json
@click.pass_obj
def add(obj: Any, number: str, as_json: bool, **details: Any) -> None:
    """Make a customer with this NUMBER."""
    draft = read_draft({**_given(details), "numbers": [number]}, region_for(obj, number))
    _say(_write(obj, lambda connection: kept.create(connection, draft, by=author(), at=time.time())), as_json)


@customers.command()
@_whom
@_json
@click.pass_obj
def show(obj: Any, whom: str, as_json: bool) -> None:
    """One customer: name, numbers, VIP, language, fields, tags."""
    region = region_for(obj, whom)

    def work(connection: Connection) -> Customer:
        found = find_customer(connection, whom, region)
        _looked(connection, found)
        return found

    _say(_write(obj, work), as_json)


@customers.command("set")
@_whom
@_details
@click.option("--clear", multiple=True, metavar="NAME",
              type=click.Choice(["name", "language", "timezone", "email", "company", "fields"]),
              help="Take away what is there: name, language, timezone, email, company or fields.")
@click.option("--add-number", "more", multiple=True, metavar="NUMBER", help="One more number of the customer's.")
@click.option("--remove-number", "fewer", multiple=True, metavar="NUMBER", help="A number that is not theirs any more.")
@_json
@click.pass_obj
def set_(
    obj: Any, whom: str, clear: tuple[str, ...], more: tuple[str, ...], fewer: tuple[str, ...], as_json: bool,
    **details: Any,
) -> None:
    """Change what is given, and nothing else."""
    region = region_for(obj, whom, *more, *fewer)
    given = {**_given(details), **dict.fromkeys(clear)}
    draft = read_draft(given, region)
    adding = [read_number(number, region) for number in more]
    removing = [read_number(number, region).number for number in fewer]
    if not (given or adding or removing):
        raise click.UsageError("say what to change: see `fsapp customers set --help`")

    def work(connection: Connection) -> Customer:
        found, at = find_customer(connection, whom, region), time.time()
        values = dict(draft.values)
        if values.get("fields"):
            values["fields"] = {**found.fields, **values["fields"]}
        for number in removing:
            if not kept.remove_number(connection, found.id, number, at=at):
                raise CustomersError(f"{number} is no number of this customer's")
        for one in adding:
            kept.add_number(connection, found.id, one, at=at)
        changed = kept.change(connection, found.id, draft._replace(values=values), at=at)
        assert changed is not None
        _looked(connection, changed)
        return changed

    _say(_write(obj, work), as_json)


@customers.command()
@_whom
@click.argument("text")
@_json
@click.pass_obj
def note(obj: Any, whom: str, text: str, as_json: bool) -> None:
    """Write a note on a customer; its lines are kept."""
    region, cleaned = region_for(obj, whom), read_note(text)
    at = time.time()
    made = _write(obj, lambda connection: add_note(
        connection, cleaned, author(), at, customer=find_customer(connection, whom, region).id))
    said = {"id": made, "at": time_shape(at), "by": author(), "text": cleaned}
    click.echo(json.dumps(said, ensure_ascii=False) if as_json else "the note is kept")


@customers.command()
@_whom
@click.argument("tag")
@click.option("--remove", is_flag=True, help="Take the tag away.")
@_json
@click.pass_obj
def tag(obj: Any, whom: str, tag: str, remove: bool, as_json: bool) -> None:
    """Tag a customer, or take a tag away. Tags are in small letters."""
    region, cleaned = region_for(obj, whom), read_tag(tag)

    def work(connection: Connection) -> Customer:
        found = find_customer(connection, whom, region)
        if not remove:
            add_tags(connection, (CUSTOMER, found.id), [cleaned], author(), "hand", time.time())
        elif not remove_tag(connection, (CUSTOMER, found.id), cleaned):
            raise CustomersError(f"the customer has no tag {cleaned}: there are {', '.join(found.tags) or 'none'}")
        changed = kept.get(connection, found.id)
        assert changed is not None
        _looked(connection, changed)
        return changed

    _say(_write(obj, work), as_json)


@customers.command()
@_whom
@click.argument("other", metavar="OTHER")
@_json
@click.pass_obj
def merge(obj: Any, whom: str, other: str, as_json: bool) -> None:
    """Make one customer of two: numbers, timeline, notes, tags and tickets of OTHER become the first one's.

    OTHER, a number or id, is no more then; this cannot be undone. What the first one has stays, gaps are filled.
    """
    region = region_for(obj, whom, other)

    def work(connection: Connection) -> Customer:
        one, two = (find_customer(connection, each, region).id for each in (whom, other))
        merged = kept.merge(connection, one, two, by=author(), at=time.time())
        _looked(connection, merged)
        return merged

    _say(_write(obj, work), as_json)


@customers.command()
@click.argument("text", metavar="TEXT|NUMBER")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@_json
@click.pass_obj
def find(obj: Any, text: str, limit: int, as_json: bool) -> None:
    """Customers by number, or by a part of the name or company or the beginning of the e-mail address."""
    key = normalise(clean_number(text), region_for(obj, text)).key if re.search(r"\d", text) else None
    cleaned = clean_text(text, 200)

    def work(connection: Connection) -> list[Customer]:
        found = kept.find(connection, key) if key else None
        several = [found] if found else kept.search(connection, cleaned, limit)
        for one in several:
            _looked(connection, one)
        return several

    found = _write(obj, work)
    if as_json:
        click.echo(json.dumps({"customers": [customer_shape(one) for one in found]}, ensure_ascii=False))
        return
    if not found:
        raise CustomersError(f"nobody is found by {cleaned!r}")
    for one in found:
        numbers = ", ".join(number.number for number in one.numbers)
        click.echo(f"{one.id}  {one.name or '(no name)'}  {numbers}")


def rules_in_force(obj: Any) -> Rules:
    """The rules of Redis, or those last kept in the snapshot. RulesError where there are none."""
    from fsapp.state import snapshot
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.rules import RulesStore

    client = connect(obj.settings, PATIENT_S)
    click.get_current_context().call_on_close(client.close)
    try:
        version = RulesStore(client).current()
        if version is not None:
            return version.rules()
    except StateError as error:
        if (found := snapshot.load(obj.settings.snapshot)) is None:
            raise error
        return Rules.from_document(found[1], found[0])
    raise RulesError("no rules are loaded: run `fsapp rules load`")


def find_customer(connection: Connection, whom: str, region: str) -> Customer:
    """The customer with this number or id. CustomersError where there is none."""
    if is_id(whom):
        found, who_ = kept.get(connection, whom), f"customer {whom}"
    else:
        key = read_number(whom, region).number
        found, who_ = kept.find(connection, key), f"customer with the number {key}"
    if found is None:
        raise CustomersError(f"there is no {who_}: see `fsapp customers find`, or make one with `fsapp customers add`")
    return found


def _looked(connection: Connection, one: Customer) -> None:
    """To be written down with what is shown: a memory that cannot be written shows nothing."""
    looked(connection, at=time.time(), who=f"cli:{author()}", what=CUSTOMER, subject=one.id, customer_id=one.id,
           how="cli")


def _write(obj: Any, work: Callable[[Connection], T]) -> T:
    return open_memory(obj).write(work)


def is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def region_for(obj: Any, *numbers: str) -> str:
    """The centre's region, where one of the numbers needs it: with + and country they mean the same everywhere."""
    if all(is_id(number) or number.strip().startswith("+") for number in numbers):
        return "ZZ"
    return rules_in_force(obj).region


def _given(details: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in details.items() if value is not None and name != "fields"}
    fields = {}
    for field in details["fields"]:
        name, equals, value = field.partition("=")
        if not equals or not name.strip():
            raise FsappError(f"{field!r} is not NAME=VALUE")
        fields[name.strip()] = value
    return {**given, **({"fields": fields} if fields else {})}


def _say(customer: Customer, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(customer_shape(customer), ensure_ascii=False))
        return
    known = (
        ("numbers", ", ".join(f"{number.number}{f' ({number.kind})' if number.kind else ''}"
                              for number in customer.numbers)),
        ("vip", customer.vip or None), ("language", customer.language), ("time zone", customer.timezone),
        ("e-mail", customer.email), ("company", customer.company), *sorted(customer.fields.items()),
        ("tags", ", ".join(customer.tags)),
    )
    click.echo(f"{customer.name or '(no name)'}  {customer.id}")
    for name, value in known:
        if value not in (None, ""):
            click.echo(f"  {name}: {' / '.join(str(value).splitlines())}")
