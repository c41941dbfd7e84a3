"""`fsapp doctor`: looks at everything a centre needs and shows what it found. Judges nothing itself, mends nothing."""

from __future__ import annotations

import json
from typing import Any

import click

from fsapp.doctor.checks import judge
from fsapp.doctor.finding import Finding, Level
from fsapp.doctor.gather import gather
from fsapp.errors import FsappError
from fsapp.log import configure

__all__ = ["doctor"]

_MARKS = {Level.OK: "✓", Level.WARNING: "!", Level.FAULT: "✗", Level.NOT_LOOKED_AT: "?"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def doctor(obj: Any, as_json: bool) -> None:
    """Look at Redis, switch, modules, versions, clocks, queues, prompts, passwords and ports; say what to do.

    Exit status 1 when there is a fault; warnings and what could not be looked at leave it 0. Changes nothing.
    """
    configure("error", mask_numbers=obj.settings.mask_numbers)
    found = judge(gather(obj.settings))
    faults = [(name, one) for name, one in found if one.level is Level.FAULT]
    if as_json:
        click.echo(json.dumps({"ok": not faults, "findings": [
            {"check": name, "level": one.level.value, "what": one.what, "do": one.todo or None} for name, one in found
        ]}, ensure_ascii=False))
    else:
        for name, one in found:
            if one.level is not Level.FAULT:
                click.echo(_line(name, one))
    if faults:
        raise FsappError("not well", [_line(name, one) for name, one in faults])


def _line(name: str, finding: Finding) -> str:
    unseen = "not looked at: " if finding.level is Level.NOT_LOOKED_AT else ""
    line = f"{_MARKS[finding.level]} {name}: {unseen}{finding.what}"
    return f"{line}: {finding.todo}" if finding.todo else line
