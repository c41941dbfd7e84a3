"""The whole way of one caller on a real switch: menu, agent, group, queue, key, and called back in the same place."""

from __future__ import annotations

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
from test_asking_on_a_switch import asked
from test_asking_on_a_switch import press as press_key
from test_flows_on_a_switch import caller, press
from test_talks_on_a_switch import told, wait_free

from fsapp.app.link import LinkProcess
from fsapp.core.model import Sticky
from fsapp.core.task import TaskState, TryOutcome
from fsapp.state.customers import Customers
from fsapp.state.rules import RulesStore
from fsapp.state.tasks import Tasks

NUMBER, FLOW = "+381641112233", "0115550400"
BASE = 101003540  # of a service call to the helpdesk
AGENT, GROUP, QUEUE = "agent-1004@fsapp", "group-support@fsapp", "helpdesk@fsapp"


@pytest.fixture
def link(
    switch: Switch, links: Links, redis_client: redis.Redis, fsapp: Callable[..., Any], customer: Customer,
) -> Iterator[LinkProcess]:
    """By the example's rules, but that sticky agent and group are waited for, 2 s each, though they are busy.

    A phone rings 2 s; who has not answered it rests until the test says otherwise.
    """
    document = rules_document()
    document["centre"] |= {"sticky_talk_s": 0, "wrap_up_s": 0, "ring_s": 2, "no_answer_delay_s": 600}
    document["line"]["helpdesk"] |= {"stickiness": "agent-then-group", "sticky_busy": "wait"}
    document["dial"] = {"route": f"sofia/trunks/{{number}}@127.0.0.1:{customer.port}", "ring_s": 15}
    RulesStore(redis_client).load(document, "", "test", "test")
    fsapp()
    process = links()
    until(lambda: all("leg_timeout=2]" in switch.agent(id_)["contact"] for id_ in document["agent"]), "synced")
    yield process
    links.stop()
    for id_ in document["agent"]:
        for setting, value in (
            ("wrap_up_time", "10"), ("no_answer_delay_time", "5"), ("ready_time", "0"),
            ("contact", f"[leg_timeout=15]user/{id_}@fsapp"),
        ):
            switch.cli(f"callcenter_config agent set {setting} {id_} {value}")


def test_from_the_menu_by_agent_group_and_queue_to_the_callback(
    switch: Switch, link: LinkProcess, agent: Desk, phone: Phone, customer: Customer, redis_client: redis.Redis,
) -> None:
    Customers(redis_client).put_sticky(NUMBER, lambda _old: Sticky("1004", datetime.now(UTC)), 3600)
    wait_free(redis_client, "1004")
    tasks = Tasks(redis_client)

    phone.call(FLOW, caller=NUMBER)
    phone.wait_for(200)
    call = caller(switch)
    press(switch, call, "language", "2", "sr/language-menu.wav!")
    press(switch, call, "department", "2", "en/order-menu.wav")
    agent.ring()
    agent.wait_given_up()
    member = switch.wait_waiting(QUEUE)
    assert member["session_uuid"] == call
    press_key(switch, call, "5")
    asked(switch, call, "callback-confirm")
    assert "/en/" in (switch.variable(call, "current_application_data") or "")
    press_key(switch, call, "1")
    phone.wait_end()
    [task] = until(lambda: tasks.of(NUMBER), "it is noted")
    [stands] = until(lambda: switch.waiting(QUEUE), "a call stands in line for the customer")
    switch.cli("callcenter_config agent set ready_time 1004 0")
    assert "info=callback" in agent.answer()
    assert customer.ring().startswith(f"INVITE sip:{NUMBER[1:]}@")
    customer.answer()
    until(lambda: "2 total" in switch.cli("show bridged_calls count"), "they talk")
    customer.hang_up()
    done = until(lambda: next((one for one in tasks.of(NUMBER) if one.tries), None), "the try is written down")
    until(lambda: "0 total" in switch.cli("show calls count"), "nothing is left")

    # One way, one class, one score, wherever the caller is moved to.
    [left] = told(redis_client, "flow_left")
    assert (left["call"], left["end"], left["path"]) == (call, "queue", ["language", "department", "helpdesk"])
    routed = [one for one in told(redis_client, "call_routed") if one["call"] == call]
    assert [(one["queue"], one["visit"]) for one in routed] == [(AGENT, 1), (GROUP, 2), (QUEUE, 3)]
    assert {(one["class"], one["reason"], one["base_score"]) for one in routed} == {("service", "flow", BASE)}
    assert routed[0]["targets"] == [[AGENT, "1004", 2], [GROUP, None, 2], [QUEUE, None, None]]
    joined = [one for one in told(redis_client, "queue_joined") if one["call"] == call]
    assert [one["decision"] for one in joined] == [one["id"] for one in routed]
    reasons = [one["reason"] for one in told(redis_client, "call_left_queue") if one["call"] == call]
    assert reasons == ["TIMEOUT", "TIMEOUT", "EXIT_WITH_KEY"]
    waited_s = int(member["joined_epoch"]) - int(member["system_epoch"])
    assert int(member["base_score"]) == BASE + waited_s

    # The call for the customer stands where the caller would, give or take the second in which it was made.
    assert (task.place, task.base_score, task.caller_id, task.language) == ("helpdesk", BASE, "+381115550400", "en")
    since_s = int(stands["joined_epoch"]) - int(member["system_epoch"])
    assert abs(int(stands["base_score"]) - BASE - since_s) <= 1
    again = [one for one in told(redis_client, "call_routed") if one["call"] == stands["session_uuid"]]
    assert {(one["class"], one["reason"], one["task"]) for one in again} == {("callback", "task", task.id)}
    assert again[-1]["queue"] == QUEUE

    # One try, by the agent who became free.
    [one] = done.tries
    assert (done.id, done.state, one.outcome, one.agent) == (task.id, TaskState.DONE, TryOutcome.TALKED, "1004")
    [attempt] = told(redis_client, "attempt")
    assert (attempt["task"], attempt["result"], attempt["agent"]) == (task.id, "talked", "1004")
    talk = until(lambda: told(redis_client, "talk_ended"), "the end of the talk is told")
    assert [(one["call"], one["queue"], one["agent"], one["task"]) for one in talk] == [
        (stands["session_uuid"], QUEUE, "1004", task.id)]
