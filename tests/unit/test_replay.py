"""Recorded calls decided again: under the same rules nothing differs, under others exactly what those would decide."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_centre import AGENTS, NOW, random_customer, random_document

from fsapp.core.availability import Availability
from fsapp.core.model import (
    DEGRADED,
    NO_FACTS,
    Call,
    CallClass,
    Contact,
    Decision,
    Earlier,
    Facts,
    Led,
    Right,
    Sticky,
    Talk,
)
from fsapp.core.numbers import normalise
from fsapp.core.replay import Recorded, read_recorded, replay
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.visit import Arrival, as_fallback, routed
from fsapp.rules import load_folder

AT = datetime.fromtimestamp(NOW, UTC)
CALLER = "+381601234567"
DOCUMENT = load_folder(Path(__file__).parents[2] / "conf/rules")


def as_event(call: Call, decision: Decision, at: float = NOW) -> dict[str, Any]:
    """The event of a decision as it comes out of the stream."""
    arrival = Arrival("u1", call, None, None, None, None, {}, False)
    return msgpack.unpackb(msgpack.packb(routed(arrival, decision, "d1", at), default=str))


def recorded(call: Call, decision: Decision) -> Recorded:
    found = read_recorded(as_event(call, decision))
    assert found is not None
    return found


def somebody(random: Random, document: dict[str, Any]) -> tuple[Call, Facts]:
    """A call at a random centre, with everything there may be to know of the caller and the agents."""
    customer = random_customer(random, document)
    call = Call(normalise(customer["caller"] or "anonymous", "RS"), normalise(customer["called"] or "0900x", "RS"))
    if random.random() < 0.1:
        return call, DEGRADED
    contacts = tuple(
        Contact(one["campaign"], one["stage"], customer["caller"], one["open"], one["agent"],
                None if one["attempted"] is None else datetime.fromtimestamp(one["attempted"], UTC), "Mira")
        for one in customer["contacts"])
    rights = tuple(Right(one["agent"], datetime.fromtimestamp(one["expires"], UTC), one["campaign"], one["stage"])
                   for one in customer["rights"])
    talk = Talk(random.choice(["line-0", "campaign-0/stage-0"]), random.choice(AGENTS), AT - timedelta(days=1))
    sticky = random.choice([None, Sticky(talk.agent, talk.talked_at), Sticky(talk.agent, talk.talked_at, (talk,))])
    free_at = {agent: random.choice([0.0, NOW, NOW + 5.5, float("inf")]) for agent in AGENTS if random.random() < 0.6}
    away = frozenset(agent for agent in AGENTS if agent not in free_at and random.random() < 0.5)
    return call, Facts(contacts, rights, sticky, availability=Availability(free_at, away))


@given(st.integers(0, 3000))
def test_under_the_same_rules_nothing_differs_and_under_others_what_they_decide(seed: int) -> None:
    random = Random(seed)
    document = random_document(random)
    rules = Rules.from_document(document, 7)
    call, facts = somebody(random, document)
    decision = decide(call, facts, rules, AT)
    known = recorded(call, random.choice([decision, as_fallback(decision)]))
    assert known.facts is not None
    assert replay(known, known.facts, rules) is None
    again = decide(call, known.facts, rules, AT)
    assert (again.targets, again.trace, again.base_score) == (decision.targets, decision.trace, decision.base_score)
    # Other rules, with nobody known to be away or busy: then the record holds all that they can ask for.
    facts = Facts(facts.contacts, facts.rights, facts.sticky, facts.degraded)
    known = recorded(call, decide(call, facts, rules, AT))
    assert known.facts is not None
    other = Rules.from_document(random_document(Random(seed + 100_000)), 8)
    direct, change = decide(call, facts, other, AT), replay(known, known.facts, other)
    if change is None:
        assert direct.targets == known.outcome["targets"]
    else:
        assert (change.after["class"], change.after["targets"], change.after["score"]) == (
            direct.call_class, direct.targets, direct.base_score)
        assert change.before[change.kind] != change.after[change.kind]


def centre(**tables: Any) -> Rules:
    return Rules.from_document({**DOCUMENT, **tables})


def made(called: str, facts: Facts = NO_FACTS) -> Recorded:
    call = Call(normalise(CALLER, "RS"), normalise(called, "RS"))
    return recorded(call, decide(call, facts, centre(), AT))


CONTACT = Contact("renewals", "first-call", CALLER, agent="1002")


@pytest.mark.parametrize(("called", "facts", "tables", "kind", "before", "after"), [
    ("+381115550300", NO_FACTS, {"list": {"a": {"numbers": [CALLER], "line": "vip"}}}, "place", "helpdesk", "vip"),
    ("+381115550300", NO_FACTS, {"list": {"a": {"numbers": [CALLER], "vip": 2}}}, "score", 101_003_540, 121_003_540),
    ("+381115550300", NO_FACTS, {"number": [{"number": "+381115550300"}]}, "class", "service", None),
    ("+381115550300", NO_FACTS, {"schedule": {"s": {"timezone": "UTC", "exceptions": ["2020-01-01 01:00-02:00"]}},
                                "number": [{"number": "+381115550300", "line": "helpdesk", "schedule": "s"}]},
     "class", "service", None),
    ("+381115550100", Facts((CONTACT,)), {"campaign": {}}, "class", "callback", "service"),
    ("+381115550100", Facts((CONTACT,)), {"agent": {name: spec for name, spec in DOCUMENT["agent"].items()
                                                    if name != "1002"}, "group": {"sales": {"agents": []},
                                                                                  "support": {"agents": []}}},
     "targets", ["agent-1002@fsapp", "renewals.first-call@fsapp"], ["renewals.first-call@fsapp"]),
])
def test_what_would_be_different(
    called: str, facts: Facts, tables: dict[str, Any], kind: str, before: Any, after: Any,
) -> None:
    known = made(called, facts)
    assert known.facts is not None
    change = replay(known, known.facts, centre(**tables))
    assert change is not None
    values = [one[kind] for one in (change.before, change.after)]
    if kind == "targets":
        values = [[target.queue for target in value] for value in values]
    assert (change.kind, *values) == (kind, before, after)
    assert change.why[0] != change.why[1]


def test_the_why_is_the_first_step_that_the_other_trace_has_not() -> None:
    known = made("+381115550300")
    assert known.facts is not None
    change = replay(known, known.facts, centre(list={"a": {"numbers": [CALLER], "line": "vip"}}))
    assert change is not None
    then, now = change.why
    assert then is not None and now is not None
    assert now == ("list", f"{CALLER} is in a", "leads to line vip, no VIP")
    assert then.rule == "queue"


FLOW = "+381115550400"
BLOCKS = {"main": {"line": "helpdesk", "start": "end", "block": {"end": {"kind": "queue"}}}}


def test_what_a_caller_did_in_a_flow_counts_as_long_as_the_same_flow_is_entered() -> None:
    call = Call(normalise(CALLER, "RS"), normalise(FLOW, "RS"))
    rules = centre(flow=BLOCKS)
    assert decide(call, NO_FACTS, rules, AT).flow == "main"
    led = replace(call, led=Led("main", "vip", "1005", ("hello", "menu")))
    known = recorded(led, decide(led, NO_FACTS, rules, AT))
    assert (known.led, known.outcome["flow"], known.outcome["place"]) == (led.led, "main", "vip")
    assert replay(known, NO_FACTS, rules) is None
    change = replay(known, NO_FACTS, centre(flow=BLOCKS, number=[{"number": FLOW, "line": "vip"}]))
    assert change is not None
    assert (change.kind, change.before["flow"], change.after["flow"]) == ("flow", "main", None)
    # Who could not run it at once went to its line, and would again.
    known = recorded(call, decide(call, NO_FACTS, rules, AT))
    assert (known.outcome["flow"], replay(known, NO_FACTS, rules)) == ("main", None)


@pytest.mark.parametrize("change", [
    {"type": "call_ended"}, {"type": "queue_joined"}, {"visit": 2}, {"later": True}, {"type": None},
])
def test_other_events_are_passed_over(change: dict[str, Any]) -> None:
    call = Call(normalise(CALLER, "RS"), normalise("+381115550300", "RS"))
    event = as_event(call, decide(call, NO_FACTS, centre(), AT))
    assert read_recorded(event) is not None
    assert read_recorded(event | change) is None


def test_a_later_visit_is_no_first_decision_and_holds_no_facts() -> None:
    call = Call(normalise(CALLER, "RS"), normalise("+381115550300", "RS"))
    event = as_event(call, decide(call, NO_FACTS, centre(), AT))
    assert event["facts"] == {}
    event.pop("facts")
    old = read_recorded(event)
    assert old is not None
    assert old.facts is None
    earlier = Earlier(CallClass.SERVICE, 1, "service-line", line="helpdesk", decision="d0")
    call = replace(call, earlier=earlier)
    later = as_event(call, decide(call, NO_FACTS, centre(), AT))
    assert later["later"] is True
    assert "facts" not in later
    assert read_recorded(later) is None


@pytest.mark.parametrize("change", [
    {"at": "x"}, {"at": 1e30}, {"caller": 5}, {"facts": 7}, {"facts": {"contacts": [[1]]}}, {"trace": [[1]]},
    {"facts": {"rights": [["1001", "soon", None, None]]}}, {"facts": {"presence": {"1001": "asleep"}}},
    {"facts": {"presence": []}}, {"targets": [[1]]}, {"facts": {"sticky": ["1001"]}}, {"facts": {"led": ["main"]}},
    {"rules": "x"},
])
def test_what_cannot_be_read_is_said_and_nothing_else(change: dict[str, Any]) -> None:
    call = Call(normalise(CALLER, "RS"), normalise("+381115550300", "RS"))
    with pytest.raises(ValueError, match="no decision"):
        read_recorded(as_event(call, decide(call, NO_FACTS, centre(), AT)) | change)


def test_whatever_a_decision_is_made_of_is_recorded() -> None:
    """Who adds a fact has it recorded too (core/facts_record.py), or no replay is exact any more."""
    assert [field.name for field in fields(Facts)] == [
        "contacts", "rights", "sticky", "degraded", "availability",
        "tasks",  # of calls that we make ourselves, which are not decided again
    ]
    assert [field.name for field in fields(Call)] == ["caller", "called", "name", "earlier", "led", "task"]


def test_the_record_is_small_and_names_no_customer() -> None:
    facts = Facts((Contact("renewals", "first-call", CALLER, agent="1002", name="Mira"),),
                  availability=Availability({f"{number}": 0.0 for number in range(1000, 3000)}))
    call = Call(normalise(CALLER, "RS"), normalise("+381115550100", "RS"), "Mira")
    record = as_event(call, decide(call, facts, centre(), AT))["facts"]
    assert len(msgpack.packb(record)) < 100
    assert "Mira" not in str(record)
