"""What a visit reads and sets: the same from a header block and from the variables of a call inside the switch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.flow.state import left
from fsapp.core.model import REASONS, CallClass, Decision, Target
from fsapp.core.visit import (
    HEADERS,
    as_fallback,
    event_id,
    from_variables,
    read_arrival,
    routed,
    variables,
)
from fsapp.telephony.channel import read_arrival as read_headers
from fsapp.telephony.esl import Message

DECIDED = Decision(
    CallClass.CALLBACK, "open-contact", 305003580, "renewals", "first-call", None, "renewals/first-call/+381601234567",
    (Target("renewals.first-call@fsapp", None, None),), Target("renewals.first-call@fsapp", None, None),
    ("renewals.first-call@fsapp",),
)


def block(values: dict[str, str]) -> Message:
    """A header block as the switch writes one: every character of a value encoded once."""
    lines = [f"{name}: {''.join(f'%{byte:02x}' for byte in text.encode())}" for name, text in values.items()]
    return Message("\n".join(["Content-Type: command/reply", *lines, "variable_other: x"]).encode())


def back(decision: Decision, **more: str) -> dict[str, str]:
    """The variables of a call that comes back from its queue with a decision."""
    return variables(decision, "1", again=False) | {"uuid": "u", "destination_number": "fsapp-visit"} | more


@given(st.fixed_dictionaries({}, optional={name: st.text(max_size=40) for name in HEADERS}))
def test_a_header_block_and_the_variables_are_read_alike(values: dict[str, str]) -> None:
    ours = {HEADERS[name]: text for name, text in values.items()}
    assert read_headers(block(values), "RS") == read_arrival(from_variables(ours.get), "RS")


@pytest.mark.parametrize("degraded", [False, True])
@pytest.mark.parametrize("reason", sorted(REASONS))
def test_the_reason_of_a_fallback_comes_back(reason: str, degraded: bool) -> None:
    decision = as_fallback(replace(DECIDED, reason=f"{'degraded-' if degraded else ''}{reason}"))
    assert decision.reason.startswith("fallback-degraded-" if degraded else "fallback-")
    earlier = read_arrival(from_variables(back(decision).get), "RS").call.earlier
    assert earlier is not None
    assert earlier.reason == decision.reason
    assert as_fallback(decision) == decision, "said once"


@pytest.mark.parametrize("reason", ["fallback", "fallback-", "degraded-fallback-flow", "fallback-fallback-flow", "x"])
def test_a_reason_that_is_none_of_ours_is_dropped(reason: str) -> None:
    earlier = read_arrival(from_variables(back(DECIDED, fsapp_reason=reason).get), "RS").call.earlier
    assert earlier is not None
    assert earlier.reason == ""


def test_the_event_of_a_decision_says_what_was_set() -> None:
    arrival = read_arrival(from_variables(back(DECIDED, caller_id_number="0601234567").get), "RS")
    event = routed(arrival, DECIDED, "7", 1.5)
    assert (event["type"], event["id"], event["at"], event["visit"]) == ("call_routed", "7", 1.5, 1)
    assert (event["caller"], event["class"], event["queue"]) == ("+381601234567", "callback", DECIDED.target.queue)
    assert routed(arrival, Decision(None, "no-line"), "7", 1.5)["type"] == "call_refused"


def test_ids_sort_by_time() -> None:
    ids = [event_id(1_700_000_000.0 + step / 1000, 2**48 - 1 - step) for step in range(100)]
    assert ids == sorted(ids)
    assert {len(text) for text in ids} == {26}


def test_who_left_by_the_key_has_not_tried_that_queue() -> None:
    decision = replace(DECIDED, tried=("agent-1002@fsapp", "renewals.first-call@fsapp"))
    flow = {"fsapp_flow": "main", "fsapp_block": "callback", "fsapp_flow_language": "hu"}

    def arrival(**more: str):
        return read_arrival(from_variables(back(decision, **flow, **more).get), "RS")

    asked = arrival(cc_cause="cancel", cc_cancel_reason="EXIT_WITH_KEY")
    assert asked.asked and asked.call.earlier is not None
    assert (asked.call.earlier.tried, asked.call.earlier.asked) == (("agent-1002@fsapp",), True)
    # What is noted of the flow before stays, and is not gone on in.
    assert asked.flow is not None
    assert (asked.flow.flow, asked.flow.language) == ("", "hu")
    assert left(asked.flow) == {"fsapp_block": ""}
    # The switch keeps the reason of an earlier stay.
    for cause, reason in (("answered", "EXIT_WITH_KEY"), ("cancel", "TIMEOUT"), ("", "EXIT_WITH_KEY")):
        other = arrival(cc_cause=cause, cc_cancel_reason=reason)
        assert not other.asked and other.call.earlier is not None and other.flow is not None
        assert (other.call.earlier.tried, other.flow.flow) == (decision.tried, "main")
