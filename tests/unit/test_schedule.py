"""Opening hours: what a clock on the wall says, over midnight, on holidays and when the clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.schedule import (
    DAYS,
    closes_at,
    is_timezone,
    open_at,
    read_days_off,
    read_exception,
    read_hours,
    schedule_from,
)

BELGRADE = ZoneInfo("Europe/Belgrade")
OFFICE = {"hours": ["mon-fri 08:00-20:00", "sat 09:00-13:00"], "holidays": ["2026-05-01", "01-07"],
          "exceptions": ["2026-12-31 08:00-12:00", "2026-12-31 14:00-16:00", "2026-05-02 10:00-11:00"]}


def is_open(spec: dict[str, Any], local: str, zone: str = "Europe/Belgrade", fold: int = 0) -> bool:
    schedule = schedule_from("office", {"timezone": zone, **spec})
    return open_at(schedule, datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone), fold=fold))


@pytest.mark.parametrize(("local", "expected"), [
    ("2026-11-25T07:59:59", False), ("2026-11-25T08:00", True), ("2026-11-25T19:59:59.999", True),
    ("2026-11-25T20:00", False), ("2026-11-28T12:59", True), ("2026-11-28T13:00", False), ("2026-11-29T10:00", False),
    ("2026-05-01T10:00", False), ("2026-05-02T09:30", False), ("2026-05-02T10:30", True),
    ("2026-01-07T10:00", False), ("2027-01-07T10:00", False), ("2026-01-08T10:00", True),
    ("2026-12-31T11:59", True), ("2026-12-31T12:00", False), ("2026-12-31T15:00", True), ("2026-12-31T17:00", False),
])
def test_hours_holidays_and_single_days(local: str, expected: bool) -> None:
    assert is_open(OFFICE, local) is expected


@pytest.mark.parametrize(("local", "expected"), [
    ("2026-11-27T21:59", False), ("2026-11-27T22:00", True), ("2026-11-28T00:00", True), ("2026-11-28T05:59", True),
    ("2026-11-28T06:00", False), ("2026-11-26T23:00", False),
])
def test_a_night_goes_on_into_the_next_day(local: str, expected: bool) -> None:
    assert is_open({"hours": ["fri 22:00-06:00"]}, local) is expected


def test_a_holiday_takes_away_what_begins_on_it_and_not_what_was_begun_the_evening_before() -> None:
    nights = {"hours": ["mon-sun 22:00-06:00"], "holidays": ["2026-05-01"]}
    assert [is_open(nights, local) for local in ("2026-05-01T05:00", "2026-05-01T23:00", "2026-05-02T05:00")] == [
        True, False, False]


@pytest.mark.parametrize(("utc", "expected"), [
    # 29 March 2026: at 01:00 UTC the clocks go from 02:00 to 03:00, and 02:30 is left out.
    ("2026-03-29T00:59:59", False), ("2026-03-29T01:00", True), ("2026-03-29T01:59:59", True),
    ("2026-03-29T02:00", False),
])
def test_a_beginning_that_is_left_out_in_spring_is_the_moment_of_the_change(utc: str, expected: bool) -> None:
    schedule = schedule_from("x", {"timezone": "Europe/Belgrade", "hours": ["sun 02:30-04:00"]})
    assert open_at(schedule, datetime.fromisoformat(utc).replace(tzinfo=UTC)) is expected


@pytest.mark.parametrize(("utc", "expected"), [
    ("2026-03-29T00:59:59", True), ("2026-03-29T01:00", False),
])
def test_an_end_that_is_left_out_in_spring_is_the_moment_of_the_change(utc: str, expected: bool) -> None:
    schedule = schedule_from("x", {"timezone": "Europe/Belgrade", "hours": ["sun 01:00-02:30"]})
    assert open_at(schedule, datetime.fromisoformat(utc).replace(tzinfo=UTC)) is expected


@pytest.mark.parametrize(("utc", "expected"), [
    # 25 October 2026: at 01:00 UTC the clocks go from 03:00 back to 02:00, and 02:30 is there twice.
    ("2026-10-25T00:29:59", False), ("2026-10-25T00:30", True), ("2026-10-25T01:29", True),
    ("2026-10-25T01:59:59", True), ("2026-10-25T02:00", False),
])
def test_a_period_that_begins_at_a_time_there_is_twice_in_autumn_is_not_interrupted(utc: str, expected: bool) -> None:
    schedule = schedule_from("x", {"timezone": "Europe/Belgrade", "hours": ["sun 02:30-03:00"]})
    assert open_at(schedule, datetime.fromisoformat(utc).replace(tzinfo=UTC)) is expected


def test_a_period_that_ends_at_such_a_time_ends_at_the_second_of_them() -> None:
    schedule = schedule_from("x", {"timezone": "Europe/Belgrade", "hours": ["sun 01:00-02:30"]})
    found = [open_at(schedule, datetime(2026, 10, 25, 0, 0, tzinfo=UTC) + timedelta(minutes=minutes))
             for minutes in (0, 29, 31, 59, 60, 89, 90)]
    assert found == [True, True, True, True, True, True, False]


@pytest.mark.parametrize("change", [date(2026, 3, 29), date(2026, 10, 25)])
def test_office_hours_are_those_of_the_wall_before_and_after_a_change(change: date) -> None:
    spec = {"hours": ["mon-sun 08:00-20:00"]}
    for offset in (-1, 0, 1):
        day = change + timedelta(days=offset)
        assert [is_open(spec, f"{day}T{hour}") for hour in ("07:59", "08:00", "19:59", "20:00")] == [
            False, True, True, False]


def test_the_zone_is_the_schedules_own() -> None:
    now = datetime(2026, 11, 25, 7, 30, tzinfo=UTC)
    found = {zone: open_at(schedule_from("x", {"timezone": zone, "hours": ["mon-fri 08:00-20:00"]}), now)
             for zone in ("Europe/Belgrade", "Europe/London", "America/New_York", "Asia/Tokyo", "UTC")}
    assert found == {"Europe/Belgrade": True, "Europe/London": False, "America/New_York": False, "Asia/Tokyo": True,
                     "UTC": False}


@given(
    st.lists(st.tuples(st.sampled_from(DAYS), st.integers(0, 1439), st.integers(1, 1440)), max_size=4),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),
)
def test_away_from_changes_it_is_what_the_wall_clock_says(
    periods: list[tuple[str, int, int]], wall: datetime,
) -> None:
    """Against a plain second model that counts minutes of the week, in a zone that never changes its clocks."""
    spec = {"hours": [f"{day} {begins // 60:02}:{begins % 60:02}-{ends // 60:02}:{ends % 60:02}"
                      for day, begins, ends in periods]}
    minute = wall.weekday() * 1440 + wall.hour * 60 + wall.minute
    expected = False
    for day, begins, ends in periods:
        start = DAYS.index(day) * 1440 + begins
        length = ends - begins if ends > begins else ends - begins + 1440
        expected |= (minute - start) % (7 * 1440) < length
    assert is_open(spec, wall.isoformat(), "Africa/Nairobi") is expected


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)),
    st.sampled_from(["Europe/Belgrade", "America/New_York", "Australia/Lord_Howe", "UTC"]),
)
def test_day_and_night_together_are_never_closed(utc: datetime, zone: str) -> None:
    now = utc.replace(tzinfo=UTC)
    day = schedule_from("day", {"timezone": zone, "hours": ["mon-sun 06:00-22:00"]})
    night = schedule_from("night", {"timezone": zone, "hours": ["mon-sun 22:00-06:00"]})
    assert open_at(day, now) != open_at(night, now)
    assert open_at(schedule_from("all", {"timezone": zone, "hours": ["mon-sun 00:00-24:00"]}), now)


@pytest.mark.parametrize("text", [
    "", "mon", "mon 8:00-20:00", "mon 08:00-25:00", "mon 24:00-08:00", "mon 08:00-24:01", "mo 08:00-20:00", "mon-fri",
    "mon,fri 08:00-20:00", "mon 08:00-20:00\n", "MON 08:00-20:00", "mon 08:60-20:00",
])
def test_what_is_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match="is no hours|ends after 24:00"):
        read_hours(text)


@pytest.mark.parametrize("text", ["", "2026-02-30", "02-30", "1.5.2026", "2026-5-1", "13-01", "2026-05-01\n"])
def test_what_is_no_holiday(text: str) -> None:
    with pytest.raises(ValueError, match="is no date"):
        read_days_off([text])


@pytest.mark.parametrize("text", ["2026-12-31", "2026-02-30 08:00-12:00", "12-31 08:00-12:00"])
def test_what_is_no_exception(text: str) -> None:
    with pytest.raises(ValueError, match="is no da"):
        read_exception(text)


@pytest.mark.parametrize(("text", "known"), [
    ("Europe/Belgrade", True), ("UTC", True), ("America/Argentina/Buenos_Aires", True), ("Europe/Nowhere", False),
    ("../etc/passwd", False), ("/etc/localtime", False), ("", False), ("Europe/", False), ("Belgrade", False),
    ("Europe", False),
])
def test_time_zones(text: str, known: bool) -> None:
    assert is_timezone(text) is known


DAY = timedelta(days=1)


@pytest.mark.parametrize(("hours", "local", "closes"), [
    (["mon-fri 08:00-20:00"], "2026-11-25T19:00", "2026-11-25T20:00"),
    (["mon-fri 08:00-20:00"], "2026-11-25T20:00", "2026-11-25T20:00"),
    (["mon-fri 08:00-12:00", "mon-fri 12:00-20:00", "wed 19:00-21:00"], "2026-11-25T08:00", "2026-11-25T21:00"),
    (["wed 22:00-24:00", "thu 00:00-06:00"], "2026-11-25T22:00", "2026-11-26T06:00"),
    (["wed 22:00-06:00"], "2026-11-26T05:59", "2026-11-26T06:00"),
    (["mon-sun 00:00-24:00"], "2026-11-25T19:00", None),
    # 25 October 2026: an hour comes twice.
    (["sat 12:00-02:30"], "2026-10-24T13:00", "2026-10-25T02:30+01:00"),
])
def test_when_it_closes(hours: list[str], local: str, closes: str | None) -> None:
    schedule = schedule_from("x", {"timezone": "Europe/Belgrade", "hours": hours})
    expected = datetime.fromisoformat(closes) if closes else None
    if expected is not None and expected.tzinfo is None:
        expected = expected.replace(tzinfo=BELGRADE)
    assert closes_at(schedule, datetime.fromisoformat(local).replace(tzinfo=BELGRADE), DAY) == expected


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 10), timezones=st.just(UTC)))
def test_it_is_open_until_it_closes(now: datetime) -> None:
    schedule = schedule_from("office", {"timezone": "Europe/Belgrade", **OFFICE})
    closes = closes_at(schedule, now, DAY)
    assert closes is not None and not open_at(schedule, closes)
    assert open_at(schedule, now) is (closes > now)
    if closes > now:
        assert open_at(schedule, closes - timedelta(seconds=1)) or closes - now < timedelta(seconds=1)
        assert open_at(schedule, now + (closes - now) / 2)
