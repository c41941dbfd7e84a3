"""The whole way of a callback: the key in the queue, another caller meanwhile, an agent, the customer on the line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_ends import until
from test_callback_calls import CUSTOMER, HELPDESK, Calling

from fsapp.core.task import TaskState, TryOutcome
from fsapp.lab.channel import Channel


@pytest.fixture
def calling(own_redis: Any, tmp_path: Path) -> Iterator[Calling]:
    made = Calling(own_redis(), tmp_path, speed=1)  # the kept place is counted in real seconds
    yield made
    made.close()


def waiting(calling: Calling, number: str) -> Channel:
    call = calling.switch.call(number, HELPDESK)
    until(lambda: call.get("current_application") == "callcenter", f"{number} waits")
    return call


def test_who_asked_first_is_called_before_who_called_later(calling: Calling) -> None:
    """Although the call that stands for the customer began after the one of the caller who waits on the line."""
    offered: list[str] = []
    calling.switch.subscribe(
        lambda told: offered.append(told["uuid"]) if told["event"] == "offered" else None)
    calling.at_work("1004")
    talks = waiting(calling, "+381601112211")
    until(lambda: talks.bridged, "the agent talks")
    first = waiting(calling, CUSTOMER)
    first.press("5")
    until(lambda: "callback-confirm" in first.get("current_application_data"), "it is asked on which number")
    first.press("1")
    until(lambda: not first.up, "the customer has hung up")
    second = waiting(calling, "+381601112299")
    until(lambda: len(calling.standing()) == 2, "a call stands for the customer, beside the caller who waits")
    [stands] = [call for call in calling.standing() if call is not second]
    assert stands.joined_at is not None and second.joined_at is not None
    assert stands.joined_at > second.joined_at
    talks.hangup("NORMAL_CLEARING", "caller")
    task = calling.tried()
    assert offered[:2] == [talks.uuid, stands.uuid]  # the try may be written after the next offer
    assert [one.outcome for one in task.tries] == [TryOutcome.TALKED]
    assert (task.state, calling.dialled) == (TaskState.DONE, [CUSTOMER.removeprefix("+")])
    until(lambda: second.bridged, "then the other")


def test_who_gets_through_first_is_not_called(calling: Calling) -> None:
    """He calls again, with the place that was kept, and talks: the callback is over."""
    first = waiting(calling, CUSTOMER)
    first.press("5")
    until(lambda: "callback-confirm" in first.get("current_application_data"), "it is asked on which number")
    first.press("1")
    until(lambda: not first.up, "the customer has hung up")
    assert calling.task().open
    again = waiting(calling, CUSTOMER)
    assert int(again.get("cc_base_score")) > int(first.get("cc_base_score"))
    calling.at_work("1004")
    until(lambda: again.bridged, "they talk")
    again.hangup("NORMAL_CLEARING", "caller")
    until(lambda: not calling.task().open, "the callback is over")
    assert (calling.task().state, calling.task().why, calling.dialled) == (TaskState.CANCELLED, "got-through", [])


def test_who_gets_through_is_not_called_on_another_number(calling: Calling) -> None:
    other = "+381641234567"
    first = waiting(calling, CUSTOMER)
    first.press("5")
    until(lambda: "callback-confirm" in first.get("current_application_data"), "it is asked on which number")
    first.press("2")
    until(lambda: "callback-enter" in first.get("current_application_data"), "another one is asked for")
    first.press("0641234567#")
    until(lambda: first.get("current_application_data").count("callback-confirm") and "number-4" in first.get(
        "current_application_data"), "it is asked whether it is right")
    first.press("1")
    until(lambda: not first.up, "the customer has hung up")
    assert calling.task(other).asked_by == CUSTOMER
    again = waiting(calling, CUSTOMER)
    calling.at_work("1004")
    until(lambda: again.bridged, "they talk")
    again.hangup("NORMAL_CLEARING", "caller")
    until(lambda: not calling.task(other).open, "the callback is over")
    assert (calling.task(other).why, calling.dialled) == ("got-through", [])
