"""A real switch follows the rules, is healed, and has everything back after a restart; callers keep their places."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from desk import Desk as Phone
from machine import PASSWORD, Switch, binary, count_elsewhere, rules_document, wait_until

from fsapp.app.link import LinkProcess
from fsapp.core.floor import Floor, RememberedStatus, Seen, SeenMember
from fsapp.core.floor_rows import queue_rows
from fsapp.core.healing import DOUBT_S
from fsapp.core.rules import Rules
from fsapp.settings import Settings
from fsapp.state.agents import AgentMemory
from fsapp.state.connection import connect
from fsapp.state.requests import ask
from fsapp.state.rules import RulesStore
from fsapp.telephony.callcenter import read_seen
from fsapp.telephony.link import Link
from fsapp.telephony.reconcile import Look, Reconciler

HELPDESK = "helpdesk@fsapp"
OTHERS = """<configuration name="callcenter.conf"><queues>
<queue name="sales@example.com"><param name="max-wait-time" value="7"/></queue></queues></configuration>
"""


@pytest.fixture(scope="module")
def own_switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    """A switch that may be restarted and left with anything in it."""
    found = binary()
    assert found is not None
    switch = Switch(found, tmp_path_factory.mktemp("sync"))
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()


@dataclass
class Desk:
    """A reconciler of the switch; its clock is put forward by hand, so that it need not wait to be certain."""

    switch: Switch
    client: Any
    document: dict[str, Any] = field(default_factory=rules_document)
    ahead: timedelta = timedelta()
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = AgentMemory(self.client, "main")
        self.reconciler = Reconciler(
            "main", lambda: self.rules, self.memory, self.events.append,
            now=lambda: datetime.now(UTC) + self.ahead,
        )
        self.load(self.document)

    def load(self, document: dict[str, Any]) -> None:
        """Other rules, for the switch's own Python too."""
        loaded = RulesStore(self.client).load(document, "", "test", "test")
        self.rules = Rules.from_document(document, loaded.version)

    def seen(self) -> Seen:
        with Link("127.0.0.1", self.switch.event_port, PASSWORD) as link:
            return read_seen(link)

    def look(self) -> Look:
        with Link("127.0.0.1", self.switch.event_port, PASSWORD) as link:
            look = self.reconciler.look(link, read_seen(link))
        assert not [outcome.fault for outcome in look.outcomes if outcome.fault]
        self.ahead += timedelta(seconds=DOUBT_S)
        return look

    def settle(self) -> Seen:
        """Until nothing is left to mend; what the switch is like then."""
        for _ in range(4):
            look = self.look()
        assert not [one for one in look.differences if one.steps]
        return self.seen()

    def healed(self) -> list[tuple[str, str]]:
        return [(one["kind"], one["subject"]) for one in self.events if one["type"] == "switch_healed"]

    def cc(self, command: str) -> None:
        assert "+OK" in self.switch.cli(f"callcenter_config {command}")

    def caller(self) -> str:
        """A caller who waits in the help desk; the uuid of the leg."""
        uuid = f"caller-{time.monotonic_ns()}"
        # Decided by the switch itself, as nobody else is there.
        self.switch.cli(f"bgapi originate {{origination_uuid={uuid},fsapp_called=+381115550300}}null/caller "
                        "fsapp-visit XML fsapp")
        wait_until(lambda: uuid in {one.call for one in self.seen().members.values()}, "a caller waits")
        wait_until(lambda: uuid in self.seen().calls, "the switch tells of the call")
        return uuid

    def sql(self, *statement: Any) -> None:
        """A fault, straight into the module's tables."""
        with closing(sqlite3.connect(self.switch.folder / "db/callcenter.db", timeout=20)) as database, database:
            database.execute(*statement)


@pytest.fixture
def desk(own_switch: Switch, own_redis: Callable[..., Any]) -> Iterator[Desk]:
    """With a Redis of its own that the switch's Python asks too, and a switch as the rules want it."""
    own_switch.settle()
    with (
        own_switch.asking(own_redis()),
        closing(connect(Settings(redis_url=f"unix://{own_switch.redis_socket}", redis_timeout_s=2))) as client,
    ):
        count_elsewhere(client)
        desk = Desk(own_switch, client)
        marked = rules_document()
        marked["line"]["here"] = {"groups": ["support"]}
        desk.load(marked)
        wait_until(lambda: "+OK" in own_switch.cli("callcenter_config queue load here@fsapp"), "the switch asks Redis")
        desk.load(rules_document())
        for agent in desk.rules.agents:
            own_switch.cli(f"callcenter_config agent set status {agent} 'Logged Out'")
            own_switch.cli(f"callcenter_config agent set state {agent} Waiting")
        desk.sql("delete from members")  # those who have left stay for a minute
        desk.settle()
        desk.events.clear()
        yield desk
        own_switch.settle()


def test_what_is_missing_comes_back(desk: Desk) -> None:
    before = desk.seen()
    desk.cc("queue unload vip@fsapp")
    desk.cc("agent del 1004")
    desk.cc("tier del helpdesk@fsapp 1005")
    after = desk.settle()
    assert after.queues.keys() == before.queues.keys() == desk.rules.queues.keys()
    assert after.agents.keys() == before.agents.keys() == desk.rules.agents.keys()
    assert after.agents["1004"] == replace(before.agents["1004"], status_at=None)
    assert set(after.tiers) == set(before.tiers)
    assert after.agents["1004"].contact == "[leg_timeout=15]user/1004@fsapp"


def test_other_waits_and_levels_take_effect_and_callers_keep_their_places(desk: Desk) -> None:
    caller = desk.caller()
    document = rules_document()
    document["line"]["helpdesk"] |= {"priority": {"1005": 10, "1006": 0}}
    document["agent"]["1004"] |= {"wait_s": 33, "wrap_up_s": 7, "contact": "[a=b]sofia/phones/1004@127.0.0.1"}
    desk.load(document)
    seen = desk.settle()
    assert {tier.agent: tier.level for tier in seen.tiers if tier.queue == HELPDESK} == {"1004": 6, "1005": 1}
    assert seen.queues["agent-1004@fsapp"].wait_s == 33
    assert (seen.agents["1004"].wrap_up_s, seen.agents["1004"].contact) == (
        7, "[leg_timeout=15][a=b]sofia/phones/1004@127.0.0.1")
    # The caller's queue itself, by a setting of the switch that the rules do not have.
    desk.switch.cli("callcenter_config queue load helpdesk@fsapp")
    [member] = desk.seen().members.values()
    assert (member.call, member.state) == (caller, "Waiting")


def test_what_older_rules_left_goes_and_what_others_have_stays(desk: Desk) -> None:
    document = rules_document()
    document["line"]["old"] = {"agents": ["1009", "1004"]}
    document["agent"]["1009"] = {"name": "gone", "email": "gone@example.com"}
    desk.load(document)
    desk.settle()
    file = desk.switch.folder / "conf/freeswitch/autoload_configs/callcenter.conf.xml"
    was = file.read_text(encoding="utf-8")
    file.write_text(OTHERS, encoding="utf-8")
    desk.switch.cli("reloadxml")
    try:
        for words in ("queue load sales@example.com", "agent add 7001 callback", "tier add sales@example.com 7001 3 1",
                      "agent set state 7001 Receiving"):
            desk.cc(words)
        desk.load(rules_document())
        seen = desk.settle()
    finally:
        file.write_text(was, encoding="utf-8")
        desk.switch.cli("reloadxml")
        desk.switch.cli("callcenter_config queue unload sales@example.com")
        desk.switch.cli("callcenter_config agent del 7001")
    assert seen.queues.keys() == {*desk.rules.queues, "sales@example.com"}
    assert seen.agents.keys() == {*desk.rules.agents, "7001"}
    assert seen.agents["7001"].state == "Receiving"
    assert seen.queues["sales@example.com"].wait_s == 7
    assert {tier.queue for tier in seen.tiers} == {*desk.rules.queues, "sales@example.com"}


def test_a_queue_of_older_rules_stays_for_the_caller_who_is_in_it(desk: Desk) -> None:
    document = rules_document()
    del document["line"]["helpdesk"]
    document["flow"]["main"]["line"] = "vip"
    document["number"] = [dict(number, line="vip") if number.get("line") else number for number in document["number"]]
    caller = desk.caller()
    desk.load(document)
    assert HELPDESK in desk.settle().queues
    [member] = desk.seen().members.values()
    assert (member.call, member.state) == (caller, "Waiting")
    desk.switch.settle()
    wait_until(lambda: not desk.seen().calls, "the caller is gone")
    assert HELPDESK not in desk.settle().queues


@pytest.mark.parametrize("state", ["Receiving", "Reserved", "In a queue call"])
def test_an_agent_in_a_call_that_is_not_there_gets_the_next_one(desk: Desk, state: str) -> None:
    with Phone(desk.switch.phone_port, "1004") as phone:
        assert phone.register("phone") == 200
        desk.cc(f"agent set state 1004 '{state}'")
        desk.cc("agent set status 1004 Available")
        desk.cc("tier set state helpdesk@fsapp 1004 Standby")
        desk.caller()
        desk.look()
        assert desk.seen().agents["1004"].state == state
        desk.look()
        assert phone.answer()
        desk.switch.wait_talking()
        desk.settle()  # a talk is no fault
        assert desk.seen().agents["1004"].state == "In a queue call"
        phone.hang_up()
        wait_until(lambda: desk.seen().agents["1004"].state == "Waiting", "the talk is over")
    assert ("agent-stuck", "1004") in desk.healed()


def test_tiers_and_idle_agents_are_healed(desk: Desk) -> None:
    with Phone(desk.switch.phone_port, "1004") as phone:
        assert phone.register("phone") == 200
        desk.cc("agent set status 1004 Available")
        desk.cc("agent set state 1004 Idle")
        desk.cc("tier set state helpdesk@fsapp 1004 'Active Inbound'")
        desk.settle()
        desk.caller()
        assert phone.answer()
        desk.switch.wait_talking()
        phone.hang_up()
    assert sorted(desk.healed())[:2] == [("agent-idle", "1004"), ("tier-stuck", f"{HELPDESK} 1004")]


def test_an_agent_without_a_phone_has_a_break_until_it_registers(desk: Desk) -> None:
    desk.cc("agent set status 1005 Available")
    desk.look()
    desk.look()
    assert desk.seen().agents["1005"].status == "On Break"
    assert desk.memory.read()[0]["1005"].reason == "no phone"
    with Phone(desk.switch.phone_port, "1005") as phone:
        assert phone.register("phone") == 200
        wait_until(lambda: desk.seen().agents["1005"].registered, "the phone is registered")
        desk.look()
        assert desk.seen().agents["1005"].status == "Available"


def test_a_caller_whom_nobody_rings_for_is_decided_anew_and_keeps_the_time_waited(desk: Desk) -> None:
    caller = desk.caller()
    desk.sql("update members set state = 'Trying', serving_agent = '1004', serving_system = 'single_box'")
    first = next(iter(desk.seen().members))
    wait_until(lambda: time.time() - desk.seen().calls[caller].created_at.timestamp() > 1, "a second has been waited")
    desk.look()
    desk.look()
    assert ("member-stuck", first) in desk.healed()

    def waiting() -> list[SeenMember]:
        return [one for one in desk.seen().members.values() if one.state == "Waiting"]

    # Nobody decides here: the fallback inside the switch leads it back to where it waited.
    wait_until(waiting, "the caller waits again")
    [again] = waiting()
    assert again.call == caller and again.uuid != first
    assert again.base_score >= 1


def test_a_row_of_a_caller_who_is_gone_is_a_finding_until_the_next_restart(desk: Desk) -> None:
    now = int(time.time())
    for state in ("Trying", "Answered"):
        desk.sql(
            "insert into members (queue, instance_id, uuid, session_uuid, cid_number, cid_name, system_epoch, "
            "joined_epoch, base_score, skill_score, serving_agent, serving_system, state) "
            "values (?, 'single_box', ?, 'nobody', '', '', ?, ?, 0, 0, '1004', 'single_box', ?)",
            (HELPDESK, f"ghost-{state}", now, now - 100, state))
    desk.settle()
    found = {one.subject: one for one in desk.look().differences}
    assert found.keys() == {"ghost-Trying", "ghost-Answered"}
    assert all(one.certain and not one.steps and "restarted" in one.todo for one in found.values())
    rows = {row["queue"]: row for row in queue_rows([Floor("main", desk.seen())], datetime.now(UTC))}
    assert (rows[HELPDESK]["waiting"], rows[HELPDESK]["talking"]) == (0, 0)
    desk.switch.restart(new_database=False)
    wait_until(lambda: not desk.seen().members, "the switch has dropped them")


@pytest.mark.parametrize("new_database", [False, True], ids=["old-database", "new-database"])
def test_after_a_restart_agents_tiers_and_queues_are_back_without_a_hand(desk: Desk, new_database: bool) -> None:
    desk.cc("agent set contact 1001 null/x")  # a phone that needs no registration
    desk.cc("agent set status 1001 Available")
    desk.cc("agent set status 1002 'On Break'")
    desk.cc("agent set status 1003 'Available (On Demand)'")
    desk.memory.write({"1002": RememberedStatus("On Break", "lunch", datetime(2026, 1, 1, tzinfo=UTC))}, (), "")
    document = rules_document()
    document["agent"]["1001"]["contact"] = document["agent"]["1003"]["contact"] = "null/x"
    desk.load(document)
    desk.ahead += timedelta(minutes=1)
    before = desk.settle()
    assert before.agents["1003"].status == "Available (On Demand)"
    desk.switch.restart(new_database=new_database)
    desk.look()
    after = desk.seen()
    assert after.core_uuid != before.core_uuid
    assert {id_: agent.status for id_, agent in after.agents.items()} == {
        id_: agent.status for id_, agent in before.agents.items()}
    assert desk.memory.read()[0]["1002"].reason == "lunch"
    assert after.queues.keys() == before.queues.keys()
    assert set(after.tiers) == set(before.tiers)


@pytest.fixture
def link(desk: Desk) -> Iterator[LinkProcess]:
    """`fsapp link` in this process."""
    process = LinkProcess(Settings(
        redis_url=f"unix://{desk.switch.redis_socket}", redis_timeout_s=2, link_http="127.0.0.1:0",
        switch=f"127.0.0.1:{desk.switch.event_port}", switch_password=PASSWORD,
    ))
    try:
        process.start()
        wait_until(lambda: process.watch.up, "the link is up")
        yield process
    finally:
        process.stop()


@pytest.mark.parametrize("new_database", [False, True], ids=["old-database", "new-database"])
def test_with_a_link_agents_are_at_work_again_after_a_restart(
    desk: Desk, link: LinkProcess, new_database: bool,
) -> None:
    def status(agent: str) -> str:
        return desk.switch.cli(f"callcenter_config agent get status {agent}")

    document = rules_document()
    document["agent"]["1004"]["contact"] = "null/x"  # a phone that needs no registration
    desk.load(document)
    wait_until(lambda: "null/x" in desk.switch.cli("callcenter_config agent list 1004"), "the rules are followed")
    for agent, wanted, reason in (("1004", "Available", ""), ("1005", "On Break", "training")):
        ask(desk.client, "main", {"do": "agent_status", "agent": agent, "status": wanted, "reason": reason})
        assert status(agent) == wanted
    desk.switch.restart(new_database=new_database)
    wait_until(lambda: (status("1004"), status("1005")) == ("Available", "On Break"), "the agents are as they were")
    wait_until(lambda: len(desk.seen().tiers) == 24, "the tiers are there")
    assert desk.seen().queues.keys() == desk.rules.queues.keys()
    known, _ = desk.memory.read()
    assert (known["1004"].status, known["1005"].reason) == ("Available", "training")
    desk.caller()
    wait_until(lambda: desk.seen().agents["1004"].state == "In a queue call", "the next call finds its agent")
