"""Visits of a centre with two switches: what each tells its switch, writes down and counts; on a real socket."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gevent
import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs
from switch_side import BYE, CHANNEL_DATA, NOTICE, OK, pair, read_until

from fsapp.core.model import NO_FACTS
from fsapp.core.rules import Rules
from fsapp.metrics import REGISTRY
from fsapp.rules import load_folder
from fsapp.telephony.handler import Visits
from fsapp.telephony.session import Session

DOCUMENT = load_folder(Path(__file__).parents[2] / "conf/rules")
RULES = Rules.from_document(DOCUMENT | {
    "centre": DOCUMENT["centre"] | {"home": "one"},
    "switch": {"one": {"sip": "127.0.0.1:5070"}, "two": {"sip": "127.0.0.1:5071"}},
}, 7)
Said = tuple[list[tuple[str, ...]], list[dict[str, Any]]]


def at_switch(name: str, **variables: str) -> bytes:
    """The first words of a switch about a call that has been answered for 40 seconds."""
    block = re.sub(r"(?m)^Caller-Channel-Answered-Time: .*$", "Caller-Channel-Answered-Time: 1800000000000000",
                   CHANNEL_DATA.decode())
    block = re.sub(r"(?m)^Event-Date-Timestamp: .*$", "Event-Date-Timestamp: 1800000040000000", block)
    lines = "".join(f"variable_{key}: {quote(text, safe='')}\n" for key, text in variables.items())
    lines += f"variable_fsapp_switch: {name}\n"
    return block.replace("variable_direction:", f"{lines}variable_direction:", 1).encode()


@pytest.fixture
def visit() -> Callable[[bytes], Said]:
    """Runs one visit: the applications it had executed with their arguments, and its events."""
    def run(data: bytes) -> Said:
        near, far = pair()
        events: list[dict[str, Any]] = []
        session = Session(near)
        greenlet = gevent.spawn(Visits(lambda _key: NO_FACTS, events.append, lambda: RULES), session)
        try:
            read_until(far, b"connect\n\n")
            far.sendall(data)
            said = read_until(far, b"exit\n\n").decode()
            far.sendall(OK * said.count("sendmsg") + BYE + NOTICE)
            far.close()
            greenlet.get(timeout=10)
        finally:
            near.close()
        return [
            tuple(re.findall(r"^execute-app-(?:name|arg): (.*)$", block, re.M)) for block in said.split("\n\n")[:-2]
        ], events

    return run


def set_by(command: tuple[str, ...]) -> dict[str, str]:
    assert command[0] == "multiset"
    pairs = command[1][3:].split(command[1][2]) if command[1].startswith("^^") else command[1].split(" ")
    return dict(pair.split("=", 1) for pair in pairs)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_from_the_one_switch_to_the_other(visit: Callable[[bytes], Said]) -> None:
    before = counted("fsapp_calls_carried_total", to="one"), counted("fsapp_calls_arrived_total", outcome="taken")
    commands, events = visit(at_switch("two", fsapp_called="0115550300"))
    found = set_by(commands[0])
    assert commands[1:] == [("transfer", "fsapp-carry XML fsapp-carry")]
    assert found["fsapp_carry"] == "127.0.0.1:5070"
    assert (found["cc_base_score"], found["sip_h_X-fsapp-score"]) == ("101003540", "101003580")
    assert [event["type"] for event in events] == ["call_routed", "call_carried"]
    sent = {name: text for name, text in found.items() if name.startswith("sip_h_") and text}
    commands, events = visit(at_switch("one", fsapp_carried="true", **sent))
    arrived = set_by(commands[0])
    assert commands[1:] == [("transfer", "fsapp-queue XML fsapp")]
    assert (arrived["fsapp_queue"], arrived["cc_base_score"]) == ("helpdesk@fsapp", "101003580")
    assert arrived["fsapp_decision"] == found["fsapp_decision"]
    assert all(arrived[name] == "" for name in sent)
    assert [event["type"] for event in events] == ["call_arrived"]
    after = counted("fsapp_calls_carried_total", to="one"), counted("fsapp_calls_arrived_total", outcome="taken")
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]


@pytest.mark.parametrize(("cause", "hangup"), [("cancel", "NO_ANSWER"), ("answered", "NORMAL_CLEARING")])
def test_the_end_of_a_wait_at_home(visit: Callable[[bytes], Said], cause: str, hangup: str) -> None:
    commands, events = visit(at_switch(
        "one", fsapp_carried="true", fsapp_queue="helpdesk@fsapp", fsapp_class="service", fsapp_decision="7",
        cc_base_score="101003580", cc_cause=cause, cc_agent="1004"))
    assert commands == [("hangup", hangup)]
    assert [event["type"] for event in events] == (["call_ended"] if cause == "answered" else [])


@pytest.mark.parametrize("switch", ["main", "two"])
def test_a_call_for_another_switch_is_refused_and_said(visit: Callable[[bytes], Said], switch: str) -> None:
    sent = {"sip_h_X-fsapp-class": "service", "sip_h_X-fsapp-queue": "helpdesk@fsapp", "sip_h_X-fsapp-score": "1"}
    with capture_logs() as logs:
        commands, events = visit(at_switch(switch, fsapp_carried="true", **sent))
    assert (commands, events) == ([("hangup", "EXCHANGE_ROUTING_ERROR")], [])
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert (line["event"], line["switch"], line["queue"]) == ("not_at_home", switch, "helpdesk@fsapp")


def test_headers_of_a_caller_are_not_believed(visit: Callable[[bytes], Said]) -> None:
    forged = {"sip_h_X-fsapp-class": "callback", "sip_h_X-fsapp-score": "399999999", "sip_h_X-fsapp-agent": "1001",
              "sip_h_X-fsapp-queue": "vip@fsapp"}
    commands, _ = visit(at_switch("one", fsapp_called="0115550300", **forged))
    found = set_by(commands[0])
    assert (found["fsapp_class"], found["fsapp_queue"], found["cc_base_score"]) == (
        "service", "helpdesk@fsapp", "101003540")
    commands, _ = visit(at_switch("two", fsapp_called="0115550300", **forged))
    found = set_by(commands[0])
    assert (found["sip_h_X-fsapp-class"], found["sip_h_X-fsapp-queue"]) == ("service", "helpdesk@fsapp")
    assert found["sip_h_X-fsapp-agent"] == ""


def test_no_number_is_a_label(visit: Callable[[bytes], Said]) -> None:
    visit(at_switch("two", fsapp_called="0115550300"))
    assert not re.search(r"fsapp_calls_(carried|arrived)[^ ]*\+?[0-9]{6}", generate_latest(REGISTRY).decode())
