"""Customers called back on a real switch: an agent is reserved in the queue, then the customer is dialled."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import redis
from customer import Customer
from desk import Desk
from linked import PATIENCE_S, Links, until
from machine import Switch, rules_document
from phone import Phone
from sound import channels, loudness

from fsapp.core import task_life
from fsapp.core.task import Task, TaskKind, TaskState, TryOutcome
from fsapp.state.customers import Customers
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail
from fsapp.state.tasks import Tasks

NUMBER, OTHER = "+381641112233", "+381642223344"
CUSTOMER_HZ, AGENT_HZ, RINGING_HZ = 700, 1000, 425
LOUD = 500  # of tones that are said with 8000


@pytest.fixture
def serve(switch: Switch, redis_client: redis.Redis, fsapp: Callable[..., Any], customer: Customer) -> Iterator[Any]:
    """By the example's rules, where all customers have the same phone, and no agent rests, and talks are recorded."""
    document = copy.deepcopy(rules_document())
    document["centre"] |= {"sticky_talk_s": 0, "wrap_up_s": 0, "direct_callback": 1}
    document["line"]["helpdesk"] |= {"record": "stereo", "announce": True}
    document["dial"] = {"route": f"sofia/trunks/{{number}}@127.0.0.1:{customer.port}", "ring_s": 15}
    RulesStore(redis_client).load(document, "", "test", "test")
    yield fsapp()
    for agent in document["agent"]:
        switch.cli(f"callcenter_config agent set wrap_up_time {agent} 10")


@pytest.fixture
def link(links: Links, serve: Any) -> Iterator[Links]:
    yield links
    links.stop()  # before what is served is put back


@pytest.fixture
def tasks(redis_client: redis.Redis) -> Tasks:
    return Tasks(redis_client)


def ask(tasks: Tasks, number: str = NUMBER, lasts_s: float = 3600, **more: Any) -> str:
    """A callback to the helpdesk that is due; its id."""
    now = datetime.now(UTC)
    task = Task(
        secrets.token_hex(8), TaskKind.REQUESTED, number, "helpdesk", due_at=now,
        expires_at=now + timedelta(seconds=lasts_s),
        made_at=now, caller_id="+381115550300", tries_left=2, **more)
    tasks.change(number, partial(task_life.made, new=task))
    return task.id


def task_of(tasks: Tasks, number: str = NUMBER) -> Task:
    [task] = tasks.of(number)
    return task


def wait_tried(tasks: Tasks, number: str = NUMBER) -> Task:
    until(lambda: task_of(tasks, number).tries, "the try is written down")
    return task_of(tasks, number)


def lasts(switch: Switch, call: str, seconds: int) -> None:
    """Until so much time has passed for the call."""
    ask = f"eval uuid:{call} ${{strepoch()}}"
    start = int(switch.cli(ask))
    until(lambda: int(switch.cli(ask)) > start + seconds, "time passes")


def told(client: redis.Redis, type_: str) -> list[dict[str, Any]]:
    return [event for _, event in tail(client, 0.0, follow=False) if event["type"] == type_]


def test_an_agent_is_reserved_and_the_customer_called(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks, redis_client: redis.Redis,
) -> None:
    link()
    id_ = ask(tasks, name="Jovan Petrović")
    rung = agent.answer()
    assert f'From: "Jovan Petrović" <sip:{NUMBER}@' in rung
    assert "Alert-Info: <http://127.0.0.1>;info=callback\r\n" in rung
    invite = customer.ring()
    assert invite.startswith(f"INVITE sip:{NUMBER[1:]}@")
    assert "<sip:+381115550300@" in invite
    customer.answer()
    until(lambda: "2 total" in switch.cli("show bridged_calls count"), "they talk")
    customer.hang_up()
    task = wait_tried(tasks)
    assert (task.id, task.state, task.call) == (id_, TaskState.DONE, None)
    [one] = task.tries
    assert (one.outcome, one.agent, one.cause) == (TryOutcome.TALKED, "1004", "NORMAL_CLEARING")
    until(lambda: "0 total" in switch.cli("show calls count"), "nothing is left")
    until(lambda: Customers(redis_client).get(NUMBER).sticky, "the customer sticks to the agent")
    assert [event["result"] for event in told(redis_client, "attempt")] == ["talked"]
    assert {event.get("task") for event in told(redis_client, "talk_ended")} == {id_}


def test_all_hear_what_they_are_to_hear(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks, redis_client: redis.Redis,
) -> None:
    link()
    ask(tasks)
    agent.answer()
    customer.ring()
    call, ringing = task_of(tasks).call, switch.folder / "recordings/ringing.wav"
    switch.cli(f"uuid_record {call} start {ringing}")
    agent.speak(AGENT_HZ)
    lasts(switch, call, 2)
    switch.cli(f"uuid_record {call} stop {ringing}")
    heard, _ = channels(ringing)
    assert max(loudness(heard[at: at + 1000], RINGING_HZ) for at in range(0, len(heard), 1000)) > LOUD

    def recorded(what: str) -> list[dict[str, Any]]:
        return [one for one in told(redis_client, f"recording_{what}") if "ringing" not in one["file"]]

    assert not recorded("started")
    customer.answer()
    customer.speak(CUSTOMER_HZ)
    [started] = until(lambda: recorded("started"), "it is recorded")
    lasts(switch, call, 2)
    customer.hang_up()
    assert wait_tried(tasks).tries[0].outcome is TryOutcome.TALKED
    until(lambda: recorded("stopped"), "the recording is over")
    voices = [one[len(one) // 4: -len(one) // 4] for one in channels(switch.folder / "recordings" / started["file"])]
    assert [{hz for hz in (CUSTOMER_HZ, AGENT_HZ, RINGING_HZ) if loudness(voice, hz) > LOUD} for voice in voices] == [
        {CUSTOMER_HZ}, {AGENT_HZ}]


@pytest.mark.parametrize(("end", "outcome", "cause"), [
    ("busy", TryOutcome.BUSY, "USER_BUSY"),
    ("refuses", TryOutcome.REJECTED, "CALL_REJECTED"),
    ("agent", TryOutcome.GIVEN_UP, "ORIGINATOR_CANCEL"),
])
def test_a_customer_who_is_not_reached_is_due_again(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks, redis_client: redis.Redis,
    end: str, outcome: TryOutcome, cause: str,
) -> None:
    link()
    ask(tasks)
    agent.answer()
    customer.ring()
    if end == "agent":
        agent.hang_up()
        assert customer.wait_end() == "CANCEL"
    else:
        customer.refuse(486 if end == "busy" else 603)
    task = wait_tried(tasks)
    assert (task.state, task.tries_left, task.call) == (TaskState.OPEN, 1, None)
    assert [(one.outcome, one.cause, one.agent) for one in task.tries] == [(outcome, cause, "1004")]
    assert task.due_at > datetime.now(UTC)
    until(lambda: "0 total" in switch.cli("show calls count"), "nothing is left, the agent's call neither")
    until(lambda: Customers(redis_client).get(NUMBER).rights, "a failed attempt gives the customer a right")


@pytest.mark.parametrize("where", ["elsewhere", "sip:fsapp-dial@127.0.0.1:5080", "sip:fsapp-visit@fsapp"])
def test_nobody_sends_us_on_to_another_number(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks, where: str,
) -> None:
    """It would be at our cost, or into our own dialplan: wherever a line is redirected to, we do not call."""
    link()
    ask(tasks)
    agent.answer()
    customer.ring()
    with Customer() as dear:
        customer.redirect(f"sip:0900123456@127.0.0.1:{dear.port}" if where == "elsewhere" else where)
        task = wait_tried(tasks)
        assert not dear.rings()
    assert [(one.outcome, one.cause) for one in task.tries] == [(TryOutcome.FAILED, "REQUESTED_CHAN_UNAVAIL")]
    until(lambda: "0 total" in switch.cli("show calls count"), "nothing is left")


def test_two_due_for_one_agent_come_one_after_the_other(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks,
) -> None:
    link()
    ask(tasks)
    ask(tasks, OTHER)
    agent.answer()
    first = customer.ring()
    until(lambda: len(switch.waiting("helpdesk@fsapp")) == 1, "the other one waits its turn")
    customer.answer()
    until(lambda: "2 total" in switch.cli("show bridged_calls count"), "they talk")
    assert not customer.rings()
    customer.hang_up()
    agent.invite = ""
    agent.answer()
    second = customer.ring()
    assert {NUMBER[1:], OTHER[1:]} == {invite.split("@")[0].partition("sip:")[2] for invite in (first, second)}
    customer.refuse(486)
    assert {wait_tried(tasks, number).tries[0].outcome for number in (NUMBER, OTHER)} == {
        TryOutcome.TALKED, TryOutcome.BUSY}


def test_a_customer_who_calls_meanwhile_is_not_called(
    switch: Switch, link: Any, phone: Phone, customer: Customer, tasks: Tasks,
) -> None:
    # Nobody's phone is there, but 1005 counts as being at work: both wait.
    switch.cli("callcenter_config agent set status 1005 Available")
    switch.cli("callcenter_config agent set contact 1005 error/user_busy")
    try:
        process = link()
        ask(tasks)
        until(lambda: len(switch.waiting("helpdesk@fsapp")) == 1, "the place is kept")
        phone.call("0115550300", caller=NUMBER)
        phone.wait_for(200)
        until(lambda: task_of(tasks).call is None, "the call is taken away")
        [member] = until(lambda: switch.waiting("helpdesk@fsapp"), "the customer waits")
        assert process.watch.seen.calls[member["session_uuid"]].direction == "inbound"
        assert (task_of(tasks).state, task_of(tasks).tries) == (TaskState.OPEN, ())
    finally:
        switch.cli("callcenter_config agent set status 1005 'Logged Out'")


def test_a_link_that_is_gone_leaves_nobody_in_silence(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks,
) -> None:
    first = link()
    ask(tasks)
    until(lambda: task_of(tasks).call, "a call stands for the task")
    first.stop()
    agent.answer()
    customer.ring()
    customer.answer()
    far = switch.variable(task_of(tasks).call, "other_loopback_leg_uuid")
    until(lambda: switch.variable(far, "fsapp_reached"), "they talk")
    link()
    customer.hang_up()
    task = wait_tried(tasks)
    assert (task.state, task.call) == (TaskState.DONE, None)
    assert [(one.outcome, one.agent) for one in task.tries] == [(TryOutcome.TALKED, "1004")]


def test_a_call_that_ends_while_no_link_is_there_is_not_waited_for(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks,
) -> None:
    first = link()
    ask(tasks)
    agent.answer()
    customer.ring()
    first.stop()
    switch.settle()
    link()
    until(lambda: task_of(tasks).call is None, "the task has no call any more")
    task = task_of(tasks)
    assert (task.state, task.tries_left) == (TaskState.OPEN, 2)


def test_while_serve_is_down_the_switch_decides(
    switch: Switch, redis_server: Any, serve: Any, link: Any, agent: Desk, customer: Customer, tasks: Tasks,
    redis_client: redis.Redis,
) -> None:
    with switch.asking(redis_server):
        serve.kill()
        serve.wait(PATIENCE_S)
        link()
        ask(tasks)
        agent.answer()
        customer.ring()
        customer.refuse(486)
        assert wait_tried(tasks).tries[0].outcome is TryOutcome.BUSY
        # What the switch decided before it had a Redis is told with it.
        routed = [event for event in told(redis_client, "call_routed") if event.get("task") == task_of(tasks).id]
        assert [event["reason"] for event in routed] == ["fallback-task"]


def test_without_a_link_nobody_is_dialled_whose_time_is_over(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks,
) -> None:
    process = link()
    ask(tasks, lasts_s=6)
    agent.ring()
    call = task_of(tasks).call
    process.stop()
    agent.wait_given_up()
    until(lambda: "0 total" in switch.cli("show calls count"), "the switch takes it away by itself")
    assert switch.cli(f"uuid_exists {call}") == "false"
    assert task_of(tasks).tries == ()
    link()
    until(lambda: task_of(tasks).call is None, "nobody waits for its call any more")
    assert (task_of(tasks).tries, customer.invite) == ((), "")


def test_who_is_dialled_in_time_may_talk_beyond_it(
    switch: Switch, link: Any, agent: Desk, customer: Customer, tasks: Tasks,
) -> None:
    link()
    ask(tasks, lasts_s=6)
    agent.answer()
    customer.ring()
    customer.answer()
    until(lambda: "2 total" in switch.cli("show bridged_calls count"), "they talk")
    lasts(switch, task_of(tasks).call, 7)
    customer.hang_up()
    [one] = wait_tried(tasks).tries
    assert (one.outcome, one.cause) == (TryOutcome.TALKED, "NORMAL_CLEARING")
