"""Whole calls: lab switch, the project's dialplan and scripts, a real `fsapp serve`, a real Redis."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_centre import RULES, Centre, play, scenario
from lab_ends import until


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path) -> Iterator[Centre]:
    # Every write is on disk before it is answered: what was written once must be there after a kill.
    centre = Centre(own_redis("--appendonly", "yes", "--appendfsync", "always"), tmp_path)
    centre.start_serve()
    yield centre
    centre.close()


def test_calls_are_understood_ordered_answered_and_written_down(centre: Centre) -> None:
    centre.import_contacts({f"+3816012345{last}": "1001" if last % 2 else None for last in range(10)})
    summary, joined = play(centre, 150)
    assert summary.faults() == []
    assert {"callback", "new-customer", "service"} <= summary.classes.keys()
    assert summary.total("answered") > 75
    written = {event["id"]: event for event in centre.events() if event["type"] == "call_routed"}
    for call in joined.calls:
        event = written[call["fsapp_decision"]]
        assert (event["class"], event["queue"], event["reason"]) == (
            call["fsapp_class"], call["fsapp_queue"], call["fsapp_reason"])
        assert str(event["base_score"]) == call["cc_base_score"]
    ended = [event for event in centre.events() if event["type"] == "call_ended"]
    assert all(event["agent"] in RULES.agents for event in ended)
    assert 'fsapp_decisions_total{call_class="callback",reason="open-contact"}' in centre.get("/metrics")
    assert json.loads(centre.get("/healthz")) == {"healthy": True, "faults": []}


def test_waiting_callers_hold_nothing_of_fsapp(centre: Centre) -> None:
    switch = centre.switch(scenario())
    for agent in list(switch.callcenter.agents.values()):
        switch.callcenter.set_status(agent, "Logged Out")

    def files() -> int:
        return len(os.listdir(f"/proc/{centre.serve.pid}/fd"))

    switch.call("+381601112223", "+381115550300")
    queues = switch.callcenter.queues
    until(lambda: "helpdesk@fsapp" in queues and queues["helpdesk@fsapp"].waiting, "the first waits")
    waiting = queues["helpdesk@fsapp"].waiting
    until(lambda: "fsapp_connections 0.0" in centre.get("/metrics"), "its visit is over")
    before = files()
    for number in range(500):
        switch.call(f"+3816011{number:05}", "+381115550300")
    until(lambda: len(waiting) == 501, "all wait")
    until(lambda: "fsapp_connections 0.0" in centre.get("/metrics"), "all visits are over")
    # Redis may have got a connection more meanwhile; 500 visits would leave 500 sockets.
    until(lambda: files() <= before + 3, "their sockets are closed")
