"""`fsapp attempts`: the journal of agents' attempts to reach customers. Writing one down is in `attempts_record`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import click

from fsapp.cli.agent_status import find_agent
from fsapp.cli.attempts_record import record
from fsapp.cli.looking import noted
from fsapp.cli.memory import open_memory
from fsapp.cli.tables import output_options, print_csv, print_json, print_table
from fsapp.cli.task_reading import key_of, known_place, place_options
from fsapp.cli.tasks import open_tasks
from fsapp.cli.times import AGO
from fsapp.core.rules import Rules
from fsapp.core.talks import Outcome
from fsapp.core.task import TryOutcome
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


attempts.add_command(record)


@attempts.command("list")
@click.option("--since", type=AGO, default="24h", show_default=True, metavar="TIME",
              help="From when on: ISO 8601, or 2h, 7d.")
@click.option("--until", type=AGO, metavar="TIME", help="Up to when; until now if not given.")
@click.option("--agent", metavar="ID|E-MAIL", help="Who tried.")
@click.option("--responsible", metavar="ID|E-MAIL", help="Whose task it was then.")
@click.option("--number", metavar="N", help="Of the customer with this number.")
@place_options
@click.option("--outcome", type=click.Choice(_OUTCOMES), help="How they ended: talked, failed, or how they failed.")
@click.option("--memory", is_flag=True, help="From the memory in SQL, which goes back further than the event stream.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="So many at most.")
@output_options
@click.pass_obj
def list_command(
    obj: Any, since: datetime, until: datetime | None, agent: str | None, responsible: str | None, number: str | None,
    campaign: str | None, stage: str | None, line: str | None, outcome: str | None, memory: bool, limit: int,
    as_csv: bool, as_json: bool,
) -> None:
    """The journal of attempts, oldest first: who tried whom for whom, and how it ended.

    It goes back as far as the event stream does, with --memory as far as the memory in SQL, which is behind by as much
    as `fsapp recorder` is. Exit status 0 though there are none.
    """
    rules, client = open_tasks(obj)
    known_place(rules, campaign, stage, line)
    wanted = AttemptFilter(
        since, until, _agent(rules, agent), _agent(rules, responsible), key_of(number, rules) if number else None,
        campaign, stage, line, outcome)
    if memory:
        rows, more = _remembered(obj, rules, wanted, limit)
    else:
        found = _found(client, rules, wanted)
        rows = list(islice(found, limit))
        more = sum(1 for _ in found)
    noted(obj, "attempts", number=wanted.number)
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


def _remembered(obj: Any, rules: Rules, wanted: AttemptFilter, limit: int) -> tuple[list[dict[str, Any]], int]:
    from fsapp.records.attempts import find_attempts

    found, more = open_memory(obj).read(lambda connection: find_attempts(connection, wanted, limit))
    return [attempt_row(event, rules) for event in found], more


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
