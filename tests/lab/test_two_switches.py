"""Two lab switches with one `fsapp serve` and one Redis: a call goes to the home of its queue, and nobody is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_centre import DOCUMENT, ROOT, Centre
from lab_ends import until

from fsapp.core.rules import Rules
from fsapp.lab.bridging import Peer
from fsapp.lab.callcenter import Agent, from_rules
from fsapp.lab.cc_load import FILE, written
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch

CUSTOMER = "+381601234567"
STRANGER = "+381641112233"
ADDRESSES = {"far": "10.0.0.1:5070", "home": "10.0.0.2:5070"}
SPEED = 20.0


def document(homes: dict[str, str]) -> dict[str, Any]:
    """The example's rules on two switches, where nobody waits long for one agent. All is at home on `home`.

    `homes` says otherwise of agents.
    """
    found = DOCUMENT | {
        "centre": DOCUMENT["centre"] | {"home": "home", "agent_wait_s": 5, "group_wait_s": 5},
        "switch": {name: {"sip": address} for name, address in ADDRESSES.items()},
    }
    moved = {id_: DOCUMENT["agent"][id_] | {"home": home} for id_, home in homes.items()}
    return found | {"agent": DOCUMENT["agent"] | moved}


class Pair:
    """The switches `far`, where calls land, and `home`; agents answer the calls they are offered after a second."""

    def __init__(self, centre: Centre, rules: dict[str, Any]) -> None:
        self.centre = centre
        self.rules = Rules.from_document(rules)
        centre.rules.load(rules, note="", author="test", source="test")
        centre.start_serve()
        self._clock = Clock(SPEED)
        self.far, self.home = self.switches = [self._switch(name) for name in ADDRESSES]
        self.offered: list[str] = []
        for one in self.switches:
            one.peers = {address: Peer(other) for address, other in zip(ADDRESSES.values(), self.switches, strict=True)}
            one.subscribe(lambda event: event["event"] == "offered" and self.offered.append(event["caller"]))
            one.start()

    def _switch(self, name: str) -> Switch:
        plan = load_dialplan(ROOT / "dialplan", {"fsapp_socket": self.centre.listen, "fsapp_switch": name})
        _, tiers = from_rules(queue for queue in self.rules.queues.values() if queue.home == name)
        people = [Agent(id_, status="Logged Out") for id_, agent in self.rules.agents.items() if agent.home == name]
        return Switch(
            plan, (), people, tiers, clock=self._clock, phone=lambda _agent, _call: Reaction(after_s=1, talk_s=3),
            xml_handler="fsapp_queues", files={FILE: written((), (), ())},
            variables={"fsapp_redis_url": self.centre.redis.url, "fsapp_snapshot": self.centre.snapshot},
        )

    def available(self, *agents: str) -> None:
        for agent in agents:
            self.home.callcenter.set_status(self.home.callcenter.agents[agent], "Available")

    def events(self, *types: str) -> list[dict[str, Any]]:
        return [event for event in self.centre.events() if event["type"] in types]


@pytest.fixture
def make_pair(own_redis: Any, tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    made: list[Pair] = []

    def make(homes: dict[str, str] | None = None) -> Pair:
        made.append(Pair(Centre(own_redis(), tmp_path), document(homes or {})))
        return made[-1]

    yield make
    for pair in made:
        for switch in pair.switches:
            switch.stop()
        pair.centre.close()


def callers(switch: Switch, queue: str) -> list[Channel]:
    """Who waits in a queue now."""
    found = switch.callcenter.queues.get(f"{queue}@fsapp")
    members = found.members.values() if found else ()
    return [member.channel for member in members if member.state == "Waiting" and member.channel.up]


def waiting(switch: Switch, queue: str) -> Channel:
    """The one caller in a queue, as soon as there is one."""
    [channel] = until(lambda: callers(switch, queue), f"somebody waits in {queue}")
    return channel


def over(call: Channel) -> str:
    """How the caller's call ended."""
    until(lambda: call.hangup_cause, "the call is over")
    return call.hangup_cause


def test_a_call_is_answered_at_home_as_it_was_decided_where_it_landed(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    pair.centre.import_contacts({CUSTOMER: "1004"})
    call = pair.far.call(CUSTOMER, "+381115550100", name="Eve|x")
    there = waiting(pair.home, "agent-1004")
    for name in ("class", "queue", "decision", "reason", "contact", "agent", "campaign", "stage", "tried"):
        assert there.get(f"fsapp_{name}") == call.get(f"fsapp_{name}") != "", name
    assert (there.get("fsapp_class"), there.get("cc_base_score")) == ("callback", "305003580")
    assert (there.profile.caller_id_number, there.get("caller_id_name")) == (CUSTOMER, "Eve x")
    assert there.get("fsapp_called") == "+381115550100"
    pair.available("1004")
    assert over(call) == "NORMAL_CLEARING"
    assert call.talked_at
    carried, arrived, ended = pair.events("call_carried", "call_arrived", "call_ended")
    assert (carried["call"], arrived["call"], arrived["carried_call"]) == (call.uuid, there.uuid, call.uuid)
    assert carried["decision"] == arrived["decision"] == ended["decision"] == call.get("fsapp_decision")
    assert (ended["agent"], ended["class"]) == ("1004", "callback")
    assert 'fsapp_calls_carried_total{to="home"} 1.0' in pair.centre.get("/metrics")


def test_a_call_that_lands_at_home_stays_there(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    call = pair.home.call(STRANGER, "+381115550300")
    assert waiting(pair.home, "helpdesk") is call
    assert pair.events("call_carried") == []


def test_carried_and_other_callers_are_served_in_one_order(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    pair.centre.import_contacts({CUSTOMER: None})
    # The lowest first, one after the other: what decides is the score, not who was first.
    for count, (switch, caller, called, queue) in enumerate((
        (pair.far, "+381641110001", "+381115550300", "helpdesk"),
        (pair.home, "+381641110002", "+381115550300", "helpdesk"),
        (pair.home, "+381641110003", "+381115550900", "vip"), (pair.far, "+381641110004", "+381115550900", "vip"),
    )):
        switch.call(caller, called)
        place = count % 2 + 1
        until(lambda queue=queue, place=place: len(callers(pair.home, queue)) == place, f"{caller} waits")
    pair.available("1004")
    until(lambda: len(pair.offered) == 4, "all are offered")
    assert pair.offered == ["+381641110003", "+381641110004", "+381641110001", "+381641110002"]


def test_after_an_agents_queue_at_home_the_call_goes_on_with_the_time_waited(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    pair.centre.import_contacts({CUSTOMER: "1004"})
    call = pair.far.call(CUSTOMER, "+381115550100")
    first = waiting(pair.home, "agent-1004")
    second = waiting(pair.home, "renewals.first-call")
    assert second is not first
    assert first.hangup_cause == "NO_ANSWER"
    score = int(second.get("cc_base_score"))
    assert score >= 305003580 + 5
    assert int(second.get("fsapp_waited")) == score - 305003580
    assert call.get("fsapp_tried") == second.get("fsapp_tried") == "agent-1004@fsapp,renewals.first-call@fsapp"
    assert len(pair.far.channels) == 2
    assert len(pair.home.channels) == 1, "no leg leads back"


def test_a_queue_of_the_own_switch_after_one_of_another(make_pair: Callable[..., Pair]) -> None:
    """The other way round as well: nothing is carried on by who holds a call for another."""
    pair = make_pair({"1004": "far"})
    pair.centre.import_contacts({CUSTOMER: "1004"})
    call = pair.home.call(CUSTOMER, "+381115550100")
    carried = waiting(pair.far, "agent-1004")
    assert carried is not call
    assert waiting(pair.home, "renewals.first-call") is call
    assert carried.hangup_cause == "NO_ANSWER"
    assert len(pair.events("call_carried")) == 1


@pytest.mark.parametrize("end", ["crash", "stop"])
def test_a_home_that_ends_loses_nobody_and_gets_him_back(make_pair: Callable[..., Pair], end: str) -> None:
    pair = make_pair()
    call = pair.far.call(STRANGER, "+381115550300")
    waiting(pair.home, "helpdesk")
    getattr(pair.home, end)()
    assert waiting(pair.far, "helpdesk") is call
    assert call.get("bridge_hangup_cause") == ""
    pair.home.boot()
    there = waiting(pair.home, "helpdesk")
    assert int(there.get("cc_base_score")) >= 101003540 + (5 if end == "crash" else 0)
    pair.available("1005")
    assert over(call) == "NORMAL_CLEARING"
    assert call.talked_at


def test_a_home_that_dies_with_many_callers_loses_none_of_them(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    ended: list[str] = []
    pair.far.subscribe(lambda event: event["event"] == "ended" and ended.append(event["outcome"]))
    calls = [pair.far.call(f"+38164111{number:04}", "+381115550300") for number in range(100)]
    until(lambda: len(callers(pair.home, "helpdesk")) == len(calls), "all wait at home")
    pair.home.crash()
    until(lambda: len(callers(pair.far, "helpdesk")) == len(calls), "all wait where they landed")
    pair.home.boot()
    until(lambda: len(callers(pair.home, "helpdesk")) == len(calls), "all are at home again")
    assert ended == []
    assert all(call.up for call in calls)


def test_a_home_that_is_down_is_tried_again_and_again(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    pair.home.crash()
    call = pair.far.call(STRANGER, "+381115550300")
    until(lambda: len(pair.events("call_carried")) >= 3, "it is tried")
    assert call.answered
    waited = [event["waited_s"] for event in pair.events("call_carried")]
    assert waited[0] == 0
    assert all(later >= earlier + 10 for earlier, later in zip(waited, waited[1:], strict=False)), waited
    pair.home.boot()
    assert int(waiting(pair.home, "helpdesk").get("cc_base_score")) >= 101003540 + waited[-1]


def test_without_fsapp_the_switches_carry_by_themselves(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    pair.centre.import_contacts({CUSTOMER: None})
    pair.centre.serve.kill()
    pair.centre.serve.wait(20)
    call = pair.far.call(CUSTOMER, "+381115550100")
    there = waiting(pair.home, "renewals.first-call")
    assert there.get("fsapp_reason") == call.get("fsapp_reason") == "fallback-open-contact"
    assert (there.get("fsapp_class"), there.get("cc_base_score")) == ("callback", "305003580")
    pair.available("1002")
    assert over(call) == "NORMAL_CLEARING"
    assert call.talked_at


FORGED = [(f"sip_h_X-fsapp-{name}", text) for name, text in {
    "class": "callback", "queue": "vip@fsapp", "score": "2000000000", "agent": "1005", "line": "vip",
    "contact": "${x}", "decision": "forged", "evil": "x",
}.items()]


def test_forged_headers_gain_nothing_on_either_switch(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair()
    local = pair.home.call(STRANGER, "+381115550300", variables=FORGED)
    assert waiting(pair.home, "helpdesk") is local
    assert (local.get("fsapp_class"), local.get("cc_base_score")) == ("service", "101003540")
    local.hangup("NORMAL_CLEARING", "caller")
    call = pair.far.call(STRANGER, "+381115550300", variables=FORGED)
    there = waiting(pair.home, "helpdesk")
    assert (there.get("fsapp_class"), there.get("cc_base_score")) == ("service", "101003540")
    assert (there.get("fsapp_agent"), there.get("fsapp_contact")) == ("", "")
    assert there.get("fsapp_decision") == call.get("fsapp_decision")


def test_a_call_goes_round_in_no_circle_when_a_switch_has_a_wrong_name(make_pair: Callable[..., Pair]) -> None:
    """It waits where it landed, with music, and is tried again every ten seconds."""
    pair = make_pair()
    wrong = {"fsapp_socket": pair.centre.listen, "fsapp_switch": "elsewhere"}
    pair.home.dialplan = load_dialplan(ROOT / "dialplan", wrong)
    call = pair.far.call(STRANGER, "+381115550300")
    until(lambda: len(pair.events("call_carried")) >= 2, "it is tried")
    first, second = pair.events("call_carried")[:2]
    assert second["waited_s"] >= first["waited_s"] + 10
    assert call.answered
    assert pair.events("call_arrived") == []
    assert len(pair.home.channels) <= 1
