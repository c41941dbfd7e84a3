"""The callcenter.conf of the rules: every queue, agent and tier of one switch, and no value that ends early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from random_centre import random_document

from fsapp.core.queue_xml import AWAY_WAIT_S, callcenter_document
from fsapp.core.rules import Rules
from fsapp.rules import check_document, load_folder

ROOT = Path(__file__).parents[2]
EXAMPLE = Rules.from_document(load_folder(ROOT / "conf/rules"))


def read(rules: Rules, **options: str) -> ElementTree.Element:
    root = ElementTree.fromstring(callcenter_document(rules, **options))
    assert (root.tag, root.get("name")) == ("configuration", "callcenter.conf")
    return root


def waits(root: ElementTree.Element) -> dict[str, str]:
    return {queue.get("name"): queue.find("param[@name='max-wait-time']").get("value") for queue in root.iter("queue")}


@pytest.mark.parametrize("seed", range(20))
def test_every_queue_and_tier_of_the_rules_stands_there(seed: int) -> None:
    rules = Rules.from_document(random_document(Random(seed)))
    root = read(rules)
    assert waits(root) == {queue.name: str(queue.wait_s or 0) for queue in rules.queues.values()}
    tiers = {(tier.get("queue"), tier.get("agent")): int(tier.get("level")) for tier in root.iter("tier")}
    assert tiers == {
        (queue.name, agent): 11 - priority
        for queue in rules.queues.values() for agent, priority in queue.staff.items() if priority
    }
    assert {agent.get("name") for agent in root.iter("agent")} == set(rules.agents)


def test_an_agent_is_as_the_rules_say_and_has_no_status() -> None:
    ana = replace(EXAMPLE.agents["1001"], contact="user/1001@fsapp", ring_s=12, wrap_up_s=3, max_no_answer=2,
                  reject_delay_s=4, busy_delay_s=5, no_answer_delay_s=6)
    [agent] = read(replace(EXAMPLE, agents={"1001": ana})).iter("agent")
    assert agent.attrib == {
        "name": "1001", "type": "callback", "contact": "[leg_timeout=12]user/1001@fsapp", "max-no-answer": "2",
        "wrap-up-time": "3", "reject-delay-time": "4", "busy-delay-time": "5", "no-answer-delay-time": "6",
    }


@pytest.mark.parametrize(("said", "switch"), [
    ({}, ["longest-idle-agent"] * 3),
    ({"centre": "least-busy"}, ["agent-with-least-talk-time"] * 3),
    ({"campaign": "fewest-calls", "line": "least-busy"},
     ["agent-with-fewest-calls", "agent-with-least-talk-time", "longest-idle-agent"]),
    ({"centre": "least-busy", "group": "longest-idle", "line": "fewest-calls"},
     ["agent-with-least-talk-time", "agent-with-fewest-calls", "longest-idle-agent"]),
])
def test_who_of_the_free_agents_is_taken_is_a_place_s_own_word_or_the_centre_s(
    said: dict[str, str], switch: list[str],
) -> None:
    document = load_folder(ROOT / "conf/rules")
    tables = {"centre": document["centre"], "campaign": document["campaign"]["renewals"],
              "line": document["line"]["helpdesk"], "group": document["group"]["support"]}
    for table, strategy in said.items():
        tables[table]["strategy"] = strategy
    checked = check_document(document, "test")
    assert checked.faults == ()
    root = read(Rules.from_document(checked.document))
    found = {queue.get("name"): queue.find("param[@name='strategy']").get("value") for queue in root.iter("queue")}
    assert [found[f"{name}@fsapp"] for name in ("renewals.first-call", "helpdesk", "group-support")] == switch
    assert found["agent-1001@fsapp"] == "longest-idle-agent"  # one alone has no order


def test_one_queue_alone() -> None:
    root = read(EXAMPLE, queue="agent-1001@fsapp")
    assert waits(root) == {"agent-1001@fsapp": "20"}
    assert root.find("agents") is root.find("tiers") is None
    assert waits(read(EXAMPLE, queue="nothing@fsapp")) == {}


def test_what_is_at_home_elsewhere_is_left_soon_and_has_nobody_here() -> None:
    document = load_folder(ROOT / "conf/rules")
    document["switch"] = {"main": {"sip": "10.0.0.1:5070"}, "second": {"sip": "10.0.0.2:5070"}}
    document["line"]["vip"]["home"] = document["agent"]["1001"]["home"] = "second"
    document["agent"]["1001"]["wait_s"] = 5
    rules = Rules.from_document(document)
    here, there = read(rules, switch="main"), read(rules, switch="second")
    assert waits(here) | {"vip@fsapp": str(AWAY_WAIT_S), "agent-1001@fsapp": "5", "helpdesk@fsapp": "0"} == waits(here)
    assert waits(there) | {"vip@fsapp": "0", "helpdesk@fsapp": str(AWAY_WAIT_S)} == waits(there)
    assert not [tier for tier in here.iter("tier") if tier.get("queue") in ("vip@fsapp", "agent-1001@fsapp")]
    assert "1001" not in [agent.get("name") for agent in here.iter("agent")]
    assert [agent.get("name") for agent in there.iter("agent")] == ["1001"]


@pytest.mark.parametrize("text", ['a"b', "a<b>&c", "it's", '"&quot;\'', "č€", "]]>"])
def test_nothing_in_a_value_ends_it(text: str) -> None:
    ana = replace(EXAMPLE.agents["1001"], contact=text)
    root = read(replace(EXAMPLE, agents={"1001": ana}), settings={"odbc-dsn": text})
    assert root.find("agents/agent").get("contact") == f"[leg_timeout=15]{text}"
    assert root.find("settings/param").attrib == {"name": "odbc-dsn", "value": text}
