"""`fsapp stickiness`: which agent a customer belongs to, shown, set and cleared. What it means is decided in core."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import click

from fsapp.cli.agent_status import find_agent
from fsapp.cli.looking import noted
from fsapp.core.clean import clean_number
from fsapp.core.model import Sticky
from fsapp.core.numbers import normalise
from fsapp.core.rules import Rules
from fsapp.core.stickiness import after_talk
from fsapp.core.talks import Known, sticky_days
from fsapp.errors import FsappError, RulesError

__all__ = ["open_customers", "stickiness"]

_DAY_S = 24 * 3600
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def stickiness() -> None:
    """See and change which agent a customer belongs to."""


@stickiness.command()
@click.argument("number")
@_json
@click.pass_obj
def show(obj: Any, number: str, as_json: bool) -> None:
    """Whom the customer with this NUMBER last talked to, where, and whom the customer has the right to reach."""
    rules, customers, _client, key = open_customers(obj, number)
    known = customers.get(key)
    noted(obj, "stickiness", number=key)
    if as_json:
        click.echo(json.dumps(_as_json(key, known), ensure_ascii=False))
        return
    lines = [key]
    if known.sticky is None:
        lines.append("  belongs to no agent")
    else:
        lines.append(f"  belongs to {_who(known.sticky.agent, rules)} since {_time(known.sticky.talked_at)}")
        lines += [
            f"    {talk.place or 'elsewhere'}: {_who(talk.agent, rules)} since {_time(talk.talked_at)}"
            for talk in known.sticky.places
        ]
    lines += [f"  may reach {_who(right.agent, rules)} until {_time(right.expires_at)}" for right in known.rights]
    click.echo("\n".join(lines))


@stickiness.command("set")
@click.argument("number")
@click.option("--agent", required=True, metavar="ID|E-MAIL", help="The agent the customer is to belong to.")
@click.option("--place", metavar="PLACE", help="Only in this stage (CAMPAIGN/STAGE) or line; everywhere if not given.")
@_json
@click.pass_obj
def set_(obj: Any, number: str, agent: str, place: str | None, as_json: bool) -> None:
    """Make the customer with this NUMBER belong to an agent, as after a successful talk."""
    rules, customers, client, key = open_customers(obj, number)
    found = find_agent(rules, agent)
    _known_place(place, rules)
    now = datetime.now(UTC)
    was = customers.put_sticky(key, lambda old: after_talk(old, found.id, now, place), sticky_days(rules) * _DAY_S)
    _record(client, key, found.id, place)
    noted(obj, "stickiness", number=key)
    _say(key, was, found.id, place, rules, as_json)


@stickiness.command()
@click.argument("number")
@_json
@click.pass_obj
def clear(obj: Any, number: str, as_json: bool) -> None:
    """Make the customer with this NUMBER belong to nobody."""
    rules, customers, client, key = open_customers(obj, number)
    was = customers.put_sticky(key, lambda _old: None, 0)
    if was is not None:
        _record(client, key, None, None)
    noted(obj, "stickiness", number=key)
    _say(key, was, None, None, rules, as_json)


def open_customers(obj: Any, number: str) -> tuple[Rules, Any, Any, str]:
    """The rules in force, the customers, the client, and the key of a number in any spelling. FsappError."""
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.customers import Customers
    from fsapp.state.rules import RulesStore

    client = connect(obj.settings, PATIENT_S)
    click.get_current_context().call_on_close(client.close)
    version = RulesStore(client).current()
    if version is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`")
    rules = version.rules()
    key = normalise(clean_number(number), rules.region).key
    if key is None:
        raise FsappError(f"{number!r} is no telephone number that can be called: write it with + and country")
    return rules, Customers(client), client, key


def _known_place(place: str | None, rules: Rules) -> None:
    if place is not None and rules.place(place) is None:
        known = ", ".join(sorted((*rules.stages, *rules.lines)))
        raise RulesError(f"there is no stage or line {place}: there are {known}")


def _record(client: Any, key: str, agent: str | None, place: str | None) -> None:
    from fsapp.state import stream

    at = datetime.now(UTC).timestamp()
    event = {"type": "stickiness", "id": str(uuid4()), "at": at, "number": key, "agent": agent, "place": place,
             "by": "hand"}
    stream.add(client, [stream.encode(event)])


def _say(key: str, was: Sticky | None, agent: str | None, place: str | None, rules: Rules, as_json: bool) -> None:
    if as_json:
        said = {"number": key, "was": was.agent if was else None, "agent": agent, "place": place}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    before = f"; last with {_who(was.agent, rules)}" if was else ""
    where = f" in {place}" if place else ""
    click.echo(f"{key} belongs to {_who(agent, rules) if agent else 'no agent'}{where}{before}.")


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _who(agent: str, rules: Rules) -> str:
    known = rules.agents.get(agent)
    return f"agent {agent} ({known.name})" if known else f"agent {agent}, whom the rules do not know"


def _as_json(key: str, known: Known) -> dict[str, Any]:
    sticky = known.sticky
    return {
        "number": key,
        "sticky": sticky and {
            "agent": sticky.agent, "talked_at": sticky.talked_at.isoformat(),
            "places": [
                {"place": talk.place or None, "agent": talk.agent, "talked_at": talk.talked_at.isoformat()}
                for talk in sticky.places
            ],
        },
        "rights": [
            {"agent": right.agent, "expires_at": right.expires_at.isoformat(), "campaign": right.campaign,
             "stage": right.stage}
            for right in known.rights
        ],
    }
