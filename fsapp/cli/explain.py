"""`fsapp explain`: what would become of a call that has not happened yet. Asks the same `decide` that serves calls."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click

from fsapp.cli.looking import noted
from fsapp.core.clean import clean_number
from fsapp.core.model import NO_FACTS, Call, Decision, Facts
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules

__all__ = ["Time", "explain"]


class Time(click.ParamType):
    """A time in ISO 8601, in local time where it says no zone; an aware UTC one."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time, write for example 2026-11-22T14:30 or 2026-11-22T14:30+01:00", param, ctx)


@click.command()
@click.option("--from", "caller", required=True, metavar="N", help="The caller's number in any spelling, or anonymous.")
@click.option("--to", "called", required=True, metavar="N", help="The number called.")
@click.option("--at", type=Time(), metavar="TIME", help="When, in ISO 8601; now if not given.")
@click.option("--rules", "folder", type=click.Path(), metavar="FOLDER",
              help="Use the rules of a folder instead of those loaded; nothing is asked of Redis.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def explain(obj, caller: str, called: str, at: datetime | None, folder: str | None, as_json: bool) -> None:
    """Say which class a call would get, whom it would wait for, with which score, and why.

    With --rules the caller is taken for somebody nobody knows yet.
    """
    rules, facts_of = _from_folder(folder) if folder else _from_state(obj.settings)
    from_number = normalise(clean_number(caller), rules.region)
    call = Call(from_number, normalise(clean_number(called), rules.region))
    decision = decide(call, facts_of(from_number.key), rules, at or datetime.now(UTC))
    if not folder and from_number.key is not None:
        noted(obj, "explain", number=from_number.key)
    if as_json:
        click.echo(json.dumps(decision.as_json(), ensure_ascii=False))
    else:
        click.echo("\n".join(sentences(call, decision, rules)))


def _from_folder(folder: str):
    from fsapp.rules import load_folder

    return Rules.from_document(load_folder(folder)), lambda _key: NO_FACTS


def _from_state(settings):
    from fsapp.errors import RulesError
    from fsapp.state.connection import connect
    from fsapp.state.rules import RulesStore
    from fsapp.state.store import Store

    client = connect(settings)
    version = RulesStore(client).current()
    if version is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`, or name a folder with --rules")
    rules, store = version.rules(), Store(client)
    store.switches = rules.switch_names

    def facts_of(key: str | None) -> Facts:
        return store.facts(key) if key else NO_FACTS

    return rules, facts_of


def sentences(call: Call, decision: Decision, rules: Rules) -> list[str]:
    """The decision in plain sentences, one a line."""
    caller = call.caller.e164 or f"{call.caller.raw or 'somebody'} ({call.caller.kind})"
    lines = [f"{caller} calls {call.called}."]
    if decision.call_class is None:
        lines.append(f"Nobody takes this call ({decision.reason}): the caller hears so and is let go.")
    else:
        place = f"{decision.campaign}/{decision.stage}" if decision.stage else f"line {decision.line}"
        lines.append(f"The call is a {decision.call_class} call for {place} ({decision.reason}).")
        if decision.contact:
            lines.append(f"It belongs to contact {decision.contact}.")
        lines.append(f"Its base score is {decision.base_score}; the highest score is answered first.")
        for place_no, target in enumerate(decision.targets, 1):
            agent = rules.agents.get(target.agent or "")
            whom = f" for {agent.name} ({agent.id})" if agent else ""
            wait = "until somebody answers" if target.wait_s is None else f"{target.wait_s} s at most"
            queue = rules.queues.get(target.queue)
            where = f" on switch {queue.home}" if queue and len(rules.switches) > 1 else ""
            lines.append(f"{place_no}. It waits in {target.queue}{where}{whom}, {wait}.")
    if decision.degraded:
        lines.append("Redis did not answer: contacts, rights and stickiness are unknown.")
    lines.append("Because:")
    lines += [f"  {step.rule}: {step.fact}: {step.outcome}." for step in decision.trace]
    return lines
