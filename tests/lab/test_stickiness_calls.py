"""Talks and rights in whole calls: what one call leaves behind decides about the next, whoever hangs up first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lab_desk import CUSTOMER, FIRST_CALL, HELPDESK, SPEED, Desk, queue_of
from lab_ends import until

from fsapp.core.model import Sticky
from fsapp.core.talks import Outcome, attempt
from fsapp.errors import StateUnavailable
from fsapp.lab.offering import Reaction
from fsapp.state import keys
from fsapp.state.customers import Customers


@pytest.fixture
def make_desk(own_redis: Any, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    made: list[Desk] = []

    def make(centre: dict[str, Any] | None = None, speed: float = SPEED, **line: Any) -> Desk:
        made.append(Desk(own_redis(), tmp_path, centre or {}, {"stickiness": "agent"} | line, speed))
        return made[-1]

    yield make
    for desk in made:
        desk.stop()


@pytest.mark.parametrize("caller_ends", [False, True])
def test_the_next_call_of_the_customer_goes_to_the_agent_who_talked(
    make_desk: Callable[..., Desk], caller_ends: bool,
) -> None:
    desk = make_desk()
    desk.reaction = Reaction(after_s=0.2, talk_s=2, caller_ends=caller_ends)
    desk.status("Available", "1005")
    assert queue_of(desk.talk("1005")) == "helpdesk"
    until(lambda: desk.sticky() == "1005", "the customer sticks")
    [talk] = desk.customers.get(CUSTOMER).sticky.places
    assert (talk.place, talk.agent) == ("helpdesk", "1005")
    desk.status("Available", "1004", "1006")
    assert queue_of(desk.talk("1005")) == "agent-1005"


def test_one_who_is_not_there_is_not_waited_for(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.status("Available", "1004", "1005")
    desk.customers.put_sticky(CUSTOMER, lambda _old: _sticky("1005"), 3600)
    for status in ("Logged Out", "On Break"):
        desk.status(status, "1005")
        assert queue_of(desk.call()) == "helpdesk", status
    desk.status("Available", "1005")
    assert queue_of(desk.call()) == "agent-1005"


def test_of_a_busy_one_any_free_agent_at_once(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(speed=1, sticky_busy="any")
    desk.reaction = Reaction(after_s=0.1, talk_s=60)
    desk.status("Available", "1005")
    first = desk.switch.call("+381601112223", HELPDESK)
    until(lambda: "1005" not in desk.free(), "the agent is busy")
    desk.status("Available", "1004")
    desk.customers.put_sticky(CUSTOMER, lambda _old: _sticky("1005"), 3600)
    call = desk.call()
    assert queue_of(call) == "helpdesk"
    until(lambda: call.get("cc_agent") == "1004", "another takes it")
    first.hangup("NORMAL_CLEARING", "caller")


def test_one_who_logs_out_while_the_caller_waits_is_waited_for_no_longer_than_that(
    make_desk: Callable[..., Desk],
) -> None:
    """First the agent's wait, then the group's, each in full; then the queue takes whoever is there."""
    desk = make_desk(stickiness="agent-then-group")
    desk.reaction = Reaction("NO_ANSWER", 60)
    desk.customers.put_sticky(CUSTOMER, lambda _old: _sticky("1005"), 3600)
    desk.status("Available", "1005")
    call = desk.call()
    assert queue_of(call) == "agent-1005"
    until(lambda: desk.facts("queue_joined"), "the caller waits for the agent")
    desk.switch.callcenter.set_status(desk.switch.callcenter.agents["1005"], "Logged Out")
    desk.switch.callcenter.set_status(desk.switch.callcenter.agents["1004"], "Available")
    until(lambda: len(desk.facts("queue_joined")) == 3, "the caller has moved on twice")
    desk.reaction = Reaction(after_s=0.2, talk_s=1)
    desk.switch.callcenter.set_status(desk.switch.callcenter.agents["1006"], "Available")
    until(lambda: call.hangup_cause, "somebody has talked to the caller")
    assert [fact["queue"] for fact in desk.facts("queue_joined")] == [
        "agent-1005@fsapp", "group-support@fsapp", "helpdesk@fsapp"]
    joined = [fact["at"] for fact in desk.facts("queue_joined")]
    left = desk.facts("call_left_queue")
    assert [fact["reason"] for fact in left] == ["TIMEOUT", "TIMEOUT"]
    # The switch counts whole seconds: a wait of 4 is over at the fourth tick, and begins between two.
    assert all(after - before > 3 for before, after in zip(joined, joined[1:], strict=False))
    assert all(there["at"] <= after for there, after in zip(left, joined[1:], strict=True))
    for event in desk.facts("call_routed"):
        assert [wait_s for _, _, wait_s in event["targets"]][-2:] == [4, None]
    assert sum(wait_s or 0 for _, _, wait_s in desk.facts("call_routed")[0]["targets"]) == 8


def test_one_who_is_deleted_while_the_caller_waits_is_not_waited_for_any_more(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.reaction = Reaction("NO_ANSWER", 60)
    desk.customers.put_sticky(CUSTOMER, lambda _old: _sticky("1005"), 3600)
    desk.status("Available", "1005")
    call = desk.call()
    assert queue_of(call) == "agent-1005"
    until(lambda: desk.facts("queue_joined"), "the caller waits for the agent")
    document = copy.deepcopy(desk.centre.document)
    del document["agent"]["1005"]
    document["group"]["support"]["agents"] = ["1004", "1006"]
    desk.centre.rules.load(document, note="", author="test", source="test")
    until(lambda: len(desk.facts("queue_joined")) == 2, "the caller has moved on")
    assert desk.facts("queue_joined")[1]["queue"] == "helpdesk@fsapp"
    assert desk.facts("call_routed")[-1]["rules"] == 2
    desk.reaction = Reaction(after_s=0.2, talk_s=2)
    desk.switch.callcenter.set_status(desk.switch.callcenter.agents["1004"], "Available")
    until(lambda: call.hangup_cause, "somebody has talked to the caller")
    until(lambda: desk.sticky() == "1004", "to whom the customer sticks from now on")


def test_a_failed_attempt_gives_a_right_and_the_talk_ends_it(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk({"direct_callback": 1, "direct_callback_s": 3600})
    desk.status("Available", "1002")
    desk.customers.take(attempt(CUSTOMER, "1002", Outcome.FAILED, _now(), "a1", "renewals", "first-call"), desk.rules)
    call = desk.talk("1002", HELPDESK)
    assert (call.get("fsapp_class"), call.get("fsapp_reason")) == ("callback", "direct-callback")
    until(lambda: not desk.customers.get(CUSTOMER).rights, "the right is gone")
    assert [fact["effect"] for fact in desk.facts("direct_callback")] == ["deleted"]
    until(lambda: desk.sticky() == "1002", "the customer sticks to the agent")
    call = desk.call(FIRST_CALL)
    assert queue_of(call) == "agent-1002"
    assert call.get("fsapp_class") == "service"  # no right any more: nothing but stickiness


def test_a_customer_who_gives_up_has_called_all_the_same(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk({"direct_callback": 4, "direct_callback_s": 3600})
    desk.customers.take(attempt(CUSTOMER, "1002", Outcome.FAILED, _now(), "a1", "renewals", "first-call"), desk.rules)
    [before] = desk.customers.get(CUSTOMER).rights
    call = desk.call()
    until(lambda: desk.facts("queue_joined"), "the caller waits")
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: desk.customers.get(CUSTOMER).rights[0].expires_at > before.expires_at, "the right starts anew")


def test_redis_that_is_away_at_the_end_of_a_talk(
    make_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = make_desk()
    desk.status("Available", "1005")
    take, refused = Customers.take, []

    def away(self: Customers, *args: Any) -> Any:
        if len(refused) < 3:
            refused.append(args)
            raise StateUnavailable("Redis is away")
        return take(self, *args)

    monkeypatch.setattr(Customers, "take", away)
    desk.talk("1005")
    until(lambda: desk.sticky() == "1005", "it is caught up")
    assert len(refused) == 3


def test_who_is_free_is_known_for_a_while_only(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.status("Available", "1005")
    assert 0 < desk.centre.client.ttl(keys.floor("main", "free")) <= keys.AVAILABILITY_S
    desk.socket.stop()
    until(lambda: not desk.centre.client.exists(keys.floor("main", "free")), "without the switch nobody knows")


def _sticky(agent: str) -> Sticky:
    return Sticky(agent, _now())


def _now() -> datetime:
    return datetime.now(UTC)
