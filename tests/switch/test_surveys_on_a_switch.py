"""Customers called for a survey on a real switch: dialled without an agent, asked by a flow, led to no queue."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from customer import Customer
from linked import PATIENCE_S, Links, until
from machine import Switch, rules_document

from fsapp.core import task_life
from fsapp.core.task import Task, TaskKind, TaskState, TryOutcome
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail
from fsapp.state.tasks import Tasks

NUMBER, OURS = "+381641112233", "+381115550300"


@pytest.fixture
def serve(switch: Switch, redis_client: redis.Redis, fsapp: Callable[..., Any], customer: Customer) -> Any:
    """By the example's rules with a flow that asks, where all customers have the same phone."""
    document = copy.deepcopy(rules_document())
    document["dial"] = {"route": f"sofia/trunks/{{number}}@127.0.0.1:{customer.port}", "ring_s": 15}
    document["flow"]["how"] = {"line": "helpdesk", "start": "hello", "languages": ["sr", "en"], "block": {
        "hello": {"kind": "say", "say": ["survey-call"], "next": "rate"},
        "rate": {"kind": "survey", "say": ["survey"], "min": 1, "max": 5, "tries": 2, "next": "end"},
        "end": {"kind": "hangup", "say": ["survey-thanks"]}}}
    RulesStore(redis_client).load(document, "", "test", "test")
    return fsapp()


@pytest.fixture
def link(links: Links, serve: Any) -> Iterator[Links]:
    yield links
    links.stop()  # before what is served is put back


@pytest.fixture
def tasks(redis_client: redis.Redis) -> Tasks:
    return Tasks(redis_client)


def ask(tasks: Tasks) -> str:
    """A survey that is due; its id."""
    now = datetime.now(UTC)
    task = Task(
        secrets.token_hex(8), TaskKind.SURVEY, NUMBER, "helpdesk", due_at=now, expires_at=now + timedelta(hours=1),
        made_at=now, caller_id=OURS, tries_left=2, flow="how", about="email:<a,b@example.com>", about_agent="1004")
    tasks.change(NUMBER, partial(task_life.made, new=task))
    return task.id


def task_of(tasks: Tasks) -> Task:
    [task] = tasks.of(NUMBER)
    return task


def tried(tasks: Tasks) -> Task:
    until(lambda: task_of(tasks).tries, "the try is written down")
    return task_of(tasks)


def asked(switch: Switch, call: str, prompt: str, application: str = "play_and_get_digits") -> None:
    until(lambda: switch.variable(call, "current_application") == application
          and f"/{prompt}.wav" in (switch.variable(call, "current_application_data") or ""), f"hears {prompt}")


def told(client: redis.Redis, *types: str) -> list[dict[str, Any]]:
    return [event for _, event in tail(client, 0.0, follow=False) if event["type"] in types]


def test_a_customer_is_called_and_asked(
    switch: Switch, link: Any, customer: Customer, tasks: Tasks, redis_client: redis.Redis,
) -> None:
    link()
    id_ = ask(tasks)
    invite = customer.ring()
    assert invite.startswith(f"INVITE sip:{NUMBER[1:]}@")
    assert f"<sip:{OURS}@" in invite
    assert "PCMA" in invite and "G722" not in invite
    call = task_of(tasks).call
    assert call and task_of(tasks).state is TaskState.OPEN
    customer.answer()
    asked(switch, call, "survey-call", "playback")
    until(lambda: task_of(tasks).state is TaskState.DONE, "it counts as soon as the flow has begun")
    asked(switch, call, "survey")
    assert switch.cli(f"uuid_recv_dtmf {call} 4").startswith("+OK")
    assert customer.wait_end() == "BYE"
    until(lambda: "0 total" in switch.cli("show channels count"), "nothing is left")
    task = tried(tasks)
    assert (task.id, task.state, task.call) == (id_, TaskState.DONE, None)
    assert [(one.id, one.outcome, one.agent) for one in task.tries] == [(call, TryOutcome.ASKED, None)]
    [answer] = told(redis_client, "survey_answered")
    assert {name: answer[name] for name in ("call", "caller", "called", "value", "about", "agent")} == {
        "call": call, "caller": NUMBER, "called": OURS, "value": "4", "about": "email:<a,b@example.com>",
        "agent": "1004"}
    [over] = until(lambda: told(redis_client, "call_hung_up"), "the end is told")
    assert (over["call"], over["direction"], over["cause"]) == (call, "outbound", "NORMAL_CLEARING")
    assert over["variables"]["fsapp_customer"] == NUMBER
    assert not told(redis_client, "call_routed", "queue_joined", "call_abandoned", "stickiness", "direct_callback")


def test_who_hangs_up_early_is_not_called_again(
    switch: Switch, link: Any, customer: Customer, tasks: Tasks, redis_client: redis.Redis,
) -> None:
    link()
    ask(tasks)
    customer.ring()
    call = task_of(tasks).call
    customer.answer()
    asked(switch, call, "survey")
    customer.hang_up()
    [left] = until(lambda: told(redis_client, "flow_left"), "the flow is over")
    assert left["end"] == "hung-up"
    assert tried(tasks).state is TaskState.DONE
    assert [one["result"] for one in told(redis_client, "attempt")] == ["asked"]


@pytest.mark.parametrize(("status", "outcome", "cause"), [
    (486, TryOutcome.BUSY, "USER_BUSY"), (603, TryOutcome.REJECTED, "CALL_REJECTED"),
    (404, TryOutcome.UNREACHABLE, "UNALLOCATED_NUMBER"), (0, TryOutcome.NO_ANSWER, "NO_ANSWER"),
    (503, TryOutcome.FAILED, "NORMAL_TEMPORARY_FAILURE"),
])
def test_who_is_not_reached_is_due_again(
    switch: Switch, link: Any, customer: Customer, tasks: Tasks, status: int, outcome: TryOutcome, cause: str,
) -> None:
    link()
    ask(tasks)
    customer.ring()
    if status:
        customer.refuse(status)
    else:
        assert customer.wait_end(PATIENCE_S) == "CANCEL"
    task = tried(tasks)
    assert [(one.outcome, one.cause) for one in task.tries] == [(outcome, cause)]
    assert (task.state, task.tries_left) == (TaskState.OPEN, 2 if outcome is TryOutcome.FAILED else 1)
    assert task.due_at > datetime.now(UTC)
    until(lambda: "0 total" in switch.cli("show channels count"), "nothing is left")


@pytest.mark.parametrize("where", ["elsewhere", "sip:fsapp-ask@127.0.0.1:5080", "sip:fsapp-visit@fsapp"])
def test_nobody_sends_us_on_to_another_number(
    switch: Switch, link: Any, customer: Customer, tasks: Tasks, where: str,
) -> None:
    link()
    ask(tasks)
    customer.ring()
    with Customer() as dear:
        customer.redirect(f"sip:0900123456@127.0.0.1:{dear.port}" if where == "elsewhere" else where)
        task = tried(tasks)
        assert not dear.rings()
    assert [one.outcome for one in task.tries] == [TryOutcome.FAILED]
    until(lambda: "0 total" in switch.cli("show channels count"), "nothing is left")


def test_a_phone_rings_no_longer_once_the_survey_is_taken_back(
    switch: Switch, link: Any, customer: Customer, tasks: Tasks,
) -> None:
    link()
    id_ = ask(tasks)
    customer.ring()
    tasks.change(NUMBER, partial(task_life.cancelled, id_=id_, why="enough", now=datetime.now(UTC)))
    assert customer.wait_end() == "CANCEL"
    assert [one.outcome for one in tried(tasks).tries] == [TryOutcome.GIVEN_UP]
    assert task_of(tasks).state is TaskState.CANCELLED


def test_a_flow_goes_on_with_another_serve_and_another_link(
    switch: Switch, serve: Any, fsapp: Callable[..., Any], link: Any, customer: Customer, tasks: Tasks,
    redis_client: redis.Redis,
) -> None:
    first = link()
    ask(tasks)
    customer.ring()
    call = task_of(tasks).call
    customer.answer()
    asked(switch, call, "survey")
    first.stop()
    serve.kill()
    serve.wait(PATIENCE_S)
    switch.cli(f"uuid_recv_dtmf {call} 9")
    until(lambda: switch.variable(call, "fsapp_flow_misses"), "the dialplan has taken the call back")
    fsapp()
    link()
    asked(switch, call, "survey")
    switch.cli(f"uuid_recv_dtmf {call} 5")
    assert customer.wait_end() == "BYE"
    assert [one["value"] for one in until(lambda: told(redis_client, "survey_answered"), "answered")] == ["5"]
    assert [one.outcome for one in tried(tasks).tries] == [TryOutcome.ASKED]
    assert [one["result"] for one in told(redis_client, "attempt")] == ["asked"]
    assert not customer.rings()


def test_a_call_that_ended_while_no_link_was_there_uses_up_a_try(
    switch: Switch, link: Any, customer: Customer, tasks: Tasks,
) -> None:
    first = link()
    ask(tasks)
    customer.ring()
    call = task_of(tasks).call
    first.stop()
    switch.settle()
    link()
    task = tried(tasks)
    assert (task.state, task.tries_left, task.call) == (TaskState.OPEN, 1, None)
    assert [(one.id, one.outcome) for one in task.tries] == [(call, TryOutcome.FAILED)]


@pytest.mark.parametrize("decides", [True, False], ids=["the-switch-decides", "nobody-decides"])
def test_while_serve_is_down_nobody_is_led_to_a_queue(
    switch: Switch, redis_server: Any, serve: Any, link: Any, customer: Customer, tasks: Tasks,
    redis_client: redis.Redis, decides: bool,
) -> None:
    if decides:
        switch.redis_socket.symlink_to(Path(redis_server.socket).resolve())
    try:
        serve.kill()
        serve.wait(PATIENCE_S)
        link()
        ask(tasks)
        customer.ring()
        call = task_of(tasks).call
        customer.answer()
        asked(switch, call, "survey-failed", "playback")
        assert customer.wait_end() == "BYE"
        task = tried(tasks)
        assert [(one.outcome, one.cause) for one in task.tries] == [(TryOutcome.FAILED, "NORMAL_TEMPORARY_FAILURE")]
        assert (task.state, task.tries_left) == (TaskState.OPEN, 1)
        assert not told(redis_client, "call_routed", "queue_joined")
        assert switch.waiting("helpdesk@fsapp") == []
    finally:
        if decides:
            switch.redis_socket.unlink()
