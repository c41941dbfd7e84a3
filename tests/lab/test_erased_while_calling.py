"""Somebody is erased while they are on the line: what is told of that call afterwards makes nothing of them again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_desk import CUSTOMER, HELPDESK, Desk
from lab_ends import until

from fsapp.app.privacy import Privacy
from fsapp.lab.offering import Reaction
from fsapp.records.database import Database
from fsapp.records.versions import migrate
from fsapp.settings import Settings
from fsapp.state.customers import Customers
from fsapp.state.tasks import Tasks

OTHER = "+381601234599"


@pytest.fixture
def make_desk(own_redis: Any, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(**centre: Any) -> Desk:
        made.append(Desk(own_redis(), tmp_path, centre, {
            "stickiness": "agent", "call_back_lost": True, "lost_wait_s": 1, "lost_after_s": 3600}, speed=5))
        return made[-1]

    yield make
    for desk in made:
        desk.stop()


@pytest.fixture
def erase(tmp_path: Path) -> Iterator[Callable[[Desk], list[str]]]:
    """Erases the customer as the command does; what could not be reached."""
    url = f"sqlite:///{tmp_path}/fsapp.db"
    migrate(url)
    database = Database(url)

    def work(desk: Desk) -> list[str]:
        for name in ("recordings", "cdr"):
            (tmp_path / name).mkdir(exist_ok=True)
        privacy = Privacy(
            Settings(recordings=str(tmp_path / "recordings"), cdr=str(tmp_path / "cdr")), database, desk.centre.client,
            region="RS")
        return privacy.erase(privacy.person(CUSTOMER), "cli:test").unreached

    yield work
    database.close()


def of_customer(desk: Desk) -> list[bytes]:
    return [key for key in desk.centre.client.scan_iter() if CUSTOMER.encode() in key]


def another_calls(desk: Desk) -> None:
    """Facts are taken in their order: when this one sticks, all before it are done with."""
    desk.reaction = Reaction(after_s=0.2, talk_s=2)
    call = desk.switch.call(OTHER, HELPDESK)
    until(lambda: call.hangup_cause, "the other's call is over")
    until(lambda: Customers(desk.centre.client).get(OTHER).sticky, "the other sticks")


@pytest.mark.parametrize("caller_ends", [False, True])
def test_who_talks(make_desk: Callable[..., Desk], erase: Callable[[Desk], list[str]], caller_ends: bool) -> None:
    desk = make_desk(direct_callback=4, callback_expires="2h")
    desk.reaction = Reaction(after_s=0.2, talk_s=600, caller_ends=caller_ends)
    desk.status("Available", "1005")
    call = desk.call()
    until(lambda: desk.facts("call_answered"), "they talk")
    until(lambda: desk.centre.client.hget("fsapp:{floor:main}:calls", call.uuid), "the floor has the call")
    assert any(" calls that go on: " in line for line in erase(desk))
    assert of_customer(desk) == []
    call.hangup("NORMAL_CLEARING", "caller" if caller_ends else "agent")
    until(lambda: desk.facts("talk_ended"), "the end is told")
    another_calls(desk)
    assert of_customer(desk) == [], "neither an agent's nor a right"
    # Who calls again is somebody new.
    desk.reaction = Reaction(after_s=0.2, talk_s=2)
    desk.talk("1005")
    until(lambda: desk.sticky() == "1005", "the customer sticks")


def test_who_waits_and_gives_up(make_desk: Callable[..., Desk], erase: Callable[[Desk], list[str]]) -> None:
    desk = make_desk()
    call = desk.call()
    until(lambda: desk.facts("queue_joined"), "the caller waits")
    until(lambda: desk.centre.client.hget("fsapp:{floor:main}:calls", call.uuid), "the floor has the call")
    joined = desk.switch.clock.now()
    until(lambda: desk.switch.clock.now() - joined >= 2, "for a while")
    erase(desk)
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: desk.facts("call_abandoned"), "that is told")
    other = desk.switch.call(OTHER, HELPDESK)
    until(lambda: desk.facts("queue_joined"), "another waits")  # the events of the first are gone
    joined = desk.switch.clock.now()
    until(lambda: desk.switch.clock.now() - joined >= 2, "for a while")
    other.hangup("NORMAL_CLEARING", "caller")
    until(lambda: Tasks(desk.centre.client).of(OTHER), "the other is to be called back")
    assert of_customer(desk) == [] and not Tasks(desk.centre.client).of(CUSTOMER)
