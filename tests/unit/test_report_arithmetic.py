"""Days and hours of a period, spans of time, quantiles: what reports are reckoned with."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.reports.period import HOURS, Period, Timeline, day_start, days, hours, timeline
from fsapp.core.reports.query import Query
from fsapp.core.reports.rows import Rows
from fsapp.core.reports.spans import intersect, length, spread, subtract, union
from fsapp.core.reports.tally import Tally, mean, quantile, share

ZONES = ["Europe/Belgrade", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Cairo",
         "America/Havana", "Pacific/Apia", "UTC"]


def _period(zone: str, first: str, last: str) -> Period:
    known = ZoneInfo(zone)
    start, end = (datetime.fromisoformat(text).date() for text in (first, last))
    return Period(day_start(start, known), day_start(end, known), known)


@pytest.mark.parametrize(("zone", "day", "following", "count", "lengths"), [
    # The clocks go from 02:00 to 03:00, and from 03:00 back to 02:00.
    ("Europe/Belgrade", "2026-03-29", "2026-03-30", 23, 23 * 3600),
    ("Europe/Belgrade", "2026-10-25", "2026-10-26", 25, 25 * 3600),
    ("Europe/Belgrade", "2026-07-01", "2026-07-02", 24, 24 * 3600),
    # They go from 02:00 back to 01:30, so 01:30 to 02:00 comes twice; and from 02:00 to 02:30.
    ("Australia/Lord_Howe", "2026-04-05", "2026-04-06", 25, 24.5 * 3600),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-05", 24, 23.5 * 3600),
    # Midnight is left out: the day begins at 01:00.
    ("America/Sao_Paulo", "2018-11-04", "2018-11-05", 23, 23 * 3600),
    # Midnight comes twice.
    ("America/Havana", "2026-11-01", "2026-11-02", 25, 25 * 3600),
])
def test_a_day_has_as_many_hours_as_its_clock_shows(
    zone: str, day: str, following: str, count: int, lengths: float,
) -> None:
    period = _period(zone, day, following)
    found = list(hours(period))
    assert len(found) == count == len({slot.label for slot in found})
    assert sum(slot.end - slot.start for slot in found) == lengths == period.end - period.start
    assert [slot.label for slot in days(period)] == [day]


def test_equal_hours_are_told_apart_by_their_offset() -> None:
    belgrade = [slot.label for slot in hours(_period("Europe/Belgrade", "2026-10-25", "2026-10-26"))]
    assert belgrade[1:5] == ["2026-10-25 01:00+02:00", "2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00",
                             "2026-10-25 03:00+01:00"]
    back = [slot.label for slot in hours(_period("Australia/Lord_Howe", "2026-04-05", "2026-04-06"))]
    assert back[1:4] == ["2026-04-05 01:00+11:00", "2026-04-05 01:30+10:30", "2026-04-05 02:00+10:30"]
    on = [slot.label for slot in hours(_period("Australia/Lord_Howe", "2026-10-04", "2026-10-05"))]
    assert on[1:4] == ["2026-10-04 01:00+10:30", "2026-10-04 02:30+11:00", "2026-10-04 03:00+11:00"]


@given(st.sampled_from(ZONES), st.integers(1_400_000_000, 1_900_000_000), st.integers(1, 40 * 86_400))
def test_every_moment_is_in_one_slot_and_the_clock_agrees(zone: str, start: int, seconds: int) -> None:
    known = ZoneInfo(zone)
    period = Period(float(start), float(start + seconds), known)
    for slots in (list(days(period)), *(list(hours(period, part)) for part in HOURS.values())):
        assert slots[0].start == period.start and slots[-1].end == period.end
        assert all(one.end == other.start for one, other in zip(slots, slots[1:], strict=False))
        assert all(one.end > one.start for one in slots)
        for slot in slots:
            for at in (slot.start, (slot.start + slot.end) / 2, slot.end - 0.001):
                shown = datetime.fromtimestamp(at, UTC).astimezone(known)
                assert shown.isoformat(sep=" ").startswith(slot.label[:13])
                assert slot.label[16:] in ("", shown.isoformat()[-6:])
                assert Timeline(slots).label(at) == slot.label


def test_parts_of_hours_are_those_that_the_clock_shows() -> None:
    # The clocks go from 03:00 back to 02:00; elsewhere from 02:00 back to 01:30, and from 02:00 to 02:30.
    belgrade = _period("Europe/Belgrade", "2026-10-25", "2026-10-26")
    halves = [slot.label for slot in hours(belgrade, HOURS["half-hour"])]
    assert len(halves) == 50 and halves[4:8] == [
        "2026-10-25 02:00+02:00", "2026-10-25 02:30+02:00", "2026-10-25 02:00+01:00", "2026-10-25 02:30+01:00"]
    assert len(list(hours(belgrade, HOURS["quarter-hour"]))) == 100
    back = _period("Australia/Lord_Howe", "2026-04-05", "2026-04-06")
    assert [slot.label for slot in hours(back, HOURS["half-hour"])][3:6] == [
        "2026-04-05 01:30+11:00", "2026-04-05 01:30+10:30", "2026-04-05 02:00+10:30"]
    on = _period("Australia/Lord_Howe", "2026-10-04", "2026-10-05")
    assert [slot.label for slot in hours(on, HOURS["quarter-hour"])][7:9] == [
        "2026-10-04 01:45+10:30", "2026-10-04 02:30+11:00"]


def test_a_date_that_is_left_out_is_no_day() -> None:
    """On Samoa there was no 30th of December 2011."""
    found = [slot.label for slot in days(_period("Pacific/Apia", "2011-12-28", "2012-01-01"))]
    assert found == ["2011-12-28", "2011-12-29", "2011-12-31"]


def test_weekdays_and_hours_of_the_day_stand_in_order() -> None:
    period = _period("Europe/Belgrade", "2026-10-22", "2026-10-27")  # Thursday to Monday
    assert timeline(period, "weekday").labels == ("mon", "thu", "fri", "sat", "sun")
    assert timeline(period, "hour-of-day").labels == tuple(f"{hour:02d}" for hour in range(24))


def test_weeks_and_months_are_those_of_their_days() -> None:
    period = _period("Europe/Belgrade", "2026-12-26", "2027-01-05")  # Saturday to Monday
    assert timeline(period, "week").labels == ("2026-W52", "2026-W53", "2027-W01")
    assert timeline(period, "month").labels == ("2026-12", "2027-01")
    sunday = datetime(2027, 1, 3, 23, 59, tzinfo=ZoneInfo("Europe/Belgrade")).timestamp()
    assert [timeline(period, by).label(sunday) for by in ("week", "month")] == ["2026-W53", "2027-01"]
    query = Query(period, now=period.end, by=("month",))
    found, _total = Rows(query).report(lambda tally, _query: {"calls": tally.counts["calls"]})
    assert found == [{"month": "2026-12", "calls": 0}, {"month": "2027-01", "calls": 0}]


def test_hours_without_calls_have_rows_up_to_now() -> None:
    period = _period("Europe/Belgrade", "2026-10-25", "2026-10-26")
    query = Query(period, now=period.start + 3 * 3600 + 10, by=("hour",))
    rows = Rows(query)
    rows.at(period.start + 7300, ()).count("calls")
    found, total = rows.report(lambda tally, _query: {"calls": tally.counts["calls"]})
    assert [row["calls"] for row in found] == [0, 0, 1, 0]
    assert found[3]["hour"] == "2026-10-25 02:00+01:00" and total == {"calls": 1}
    query = Query(period, now=period.start + 3600, by=("half-hour",))
    found, _total = Rows(query).report(lambda _tally, _query: {})
    assert [row["half-hour"][11:16] for row in found] == ["00:00", "00:30", "01:00"]


spans = st.lists(st.tuples(st.integers(-50, 150), st.integers(-50, 150)), max_size=12)


def _points(some: list[tuple[int, int]]) -> set[int]:
    return {point for start, end in some for point in range(start, end)}


@given(spans, spans)
def test_spans_are_sets_of_moments(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    one, other = union(some, 0, 100), union(others, 0, 100)
    inside = set(range(100))
    assert _points(one) == _points(some) & inside and length(one) == len(_points(one))
    assert _points(intersect(one, other)) == _points(one) & _points(other)
    assert _points(subtract(one, other)) == _points(one) - _points(other)
    starts = [0.0, 10.0, 45.0]
    found = dict.fromkeys(range(3), 0.0)
    for slot, seconds in spread(one, starts, 100.0):
        found[slot] += seconds
    assert found == {slot: len(_points(one) & set(range(low, high)))
                     for slot, (low, high) in enumerate([(0, 10), (10, 45), (45, 100)])}


def test_quantiles_lie_between_values_in_proportion() -> None:
    # Of 1, 2, 4, 10: the middle is between 2 and 4; 90 % of the way from the first to the last is at place 2.7.
    assert quantile([1, 2, 4, 10], 0.5) == 3 and quantile([1, 2, 4, 10], 0.9) == 8.2
    assert quantile([7], 0.9) == 7 and quantile([], 0.5) is None
    assert mean([1, 2]) == 1.5 and mean([]) is None
    assert share(1, 3) == 0.3333 and share(0, 0) is None


def test_a_clock_that_was_put_back_gives_no_negative_seconds() -> None:
    tally = Tally()
    tally.sample("waits", -3.0)
    tally.sample("waits", None)
    assert list(tally.samples["waits"]) == [0.0]
