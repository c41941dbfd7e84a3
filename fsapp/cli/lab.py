"""`fsapp lab`: run a scenario's callers against a running `fsapp serve`. Prints; the lab does the work."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import click
import gevent
from gevent.event import Event

from fsapp.core.rules import Rules
from fsapp.errors import RulesError, ScenarioError
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.run import build_switch, run_scenario
from fsapp.lab.scenario import Scenario
from fsapp.lab.scenario import load as load_scenario
from fsapp.lab.summary import Summary
from fsapp.log import configure, mask
from fsapp.rules import load_folder as load_rules
from fsapp.settings import Settings, split_address
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore

__all__ = ["lab"]


@click.group()
def lab() -> None:
    """Run scenarios on a switch in Python."""


def _address(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            split_address(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return value


@lab.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--connect", "to", callback=_address, metavar="HOST:PORT",
              help="Where `fsapp serve` listens (the setting listen).")
@click.option("--speed", type=click.FloatRange(0.01, 1000), help="Lab seconds a second, instead of the scenario's.")
@click.option("--calls", type=click.IntRange(1, 1_000_000), help="How many calls, instead of the scenario's.")
@click.option("--dialplan", metavar="FOLDER", help="The dialplan XML to run (the setting dialplan).")
@click.option("--rules", "rules_folder", metavar="FOLDER",
              help="Queues and agents of these rules, instead of those loaded.")
@click.option("--event-socket", callback=_address, metavar="HOST:PORT",
              help="Serve the switch's event socket here, with the setting switch_password.")
@click.option("--json", "as_json", is_flag=True, help="Nothing but the summary, as JSON.")
@click.pass_obj
def run(
    obj: Any, scenario: Path, to: str | None, speed: float | None, calls: int | None, dialplan: str | None,
    rules_folder: str | None, event_socket: str | None, as_json: bool,
) -> None:
    """Let the callers of SCENARIO call, agents answer them, and say how it went.

    Ctrl-C ends it with the summary. Exit status 1 when a call was lost or callers were offered out of order.
    """
    settings: Settings = obj.settings
    wanted = load_scenario(scenario)
    changes = {"speed": speed, "calls": calls}
    wanted = wanted.model_copy(update={key: value for key, value in changes.items() if value is not None})
    plan = load_dialplan(dialplan or settings.dialplan, {"fsapp_socket": to or settings.listen})
    rules = _rules(settings, rules_folder)
    unknown = sorted(set(wanted.agent) - set(rules.agents))
    if unknown:
        raise ScenarioError(f"{scenario}: agent.{unknown[0]}: the rules have no such agent")
    configure("error" if as_json else settings.log_level, json=settings.log_json, mask_numbers=settings.mask_numbers)
    switch = build_switch(rules, wanted, plan)
    sockets = []
    if event_socket is not None:
        if not settings.switch_password:
            raise click.UsageError("--event-socket needs the setting switch_password")
        sockets.append(EventSocket(switch, split_address(event_socket), settings.switch_password))
    stop = Event()
    interrupt = gevent.signal_handler(signal.SIGINT, stop.set)
    switch.start()
    try:
        summary = run_scenario(switch, wanted, stop, None if as_json else _Lines(settings, wanted))
    finally:
        interrupt.cancel()
        switch.stop()
        for served in sockets:
            served.stop()
    click.echo(json.dumps(summary.as_json(), indent=2) if as_json else _table(summary))
    if not summary.well:
        raise ScenarioError("the scenario did not go well", summary.faults())


def _rules(settings: Settings, folder: str | None) -> Rules:
    if folder is not None:
        return Rules.from_document(load_rules(folder))
    current = RulesStore(connect(settings)).current()
    if current is None:
        raise RulesError("no rules are loaded: load them with `fsapp rules load FOLDER`, or give --rules FOLDER")
    return Rules.from_document(current.document, current.version)


class _Lines:
    """What happens, a line each."""

    def __init__(self, settings: Settings, scenario: Scenario) -> None:
        self._hide = settings.mask_numbers
        self._speed = scenario.speed
        self._start: float | None = None

    def __call__(self, event: dict[str, Any]) -> None:
        if self._start is None:
            self._start = event["at"]
        says = self._says(event)
        if says:
            caller = event["caller"] or "anonymous"
            caller = mask(caller) if self._hide else caller
            who = f"{_plain(caller):<16} -> {_plain(event['called']):<14}"
            click.echo(f"{event['at'] - self._start:8.1f} s  {who} {says}")

    @staticmethod
    def _says(event: dict[str, Any]) -> str:
        kind = event["event"]
        if kind == "queue_joined":
            return f"{event['call_class'] or 'no class'}: waits in {event['queue']}, score {event['base_score']}"
        if kind == "offered":
            return f"offered to {event['agent']}, {event['waiting']} more waiting there"
        if kind == "not_answered":
            return f"{event['agent']} did not answer: {event['cause']}"
        if kind == "answered":
            return f"talks to {event['agent']}"
        if kind == "ended":
            return f"{event['outcome']} after waiting {event['waited_s']:.0f} s ({event['cause']})"
        return ""


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:40]


def _table(summary: Summary) -> str:
    columns = ("calls", "answered", "abandoned", "refused", "cut", "lost", "wait_mean_s", "wait_p90_s")
    lines = [f"{'class':<14}" + "".join(f"{name.removesuffix('_s').replace('_', ' '):>11}" for name in columns)]
    for name, values in summary.as_json()["classes"].items():
        cells = ("-" if values[column] is None else str(values[column]) for column in columns)
        lines.append(f"{name:<14}" + "".join(f"{cell:>11}" for cell in cells))
    lines.append(
        f"{summary.started} calls in {summary.lab_seconds:.0f} s of lab time, {summary.offered} offers, "
        f"{summary.moved} moves; lost {len(summary.lost)}, out of order {len(summary.order_violations)}")
    return "\n".join(lines)
