"""The lab switch says what its floor is in the words of the real one: the same columns, and what is so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab_ends import until

from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch
from fsapp.telephony.callcenter import QUESTIONS, read_seen
from fsapp.telephony.link import Link

REAL = json.loads((Path(__file__).parents[1] / "data/floor/switch-1.10.12.json").read_text(encoding="utf-8"))
PLAN = """<include><context name="public"><extension name="q"><condition field="destination_number" expression="^9$">
<action application="callcenter" data="helpdesk@fsapp"/></condition></extension></context></include>"""


@pytest.fixture
def linked(make_switch: Callable[..., Switch], make_socket: Callable[[Switch], EventSocket]) -> Any:
    switch = make_switch(
        PLAN, [Queue("helpdesk@fsapp", 20)],
        [Agent("1004", "[leg_timeout=15]user/1004@fsapp"), Agent("1005", "null/x", "Logged Out")],
        [Tier("helpdesk@fsapp", "1004", 6)], phone=lambda _agent, _channel: Reaction(talk_s=3600),
    )
    with Link(*make_socket(switch).address, "ClueCon") as link:
        switch.call("+381601234567", "9", name="Mira")
        until(lambda: switch.callcenter.agents["1004"].state == "In a queue call", "they talk")
        until(lambda: any(channel.bridged for channel in switch.channels.values()), "they are connected")
        switch.call("+381601234568", "9", name='a|b\n"c')
        until(lambda: len(switch.callcenter.queues["helpdesk@fsapp"].members) == 2, "one waits")
        yield switch, link


def columns(answer: str) -> list[str]:
    found = json.loads(answer)
    rows = found["response"] if "response" in found else found["rows"]
    return sorted({name for row in rows for name in row})


@pytest.mark.parametrize("question", ["queues", "agents", "tiers", "members", "channels", "bridges", "registrations"])
def test_the_columns_are_those_of_the_real_switch(linked: tuple[Switch, Link], question: str) -> None:
    ours, real = columns(linked[1].api(QUESTIONS[question])), columns(REAL[question])
    # Of a bridge the lab has a few columns more, which nobody asks for.
    assert ours == real if question != "bridges" else set(real) - {"call_created_epoch"} <= set(ours)


def test_the_floor(linked: tuple[Switch, Link]) -> None:
    switch, link = linked
    seen = read_seen(link)
    assert seen.core_uuid == switch.core_uuid
    assert [(agent.id, agent.status, agent.state, agent.registered) for agent in seen.agents.values()] == [
        ("1004", "Available", "In a queue call", True), ("1005", "Logged Out", "Waiting", None)]
    assert [(tier.queue, tier.agent, tier.level, tier.state) for tier in seen.tiers] == [
        ("helpdesk@fsapp", "1004", 6, "Active Inbound")]
    assert (seen.queues["helpdesk@fsapp"].wait_s, seen.queues["helpdesk@fsapp"].answered) == (20, 1)
    talking, waiting = sorted(seen.members.values(), key=lambda member: member.state)
    assert (talking.state, talking.agent, talking.name) == ("Answered", "1004", "Mira")
    assert (waiting.state, waiting.agent) == ("Waiting", "")
    caller = seen.calls[talking.call]
    assert (caller.number, caller.called, caller.bridged_to) == ("+381601234567", "9", seen.agents["1004"].call)
    assert not seen.calls[waiting.call].bridged_to


def test_a_phone_that_is_not_there(linked: tuple[Switch, Link]) -> None:
    switch, link = linked
    switch.unregistered.add("1004")
    assert read_seen(link).agents["1004"].registered is False
