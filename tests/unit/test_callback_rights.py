"""Every row of the direct-callback table by name, and random histories held against a plain second model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core import callback_rights
from fsapp.core.callback_rights import TABLE, CallbackEvent, CallbackRule, Effect, callback_rule, effect, step
from fsapp.core.model import Right

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LIFE_S = 3600
LIFE = timedelta(seconds=LIFE_S)
PAGE = Path(__file__).parents[2] / "docs/direct-callback.md"
FAILED, TALKED, CAME, CUSTOMER_TALKED = CallbackEvent

# What the design says, a row each: type, event, without a right, with one.
ROWS = [
    (0, FAILED, "-", "kept"), (0, TALKED, "-", "kept"), (0, CAME, "-", "kept"), (0, CUSTOMER_TALKED, "-", "kept"),
    (1, FAILED, "arises", "kept"), (1, TALKED, "-", "deleted"), (1, CAME, "-", "kept"),
    (1, CUSTOMER_TALKED, "-", "deleted"),
    (2, FAILED, "arises", "restarted"), (2, TALKED, "-", "deleted"), (2, CAME, "-", "kept"),
    (2, CUSTOMER_TALKED, "-", "deleted"),
    (3, FAILED, "arises", "restarted"), (3, TALKED, "arises", "restarted"), (3, CAME, "-", "kept"),
    (3, CUSTOMER_TALKED, "-", "kept"),
    (4, FAILED, "arises", "restarted"), (4, TALKED, "arises", "restarted"), (4, CAME, "-", "restarted"),
    (4, CUSTOMER_TALKED, "-", "restarted"),
]
NAMES = [f"type {type_}: {event}" for type_, event, _, _ in ROWS]


def ends(right: Right | None) -> float | None:
    """How many seconds after AT a right ends."""
    return None if right is None else (right.expires_at - AT).total_seconds()


def said(what: str, before: float | None, at: float) -> float | None:
    return {"-": None, "deleted": None, "kept": before, "arises": at + LIFE_S, "restarted": at + LIFE_S}[what]


@pytest.mark.parametrize(("type_", "event", "without", "with_"), ROWS, ids=NAMES)
def test_row(type_: int, event: CallbackEvent, without: str, with_: str) -> None:
    rule = CallbackRule(type_, LIFE_S)
    assert effect(None, rule, event, AT) == without
    assert ends(step(None, rule, event, AT, "1001")) == said(without, None, 0)
    right = Right("1001", AT + timedelta(seconds=60), "renewals", "first-call")
    assert effect(right, rule, event, AT) == with_
    assert ends(step(right, rule, event, AT, "1001")) == said(with_, 60, 0)


@pytest.mark.parametrize(("type_", "event", "without", "with_"), ROWS, ids=NAMES)
def test_time(type_: int, event: CallbackEvent, without: str, with_: str) -> None:
    """At its expiry, and after it, a right is none: each event then finds none."""
    right = Right("1001", AT, "renewals", "first-call")
    for later_s in (0, 1):
        at = AT + timedelta(seconds=later_s)
        assert effect(right, CallbackRule(type_, LIFE_S), event, at) == without
        assert ends(step(right, CallbackRule(type_, LIFE_S), event, at, "1001")) == said(without, None, later_s)


@pytest.mark.parametrize("text", [callback_rights.__doc__, PAGE.read_text(encoding="utf-8")], ids=["docstring", "page"])
def test_the_table_is_the_one_that_is_documented(text: str) -> None:
    rows = re.findall(r"(?m)^\| ([0-4]) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text)
    assert [(int(type_), event, without, with_) for type_, event, without, with_ in rows] == ROWS
    assert {(type_, event): (without, with_) for type_, event, without, with_ in ROWS} == TABLE


def test_an_attempt_takes_the_right_to_its_stage_and_a_call_does_not() -> None:
    rule = CallbackRule(4, LIFE_S)
    right = step(None, rule, FAILED, AT, "1001", "renewals", "first-call")
    assert (right.campaign, right.stage) == ("renewals", "first-call")
    later = step(right, rule, TALKED, AT, "1001", "other", "second")
    assert (later.campaign, later.stage) == ("other", "second")
    called = step(later, rule, CAME, AT, "1001", "renewals", "first-call")
    assert (called.campaign, called.stage) == ("other", "second")


def test_what_is_told_late_shortens_nothing() -> None:
    right = Right("1001", AT + 2 * LIFE, None, None)
    assert step(right, CallbackRule(2, LIFE_S), FAILED, AT, "1001").expires_at == right.expires_at


def test_the_nearer_table_wins_for_each_key() -> None:
    agent, stage, centre = {"direct_callback": 1}, {"direct_callback": 2, "direct_callback_s": 60}, {
        "direct_callback": 4, "direct_callback_s": 120}
    assert callback_rule(agent, stage, centre) == (1, 60)
    assert callback_rule({}, {}, centre) == (4, 120)
    assert callback_rule({}, {}, {}) == (0, 24 * 3600)


@dataclass
class Plain:
    """The types as a person would say them, without a table: one number, until when the right lives."""

    type: int
    until: float = -1

    def agent_tries(self, now: float, talks: bool) -> None:
        alive = self.until > now
        if self.type in (1, 2) and talks:
            self.until = -1
        elif (self.type == 1 and not alive) or self.type in (2, 3, 4):
            self.until = now + LIFE_S

    def customer_calls(self, now: float, talks: bool) -> None:
        if self.type in (1, 2) and talks:
            self.until = -1
        elif self.type == 4 and self.until > now:
            self.until = now + LIFE_S


@given(st.integers(0, 4), st.lists(st.tuples(st.integers(0, 2 * LIFE_S), st.sampled_from(list(CallbackEvent)))))
def test_random_histories(type_: int, history: list[tuple[int, CallbackEvent]]) -> None:
    rule, plain, right, now = CallbackRule(type_, LIFE_S), Plain(type_), None, 0
    for passed, event in history:
        now += passed
        at = AT + timedelta(seconds=now)
        right = step(right, rule, event, at, "1001")
        if event in (FAILED, TALKED):
            plain.agent_tries(now, event is TALKED)
        else:
            plain.customer_calls(now, event is CUSTOMER_TALKED)
        alive = right is not None and right.expires_at > at
        assert alive == (plain.until > now), (event, now)
        if alive:
            assert ends(right) == plain.until
    assert {effect(right, rule, event, AT) for event in CallbackEvent} <= set(Effect)
