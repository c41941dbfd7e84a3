"""What a switch says about its floor, from the bytes of a real one: one caller talks, one waits, two have gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fsapp.core.floor import AgentState, AgentStatus, MemberState, SeenTier
from fsapp.errors import ProtocolError, SwitchError
from fsapp.telephony.callcenter import QUESTIONS, seen_from

FILE = Path(__file__).parents[1] / "data/floor/switch-1.10.12.json"
NOW = 1795613602.0


@pytest.fixture
def answers() -> dict[str, str]:
    return json.loads(FILE.read_text(encoding="utf-8"))


def test_every_question_was_asked(answers: dict[str, str]) -> None:
    assert answers.keys() == QUESTIONS.keys()


def test_the_agent_who_talks(answers: dict[str, str]) -> None:
    seen = seen_from(answers, NOW)
    assert sorted(seen.agents) == ["1001", "1002", "1003", "1004", "1005", "1006"]
    agent = seen.agents["1004"]
    assert (agent.status, agent.state) == (AgentStatus.AVAILABLE, AgentState.TALKING)
    assert (agent.wrap_up_s, agent.max_no_answer, agent.reject_delay_s, agent.busy_delay_s) == (10, 3, 10, 20)
    assert agent.talked_at == datetime(2026, 11, 25, 13, 33, 19, tzinfo=UTC)
    assert agent.registered is True
    assert seen.calls[agent.call].bridged_to == "50571089-bb58-4e67-97a6-89ab0f7a3253"
    idle = seen.agents["1001"]
    assert (idle.status, idle.state, idle.call, idle.talked_at) == ("Logged Out", "Waiting", "", None)
    assert idle.registered is False


def test_a_registration_that_has_run_out_is_none(answers: dict[str, str]) -> None:
    assert seen_from(answers, NOW + 3600).agents["1004"].registered is False


def test_a_registration_that_was_told_to_be_over(answers: dict[str, str]) -> None:
    [row] = json.loads(answers["registrations"])["rows"]
    assert seen_from(answers, NOW, {row["token"]}).agents["1004"].registered is False
    assert seen_from(answers, NOW, {"another"}).agents["1004"].registered is True


@pytest.mark.parametrize(("contact", "registered"), [
    ("user/1004@fsapp", True), ("[leg_timeout=15]user/1004@fsapp", True), ("user/1004", True),
    ("user/1009@fsapp,user/1004@fsapp", True), ("user/1004@elsewhere", False), ("user/1009@fsapp", False),
    ("sofia/gateway/trunk/+381601234567", None), ("null/x", None), ("", None),
])
def test_whose_phone_is_registered(answers: dict[str, str], contact: str, registered: bool | None) -> None:
    agents = json.loads(answers["agents"])
    agents["response"][0]["contact"] = contact
    name = agents["response"][0]["name"]
    assert seen_from({**answers, "agents": json.dumps(agents)}, NOW).agents[name].registered is registered


def test_members_waiting_talking_and_gone(answers: dict[str, str]) -> None:
    members = seen_from(answers, NOW).members
    assert sorted(member.state for member in members.values()) == [
        MemberState.ABANDONED, MemberState.ABANDONED, MemberState.ANSWERED, MemberState.WAITING]
    talking = next(member for member in members.values() if member.state == MemberState.ANSWERED)
    assert (talking.queue, talking.agent, talking.number) == ("helpdesk@fsapp", "1004", "+381601234567")
    assert talking.answered_at == datetime(2026, 11, 25, 13, 33, 19, tzinfo=UTC)
    assert (talking.base_score, talking.score) == (100_000_000, 100_000_003)
    assert all(member.call == "" for member in members.values() if member.state == MemberState.ABANDONED)


def test_calls_and_who_talks_to_whom(answers: dict[str, str]) -> None:
    calls = seen_from(answers, NOW).calls
    caller = calls["50571089-bb58-4e67-97a6-89ab0f7a3253"]
    assert (caller.direction, caller.called, caller.state) == ("inbound", "0115550300", "ACTIVE")
    assert calls[caller.bridged_to].bridged_to == caller.uuid
    assert [call.uuid for call in calls.values() if not call.bridged_to] == ["604cfba5-37bc-4d58-8223-30100a95191d"]


def test_tiers_and_queues(answers: dict[str, str]) -> None:
    seen = seen_from(answers, NOW)
    assert SeenTier("web-leads.new@fsapp", "1001", 3, 1, "Ready") in seen.tiers
    assert SeenTier("helpdesk@fsapp", "1004", 6, 1, "Active Inbound") in seen.tiers
    helpdesk = seen.queues["helpdesk@fsapp"]
    assert (helpdesk.wait_s, helpdesk.answered, helpdesk.abandoned) == (None, 2, 2)
    assert helpdesk.settings["time_base_score"] == "system"
    assert seen.queues["agent-1001@fsapp"].wait_s == 2
    assert seen.core_uuid == "7a4f457b-3b8f-4373-b1e4-4d9c79792b45"


@pytest.mark.parametrize("name", [
    "a|b|c", "x\nhelpdesk@fsapp|single_box|00000000-0000-0000-0000-000000000000|y", '","state":"Answered', "\\\"]}",
    "${system(date)}", "\u202eevil", "\x00\x1b[2J",
])
def test_no_name_makes_a_row_or_a_column(answers: dict[str, str], name: str) -> None:
    members = json.loads(answers["members"])
    row = members["response"][2]
    row["cid_name"] = row["cid_number"] = name
    before = seen_from(answers, NOW)
    after = seen_from({**answers, "members": json.dumps(members, ensure_ascii=False)}, NOW)
    assert after.members.keys() == before.members.keys()
    member = after.members[row["uuid"]]
    assert (member.state, member.queue) == (MemberState.WAITING, "helpdesk@fsapp")
    assert not set("|\n$\x00\x1b\u202e") & set(member.name + member.number)


@pytest.mark.parametrize("answer", ["-ERR json Command not found!\n", "", "{", "null", '{"status":"success"}', '"a"'])
def test_a_switch_that_lists_nothing_is_no_empty_floor(answers: dict[str, str], answer: str) -> None:
    with pytest.raises((SwitchError, ProtocolError)):
        seen_from({**answers, "members": answer}, NOW)


def test_a_switch_without_mod_callcenter(answers: dict[str, str]) -> None:
    refused = ('{"command":"callcenter_config","data":{},"status":"error","message":"Invalid request or non-existant '
               'command","response":null}')
    with pytest.raises(SwitchError, match="load mod_callcenter"):
        seen_from({**answers, "agents": refused}, NOW)


def test_a_table_of_counters_that_is_not_whole(answers: dict[str, str]) -> None:
    table = answers["counters"].replace("helpdesk@fsapp|", "helpdesk@fsapp|more|", 1)
    queue = seen_from({**answers, "counters": table}, NOW).queues["helpdesk@fsapp"]
    assert (queue.answered, queue.abandoned) == (0, 0)
