"""`fsapp attempts record`: an agent's attempt to reach a customer, written down. What comes of it core decides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import click

from fsapp.cli.agent_status import find_agent
from fsapp.cli.explain import Time
from fsapp.cli.stickiness import open_customers
from fsapp.cli.task_reading import call_again, change, find_agents_task, find_place, put
from fsapp.cli.times import AHEAD, utc_text
from fsapp.core import task_life
from fsapp.core.rules import Rules
from fsapp.core.talks import Happened, Outcome, attempt
from fsapp.core.task import Task, Try, TryOutcome
from fsapp.errors import FsappError

__all__ = ["record"]

_FAILURES = [one.value for one in TryOutcome if one not in (TryOutcome.TALKED, TryOutcome.ASKED)]


@click.command()
@click.argument("number")
@click.option("--agent", required=True, metavar="ID|E-MAIL", help="Who tried.")
@click.option("--outcome", required=True, type=click.Choice([outcome.value for outcome in Outcome]),
              help="Whether the two talked.")
@click.option("--campaign", help="The campaign the attempt was for.")
@click.option("--stage", help="The stage of it.")
@click.option("--line", help="The service line it was for, where it was for one.")
@click.option("--task", "task_id", metavar="TASK", help="The task it was a try at; that says the stage or line.")
@click.option("--result", type=click.Choice(_FAILURES), metavar="WORD",
              help=f"With --task, how it failed: {', '.join(_FAILURES)}; no-answer if not given.")
@click.option("--talked-s", type=click.FloatRange(min=0), metavar="N", help="For how many seconds they talked.")
@click.option("--at", type=Time(), metavar="TIME", help="When, in ISO 8601; now if not given.")
@click.option("--id", "id_", metavar="ID", help="Of the attempt: told twice, it counts once.")
@click.option("--again", type=AHEAD, metavar="TIME", help="The same agent is to call again then: ISO 8601, or 2h.")
@click.option("--note", default="", metavar="TEXT", help="With --again: what it is about.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def record(
    obj: Any, number: str, agent: str, outcome: str, campaign: str | None, stage: str | None, line: str | None,
    task_id: str | None, result: str | None, talked_s: float | None, at: datetime | None, id_: str | None,
    again: datetime | None, note: str, as_json: bool,
) -> None:
    """Write down an agent's attempt to reach the customer with this NUMBER.

    What direct callback makes of it, and whether the customer sticks to the agent, the rules say. An open contact that
    was tried last is the one whose call comes back. A task that was tried is done, due again or out of tries, as if
    `fsapp link` had called. --again makes a task, in the place of the one that was tried.
    """
    _refuse_contradictions(outcome, campaign, stage, line, task_id, result, talked_s, again, note)
    now = datetime.now(UTC)
    if at is not None and at > now:
        raise click.UsageError("--at lies in the future")
    rules, customers, client, key = open_customers(obj, number)
    who, tried = find_agent(rules, agent), _tried(client, task_id, key)
    if tried is not None:
        campaign, stage, line = tried.campaign, tried.stage, tried.line
    place = find_place(rules, campaign, stage, line) if stage or line else None
    id_ = id_ or str(uuid4())
    task = None
    if again is not None and place is not None:
        task = call_again(
            number, place, rules, client, again, agent=who.id, group=None, made_by=who.name, note=note, because_of=id_)
    happened = attempt(key, who.id, Outcome(outcome), at or now, id_, campaign, stage, talked_s, line)
    told = customers.take(happened, rules)
    contact = _write(client, happened, told, outcome, line, journal=tried is None)
    if tried is not None:
        _end_try(client, happened, tried, outcome, result, rules, called_again=task is not None)
    elif place is not None and outcome == Outcome.TALKED:
        change(client, key, partial(task_life.reached, place=place.id, now=happened.at))
    task = put(client, task) if task is not None else None
    effects = {event["type"]: event.get("effect", "set") for event in told}
    said = {"number": key, "agent": who.id, "outcome": outcome,
            "right": effects.get("direct_callback"), "sticky": "stickiness" in effects, "contact": contact,
            **({"task": task.id, "due_at": task.due_at.isoformat(timespec="seconds")} if task else {})}
    click.echo(json.dumps(said) if as_json else _sentence(said, who.name, task))


def _refuse_contradictions(
    outcome: str, campaign: str | None, stage: str | None, line: str | None, task_id: str | None, result: str | None,
    talked_s: float | None, again: datetime | None, note: str,
) -> None:
    if task_id and (campaign or stage or line):
        raise click.UsageError("--task says the stage or line itself")
    if result and (not task_id or outcome != Outcome.FAILED):
        raise click.UsageError("--result belongs to --task and --outcome failed")
    if talked_s is not None and outcome != Outcome.TALKED:
        raise click.UsageError("--talked-s belongs to --outcome talked")
    if note and again is None:
        raise click.UsageError("--note belongs to --again")
    if bool(campaign) != bool(stage):
        raise click.UsageError("--campaign and --stage belong together")
    if again is not None and not (stage or line or task_id):
        raise click.UsageError("--again needs --task, --campaign and --stage, or --line")


def _tried(client: Any, task_id: str | None, key: str) -> Task | None:
    """The task that was tried. FsappError if it is not this customer's."""
    if task_id is None:
        return None
    found = find_agents_task(client, task_id)
    if found.number != key:
        raise FsappError(f"task {found.id} is one of {found.number}, not of {key}")
    return found


def _write(
    client: Any, happened: Happened, told: Iterable[Mapping[str, Any]], outcome: str, line: str | None, *,
    journal: bool,
) -> bool:
    """The attempt with the contact and, as `journal`, in the stream, with what came of it; whether there is a contact.

    Of a try at a task the task tells.
    """
    from fsapp.state import stream
    from fsapp.state.contacts import Contacts

    at, number = happened.at.timestamp(), happened.number
    stage = f"{happened.campaign}/{happened.stage}"
    contact = happened.campaign is not None and Contacts(client).set_attempted(number, stage, at)
    events = [{
        "type": "attempt", "id": happened.id, "at": at, "number": number, "agent": happened.agent, "outcome": outcome,
        "campaign": happened.campaign, "stage": happened.stage, "line": line, "talked_s": happened.talked_s,
    }] if journal else []
    stream.add(client, [stream.encode(dict(event)) for event in (*events, *told)])
    return contact


def _end_try(
    client: Any, happened: Happened, task: Task, outcome: str, result: str | None, rules: Rules, *, called_again: bool,
) -> None:
    how = TryOutcome.TALKED if outcome == Outcome.TALKED else TryOutcome(result or TryOutcome.NO_ANSWER)
    one = Try(happened.id, happened.at, how, task.agent, happened.agent, "", happened.talked_s or 0.0)
    change(client, task.number, lambda known: task_life.tried(known, task.id, one, rules))
    if called_again:
        now = datetime.now(UTC)
        change(client, task.number, lambda known: task_life.cancelled(known, task.id, "called-again", now))


def _sentence(said: dict[str, Any], name: str, task: Task | None) -> str:
    rights = {"arises": "a right to call back arises", "restarted": "the right to call back starts anew",
              "deleted": "the right to call back ends", None: "no right to call back changes"}
    sticks = ", the customer sticks to the agent" if said["sticky"] else ""
    again = f"; task {task.id}: {name} calls again, due {utc_text(task.due_at)}" if task else ""
    return f"{said['number']}: {name}'s attempt {said['outcome']}; {rights[said['right']]}{sticks}{again}."
