"""The days and hours of a period as clocks in a time zone show them, summer time included. Pure: counts nothing.

Times are epoch seconds. A day begins at the first moment of its date; an hour, a half or a quarter of one where the
clock shows a full one, or where it is put forward or back: the day on which it is put back has an hour more, and its
two equal hours have two offsets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from fsapp.core.schedule import DAYS

__all__ = ["BY_TIME", "HOURS", "Period", "Slot", "Timeline", "day_start", "days", "hours", "timeline"]

BY_TIME = ("month", "week", "day", "hour", "half-hour", "quarter-hour", "weekday", "hour-of-day")
HOURS: Mapping[str, int] = {"hour": 3600, "half-hour": 1800, "quarter-hour": 900}  # parts of days, in seconds


class Period(NamedTuple):
    """From `start` up to `end`, which is not in it."""

    start: float
    end: float
    zone: ZoneInfo


class Slot(NamedTuple):
    """A day, an hour or a part of one, as much of it as lies in the period, and what it is called."""

    start: float
    end: float
    label: str


class Timeline:
    """Which slot a moment is in. `labels`: all there are, in the order in which rows stand."""

    def __init__(self, slots: list[Slot], labels: Iterable[str] | None = None) -> None:
        self.slots = slots
        self.starts = [slot.start for slot in slots]
        self.labels = tuple(dict.fromkeys(slot.label for slot in slots) if labels is None else labels)

    def label(self, at: float) -> str:
        """The slot's label; what lies outside of the period belongs to its nearest slot."""
        return self.slots[max(0, bisect_right(self.starts, at) - 1)].label


def timeline(period: Period, by: str) -> Timeline:
    """The slots of a period by `day` (2026-10-25), `week` (2026-W43, of ISO 8601), `month` (2026-10), `hour`,
    `half-hour` or `quarter-hour` (2026-10-25 02:00+01:00), `weekday` (mon) or `hour-of-day` (02), which the hours that
    come twice share."""
    if by == "day":
        return Timeline(list(days(period)))
    if by == "week":
        return Timeline([slot._replace(label=_week(date.fromisoformat(slot.label))) for slot in days(period)])
    if by == "month":
        return Timeline([slot._replace(label=slot.label[:7]) for slot in days(period)])
    if by in HOURS:
        return Timeline(list(hours(period, HOURS[by])))
    if by == "weekday":
        slots = [slot._replace(label=DAYS[date.fromisoformat(slot.label).weekday()]) for slot in days(period)]
        there = {slot.label for slot in slots}
        return Timeline(slots, [day for day in DAYS if day in there])
    slots = [slot._replace(label=slot.label[11:13]) for slot in hours(period)]
    return Timeline(slots, sorted({slot.label for slot in slots}))


def _week(day: date) -> str:
    year, week, _weekday = day.isocalendar()
    return f"{year}-W{week:02d}"


def day_start(day: date, zone: ZoneInfo) -> float:
    """The first moment of a date, which is not midnight where the clock is put forward over it."""
    shown = datetime(day.year, day.month, day.day)
    first = shown.replace(tzinfo=zone, fold=0).timestamp()
    second = shown.replace(tzinfo=zone, fold=1).timestamp()
    # Of a midnight that is left out, the two are in the wrong order, with the change between them.
    return first if first <= second else _change(second, first, zone)


def days(period: Period) -> Iterator[Slot]:
    """The days of a period in order."""
    day = datetime.fromtimestamp(period.start, period.zone).date()
    start = day_start(day, period.zone)
    while start < period.end:
        following = day + timedelta(days=1)
        end = day_start(following, period.zone)
        if end > start and end > period.start:  # a date may be left out altogether, where the date line is moved
            yield Slot(max(start, period.start), min(end, period.end), day.isoformat())
        day, start = following, end


def hours(period: Period, seconds: int = HOURS["hour"]) -> Iterator[Slot]:
    """The hours of a period in order, or parts of `seconds` that an hour has, each with the offset of its clock."""
    zone = period.zone
    start = day_start(datetime.fromtimestamp(period.start, zone).date(), zone)
    while start < period.end:
        shown = datetime.fromtimestamp(start, zone)
        end = start + seconds - (shown.minute * 60 + shown.second) % seconds
        if _offset(end, zone) != _offset(start, zone):
            end = _change(start, end, zone)
        if end > period.start:
            label = shown.isoformat(sep=" ", timespec="minutes")
            yield Slot(max(start, period.start), min(end, period.end), label)
        start = end


def _offset(at: float, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()


def _change(before: float, after: float, zone: ZoneInfo) -> float:
    """The moment between the two from which on the clock has the offset of `after`: a whole second."""
    old, low, high = _offset(before, zone), int(before), int(after)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == old:
            low = middle
        else:
            high = middle
    return float(high)
