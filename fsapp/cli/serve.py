"""`fsapp serve` awaits the switch's calls, `fsapp up` runs all parts for daily use. What is built is in fsapp.app."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
from typing import Any

import click

from fsapp import log
from fsapp.errors import FsappError
from fsapp.settings import Settings, split_address

__all__ = ["serve", "up"]


@click.command()
@click.option("--listen", metavar="HOST:PORT", help="Where the switch connects to (FSAPP_LISTEN, else 127.0.0.1:8040).")
@click.option("--http", metavar="HOST:PORT", help="Where /metrics and /healthz are (FSAPP_HTTP, else 127.0.0.1:8042).")
@click.option("--json", "log_json", is_flag=True, help="Log one JSON object a line.")
@click.pass_obj
def serve(obj: Any, listen: str | None, http: str | None, log_json: bool) -> None:
    """Answer the switch's outbound sockets: decide every call and hand it to its queue.

    SIGTERM and Ctrl-C let running visits finish; waiting callers are in the switch and notice nothing.
    """
    settings = _settings(obj.settings, listen, http, log_json)
    from gevent import signal_handler

    from fsapp.app import Serve

    process = Serve(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal_handler(number, process.stop_soon)
    process.start()
    _settle_memory()
    process.run()


def _settle_memory() -> None:
    """Keep the garbage collector off what start-up built: walking it all cost calls tens of milliseconds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _settings(settings: Settings, listen: str | None, http: str | None, log_json: bool) -> Settings:
    changes: dict[str, Any] = {"log_json": settings.log_json or log_json}
    for name, value in (("listen", listen), ("http", http)):
        if value is not None:
            try:
                split_address(value)
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint=f"--{name}") from None
            changes[name] = value
    settings = settings.model_copy(update=changes)
    log.configure(settings.log_level, json=settings.log_json, mask_numbers=settings.mask_numbers)
    return settings


@click.command()
@click.option("--check", is_flag=True, help="Only check that everything needed is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was checked as one JSON object.")
@click.pass_obj
def up(obj: Any, check: bool, as_json: bool) -> None:
    """Run fsapp against a real FreeSWITCH: check Redis, rules, dialplan and switch, then run the parts."""
    import json

    settings = obj.settings
    faults = _preflight(settings)
    if as_json:
        click.echo(json.dumps({"ready": not faults, "faults": faults}))
    if faults:
        raise FsappError("not ready", faults)
    if not as_json:
        click.echo(f"ready: rules, Redis, dialplan and the switch at {settings.switch}", err=True)
    if not check:
        sys.exit(_supervise([sys.executable, "-m", "fsapp", "serve"]))


def _preflight(settings: Settings) -> list[str]:
    """One line for each thing that is missing, with what to do; empty when all is there."""
    faults: list[str] = []
    for probe in (_probe_state, _probe_dialplan, _probe_switch):
        try:
            probe(settings)
        except FsappError as error:
            faults.extend(error.faults)
    return faults


def _probe_state(settings: Settings) -> None:
    from fsapp.state import connection
    from fsapp.state.rules import RulesStore

    client = connection.connect(settings)
    connection.check(client)
    if RulesStore(client).current() is None:
        raise FsappError(f"no rules are loaded: run `fsapp rules load {settings.rules}`")


def _probe_dialplan(settings: Settings) -> None:
    from fsapp.cli.dialplan import faults_of

    found = faults_of(settings)
    if found:
        raise FsappError("the dialplan does not fit", found)


def _probe_switch(settings: Settings) -> None:
    from fsapp.telephony.link import Link

    host, port = split_address(settings.switch)
    link = Link(host, port, settings.switch_password)
    link.connect()
    try:
        for module in ("mod_callcenter", "mod_event_socket", "mod_dptools"):
            if link.api(f"module_exists {module}").strip() != "true":
                raise FsappError(f"the switch at {settings.switch} has no {module}: add it to modules.conf.xml")
    finally:
        link.close()


_RESTART_S = 2.0


def _supervise(command: list[str]) -> int:
    """Run `command` and start it again when it dies; SIGTERM and Ctrl-C are handed on and end it."""
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def hand_on(number: int, _frame: Any) -> None:
        nonlocal stopping
        stopping = True
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, hand_on)
    signal.signal(signal.SIGINT, hand_on)
    while True:
        child = subprocess.Popen(command)
        status = child.wait()
        if stopping or status in (0, 1, 2):
            return status
        click.echo(f"fsapp: serve died with status {status}, starting it again", err=True)
        time.sleep(_RESTART_S)
