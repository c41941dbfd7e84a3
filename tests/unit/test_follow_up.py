"""What follows from an interaction: held against a second model, the same whatever the order, once for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from second_model_follow_up import expected

from fsapp.core.after_rules import After, AfterRules, FollowingTask, TaskFor, TicketRule, after_rules_from
from fsapp.core.follow_up import Finished, Kind, follow_ups
from fsapp.core.placeholders import PLACEHOLDERS, template_faults, values_of, written

LISTS = {"vips": {"+381601234567"}, "difficult": {"+381601234568", "+381601234567"}}
NUMBERS = ["+381601234567", "+381601234568", "+381601234569", None]
TAGS = ["lost", "vip", "billing"]
HOSTILE = "{note} \u202e=HYPERLINK(\"x\")\r\nBcc: all@example.com \U0001f600 ${x}"


def _maybe(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([*values, None])


CALLS = st.fixed_dictionaries({
    "channel": st.sampled_from(["call", "email"]), "direction": _maybe(["inbound", "outbound"]),
    "call_class": _maybe(["service", "callback"]), "outcome": _maybe(["answered", "abandoned"]),
    "campaign": _maybe(["renewals"]), "stage": _maybe(["first-call"]), "line": _maybe(["helpdesk", "vip"]),
    "queue": _maybe(["helpdesk@fsapp", "vip@fsapp"]), "disposition": _maybe(["sold", "no interest"]),
    "number": st.sampled_from(NUMBERS), "tags": st.frozensets(st.sampled_from(TAGS)),
    "talked_s": st.none() | st.integers(0, 4).map(float), "waited_s": st.none() | st.integers(0, 4).map(float),
    "reason": _maybe(["service-line", "survey"]),
    "agent": _maybe(["1001", "1002"]), "sticky_agent": _maybe(["1001", "1002"]),
})


def _some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


RULES = st.lists(st.fixed_dictionaries({}, optional={
    "channel": _some(["call", "email"]), "direction": _some(["inbound", "outbound"]),
    "class": _some(["service", "callback"]), "outcome": _some(["answered", "abandoned"]),
    "campaign": _some(["renewals"]), "stage": _some(["renewals/first-call"]), "line": _some(["helpdesk", "vip"]),
    "queue": _some(["helpdesk", "vip@fsapp"]), "disposition": _some(["sold", "no interest"]), "tag": _some(TAGS),
    "list": _some(list(LISTS)), "talked_min_s": st.integers(0, 4), "talked_max_s": st.integers(0, 4),
    "waited_min_s": st.integers(0, 4), "waited_max_s": st.integers(0, 4), "sticky_kept": st.booleans(),
    "ticket": st.sampled_from(["open-or-new", "new", "none"]), "tags": _some(TAGS), "task": st.just({"due_s": 60}),
    "webhook": st.just("crm"), "email": st.just("boss"), "survey": st.just("how"),
}), max_size=5).map(lambda rules: [{**rule, "name": f"rule-{place}"} for place, rule in enumerate(rules)])


def _rules(specs: list[dict[str, Any]]) -> AfterRules:
    return after_rules_from({"after": specs, "webhook": {"crm": {"url": "http://127.0.0.1:1/"}},
                             "email": {"boss": {"to": ["ana@example.com"], "subject": "s", "text": "t"}}})


def _flat(call: Finished, rules: AfterRules) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for action in follow_ups(call, rules, LISTS):
        if action.kind is Kind.TAGS:
            found |= {("tag", tag) for tag in action.rule.tags if tag not in call.tags}
        elif action.kind is Kind.TICKET:
            assert action.rule.ticket is not None
            found.add(("ticket", action.rule.ticket.value, action.rule.name))
        else:
            found.add((action.kind.value, action.rule.name, action.target))
    return found


@given(CALLS, RULES)
def test_what_follows_is_what_the_second_model_says(call: dict[str, Any], specs: list[dict[str, Any]]) -> None:
    assert _flat(Finished("u1", **call), _rules(specs)) == expected(call, specs, LISTS)


@given(CALLS, RULES)
def test_ids_are_the_same_each_time_and_each_one_its_own(call: dict[str, Any], specs: list[dict[str, Any]]) -> None:
    one, rules = Finished("u1", **call), _rules(specs)
    ids = [action.id for action in follow_ups(one, rules, LISTS)]
    assert ids == [action.id for action in follow_ups(one, _rules(specs), LISTS)]
    assert len(set(ids)) == len(ids)
    others = {action.id for action in follow_ups(replace(one, id="u2"), rules, LISTS)}
    assert not others & set(ids)
    assert all(len(id_) == 32 and id_.isalnum() and id_.isascii() for id_ in ids)


@given(CALLS, RULES)
def test_looked_at_again_with_the_tags_it_was_given_nothing_new_follows(
    call: dict[str, Any], specs: list[dict[str, Any]],
) -> None:
    one, rules = Finished("u1", **call), _rules(specs)
    first = follow_ups(one, rules, LISTS)
    tagged = replace(one, tags=one.tags | {tag for action in first if action.kind is Kind.TAGS
                                           for tag in action.rule.tags})
    again = follow_ups(tagged, rules, LISTS)
    assert {action.id for action in again} <= {action.id for action in first}
    assert not [action for action in again if action.kind is Kind.TAGS]


@given(CALLS, RULES, st.randoms())
def test_the_order_of_rules_matters_to_tickets_alone(
    call: dict[str, Any], specs: list[dict[str, Any]], random: Any,
) -> None:
    mixed = list(specs)
    random.shuffle(mixed)

    def without_ticket(rules: list[dict[str, Any]]) -> set[tuple[str, ...]]:
        return {one for one in _flat(Finished("u1", **call), _rules(rules)) if one[0] != "ticket"}

    assert without_ticket(specs) == without_ticket(mixed)


def test_a_tag_given_by_a_rule_further_down_counts() -> None:
    rules = AfterRules((
        After("told", after_rules_from({"after": [{"name": "x", "tag": ["lost"]}]}).after[0].when, webhook="crm"),
        After("lost", tags=("lost",)),
    ))
    assert [action.kind for action in follow_ups(Finished("u1"), rules, {})] == [Kind.TAGS, Kind.WEBHOOK]


def test_an_interaction_has_one_ticket_whichever_rule_it_is_by() -> None:
    by_one = follow_ups(Finished("u1"), AfterRules((After("a", ticket=TicketRule.NEW),)), {})
    by_other = follow_ups(Finished("u1"), AfterRules((After("b", ticket=TicketRule.OPEN_OR_NEW),)), {})
    assert by_one[0].id == by_other[0].id
    assert follow_ups(Finished("u1"), AfterRules((After("n", ticket=TicketRule.NONE), After(
        "a", ticket=TicketRule.NEW))), {}) == ()


@pytest.mark.parametrize(("spec", "task"), [
    ({}, FollowingTask()),
    ({"group": "sales"}, FollowingTask(0, TaskFor.GROUP, "sales")),
    ({"due_s": 60, "who": "anyone", "note": "n"}, FollowingTask(60, TaskFor.ANYONE, None, "n")),
])
def test_whose_a_task_is(spec: dict[str, Any], task: FollowingTask) -> None:
    assert after_rules_from({"after": [{"name": "a", "task": spec}]}).after[0].task == task


def test_every_placeholder_has_a_value_and_nothing_else_is_replaced() -> None:
    assert values_of(Finished("u1")).keys() == PLACEHOLDERS.keys()
    template = "".join(f"{{{name}}}|" for name in PLACEHOLDERS)
    assert template_faults(template) == []
    assert "{" not in written(template, values_of(Finished("u1")))
    assert template_faults("{nam}")[0].startswith("has '{nam}'")
    assert template_faults("a { b") and template_faults("}") and template_faults("{number!r}")
    assert template_faults("{name.__class__}")


@given(st.text() | st.just(HOSTILE))
def test_what_callers_say_stays_one_line_and_is_no_placeholder(said: str) -> None:
    one = Finished("u1", name=said, note=said, number=said, subject=said)
    values = values_of(one)
    for name in ("name", "note", "number", "subject"):
        assert "\n" not in values[name] and "\r" not in values[name] and "\u202e" not in values[name]
    assert written("{name} {note}", values) == f"{values['name']} {values['note']}"


def test_times_are_as_on_the_clock_on_the_wall() -> None:
    one = Finished("u1", started_at=1_764_087_913.4, ended_at=float(10**12))
    assert values_of(one, timezone="Europe/Belgrade")["started_at"] == "2025-11-25 17:25 CET"
    assert values_of(one, timezone="Europe/Belgrade")["ended_at"] == ""
