"""Calls that are lost on a real switch: who gave up waiting is called back, unless they get through otherwise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from customer import Customer
from desk import Desk
from linked import Links, until
from machine import Switch, rules_document
from phone import Phone

from fsapp.app.link import LinkProcess
from fsapp.core.task import Task, TaskKind, TaskState, TryOutcome
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail
from fsapp.state.tasks import Tasks

NUMBER = "+381641112233"


@pytest.fixture
def start(
    switch: Switch, redis_client: redis.Redis, links: Links, fsapp: Callable[..., Any], customer: Customer,
) -> Iterator[Callable[..., LinkProcess]]:
    """Serves the example's rules, with lost calls of the helpdesk called back so much later, and starts a link."""
    def run(lost_after_s: int) -> LinkProcess:
        document = copy.deepcopy(rules_document())
        document["centre"] |= {"wrap_up_s": 0}
        document["line"]["helpdesk"] |= {"call_back_lost": True, "lost_wait_s": 0, "lost_after_s": lost_after_s}
        document["dial"] = {"route": f"sofia/trunks/{{number}}@127.0.0.1:{customer.port}", "ring_s": 15}
        RulesStore(redis_client).load(document, "", "test", "test")
        fsapp()
        return links()

    yield run
    links.stop()
    for agent in rules_document()["agent"]:
        switch.cli(f"callcenter_config agent set wrap_up_time {agent} 10")


def task_of(client: redis.Redis) -> Task:
    [task] = until(lambda: Tasks(client).of(NUMBER), "there is a task")
    return task


def told(client: redis.Redis, type_: str) -> list[dict[str, Any]]:
    return [event for _, event in tail(client, 0.0, follow=False) if event["type"] == type_]


def test_who_gave_up_waiting_is_called_back(
    switch: Switch, start: Callable[..., LinkProcess], phone: Phone, customer: Customer, redis_client: redis.Redis,
) -> None:
    start(lost_after_s=1)
    phone.call("0115550300", caller=NUMBER)
    phone.wait_for(200)
    [joined] = until(lambda: told(redis_client, "queue_joined"), "the customer waits")
    phone.hang_up()
    task = task_of(redis_client)
    assert (task.kind, task.place, task.agent, task.caller_id) == (TaskKind.LOST, "helpdesk", None, "+381115550300")
    assert task.base_score == joined["base_score"] > 100_000_000
    assert abs((task.since - datetime.fromtimestamp(joined["at"], UTC)).total_seconds()) <= 1
    with Desk(switch.phone_port, "1004") as agent:
        assert agent.register("phone") == 200
        switch.cli("callcenter_config agent set status 1004 Available")
        try:
            agent.answer()
            assert customer.ring().startswith(f"INVITE sip:{NUMBER[1:]}@")
            customer.answer()
            until(lambda: "2 total" in switch.cli("show bridged_calls count"), "they talk")
            customer.hang_up()
            until(lambda: task_of(redis_client).state is TaskState.DONE, "it is done")
        finally:
            switch.cli("callcenter_config agent set status 1004 'Logged Out'")
    [one] = task_of(redis_client).tries
    assert (one.outcome, one.agent) == (TryOutcome.TALKED, "1004")
    again = told(redis_client, "queue_joined")[1]
    assert (again["task"], again["class"]) == (task.id, "callback")
    # As if still waiting: a second's worth for each second since then.
    assert abs((again["base_score"] - joined["base_score"]) - (again["at"] - joined["at"])) <= 3


def test_who_gives_up_while_a_phone_rings_and_then_gets_through(
    switch: Switch, start: Callable[..., LinkProcess], phone: Phone, agent: Desk, redis_client: redis.Redis,
) -> None:
    start(lost_after_s=3600)
    phone.call("0115550300", caller=NUMBER)
    agent.ring()
    phone.wait_for(200)
    phone.hang_up()
    agent.wait_given_up()
    assert task_of(redis_client).kind is TaskKind.LOST
    until(lambda: "0 total" in switch.cli("show calls count"), "nothing is left")
    with Phone(switch.trunk_port) as second:
        second.call("0115550300", caller=NUMBER)
        agent.answer()
        switch.wait_talking()
        until(lambda: task_of(redis_client).state is TaskState.CANCELLED, "it is not needed any more")
        assert task_of(redis_client).why == "got-through"
        second.wait_for(200)
        second.hang_up()
