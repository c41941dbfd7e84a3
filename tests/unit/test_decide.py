"""The decision on the example centre and small variations of it: classes, corner cases, targets, later visits."""

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_centre import NOW as RANDOM_NOW
from random_centre import random_customer, random_document

from fsapp.core.model import DEGRADED, NO_FACTS, Call, CallClass, Contact, Earlier, Facts, Right, Sticky
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.score import BANDS
from fsapp.rules import load_folder

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf" / "rules")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CALLER = "+381601234567"
FIRST_CALL, WEB, HELPDESK, FLOW, VIP = (f"+38111555{number:04}" for number in (100, 200, 300, 400, 900))


def rules_with(**tables) -> Rules:
    """The example centre with some tables' entries added or replaced."""
    document = copy.deepcopy(DOCUMENT)
    for table, entries in tables.items():
        if isinstance(entries, list):
            document[table] = [*document[table], *entries]
        else:
            document.setdefault(table, {}).update(entries)
    return Rules.from_document(document)


EXAMPLE = rules_with()


def call(called: str, caller: str = CALLER, earlier: Earlier | None = None) -> Call:
    return Call(normalise(caller, "RS"), normalise(called, "RS"), earlier=earlier)


def contact(campaign="renewals", stage="first-call", **more) -> Contact:
    return Contact(campaign, stage, CALLER, **more)


def right(agent="1002", hours=1, stage="first-call", campaign="renewals") -> Right:
    return Right(agent, NOW + timedelta(hours=hours), campaign, stage)


def queues(decision) -> list[tuple[str, int | None]]:
    return [(target.queue.removesuffix("@fsapp"), target.wait_s) for target in decision.targets]


@pytest.mark.parametrize(("called", "facts", "expected"), [
    (FIRST_CALL, Facts((contact(),)), ("callback", "open-contact", "renewals.first-call", 305_003_580)),
    (FIRST_CALL, Facts((contact(open=False),)), ("service", "closed-contact", "helpdesk", 105_003_540)),
    (FIRST_CALL, NO_FACTS, ("service", "service-line", "helpdesk", 105_003_540)),
    (WEB, NO_FACTS, ("new-customer", "new-caller", "web-leads.new", 204_003_580)),
    (HELPDESK, NO_FACTS, ("service", "service-line", "helpdesk", 101_003_540)),
    (FLOW, NO_FACTS, ("service", "flow", "helpdesk", 101_003_540)),
    (VIP, NO_FACTS, ("service", "service-line", "vip", 109_003_590)),
    # An open contact is one only behind the numbers of its stage.
    (HELPDESK, Facts((contact(),)), ("service", "service-line", "helpdesk", 101_003_540)),
    (HELPDESK, Facts(rights=(right(),)), ("callback", "direct-callback", "renewals.first-call", 301_003_580)),
])
def test_the_example_centre(called, facts, expected):
    decision = decide(call(called), facts, EXAMPLE, NOW)
    assert (decision.call_class, decision.reason, decision.targets[-1].queue.removesuffix("@fsapp"),
            decision.base_score) == expected
    assert decision.trace


@pytest.mark.parametrize("called", ["+381115559999", "112", "anonymous", "junk"])
def test_a_number_that_is_not_ours_is_let_go_with_a_reason(called):
    decision = decide(call(called), NO_FACTS, EXAMPLE, NOW)
    assert (decision.call_class, decision.reason, decision.targets) == (None, "unknown-number", ())
    assert decision.as_json()["class"] is None
    default = decide(call(called), NO_FACTS, rules_with(centre={"unknown_flow": "main"}), NOW)
    assert (default.call_class, default.line, default.base_score) == (CallClass.SERVICE, "helpdesk", 100_003_540)


def test_the_most_recently_attempted_contact_wins():
    rules = rules_with(campaign={"other": {"groups": ["support"], "stage": {"second": {
        "kind": "outbound", "caller_ids": [FIRST_CALL]}}}})
    older, newer = (contact(attempted_at=NOW - timedelta(days=days)) for days in (2, 1))
    second = Contact("other", "second", CALLER, True, None, NOW - timedelta(hours=36))
    for facts, stage in [((older, second), "second"), ((newer, second), "first-call"), ((contact(), second), "second"),
                         ((newer, Contact("other", "second", CALLER, False, None, NOW)), "first-call")]:
        for order in (facts, facts[::-1]):
            assert decide(call(FIRST_CALL), Facts(order), rules, NOW).stage == stage


# A number that is the caller ID of one stage and takes new customers for another.
BOTH = {"number": [{"number": "+381115550500", "priority": 1, "line": "helpdesk"}],
        "campaign": {"both": {"groups": ["sales"], "stage": {
            "out": {"kind": "outbound", "caller_ids": ["+381115550500"]},
            "in": {"kind": "new-customers", "numbers": ["+381115550500"]}}}}}


@pytest.mark.parametrize(("facts", "expected"), [
    (Facts((contact("both", "out"),)), CallClass.CALLBACK),
    (Facts((contact("both", "out", open=False),)), CallClass.SERVICE),
    (Facts((contact("renewals", "first-call", open=False),)), CallClass.NEW_CUSTOMER),
    (NO_FACTS, CallClass.NEW_CUSTOMER),
])
def test_overlap_of_outbound_and_new_customers_on_one_number(facts, expected):
    assert decide(call("+381115550500"), facts, rules_with(**BOTH), NOW).call_class is expected


@pytest.mark.parametrize(("nobody", "strict", "line", "expected"), [
    ({}, False, True, "service"), ({}, True, True, "new-customer"),
    ({"agents": ["1001"], "priority": {"1001": 0}}, False, True, "service"),
    ({"agents": ["1001"], "priority": {"1001": 0}}, True, True, "new-customer"),
    ({"agents": ["1001"], "priority": {"1001": 1}}, False, True, "new-customer"),
    ({}, False, False, "new-customer"),
])
def test_a_stage_without_agents_does_not_swallow_service_calls(nobody, strict, line, expected):
    rules = rules_with(
        number=[{"number": "+381115550600"} | ({"line": "helpdesk"} if line else {})],
        campaign={"trap": {"stage": {"in": {"kind": "new-customers", "numbers": ["+381115550600"],
                                            "strict": strict} | nobody}}})
    assert decide(call("+381115550600"), NO_FACTS, rules, NOW).call_class == expected


@pytest.mark.parametrize(("rights", "agent"), [
    ((right(hours=1),), "1002"), ((right(hours=0),), None), ((right(hours=-1),), None), ((right("7777"),), None),
    ((right("1002", 1), right("1003", 2), right("1001", -2)), "1003"),
])
def test_a_right_counts_while_it_lives(rights, agent):
    decision = decide(call(FIRST_CALL), Facts(rights=rights), EXAMPLE, NOW)
    assert decision.call_class == ("callback" if agent else "service")
    assert decision.targets[0].agent == agent


@pytest.mark.parametrize(("called", "queue"), [(FIRST_CALL, "renewals.first-call"), (HELPDESK, "helpdesk"),
                                               (FLOW, "helpdesk"), (WEB, "web-leads.new")])
def test_a_right_whose_stage_is_gone_leads_to_what_the_number_is_for(called, queue):
    decision = decide(call(called), Facts(rights=(right(stage="gone"),)), EXAMPLE, NOW)
    assert decision.call_class is CallClass.CALLBACK
    assert queues(decision) == [("agent-1002", 20), (queue, None)]


@pytest.mark.parametrize(("stickiness", "between"), [
    ("none", []), ("agent", [("agent-1003", 20)]), ("group", [("group-sales", 20)]),
    ("agent-then-group", [("agent-1003", 20), ("group-sales", 20)]),
])
def test_whom_a_caller_waits_for_in_order(stickiness, between):
    document = copy.deepcopy(DOCUMENT)
    document["campaign"]["renewals"]["stage"]["first-call"]["stickiness"] = stickiness
    document["agent"]["1002"]["wait_s"] = 45
    facts = Facts((contact(agent="1002"),), (right("1001"),), Sticky("1003", NOW - timedelta(days=1)))
    decision = decide(call(FIRST_CALL), facts, Rules.from_document(document), NOW)
    assert queues(decision) == [("agent-1001", 20), ("agent-1002", 45), *between, ("renewals.first-call", None)]
    assert decision.target == decision.targets[0]
    assert decision.tried == (decision.targets[0].queue,)


def test_of_an_agents_groups_the_one_that_works_at_the_line_is_waited_for():
    line = DOCUMENT["line"]["helpdesk"]
    for groups, wanted in ((["zz"], "group-zz"), (["support"], "group-support"), (["zz", "support"], "group-support")):
        rules = rules_with(
            group={"zz": {"agents": ["1004", "1001"]}},
            line={"helpdesk": {**line, "groups": groups, "stickiness": "group"}})
        found = decide(call(HELPDESK), Facts(sticky=Sticky("1004", NOW)), rules, NOW)
        assert queues(found) == [(wanted, 20), ("helpdesk", None)]


def test_nobody_is_waited_for_twice_or_in_vain():
    document = copy.deepcopy(DOCUMENT)
    document["campaign"]["renewals"]["priority"] = {"1003": 0}
    rules = Rules.from_document(document)
    twice = Facts((contact(agent="1001"),), (right("1001"),), Sticky("1001", NOW))
    assert queues(decide(call(FIRST_CALL), twice, rules, NOW)) == [("agent-1001", 20), ("renewals.first-call", None)]
    vain = Facts((contact(agent="7777"),), (), Sticky("1003", NOW))
    assert queues(decide(call(FIRST_CALL), vain, rules, NOW)) == [("renewals.first-call", None)]


def test_later_visits_keep_class_and_score_and_move_on():
    facts = Facts((contact(agent="1002"),), (right("1001"),))
    rules = rules_with(**{"list": {"vips": {"vip": 9, "numbers": [CALLER]}}})
    first = decide(call(FIRST_CALL), facts, rules, NOW)
    visited, decision, known = [], first, [facts, facts, DEGRADED, NO_FACTS]
    assert first.base_score == 395_003_580
    for number in range(4):
        visited.append(decision.target.queue.removesuffix("@fsapp"))
        earlier = Earlier(decision.call_class, decision.base_score, decision.reason, decision.campaign, decision.stage,
                          decision.line, decision.contact, "id", decision.tried)
        # What is known of the caller may change or be lost meanwhile: class, place and score stay.
        decision = decide(call(FIRST_CALL, earlier=earlier), known[number], EXAMPLE, NOW)
        assert (decision.call_class, decision.base_score, decision.reason, decision.contact, decision.stage) == (
            first.call_class, first.base_score, first.reason, first.contact, first.stage)
    assert visited == ["agent-1001", "agent-1002", "renewals.first-call", "renewals.first-call"]
    assert decision.tried == tuple(f"{queue}@fsapp" for queue in visited[:3])


def test_a_later_visit_whose_place_is_gone_is_decided_and_scored_anew():
    earlier = Earlier(CallClass.CALLBACK, 399_000_000, "open-contact", "renewals", "gone", None, "x",
                      "id", ("a@fsapp",))
    decision = decide(call(HELPDESK, earlier=earlier), NO_FACTS, EXAMPLE, NOW)
    assert (decision.call_class, decision.line, decision.base_score) == (CallClass.SERVICE, "helpdesk", 101_003_540)
    assert decision.contact is None
    assert decision.tried == ("a@fsapp", "helpdesk@fsapp")


@pytest.mark.parametrize(("called", "expected"), [
    (FIRST_CALL, "service"), (WEB, "new-customer"), (HELPDESK, "service"), (FLOW, "service"), ("+381115559999", None)])
def test_without_state_calls_are_classified_as_well_as_can_be(called, expected):
    decision = decide(call(called), DEGRADED, EXAMPLE, NOW)
    assert decision.call_class == expected
    assert decision.degraded
    assert decision.reason.startswith("degraded-")


def test_without_state_a_number_that_is_only_a_caller_id_gives_callbacks():
    rules = rules_with(number=[{"number": "+381115550700"}], campaign={"c": {"groups": ["sales"], "stage": {
        "s": {"kind": "outbound", "caller_ids": ["+381115550700"]}}}})
    decision = decide(call("+381115550700"), DEGRADED, rules, NOW)
    assert (decision.call_class, decision.stage, decision.contact) == (CallClass.CALLBACK, "s", None)
    known = decide(call("+381115550700"), NO_FACTS, rules, NOW)
    assert (known.call_class, known.reason) == (None, "no-line")


@given(st.integers(0, 10**9))
def test_any_call_at_any_centre(seed):
    random = Random(seed)
    document = random_document(random)
    rules = Rules.from_document(document)
    customer = random_customer(random, document)
    now = datetime.fromtimestamp(RANDOM_NOW, UTC)
    agents = [*rules.agents, "9999"]
    facts = random.choice([DEGRADED, Facts(
        tuple(Contact(one["campaign"], one["stage"], customer["caller"], one["open"], one["agent"])
              for one in customer["contacts"]),
        tuple(Right(one["agent"], datetime.fromtimestamp(one["expires"], UTC), one["campaign"], one["stage"])
              for one in customer["rights"]),
        Sticky(random.choice(agents), now) if customer["caller"] else None)])
    first = decide(call(customer["called"] or "", customer["caller"] or ""), facts, rules, now)
    assert first == decide(call(customer["called"] or "", customer["caller"] or ""), facts, rules, now)
    assert all(all(isinstance(part, str) and part for part in step) for step in first.trace)
    if first.call_class is None:
        assert (first.targets, first.base_score) == ((), None)
        return
    assert 0 <= first.base_score - BANDS[first.call_class] < 100_000_000
    assert (first.line is None) != (first.stage is None)
    names = [target.queue for target in first.targets]
    assert len(set(names)) == len(names)
    assert set(names) <= rules.queues.keys()
    # Only the last place is without end, and each wait is the queue's own.
    assert [target.wait_s for target in first.targets] == [rules.queues[name].wait_s for name in names]
    assert [target.wait_s is None for target in first.targets] == [False] * (len(names) - 1) + [True]
    assert all(rules.queues[name].staff for name in names[:-1])
