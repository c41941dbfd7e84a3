"""What an agent is doing, in one word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fsapp.core.activity import Activity, activity
from fsapp.core.floor import SeenAgent

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(("status", "state", "word"), [
    ("Logged Out", "Waiting", "logged out"),
    ("Logged Out", "In a queue call", "talking"),
    ("On Break", "Waiting", "on a break"),
    ("On Break", "Receiving", "ringing"),
    ("Available", "Waiting", "waiting"),
    ("Available", "Reserved", "ringing"),
    ("Available (On Demand)", "Idle", "idle"),
    ("Available (On Demand)", "Waiting", "waiting"),
])
def test_one_word_for_status_and_state(status: str, state: str, word: str) -> None:
    assert activity(SeenAgent("1001", status=status, state=state), NOW) == Activity(word)


@pytest.mark.parametrize(("ago_s", "left"), [
    (0, Activity("wrap-up", 10)), (4, Activity("wrap-up", 7)), (10, Activity("wrap-up", 1)),
    (10.5, Activity("wrap-up", 1)), (11, Activity("waiting")), (600, Activity("waiting")),
])
def test_a_wrap_up_counts_down_and_ends_when_the_switch_offers_the_next_call(ago_s: float, left: Activity) -> None:
    agent = SeenAgent("1001", status="Available", wrap_up_s=10, ended_at=NOW - timedelta(seconds=ago_s))
    assert activity(agent, NOW) == left


def test_without_a_wrap_up_there_is_none() -> None:
    assert activity(SeenAgent("1001", status="Available", ended_at=NOW), NOW) == Activity("waiting")
