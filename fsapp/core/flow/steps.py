"""The interpreter of flows: `step(flow, state, given, situation) -> (state, actions)`. Pure; does nothing itself.

The actions are to be done in order. The last one either ends the flow (`actions.END`) or brings what the next step is
given: Say and Record `Said`, Collect `Digits`, Ask `Answer` or `Failed`, Request `Noted`, `Already`, `Refused` or
`Failed`. There is always a last one: whatever the rules, the state or the caller are like, no caller is left without an
action.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from fsapp.core.flow.actions import (
    Action,
    Agent,
    Answer,
    Ask,
    Begin,
    Collect,
    Digits,
    Given,
    Hangup,
    Note,
    Queue,
    Record,
    Say,
    Transfer,
)
from fsapp.core.flow.asking import NEXT, asked, offered, question
from fsapp.core.flow.blocks import Block, Flow, Kind
from fsapp.core.flow.check_digit import passes
from fsapp.core.flow.situation import Situation
from fsapp.core.flow.state import MAX_PATH, State, clean_value
from fsapp.core.schedule import open_at

__all__ = ["TYPED", "Situation", "begin", "step"]

TYPED = "*"      # among the prompts of `confirm`: the digits typed
_YES, _NO = "1", "2"
_NAMED = re.compile(r"\{([a-z0-9-]+)\}", re.ASCII)
_KEYS = re.compile(r"[0-9]+\Z", re.ASCII)
_DEEPEST = 8     # of a path into what a lookup found


Stepped = tuple[State, tuple[Action, ...]]


def begin(flow: Flow, version: int = 0) -> State:
    """The state of a caller who comes into this flow, to be stepped with `Begin`."""
    return State(flow.name, flow.start or "", version, flow.languages[0] if flow.languages else None)


def step(flow: Flow, state: State, given: Given, situation: Situation) -> Stepped:
    """What is done next, and where the caller is then. What was given and does not belong here asks once more."""
    block = flow.blocks.get(state.block)
    if block is None:
        return state, (Queue(flow.line),)
    if isinstance(given, Begin):
        path = state.path[:-1] if state.path[-1:] == (block.id,) else state.path
        return _enter(flow, replace(state, path=path), block.id, situation)
    take = _TAKES.get(block.kind)
    return take(flow, block, state, given, situation) if take else _enter(flow, state, block.id, situation)


def _enter(
    flow: Flow, state: State, target: str | None, situation: Situation, before: tuple[Action, ...] = (),
) -> Stepped:
    """Goes on to a block, and through those that only decide; None leads to the line."""
    while target is not None and len(state.path) < MAX_PATH:
        block = flow.blocks.get(target)
        if block is None:
            break
        state = replace(state, block=block.id, path=(*state.path, block.id), tries=0, typed=None)
        if block.kind is Kind.CALLBACK:
            state = replace(state, typed=offered(situation))
        decide = _DECIDES.get(block.kind)
        if decide is None:
            return state, (*before, *_actions(flow, block, state, situation))
        state, target = decide(block, state, situation)
    return state, (*before, Queue(flow.line))


# -- what is done at a block ---------------------------------------------------------------------------------------

def _actions(flow: Flow, block: Block, state: State, situation: Situation) -> tuple[Action, ...]:
    if block.kind in (Kind.MENU, Kind.LANGUAGE, Kind.INPUT, Kind.SURVEY):
        return (_collect(block, state, ()),)
    if block.kind is Kind.CALLBACK:
        return (question(block, state, before=block.say),)
    if block.kind is Kind.SAY:
        return (Say(block.say, state.language),)
    first = (Say(block.say, state.language),) if block.say else ()
    if block.kind is Kind.LOOKUP:
        return (*first, Ask(_filled(block.url, state, situation, quoted=True), block.timeout_s))
    line = block.line or flow.line
    if block.kind is Kind.VOICEMAIL:
        return (*first, Record(line, block.most_s))
    if block.kind is Kind.QUEUE:
        return (*first, Queue(line))
    if block.kind is Kind.AGENT:
        return (*first, Agent(block.agent or state.values.get(block.of, ""), line))
    if block.kind is Kind.TRANSFER:
        return (*first, Transfer(block.extension, block.context))
    return (*first, Hangup(block.cause))


def _collect(block: Block, state: State, before: tuple[str, ...], *, fresh: bool = False) -> Collect:
    if block.kind is Kind.INPUT:
        # One more than may be: who types too many is told so, and # ends a shorter one.
        return Collect(before + block.say, state.language, block.most + 1, block.timeout_s, ended=True, fresh=fresh)
    said = block.say
    if block.kind is Kind.LANGUAGE:  # each in its own, as nobody knows yet which one is understood
        said = tuple(f"{language}/{prompt}" for language in block.choices.values() for prompt in block.say)
    return Collect(before + said, state.language, 1, block.timeout_s, fresh=fresh)


def _confirm(block: Block, state: State) -> Collect:
    prompts: list[str] = []
    for prompt in block.confirm:
        prompts += [f"number-{digit}" for digit in state.typed or ""] if prompt == TYPED else [prompt]
    return Collect(tuple(prompts), state.language, 1, block.timeout_s, fresh=True)


def _filled(text: str, state: State, situation: Situation, *, quoted: bool = False) -> str:
    """`text` with what stands in braces replaced: caller, called, language, a value that was stored, else nothing."""

    def named(found: re.Match[str]) -> str:
        value = _value(found.group(1), state, situation)
        return quote(value, safe="") if quoted else value
    return _NAMED.sub(named, text)


def _value(name: str, state: State, situation: Situation) -> str:
    if name == "caller":
        return situation.caller.e164 or ""
    if name == "called":
        return situation.called.e164 or situation.called.raw
    return state.language or "" if name == "language" else state.values.get(name, "")


# -- what the caller did -------------------------------------------------------------------------------------------

def _again(flow: Flow, block: Block, state: State, given: Given, situation: Situation, last: str | None) -> Stepped:
    """Nothing, or what is not known: it is said so and asked once more, until the tries are over."""
    typed = isinstance(given, Digits) and given.text != ""
    state = replace(state, tries=state.tries + 1, typed=None)
    if state.tries >= block.tries:
        return _enter(flow, state, last, situation)
    return state, (_collect(block, state, block.invalid if typed else block.silent, fresh=typed),)


def _said(flow: Flow, block: Block, state: State, given: Given, situation: Situation) -> Stepped:
    return _enter(flow, state, block.next, situation)


def _menu(flow: Flow, block: Block, state: State, given: Given, situation: Situation) -> Stepped:
    target = block.choices.get(given.text) if isinstance(given, Digits) else None
    if target is None:
        return _again(flow, block, state, given, situation, block.otherwise)
    return _enter(flow, state, target, situation)


def _language(flow: Flow, block: Block, state: State, given: Given, situation: Situation) -> Stepped:
    """Who chooses none gets the flow's first, and goes on."""
    language = block.choices.get(given.text) if isinstance(given, Digits) else None
    if language is None:
        return _again(flow, block, state, given, situation, block.otherwise or block.next)
    return _enter(flow, replace(state, language=language), block.next, situation)


def _survey(flow: Flow, block: Block, state: State, given: Given, situation: Situation) -> Stepped:
    """Nobody is made to answer: without an answer it goes on as with one."""
    text = given.text if isinstance(given, Digits) else ""
    if not _KEYS.match(text) or not block.least <= int(text) <= block.most:
        return _again(flow, block, state, given, situation, block.otherwise or block.next)
    return _enter(flow, _stored(state, block.store, text), block.next, situation, (Note(block.id, text),))


def _input(flow: Flow, block: Block, state: State, given: Given, situation: Situation) -> Stepped:
    # The key that ends an input is among the digits where it cut a prompt short.
    text = given.text.partition("#")[0] if isinstance(given, Digits) else ""
    if state.typed is not None:
        return _confirmed(flow, block, state, text, situation)
    if not _KEYS.match(text) or not block.least <= len(text) <= block.most or not passes(block.check, text):
        return _again(flow, block, state, Digits(text), situation, block.otherwise)
    if block.confirm:
        state = replace(state, typed=text)
        return state, (_confirm(block, state),)
    return _enter(flow, _stored(state, block.store, text), block.next, situation)


def _confirmed(flow: Flow, block: Block, state: State, key: str, situation: Situation) -> Stepped:
    if key == _YES:
        return _enter(flow, _stored(state, block.store, state.typed or ""), block.next, situation)
    if key == _NO:
        return _again(flow, block, state, Digits(""), situation, block.otherwise)
    state = replace(state, tries=state.tries + 1)
    if state.tries >= block.tries:
        return _enter(flow, state, block.otherwise, situation)
    return state, (_confirm(block, state),)


def _looked_up(flow: Flow, block: Block, state: State, given: Given, situation: Situation) -> Stepped:
    if not isinstance(given, Answer):
        return _enter(flow, state, block.otherwise, situation)
    for name, path in block.stores.items():
        state = _stored(state, name, _found(given.document, path))
    return _enter(flow, state, block.next, situation)


def _callback(flow: Flow, block: Block, state: State, given: Given, situation: Situation) -> Stepped:
    """Who is to be called back has nothing more to wait for, unless something comes after that."""
    state, actions, way = asked(replace(block, line=block.line or flow.line), state, given, situation)
    if way is None:
        return state, actions
    if way == NEXT and block.next is None:
        return state, (*actions, Hangup(block.cause))
    return _enter(flow, state, block.next if way == NEXT else block.otherwise, situation, actions)


def _found(document: Any, path: str) -> str:
    """The text or number at `a.b.0` of what a lookup found; nothing where there is none."""
    for part in path.split(".")[:_DEEPEST]:
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and len(part) < 6 and int(part) < len(document):
            document = document[int(part)]
        else:
            return ""
    if isinstance(document, bool):
        return "true" if document else "false"
    return str(document)[:1000] if isinstance(document, str | float) or _is_short(document) else ""


def _is_short(number: object) -> bool:
    """Whether it is a whole number that can be written out: Python refuses thousands of digits."""
    return isinstance(number, int) and number.bit_length() < 200


def _stored(state: State, name: str, text: str) -> State:
    return replace(state, values={**state.values, name: clean_value(text)})


_Take = Callable[[Flow, Block, State, Given, Situation], Stepped]
_TAKES: Mapping[Kind, _Take] = {
    Kind.SAY: _said, Kind.MENU: _menu, Kind.LANGUAGE: _language, Kind.INPUT: _input, Kind.SURVEY: _survey,
    Kind.LOOKUP: _looked_up, Kind.VOICEMAIL: _said, Kind.CALLBACK: _callback,
}


# -- blocks that only decide ---------------------------------------------------------------------------------------

def _number(block: Block, state: State, situation: Situation) -> tuple[State, str | None]:
    """By the longest prefix that fits; `anonymous` is a number that has none."""
    number = _value(block.of, state, situation)
    fitting = [prefix for prefix in block.choices if number.startswith(prefix)] if number else []
    if not number and "anonymous" in block.choices:
        return state, block.choices["anonymous"]
    return state, block.choices[max(fitting, key=len)] if fitting else block.otherwise


def _list(block: Block, state: State, situation: Situation) -> tuple[State, str | None]:
    number = _value(block.of, state, situation)
    listed = any(number in situation.lists.get(name, ()) for name in block.lists)
    return state, block.next if listed else block.otherwise


def _schedule(block: Block, state: State, situation: Situation) -> tuple[State, str | None]:
    schedule = situation.schedules.get(block.schedule)
    now_open = schedule is not None and open_at(schedule, situation.now)
    return state, block.next if now_open else block.otherwise


def _set(block: Block, state: State, situation: Situation) -> tuple[State, str | None]:
    for name, text in block.stores.items():
        state = _stored(state, name, _filled(text, state, situation))
    return state, block.next


_DECIDES: Mapping[Kind, Callable[[Block, State, Situation], tuple[State, str | None]]] = {
    Kind.NUMBER: _number, Kind.LIST: _list, Kind.SCHEDULE: _schedule, Kind.SET: _set,
}
