"""`fsapp tasks`: calls to customers that are to be made: listed, made, taken back, given to others. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click

from fsapp.cli.author import author
from fsapp.cli.looking import noted
from fsapp.cli.tables import output_options, print_csv, print_json, print_table
from fsapp.cli.task_reading import (
    call_again,
    change,
    find_agents_task,
    find_place,
    find_task,
    key_of,
    known_place,
    place_options,
    put,
    who_is_responsible,
)
from fsapp.cli.times import AHEAD, utc_text
from fsapp.core import task_life
from fsapp.core.clean import clean_text
from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind, TaskState
from fsapp.core.task_rows import MAX_NOTE, TASK_COLUMNS, Doing, TaskFilter, task_row
from fsapp.errors import FsappError, RulesError

__all__ = ["open_tasks", "tasks"]

_STATES = ("open", *(word.value for word in Doing), *(state.value for state in TaskState if state != "open"), "all")
_HEADINGS = {
    "task": "id", "kind": "kind", "state": "shown", "number": "number", "name": "name", "place": "place",
    "responsible": "responsible", "due (UTC)": "due", "tries": "tries", "last": "last_outcome", "why": "why",
    "note": "note",
}
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_task = click.argument("task", metavar="TASK")


@click.group()
def tasks() -> None:
    """Calls to customers that are to be made: list them, make one, take one back, give one to somebody else."""


@tasks.command("list")
@click.option("--agent", metavar="ID|E-MAIL", help="Those of this agent.")
@click.option("--group", metavar="GROUP", help="Those of this group.")
@click.option("--anyone", is_flag=True, help="Those of no agent or group alone.")
@click.option("--state", type=click.Choice(_STATES), default="open", show_default=True,
              help="Open ones are due, later or calling; the others are over.")
@click.option("--due-before", type=AHEAD, metavar="TIME", help="Due before: ISO 8601, or 2h for in two hours.")
@click.option("--due-after", type=AHEAD, metavar="TIME", help="Due then or later.")
@place_options
@click.option("--number", metavar="N", help="Of the customer with this number.")
@click.option("--kind", type=click.Choice([kind.value for kind in TaskKind]), help="Where they came from.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="So many at most.")
@output_options
@click.pass_obj
def list_command(
    obj: Any, agent: str | None, group: str | None, anyone: bool, state: str, due_before: datetime | None,
    due_after: datetime | None, campaign: str | None, stage: str | None, line: str | None, number: str | None,
    kind: str | None, limit: int, as_csv: bool, as_json: bool,
) -> None:
    """List tasks, the one that has been due for longest first; those that are over follow, the last ones first.

    Exit status 0 though there are none.
    """
    if anyone and (agent or group):
        raise click.UsageError("--anyone does not go with --agent or --group")
    from fsapp.state.tasks import Tasks

    rules, client = open_tasks(obj)
    known_place(rules, campaign, stage, line)
    known = Tasks(client)
    who, whose = _responsible(rules, known, agent, group)
    wanted = TaskFilter(
        None if state == "all" else state, who, whose, anyone, due_before, due_after, campaign, stage, line,
        TaskKind(kind) if kind else None)
    now = datetime.now(UTC)
    key = key_of(number, rules) if number else None
    found = known.of(key) if key else known.every(over=wanted.over)
    matching = (task for task in found if wanted.wants(task, rules, now))
    rows = [task_row(task, rules, now) for task in islice(matching, limit)]
    more = sum(1 for _ in matching)
    noted(obj, "tasks", number=key)
    if as_json:
        print_json({"tasks": rows, "more": more})
    elif as_csv:
        print_csv(TASK_COLUMNS, rows)
    elif rows:
        print_table(f"tasks: {len(rows)}", _HEADINGS, [_shown(row) for row in rows])
    else:
        click.echo("There are no such tasks.")
    if more and not as_json:
        click.echo(f"... and {more} more: --limit shows them", err=True)


@tasks.command()
@_task
@_json
@click.pass_obj
def show(obj: Any, task: str, as_json: bool) -> None:
    """Everything about one task, with each try: who was responsible then, who was reserved, how it ended."""
    rules, client = open_tasks(obj)
    found = find_task(client, task)
    noted(obj, "task", number=found.number, subject=found.id)
    row = task_row(found, rules, datetime.now(UTC))
    tries = [
        {"at": one.at.isoformat(timespec="seconds"), "outcome": one.outcome.value, "responsible": one.responsible,
         "agent": one.agent, "cause": clean_text(one.cause, MAX_NOTE), "talked_s": one.talked_s, "id": one.id}
        for one in found.tries
    ]
    if as_json:
        print_json({**row, "attempts": tries})
        return
    lines = [f"{name}: {_plain(value)}" for name, value in row.items() if value is not None]
    lines += [
        f"try at {_plain(one['at'])}: {one['outcome']}"
        + (f" ({one['cause']})" if one["cause"] else "")
        + f", responsible {one['responsible'] or 'anyone'}, agent {one['agent'] or 'none'}"
        + (f", talked {one['talked_s']:.0f} s" if one["talked_s"] else "")
        for one in tries
    ]
    click.echo("\n".join(lines))


@tasks.command()
@click.argument("number")
@click.option("--due", required=True, type=AHEAD, metavar="TIME", help="When: ISO 8601, or 2h for in two hours.")
@click.option("--agent", metavar="ID|E-MAIL", help="The responsible agent.")
@click.option("--group", metavar="GROUP", help="The responsible group; with --agent as well it follows the agent.")
@place_options
@click.option("--name", default="", metavar="TEXT", help="Of the customer; a contact's is known.")
@click.option("--note", default="", metavar="TEXT", help="What it is about.")
@_json
@click.pass_obj
def add(
    obj: Any, number: str, due: datetime, agent: str | None, group: str | None, campaign: str | None,
    stage: str | None, line: str | None, name: str, note: str, as_json: bool,
) -> None:
    """Have the customer with this NUMBER called again, for a stage or line; anyone of it may, where nobody is named.

    A number that the rules do not let anybody dial is refused.
    """
    rules, client = open_tasks(obj)
    place = find_place(rules, campaign, stage, line)
    who, whose = who_is_responsible(rules, agent, group)
    new = call_again(
        number, place, rules, client, due, agent=who, group=whose, made_by=author(), name=name, note=note)
    put(client, new)
    noted(obj, "task", number=new.number, subject=new.id)
    _say(new, rules, as_json, f"Task {new.id}: {new.number} is called for {new.place}")


@tasks.command()
@_task
@click.option("--why", default="", metavar="TEXT", help="The reason, for the journal.")
@_json
@click.pass_obj
def cancel(obj: Any, task: str, why: str, as_json: bool) -> None:
    """Take a task back: the customer is not called."""
    rules, client = open_tasks(obj)
    found = find_task(client, task)
    text = clean_text(why, MAX_NOTE) or f"taken back by {author()}"
    done = _changed(client, found, lambda known: task_life.cancelled(known, found.id, text, datetime.now(UTC)))
    noted(obj, "task", number=done.number, subject=done.id)
    _say(done, rules, as_json, f"Task {done.id} is cancelled: {done.number} is not called for {done.place}")


@tasks.command()
@_task
@click.option("--agent", metavar="ID|E-MAIL", help="To this agent.")
@click.option("--group", metavar="GROUP", help="To this group; with --agent as well it follows the agent.")
@click.option("--anyone", is_flag=True, help="To anyone of its stage or line.")
@_json
@click.pass_obj
def assign(obj: Any, task: str, agent: str | None, group: str | None, anyone: bool, as_json: bool) -> None:
    """Make somebody else responsible for a task that is open; a survey is nobody's."""
    if anyone == bool(agent or group):
        raise click.UsageError("say whose it is to be: --agent, --group, or --anyone")
    rules, client = open_tasks(obj)
    found = find_agents_task(client, task)
    who, whose = who_is_responsible(rules, agent, group)
    done = _changed(client, found, lambda known: task_life.assigned(known, found.id, who, whose, datetime.now(UTC)))
    noted(obj, "task", number=done.number, subject=done.id)
    _say(done, rules, as_json, f"Task {done.id} for {done.number}")


def open_tasks(obj: Any) -> tuple[Rules, Any]:
    """The rules in force and a client. RulesError where none are loaded."""
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.rules import RulesStore

    client = connect(obj.settings, PATIENT_S)
    click.get_current_context().call_on_close(client.close)
    version = RulesStore(client).current()
    if version is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`")
    return version.rules(), client


def _responsible(rules: Rules, known: Any, agent: str | None, group: str | None) -> tuple[str | None, str | None]:
    """Whose tasks to list: also those of agents and groups that the rules do not know any more."""
    for name, field in ((agent, "agent"), (group, "group")):
        if name and name not in (rules.agents if field == "agent" else rules.groups):
            if any(getattr(task, field) == name for task in known.every(over=True)):
                continue
            who_is_responsible(rules, agent if field == "agent" else None, group if field == "group" else None)
    by_email = {one.email.casefold(): one.id for one in rules.agents.values()}
    return by_email.get((agent or "").casefold(), agent), group


def _changed(client: Any, task: Task, how: Callable[[Any], task_life.Changed]) -> Task:
    """The task after a change of it. FsappError where it is over."""
    done = change(client, task.number, how)
    if done.task is None:
        found = find_task(client, task.id)
        raise FsappError(f"task {task.id} is over: {found.state}{f', {found.why}' if found.why else ''}")
    return done.task


def _say(task: Task, rules: Rules, as_json: bool, what: str) -> None:
    row = task_row(task, rules, datetime.now(UTC))
    if as_json:
        print_json(row)
        return
    when = f", due {utc_text(task.due_at)}, {_whose(row)}" if task.open else ""
    click.echo(f"{what}{when}.")


def _whose(row: Mapping[str, Any]) -> str:
    agent = f"{row['agent']} ({row['agent_name'] or 'not in the rules'})" if row["agent"] else ""
    whose = ", then ".join(part for part in (agent, f"group {row['group']}" if row["group"] else "") if part)
    return whose or (f"flow {row['flow']}" if row["flow"] else "anyone")


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the table has it."""
    place = f"{row['campaign']}/{row['stage']}" if row["stage"] else row["line"]
    return {**row, "shown": row["doing"] or row["state"], "place": place, "responsible": _whose(row),
            "due": row["due_at"].replace("T", " ")[:16], "tries": str(row["tries"]) if row["tries"] else None}


def _plain(value: Any) -> str:
    text = str(value)
    return text.replace("T", " ").replace("+00:00", " UTC") if text.endswith("+00:00") else text
