"""What a caller is asked who wants to be called back: on which number. Pure; where it leads is for `steps`.

The caller's own number is offered if it may be dialled, and confirmed or another one typed; without one a number is
typed at once. Only what may be dialled is ever asked for (`dialling.refusal`). Every number typed, every wrong key and
every silence uses up a try, so that it ends whatever is done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import phonenumbers

from fsapp.core.dialling import refusal
from fsapp.core.flow.actions import Action, Already, Collect, Digits, Failed, Given, Noted, Refused, Request, Say
from fsapp.core.flow.blocks import Block, Flow, Kind
from fsapp.core.flow.situation import Situation
from fsapp.core.flow.state import ASKING, State
from fsapp.core.model import PhoneNumber
from fsapp.core.numbers import normalise
from fsapp.core.speech import say_digits

__all__ = ["NEXT", "OTHERWISE", "Turn", "asked", "flow_at", "offered", "question"]

NEXT, OTHERWISE = "next", "otherwise"
LONGEST = 20  # digits: fifteen of E.164 behind the longest way to dial abroad
LIMIT_S, TRIES = 180, 2  # of somebody who could be waiting meanwhile
_YES, _OTHER = "1", "2"


class Turn(NamedTuple):
    """What is done then, and by which way out of the block, None: the caller is still being asked."""

    state: State
    actions: tuple[Action, ...]
    way: str | None = None


def flow_at(place: str) -> Flow:
    """What is asked of somebody who has pressed the key in a queue of this stage or line; its end is the queue."""
    back = Block("back", Kind.QUEUE)
    ask = Block(ASKING, Kind.CALLBACK, line=place, otherwise=back.id, tries=TRIES)
    return Flow("", place, ask.id, {ask.id: ask, back.id: back}, limit_s=LIMIT_S)


def offered(situation: Situation) -> str | None:
    """The caller's own number, in E.164, if it may be called back."""
    return _dialled(situation.caller, situation)


def question(block: Block, state: State, *, before: tuple[str, ...] = ()) -> Collect:
    """What is asked now: whether the number of the state is right, or, without one, which it is."""
    if state.typed is None:
        said = (*before, "callback-enter")
        return Collect(said, state.language, LONGEST + 1, block.timeout_s, ended=True, fresh=True)
    said = ("callback-number", *_spoken(state.typed, state.language), "callback-confirm")
    return Collect((*before, *said), state.language, 1, block.timeout_s, fresh=True)


def asked(block: Block, state: State, given: Given, situation: Situation) -> Turn:
    """What comes of what the caller did, or of the request that was made for them."""
    if isinstance(given, Noted | Already):
        said = "callback-noted" if isinstance(given, Noted) else "callback-already"
        return Turn(state, (Say((said,), state.language),), NEXT)
    if isinstance(given, Refused):
        turn = _ask(block, replace(state, typed=None, tries=state.tries + 1), "callback-refused")
        # Whoever has confirmed a number and is asked no more has to know that nobody calls it.
        return turn if turn.way is None else turn._replace(actions=(Say(("callback-refused",), state.language),))
    if isinstance(given, Failed):
        return Turn(state, (Say(("callback-failed",), state.language),), OTHERWISE)
    if not isinstance(given, Digits):
        return _ask(block, replace(state, tries=state.tries + 1))
    # The key that ends an input is among the digits where it cut a prompt short.
    text = given.text.partition("#")[0]
    if state.typed is not None and text == _YES:
        return Turn(state, (Request(state.typed, block.line),))
    if state.typed is not None and text == _OTHER:
        return _ask(block, replace(state, typed=None))
    state = replace(state, tries=state.tries + 1)
    if not text or state.typed is not None:
        return _ask(block, state, "invalid" if text else "no-input")
    number = _dialled(normalise(text, situation.region), situation) if _digits(text) else None
    if number is None:
        return _ask(block, state, "callback-refused")
    state = replace(state, typed=number)
    return Turn(state, (question(block, state),))


def _ask(block: Block, state: State, *why: str) -> Turn:
    """Once more, unless the tries are over."""
    if state.tries >= block.tries:
        return Turn(state, (), OTHERWISE)
    return Turn(state, (question(block, state, before=why),))


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST


def _dialled(number: PhoneNumber, situation: Situation) -> str | None:
    if refusal(number, situation.dialling, situation.ours, situation.lists) is not None:
        return None
    return number.e164


def _spoken(number: str, language: str | None) -> tuple[str, ...]:
    """A number in E.164 as it is dialled in its own country, so that whoever has it knows it."""
    parsed = phonenumbers.parse(number, None)
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return tuple(say_digits(written, language or ""))
