"""`fsapp attempts`: agents' attempts to reach customers, written down and listed. What comes of one core decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import uuid4

import click

from fsapp.cli.agent_status import find_agent
from fsapp.cli.explain import Time
from fsapp.cli.stickiness import open_customers
from fsapp.cli.tables import output_options, print_csv, print_json, print_table
from fsapp.cli.task_reading import call_again, find_place, key_of, known_place, place_options, put
from fsapp.cli.tasks import open_tasks
from fsapp.cli.times import AGO, AHEAD, utc_text
from fsapp.core.rules import Rules
from fsapp.core.talks import Outcome, attempt
from fsapp.core.task import Task, TryOutcome
from fsapp.core.task_rows import ATTEMPT_COLUMNS, AttemptFilter, attempt_row

__all__ = ["attempts"]

_OUTCOMES = list(dict.fromkeys((*(one.value for one in Outcome), *(one.value for one in TryOutcome))))
_EARLIER_S = 60  # clocks differ: an event may stand a little before its time in the stream
_HEADINGS = {
    "when (UTC)": "when", "number": "number", "responsible": "whose", "agent": "who", "outcome": "how",
    "cause": "cause", "talked s": "talked_s", "place": "place", "task": "task",
}


@click.group()
def attempts() -> None:
    """Write down how agents tried to reach customers, and list who tried when, and how it ended."""


@attempts.command()
@click.argument("number")
@click.option("--agent", required=True, metavar="ID|E-MAIL", help="Who tried.")
@click.option("--outcome", required=True, type=click.Choice([outcome.value for outcome in Outcome]),
              help="Whether the two talked.")
@click.option("--campaign", help="The campaign the attempt was for.")
@click.option("--stage", help="The stage of it.")
@click.option("--line", help="The service line it was for, where it was for one.")
@click.option("--talked-s", type=click.FloatRange(min=0), metavar="N", help="For how many seconds they talked.")
@click.option("--at", type=Time(), metavar="TIME", help="When, in ISO 8601; now if not given.")
@click.option("--id", "id_", metavar="ID", help="Of the attempt: told twice, it counts once.")
@click.option("--again", type=AHEAD, metavar="TIME", help="The same agent is to call again then: ISO 8601, or 2h.")
@click.option("--note", default="", metavar="TEXT", help="With --again: what it is about.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def record(
    obj: Any, number: str, agent: str, outcome: str, campaign: str | None, stage: str | None, line: str | None,
    talked_s: float | None, at: datetime | None, id_: str | None, again: datetime | None, note: str, as_json: bool,
) -> None:
    """Write down an agent's attempt to reach the customer with this NUMBER.

    What direct callback makes of it, and whether the customer sticks to the agent, the rules say. An open contact that
    was tried last is the one whose call comes back. --again makes a task, see `fsapp tasks`.
    """
    from fsapp.state import stream
    from fsapp.state.contacts import Contacts

    if talked_s is not None and outcome != Outcome.TALKED:
        raise click.UsageError("--talked-s belongs to --outcome talked")
    if note and again is None:
        raise click.UsageError("--note belongs to --again")
    if bool(campaign) != bool(stage):
        raise click.UsageError("--campaign and --stage belong together")
    if again is not None and not (stage or line):
        raise click.UsageError("--again needs --campaign and --stage, or --line")
    rules, customers, client, key = open_customers(obj, number)
    found = find_agent(rules, agent)
    place = find_place(rules, campaign, stage, line) if stage or line else None
    now = datetime.now(UTC)
    if at is not None and at > now:
        raise click.UsageError("--at lies in the future")
    id_ = id_ or str(uuid4())
    task = None
    if again is not None and place is not None:
        task = call_again(
            number, place, rules, client, again, agent=found.id, group=None, made_by=found.name, note=note,
            because_of=id_)
    happened = attempt(key, found.id, Outcome(outcome), at or now, id_, campaign, stage, talked_s, line)
    told = customers.take(happened, rules)
    contact = campaign is not None and Contacts(client).set_attempted(
        key, f"{campaign}/{stage}", happened.at.timestamp())
    events: list[dict[str, Any]] = [{
        "type": "attempt", "id": happened.id, "at": happened.at.timestamp(), "number": key, "agent": found.id,
        "outcome": outcome, "campaign": campaign, "stage": stage, "line": line, "talked_s": talked_s,
    }, *told]
    stream.add(client, [stream.encode(event) for event in events])
    task = put(client, task) if task is not None else None
    effects = {event["type"]: event.get("effect", "set") for event in told}
    said = {"number": key, "agent": found.id, "outcome": outcome,
            "right": effects.get("direct_callback"), "sticky": "stickiness" in effects, "contact": contact,
            **({"task": task.id, "due_at": task.due_at.isoformat(timespec="seconds")} if task else {})}
    click.echo(json.dumps(said) if as_json else _sentence(said, found.name, task))


@attempts.command("list")
@click.option("--since", type=AGO, default="24h", show_default=True, metavar="TIME",
              help="From when on: ISO 8601, or 2h, 7d.")
@click.option("--until", type=AGO, metavar="TIME", help="Up to when; until now if not given.")
@click.option("--agent", metavar="ID|E-MAIL", help="Who tried.")
@click.option("--responsible", metavar="ID|E-MAIL", help="Whose task it was then.")
@click.option("--number", metavar="N", help="Of the customer with this number.")
@place_options
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="How they ended: talked, failed, or how they failed.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="So many at most.")
@output_options
@click.pass_obj
def list_command(
    obj: Any, since: datetime, until: datetime | None, agent: str | None, responsible: str | None, number: str | None,
    campaign: str | None, stage: str | None, line: str | None, outcome: str | None, limit: int, as_csv: bool,
    as_json: bool,
) -> None:
    """The journal of attempts, oldest first: who tried whom for whom, and how it ended.

    It goes back as far as the event stream does. Exit status 0 though there are none.
    """
    rules, client = open_tasks(obj)
    known_place(rules, campaign, stage, line)
    wanted = AttemptFilter(
        since, until, _agent(rules, agent), _agent(rules, responsible), key_of(number, rules) if number else None,
        campaign, stage, line, outcome)
    found = _found(client, rules, wanted)
    rows = list(islice(found, limit))
    more = sum(1 for _ in found)
    if as_json:
        print_json({"attempts": rows, "more": more})
    elif as_csv:
        print_csv(ATTEMPT_COLUMNS, rows)
    elif rows:
        print_table(f"attempts: {len(rows)}", _HEADINGS, [_shown(row) for row in rows])
    else:
        click.echo("There are no such attempts.")
    if more and not as_json:
        click.echo(f"... and {more} more: --limit shows them", err=True)


def _found(client: Any, rules: Rules, wanted: AttemptFilter) -> Iterator[dict[str, Any]]:
    """Rows of the stream's attempts, each once: an event may be there twice after an outage."""
    from fsapp.state.stream import tail

    seen: set[str] = set()
    assert wanted.since is not None
    for _, event in tail(client, max(0.0, wanted.since.timestamp() - _EARLIER_S), follow=False):
        if event.get("type") != "attempt" or str(event.get("id")) in seen:
            continue
        seen.add(str(event.get("id")))
        try:
            row = attempt_row(event, rules)
        except ValueError:
            continue
        if wanted.wants(row):
            yield row


def _agent(rules: Rules, who: str | None) -> str | None:
    """An agent's id. One whom the rules do not know any more may still be in the journal, by id."""
    if who is None:
        return None
    return find_agent(rules, who).id if "@" in who else who


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the table has it."""
    place = f"{row['campaign']}/{row['stage']}" if row["stage"] else row["line"]

    def name(who: str) -> str | None:
        return f"{row[who]} {row[who + '_name'] or ''}".strip() if row[who] else None

    return {**row, "when": row["at"].replace("T", " ")[:19], "whose": name("responsible"), "who": name("agent"),
            "how": row["result"] or row["outcome"], "place": place}


def _sentence(said: dict[str, Any], name: str, task: Task | None) -> str:
    rights = {"arises": "a right to call back arises", "restarted": "the right to call back starts anew",
              "deleted": "the right to call back ends", None: "no right to call back changes"}
    sticks = ", the customer sticks to the agent" if said["sticky"] else ""
    again = f"; task {task.id}: {name} calls again, due {utc_text(task.due_at)}" if task else ""
    return f"{said['number']}: {name}'s attempt {said['outcome']}; {rights[said['right']]}{sticks}{again}."
