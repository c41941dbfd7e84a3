"""`fsapp recordings`: find, pause and resume, remove what is too old. Asks and prints; files are `fsapp.recordings`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from fsapp.cli.looking import noted
from fsapp.core.clean import clean_number
from fsapp.core.numbers import normalise
from fsapp.core.recording import Recorded, number_part
from fsapp.core.rules import Rules
from fsapp.errors import RecordingError, RulesError
from fsapp.recordings import File, find, purge
from fsapp.settings import Settings
from fsapp.state.connection import PATIENT_S, connect
from fsapp.state.requests import ask
from fsapp.state.rules import RulesStore

__all__ = ["recordings"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_SHOWN_FAULTS = 20


@click.group()
def recordings() -> None:
    """Find recordings, pause one, remove those too old."""


class _When(click.ParamType):
    """A time, or a whole day of the local calendar."""

    name = "date"

    def __init__(self, *, end: bool = False) -> None:
        self._end = end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            day = timedelta(days=1) if self._end and _DAY.match(value) else timedelta()
            return (datetime.fromisoformat(value) + day).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no date, write for example 2026-11-22 or 2026-11-22T14:30", param, ctx)


@recordings.command("list")
@click.option("--number", metavar="N", help="Of this caller: the number in any spelling, or anonymous.")
@click.option("--contact", metavar="ID", help="Of this contact: CAMPAIGN/STAGE/NUMBER.")
@click.option("--call", metavar="UUID", help="Of this call.")
@click.option("--place", metavar="ID", help="Of this stage (CAMPAIGN/STAGE) or line.")
@click.option("--from", "since", type=_When(), metavar="DATE", help="Not before this day or time.")
@click.option("--to", "until", type=_When(end=True), metavar="DATE", help="Not after this day, or before this time.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_obj
def list_command(
    obj: Any, number: str | None, contact: str | None, call: str | None, place: str | None, since: datetime | None,
    until: datetime | None, as_json: bool,
) -> None:
    """The recordings on this machine, oldest first: when, class, stage or line, caller, length, file.

    Times are those of this machine. Exit status 0 though there are none.
    """
    settings: Settings = obj.settings
    wanted = _caller(number, settings) if number else None

    def fits(one: Recorded) -> bool:
        return (
            (wanted is None or one.number == wanted) and (contact is None or f"{one.place}/{one.number}" == contact)
            and (call is None or one.call == call) and (place is None or one.place == place)
            and (since is None or one.at >= since) and (until is None or one.at < until)
        )

    found = find(settings.recordings, fits)
    noted(obj, "recordings", number=wanted or (contact or "").rpartition("/")[2] or None, subject=call)
    if as_json:
        click.echo(json.dumps([_as_json(file) for file in found], ensure_ascii=False))
    elif found:
        click.echo("\n".join(_line(file) for file in found))
    else:
        click.echo(f"there is no such recording in {settings.recordings}")


@recordings.command("pause")
@click.argument("call", required=False)
@click.option("--agent", metavar="ID", help="The call that this agent talks in.")
@click.option("--switch", "switch_name", metavar="NAME", help="The switch it is on (the setting switch_name).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def pause_command(obj: Any, call: str | None, agent: str | None, switch_name: str | None, as_json: bool) -> None:
    """Keep what is said in CALL (a uuid) out of its recording from now on, while a card's number is read out say.

    Silence is recorded meanwhile. `fsapp link` has the switch do it.
    """
    _mask(obj.settings, call, agent, switch_name, mask=True, as_json=as_json)


@recordings.command("resume")
@click.argument("call", required=False)
@click.option("--agent", metavar="ID", help="The call that this agent talks in.")
@click.option("--switch", "switch_name", metavar="NAME", help="The switch it is on (the setting switch_name).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def resume_command(obj: Any, call: str | None, agent: str | None, switch_name: str | None, as_json: bool) -> None:
    """Record what is said in CALL (a uuid) again."""
    _mask(obj.settings, call, agent, switch_name, mask=False, as_json=as_json)


@recordings.command("purge")
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def purge_command(obj: Any, dry_run: bool, as_json: bool) -> None:
    """Remove recordings older than the days that the loaded rules give their stage or line, and folders left empty.

    Of a stage or line that is no longer in the rules the centre's days count. `fsapp link` does the same once a day.
    Files that are no recordings are left alone. Exit status 1 when something could not be removed.
    """
    settings: Settings = obj.settings
    found = purge(settings.recordings, _rules(settings).keep_days, datetime.now(UTC), dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({
            "folder": settings.recordings, "dry_run": dry_run, "removed": [file.name for file in found.removed],
            "bytes": found.bytes, "kept": found.kept, "others": found.others, "folders": list(found.folders),
            "faults": list(found.faults),
        }))
    else:
        for file in found.removed:
            click.echo(file.name)
        what = "would be removed" if dry_run else "removed"
        others = f", {found.others} files are no recordings" if found.others else ""
        click.echo(f"{len(found.removed)} {what} ({_size(found.bytes)}), {found.kept} kept{others}")
    if found.faults:
        more = len(found.faults) - _SHOWN_FAULTS
        raise RecordingError("something could not be removed", [
            *found.faults[:_SHOWN_FAULTS], *([f"and {more} more"] if more > 0 else [])])


def _mask(
    settings: Settings, call: str | None, agent: str | None, switch_name: str | None, *, mask: bool, as_json: bool,
) -> None:
    if bool(call) == bool(agent):
        raise click.UsageError("name the uuid of a call, or an agent with --agent")
    done = ask(connect(settings, PATIENT_S), switch_name or settings.switch_name, {
        "do": "recording", "call": call, "agent": agent, "mask": mask})
    if as_json:
        click.echo(json.dumps(done))
    else:
        click.echo(f"the recording of call {done['call']} {'is paused' if mask else 'goes on'}: {done['file']}")


def _rules(settings: Settings) -> Rules:
    current = RulesStore(connect(settings, PATIENT_S)).current()
    if current is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`")
    return current.rules()


def _caller(number: str, settings: Settings) -> str:
    """The number as names have it. In national spelling it needs the centre's country, and so the rules."""
    cleaned = clean_number(number)
    plain = cleaned.startswith("+") or not any(char.isdigit() for char in cleaned)
    return number_part(normalise(cleaned, "ZZ" if plain else _rules(settings).region))


def _as_json(file: File) -> dict[str, Any]:
    one = file.recorded
    return {
        "file": file.name, "at": one.at.isoformat(), "class": one.call_class, "place": one.place, "number": one.number,
        "contact": one.contact, "call": one.call, "seconds": file.seconds, "bytes": file.size,
    }


def _line(file: File) -> str:
    one = file.recorded
    length = "-" if file.seconds is None else f"{int(file.seconds) // 60}:{int(file.seconds) % 60:02d}"
    at = f"{one.at.astimezone():%Y-%m-%d %H:%M:%S}"
    return f"{at}  {one.call_class:12}  {one.place}  {one.number}  {length}  {file.name}"


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"
