"""Sessions and breaks follow from the statuses that were told, in whatever order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.agent_record import Break, Session, Status, times


def test_a_day_at_work() -> None:
    statuses = [
        Status(100, "a", "Available"), Status(200, "b", "On Break", "lunch"), Status(260, "c", "Available"),
        Status(300, "d", "On Break", "coffee"), Status(310, "e", "On Break", "training"),
        Status(400, "f", "Logged Out"), Status(500, "g", "On Break"), Status(510, "h", "Available (On Demand)"),
        Status(510.5, "i", "Available"),
    ]
    sessions, breaks = times(statuses)
    assert sessions == [Session("a", 100, 400), Session("g", 500)]
    assert breaks == [Break("b", "a", "lunch", 200, 260), Break("d", "a", "coffee", 300, 310),
                      Break("e", "a", "training", 310, 400), Break("g", "g", None, 500, 510)]


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["Available", "On Break", "Logged Out"]),
                          st.sampled_from([None, "lunch"]))), st.randoms(use_true_random=False))
def test_times_follow_each_other(told: list[tuple[int, str, str | None]], chance: random.Random) -> None:
    statuses = [Status(at, str(place), status, reason) for place, (at, status, reason) in enumerate(told)]
    sessions, breaks = times(statuses)
    for some in (sessions, breaks):
        for one, later in zip(some, some[1:], strict=False):
            assert one.started_at <= one.ended_at <= later.started_at
    assert {one.session_id for one in breaks} <= {one.id for one in sessions}
    again = [*statuses, *statuses]
    chance.shuffle(again)
    assert times(again) == (sessions, breaks)
