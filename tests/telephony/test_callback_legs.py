"""What a real switch said of callbacks, and the try that comes of it; what else their events tell, tells of a task."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from callback_legs import CASES, recorded

from fsapp.core.floor import Seen, SeenAgent
from fsapp.core.floor_change import changed
from fsapp.core.floor_events import apply
from fsapp.core.placeholder import heard, try_of
from fsapp.core.task import TryOutcome

OUTCOMES = (
    (TryOutcome.TALKED, "NORMAL_CLEARING"), (TryOutcome.TALKED, "NORMAL_CLEARING"), (TryOutcome.BUSY, "USER_BUSY"),
    (TryOutcome.REJECTED, "CALL_REJECTED"), (TryOutcome.NO_ANSWER, "NO_ANSWER"),
    (TryOutcome.GIVEN_UP, "ORIGINATOR_CANCEL"), (TryOutcome.GIVEN_UP, "ORIGINATOR_CANCEL"),
    (TryOutcome.REJECTED, "NORMAL_CLEARING"), (TryOutcome.FAILED, "INVALID_GATEWAY"),
)


@pytest.mark.parametrize(("case", "outcome"), list(zip(CASES, OUTCOMES, strict=True)), ids=CASES)
def test_the_try_that_comes_of_it(case: str, outcome: tuple[TryOutcome, str]) -> None:
    known = None
    for event in recorded(case):
        known = heard(known, event) if event.variables.get("fsapp_place") else known
    assert known is not None and known.over
    one = try_of(known, "1005", datetime.now(UTC))
    assert (one.outcome, one.cause, one.agent, one.responsible) == (*outcome, "1004", "1005")
    assert (one.talked_s > 1) == (one.outcome is TryOutcome.TALKED)


@pytest.mark.parametrize("case", CASES)
def test_no_fact_takes_it_for_a_callers_call(case: str) -> None:
    seen, facts = Seen(agents={"1004": SeenAgent("1004", status="Available")}), []
    for event in recorded(case):
        changes = apply(seen, event)
        seen = changed(seen, changes)
        facts += changes.facts
    told = [fact["type"] for fact in facts]
    assert told.count("queue_joined") == told.count("talk_ended") == told.count("call_hung_up") == 1
    for fact in facts:
        assert (fact.get("task") or fact["variables"]["fsapp_task"]) == "TASK1"
    assert (seen.calls, seen.members) == ({}, {})
