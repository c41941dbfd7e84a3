"""A switch held against the rules: everything that differs is found and mended, and what is others' is left alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_switch import ModelSwitch
from random_centre import random_document

from fsapp.core.evidence import RINGING_S
from fsapp.core.floor import RememberedStatus, Seen, SeenAgent, SeenCall, SeenMember, SeenTier
from fsapp.core.healing import DOUBT_S, NO_PHONE, NO_PHONE_ON_DEMAND
from fsapp.core.mending import Difference, Kind, Suspicion
from fsapp.core.rules import Rules
from fsapp.core.sync import compare, to_remember
from fsapp.metrics import REGISTRY
from fsapp.rules import load_folder
from fsapp.telephony.reconcile import Reconciler

NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
LATER = timedelta(seconds=DOUBT_S)
HELPDESK, PERSONAL = "helpdesk@fsapp", "agent-1004@fsapp"


class Memory:
    """What is remembered, in a dict, and `events` that tell of it."""

    def __init__(self, **known: RememberedStatus) -> None:
        self.known = dict(known)
        self.run = ""
        self.events: list[dict[str, Any]] = []

    def read(self) -> tuple[Mapping[str, RememberedStatus], str]:
        return dict(self.known), self.run

    def write(
        self, known: Mapping[str, RememberedStatus], forgotten: Iterable[str], core_uuid: str,
        told: Iterable[dict[str, Any]],
    ) -> None:
        self.events += told
        self.known = {agent: one for agent, one in self.known.items() if agent not in set(forgotten)} | dict(known)
        self.run = core_uuid


class Desk:
    """A reconciler with its switch, a clock that is put forward, and what it recorded."""

    def __init__(self, rules: Rules, switch: ModelSwitch, name: str = "main") -> None:
        self.rules = rules
        self.switch = switch
        self.memory = Memory()
        self.events = self.memory.events
        self.now = NOW
        self.reconciler = Reconciler(
            name, lambda: self.rules, self.memory, self.events.append, now=lambda: self.now,
        )

    def look(self, gap_from: datetime | None = None) -> list[Difference]:
        return list(self.reconciler.look(self.switch, self.switch.seen(), gap_from).differences)

    def settle(self) -> None:
        """As many looks as it takes to be certain of what may be passing."""
        for _ in range(3):
            self.look()
            self.now += LATER


@pytest.fixture
def rules() -> Rules:
    return Rules.from_document(load_folder("conf/rules"), 7)


@pytest.fixture
def desk(rules: Rules) -> Desk:
    """A switch as the rules want it."""
    desk = Desk(rules, ModelSwitch.of(rules))
    desk.settle()
    assert desk.look() == []
    desk.events.clear()
    desk.switch.said.clear()
    return desk


def available(desk: Desk, agent: str, **values: Any) -> None:
    desk.switch.agents[agent] = replace(desk.switch.agents[agent], status="Available", **values)


def kinds(differences: Iterable[Difference]) -> list[str]:
    return [one.kind for one in differences]


def test_an_empty_switch_gets_everything_queues_before_agents_before_tiers(rules: Rules) -> None:
    desk = Desk(rules, ModelSwitch.of(rules))
    found = desk.look()
    assert kinds(found) == sorted(kinds(found), key=["queue-missing", "agent-missing", "tier-missing"].index)
    assert set(desk.switch.queues) == set(rules.queues)
    assert set(desk.switch.agents) == set(rules.agents)
    assert desk.switch.tiers["web-leads.new@fsapp", "1001"].level == 3
    assert desk.switch.agents["1004"].contact == "[leg_timeout=15]user/1004@fsapp"
    assert desk.look() == []


def test_what_the_rules_change_changes_on_the_switch(desk: Desk) -> None:
    document = load_folder("conf/rules")
    document["agent"]["1004"] |= {"wait_s": 45, "contact": "sofia/phones/1004@10.0.0.9", "wrap_up_s": 0}
    document["line"]["helpdesk"] |= {"priority": {"1005": 10, "1006": 0}}
    desk.rules = Rules.from_document(document, 8)
    desk.switch.configured = ModelSwitch.of(desk.rules).configured
    found = {one.subject: one.text for one in desk.look()}
    assert found == {
        PERSONAL: "queue agent-1004@fsapp has a wait of 20 s instead of a wait of 45 s",
        "1004": "agent 1004 (dejan) has contact [leg_timeout=15]user/1004@fsapp instead of "
                "[leg_timeout=15]sofia/phones/1004@10.0.0.9; wrap-up-time 10 instead of 0",
        "helpdesk@fsapp 1005": "agent 1005 (eva) has level 6 instead of 1 in queue helpdesk@fsapp",
        "helpdesk@fsapp 1006": "agent 1006 (filip) serves queue helpdesk@fsapp by older rules only",
    }
    assert desk.look() == []


def test_a_queue_with_another_strategy_is_loaded_anew(desk: Desk) -> None:
    desk.switch.load(HELPDESK, {**desk.switch.configured(HELPDESK), "strategy": "ring-all", "max-wait-time": "9"})
    [found] = desk.look()
    assert found.text == ("queue helpdesk@fsapp has strategy ring-all instead of strategy longest-idle-agent; "
                          "a wait of 9 s instead of no limit to the wait")
    assert desk.switch.said == [f"callcenter_config queue load {HELPDESK}"]
    assert desk.look() == []


def test_what_is_of_others_stays_as_it_is(desk: Desk) -> None:
    desk.switch.load("support@example.com", {"strategy": "ring-all", "max-wait-time": "5"})
    desk.switch.load("helpdesk", {"strategy": "random"})
    for agent in ("2001", "carla", "1001@example.com", "3001"):
        desk.switch.agents[agent] = SeenAgent(agent, "user/1", "Available", "Receiving", registered=False)
    desk.switch.agents["3001"] = SeenAgent("3001", "user/1", "Available", "Receiving")
    for queue, agent in (("support@example.com", "2001"), ("support@example.com", "1001"), ("helpdesk", "carla")):
        desk.switch.tiers[queue, agent] = SeenTier(queue, agent, 3, 3, "Standby")
    desk.switch.members["m"] = SeenMember("m", "support@example.com", "gone", state="Answered")
    before = desk.switch.seen()
    desk.settle()
    assert desk.switch.seen() == before
    assert desk.switch.said == []


def test_what_older_rules_left_goes(desk: Desk) -> None:
    desk.switch.load("old@fsapp", {"strategy": "longest-idle-agent"})
    desk.switch.agents["1009"] = SeenAgent("1009", "user/1009@fsapp", "Available")
    desk.switch.tiers["old@fsapp", "1009"] = SeenTier("old@fsapp", "1009")
    desk.switch.tiers["old@fsapp", "1004"] = SeenTier("old@fsapp", "1004")
    desk.memory.known["1009"] = RememberedStatus("Available")
    first = desk.look()
    assert kinds(first) == ["tier-left-over", "agent-left-over", "queue-left-over"]
    assert set(desk.switch.agents) == set(desk.rules.agents)
    assert "1009" not in desk.memory.known
    assert "old@fsapp" in desk.switch.queues  # a call of the older rules may still be on its way there
    desk.now += LATER
    desk.look()
    assert set(desk.switch.queues) == set(desk.rules.queues)
    assert [tier for tier in desk.switch.tiers.values() if tier.queue == "old@fsapp"] == []


@pytest.mark.parametrize("state", ["Waiting", "Trying"])
def test_a_left_over_queue_and_who_serves_it_stay_as_long_as_a_caller_waits_in_it(desk: Desk, state: str) -> None:
    desk.switch.load("old@fsapp", {})
    desk.switch.tiers["old@fsapp", "1004"] = SeenTier("old@fsapp", "1004")
    available(desk, "1004", state="Waiting" if state == "Waiting" else "Receiving")
    desk.switch.members["m"] = SeenMember("m", "old@fsapp", "call", state=state, agent="1004")
    desk.switch.calls["call"] = SeenCall("call")
    desk.settle()
    [found] = desk.look()
    assert "callers are in it" in found.text and found.todo
    assert desk.switch.said == []
    available(desk, "1004", state="Waiting")
    desk.switch.members["m"] = replace(desk.switch.members["m"], state="Abandoned", call="")
    desk.settle()
    assert "old@fsapp" not in desk.switch.queues
    assert ("old@fsapp", "1004") not in desk.switch.tiers


def test_a_caller_in_a_left_over_queue_that_nobody_serves_is_led_back_to_be_decided_anew(desk: Desk) -> None:
    """One who was on the way there when the rules changed, or whose last agent has gone with them."""
    desk.switch.load("old@fsapp", {})
    desk.switch.members["m"] = SeenMember("m", "old@fsapp", "call")
    desk.switch.members["n"] = SeenMember("n", "old@fsapp", "talk", agent="1009", state="Answered")
    desk.switch.calls = {"call": SeenCall("call"), "talk": SeenCall("talk")}
    assert sorted(kinds(desk.look())) == ["member-stuck", "queue-left-over"]
    assert desk.switch.said == []
    desk.now += LATER
    desk.look()
    assert desk.switch.said == ["uuid_transfer call fsapp-return XML fsapp"]
    assert "old@fsapp" in desk.switch.queues  # somebody talks


def test_a_left_over_queue_stays_when_a_caller_comes_in_at_the_last_moment(desk: Desk) -> None:
    desk.switch.load("old@fsapp", {})
    desk.look()
    desk.now += LATER
    seen = desk.switch.seen()
    desk.switch.members["m"] = SeenMember("m", "old@fsapp", "call")
    look = desk.reconciler.look(desk.switch, seen)
    assert [outcome.fault for outcome in look.outcomes] == ["a caller has come into it"]
    assert "old@fsapp" in desk.switch.queues


def test_a_call_that_the_switch_had_not_yet_told_of_is_no_fault(desk: Desk) -> None:
    """`show channels` is behind the calls there are, by as much as the switch has to do."""
    desk.switch.load("old@fsapp", {})
    desk.switch.members["m"] = SeenMember("m", "old@fsapp", "caller")
    available(desk, "1004", state="Receiving")
    desk.switch.members["n"] = SeenMember("n", HELPDESK, "caller", agent="1004", state="Trying")
    desk.switch.tiers[HELPDESK, "1005"] = replace(desk.switch.tiers[HELPDESK, "1005"], state="Offering")
    available(desk, "1005", call="caller")
    behind = desk.switch.seen()
    desk.switch.calls["caller"] = SeenCall("caller")
    for _ in range(3):
        look = desk.reconciler.look(desk.switch, behind)
        desk.now += LATER
    assert {one.kind for one in look.differences if one.certain} >= {
        Kind.QUEUE_LEFT, Kind.AGENT_STUCK, Kind.TIER_STUCK}
    assert desk.switch.said == []


def test_a_left_over_agent_stays_until_the_call_is_over(desk: Desk) -> None:
    desk.switch.agents["1009"] = SeenAgent("1009", "", "Available", "In a queue call", call="leg")
    desk.switch.tiers[HELPDESK, "1009"] = SeenTier(HELPDESK, "1009", state="Active Inbound")
    desk.switch.calls["leg"] = SeenCall("leg")
    desk.settle()
    assert "1009" in desk.switch.agents
    del desk.switch.calls["leg"]
    desk.settle()
    assert "1009" not in desk.switch.agents


def test_a_queue_that_the_switch_does_not_know_is_said_once(rules: Rules) -> None:
    desk = Desk(rules, ModelSwitch.of(rules))
    everything = desk.switch.configured
    desk.switch.configured = lambda name: None if name == HELPDESK else everything(name)
    look = desk.reconciler.look(desk.switch, desk.switch.seen())
    assert [outcome.difference.subject for outcome in look.outcomes if outcome.fault] == [HELPDESK]
    assert "fsapp switch config" in next(outcome.fault for outcome in look.outcomes if outcome.fault)
    again = desk.reconciler.look(desk.switch, desk.switch.seen())
    assert set(kinds(again.differences)) == {"queue-missing", "tier-missing"}
    assert HELPDESK not in {outcome.difference.subject for outcome in again.outcomes}


def test_a_queue_that_loads_and_stays_as_it_was_is_not_loaded_for_ever(desk: Desk) -> None:
    stale = {**desk.switch.configured(HELPDESK), "max-wait-time": "3"}
    desk.switch.load(HELPDESK, stale)
    desk.switch.configured = lambda name: stale
    desk.settle()
    assert desk.switch.said == [f"callcenter_config queue load {HELPDESK}"]
    desk.rules = replace(desk.rules, version=8)
    desk.look()
    assert len(desk.switch.said) == 2


def test_a_contact_that_no_command_may_hold_costs_nothing_else(rules: Rules) -> None:
    agents = {**rules.agents, "1004": replace(rules.agents["1004"], contact="user/x' 'y")}
    desk = Desk(replace(rules, agents=agents), ModelSwitch.of(rules))
    look = desk.reconciler.look(desk.switch, desk.switch.seen())
    assert [outcome.difference.subject for outcome in look.outcomes if outcome.fault] == ["1004"]
    assert desk.switch.agents["1005"].contact and not desk.switch.agents["1004"].contact
    assert len(desk.switch.tiers) == 24


def test_nothing_is_done_without_rules(desk: Desk) -> None:
    reconciler = Reconciler("main", lambda: None, desk.memory, desk.events.append)
    desk.switch.agents.clear()
    assert reconciler.look(desk.switch, desk.switch.seen()).differences == ()
    assert desk.switch.said == []


def test_nothing_is_done_to_a_switch_the_rules_do_not_know(desk: Desk) -> None:
    before = desk.switch.seen()
    reconciler = Reconciler("mian", lambda: desk.rules, desk.memory, desk.events.append, now=lambda: NOW + 9 * LATER)
    for _ in range(2):
        assert reconciler.look(desk.switch, desk.switch.seen()).differences == ()
    assert desk.switch.seen() == before


def test_only_looking_changes_nothing(rules: Rules) -> None:
    switch, memory = ModelSwitch.of(rules), Memory()
    reconciler = Reconciler("main", lambda: rules, memory, lambda _event: None, mends=False)
    look = reconciler.look(switch, switch.seen())
    assert look.differences and not look.outcomes and not look.changed
    assert switch.said == [] and memory.run == ""


def test_each_switch_has_the_agents_and_tiers_that_are_at_home_there() -> None:
    document = load_folder("conf/rules")
    document["switch"] = {"main": {"sip": "127.0.0.1:5070"}, "second": {"sip": "127.0.0.1:5080"}}
    for agent in ("1004", "1005", "1006"):
        document["agent"][agent]["home"] = "second"
    document["group"]["support"]["home"] = "second"
    document["line"]["helpdesk"]["home"] = document["line"]["vip"]["home"] = "second"
    rules = Rules.from_document(document)
    switches = {}
    for name in ("main", "second"):
        desk = Desk(rules, ModelSwitch.of(rules, name), name)
        desk.settle()
        assert desk.look() == []
        switches[name] = desk.switch
    assert set(switches["main"].agents) == {"1001", "1002", "1003"}
    assert set(switches["second"].agents) == {"1004", "1005", "1006"}
    assert set(switches["main"].queues) == set(switches["second"].queues) == set(rules.queues)
    assert switches["main"].queues[HELPDESK].wait_s == 10
    assert switches["second"].queues[HELPDESK].wait_s is None
    assert not [tier for tier in switches["main"].tiers.values() if tier.queue == HELPDESK]


# -- healing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["Receiving", "Reserved", "In a queue call"])
def test_an_agent_without_the_call_it_is_in_waits_again(desk: Desk, state: str) -> None:
    available(desk, "1004", state=state, call="gone", offered_at=NOW)
    desk.switch.tiers[HELPDESK, "1004"] = replace(desk.switch.tiers[HELPDESK, "1004"], state="Offering")
    desk.switch.tiers[PERSONAL, "1004"] = replace(desk.switch.tiers[PERSONAL, "1004"], state="Standby")
    [first] = desk.look()
    assert not first.certain and desk.switch.agents["1004"].state == state
    desk.now += LATER
    [second] = desk.look()
    assert second.text == f"agent 1004 (dejan) is {state!r} without a call"
    assert desk.switch.agents["1004"].state == "Waiting"
    assert {tier.state for tier in desk.switch.tiers.values()} == {"Ready"}
    healed = [event for event in desk.events if event["type"] == "switch_healed"]
    assert [(event["kind"], event["subject"], event["switch"]) for event in healed] == [
        ("agent-stuck", "1004", "main")]


def test_what_was_mended_is_counted_by_kind_and_what_was_not_as_well(desk: Desk) -> None:
    def count(name: str, kind: str) -> float:
        return REGISTRY.get_sample_value(name, {"kind": kind}) or 0.0

    healed, unmended = count("fsapp_healed_total", "tier-missing"), count("fsapp_unmended_total", "queue-missing")
    del desk.switch.tiers[HELPDESK, "1004"]
    del desk.switch.queues["vip@fsapp"]
    desk.switch.configured = lambda _name: None
    desk.look()
    assert count("fsapp_healed_total", "tier-missing") == healed + 1
    assert count("fsapp_unmended_total", "queue-missing") == unmended + 1


def test_two_offers_one_after_the_other_are_not_one_that_is_stuck(desk: Desk) -> None:
    for offer in range(5):
        available(desk, "1004", state="Receiving", offered_at=NOW + offer * LATER)
        [found] = desk.look()
        assert not found.certain
        desk.now += LATER
    assert desk.switch.said == []


def test_a_passing_state_is_forgotten_when_the_switch_is_started_anew(desk: Desk) -> None:
    available(desk, "1004", state="Receiving")
    desk.look()
    desk.switch.core_uuid = "run-2"
    desk.now += LATER
    assert [one.certain for one in desk.look() if one.kind is Kind.AGENT_STUCK] == [False]


def test_an_agent_whose_phone_rings_or_who_talks_is_left_alone(desk: Desk) -> None:
    desk.switch.calls = {uuid: SeenCall(uuid) for uuid in ("caller-1", "caller-2", "leg-2")}
    available(desk, "1004", state="Receiving", offered_at=NOW)
    desk.switch.members["1"] = SeenMember("1", HELPDESK, "caller-1", agent="1004", state="Trying")
    available(desk, "1005", state="In a queue call", call="leg-2")
    desk.switch.members["2"] = SeenMember("2", HELPDESK, "caller-2", agent="1005", state="Answered")
    available(desk, "1006", state="Receiving")
    desk.switch.calls["leg-3"] = SeenCall("leg-3", variables={"cc_agent": "1006", "cc_side": "agent"})
    desk.settle()
    assert desk.switch.said == []


def test_a_caller_and_an_agent_who_both_wait_for_a_phone_that_cannot_ring_any_more_are_parted(desk: Desk) -> None:
    desk.switch.calls["caller"] = SeenCall("caller")
    available(desk, "1004", state="Receiving", offered_at=NOW)
    desk.switch.members["m"] = SeenMember("m", HELPDESK, "caller", agent="1004", state="Trying")
    desk.settle()
    assert desk.switch.said == []
    desk.now = NOW + timedelta(seconds=RINGING_S + 1)
    desk.settle()
    assert desk.switch.agents["1004"].state == "Waiting"
    assert desk.switch.said[-1] == "uuid_transfer caller fsapp-return XML fsapp"
    assert desk.look() == []


def test_a_caller_nobody_rings_for_is_led_back_to_be_decided_anew(desk: Desk) -> None:
    desk.switch.calls["caller"] = SeenCall("caller")
    desk.switch.members["m"] = SeenMember("m", HELPDESK, "caller", agent="1004", state="Trying")
    assert kinds(desk.look()) == ["member-stuck"]
    desk.now += LATER
    desk.look()
    assert desk.switch.said == ["uuid_transfer caller fsapp-return XML fsapp"]


@pytest.mark.parametrize("state", ["Waiting", "Trying", "Answered"])
def test_a_caller_who_is_no_longer_there_is_a_finding_that_nothing_mends(desk: Desk, state: str) -> None:
    desk.switch.members["m"] = SeenMember("m", HELPDESK, "" if state == "Answered" else "gone", state=state)
    desk.settle()
    [found] = desk.look()
    assert found.kind is Kind.MEMBER_GHOST and found.todo and not found.steps
    assert desk.switch.said == [] and desk.events == []


def test_an_available_agent_that_is_idle_waits_again_and_one_on_demand_stays(desk: Desk) -> None:
    available(desk, "1004", state="Idle")
    desk.switch.agents["1005"] = replace(desk.switch.agents["1005"], status="Available (On Demand)", state="Idle")
    desk.settle()
    assert desk.switch.agents["1004"].state == "Waiting"
    assert desk.switch.agents["1005"].state == "Idle"


@pytest.mark.parametrize("state", ["Offering", "Standby", "Active Inbound"])
def test_a_tier_in_a_call_of_nobody_is_ready_again(desk: Desk, state: str) -> None:
    available(desk, "1004")
    desk.switch.tiers[HELPDESK, "1004"] = replace(desk.switch.tiers[HELPDESK, "1004"], state=state)
    [found] = desk.look()
    assert found.kind is Kind.TIER_STUCK and not found.certain
    desk.now += LATER
    desk.look()
    assert desk.switch.tiers[HELPDESK, "1004"].state == "Ready"


def test_a_tier_that_was_not_answered_gets_calls_as_it_is(desk: Desk) -> None:
    desk.switch.tiers[HELPDESK, "1004"] = replace(desk.switch.tiers[HELPDESK, "1004"], state="No Answer")
    assert desk.look() == []


@pytest.mark.parametrize(("status", "reason"), [("Available", NO_PHONE), ("Available (On Demand)", NO_PHONE_ON_DEMAND)])
def test_an_agent_without_a_phone_is_on_a_break_until_it_registers(desk: Desk, status: str, reason: str) -> None:
    desk.switch.agents["1004"] = replace(desk.switch.agents["1004"], status=status, registered=False)
    desk.settle()
    assert desk.switch.agents["1004"].status == "On Break"
    assert desk.memory.known["1004"].reason == reason
    assert desk.look() == []
    desk.switch.agents["1004"] = replace(desk.switch.agents["1004"], registered=True)
    assert kinds(desk.look()) == ["agent-phone-back"]
    assert desk.switch.agents["1004"].status == status
    assert [event["status"] for event in desk.events if event["type"] == "agent_status"][-2:] == ["On Break", status]


@pytest.mark.parametrize(("dialled", "registered"), [
    ("sofia/gateway/mobile/0601234567", ""),
    ("${sofia_contact(*/${dialed_user}@${dialed_domain})}", "sofia/phones/sip:1004@10.0.0.7"),
])
def test_a_phone_that_the_switch_reaches_all_the_same_costs_no_break(
    desk: Desk, dialled: str, registered: str,
) -> None:
    """The list of registrations knows only phones that register, and those half a second late."""
    desk.switch.dialled["1004@fsapp"] = dialled
    desk.switch.phones["1004@fsapp"] = registered or "error/user_not_registered"
    available(desk, "1004", registered=False)
    for _ in range(3):
        desk.look()
        desk.now += LATER
    assert desk.switch.agents["1004"].status == "Available"
    desk.switch.dialled.clear()
    desk.switch.phones["1004@fsapp"] = "error/user_not_registered"
    desk.now += timedelta(minutes=1)
    desk.look()
    assert desk.switch.agents["1004"].status == "On Break"


def test_a_phone_that_registers_ends_no_break_of_the_agents_own(desk: Desk) -> None:
    desk.switch.agents["1004"] = replace(desk.switch.agents["1004"], status="On Break", registered=True)
    desk.memory.known["1004"] = RememberedStatus("On Break", "lunch")
    assert desk.look() == []


def test_a_phone_that_is_away_for_a_moment_costs_no_break(desk: Desk) -> None:
    for registered in (False, True) * 4:
        available(desk, "1004", registered=registered)
        desk.look()
        desk.now += LATER
    assert desk.switch.said == []


# -- the status of agents --------------------------------------------------------------------------------------------


def test_the_status_is_remembered_as_the_switch_has_it_and_the_reason_with_it(desk: Desk) -> None:
    available(desk, "1004")
    desk.switch.agents["1005"] = replace(desk.switch.agents["1005"], status="On Break")
    desk.switch.agents["1006"] = replace(desk.switch.agents["1006"], status="On Break")
    desk.reconciler.agent_tired("1006")
    desk.now += timedelta(minutes=1)
    desk.look()
    assert desk.memory.known["1004"].status == "Available"
    assert [desk.memory.known[agent].reason for agent in ("1005", "1006")] == ["", "no-answer"]
    assert desk.memory.run == desk.switch.core_uuid


def test_a_status_that_was_just_set_is_not_forgotten_for_an_older_look(rules: Rules) -> None:
    seen = Seen(agents={"1004": SeenAgent("1004", status="Available")})
    known = {"1004": RememberedStatus("On Break", "lunch", NOW)}
    assert to_remember(rules, seen, known, "main", NOW + timedelta(seconds=1)) == ({}, True)
    news, fresh = to_remember(rules, seen, known, "main", NOW + timedelta(seconds=10))
    assert (news["1004"].status, fresh) == ("Available", False)


@pytest.mark.parametrize("new_database", [True, False])
def test_a_switch_started_anew_gets_agents_tiers_and_queues_and_their_status_back(
    desk: Desk, new_database: bool,
) -> None:
    statuses = {"1001": "Available", "1002": "On Break", "1003": "Available (On Demand)"}
    for agent, status in statuses.items():
        desk.switch.agents[agent] = replace(desk.switch.agents[agent], status=status, registered=True)
    desk.now += timedelta(minutes=1)
    desk.look()
    desk.memory.known["1002"] = replace(desk.memory.known["1002"], reason="lunch")
    before = desk.switch.seen()
    desk.switch.restart(new_database=new_database)
    desk.switch.queues.clear()
    desk.look()
    after = desk.switch.seen()
    assert {id_: agent.status for id_, agent in after.agents.items()} == {
        id_: agent.status for id_, agent in before.agents.items()}
    assert after.queues == before.queues
    assert {(tier.queue, tier.agent, tier.level) for tier in after.tiers} == {
        (tier.queue, tier.agent, tier.level) for tier in before.tiers}
    assert desk.memory.known["1002"].reason == "lunch"
    desk.switch.agents["1001"] = replace(desk.switch.agents["1001"], status="Logged Out")
    desk.now += timedelta(minutes=1)
    desk.look()
    assert desk.memory.known["1001"].status == "Logged Out"  # from then on the switch is right again


def test_a_status_that_the_switch_lost_by_being_started_anew_is_set_again(desk: Desk) -> None:
    desk.memory.known["1004"] = RememberedStatus("On Break", "lunch")
    desk.switch.core_uuid = "another"
    [found] = desk.look()
    assert found.text == "agent 1004 (dejan) was On Break before the switch was started anew and is Logged Out"
    assert desk.switch.agents["1004"].status == "On Break"
    assert [(event["type"], event.get("reason")) for event in desk.events] == [
        ("agent_status", "lunch"), ("switch_healed", None)]


def test_who_was_logged_in_was_so_until_the_run_before_was_last_seen(desk: Desk) -> None:
    """And is so again from now on, whether the switch has to be told or not."""
    seen_at = desk.now - timedelta(hours=3)
    desk.memory.known |= {
        "1004": RememberedStatus("Available", "", seen_at - timedelta(hours=1)),
        "1005": RememberedStatus("On Break", "lunch", seen_at + timedelta(seconds=2)),
        "1006": RememberedStatus("Logged Out", "", seen_at)}
    desk.switch.agents["1004"] = replace(desk.switch.agents["1004"], status="Available", registered=True)
    desk.switch.core_uuid = "another"
    desk.look(seen_at)
    told = {(event["agent"], event["status"]): event["at"] for event in desk.events if event["type"] == "agent_status"}
    assert told == {
        ("1004", "Logged Out"): seen_at.timestamp(), ("1004", "Available"): desk.now.timestamp(),
        ("1005", "Logged Out"): seen_at.timestamp() + 2, ("1005", "On Break"): desk.now.timestamp()}
    assert desk.memory.known["1004"].status == "Available", "it is remembered as it was"


@pytest.mark.parametrize(("said_s", "told_s"), [(-600, -600), (-90_000, -3600), (None, 0), (5, 0)])
def test_what_changed_while_nobody_looked_has_the_time_that_the_switch_says(
    desk: Desk, said_s: float | None, told_s: float,
) -> None:
    """Not one before the last look, nor one to come."""
    desk.look()
    desk.memory.known["1004"] = RememberedStatus("Available", "", desk.now - timedelta(hours=2))
    at = None if said_s is None else desk.now + timedelta(seconds=said_s)
    desk.switch.agents["1004"] = replace(desk.switch.agents["1004"], status="Logged Out", status_at=at)
    desk.look(desk.now - timedelta(hours=1))
    assert [(event["agent"], event["status"], event["at"]) for event in desk.events
            if event["type"] == "agent_status"] == [
        ("1004", "Logged Out", (desk.now + timedelta(seconds=told_s)).timestamp())]


def test_who_is_taken_off_the_switch_is_logged_out_there(desk: Desk) -> None:
    desk.look()
    desk.memory.known["9001"] = RememberedStatus("Available", "", desk.now)
    desk.switch.agents["9001"] = replace(desk.switch.agents["1004"], id="9001", status="Available")
    desk.settle()
    assert "9001" not in desk.switch.agents
    assert [(event["agent"], event["status"], event["reason"]) for event in desk.events
            if event["type"] == "agent_status"] == [("9001", "Logged Out", "removed")]


# -- at random -------------------------------------------------------------------------------------------------------


def _spoil(random: Random, switch: ModelSwitch, rules: Rules) -> None:
    """Leftovers, strangers and faults."""
    queues = [*rules.queues, "old@fsapp", "old-2@fsapp", "other@elsewhere"]
    agents = [*rules.agents, "9001", "9002", "77", "carla"]
    for queue in random.sample(queues, random.randint(0, len(queues))):
        switch.load(queue, {
            "strategy": random.choice(["longest-idle-agent", "ring-all"]), "time-base-score": "system",
            "tier-rules-apply": "false", "max-wait-time": random.choice(["0", "20", "33"]),
        })
    for agent in random.sample(agents, random.randint(0, len(agents))):
        switch.agents[agent] = SeenAgent(
            agent, random.choice(["", "user/x"]), random.choice(["Available", "Logged Out", "On Break"]),
            random.choice(["Waiting", "Receiving", "Idle", "In a queue call"]), random.choice(["", "leg", "gone"]),
            registered=random.choice([None, True, False]),
        )
        for queue in random.sample(queues, random.randint(0, 3)):
            switch.tiers[queue, agent] = SeenTier(
                queue, agent, random.randint(1, 12), 1, random.choice(["Ready", "Standby", "Offering", "No Answer"]))
    for number in range(random.randint(0, 4)):
        state = random.choice(["Waiting", "Trying", "Answered", "Abandoned"])
        switch.members[str(number)] = SeenMember(
            str(number), random.choice(queues), random.choice(["leg", "caller", ""]),
            agent=random.choice(agents), state=state)
    switch.calls = {uuid: SeenCall(uuid) for uuid in ("leg", "caller")}


@given(st.integers(0, 10**9))
def test_after_mending_nothing_is_left_and_what_is_of_others_is_as_it_was(seed: int) -> None:
    random = Random(seed)
    document = random_document(random)
    document["centre"]["domain"] = "fsapp"
    rules = Rules.from_document(document, 1)
    switch = ModelSwitch.of(rules)
    _spoil(random, switch, rules)
    before = switch.seen()
    desk = Desk(rules, switch)
    for _ in range(12):
        desk.look()
        desk.now += LATER
    for one in compare(rules, switch.seen(), desk.memory.known, "main", desk.now, Suspicion()):
        assert not one.steps or not one.certain, one
        # What stays has a call or a caller in it, or waits for the end of one.
        assert one.kind in (Kind.MEMBER_GHOST, Kind.AGENT_LEFT, Kind.QUEUE_LEFT) or not one.certain, one
    after = switch.seen()

    def others(seen: Seen) -> object:
        elsewhere = {tier.agent for tier in before.tiers if not tier.queue.endswith("@fsapp")} - rules.agents.keys()
        return (
            {name: queue for name, queue in seen.queues.items() if not name.endswith("@fsapp")},
            {id_: agent for id_, agent in seen.agents.items() if id_ in elsewhere or not id_.isdecimal()},
            {tier for tier in seen.tiers if not tier.queue.endswith("@fsapp")},
        )

    assert others(after) == others(before)
    assert rules.queues.keys() <= after.queues.keys()
    assert rules.agents.keys() <= after.agents.keys()
