"""`fsapp up`: check that everything is there, then run the parts and keep them running. Decides no call itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from fsapp.core.rules import Rules
from fsapp.errors import FsappError
from fsapp.rules.dialplan import Wanted, check_dialplan
from fsapp.settings import Settings, split_address
from fsapp.state import connection
from fsapp.state.rules import RulesStore
from fsapp.telephony.link import Link

__all__ = ["up"]

MODULES = ("mod_event_socket", "mod_callcenter", "mod_dptools")
_RESTART_S = 2.0
_LOOK_S = 0.05


@click.command()
@click.option("--check", is_flag=True, help="Only check that everything needed is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was checked as one JSON object.")
@click.pass_obj
def up(obj: Any, check: bool, as_json: bool) -> None:
    """Run fsapp against a real FreeSWITCH: check Redis, rules, dialplan and switch, then run the parts.

    A part that dies is started again. SIGTERM and Ctrl-C end all of them; waiting callers are in the switch.
    """
    settings: Settings = obj.settings
    faults = preflight(settings)
    if as_json:
        click.echo(json.dumps({"ready": not faults, "faults": faults}, ensure_ascii=False))
    if faults:
        raise FsappError("not ready", faults)
    if not as_json:
        click.echo(f"ready: rules, Redis, dialplan and the switch at {settings.switch}")
    if not check:
        command = [sys.executable, "-m", "fsapp", *(("--config", obj.config) if obj.config else ()), "serve"]
        sys.exit(_supervise(command))


def preflight(settings: Settings) -> list[str]:
    """One line for each thing that is missing, with what to do; empty when all is there."""
    faults: list[str] = []
    rules = None
    try:
        rules = _loaded(settings)
        faults += check_dialplan(Path(settings.dialplan), Wanted(rules, settings.listen, settings.visit_s))
    except FsappError as error:
        faults += error.faults
    try:
        faults += _switch_faults(settings, rules)
    except FsappError as error:
        faults += error.faults
    return faults


def _loaded(settings: Settings) -> Rules:
    client = connection.connect(settings)
    connection.check(client)
    current = RulesStore(client).current()
    if current is None:
        raise FsappError(f"no rules are loaded: run `fsapp rules load {settings.rules}`")
    return current.rules()


def _switch_faults(settings: Settings, rules: Rules | None) -> list[str]:
    """What the switch lacks. SwitchUnavailable or SwitchRefused when it cannot be asked."""
    host, port = split_address(settings.switch)
    with Link(host, port, settings.switch_password) as link:
        missing = [module for module in MODULES if link.api(f"module_exists {module}").strip() != "true"]
        if missing:
            return [f"the switch at {settings.switch} has no {name}: load it in modules.conf.xml" for name in missing]
        # The first line names the columns, the last is the command's own +OK.
        table = link.api("callcenter_config queue list").splitlines()[1:]
        known = {row.partition("|")[0] for row in table}
        # A switch that gets its queues from the rules loads each when it is first needed.
        missing = [
            name for name in (rules.queues if rules else ())
            if name not in known and "+OK" not in link.api(f"callcenter_config queue load {name}")
        ]
    return [
        f"the switch at {settings.switch} has no queue {name}: have it load mod_python3 with python.conf.xml, or put "
        "what `fsapp switch config` prints into its callcenter.conf.xml and `reloadxml`"
        for name in missing
    ]


def _supervise(command: list[str]) -> int:
    """Run `command` and start it again when it dies; its exit status.

    SIGTERM, Ctrl-C and the end of the terminal are handed on and end it, also while nothing is there to be ended.
    """
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def hand_on(_number: int, _frame: Any) -> None:
        nonlocal stopping
        stopping = True
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, hand_on)
    while True:
        # A group of its own: Ctrl-C reaches it once, from here.
        child = subprocess.Popen(command, env=os.environ, process_group=0)
        if stopping:
            child.send_signal(signal.SIGTERM)  # asked to stop before there was anybody to hand it on to
        status = child.wait()
        if stopping:
            return max(status, 0)  # ended by the signal itself, while it was starting: that is what was asked for
        if status in (0, 1, 2):
            return status
        click.echo(f"fsapp: serve died with status {status}, starting it again", err=True)
        again_at = time.monotonic() + _RESTART_S
        while time.monotonic() < again_at:
            if stopping:
                return 0
            time.sleep(_LOOK_S)
