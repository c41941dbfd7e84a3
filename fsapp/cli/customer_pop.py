"""`fsapp customers pop`: what an agent sees of who calls, asked for by hand. Prints; the reading is in fsapp.web."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from fsapp.cli.author import author
from fsapp.cli.memory import open_memory
from fsapp.core.clean import clean_number, clean_text
from fsapp.core.numbers import normalise
from fsapp.errors import CustomersError

__all__ = ["pop"]

_WIDEST = 1000


@click.command()
@click.argument("number")
@click.option("--contact", metavar="CAMPAIGN/STAGE/NUMBER", help="The contact the call carries: its form is shown.")
@click.option("--outside", is_flag=True, help="Ask the CRM of the setting pop_lookup, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (docs/api.md).")
@click.pass_obj
def pop(obj: Any, number: str, contact: str | None, outside: bool, as_json: bool) -> None:
    """What opens at an agent's when NUMBER calls: name, VIP, tickets, last interactions, notes, tags, whose it is."""
    from fsapp.cli.customers import rules_in_force
    from fsapp.lookup import Lookup
    from fsapp.records.access import looked
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.web.pop_reading import PopReader

    rules = rules_in_force(obj)
    key = normalise(clean_number(number), rules.region).key
    if key is None:
        raise CustomersError(f"{number!r} is no telephone number that can be called: write it with + and country")
    if outside and not obj.settings.pop_lookup:
        raise CustomersError("no CRM is asked: the setting pop_lookup names one")
    database = open_memory(obj)
    client = connect(obj.settings, PATIENT_S)
    click.get_current_context().call_on_close(client.close)
    reader = PopReader(database, client, lambda: rules, Lookup(), obj.settings.pop_lookup, obj.settings.pop_lookup_s)
    found, at = reader.read(key, contact), time.time()
    customer = found["customer"]["id"] if found["customer"] else None
    database.write(lambda connection: looked(
        connection, at=at, who=f"cli:{author()}", what="pop", subject=customer, number=key, customer_id=customer,
        how="cli"))
    if not as_json:
        click.echo("\n  ".join(clean_text(line, _WIDEST) for line in _lines(found)))
    said = reader.outside(key) if outside else None
    if as_json:
        click.echo(json.dumps({**found, **({"outside": said} if said else {})}, ensure_ascii=False))
    elif said:
        click.echo(f"  outside: {json.dumps(said['answer'], ensure_ascii=False) if said['answer'] else said['state']}")


def _lines(found: dict[str, Any]) -> list[str]:
    vip = f"  VIP {found['vip']}" if found["vip"] else ""
    lines = [f"{found['number']}  {found['name'] or 'nobody we know'}{vip}"]
    responsible = found["responsible"]
    if responsible:
        lines.append(f"belongs to agent {responsible['agent']} ({responsible['name']}), by {responsible['because']}")
    if found["tags"]:
        lines.append(f"tags: {', '.join(found['tags'])}")
    lines += [f"open ticket {one['id']}: {one['subject'] or ''}" for one in found["tickets"]]
    lines += [f"{(one['started_at'] or '')[:16]}  {one['channel']}  {one['outcome'] or ''}  {one['agent'] or ''}"
              for one in found["interactions"]]
    lines += [f"note of {(one['at'] or '')[:16]}: {' / '.join(one['text'].splitlines())}" for one in found["notes"]]
    if found["contact"]:
        form = found["contact"]["fields"].items()
        lines += [f"{name}: {' / '.join(str(value).splitlines())}" for name, value in form]
    return lines + [f"without: {fault}" for fault in found["faults"]]
