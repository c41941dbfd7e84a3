"""`fsapp switch sync`: hold the switch against the rules now and mend what differs. core.sync judges, nothing here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import click

from fsapp import log
from fsapp.core.mending import Difference
from fsapp.core.rules import Rules
from fsapp.core.sync import knows
from fsapp.errors import RulesError, SettingsError
from fsapp.settings import Settings, split_address

__all__ = ["Report", "look_until_certain", "sync"]

_MOST_LOOKS = 3
_STILL = "it is as it was after it was mended"


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what differs; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def sync(obj: Any, dry_run: bool, as_json: bool) -> None:
    """Compare the switch's queues, agents and tiers with the rules and the agents' remembered status, and mend them.

    `fsapp link` does the same by itself, every so often and after every load of rules. Queues, agents and tiers that
    are not of these rules are left alone. Exit status 1 when something could not be mended.
    """
    from fsapp.state.agents import AgentMemory
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.rules import RulesStore
    from fsapp.state.stream import add, encode
    from fsapp.telephony.callcenter import read_seen
    from fsapp.telephony.identity import refuse_another
    from fsapp.telephony.link import Link
    from fsapp.telephony.reconcile import Reconciler

    settings: Settings = obj.settings
    log.configure("error", json=settings.log_json, mask_numbers=settings.mask_numbers)
    client = connect(settings, PATIENT_S)
    rules = _rules(RulesStore(client), settings)
    memory = AgentMemory(client, settings.switch_name)
    memory.read()  # what stands in the way is said before anything changes
    if not settings.switch_password:
        raise SettingsError("the switch's password is not set: set FSAPP_SWITCH_PASSWORD")
    with Link(*split_address(settings.switch), settings.switch_password) as link:
        refuse_another(link, settings.switch_name, settings.switch)
        reconciler = Reconciler(
            settings.switch_name, lambda: rules, memory,
            lambda event: add(client, [encode(event)]), mends=not dry_run,
        )
        report = look_until_certain(lambda: reconciler.look(link, read_seen(link)), mends=not dry_run)
    if as_json:
        click.echo(json.dumps(
            {"switch": settings.switch_name, "version": rules.version, "differences": report.as_json()},
            ensure_ascii=False,
        ))
    else:
        click.echo("\n".join(report.lines() or [f"The switch is as version {rules.version} of the rules wants it."]))
    if report.failed:
        raise click.exceptions.Exit(1)


def _rules(store: Any, settings: Settings) -> Rules:
    version = store.current()
    if version is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`")
    rules = version.rules()
    if not knows(rules, settings.switch_name):
        names = rules.switches or dict.fromkeys(queue.home for queue in rules.queues.values())
        raise RulesError(f"the rules know no switch {settings.switch_name}: set FSAPP_SWITCH_NAME to "
                         f"{' or '.join(names)}")
    return rules


class Report:
    """What became of each difference over some looks."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], tuple[Difference, str, str]] = {}

    @property
    def failed(self) -> bool:
        return any(what == "failed" for _, what, _ in self._found.values())

    def add(self, look: Any, *, mends: bool) -> None:
        """Take in one look, after those before it."""
        before = {key: what for key, (_, what, _) in self._found.items()}
        for one in look.differences:
            what, fault = _what(one, mends), ""
            if mends and what == "found" and before.get(one.key) == "mended":
                what, fault = "failed", _STILL
            if not (before.get(one.key) == "failed" and what == "found"):
                self._found[one.key] = (one, what, fault)
        there = {one.key for one in look.differences}
        for key, what in before.items():
            # Passing after all.
            if what == "doubtful" and key not in there:
                del self._found[key]
        for outcome in look.outcomes:
            what = "failed" if outcome.fault else "mended"
            self._found[outcome.difference.key] = (outcome.difference, what, outcome.fault)

    def lines(self) -> list[str]:
        ends = {
            "mended": "mended", "found": "not mended", "doubtful": "may be passing, look again", "left": "",
            "failed": "could not be mended",
        }
        return [
            ": ".join(part for part in (one.text, ends[what], fault or one.todo) if part)
            for one, what, fault in self._found.values()
        ]

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {"kind": str(one.kind), "subject": one.subject, "text": one.text, "outcome": what,
             "todo": one.todo or None, "fault": fault or None}
            for one, what, fault in self._found.values()
        ]


def _what(one: Difference, mends: bool) -> str:
    if not one.certain:
        return "doubtful"
    return "found" if one.steps else "left"


def look_until_certain(
    look: Callable[[], Any], *, mends: bool, sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """One look; after a change, and where something may be passing, a few more. Without mending one is enough."""
    report = Report()
    for _ in range(_MOST_LOOKS if mends else 1):
        found = look()
        report.add(found, mends=mends)
        if mends and any(not one.certain for one in found.differences):
            sleep(found.again_s)
        elif not found.changed:
            break
    return report
