"""What comes while a link that was away looks for the first time is told of who is there now, not who was then."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_ends import until
from test_callback_calls import HELPDESK, Calling

from fsapp.core.floor import MemberState
from fsapp.lab.offering import Reaction
from fsapp.link import watch
from fsapp.state.floor import read_floor

GAVE_UP, TALKED = "+381601112201", "+381601112202"


@pytest.fixture
def calling(own_redis: Any, tmp_path: Path) -> Iterator[Calling]:
    made = Calling(own_redis(), tmp_path, line={"sticky_talk_s": 0, "call_back_lost": True, "lost_wait_s": 0})
    yield made
    made.close()


def test_an_agent_answers_while_the_link_looks(calling: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whom the phone rang for has given up meanwhile; it rings for the next, and is answered just now."""
    def trying(call: str) -> bool:
        members = read_floor(calling.centre.client, "main").seen.members.values()
        return any(member.call == call and member.state == MemberState.TRYING for member in members)

    read_seen = watch.read_seen
    calling.agent = Reaction(after_s=60, talk_s=None)
    calling.at_work("1004")
    gave_up = calling.switch.call(GAVE_UP, HELPDESK)
    until(lambda: trying(gave_up.uuid), "the floor has that it rings")
    calling.link.stop()
    gave_up.hangup("ORIGINATOR_CANCEL", "caller")
    until(lambda: not gave_up.up, "the caller has gone")
    calling.agent = Reaction(after_s=8, talk_s=None)
    talked = calling.switch.call(TALKED, HELPDESK)
    until(lambda: any(leg.direction == "outbound" and leg.up for leg in calling.switch.channels.values()), "it rings")

    def slowly(*given: Any) -> Any:
        seen = read_seen(*given)
        until(lambda: talked.bridged, "they talk")
        return seen

    monkeypatch.setattr(watch, "read_seen", slowly)
    calling.start_link()
    monkeypatch.setattr(watch, "read_seen", read_seen)
    until(lambda: calling.told("call_answered"), "it is told")
    assert [(event["call"], event["agent"]) for event in calling.told("call_answered")] == [(talked.uuid, "1004")]
    until(lambda: calling.told("call_abandoned"), "that the other one has given up is told")
    assert [event["call"] for event in calling.told("call_abandoned")] == [gave_up.uuid]
    until(lambda: calling.tasks.of(GAVE_UP), "who gave up is to be called back")
    talked.hangup("NORMAL_CLEARING", "caller")
    until(lambda: calling.told("stickiness"), "who talked is the agent's")
    assert [event["number"] for event in calling.told("stickiness")] == [TALKED]
    assert calling.customers.get(GAVE_UP).sticky is None
