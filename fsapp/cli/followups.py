"""`fsapp followups`: does what follows from interactions; shows what waits or failed, tries again. Decides nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import click

from fsapp.cli.looking import noted
from fsapp.cli.memory import open_memory
from fsapp.cli.process import process_settings, run_process
from fsapp.cli.tables import output_options, print_csv, print_json, print_table
from fsapp.cli.tasks import open_tasks
from fsapp.cli.tickets import moment
from fsapp.core.clean import clean_text
from fsapp.core.rules import Rules
from fsapp.errors import FsappError

__all__ = ["followups"]

STATES = ("waiting", "done", "failed", "dropped")
KINDS = ("ticket", "tags", "task", "webhook", "email", "survey", "look")
COLUMNS = ("id", "made_at", "kind", "target", "rule", "state", "tries", "next_at", "ended_at", "error", "interaction")
_HEADINGS = {
    "made (UTC)": "made_at", "kind": "kind", "target": "target", "rule": "rule", "state": "state", "tries": "tries",
    "next": "next_at", "error": "error", "id": "id",
}
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def followups() -> None:
    """What the rules have follow from an interaction: tickets, tags, tasks, webhooks, e-mails, survey calls."""


@followups.command()
@click.option("--http", metavar="HOST:PORT",
              help="Where /metrics and /healthz are (FSAPP_FOLLOWUPS_HTTP, else 127.0.0.1:8046).")
@click.option("--json", "log_json", is_flag=True, help="Log one JSON object a line.")
@click.pass_obj
def run(obj: Any, http: str | None, log_json: bool) -> None:
    """Look at each interaction that is over, and do what follows by the rules, until told to stop.

    It waits for a database, Redis or rules that are away; killed at any point it goes on where it was.
    """
    settings = process_settings(obj.settings, log_json, followups_http=("--http", http))
    from fsapp.app.followups import FollowupsProcess

    run_process(FollowupsProcess(settings))


@followups.command("list")
@click.option("--state", type=click.Choice([*STATES, "all"]), default="all", show_default=True, help="Of this state.")
@click.option("--kind", type=click.Choice(KINDS), help="Of this kind; look: interactions that could not be looked at.")
@click.option("--target", metavar="NAME", help="Of this webhook, e-mail or flow.")
@click.option("--rule", metavar="NAME", help="By this rule.")
@click.option("--interaction", metavar="ID", help="From this interaction.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="So many at most.")
@output_options
@click.pass_obj
def list_command(
    obj: Any, state: str, kind: str | None, target: str | None, rule: str | None, interaction: str | None, limit: int,
    as_csv: bool, as_json: bool,
) -> None:
    """List what followed or is to follow, newest first. Exit status 0 though there is nothing."""
    from fsapp.records import outbox

    wanted = outbox.OutboxFilter(None if state == "all" else state, kind, target, rule, interaction)
    found = open_memory(obj).read(lambda connection: outbox.find(connection, wanted, limit + 1))
    rows = [_row(one) for one in found[:limit]]
    if as_json:
        print_json({"followups": rows, "more": len(found) > limit})
        return
    if as_csv:
        print_csv(COLUMNS, rows)
    elif rows:
        print_table(f"follow-ups: {len(rows)}", _HEADINGS, rows)
    else:
        click.echo("There are none.")
    if len(found) > limit:
        click.echo("... and more: --limit shows them", err=True)


@followups.command()
@click.argument("followup", metavar="ID")
@_json
@click.pass_obj
def show(obj: Any, followup: str, as_json: bool) -> None:
    """Everything about one, with what is sent."""
    from fsapp.records import outbox

    found = open_memory(obj).read(lambda connection: outbox.get(connection, followup))
    if found is None:
        raise FsappError(f"there is no follow-up {followup[:80]!r}: see `fsapp followups list`")
    noted(obj, "followup", subject=found["interaction_id"])
    row = {**_row(found), "payload": found["payload"]}
    if as_json:
        print_json(row)
        return
    lines = [f"{name}: {clean_text(str(value), 4000)}" for name, value in row.items() if value not in (None, "")]
    click.echo("\n".join(lines))


def _some(command: Any) -> Any:
    for option in (
        _json,
        click.option("--target", metavar="NAME", help="All failed ones of this webhook, e-mail or flow."),
        click.option("--failed", is_flag=True, help="All that have failed."),
        click.argument("ids", nargs=-1, metavar="[ID]..."),
    ):
        command = option(command)
    return command


@followups.command()
@_some
@click.pass_obj
def retry(obj: Any, ids: Sequence[str], failed: bool, target: str | None, as_json: bool) -> None:
    """Try some again now, as if for the first time: by ID, all that failed, or all that failed of one target."""
    _change(obj, "retry", ids, failed, target, as_json, "tried again")


@followups.command()
@_some
@click.pass_obj
def drop(obj: Any, ids: Sequence[str], failed: bool, target: str | None, as_json: bool) -> None:
    """Never do some which wait or have failed: by ID, all that failed, or all that failed of one target."""
    _change(obj, "drop", ids, failed, target, as_json, "dropped")


@followups.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(["webhook", "email"]), help="Where a webhook and an e-mail share the name.")
@click.option("--to", metavar="ADDRESS", help="Send the letter there instead of where the rules say.")
@_json
@click.pass_obj
def test(obj: Any, name: str, kind: str | None, to: str | None, as_json: bool) -> None:
    """Send a webhook or e-mail of the rules in force now, about an interaction that never was; say how it went.

    Exit status 1 when it was not taken. A secret is read from this command's own environment.
    """
    from fsapp.core.retrying import Delivered

    rules, _client = open_tasks(obj)
    said, kind = kind, kind or ("webhook" if name in rules.follow.webhooks else "email")
    known = rules.follow.webhooks if kind == "webhook" else rules.follow.emails
    if name not in known:
        there = ", ".join(sorted({*rules.follow.webhooks, *rules.follow.emails})) or "none"
        what = kind if said else "webhook or email"
        raise FsappError(f"the rules in force have no {what} {name[:80]!r}: there are {there}")
    id_ = f"test-{uuid4().hex}"
    outcome = _test_webhook(rules, name, id_) if kind == "webhook" else _test_email(obj, rules, name, id_, to)
    taken = isinstance(outcome, Delivered)
    said = outcome.what if isinstance(outcome, Delivered) else outcome.why
    if as_json:
        print_json({"kind": kind, "name": name, "taken": taken, "said": said})
    elif taken:
        click.echo(f"{kind} {name}: taken ({said})")
    if not taken:
        raise FsappError(f"{kind} {name}: {said}")


def _example(rules: Rules, id_: str) -> Any:
    from fsapp.core.follow_up import Finished

    now = time.time()
    agent = next(iter(rules.agents), None)
    line = next(iter(rules.lines), None)
    return Finished(
        f"{id_}-call", direction="inbound", number="+381600000000", name="Test", called=next(iter(rules.numbers), None),
        call_class="service", line=line, outcome="answered", agent=agent, waited_s=5.0, talked_s=60.0,
        started_at=now - 65, ended_at=now, note="This is a test.")


def _test_webhook(rules: Rules, name: str, id_: str) -> Any:
    from fsapp.core.after_rules import After
    from fsapp.core.follow_up import Action, Kind
    from fsapp.core.following import document
    from fsapp.followups.sending import post
    from fsapp.followups.webhook import Poster

    payload = document(_example(rules, id_), Action(id_, Kind.WEBHOOK, After("test"), name), rules, time.time())
    payload["event"] = "test"
    return post(Poster(), rules.follow.webhooks[name], payload, id_, 1, os.environ)


def _test_email(obj: Any, rules: Rules, name: str, id_: str, to: str | None) -> Any:
    from dataclasses import replace

    from fsapp.core.following import Unfit, letter
    from fsapp.followups.mail import Mailer

    form = rules.follow.emails[name]
    made = letter(_example(rules, id_), replace(form, to=(to,)) if to else form, rules, "UTC")
    if isinstance(made, Unfit):
        raise FsappError(f"email {name}: {made}: name an address with --to")
    made["subject"] = f"[test] {made['subject']}"
    return Mailer(obj.settings.smtp_url, obj.settings.mail_from)(made, id_=id_, now=time.time())


def _change(
    obj: Any, what: str, ids: Sequence[str], failed: bool, target: str | None, as_json: bool, done: str,
) -> None:
    from fsapp.records import outbox

    if not (ids or failed or target) or (ids and (failed or target)):
        raise click.UsageError("say which: IDs, or --failed, or --target NAME")
    now = time.time()

    def work(connection: Any) -> tuple[list[str], list[str]]:
        wanted = list(ids)
        if not wanted:
            rows = outbox.find(connection, outbox.OutboxFilter("failed", target=target), 100_000)
            wanted = [row["id"] for row in rows]
        changed = getattr(outbox, what)(connection, wanted, now)
        missing = [id_ for id_ in ids if id_ not in changed]
        if missing:
            raise FsappError(f"nothing is changed: {missing[0][:80]!r} neither waits nor has failed: "
                             "see `fsapp followups list`")
        return wanted, changed

    _wanted, changed = open_memory(obj).write(work)
    print_json({"ids": changed}) if as_json else click.echo(f"{len(changed)} {done}")


def _row(found: Any) -> dict[str, Any]:
    row = {**found, "interaction": found["interaction_id"]}
    return {name: moment(row[name]) if name.endswith("_at") else row[name] for name in COLUMNS}
