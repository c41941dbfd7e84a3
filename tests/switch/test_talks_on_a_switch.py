"""A talk on a real switch makes the customer stick to the agent, whoever hangs up first; who is away is passed over."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from desk import Desk
from linked import Links, until
from machine import Switch, rules_document
from phone import Phone

from fsapp.app.link import LinkProcess
from fsapp.core.callback_rights import CallbackEvent
from fsapp.core.rules import Rules
from fsapp.core.talks import Outcome, attempt
from fsapp.state import keys
from fsapp.state.availability import unpack_availability
from fsapp.state.customers import Customers
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail

STRANGER = "+381641112233"


@pytest.fixture
def rules(switch: Switch, redis_client: redis.Redis, fsapp: Callable[..., Any]) -> Iterator[Rules]:
    """The example's, where any talk counts, nobody rests after one, and an attempt gives a right of type 1; served."""
    document = copy.deepcopy(rules_document())
    document["centre"] |= {"sticky_talk_s": 0, "direct_callback": 1, "wrap_up_s": 0}
    RulesStore(redis_client).load(document, "", "test", "test")
    fsapp()
    yield Rules.from_document(document)
    for agent in document["agent"]:
        switch.cli(f"callcenter_config agent set wrap_up_time {agent} 10")


@pytest.fixture
def link(links: Links, rules: Rules) -> Iterator[LinkProcess]:
    yield links()
    links.stop()  # before the rules' settings are put back


def wait_free(client: redis.Redis, agent: str) -> None:
    def so() -> bool:
        value = client.get(keys.floor("main", "free"))
        return bool(value) and agent in unpack_availability(value).free_at

    until(so, f"decisions know that {agent} is there")


def told(client: redis.Redis, type_: str) -> list[dict[str, Any]]:
    return [event for _, event in tail(client, 0.0, follow=False) if event["type"] == type_]


def next_queue(switch: Switch, client: redis.Redis) -> str:
    """Where a new call of the customer goes first."""
    before = len(told(client, "call_routed"))
    with Phone(switch.trunk_port) as phone:
        phone.call("0115550300", caller=STRANGER)
        return until(lambda: told(client, "call_routed")[before:], "it is decided")[0]["queue"]


@pytest.mark.parametrize("first", ["caller", "agent"])
def test_the_next_call_goes_to_the_agent_who_talked(
    switch: Switch, link: LinkProcess, phone: Phone, agent: Desk, redis_client: redis.Redis, first: str,
) -> None:
    customers = Customers(redis_client)
    phone.call("0115550300", caller=STRANGER)
    agent.answer()
    switch.wait_talking()
    phone.wait_for(200)
    if first == "caller":
        phone.hang_up()
    else:
        agent.hang_up()
        phone.wait_end()
    known = until(lambda: customers.get(STRANGER).sticky, "the customer sticks")
    assert [(talk.place, talk.agent) for talk in known.places] == [("helpdesk", "1004")]
    switch.settle()
    wait_free(redis_client, "1004")
    assert next_queue(switch, redis_client) == "agent-1004@fsapp"
    switch.settle()
    switch.cli("callcenter_config agent set status 1004 'Logged Out'")
    until(lambda: "1004" not in unpack_availability(redis_client.get(keys.floor("main", "free"))).free_at, "known")
    assert next_queue(switch, redis_client) == "helpdesk@fsapp"


def test_a_failed_attempt_gives_a_right_that_the_talk_ends(
    switch: Switch, link: LinkProcess, phone: Phone, agent: Desk, redis_client: redis.Redis, rules: Rules,
) -> None:
    customers = Customers(redis_client)
    at = until(lambda: link.watch.synced_at, "the floor is known")
    failed = attempt(STRANGER, "1004", Outcome.FAILED, at, "one", "renewals", "first-call")
    assert failed.event is CallbackEvent.AGENT_FAILED
    customers.take(failed, rules)
    wait_free(redis_client, "1004")
    phone.call("0115550300", caller=STRANGER)
    assert "Alert-Info: <http://127.0.0.1>;info=callback\r\n" in agent.answer()
    switch.wait_talking()
    agent.hang_up()
    phone.wait_end()
    until(lambda: not customers.get(STRANGER).rights, "the right is gone")
    until(lambda: [event["effect"] for event in told(redis_client, "direct_callback")] == ["deleted"], "that is told")
