"""The interpreter of flows, block by block, and that no flow leaves a caller without an action."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsapp.core.dialling import Dialling
from fsapp.core.flow.actions import (
    END,
    Agent,
    Already,
    Answer,
    Ask,
    Begin,
    Collect,
    Digits,
    Failed,
    Hangup,
    Note,
    Noted,
    Queue,
    Record,
    Refused,
    Request,
    Said,
    Say,
    Transfer,
)
from fsapp.core.flow.blocks import Flow, exits, flow_from
from fsapp.core.flow.check_digit import passes
from fsapp.core.flow.state import MAX_PATH, State, clean_value, left, read_state, written
from fsapp.core.flow.steps import Situation, begin, step
from fsapp.core.numbers import normalise
from fsapp.core.schedule import schedule_from

ASK = {"tries": 2, "timeout_s": 4, "invalid": ["wrong"], "silent": ["nothing"]}


DESK = schedule_from("desk", {"timezone": "Europe/Belgrade", "hours": ["mon-fri 08:00-16:00"]})
MONDAY = datetime(2026, 11, 23, 10, tzinfo=UTC)


def situation(caller: str = "+381601112223", now: datetime = MONDAY) -> Situation:
    lists = {"known": frozenset({"+381601112223"})}
    return Situation(
        normalise(caller, "RS"), normalise("+381115550400", "RS"), now, lists, {"desk": DESK}, "RS",
        Dialling(regions=("RS",)))


def flow(**blocks: dict[str, Any]) -> Flow:
    ends = {"end": {"kind": "queue", "line": "vip"}, "other": {"kind": "hangup", "cause": "USER_BUSY"}}
    spec = {"line": "helpdesk", "start": next(iter(blocks)), "languages": ["sr", "en"]}
    return flow_from("main", spec | {"block": blocks | ends})


def run(found: Flow, *inputs: Any, caller: str = "+381601112223") -> tuple[State, tuple[Any, ...]]:
    """The state and the actions after all of these."""
    state, actions = step(found, begin(found), Begin(), situation(caller))
    for one in inputs:
        state, actions = step(found, state, one, situation(caller))
    return state, actions


def test_say_goes_on_when_it_is_said():
    found = flow(hello={"kind": "say", "say": ["welcome", "thanks"], "next": "end"})
    assert run(found) == (State("main", "hello", 0, "sr", {}, ("hello",)), (Say(("welcome", "thanks"), "sr"),))
    state, actions = run(found, Said())
    assert (state.path, actions) == (("hello", "end"), (Queue("vip"),))


def test_menu_by_key_and_by_nothing_and_by_what_is_none():
    found = flow(menu={"kind": "menu", "say": ["choose"], "choices": {"1": "end", "*": "other"},
                       "otherwise": "other", **ASK})
    first = Collect(("choose",), "sr", 1, 4)
    assert run(found)[1] == (first,)
    assert run(found, Digits("1"))[1] == (Queue("vip"),)
    assert run(found, Digits("*"))[1] == (Hangup("USER_BUSY"),)
    assert run(found, Digits(""))[1] == (first._replace(prompts=("nothing", "choose")),)
    assert run(found, Digits("7"))[1] == (first._replace(prompts=("wrong", "choose"), fresh=True),)
    assert run(found, Digits("7"), Digits(""))[1] == (Hangup("USER_BUSY"),)
    assert run(found, Digits("7"), Digits("1"))[1] == (Queue("vip"),)


def test_language_is_asked_for_in_each_and_spoken_from_then_on():
    found = flow(speak={"kind": "language", "say": ["choose"], "choices": {"1": "sr", "2": "en"}, "next": "hello",
                        **ASK},
                 hello={"kind": "say", "say": ["welcome"], "next": "end"})
    assert run(found)[1][0].prompts == ("sr/choose", "en/choose")
    assert run(found, Digits("2"))[1] == (Say(("welcome",), "en"),)
    assert run(found, Digits(""), Digits("#"))[1] == (Say(("welcome",), "sr"),)


@pytest.fixture
def order() -> Flow:
    return flow(order={"kind": "input", "say": ["order"], "min": 4, "max": 6, "check": "luhn", "next": "end",
                       "otherwise": "other", **ASK})


@pytest.mark.parametrize("typed", ["0018", "0018#", "000018"])
def test_input_that_is_right_is_kept(order: Flow, typed: str):
    state, actions = run(order, Digits(typed))
    assert (state.values, actions) == ({"order": typed.rstrip("#")}, (Queue("vip"),))


@pytest.mark.parametrize("typed", ["", "#", "18", "0019", "0000018", "00*18", "#0018", "٠٠١٨"])
def test_input_that_is_wrong_is_asked_again_and_then_given_up(order: Flow, typed: str):
    state, actions = run(order, Digits(typed))
    assert (state.block, actions[0].most) == ("order", 7)
    state, actions = run(order, Digits(typed), Digits(typed))
    assert (state.values, actions) == ({}, (Hangup("USER_BUSY"),))


def test_input_is_confirmed_digit_by_digit():
    found = flow(id={"kind": "input", "say": ["id"], "store": "customer", "confirm": ["entered", "*", "right"],
                     "next": "end", "otherwise": "other", **ASK})
    state, actions = run(found, Digits("70#"))
    assert actions == (Collect(("entered", "number-7", "number-0", "right"), "sr", 1, 4, fresh=True),)
    assert run(found, Digits("70#"), Digits("1"))[0].values == {"customer": "70"}
    again = run(found, Digits("70#"), Digits("2"))
    assert (again[0].typed, again[1][0].prompts[-1]) == (None, "id")
    assert run(found, Digits("70#"), Digits(""))[1] == actions
    assert run(found, Digits("70#"), Digits(""), Digits("9"))[1] == (Hangup("USER_BUSY"),)


def test_survey_is_noted_and_nobody_is_made_to_answer():
    found = flow(rate={"kind": "survey", "say": ["rate"], "min": 1, "max": 5, "next": "end", **ASK})
    state, actions = run(found, Digits("4"))
    assert (state.values, actions) == ({"rate": "4"}, (Note("rate", "4"), Queue("vip")))
    assert run(found, Digits("6"), Digits("0"))[1] == (Queue("vip"),)


@pytest.mark.parametrize(("caller", "end"), [
    ("+381601112223", Queue("vip")), ("+381611112223", Hangup("USER_BUSY")), ("+441611112223", Queue("helpdesk")),
    ("anonymous", Transfer("100", "phones")),
])
def test_number_goes_by_the_longest_prefix(caller: str, end: Any):
    found = flow(number={"kind": "number", "otherwise": "line", "choices": {
        "+381": "other", "+38160": "end", "anonymous": "away"}},
        line={"kind": "queue"}, away={"kind": "transfer", "extension": "100", "context": "phones"})
    assert run(found, caller=caller)[1] == (end,)


def test_list_and_set_and_an_agent_by_name_of_a_value():
    found = flow(known={"kind": "list", "lists": ["none", "known"], "next": "set", "otherwise": "other"},
                 set={"kind": "set", "values": {"who": "1005", "note": "from {caller} {language} {nothing}"},
                      "next": "agent"},
                 agent={"kind": "agent", "of": "who", "say": ["connecting"]})
    state, actions = run(found)
    assert actions == (Say(("connecting",), "sr"), Agent("1005", "helpdesk"))
    assert state.values["note"] == "from +381601112223 sr"
    assert run(found, caller="anonymous")[1] == (Hangup("USER_BUSY"),)


def test_a_message_is_recorded_for_a_line():
    found = flow(mail={"kind": "voicemail", "say": ["voicemail"], "max_s": 30, "line": "vip", "next": "end"})
    assert run(found)[1] == (Say(("voicemail",), "sr"), Record("vip", 30))
    assert run(found, Said())[1] == (Queue("vip"),)


def test_schedule_is_open_or_not():
    found = flow(hours={"kind": "schedule", "schedule": "desk", "next": "end", "otherwise": "other"})
    assert run(found)[1] == (Queue("vip"),)
    night = situation(now=MONDAY + timedelta(hours=12))
    assert step(found, begin(found), Begin(), night)[1] == (Hangup("USER_BUSY"),)
    assert step(found, begin(found), Begin(), replace(night, schedules={}))[1] == (Hangup("USER_BUSY"),)


def test_lookup_asks_and_takes_what_it_wants():
    found = flow(look={"kind": "lookup", "url": "http://127.0.0.1/?n={caller}&x={x}", "timeout_s": 2, "say": ["moment"],
                       "store": {"name": "customer.name", "second": "list.1.id", "none": "customer.name.first"},
                       "next": "end", "otherwise": "other"})
    assert run(found)[1] == (Say(("moment",), "sr"), Ask("http://127.0.0.1/?n=%2B381601112223&x=", 2))
    assert run(found, Failed("slow"))[1] == (Hangup("USER_BUSY"),)
    answer = Answer({"customer": {"name": "Ana;\n${x}=1"}, "list": [{}, {"id": 7}]})
    state, actions = run(found, answer)
    assert (state.values, actions) == ({"name": "Ana x 1", "second": "7", "none": ""}, (Queue("vip"),))


def test_a_block_that_is_gone_leads_to_the_line(order: Flow):
    assert step(order, State("main", "gone"), Digits("1"), situation())[1] == (Queue("helpdesk"),)


def test_a_circle_that_nobody_checked_comes_to_an_end():
    found = flow(one={"kind": "set", "values": {"x": "1"}, "next": "two"},
                 two={"kind": "number", "choices": {"+999": "end"}, "otherwise": "one"})
    state, actions = run(found)
    assert (len(state.path), actions) == (MAX_PATH, (Queue("helpdesk"),))


# -- whatever the flow, whatever the caller ------------------------------------------------------------------------

NAMES = [f"b{number}" for number in range(7)]
TARGET = st.sampled_from([*NAMES, "gone"])
KEYS = st.sampled_from("0123456789*#")
PROMPTS = st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2)


def _block(kind: str, **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"kind": st.just(kind), **more}, optional={
        "tries": st.integers(1, 3), "invalid": PROMPTS, "silent": PROMPTS})


BLOCK = st.one_of(
    _block("say", say=PROMPTS, next=TARGET),
    _block("menu", say=PROMPTS, choices=st.dictionaries(KEYS, TARGET, min_size=1), otherwise=TARGET),
    _block("language", say=PROMPTS, choices=st.dictionaries(KEYS, st.sampled_from(["sr", "en"]), min_size=1),
           next=TARGET),
    _block("input", say=PROMPTS, max=st.integers(1, 4), check=st.sampled_from(["none", "luhn", "mod97", "mod11"]),
           confirm=st.lists(st.sampled_from(["a", "*"]), max_size=2), next=TARGET, otherwise=TARGET),
    _block("survey", say=PROMPTS, next=TARGET), _block("voicemail", next=TARGET),
    _block("callback", otherwise=TARGET), _block("callback", next=TARGET, otherwise=TARGET),
    _block("number", choices=st.dictionaries(st.sampled_from(["+381", "+38160", "anonymous"]), TARGET),
           otherwise=TARGET),
    _block("schedule", schedule=st.just("desk"), next=TARGET, otherwise=TARGET),
    _block("list", lists=st.just(["known"]), next=TARGET, otherwise=TARGET),
    _block("lookup", url=st.just("http://x/{caller}"), store=st.just({"v": "a.b"}), next=TARGET, otherwise=TARGET),
    _block("set", values=st.just({"v": "{called}"}), next=TARGET),
    _block("queue"), _block("agent", agent=st.just("1001")), _block("hangup"),
    _block("transfer", extension=st.just("1"), context=st.just("c")),
)
GIVEN = st.one_of(
    st.builds(Digits, st.text("0123456789*#", max_size=6)), st.just(Said()), st.just(Failed("slow")), st.just(Begin()),
    st.sampled_from([Noted(), Already(), Refused("gone")]),
    st.builds(Answer, st.dictionaries(st.sampled_from(["a", "b"]), st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner), max_leaves=5))),
)


@settings(max_examples=300, deadline=None)
@given(blocks=st.fixed_dictionaries(dict.fromkeys(NAMES, BLOCK)), inputs=st.lists(GIVEN, max_size=25),
       caller=st.sampled_from(["+381601112223", "anonymous", "+44161"]))
def test_no_flow_leaves_a_caller_without_an_action(blocks: dict[str, Any], inputs: list[Any], caller: str):
    found = flow_from("main", {"line": "helpdesk", "start": "b0", "languages": ["sr"], "block": blocks})
    now = situation(caller)
    state, actions = step(found, begin(found), Begin(), now)
    for one in inputs:
        assert actions
        assert isinstance(actions[-1], (*END, Say, Collect, Ask, Record, Request))
        assert not any(isinstance(action, (*END, Collect, Ask, Request)) for action in actions[:-1])
        assert len(state.path) <= MAX_PATH
        again = read_state({name: text for name, text in written(state).items() if text})
        assert again is not None
        assert (again.block, again.path, again.language) == (state.block, state.path, state.language)
        if isinstance(actions[-1], END):
            return
        before = state
        state, actions = step(found, state, one, now)
        assert step(found, before, one, now) == (state, actions)


@settings(max_examples=200, deadline=None)
@given(blocks=st.fixed_dictionaries(dict.fromkeys(NAMES, BLOCK)))
def test_who_never_does_anything_comes_to_an_end(blocks: dict[str, Any]):
    found = flow_from("main", {"line": "helpdesk", "start": "b0", "block": blocks})
    state, actions = step(found, begin(found), Begin(), situation())
    for _ in range(10 * MAX_PATH):
        if isinstance(actions[-1], END):
            break
        nothing = {Say: Said(), Record: Said(), Collect: Digits(""), Ask: Failed("down")}[type(actions[-1])]
        state, actions = step(found, state, nothing, situation())
    assert isinstance(actions[-1], END)
    for id_ in state.path[:-1]:
        assert id_ in found.blocks and list(exits(found.blocks[id_]))


@given(st.text(max_size=300))
def test_a_value_is_harmless(text: str):
    value = clean_value(text)
    assert len(value) <= 64 and not set(value) & set(";=&%\n\r${}'\"|<>`\\") - {"'"}
    state = State("main", "b", 1, None, {"v": value}, ("b",))
    assert read_state({name: found for name, found in written(state).items() if found}) == state
    assert read_state(left(state)) is None


@given(st.dictionaries(st.sampled_from(list(written(State("a", "b")))), st.text(max_size=60)))
def test_what_comes_back_from_the_call_is_a_state_or_none(found: dict[str, str]):
    state = read_state(found)
    if state is not None:
        assert read_state({name: text for name, text in written(state).items() if text}) == state


@pytest.mark.parametrize(("check", "right", "wrong"), [
    ("luhn", "79927398713", "79927398710"), ("mod97", "1165", "1166"), ("mod11", "12345674", "12345675"),
    ("none", "1", ""),
])
def test_check_digits(check: str, right: str, wrong: str):
    assert passes(check, right)
    assert not passes(check, wrong)
