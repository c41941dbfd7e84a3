"""The names of recordings: nothing a caller sends changes what they are made of, and they are read back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsapp.core.model import CallClass
from fsapp.core.recording import Recorded, file_name, read_name
from fsapp.core.rules import Rules

HOSTILE = st.one_of(st.text(st.characters(), max_size=300), st.text("./_-+~*$`\\\n\0 \u202e;|%{}ab0", max_size=300))
CLASSES = st.sampled_from([one.value for one in CallClass])
TIMES = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.sampled_from(
    [UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-11))]))
AT = datetime(2026, 3, 29, 0, 35, 30, tzinfo=UTC)


@given(TIMES, CLASSES, HOSTILE, HOSTILE, HOSTILE)
@example(AT, "callback", "../..", "..", "/")
@example(AT, "callback", "", "-rf", "")
def test_whatever_comes_the_name_is_one_file_of_one_folder(at, call_class, place, number, call):
    name = file_name(at, call_class, place, number, call)
    assert re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{6}Z_[A-Za-z0-9+._-]+\.wav", name)
    assert ".." not in name
    assert len(name.partition("/")[2]) <= 240
    assert name.count("_") == 4
    read = read_name(name)
    assert read is not None
    assert (read.at, read.call_class) == (at.astimezone(UTC).replace(microsecond=0), call_class)


@given(TIMES, CLASSES, st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,3}(/[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,3})?",
                                     fullmatch=True),
       st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.uuids())
def test_what_we_are_told_is_read_back(at, call_class, place, number, call):
    read = read_name(file_name(at, call_class, place, number, str(call)))
    assert read == Recorded(at.astimezone(UTC).replace(microsecond=0), call_class, place, number, str(call))


@given(HOSTILE)
@example("2026-02-30/000000Z_service_helpdesk_1_u.wav")
@example("2026-02-03/000000Z_service_help..desk_1_u.wav")
@example("2026-02-03/000000Z_service_helpdesk_1_u.wav\n")
@example("../2026-02-03/000000Z_service_helpdesk_1_u.wav")
@example("2026-02-03/250000Z_service_helpdesk_1_u.wav")
def test_any_other_name_is_none_of_ours(name):
    assert read_name(name) is None


def test_the_contact_of_a_callback_is_found_again():
    def contact(call_class, place):
        return read_name(file_name(AT, call_class, place, "+381601234567", "u")).contact

    assert contact("callback", "renewals/first-call") == "renewals/first-call/+381601234567"
    assert contact("new-customer", "web-leads/new") is None
    assert contact("service", "helpdesk") is None


@pytest.mark.parametrize(("place", "days"), [("a/long", 400), ("a/short", 7), ("quiet", 30), ("gone", 30)])
def test_how_long_is_said_by_the_place_else_by_the_centre(place, days):
    rules = Rules.from_document({
        "centre": {"region": "RS", "record_days": 30}, "line": {"quiet": {}},
        "campaign": {"a": {"record_days": 400, "stage": {
            "long": {"kind": "outbound"}, "short": {"kind": "outbound", "record_days": 7}}}},
    })
    assert rules.keep_days(place) == days


def test_without_a_word_recordings_are_kept_for_90_days():
    assert Rules.from_document({"centre": {"region": "RS"}}).keep_days("gone") == 90


def test_a_time_beyond_the_calendar_is_its_end():
    late = Recorded(datetime(9999, 12, 1, tzinfo=UTC), "service", "helpdesk", "1", "u")
    assert late.due(3650).year == 9999
    assert Recorded(AT, "service", "helpdesk", "1", "u").due(2) == AT + timedelta(days=2)
