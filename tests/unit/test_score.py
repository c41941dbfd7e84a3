"""Scores: classes never mix whatever VIP, priority and target; earlier deadlines first; a C int holds them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.model import CallClass
from fsapp.core.score import BANDS, DIALER_BAND, MAX_SCORE, base_score

VIP, PRIORITY, SLA = st.integers(0, 9), st.integers(0, 99), st.integers(0, 100_000)
IN_ORDER = [CallClass.CALLBACK, CallClass.NEW_CUSTOMER, CallClass.SERVICE]


@given(st.sampled_from([(0, 1), (1, 2), (0, 2)]), VIP, PRIORITY, SLA, VIP, PRIORITY, SLA)
def test_the_order_of_classes_is_strict(pair, vip, priority, sla_s, other_vip, other_priority, other_sla_s):
    higher = base_score(IN_ORDER[pair[0]], vip, priority, sla_s)
    assert higher > base_score(IN_ORDER[pair[1]], other_vip, other_priority, other_sla_s)


@pytest.mark.parametrize("call_class", IN_ORDER)
def test_bands_leave_a_day_of_waiting_between_them(call_class):
    """The switch adds a point a second: the best of a band must not reach the next one while a caller waits."""
    top = base_score(call_class, 9, 99, 0)
    above = min(band for band in (*BANDS.values(), DIALER_BAND) if band > BANDS[call_class])
    assert top + 86_400 < above


@given(st.sampled_from(IN_ORDER), VIP, PRIORITY, SLA)
def test_scores_fit_the_switch_and_their_band(call_class, vip, priority, sla_s):
    score = base_score(call_class, vip, priority, sla_s)
    assert BANDS[call_class] <= score < BANDS[call_class] + 100_000_000
    assert score <= MAX_SCORE == 2**31 - 1


@given(st.sampled_from(IN_ORDER), st.tuples(VIP, PRIORITY, st.integers(0, 3600)),
       st.tuples(VIP, PRIORITY, st.integers(0, 3600)))
def test_within_a_class_vip_then_priority_then_the_earlier_deadline(call_class, one, other):
    rank = [(vip, priority, -sla_s) for vip, priority, sla_s in (one, other)]
    scores = [base_score(call_class, *one), base_score(call_class, *other)]
    assert (scores[0] > scores[1]) == (rank[0] > rank[1])
    assert (scores[0] == scores[1]) == (rank[0] == rank[1])


def test_the_example_of_the_design():
    assert base_score(CallClass.CALLBACK, 0, 50, 20) == 305_003_580
    assert base_score(CallClass.SERVICE, 0, 90, 10) == 109_003_590


@pytest.mark.parametrize("wrong", [(-1, 0, 0), (10, 0, 0), (0, -1, 0), (0, 100, 0), (0, 0, -1)])
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError):
        base_score(CallClass.SERVICE, *wrong)
