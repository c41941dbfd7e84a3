"""The visit: what it reads of a call, tells the switch and writes down; against a scripted switch on a real socket."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gevent
import pytest
import structlog
from prometheus_client import generate_latest
from structlog.testing import capture_logs
from switch_side import BYE, CHANNEL_DATA, ERR, NOTICE, OK, pair, read_until

from fsapp.core.model import DEGRADED, NO_FACTS, Contact, Facts, Right
from fsapp.core.rules import Rules
from fsapp.errors import HangUp
from fsapp.metrics import REGISTRY
from fsapp.rules import load_folder
from fsapp.telephony.handler import Visits
from fsapp.telephony.session import Session

RULES = Rules.from_document(load_folder(Path(__file__).parents[2] / "conf/rules"), 7)
CALLER = "+381601234567"


def channel(called: str, caller: str = CALLER, name: str = "Petar Petrovic", **variables: str) -> bytes:
    """A CHANNEL_DATA block of the real switch with other values in it."""
    block = CHANNEL_DATA.decode()
    for header, value in (("Caller-Caller-ID-Number", caller), ("Caller-Caller-ID-Name", name),
                          ("Caller-Destination-Number", variables.pop("destination", "fsapp-visit"))):
        block = re.sub(rf"^{header}: .*$", lambda _, h=header, v=value: f"{h}: {quote(v, safe='')}", block, flags=re.M)
    extra = {"fsapp_called": called} | variables
    lines = "".join(f"variable_{name}: {quote(value, safe='')}\n" for name, value in extra.items())
    return block.replace("variable_direction:", f"{lines}variable_direction:", 1).encode()


class Visit:
    """What one visit said to the switch and wrote down."""

    def __init__(self, said: str, events: list[dict[str, Any]], asked: list[str | None]) -> None:
        self.commands = [
            tuple(re.findall(r"^execute-app-(?:name|arg): (.*)$", block, re.M))
            for block in said.split("\n\n") if "sendmsg" in block
        ]
        self.said = said
        self.events = events
        self.asked = asked

    @property
    def variables(self) -> dict[str, str]:
        app, arg = self.commands[0]
        assert app == "multiset"
        pairs = arg[3:].split(arg[2]) if arg.startswith("^^") else arg.split(" ")
        return dict(pair.split("=", 1) for pair in pairs)


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    structlog.reset_defaults()


@pytest.fixture
def visit() -> Iterator[Callable[..., Visit]]:
    """Runs one visit with the channel data and facts given."""
    open_sockets = []

    def run(data: bytes, facts: Facts = NO_FACTS, rules: Rules | None = RULES, replies: bytes = b"") -> Visit:
        near, far = pair()
        open_sockets.extend((near, far))
        events: list[dict[str, Any]] = []
        asked: list[str | None] = []
        visits = Visits(lambda key: (asked.append(key), facts)[1], events.append, lambda: rules)
        session = Session(near)
        greenlet = gevent.spawn(visits, session)
        assert read_until(far, b"connect\n\n") == b"connect\n\n"
        far.sendall(data)
        said = read_until(far, b"exit\n\n").decode()
        far.sendall((replies or OK * said.count("sendmsg")) + BYE + NOTICE)
        far.close()
        greenlet.get(timeout=10)
        return Visit(said, events, asked)

    yield run
    for sock in open_sockets:
        sock.close()


def test_a_callback_is_told_everything_the_contract_names(visit: Callable[..., Visit]) -> None:
    contact = Contact("renewals", "first-call", CALLER, agent="1002")
    done = visit(channel("0115550100"), Facts(contacts=(contact,)))
    decision = done.variables.pop("fsapp_decision")
    assert done.commands[-1] == ("transfer", "fsapp-queue XML fsapp")
    assert done.said.endswith("exit\n\n")
    found = done.variables
    assert re.fullmatch("[0-9a-f]{26}", decision)
    del found["fsapp_decision"]
    assert found == {
        "fsapp_class": "callback", "fsapp_queue": "agent-1002@fsapp", "cc_base_score": "305003580",
        "fsapp_reason": "open-contact", "fsapp_campaign": "renewals", "fsapp_stage": "first-call",
        "fsapp_contact": f"renewals/first-call/{CALLER}", "fsapp_agent": "1002", "fsapp_tried": "agent-1002@fsapp",
        "alert_info": "<http://127.0.0.1>;info=callback",
        "cc_export_vars": "alert_info,fsapp_class,fsapp_decision,fsapp_contact",
    }


def test_the_event_says_what_was_decided_for_whom_and_when(visit: Callable[..., Visit]) -> None:
    before = datetime.now(UTC).timestamp()
    done = visit(channel("+381115550200"))
    [event] = done.events
    assert event["type"] == "call_routed"
    assert event["id"] == done.variables["fsapp_decision"]
    assert before <= event["at"] <= datetime.now(UTC).timestamp()
    assert (event["caller"], event["called"], event["class"]) == (CALLER, "+381115550200", "new-customer")
    assert event["call"] == "d6d78254-60c5-4aab-b5a8-00322e8f5d9c"
    assert (event["rules"], event["visit"]) == (7, 1)
    assert done.asked == [CALLER]
    assert [step.rule for step in event["trace"]][-1] == "score"


def test_back_from_the_agents_queue_the_call_moves_on_with_its_class_and_score(visit: Callable[..., Visit]) -> None:
    contact = Contact("renewals", "first-call", CALLER, agent="1002")
    first = visit(channel("0115550100"), Facts(contacts=(contact,))).variables
    back = visit(channel("0115550100", cc_cause="cancel", **first), Facts(contacts=(contact,)))
    assert back.events[0]["visit"] == 2
    second = back.variables
    assert second["fsapp_queue"] == "renewals.first-call@fsapp"
    assert second["fsapp_class"] == "callback"
    assert second["cc_base_score"] == first["cc_base_score"]
    assert second["fsapp_agent"] == ""
    assert second["fsapp_decision"] != first["fsapp_decision"]
    third = visit(channel("0115550100", cc_cause="cancel", **second), DEGRADED).variables
    assert third["fsapp_queue"] == "renewals.first-call@fsapp"
    assert third["fsapp_degraded"] == "true"
    assert third["fsapp_reason"] == "open-contact"


def test_an_answered_call_is_hung_up_and_written_down(visit: Callable[..., Visit]) -> None:
    first = visit(channel("0115550300")).variables
    done = visit(channel("0115550300", cc_cause="answered", cc_agent="1004", **first))
    assert done.commands == [("hangup", "NORMAL_CLEARING")]
    [event] = done.events
    assert (event["type"], event["agent"], event["queue"], event["decision"], event["class"]) == (
        "call_ended", "1004", "helpdesk@fsapp", first["fsapp_decision"], "service")


def test_a_call_of_the_fallback_that_was_answered_is_hung_up_too(visit: Callable[..., Visit]) -> None:
    done = visit(channel("0115550300", cc_cause="answered", cc_agent="1004", fsapp_queue="helpdesk@fsapp"))
    assert done.commands == [("hangup", "NORMAL_CLEARING")]
    [event] = done.events
    assert (event["type"], event["decision"], event["class"]) == ("call_ended", None, None)


def test_a_call_that_the_fallback_placed_ends_with_its_queue_and_class(visit: Callable[..., Visit]) -> None:
    fallback = {"fsapp_queue": "helpdesk@fsapp", "fsapp_class": "service", "fsapp_reason": "fallback"}
    done = visit(channel("0115550300", cc_cause="answered", cc_agent="1004", **fallback))
    [event] = done.events
    assert (event["queue"], event["class"], event["agent"]) == ("helpdesk@fsapp", "service", "1004")
    assert event["decision"] is None


def test_an_unknown_number_is_told_so(visit: Callable[..., Visit]) -> None:
    done = visit(channel("+381115559999"))
    assert done.commands[-1] == ("transfer", "fsapp-unknown XML fsapp")
    assert "fsapp_class" not in done.variables
    assert done.events[0]["type"] == "call_refused"


def test_without_redis_a_call_is_decided_and_says_so(visit: Callable[..., Visit]) -> None:
    done = visit(channel("0115550300"), DEGRADED).variables
    assert done["fsapp_class"] == "service"
    assert done["fsapp_reason"] == "degraded-service-line"
    assert done["fsapp_degraded"] == "true"


@pytest.mark.parametrize("replies", [ERR + OK, OK + ERR])
def test_what_the_switch_refuses_is_said(visit: Callable[..., Visit], replies: bytes) -> None:
    with capture_logs() as logs:
        visit(channel("0115550300"), replies=replies)
    assert [(line["event"], line["reply"]) for line in logs if line["log_level"] == "error"] == [
        ("switch_refused", "-ERR invalid")]


def test_without_rules_it_is_said_but_not_for_every_call() -> None:
    with capture_logs() as logs:
        visits = Visits(lambda _key: NO_FACTS, lambda _event: None, lambda: None)
        for _ in range(3):
            near, far = pair()
            session = Session(near)
            greenlet = gevent.spawn(visits, session)
            far.sendall(channel("0115550300") + BYE + NOTICE)
            greenlet.get(timeout=10)
            far.close()
    assert [line["event"] for line in logs] == ["no_rules"]


def test_without_rules_the_call_is_left_to_the_dialplan(visit: Callable[..., Visit]) -> None:
    done = visit(channel("0115550300"), rules=None)
    assert done.said == "exit\n\n"
    assert done.events == []


@pytest.mark.parametrize("extension", [
    "fsapp-queue", "fsapp-return", "fsapp-fallback", "fsapp-unknown", "fsapp-closed", "fsapp-goodbye",
])
def test_a_call_the_dialplan_has_taken_elsewhere_is_left_alone(visit: Callable[..., Visit], extension: str) -> None:
    done = visit(channel("0115550300", destination=extension))
    assert done.said == "exit\n\n"
    assert done.events == []


def test_without_fsapp_called_the_number_dialled_counts(visit: Callable[..., Visit]) -> None:
    assert visit(channel("", destination="0115550300")).events[0]["called"] == "+381115550300"


def test_a_queue_that_took_nobody_is_said_and_asked_for_again(visit: Callable[..., Visit]) -> None:
    first = visit(channel("0115550300")).variables
    with capture_logs() as logs:
        assert visit(channel("0115550300", **first)).variables["fsapp_queue"] == "helpdesk@fsapp"
        visit(channel("0115550300", cc_cause="cancel", **first))
        visit(channel("0115550300"))
    assert [line["queue"] for line in logs if line["event"] == "queue_took_nobody"] == ["helpdesk@fsapp"]


def test_decisions_are_counted_and_told(visit: Callable[..., Visit]) -> None:
    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    def counts() -> list[float]:
        return [
            count("fsapp_decisions_total", call_class="service", reason="degraded-service-line"),
            count("fsapp_decisions_total", call_class="none", reason="unknown-number"),
            count("fsapp_decisions_degraded_total"), count("fsapp_decision_seconds_count"),
        ]

    before = counts()
    with capture_logs() as logs:
        visit(channel("0115550300"), DEGRADED)
        visit(channel("+381115559999"))
    assert [after - earlier for earlier, after in zip(before, counts(), strict=True)] == [1, 1, 1, 2]
    assert [line["event"] for line in logs] == ["call_routed", "call_refused"]


def test_a_right_leads_to_its_agent(visit: Callable[..., Visit]) -> None:
    right = Right("1005", datetime.now(UTC) + timedelta(hours=1), "renewals", "first-call")
    found = visit(channel("0115550300"), Facts(rights=(right,))).variables
    assert (found["fsapp_class"], found["fsapp_agent"]) == ("callback", "1005")
    assert found["fsapp_reason"] == "direct-callback"


@pytest.mark.parametrize("hostile", [
    "+36\nvariable_fsapp_class: callback", "Eve\n\napi echo X", "${system(id)}", "a|b|c", "%0A%0Aexit", "x\u2028y",
    "\u202eevil", "'\"\\`", "\x00\x07", "A" * 4096, "\r\n\r\nsendmsg", "Kov\xe1cs", "100% \u010ceda",
])
def test_a_hostile_number_or_name_changes_nothing(visit: Callable[..., Visit], hostile: str) -> None:
    for data in (channel("0115550300", caller=hostile), channel("0115550300", name=hostile)):
        done = visit(data)
        assert [command[0] for command in done.commands] == ["multiset", "transfer"]
        assert done.said.count("\n\n") == 3
        assert "${" not in done.said
        assert done.variables["fsapp_class"] == "service"
        assert done.variables["fsapp_queue"] == "helpdesk@fsapp"


def test_a_name_that_was_cleaned_is_what_the_switch_shows_from_now_on(visit: Callable[..., Visit]) -> None:
    found = visit(channel("0115550300", name="Eve\n|x")).variables
    assert found["caller_id_name"] == "Eve x"
    assert "caller_id_number" not in found
    found = visit(channel("0115550300", caller="+3816\n|0")).variables
    assert found["caller_id_number"] == "+3816 0"
    assert "caller_id_name" not in found


@pytest.mark.parametrize("forged", [
    {"fsapp_class": "boss"}, {"cc_base_score": "2147483648"}, {"cc_base_score": "-1"}, {"cc_base_score": "x"},
    {"fsapp_stage": "gone", "fsapp_campaign": "gone"},
])
def test_variables_that_are_not_ours_are_not_believed(visit: Callable[..., Visit], forged: dict[str, str]) -> None:
    earlier = {
        "fsapp_decision": "1", "fsapp_class": "callback", "cc_base_score": "305003580", "fsapp_reason": "open-contact",
        "fsapp_campaign": "renewals", "fsapp_stage": "first-call", "cc_cause": "cancel",
    }
    assert visit(channel("0115550300", **earlier)).variables["fsapp_class"] == "callback"
    highest = earlier | {"cc_base_score": "2147483647"}
    assert visit(channel("0115550300", **highest)).variables["cc_base_score"] == "2147483647"
    found = visit(channel("0115550300", **(earlier | forged))).variables
    assert found["fsapp_class"] == "service"
    assert found["cc_base_score"] == "101003540"


def test_what_is_made_up_is_neither_counted_nor_kept(visit: Callable[..., Visit]) -> None:
    earlier = {
        "fsapp_decision": "d" * 9000, "fsapp_class": "service", "cc_base_score": "101003540", "fsapp_line": "helpdesk",
        "fsapp_reason": "made-up", "fsapp_contact": "c\n" * 9000, "fsapp_queue": "q" * 9000, "fsapp_tried": "t," * 9000,
        "cc_agent": "a\n" * 9000,
    }
    found = {}
    for cause in ("cancel", "answered"):
        data = channel("0115550300", **earlier, cc_cause=cause)
        found[cause] = visit(data.replace(b"\nUnique-ID: ", b"\nUnique-ID: " + b"u%0A" * 9000))
        [event] = found[cause].events
        assert len(repr(event)) < 8000
        assert "\n" not in event["call"] + str(event["agent"])
    assert found["cancel"].variables["fsapp_line"] == "helpdesk"
    assert "made-up" not in generate_latest(REGISTRY).decode()


@pytest.mark.parametrize("say", [0, 1, 2])
def test_a_caller_who_hangs_up_at_any_step_ends_the_visit(say: int) -> None:
    near, far = pair()
    session = Session(near)
    greenlet = gevent.spawn(Visits(lambda _key: NO_FACTS, lambda _event: None, lambda: RULES), session)
    read_until(far, b"connect\n\n")
    if say >= 1:
        far.sendall(channel("0115550300"))
        read_until(far, b"exit\n\n")
    if say >= 2:
        far.sendall(OK + NOTICE)
    far.close()
    with pytest.raises(HangUp):
        greenlet.get(timeout=10)
    session.close()
    near.close()
