"""The estimate of a wait: plain cases by hand, and what it learns."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.wait import Desk, Estimate, Learned, Scene, Spread, Waiting, estimate, expected, quantile, rank
from fsapp.core.wait_learning import WaitLearner

HELP, VIP = "helpdesk@fsapp", "vip@fsapp"
KNOWN = Learned(Spread(100.0, 100.0**2, 1e9), Spread(0.0, 0.0, 1e9))
BUSY = Desk(frozenset({HELP}), None)
FREE = Desk(frozenset({HELP}), 0.0)


def told(scene: Scene, learned: Learned = KNOWN, queue: str = HELP, rank_: float = 0.0) -> Estimate:
    return estimate(scene, queue, rank_, learned)


def test_a_free_agent_means_no_wait() -> None:
    assert expected(0, [0.0, None], KNOWN) == (0.0, 0.0)


@pytest.mark.parametrize(("ahead", "agents", "wait_s"), [(0, 1, 100), (0, 4, 25), (3, 4, 100), (9, 10, 100)])
def test_each_step_takes_the_time_held_by_the_number_of_agents(ahead: int, agents: int, wait_s: float) -> None:
    assert expected(ahead, [None] * agents, KNOWN)[0] == pytest.approx(wait_s)


def test_a_rest_ends_when_it_is_over() -> None:
    mean, variance = expected(0, [7.0], KNOWN)
    assert (mean, variance) == (7.0, 0.0)
    assert expected(1, [7.0], KNOWN)[0] == pytest.approx(107)


def test_those_who_give_up_make_it_shorter_and_those_who_overtake_longer() -> None:
    plain = expected(5, [None] * 2, KNOWN)[0]
    assert expected(5, [None] * 2, Learned(KNOWN.held, KNOWN.ring, gives_up=0.01))[0] < plain
    assert expected(5, [None] * 2, Learned(KNOWN.held, KNOWN.ring, overtaking=0.005))[0] > plain


def test_however_many_overtake_there_is_an_end() -> None:
    assert expected(5, [None] * 2, Learned(KNOWN.held, KNOWN.ring, overtaking=99.0))[0] < 1000


def test_the_position_counts_those_whom_the_same_agents_would_take_first() -> None:
    both = Desk(frozenset({HELP, VIP}), None)
    line = [Waiting("a", VIP, 5.0), Waiting("b", HELP, 1.0), Waiting("c", HELP, -1.0), Waiting("d", "else@fsapp", 9.0)]
    found = told(Scene([both, BUSY, Desk(frozenset({"else@fsapp"}), 0.0)], line))
    assert (found.position, found.agents) == (3, 2)


def test_of_a_caller_whom_others_serve_too_a_share_counts() -> None:
    both, theirs = Desk(frozenset({HELP, VIP}), None), Desk(frozenset({VIP}), None)
    scene = Scene([both, theirs], [Waiting("a", VIP, 5.0)])
    assert told(scene).estimate_s < told(Scene([both], [Waiting("a", VIP, 5.0)])).estimate_s


def test_it_says_why_it_is_not_to_be_believed() -> None:
    assert told(Scene([], [])).doubt == "no agent takes these calls"
    assert told(Scene([BUSY], []), Learned(Spread(100, 100, 3), KNOWN.ring)).doubt == "too few talks so far"
    assert told(Scene([BUSY], [])).doubt == "too few such waits so far"
    some = {"0": 100.0, "free": 100.0}
    assert told(Scene([BUSY], []), Learned(KNOWN.held, KNOWN.ring, outcomes=some)).doubt == "it may be anything"
    assert told(Scene([FREE], []), Learned(KNOWN.held, KNOWN.ring, outcomes=some)).doubt == ""


@given(
    st.integers(0, 300), st.lists(st.none() | st.floats(0, 60), min_size=1, max_size=30), st.floats(0, 2),
    st.floats(0, 0.1), st.floats(0, 1e4),
)
def test_whatever_comes_it_is_a_number_with_its_interval(
    ahead: int, ready: list[float | None], overtaking: float, gives_up: float, hold_s: float,
) -> None:
    line = [Waiting(str(place), HELP, float(place + 1)) for place in range(ahead)]
    found = told(Scene([Desk(frozenset({HELP}), one) for one in ready], line), Learned(
        Spread(hold_s, hold_s**2, 50), Spread(5, 4, 50), gives_up, overtaking))
    assert 0 <= found.low_s <= found.estimate_s <= found.high_s < 1e9
    assert found.position == ahead + 1


def test_one_more_ahead_never_makes_it_shorter() -> None:
    waits = [expected(ahead, [None, 3.0, 50.0], KNOWN)[0] for ahead in range(40)]
    assert waits == sorted(waits)


def test_quantiles_are_in_order_and_about_those_of_an_exponential() -> None:
    assert quantile(100, 100**2, 0) == pytest.approx(69.3, rel=0.05)
    assert quantile(100, 100**2, 1.2816) == pytest.approx(230, rel=0.05)
    assert quantile(0, 5, 1) == 0.0


# -- learning ----------------------------------------------------------------------------------------------------------


def day(learner: WaitLearner, calls: int = 200, wait_s: float = 40.0) -> float:
    """Callers who find one agent busy, and each wait as long; the time at the end."""
    now = 1000.0
    for place in range(calls):
        learner.joined(f"m{place}", HELP, 100_000_000, now, Scene([BUSY], []))
        learner.answered(f"m{place}", HELP, {HELP}, wait_s, 5.0, now + wait_s)
        learner.held(HELP, 100.0)
        now += 200
    return now


def test_it_comes_to_what_the_waits_are() -> None:
    learner = WaitLearner()
    now = day(learner)
    found = learner.estimate(Scene([BUSY], []), HELP, 100_000_000, now)
    assert found.estimate_s == pytest.approx(40, rel=0.15)
    assert found.low_s <= 41 and found.high_s >= 39
    assert not found.doubt


def test_what_was_learned_outlives_the_process() -> None:
    learner = WaitLearner()
    now = day(learner)
    again = WaitLearner.load(msgpack.unpackb(msgpack.packb(learner.dump()), strict_map_key=False))
    assert again.dump() == learner.dump()
    scene = Scene([BUSY], [])
    assert again.estimate(scene, HELP, 1e8, now) == learner.estimate(scene, HELP, 1e8, now)


def test_the_state_of_another_version_is_learned_anew() -> None:
    assert WaitLearner.load({"version": 99}).dump() == WaitLearner().dump()


def test_a_caller_who_gave_up_is_learned_from_when_his_turn_would_have_been() -> None:
    learner = WaitLearner()
    learner.joined("gone", HELP, 1e8, 0.0, Scene([BUSY], []))
    learner.joined("next", HELP, 1e8, 10.0, Scene([BUSY], [Waiting("gone", HELP, rank(1e8, 0.0))]))
    learner.gone("gone", HELP, 20.0)
    assert not learner.dump()["outcomes"]
    learner.answered("next", HELP, {HELP}, 50.0, 5.0, 60.0)
    assert learner.dump()["outcomes"]["0"] == 1  # for him nobody was ahead
    assert learner.dump()["outcomes"]["1"] == 1


def test_or_when_an_agent_has_nothing_to_do() -> None:
    learner = WaitLearner()
    learner.joined("gone", HELP, 1e8, 0.0, Scene([BUSY], []))
    learner.gone("gone", HELP, 20.0)
    learner.look(Scene([BUSY], []), 30.0)
    assert not learner.dump()["outcomes"]
    learner.look(Scene([FREE], []), 90.0)
    assert learner.dump()["outcomes"]["0"] == 1


def test_callers_of_a_higher_class_who_come_often_make_it_longer() -> None:
    both = Scene([Desk(frozenset({HELP, VIP}), None)] * 2, [])
    quiet, busy = WaitLearner(), WaitLearner()
    for learner in (quiet, busy):
        day(learner)
    for place in range(100):
        busy.joined(f"v{place}", VIP, 300_000_000, 41_000.0 + place * 10, both)
    assert busy.learned(both, HELP, 1e8, 42_000.0).overtaking > quiet.learned(both, HELP, 1e8, 42_000.0).overtaking
    assert busy.learned(both, VIP, 3e8, 42_000.0).overtaking == 0.0
