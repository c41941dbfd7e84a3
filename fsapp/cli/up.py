"""`fsapp up`: check that everything is there, then run the parts. Keeping them running is `supervise`'s job."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from fsapp.cli.supervise import supervise
from fsapp.core.rules import Rules
from fsapp.doctor.judge_guards import switch_password_fault
from fsapp.errors import FsappError
from fsapp.records import versions
from fsapp.records.database import Database
from fsapp.rules.dialplan import Wanted, check_dialplan
from fsapp.settings import Settings, split_address
from fsapp.state import connection
from fsapp.state.rules import RulesStore
from fsapp.telephony.identity import refuse_another
from fsapp.telephony.link import Link

__all__ = ["up"]

PARTS = ("serve", "link", "recorder", "followups run", "web")
SPARED = ("fsapp recorder", "fsapp followups run", "fsapp web")  # calls do not wait for them: they go on without
MODULES = ("mod_event_socket", "mod_callcenter", "mod_dptools")


@click.command()
@click.option("--check", is_flag=True, help="Only check that everything needed is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was checked as one JSON object.")
@click.pass_obj
def up(obj: Any, check: bool, as_json: bool) -> None:
    """Run fsapp against a real FreeSWITCH: check Redis, rules, dialplan and switch, then run its parts.

    These are serve, link, recorder, followups and web; one that dies is started again. SIGTERM and Ctrl-C end all of
    them; waiting callers are in the switch. What does not fit in the dialplan or is wrong with the database is a fault
    for --check; it keeps nothing from starting, as calls are better off with fsapp.
    """
    settings: Settings = obj.settings
    faults, doubts = look(settings)
    if check:
        faults, doubts = [*faults, *doubts], []
    if as_json:
        click.echo(json.dumps({"ready": not faults, "faults": faults, "warnings": doubts}, ensure_ascii=False))
    if faults:
        raise FsappError("not ready", faults)
    for doubt in doubts:
        _say(f"warning: {doubt}")
    if not as_json and not doubts:
        click.echo(f"ready: rules, Redis, dialplan and the switch at {settings.switch}")
    if not check:
        command = [sys.executable, "-m", "fsapp", *(("--config", obj.config) if obj.config else ())]
        sys.exit(supervise({f"fsapp {part}": [*command, *part.split()] for part in PARTS}, _say, SPARED))


def _say(line: str) -> None:
    click.echo(f"fsapp: {line}", err=True)


def look(settings: Settings) -> tuple[list[str], list[str]]:
    """A line for each thing that is missing, with what to do: what nothing works without, and what calls do without."""
    password = switch_password_fault(settings.switch_password)
    faults = [password] if password else []
    doubts: list[str] = []
    rules = None
    try:
        rules = _loaded(settings)
        doubts = check_dialplan(Path(settings.dialplan), Wanted(rules, settings.listen, settings.visit_s))
    except FsappError as error:
        faults += error.faults
    doubts = [*doubts, *_database_faults(settings)]
    try:
        faults += [] if password else _switch_faults(settings, rules)
    except FsappError as error:
        faults += error.faults
    return faults, doubts


def _loaded(settings: Settings) -> Rules:
    client = connection.connect(settings)
    connection.check(client)
    current = RulesStore(client).current()
    if current is None:
        raise FsappError(f"no rules are loaded: run `fsapp rules load {settings.rules}`")
    return current.rules()


def _database_faults(settings: Settings) -> list[str]:
    """What keeps the recorder from writing. An empty database is none: it makes the tables."""
    database = Database(settings.database_url)
    try:
        if (database.file is None or database.file.exists()) and database.read(versions.current) is not None:
            versions.refuse_outdated(database)
    except FsappError as error:
        return list(error.faults)
    finally:
        database.close()
    return []


def _switch_faults(settings: Settings, rules: Rules | None) -> list[str]:
    """What the switch lacks. SwitchUnavailable or SwitchRefused when it cannot be asked."""
    host, port = split_address(settings.switch)
    with Link(host, port, settings.switch_password) as link:
        refuse_another(link, settings.switch_name, settings.switch)
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
        if not missing:
            return []
        others = f" and {len(missing) - 1} more of the rules" if len(missing) > 1 else ""
        advice = (
            "its mod_python3 does not bring it: load python.conf.xml, and see what `fsapp doctor` says of its Python"
            if link.api("module_exists mod_python3").strip() == "true" else
            "have it load mod_python3 with python.conf.xml, or put what `fsapp switch config` prints into its "
            "callcenter.conf.xml and `reloadxml`")
    return [f"the switch at {settings.switch} has no queue {missing[0]}{others}: {advice}"]
