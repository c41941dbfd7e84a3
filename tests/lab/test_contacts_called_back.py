"""A try at the task of a contact counts with the contact: the customer's next call goes to the stage tried last."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lab_centre import DOCUMENT
from lab_ends import until
from test_callback_calls import CUSTOMER, Calling

from fsapp.core import task_life
from fsapp.core.task import TaskKind
from fsapp.lab.offering import Reaction
from fsapp.state.contacts import Contacts, Entry
from fsapp.state.imports import Import

RENEWALS = "+381115550100"
FIRST, SECOND = "renewals/first-call", "renewals/second-call"


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path) -> Iterator[Calling]:
    """Two stages call from the same number; the customer is an open contact of both, tried last for the second."""
    document = copy.deepcopy(dict(DOCUMENT))
    stages = document["campaign"]["renewals"]["stage"]
    stages["second-call"] = copy.deepcopy(stages["first-call"])
    made = Calling(own_redis("--appendonly", "no"), tmp_path, rules=document)
    for stage in (FIRST, SECOND):
        with Import(made.centre.client, stage) as running:
            running.write([(CUSTOMER, Entry(name="Vera"))])
    Contacts(made.centre.client).set_attempted(CUSTOMER, SECOND, time.time() - 3600)
    yield made
    made.close()


def calls_in(centre: Calling) -> dict[str, Any]:
    known = len(centre.told("call_routed"))
    call = centre.switch.call(CUSTOMER, RENEWALS)
    found = until(lambda: [event for event in centre.told("call_routed")[known:] if event["call"] == call.uuid],
                  "the call is decided")
    call.hangup("ORIGINATOR_CANCEL", "caller")
    return found[0]


@pytest.mark.parametrize("reaction", [Reaction("USER_BUSY", 1), Reaction(after_s=1, talk_s=3)])
def test_the_next_call_goes_to_the_stage_that_was_tried(centre: Calling, reaction: Reaction) -> None:
    assert (calls_in(centre)["class"], calls_in(centre)["stage"]) == ("callback", "second-call")
    centre.customer = reaction
    before = time.time()
    centre.ask(kind=TaskKind.IMPORTED, place=FIRST, contact=f"{FIRST}/{CUSTOMER}", caller_id=RENEWALS)
    centre.at_work("1001")
    task = centre.tried()
    known = Contacts(centre.centre.client).get(CUSTOMER)
    assert known[FIRST].attempted_at == pytest.approx(task.tries[0].at.timestamp())
    assert known[FIRST].attempted_at >= before > known[SECOND].attempted_at
    until(lambda: not centre.switch.channels, "everybody has hung up")
    centre.at_work("1001", status="Logged Out")
    found = calls_in(centre)
    assert (found["class"], found["stage"]) == ("callback", "first-call")
    assert "attempted" in [event["what"] for event in centre.told("contact")]


def test_a_place_that_nobody_was_offered_is_no_try(centre: Calling) -> None:
    centre.agent = Reaction("NO_ANSWER", 10)
    centre.ask(kind=TaskKind.IMPORTED, place=FIRST, caller_id=RENEWALS)
    centre.at_work("1001")
    call = until(lambda: centre.task().call, "the place is kept")
    until(lambda: call in centre.switch.channels, "the call is there")
    centre.tasks.change(CUSTOMER, lambda known: task_life.cancelled(
        known, centre.task().id, "by hand", datetime.now(UTC)))
    until(lambda: call not in centre.switch.channels, "the call is gone")
    assert Contacts(centre.centre.client).get(CUSTOMER)[FIRST].attempted_at is None
