"""The blocks of a flow as values, built from a checked document, and where each leads. Runs nothing.

Every block is one of a kind; what a kind does is in `steps`, what may be written of it in `fsapp.rules.flow_schema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["CALLBACK_PROMPTS", "ENDS", "WAITS", "Block", "Flow", "Kind", "exits", "flow_from", "prompts_of"]

DEFAULT_TRIES = 3
DEFAULT_TIMEOUT_S = 5
DEFAULT_LIMIT_S = 300
DEFAULT_LOOKUP_S = 3
DEFAULT_MESSAGE_S = 120
MAX_DIGITS = 32
# What a callback block says whatever the rules are; * is the number.
CALLBACK_PROMPTS = (
    "callback-number", "*", "callback-confirm", "callback-enter", "callback-noted", "callback-already",
    "callback-refused", "callback-failed", "invalid", "no-input",
)


class Kind(StrEnum):
    """What a block does."""

    SAY = "say"
    MENU = "menu"
    LANGUAGE = "language"
    INPUT = "input"
    SURVEY = "survey"
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"
    NUMBER = "number"
    LIST = "list"
    SCHEDULE = "schedule"
    LOOKUP = "lookup"
    SET = "set"
    QUEUE = "queue"
    AGENT = "agent"
    TRANSFER = "transfer"
    HANGUP = "hangup"


# Blocks at which the caller hears or does something, so that a way round through them may go on for ever.
WAITS = frozenset({
    Kind.SAY, Kind.MENU, Kind.LANGUAGE, Kind.INPUT, Kind.SURVEY, Kind.VOICEMAIL, Kind.CALLBACK,
})
ENDS = frozenset({Kind.QUEUE, Kind.AGENT, Kind.TRANSFER, Kind.HANGUP})


@dataclass(frozen=True, slots=True)
class Block:
    """One block. Which of the values mean something depends on its kind; a target is the id of a block.

    `say`, `invalid`, `silent`: ids of prompts: what is said, and what before it is said again. `choices`: a target (or
    a language) by key or prefix. `store`: the name a value is kept under; `stores`: names, each with its text or, of a
    lookup, the path in the answer.
    """

    id: str
    kind: Kind
    say: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    next: str | None = None
    otherwise: str | None = None
    tries: int = DEFAULT_TRIES
    timeout_s: int = DEFAULT_TIMEOUT_S
    store: str = ""
    stores: Mapping[str, str] = field(default_factory=dict)
    least: int = 1
    most: int = 1
    most_s: int = DEFAULT_MESSAGE_S
    check: str = "none"
    confirm: tuple[str, ...] = ()
    of: str = "caller"
    lists: tuple[str, ...] = ()
    schedule: str = ""
    url: str = ""
    line: str = ""
    agent: str = ""
    extension: str = ""
    context: str = ""
    cause: str = "NORMAL_CLEARING"


@dataclass(frozen=True, slots=True)
class Flow:
    """A scenario callers of a number run through.

    `line` is where it leads when nothing else is said, and whatever goes wrong. `start` None: there are no blocks, it
    leads to the line at once. `languages`: the first is spoken until another is chosen; none: what the switch speaks.
    `limit_s`: how long it may talk to one caller in all.
    """

    name: str
    line: str
    start: str | None = None
    blocks: Mapping[str, Block] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    limit_s: int = DEFAULT_LIMIT_S


def flow_from(name: str, spec: Mapping[str, Any]) -> Flow:
    """A flow from its table in a checked document."""
    blocks = {id_: _block(id_, block) for id_, block in spec.get("block", {}).items()}
    return Flow(
        name, spec["line"], spec.get("start") if blocks else None, blocks, tuple(spec.get("languages", ())),
        spec.get("limit_s", DEFAULT_LIMIT_S),
    )


_PLAIN = (
    "next", "otherwise", "tries", "check", "of", "schedule", "url", "line", "agent", "extension", "context", "cause",
)


def _block(id_: str, spec: Mapping[str, Any]) -> Block:
    kind = Kind(spec["kind"])
    found: dict[str, Any] = {key: spec[key] for key in _PLAIN if key in spec}
    found |= {key: tuple(spec[key]) for key in ("say", "invalid", "silent", "confirm", "lists") if key in spec}
    found["timeout_s"] = spec.get("timeout_s", DEFAULT_LOOKUP_S if kind is Kind.LOOKUP else DEFAULT_TIMEOUT_S)
    found["most_s"] = spec.get("max_s", DEFAULT_MESSAGE_S)
    found["choices"] = dict(spec.get("choices", {}))
    store = spec.get("store")
    if isinstance(store, Mapping):
        found["stores"] = dict(store)
    elif kind is Kind.SET:
        found["stores"] = dict(spec["values"])
    else:
        found["store"] = store or id_
    least = spec.get("min", 1)
    found |= {"least": least, "most": spec.get("max", 9 if kind is Kind.SURVEY else max(least, MAX_DIGITS))}
    return Block(id_, kind, **found)


def exits(block: Block) -> Iterator[tuple[str, str]]:
    """The ways out of a block: what they are called, and the block each leads to. None of a block that ends a flow."""
    if block.kind in ENDS:
        return
    if block.kind in (Kind.MENU, Kind.NUMBER):
        for key, target in block.choices.items():
            yield key, target
    for name in ("next", "otherwise"):
        target = getattr(block, name)
        if target is not None:
            yield name, target


def prompts_of(block: Block) -> Iterator[tuple[str, str]]:
    """The prompts a block may say, each with the key that names it."""
    for key in ("say", "invalid", "silent", "confirm"):
        for prompt in getattr(block, key):
            yield key, prompt
    if block.kind is Kind.CALLBACK:
        for prompt in CALLBACK_PROMPTS:
            yield "kind", prompt
