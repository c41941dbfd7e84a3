"""`fsapp dialplan`: whether the dialplan XML fits rules and settings. Judges nothing; fsapp.rules.dialplan does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from fsapp.core.rules import Rules
from fsapp.errors import DialplanError
from fsapp.rules import load_folder
from fsapp.rules.dialplan import CALLCENTER, Wanted, check_dialplan

__all__ = ["dialplan"]

FREESWITCH = "conf/freeswitch"
_folder = click.Path(file_okay=False, path_type=Path)


@click.group()
def dialplan() -> None:
    """Check that the dialplan XML fits the rules."""


@dialplan.command("check")
@click.option("--dialplan", "folder", type=_folder, metavar="DIR",
              help="The dialplan XML (FSAPP_DIALPLAN, else dialplan).")
@click.option("--freeswitch", type=_folder, metavar="DIR",
              help=f"A switch's configuration, to check its queues too ({FREESWITCH} if it is there).")
@click.option("--rules", metavar="DIR", help="The rules (FSAPP_RULES, else conf/rules).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
@click.pass_obj
def check_command(obj: Any, folder: Path | None, freeswitch: Path | None, rules: str | None, as_json: bool) -> None:
    """Show everything at once that does not fit: extensions, addresses, numbers, queues, agents; change nothing."""
    settings = obj.settings
    folder = folder or Path(settings.dialplan)
    if freeswitch is None and (Path(FREESWITCH) / CALLCENTER).exists():
        freeswitch = Path(FREESWITCH)
    wanted = Wanted(Rules.from_document(load_folder(rules or settings.rules)), settings.listen, settings.visit_s)
    faults = check_dialplan(folder, wanted, freeswitch)
    if as_json:
        checked = {"dialplan": str(folder), "freeswitch": str(freeswitch) if freeswitch else None}
        click.echo(json.dumps({"ok": not faults, "faults": faults} | checked, ensure_ascii=False))
    if faults:
        raise DialplanError("the dialplan does not fit", faults)
    if not as_json:
        what = f"{folder} and {freeswitch} fit" if freeswitch else f"{folder} fits"
        click.echo(f"{what} the rules: {len(wanted.rules.numbers)} numbers, {len(wanted.rules.queues)} queues.")
