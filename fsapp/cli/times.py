"""Times on the command line: ISO 8601, or how long ago, or in how long. Prints none."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

__all__ = ["AGO", "AHEAD", "AnyTime", "utc_text"]

_SPAN = re.compile(r"\+?([0-9]{1,5})([smhd])\Z", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class AnyTime(click.ParamType):
    """A time in ISO 8601, in local time where it says no zone, or a span from now (2h, 7d); an aware UTC one."""

    name = "time"

    def __init__(self, *, ahead: bool) -> None:
        self._ahead = ahead

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if span := _SPAN.match(value):
                away = timedelta(**{_UNITS[span[2]]: int(span[1])})
                return datetime.now(UTC) + (away if self._ahead else -away)
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time, write for example 2h, 7d or 2026-11-22T14:30", param, ctx)


AGO = AnyTime(ahead=False)
AHEAD = AnyTime(ahead=True)


def utc_text(at: datetime) -> str:
    """A time as people read it, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
