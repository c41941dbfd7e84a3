"""When a number or a line is open: weekly hours, holidays and single days of other hours, in a time zone. Pure.

A period is what a clock on the wall there says: "mon-fri 08:00-20:00". One that ends at or before its beginning goes on
into the next day, and belongs to the day it begins on: a holiday takes away what begins on it, not what was begun the
evening before. When the clocks go forward, a time that is left out is the moment of the change; when they go back, a
period begins at the first of two equal times and ends at the second, so that it is never interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = [
    "DAYS", "Schedule", "closes_at", "is_timezone", "open_at", "opens_at", "read_days_off", "read_exception",
    "read_hours", "schedule_from",
]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])"
_DAY = "|".join(DAYS)
_HOURS = re.compile(rf"({_DAY})(?:-({_DAY}))? {_TIME}\Z", re.ASCII)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z", re.ASCII)
_YEARLY = re.compile(r"([0-9]{2})-([0-9]{2})\Z", re.ASCII)
_EXCEPTION = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}) {_TIME}\Z", re.ASCII)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}\Z", re.ASCII)
_DAY_MINUTES = 24 * 60

Period = tuple[int, int]  # minutes after midnight; the second is larger, and beyond a day where it ends on the next


@dataclass(frozen=True, slots=True)
class Schedule:
    """`week`: the periods that begin on each day, Monday first. `days_off`: dates without any.

    `yearly`: the same every year, as (month, day). `exceptions`: what holds on a date instead of all that.
    """

    name: str
    timezone: ZoneInfo
    week: tuple[tuple[Period, ...], ...]
    days_off: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    exceptions: tuple[tuple[date, tuple[Period, ...]], ...] = ()

    def of(self, day: date) -> tuple[Period, ...]:
        """The periods that begin on this day."""
        for exception, periods in self.exceptions:
            if exception == day:
                return periods
        if day in self.days_off or (day.month, day.day) in self.yearly:
            return ()
        return self.week[day.weekday()]


def open_at(schedule: Schedule, now: datetime) -> bool:
    """Whether it is open at `now`, an aware time in any zone; the beginning of a period is in it, its end is not."""
    today = now.astimezone(schedule.timezone).date()
    try:
        days = (today - timedelta(days=1), today)
    except OverflowError:  # the first day there is
        days = (today, today)
    return any(begins <= now < ends for day in days for begins, ends in _moments(schedule, day))


def opens_at(schedule: Schedule, now: datetime) -> datetime | None:
    """The first moment from `now` on at which it is open, in UTC; None where that is not within a year."""
    if open_at(schedule, now):
        return now
    today = now.astimezone(schedule.timezone).date()
    for offset in range(-1, 367):
        try:
            day = today + timedelta(days=offset)
        except OverflowError:  # outside of the days there are
            continue
        begins = [begin for begin, _end in _moments(schedule, day) if begin > now]
        if begins:
            return min(begins)
    return None


def closes_at(schedule: Schedule, now: datetime, within: timedelta) -> datetime | None:
    """The first moment from `now` on at which it is not open; None where that is after more than `within`.

    Periods that overlap, or follow each other without a gap, are one.
    """
    at = now
    while at - now <= within:
        today = at.astimezone(schedule.timezone).date()
        try:
            days = (today - timedelta(days=1), today)
        except OverflowError:  # the first day there is
            days = (today, today)
        ends = [end for day in days for begin, end in _moments(schedule, day) if begin <= at < end]
        if not ends:
            return at
        at = max(ends)
    return None


@lru_cache(maxsize=1024)
def _moments(schedule: Schedule, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """The periods that begin on a day as moments in UTC."""
    zone = schedule.timezone
    return tuple(
        (_moment(day, begins, zone, last=False), _moment(day, ends, zone, last=True))
        for begins, ends in schedule.of(day)
    )


def _moment(day: date, minutes: int, zone: ZoneInfo, *, last: bool) -> datetime:
    """When the wall clock shows this; of two such moments the first, or the last one."""
    shown = datetime.combine(day, time()) + timedelta(minutes=minutes)
    first = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = shown.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first <= second:
        return second if last else first
    # The clocks go over it: the moment of the change, between what it would be with either offset.
    before, after = second, first
    old = before.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) / 2
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def schedule_from(name: str, spec: Mapping[str, Any]) -> Schedule:
    """A schedule of a checked document."""
    week: list[list[Period]] = [[] for _ in DAYS]
    for text in spec.get("hours", ()):
        for day, period in read_hours(text):
            week[day].append(period)
    dates, yearly = read_days_off(spec.get("holidays", ()))
    exceptions: dict[date, list[Period]] = {}
    for text in spec.get("exceptions", ()):
        day, period = read_exception(text)
        exceptions.setdefault(day, []).append(period)
    return Schedule(
        name, ZoneInfo(spec["timezone"]), tuple(map(tuple, week)), dates, yearly,
        tuple((day, tuple(periods)) for day, periods in sorted(exceptions.items())),
    )


def is_timezone(value: str) -> bool:
    """Whether this machine knows such a time zone."""
    if not _ZONE.match(value):
        return False
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def read_hours(text: str) -> Iterator[tuple[int, Period]]:
    """The days (0 Monday) and the period of "mon-fri 08:00-20:00" or "sat 09:00-13:00"; ValueError if it is none."""
    found = _HOURS.match(text)
    if not found:
        raise ValueError('is no hours; write for example "mon-fri 08:00-20:00" or "sat 22:00-06:00"')
    first, last, *times = found.groups()
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % len(DAYS) if last else 0
    period = _period(times)
    return iter([((begin + offset) % len(DAYS), period) for offset in range(length + 1)])


def read_days_off(texts: Iterable[str]) -> tuple[frozenset[date], frozenset[tuple[int, int]]]:
    """Dates "2026-05-01", and those of every year "05-01" as (month, day); ValueError if one is neither."""
    dates, yearly = set(), set()
    for text in texts:
        if found := _YEARLY.match(text):
            yearly.add(_yearly(text, int(found[1]), int(found[2])))
        else:
            dates.add(_date(text))
    return frozenset(dates), frozenset(yearly)


def read_exception(text: str) -> tuple[date, Period]:
    """The date and the period of "2026-12-31 08:00-12:00"; ValueError if it is none."""
    found = _EXCEPTION.match(text)
    if not found:
        raise ValueError('is no day with hours; write for example "2026-12-31 08:00-12:00"')
    day, *times = found.groups()
    return _date(day), _period(times)


def _date(text: str) -> date:
    found = _DATE.match(text)
    try:
        if found:
            return date(*map(int, found.groups()))
    except ValueError:
        pass
    raise ValueError('is no date; write for example "2026-05-01", or "05-01" for every year')


def _yearly(text: str, month: int, day: int) -> tuple[int, int]:
    try:
        date(2024, month, day)  # a leap year: the 29th of February is a day, if not of every year
    except ValueError:
        raise ValueError('is no date; write for example "2026-05-01", or "05-01" for every year') from None
    return month, day


def _period(times: list[str]) -> Period:
    hour, minute, end_hour, end_minute = map(int, times)
    begins, ends = hour * 60 + minute, end_hour * 60 + end_minute
    if ends > _DAY_MINUTES:
        raise ValueError("ends after 24:00; write an end up to 24:00, or one before the beginning for the next day")
    return begins, ends if ends > begins else ends + _DAY_MINUTES
