"""`fsapp attempts`: an agent's attempt to reach a customer, written down. What comes of it is decided in core."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import click

from fsapp.cli.agent_status import find_agent
from fsapp.cli.explain import Time
from fsapp.cli.stickiness import open_customers
from fsapp.core.talks import Outcome, attempt
from fsapp.errors import RulesError

__all__ = ["attempts"]


@click.group()
def attempts() -> None:
    """Write down how agents tried to reach customers."""


@attempts.command()
@click.argument("number")
@click.option("--agent", required=True, metavar="ID|E-MAIL", help="Who tried.")
@click.option("--outcome", required=True, type=click.Choice([outcome.value for outcome in Outcome]),
              help="Whether the two talked.")
@click.option("--campaign", help="The campaign the attempt was for.")
@click.option("--stage", help="The stage of it.")
@click.option("--talked-s", type=click.FloatRange(min=0), metavar="N", help="For how many seconds they talked.")
@click.option("--at", type=Time(), metavar="TIME", help="When, in ISO 8601; now if not given.")
@click.option("--id", "id_", metavar="ID", help="Of the attempt: told twice, it counts once.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def record(
    obj: Any, number: str, agent: str, outcome: str, campaign: str | None, stage: str | None, talked_s: float | None,
    at: datetime | None, id_: str | None, as_json: bool,
) -> None:
    """Write down an agent's attempt to reach the customer with this NUMBER.

    What direct callback makes of it, and whether the customer sticks to the agent, the rules say. An open contact that
    was tried last is the one whose call comes back.
    """
    from fsapp.state import stream
    from fsapp.state.contacts import Contacts

    if (campaign is None) != (stage is None):
        raise click.UsageError("--campaign and --stage belong together")
    if talked_s is not None and outcome != Outcome.TALKED:
        raise click.UsageError("--talked-s belongs to --outcome talked")
    rules, customers, client, key = open_customers(obj, number)
    found = find_agent(rules, agent)
    if campaign is not None and f"{campaign}/{stage}" not in rules.stages:
        raise RulesError(f"there is no stage {campaign}/{stage}: there are {', '.join(sorted(rules.stages))}")
    now = datetime.now(UTC)
    if at is not None and at > now:
        raise click.UsageError("--at lies in the future")
    happened = attempt(
        key, found.id, Outcome(outcome), at or now, id_ or str(uuid4()), campaign, stage, talked_s)
    told = customers.take(happened, rules)
    contact = campaign is not None and Contacts(client).set_attempted(
        key, f"{campaign}/{stage}", happened.at.timestamp())
    events: list[dict[str, Any]] = [{
        "type": "attempt", "id": happened.id, "at": happened.at.timestamp(), "number": key, "agent": found.id,
        "outcome": outcome, "campaign": campaign, "stage": stage, "talked_s": talked_s,
    }, *told]
    stream.add(client, [stream.encode(event) for event in events])
    effects = {event["type"]: event.get("effect", "set") for event in told}
    said = {"number": key, "agent": found.id, "outcome": outcome,
            "right": effects.get("direct_callback"), "sticky": "stickiness" in effects, "contact": contact}
    click.echo(json.dumps(said) if as_json else _sentence(said, found.name))


def _sentence(said: dict[str, Any], name: str) -> str:
    rights = {"arises": "a right to call back arises", "restarted": "the right to call back starts anew",
              "deleted": "the right to call back ends", None: "no right to call back changes"}
    sticks = ", the customer sticks to the agent" if said["sticky"] else ""
    return f"{said['number']}: {name}'s attempt {said['outcome']}; {rights[said['right']]}{sticks}."
