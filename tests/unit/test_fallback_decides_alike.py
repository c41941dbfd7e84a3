"""The decision inside the switch is the one `fsapp serve` would have made, for any call; and it harms nobody."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from random_centre import random_customer, random_document
from switch_stand_in import Freeswitch, Session

from fsapp.core.model import DEGRADED, NO_FACTS, Contact, Facts, Right
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.visit import HEADERS, variables
from fsapp.inswitch import fallback
from fsapp.telephony.channel import read_arrival
from fsapp.telephony.esl import Message


class Known:
    """A source that knows this much and keeps what is written."""

    def __init__(self, rules: Rules | None, facts: Facts) -> None:
        self._rules = rules
        self._facts = facts
        self.events: list[dict[str, Any]] = []

    def rules(self, _deadline: float) -> Rules | None:
        return self._rules

    def facts(self, key: str | None, _deadline: float) -> Facts:
        return NO_FACTS if key is None else self._facts

    def write(self, event: dict[str, Any]) -> None:
        self.events.append(event)


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    structlog.reset_defaults()


def run(session: Session, source: Any, freeswitch: Freeswitch | None = None) -> Freeswitch:
    """One call of the script."""
    freeswitch = freeswitch or Freeswitch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fallback, "source_of", lambda _config: source)
        fallback.handle(session, freeswitch)
    return freeswitch


def as_headers(call: dict[str, str]) -> Message:
    lines = [
        f"{header}: {''.join(f'%{byte:02x}' for byte in call[name].encode())}"
        for header, name in HEADERS.items() if name in call
    ]
    return Message("\n".join(["Content-Type: command/reply", *lines]).encode())


def facts_of(customer: dict[str, Any], degraded: bool) -> Facts:
    if degraded:
        return DEGRADED
    contacts = tuple(
        Contact(one["campaign"], one["stage"], customer["caller"], one["open"], one["agent"])
        for one in customer["contacts"]
    )
    rights = tuple(Right(one["agent"], datetime(2100, 1, 1, tzinfo=UTC), one["campaign"], one["stage"])
                   for one in customer["rights"])
    return Facts(contacts, rights)


@given(
    seed=st.integers(0, 2**32), name=st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    degraded=st.booleans(),
)
def test_a_call_and_all_its_later_visits_are_decided_as_by_serve(seed: int, name: str, degraded: bool) -> None:
    random = Random(seed)
    document = random_document(random)
    customer = random_customer(random, document)
    rules, facts = Rules.from_document(document, 7), facts_of(customer, degraded)
    session = Session({
        "uuid": f"u{seed}", "caller_id_number": customer["caller"] or "anonymous", "caller_id_name": name,
        "destination_number": "fsapp-fallback", "fsapp_called": customer["called"] or "0900x",
    })
    for visit in range(3):
        # What `fsapp serve` would do of the same call at this moment.
        arrival = read_arrival(as_headers(session.variables), rules.region)
        known = facts if arrival.call.caller.key else NO_FACTS
        decision = decide(arrival.call, known, rules, datetime.now(UTC))
        wanted = variables(decision, "", again=arrival.call.earlier is not None) | arrival.renamed
        source = Known(rules, facts)
        run(session, source)
        nowhere = "fsapp-closed" if decision.reason.endswith("closed") else "fsapp-unknown"
        extension = "fsapp-queue" if decision.target else nowhere
        assert session.went[visit:] == [f"{extension} XML fsapp"]
        assert session.variables["fsapp_reason"] == f"fallback-{decision.reason.removeprefix('fallback-')}"
        assert session.variables["fsapp_decision"] == source.events[0]["id"]
        for variable in wanted.keys() - {"fsapp_reason", "fsapp_decision"}:
            assert session.variables.get(variable, "") == wanted[variable], variable
        [event] = source.events
        assert (event["class"], event["base_score"], event["targets"], event["trace"], event["rules"]) == (
            decision.call_class, decision.base_score, decision.targets, decision.trace, 7)
        if not decision.target:
            break
        session.variables["cc_cause"] = "cancel"


RULES = Rules.from_document(random_document(Random(1)), 1)
CALL = {"uuid": "u1", "caller_id_number": "+381601234567", "fsapp_called": next(iter(RULES.numbers))}


def test_whoever_was_answered_is_let_go() -> None:
    session, source = Session(CALL | {"cc_cause": "answered", "fsapp_queue": "q@fsapp"}), Known(RULES, NO_FACTS)
    run(session, source)
    assert session.went == ["hangup NORMAL_CLEARING"]
    assert [(event["type"], event["queue"]) for event in source.events] == [("call_ended", "q@fsapp")]


def test_without_rules_the_call_stays_where_it_is() -> None:
    session = Session(CALL)
    said = run(session, Known(None, NO_FACTS)).said
    assert session.went == []
    assert session.variables == CALL
    assert [level for level, _ in said] == ["err"]
    assert "no_rules" in said[0][1]


class Broken(Known):
    def facts(self, key: str | None, deadline: float) -> Facts:
        raise RuntimeError("a fault \udcff\nthat nobody foresaw")


def test_a_fault_leaves_the_call_where_it_is_and_cannot_end_the_switch() -> None:
    session = Session(CALL)
    said = run(session, Broken(RULES, NO_FACTS)).said
    assert session.went == []
    [(level, line)] = said
    assert level == "err"
    assert "fallback_failed" in line
    assert line.count("\n") == 1, "the fault cannot start a line of its own"


class Refusing(Session):
    def transfer(self, extension: str, dialplan: str, context: str) -> int:
        return 0


def test_a_transfer_that_is_refused_is_no_decision() -> None:
    session, source = Refusing(CALL), Known(RULES, NO_FACTS)
    said = run(session, source).said
    assert source.events == []
    assert "transfer_refused" in said[0][1]


@pytest.mark.parametrize(("raw", "read"), [
    (b"\xc4\x8c", "\u010c"), (b"Jos\xe9", "Jos\u00e9"), (b"\xff\xfe", "\u00ff\u00fe"),
])
def test_bytes_that_are_no_text_are_read_as_on_the_event_socket(raw: bytes, read: str) -> None:
    session, source = Session(CALL | {"caller_id_name": raw.decode("utf-8", "surrogateescape")}), Known(RULES, NO_FACTS)
    run(session, source)
    assert source.events[0]["name"] == read


def test_numbers_are_hidden_in_the_log() -> None:
    [(level, line)] = run(Session(CALL), Known(RULES, NO_FACTS)).said
    assert level == "warning"
    assert "caller='+381******567'" in line
    assert "+381601234567" not in line


def test_a_call_is_carried_to_another_switch_and_taken_in_there() -> None:
    document = random_document(Random(1))
    switches = {"one": {"sip": "127.0.0.1:5070"}, "two": {"sip": "127.0.0.1:5071"}}
    rules = Rules.from_document(document | {
        "centre": document["centre"] | {"home": "one"}, "switch": switches})
    caller, source = Session(CALL | {"fsapp_switch": "two"}), Known(rules, NO_FACTS)
    run(caller, source)
    assert caller.went == ["fsapp-carry XML fsapp-carry"]
    assert [event["type"] for event in source.events] == ["call_routed", "call_carried"]
    sent = {name: text for name, text in caller.variables.items() if name.startswith("sip_h_")}
    at_home = {"uuid": "u2", "fsapp_switch": "one", "fsapp_carried": "true", **sent}
    session, source = Session(at_home), Known(rules, NO_FACTS)
    run(session, source)
    assert session.went == ["fsapp-queue XML fsapp"]
    for name in ("fsapp_class", "fsapp_queue", "fsapp_decision", "fsapp_reason", "cc_base_score"):
        assert session.variables[name] == caller.variables[name], name
    session.variables["cc_cause"] = "cancel"
    run(session, source)
    assert session.went[1:] == ["hangup NO_ANSWER"]
    assert [event["type"] for event in source.events] == ["call_arrived"]
