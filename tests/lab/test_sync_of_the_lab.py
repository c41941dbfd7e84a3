"""The switch in Python follows the rules and is healed, over its real event socket and with a real Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lab_ends import until

from fsapp.cli.root import main
from fsapp.core.healing import DOUBT_S
from fsapp.core.queue_xml import callcenter_document
from fsapp.core.rules import Rules
from fsapp.lab.cc_load import FILE
from fsapp.lab.switch import Switch
from fsapp.rules import load_folder
from fsapp.state.agents import AgentMemory
from fsapp.state.rules import RulesStore
from fsapp.state.stream import add, encode, tail
from fsapp.telephony.callcenter import read_seen
from fsapp.telephony.link import Link
from fsapp.telephony.reconcile import Look, Reconciler

HELPDESK = "helpdesk@fsapp"
WAITING = """
<include>
  <context name="public"><extension name="all"><condition>
    <action application="callcenter" data="helpdesk@fsapp"/>
  </condition></extension></context>
  <context name="fsapp"><extension name="return">
    <condition field="destination_number" expression="^fsapp-return$">
      <action application="set" data="returned=true"/>
      <action application="callcenter" data="helpdesk@fsapp"/>
    </condition>
  </extension></context>
</include>
"""


@dataclass
class Desk:
    """A reconciler with a link to a lab switch; its clock is put forward by hand."""

    redis: Any
    make_switch: Callable[..., Switch]
    make_socket: Callable[..., Any]
    rules: Rules = field(default_factory=lambda: Rules.from_document(load_folder("conf/rules"), 1))
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    link: Link | None = None

    def __post_init__(self) -> None:
        self.memory = AgentMemory(self.redis, "main")
        self.reconciler = Reconciler(
            "main", lambda: self.rules, self.memory, lambda event: add(self.redis, [encode(event)]),
            now=lambda: self.now,
        )
        self.switch = self.start()

    def start(self, **options: Any) -> Switch:
        """A switch of the rules, started anew with nothing in it, and a link to it."""
        self.close()
        self.switch = self.make_switch(WAITING, **options)
        self.take_rules(self.rules)
        self.address = self.make_socket(self.switch).address
        self.link = Link(*self.address, "ClueCon")
        self.link.connect()
        return self.switch

    def take_rules(self, rules: Rules) -> None:
        """As the script of mod_python3 does, the switch's configuration follows the rules."""
        self.rules = rules
        self.switch.configuration.files[FILE] = callcenter_document(rules)

    def look(self) -> Look:
        assert self.link is not None
        look = self.reconciler.look(self.link, read_seen(self.link))
        self.now += timedelta(seconds=DOUBT_S)
        return look

    def settle(self) -> None:
        for _ in range(3):
            self.look()
        assert not [one for one in self.look().differences if one.steps]

    def healed(self) -> list[tuple[str, str]]:
        return [(event["kind"], event["subject"]) for _, event in tail(self.redis, "0", follow=False)
                if event["type"] == "switch_healed"]

    def close(self) -> None:
        if self.link is not None:
            self.link.close()


@pytest.fixture
def desk(redis_client: Any, make_switch: Any, make_socket: Any) -> Iterator[Desk]:
    desk = Desk(redis_client, make_switch, make_socket)
    yield desk
    desk.close()


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """With a switch as the rules want it, and nothing said of that."""
    desk.settle()
    desk.redis.delete("fsapp:events")
    return desk


def test_an_empty_switch_becomes_the_one_of_the_rules(desk: Desk) -> None:
    desk.settle()
    centre = desk.switch.callcenter
    assert set(centre.queues) == set(desk.rules.queues)
    assert set(centre.agents) == set(desk.rules.agents)
    assert centre.tiers["web-leads.new@fsapp", "1001"].level == 3
    assert centre.agents["1001"].contact == "[leg_timeout=15]user/1001@fsapp"
    assert centre.agents["1001"].status == "Logged Out"


def test_tiers_and_waits_follow_the_rules_and_callers_stay(ready: Desk) -> None:
    centre = ready.switch.callcenter
    call = ready.switch.call("+381601234567", "100")
    until(lambda: centre.queues[HELPDESK].members, "the caller waits")
    document = load_folder("conf/rules")
    document["line"]["helpdesk"] |= {"priority": {"1005": 10, "1006": 0}}
    document["agent"]["1004"]["wait_s"] = 33
    ready.take_rules(Rules.from_document(document, 2))
    ready.settle()
    assert centre.tiers[HELPDESK, "1005"].level == 1
    assert (HELPDESK, "1006") not in centre.tiers
    assert centre.queues["agent-1004@fsapp"].wait_s == 33
    assert [member.state for member in centre.queues[HELPDESK].members.values()] == ["Waiting"]
    call.hangup("NORMAL_CLEARING", "caller")


def test_what_older_rules_left_goes_and_what_others_have_stays(ready: Desk) -> None:
    assert ready.link is not None
    ready.switch.configuration.files[FILE] = callcenter_document(ready.rules).replace(
        "<queues>", '<queues><queue name="old@fsapp"/><queue name="sales@example.com"/>')
    for words in ("queue load old@fsapp", "queue load sales@example.com", "agent add 1009 callback",
                  "agent add 7001 callback", "tier add old@fsapp 1009", "tier add sales@example.com 7001"):
        assert ready.link.api(f"callcenter_config {words}").startswith("+OK")
    ready.settle()
    centre = ready.switch.callcenter
    assert set(centre.queues) == {*ready.rules.queues, "sales@example.com"}
    assert set(centre.agents) == {*ready.rules.agents, "7001"}
    assert ("sales@example.com", "7001") in centre.tiers
    assert sorted(ready.healed()) == [("agent-left-over", "1009"), ("queue-left-over", "old@fsapp")]


@pytest.mark.parametrize("state", ["Receiving", "Reserved", "In a queue call"])
def test_an_agent_in_a_call_that_is_not_there_gets_calls_again(ready: Desk, state: str) -> None:
    centre = ready.switch.callcenter
    ready.switch.phones.register("1004", "fsapp")
    centre.set_status(centre.agents["1004"], "Available")
    centre.agents["1004"].state = state
    centre.tiers[HELPDESK, "1004"].state = "Active Inbound"
    ready.look()
    assert centre.agents["1004"].state == state
    ready.look()
    assert centre.agents["1004"].state == "Waiting"
    assert centre.tiers[HELPDESK, "1004"].state == "Ready"
    assert ready.healed() == [("agent-stuck", "1004")]


def test_an_agent_who_is_rung_is_left_alone(ready: Desk) -> None:
    centre = ready.switch.callcenter
    centre.set_status(centre.agents["1004"], "Available")
    call = ready.switch.call("+381601234567", "100")
    until(lambda: centre.agents["1004"].state == "Receiving", "the phone rings")
    ready.look()
    ready.look()
    assert centre.agents["1004"].state == "Receiving"
    assert ready.healed() == []
    call.hangup("NORMAL_CLEARING", "caller")


def test_an_agent_without_a_phone_has_a_break_until_the_phone_is_there(ready: Desk) -> None:
    centre = ready.switch.callcenter
    ready.switch.phones.unregister("1004")
    centre.set_status(centre.agents["1004"], "Available")
    ready.look()
    ready.look()
    assert centre.agents["1004"].status == "On Break"
    assert ready.memory.read()[0]["1004"].reason == "no phone"
    ready.switch.phones.register("1004")
    ready.look()
    assert centre.agents["1004"].status == "Available"
    assert ready.healed() == [("agent-without-phone", "1004"), ("agent-phone-back", "1004")]


def test_tiers_and_idle_agents_are_healed(ready: Desk) -> None:
    centre = ready.switch.callcenter
    centre.set_status(centre.agents["1004"], "Available")
    centre.set_status(centre.agents["1005"], "Available")
    centre.tiers[HELPDESK, "1004"].state = "Standby"
    centre.agents["1005"].state = "Idle"
    ready.settle()
    assert centre.tiers[HELPDESK, "1004"].state == "Ready"
    assert centre.agents["1005"].state == "Waiting"
    assert sorted(ready.healed()) == [("agent-idle", "1005"), ("tier-stuck", f"{HELPDESK} 1004")]


def test_a_caller_whom_nobody_rings_for_is_decided_anew(ready: Desk) -> None:
    centre = ready.switch.callcenter
    call = ready.switch.call("+381601234567", "100")
    [member] = until(lambda: list(centre.queues[HELPDESK].members.values()), "the caller waits")
    centre.queues[HELPDESK].take(member)
    member.state, member.serving_agent = "Trying", "1004"
    ready.look()
    ready.look()
    until(lambda: call.get("returned"), "the caller is back in the dialplan")
    until(lambda: [m for m in centre.queues[HELPDESK].members.values() if m.state == "Waiting"], "and waits again")
    assert ready.healed() == [("member-stuck", member.uuid)]
    call.hangup("NORMAL_CLEARING", "caller")


def test_a_switch_started_anew_has_everything_back_without_a_hand(ready: Desk) -> None:
    centre = ready.switch.callcenter
    centre.set_status(centre.agents["1001"], "Available")
    centre.set_status(centre.agents["1002"], "On Break")
    ready.now += timedelta(seconds=60)
    ready.look()
    known, run = ready.memory.read()
    assert (known["1001"].status, known["1002"].status, run) == ("Available", "On Break", ready.switch.core_uuid)
    before = centre
    centre = ready.start().callcenter
    ready.look()
    assert set(centre.queues) == set(before.queues)
    assert {name: agent.status for name, agent in centre.agents.items()} == {
        name: agent.status for name, agent in before.agents.items()}
    assert {key: tier.level for key, tier in centre.tiers.items()} == {
        key: tier.level for key, tier in before.tiers.items()}


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sync(
    desk: Desk, redis_server: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
) -> Callable[..., tuple[int, str, str]]:
    """Runs `fsapp switch sync` with the arguments; exit status, stdout, stderr."""
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    monkeypatch.setenv("FSAPP_SWITCH", f"127.0.0.1:{desk.address[1]}")
    monkeypatch.setenv("FSAPP_SWITCH_PASSWORD", "ClueCon")

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["switch", "sync", *args])
        return left.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def loaded(desk: Desk) -> None:
    RulesStore(desk.redis).load(load_folder("conf/rules"), "", "", "")


@pytest.mark.usefixtures("loaded")
def test_sync_leaves_a_switch_alone_that_calls_itself_otherwise(desk: Desk, sync: Callable[..., Any]) -> None:
    desk.switch.variables["fsapp_switch"] = "two"
    status, out, err = sync()
    assert (status, out) == (1, "")
    assert "calls itself two, not main" in err and err.count("\n") == 1
    assert not desk.switch.callcenter.queues and not desk.switch.callcenter.agents


@pytest.mark.usefixtures("loaded")
def test_sync_says_what_differs_and_mends_it(desk: Desk, sync: Callable[..., Any]) -> None:
    status, out, err = sync("--dry-run")
    assert (status, err) == (0, "")
    assert "queue helpdesk@fsapp is missing: not mended\n" in out
    assert "agent 1001 (ana) is missing: not mended\n" in out
    assert not desk.switch.callcenter.agents
    status, out, err = sync()
    assert (status, err) == (0, "")
    assert "agent 1001 (ana) does not serve queue web-leads.new@fsapp: mended\n" in out
    assert set(desk.switch.callcenter.agents) == set(desk.rules.agents)
    assert sync() == (0, "The switch is as version 1 of the rules wants it.\n", "")


@pytest.mark.usefixtures("loaded")
def test_sync_looks_twice_before_it_heals(desk: Desk, sync: Callable[..., Any]) -> None:
    sync()
    desk.switch.callcenter.agents["1004"].state = "Receiving"
    status, out, _ = sync("--dry-run")
    assert (status, out) == (0, "agent 1004 (dejan) is 'Receiving' without a call: may be passing, look again\n")
    status, out, _ = sync("--json")
    assert (status, json.loads(out)) == (0, {"switch": "main", "version": 1, "differences": [{
        "kind": "agent-stuck", "subject": "1004", "text": "agent 1004 (dejan) is 'Receiving' without a call",
        "outcome": "mended", "todo": None, "fault": None,
    }]})
    assert desk.switch.callcenter.agents["1004"].state == "Waiting"


@pytest.mark.usefixtures("loaded")
def test_what_cannot_be_mended_is_said_and_ends_with_1(desk: Desk, sync: Callable[..., Any]) -> None:
    document = callcenter_document(desk.rules)
    desk.switch.configuration.files[FILE] = document.replace('"helpdesk@fsapp"', '"helpdusk@fsapp"')
    status, out, err = sync()
    assert (status, err) == (1, "")
    assert ("queue helpdesk@fsapp is missing: could not be mended: the switch's configuration has no such queue: "
            "let mod_python3 serve it, or give the switch what `fsapp switch config` prints\n") in out
    assert "agent 1001 (ana) is missing: mended\n" in out


def test_sync_refuses_before_anything_changes_without_rules(desk: Desk, sync: Callable[..., Any]) -> None:
    assert sync() == (1, "", "fsapp: no rules are loaded: run `fsapp rules load`\n")
    desk.redis.set("fsapp:{rules}:current", "1")
    desk.redis.hset("fsapp:{rules}:versions", "1", b"\xc1")
    status, out, err = sync()
    assert (status, out) == (1, "") and "version 1 of the rules in Redis" in err and err.count("\n") == 1
    assert not desk.switch.callcenter.agents


@pytest.mark.usefixtures("loaded")
def test_sync_says_when_the_switch_is_away_or_refuses(
    desk: Desk, sync: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FSAPP_SWITCH_PASSWORD", "wrong")
    status, out, err = sync()
    assert (status, out) == (1, "") and "refuses the password" in err and err.count("\n") == 1
    monkeypatch.setenv("FSAPP_SWITCH_PASSWORD", "")
    assert sync() == (1, "", "fsapp: the switch's password is not set: set FSAPP_SWITCH_PASSWORD\n")
    monkeypatch.setenv("FSAPP_SWITCH_PASSWORD", "ClueCon")
    monkeypatch.setenv("FSAPP_SWITCH", "127.0.0.1:1")
    status, out, err = sync()
    assert (status, out) == (1, "") and "no switch at 127.0.0.1:1" in err and err.count("\n") == 1
    assert not desk.switch.callcenter.agents


@pytest.mark.usefixtures("loaded")
def test_sync_says_when_the_rules_do_not_know_this_switch(
    desk: Desk, sync: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = load_folder("conf/rules")
    document["switch"] = {"main": {"sip": "127.0.0.1:5070"}}
    RulesStore(desk.redis).load(document, "", "", "")
    monkeypatch.setenv("FSAPP_SWITCH_NAME", "third")
    status, _, err = sync()
    assert (status, err) == (
        1, "fsapp: the rules know no switch third: set FSAPP_SWITCH_NAME to main\n")
