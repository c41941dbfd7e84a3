"""What is taken out of events and states of calls when a person is erased: who it was, not what happened. Pure.

What stays makes the same figures as before: times, queues, agents, outcomes. What was said, typed or noted goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fsapp.core.recording import read_name

__all__ = ["figures_of", "identities", "looks_like", "maybe_in", "names", "scrub", "scrub_state"]

_NUMBERS = ("number", "caller", "called", "carried_number")
_FILES = ("file", "fsapp_recording")
_IDS = ("call", "carried_call", "task")
_PERSONAL = frozenset({
    "name", "contact", "customer", "note", "facts", "trace", "values", "file", "files", "text", "subject",
    "fsapp_contact", "fsapp_customer", "fsapp_recording", "fsapp_values", "fsapp_carry_from", "fsapp_about", "fields",
})
_OF_STATES = frozenset({"name", "contact", "customer", "file", "files"})
_FIGURES = ("rights", "sticky")
Gone = Callable[[str], bool]


def identities(event: Mapping[str, Any]) -> Iterator[str]:
    """What an event could be known as a person's by: numbers as they are written, ids of calls and tasks."""
    for name in (*_NUMBERS, *_IDS):
        if isinstance(value := event.get(name), str) and value:
            yield value
    for name in _FILES:
        if isinstance(value := event.get(name), str) and (recorded := read_name(value)):
            yield from (recorded.number, recorded.call)
    if isinstance(contact := event.get("contact"), str) and contact.count("/") == 2:
        yield contact.rpartition("/")[2]
    variables = event.get("variables")
    if isinstance(variables, Mapping):
        for name in ("fsapp_customer", "fsapp_carried_call", "fsapp_task"):
            if isinstance(value := variables.get(name), str) and value:
                yield value


def scrub(event: Mapping[str, Any], gone: Gone) -> dict[str, Any]:
    """The event without who it was about. `gone`: whether a number, as it is written, is one of the person's."""
    found = {}
    for name, value in event.items():
        if name == "facts" and (figures := figures_of(value)):
            found[name] = figures
        elif name in _PERSONAL or (name in _NUMBERS and isinstance(value, str) and gone(value)):
            continue
        else:
            found[name] = scrub(value, gone) if isinstance(value, Mapping) else value
    return found


def figures_of(facts: Any) -> dict[str, Any] | None:
    """Of a decision's facts (`facts_record`) what reports are made of: which agents the caller had a right to."""
    return {name: facts[name] for name in _FIGURES if facts.get(name)} or None if isinstance(facts, Mapping) else None


def scrub_state(state: Any, gone: Gone) -> Any:
    """The state of a call (`core.call_state`) in the same way."""
    if isinstance(state, dict):
        return {
            name: scrub_state(value, gone) for name, value in state.items()
            if name not in _OF_STATES and not (name in _NUMBERS and isinstance(value, str) and gone(value))
        }
    return [scrub_state(one, gone) for one in state] if isinstance(state, list) else state


_TAIL = 9  # digits of a number that any spelling of it keeps
_NO_DIGITS = re.compile(rb"[^0-9]+")


def looks_like(raw: str, numbers: Iterable[str]) -> bool:
    """Whether a number as it came may be one of `numbers` (E.164): what stands behind a national zero is their end."""
    digits = "".join(char for char in raw if char.isdecimal()).lstrip("0")
    return len(digits) >= 6 and any(
        number[1:].endswith(digits) or (len(number) > _TAIL and digits.endswith(number[1:])) for number in numbers)


def maybe_in(payload: bytes, numbers: Iterable[str]) -> bool:
    """Whether bytes may name one of `numbers` (E.164) in some spelling; to be looked at more closely."""
    digits = _NO_DIGITS.sub(b"", payload)
    return any(number[1:][-_TAIL:].encode() in digits for number in numbers)


def names(event: Mapping[str, Any], numbers: Iterable[str]) -> bool:
    """Whether an event is about one of `numbers` (E.164)."""
    return any(looks_like(one, numbers) for one in identities(event))
