"""`fsapp lab demo`: everything at once for somebody new. Starts the real parts as an operator would."""

from __future__ import annotations

import json
import os
import random
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import gevent
from gevent.event import Event
from rich.console import Console

from fsapp.core.rules import Rules
from fsapp.demo.calls import play
from fsapp.demo.freeswitch import CONTEXT, boot, find_freeswitch
from fsapp.demo.processes import command, part, redis_server, short_place
from fsapp.errors import FsappError, ScenarioError
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.run import build_switch, run_scenario
from fsapp.lab.scenario import Scenario
from fsapp.lab.scenario import load as load_scenario
from fsapp.lab.screen import Lines, Screen, summary_table
from fsapp.lab.switch import Switch
from fsapp.log import configure
from fsapp.rules import load_folder as load_rules
from fsapp.settings import Settings
from fsapp.spawn import spawn
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore

__all__ = ["demo"]

SCENARIO = Path("conf/lab/demo.toml")
SWITCH_SCENARIO = Path("conf/lab/demo-switch.toml")
CONTACTS = Path("conf/lab/demo-contacts.csv")
STAGE = ("renewals", "first-call")
_ENDLESS = 1_000_000
_REFRESH_S = 0.25
LAB, FREESWITCH = "lab", "freeswitch"


@click.command()
@click.option("--calls", type=click.IntRange(1, _ENDLESS), help="End after so many calls; else Ctrl-C ends it.")
@click.option("--speed", type=click.FloatRange(0.01, 200), help="Lab seconds a second, instead of the scenario's.")
@click.option("--switch", type=click.Choice([LAB, FREESWITCH]), default=LAB, show_default=True,
              help="The switch: this project's lab, or a FreeSWITCH in a folder of its own.")
@click.option("--freeswitch", "program", metavar="PATH",
              help="The FreeSWITCH to run (FSAPP_TEST_SWITCH, else the one on the PATH).")
@click.option("--json", "as_json", is_flag=True, help="Nothing but the summary, as JSON.")
@click.pass_obj
def demo(obj: Any, calls: int | None, speed: float | None, switch: str, program: str | None, as_json: bool) -> None:
    """Start Redis, fsapp and a switch with the example centre, and show the calls live.

    The switch is the lab's, or with `--switch freeswitch` a real one, with callers and phones of its own endpoints.
    Exit status 1 when a call was lost or callers were offered out of order.
    """
    settings = obj.settings
    real = switch == FREESWITCH or program is not None
    if real and speed is not None:
        raise click.UsageError("--speed is for the lab: a real switch knows only real time")
    if not SCENARIO.is_file():
        raise FsappError(f"{SCENARIO} is not here: run scripts/demo, or go to the project's folder first")
    found = find_freeswitch(program) if real else ""
    changes = {"calls": calls or _ENDLESS, "speed": speed}
    scenario = load_scenario(SWITCH_SCENARIO if real else SCENARIO).model_copy(
        update={k: v for k, v in changes.items() if v is not None})
    configure("error", mask_numbers=settings.mask_numbers)
    console = Console(highlight=False, stderr=as_json)
    stop = Event()
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            stack.callback(gevent.signal_handler(number, stop.set).cancel)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fsapp-demo-", dir=short_place()))
        environment = os.environ | {
            "FSAPP_REDIS_URL": stack.enter_context(redis_server(folder, stop)), "FSAPP_LISTEN": "127.0.0.1:0",
            "FSAPP_HTTP": "127.0.0.1:0", "FSAPP_SNAPSHOT": f"{folder}/rules.snapshot", "FSAPP_LOG_LEVEL": "info",
        }
        rules = _load_rules(environment, settings.rules, real)
        to_stage = ("--campaign", STAGE[0], "--stage", STAGE[1])
        command(environment, folder, stop, "contacts", "import", str(CONTACTS), *to_stage)
        served = stack.enter_context(part("serve", environment, folder, stop, ("serving", "rules_in_force")))
        environment["FSAPP_LISTEN"] = served["serving"]["listen"]
        show = _Show(rules, stop, console, as_json, "a real switch" if real else "the lab switch")
        if real:
            summary = _play_real(found, folder, rules, scenario, environment, stop, show)
        else:
            stack.enter_context(_scripts_told(environment))
            plan = load_dialplan(settings.dialplan, {"fsapp_socket": environment["FSAPP_LISTEN"]})
            told = {"redis_url": environment["FSAPP_REDIS_URL"], "snapshot": environment["FSAPP_SNAPSHOT"]}
            summary = _play(build_switch(rules, scenario, plan, **told), scenario, stop, show)
    if as_json:
        click.echo(json.dumps(summary.as_json() | ({"order_violations": None} if real else {}), indent=2))
    else:
        console.print(summary_table(summary, real=real))
    if not summary.well:
        raise ScenarioError("the demo did not go well", summary.faults())


class _Show:
    """How the calls are shown: a live table on a terminal, lines elsewhere, nothing beside JSON."""

    def __init__(self, rules: Rules, stop: Event, console: Console, as_json: bool, where: str) -> None:
        self._names = {agent.id: agent.name for agent in rules.agents.values()}
        self._stop = stop
        self._console = console
        self._as_json = as_json
        self._where = where

    @contextmanager
    def observer(self) -> Iterator[Any]:
        if self._as_json:
            yield None
        elif not self._console.is_terminal:
            yield Lines(self._console, hide=False)
        else:
            with Screen(self._console, self._names, f"calls on {self._where}") as screen:
                painter = spawn(self._paint, screen, name="demo-painter")
                try:
                    yield screen
                finally:
                    painter.kill()

    def _paint(self, screen: Screen) -> None:
        while not self._stop.wait(_REFRESH_S):
            screen.refresh()


def _load_rules(environment: Mapping[str, str], folder: str, real: bool) -> Rules:
    """Make the example centre the running rules; on a real switch its agents sit at the switch's own endpoints."""
    document = load_rules(folder)
    if real:
        document["centre"]["wrap_up_s"] = 2
        for id_, agent in document["agent"].items():
            agent["contact"] = f"loopback/{id_}/{CONTEXT}"
    client = connect(Settings(redis_url=environment["FSAPP_REDIS_URL"], redis_timeout_s=2))
    try:
        return RulesStore(client).load(document, note="", author="fsapp lab demo", source=folder).rules()
    finally:
        client.close()


@contextmanager
def _scripts_told(environment: Mapping[str, str]) -> Iterator[None]:
    """The lab's scripts run in this process and look into its environment first: they must find the demo's Redis."""
    names = ("FSAPP_REDIS_URL", "FSAPP_SNAPSHOT")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update((name, environment[name]) for name in names)
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ.update(before)


def _play(switch: Switch, scenario: Scenario, stop: Event, show: _Show) -> Any:
    """Run the scenario on a lab switch; the Summary."""
    switch.start()
    try:
        with show.observer() as observer:
            return run_scenario(switch, scenario, stop, observer)
    finally:
        switch.stop()


def _play_real(
    program: str, folder: str, rules: Rules, scenario: Scenario, environment: dict[str, str], stop: Event, show: _Show,
) -> Any:
    """The same on the FreeSWITCH at `program`, with the link that keeps it in step."""
    rng = random.Random(f"{scenario.seed} phones")
    phones = {agent: scenario.behaviour(agent).answer.draw(rng) for agent in rules.agents}
    with boot(program, folder, rules, phones, environment, stop) as switch:
        environment |= {"FSAPP_SWITCH": switch.address, "FSAPP_SWITCH_PASSWORD": switch.password,
                        "FSAPP_LINK_HTTP": "127.0.0.1:0"}
        with part("link", environment, folder, stop, ("link_up", "rules_in_force")), show.observer() as observer:
            switch.make_available(rules.agents)
            return play(switch, scenario, stop, observer)
