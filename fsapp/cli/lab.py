"""`fsapp lab`: run a scenario's callers against a running `fsapp serve`. Prints; the lab does the work."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import click
import gevent
from gevent.event import Event
from rich.console import Console

from fsapp.cli.demo import demo
from fsapp.core.rules import Rules
from fsapp.errors import RulesError, ScenarioError
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.run import build_switch, run_scenario
from fsapp.lab.scenario import load as load_scenario
from fsapp.lab.screen import Lines, summary_table
from fsapp.log import configure
from fsapp.rules import load_folder as load_rules
from fsapp.settings import Settings, split_address
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore

__all__ = ["lab"]


@click.group()
def lab() -> None:
    """Run scenarios on a switch in Python."""


lab.add_command(demo)


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
    console = Console(highlight=False)
    told = {} if rules_folder else {"redis_url": settings.redis_url, "snapshot": settings.snapshot}
    switch = build_switch(rules, wanted, plan, **told)
    sockets = []
    if event_socket is not None:
        if not settings.switch_password:
            raise click.UsageError("--event-socket needs the setting switch_password")
        sockets.append(EventSocket(switch, split_address(event_socket), settings.switch_password))
    stop = Event()
    interrupt = gevent.signal_handler(signal.SIGINT, stop.set)
    switch.start()
    try:
        summary = run_scenario(switch, wanted, stop, None if as_json else Lines(console, hide=settings.mask_numbers))
    finally:
        interrupt.cancel()
        switch.stop()
        for served in sockets:
            served.stop()
    if as_json:
        click.echo(json.dumps(summary.as_json(), indent=2))
    else:
        console.print(summary_table(summary))
    if not summary.well:
        raise ScenarioError("the scenario did not go well", summary.faults())


def _rules(settings: Settings, folder: str | None) -> Rules:
    if folder is not None:
        return Rules.from_document(load_rules(folder))
    current = RulesStore(connect(settings)).current()
    if current is None:
        raise RulesError("no rules are loaded: load them with `fsapp rules load FOLDER`, or give --rules FOLDER")
    return current.rules()
