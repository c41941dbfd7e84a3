"""What commands about tasks and attempts have in common: places, agents, groups by name; making a task. No command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import click

from fsapp.cli.agent_status import find_agent
from fsapp.core import task_life
from fsapp.core.clean import clean_name, clean_number, clean_text
from fsapp.core.dialling import Refusal, refusal
from fsapp.core.numbers import normalise
from fsapp.core.rules import Line, Rules, Stage
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_making import new_task
from fsapp.core.task_rows import MAX_NOTE
from fsapp.errors import FsappError, RulesError

__all__ = [
    "call_again", "change", "find_group", "find_place", "find_task", "key_of", "known_place", "place_options", "put",
    "refuse_times", "who_is_responsible",
]

MAX_DAYS = 366
_REFUSED = {
    Refusal.ANONYMOUS: "is no number: there is nobody to call",
    Refusal.NONSENSE: "is no telephone number that can be called: write it with + and country",
    Refusal.PREMIUM: "is a premium number: it is never dialled",
    Refusal.OURS: "is one of the centre's own numbers",
    Refusal.FOREIGN: "is of a country that the centre does not call (`regions` of [dial] in the rules)",
    Refusal.DO_NOT_CALL: "is on a list of numbers that are not called (`do_not_call` of [dial] in the rules)",
}


def place_options(command: Any) -> Any:
    """`--campaign`, `--stage` and `--line`."""
    for option in (
        click.option("--line", metavar="LINE", help="Of this service line."),
        click.option("--stage", metavar="STAGE", help="Of this stage of the campaign."),
        click.option("--campaign", metavar="CAMPAIGN", help="Of this campaign."),
    ):
        command = option(command)
    return command


def known_place(rules: Rules, campaign: str | None, stage: str | None, line: str | None) -> None:
    """Refuse what could never be found. UsageError, RulesError."""
    if (campaign or stage) and line:
        raise click.UsageError("--line does not go with --campaign and --stage")
    if stage and not campaign:
        raise click.UsageError("--stage needs --campaign")
    if campaign and all(campaign != one.campaign for one in rules.stages.values()):
        there = ", ".join(sorted({one.campaign for one in rules.stages.values()}))
        raise RulesError(f"there is no campaign {campaign}: there are {there or 'none'}")
    if stage or line:
        find_place(rules, campaign, stage, line)


def find_place(rules: Rules, campaign: str | None, stage: str | None, line: str | None) -> Stage | Line:
    """The stage or line that options name; UsageError where they name none, RulesError where there is no such one."""
    if bool(campaign) != bool(stage):
        raise click.UsageError("--campaign and --stage belong together")
    if bool(line) == bool(stage):
        raise click.UsageError("name the place: --campaign and --stage, or --line")
    found = rules.lines.get(line) if line else rules.stages.get(f"{campaign}/{stage}")
    if found is None:
        wanted, there = ("line " + str(line), rules.lines) if line else (f"stage {campaign}/{stage}", rules.stages)
        raise RulesError(f"there is no {wanted}: there are {', '.join(sorted(there)) or 'none'}")
    return found


def find_group(rules: Rules, name: str) -> str:
    if name not in rules.groups:
        raise RulesError(f"there is no group {name}: there are {', '.join(sorted(rules.groups)) or 'none'}")
    return name


def find_task(client: Any, id_: str) -> Task:
    """The task with this id; FsappError if there is none."""
    from fsapp.state.tasks import Tasks

    found = Tasks(client).get(id_)
    if found is None:
        raise FsappError(f"there is no task {id_}: see `fsapp tasks list --state all`")
    return found


def find_agents_task(client: Any, id_: str) -> Task:
    """As `find_task`, and FsappError for a survey: no agent has a part in it."""
    found = find_task(client, id_)
    if found.flow:
        raise FsappError(f"task {found.id} is a survey: flow {found.flow} asks the customer, and no agent; it can be "
                         "cancelled (`fsapp tasks cancel`)")
    return found


def who_is_responsible(rules: Rules, agent: str | None, group: str | None) -> tuple[str | None, str | None]:
    """Agent and group as the rules know them. FsappError for unknown ones."""
    return find_agent(rules, agent).id if agent else None, find_group(rules, group) if group else None


def key_of(number: str, rules: Rules) -> str:
    """A number in any spelling as customers are known by it; FsappError for what nobody could be."""
    key = normalise(clean_number(number), rules.region).key
    if key is None:
        raise FsappError(f"{number!r} is no telephone number that can be called: write it with + and country")
    return key


def refuse_times(due_at: datetime, now: datetime) -> None:
    """A call at a time that is over, or so far off that nobody remembers it. FsappError."""
    if due_at < now - timedelta(minutes=1):
        raise FsappError(f"{due_at:%Y-%m-%d %H:%M} UTC is over: write a time to come, or 2h for in two hours")
    if due_at > now + timedelta(days=MAX_DAYS):
        raise FsappError(f"{due_at:%Y-%m-%d} is more than {MAX_DAYS} days from now")


def call_again(
    number: str, place: Stage | Line, rules: Rules, client: Any, due_at: datetime, *, agent: str | None,
    group: str | None, made_by: str, name: str = "", note: str = "", because_of: str | None = None,
) -> Task:
    """The task that somebody wants: call this number again. FsappError for a number that is not dialled.

    `because_of`: what it is made after; told twice, it is the same task.
    """
    from fsapp.state.contacts import Contacts

    now = datetime.now(UTC)
    refuse_times(due_at, now)
    found = normalise(clean_number(number), rules.region)
    why = refusal(found, rules.dialling, rules.numbers, rules.lists)
    if why is not None:
        raise FsappError(f"{number!r} {_REFUSED[why]}")
    assert found.e164 is not None
    contact = Contacts(client).get(found.e164).get(place.id)
    id_ = sha256(because_of.encode()).hexdigest()[:12] if because_of else uuid4().hex[:12]
    return new_task(
        id_, TaskKind.AGAIN, found.e164, place, rules, now, max(due_at, now), agent=agent, group=group,
        contact=f"{place.id}/{found.e164}" if contact else None, made_by=clean_name(made_by),
        name=clean_name(name) or (contact.name if contact else ""), note=clean_text(note, MAX_NOTE),
    )


def put(client: Any, new: Task) -> Task:
    """Make the task, and tell of it; the one there is already where there is one."""
    return change(client, new.number, lambda known: task_life.made(known, new)).task or new


def change(client: Any, number: str, how: Any) -> task_life.Changed:
    """Change a customer's tasks, and tell of it."""
    from fsapp.state.tasks import Tasks

    return Tasks(client, {}).change(number, how)
