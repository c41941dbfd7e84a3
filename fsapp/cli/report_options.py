"""What is asked of a report on the command line: period, time zone, rules, which ones. Reads no rows, prints no report.

Dates and times without an offset are those of the report's time zone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from fsapp.cli.agent_status import find_agent
from fsapp.core.clean import clean_number, clean_text
from fsapp.core.numbers import normalise
from fsapp.core.reports.period import HOURS, Period, day_start
from fsapp.core.rules import Rules
from fsapp.core.schedule import is_timezone
from fsapp.errors import FsappError, RulesError, StateError
from fsapp.settings import Settings

__all__ = ["known_rules", "not_too_fine", "period", "wanted", "zone_of"]

_SPAN = re.compile(r"([0-9]{1,5})([smhd])\Z", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MAX_DAYS = 3700
_MAX_PARTS = 24 * _MAX_DAYS  # as many as that has hours: a row for each
_ZONES = "zoneinfo/"
_LONGEST = 256  # of a name


def known_rules(settings: Settings) -> Rules | None:
    """The rules in force; those of the folder where none are; None where there are neither."""
    from fsapp.rules import load_folder
    from fsapp.state.connection import connect
    from fsapp.state.rules import RulesStore

    try:
        client = connect(settings)
        try:
            loaded = RulesStore(client).current()
        finally:
            client.close()
        if loaded is not None:
            return loaded.rules()
    except StateError:
        pass  # reports need no Redis
    try:
        return Rules.from_document(load_folder(settings.rules))
    except RulesError:
        return None


def zone_of(name: str | None, rules: Rules | None) -> ZoneInfo:
    """The time zone named; else the one that all schedules of the rules have; else this machine's. UsageError."""
    if name is not None:
        if not is_timezone(name):
            raise click.UsageError(f"{name!r} is no time zone this machine knows: write for example Europe/Belgrade")
        return ZoneInfo(name)
    of_schedules = {schedule.timezone.key for schedule in rules.schedules.values()} if rules is not None else set()
    if len(of_schedules) == 1:
        return ZoneInfo(of_schedules.pop())
    return ZoneInfo(_of_machine())


def _of_machine() -> str:
    names = (os.environ.get("TZ", "").removeprefix(":"),
             str(Path("/etc/localtime").resolve()).rpartition(_ZONES)[2])
    return next((name for name in names if name and is_timezone(name)), "UTC")


def period(since: str, until: str | None, zone: ZoneInfo, now: datetime) -> Period:
    """From `since` to `until`, which as a date is in it; None: to the end of the day of `since`, or of today where
    that is later. UsageError."""
    start = _moment(since, zone, now, "--from", end=False)
    if until is None:
        until = max(now, datetime.fromtimestamp(start, zone)).astimezone(zone).date().isoformat()
    end = _moment(until, zone, now, "--to", end=True)
    if start > now.timestamp() + _MAX_DAYS * 86_400:
        raise click.UsageError("--from is more than ten years from now")
    if end <= start:
        raise click.UsageError("--to is not after --from")
    if end - start > _MAX_DAYS * 86_400:
        raise click.UsageError("from --from to --to are more than ten years: ask for less")
    return Period(start, end, zone)


def not_too_fine(asked: Period, by: Sequence[str]) -> None:
    """UsageError where a row for each part of the hours of the period would be too many."""
    for name in by:
        days = _MAX_PARTS * HOURS.get(name, 0) // 86_400
        if days and asked.end - asked.start > days * 86_400:
            raise click.UsageError(f"--by {name} is for {days} days at most: ask for less, or --by hour")


def _moment(text: str, zone: ZoneInfo, now: datetime, option: str, *, end: bool) -> float:
    try:
        if span := _SPAN.match(text):
            return (now - timedelta(**{_UNITS[span[2]]: int(span[1])})).timestamp()
        day = _day(text, now.astimezone(zone).date())
        if day is not None:
            return day_start(day + timedelta(days=1 if end else 0), zone)
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
        return at.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise click.UsageError(f"{option}: {text!r} is no time, write for example today, yesterday, 7d, 2026-11-22 or "
                               "2026-11-22T14:30") from None


def _day(text: str, today: date) -> date | None:
    if text in ("today", "yesterday"):
        return today - timedelta(days=1 if text == "yesterday" else 0)
    try:
        return date.fromisoformat(text)  # 2026-11-22, and 20261122 or 2026-W47-7 too
    except ValueError:
        return None


def wanted(given: Mapping[str, Sequence[str]], rules: Rules | None) -> dict[str, tuple[str, ...]]:
    """What each option names, as it stands in the memory; FsappError for an agent whom nothing can be meant by.

    A queue may be named without its domain, an agent by e-mail, a number in any spelling, a stage by CAMPAIGN/STAGE.
    What the rules do not know may have been there before.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, given_values in given.items():
        values = [clean_text(value, _LONGEST) for value in given_values]
        if not values:
            continue
        if name == "queue":
            domain = rules.domain if rules is not None else "fsapp"
            found[name] = tuple(one for value in values for one in (value, f"{value}@{domain}"))
        elif name == "agent":
            found[name] = tuple(_agent(value, rules) for value in values)
        elif name == "number":
            region = rules.region if rules is not None else "ZZ"
            found[name] = tuple(normalise(clean_number(value), region).key or value for value in values)
        else:
            found[name] = tuple(values)
    return found


def _agent(who: str, rules: Rules | None) -> str:
    if rules is None:
        return who
    try:
        return find_agent(rules, who).id
    except FsappError:
        if re.fullmatch(r"[0-9]+", who, re.ASCII):  # somebody who was an agent once
            return who
        raise
