"""What a flow leads to becomes a decision: class, line, agent, trace; and who does not enter it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsapp.core.model import NO_FACTS, Call, Decision, Led
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.rules import check_document, load_folder

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf/rules")
SUNDAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


def decided(led: Led | None = None, called: str = "+381115550400", **changes: Any) -> Decision:
    document = copy.deepcopy(DOCUMENT)
    for table, values in changes.items():
        document.setdefault(table, {}).update(values)
    checked = check_document(document, "test")
    assert checked.faults == ()
    call = Call(normalise("+381641111111", "RS"), normalise(called, "RS"), led=led)
    return decide(call, NO_FACTS, Rules.from_document(checked.document), SUNDAY)


def test_a_number_with_a_flow_is_to_be_run_through_it_and_has_somewhere_to_go_without():
    found = decided()
    assert (found.flow, found.line, found.reason) == ("main", "helpdesk", "flow")
    assert decided(called="+381115550300").flow is None


def test_where_a_flow_has_led_is_where_the_call_goes_and_nobody_runs_it_twice():
    found = decided(Led("main", "vip", "1005", ("a", "b")))
    assert (found.flow, found.line, found.call_class, found.reason) == (None, "vip", "service", "flow")
    assert [target.queue for target in found.targets] == ["agent-1005@fsapp", "vip@fsapp"]
    assert ("flow", "main went a > b", "service, line vip, agent 1005") in found.trace


def test_a_line_or_an_agent_that_is_gone_by_then_leaves_the_flows_own_line():
    found = decided(Led("main", "gone", None, ("a",)))
    assert (found.flow, found.line) == (None, "helpdesk")
    assert [target.queue for target in decided(Led("main", "vip", "1999")).targets] == ["vip@fsapp"]


def test_a_list_that_leads_to_a_line_comes_before_the_flow_and_not_after_it():
    lists = {"key": {"numbers": ["+381641111111"], "line": "vip"}}
    found = decided(list=lists)
    assert (found.flow, found.line) == (None, "vip")
    assert decided(Led("main", "helpdesk"), list=lists).line == "helpdesk"


def test_a_closed_number_leads_into_its_closed_flow():
    weekdays = {"desk": {"timezone": "Europe/Belgrade", "hours": ["mon-fri 08:00-16:00"]}}
    night = {"main": DOCUMENT["flow"]["main"], "night": {"line": "vip", "start": "end", "block": {
        "end": {"kind": "queue", "line": "helpdesk"}}}}
    numbers = [one | ({"schedule": "desk", "closed_flow": "night"} if one["number"] == "+381115550300" else {})
               for one in DOCUMENT["number"]]
    document = copy.deepcopy(DOCUMENT) | {"schedule": weekdays, "flow": night, "number": numbers}
    assert check_document(document, "test").faults == ()
    rules = Rules.from_document(document)
    call = Call(normalise("+381641111111", "RS"), normalise("+381115550300", "RS"))
    found = decide(call, NO_FACTS, rules, SUNDAY)
    assert (found.flow, found.line, found.reason) == ("night", "vip", "closed")
    led = Call(call.caller, call.called, led=Led("night", "helpdesk"))
    found = decide(led, NO_FACTS, rules, SUNDAY)
    assert (found.flow, found.line) == (None, "helpdesk")
