"""What a flow wants done with a caller, and what it is told of it, in the contact centre's words. Does none of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = [
    "END", "Action", "Agent", "Already", "Answer", "Ask", "Begin", "Collect", "Digits", "Failed", "Given", "Hangup",
    "Note", "Noted", "Queue", "Record", "Refused", "Request", "Said", "Say", "Transfer",
]


class Say(NamedTuple):
    """Play these prompts to their end. `language` None: what the switch speaks; LANGUAGE/PROMPT is in that one."""

    prompts: tuple[str, ...]
    language: str | None


class Collect(NamedTuple):
    """Play these prompts and take keys, which end them: `most` at most.

    `timeout_s`: how long to wait for the first one after the prompts. `ended`: # ends what is typed. `fresh`: keys that
    were pressed before are forgotten.
    """

    prompts: tuple[str, ...]
    language: str | None
    most: int
    timeout_s: int
    ended: bool = False
    fresh: bool = False


class Ask(NamedTuple):
    """Ask this address for a JSON object."""

    url: str
    timeout_s: int


class Record(NamedTuple):
    """Record what the caller says, for so many seconds at most, until a key or a hangup: a message to this line."""

    line: str
    most_s: int


class Note(NamedTuple):
    """Write down what a caller answered to a survey."""

    block: str
    value: str


class Request(NamedTuple):
    """Note that this number, in E.164, is to be called back; `place`: the id of the stage or line whose agents do."""

    number: str
    place: str


class Queue(NamedTuple):
    """The end: the caller waits for this line."""

    line: str


class Agent(NamedTuple):
    """The end: the caller waits for one agent first, then for the line."""

    agent: str
    line: str


class Transfer(NamedTuple):
    """The end: the call is the dialplan's, at this extension of this context."""

    extension: str
    context: str


class Hangup(NamedTuple):
    """The end of the call."""

    cause: str


class Begin(NamedTuple):
    """The caller comes in, at the state's block."""


class Said(NamedTuple):
    """What was to be said has been said."""


class Digits(NamedTuple):
    """What was typed; empty for nothing."""

    text: str


class Answer(NamedTuple):
    """What a lookup found."""

    document: Mapping[str, Any]


class Failed(NamedTuple):
    """A lookup that found nothing, or a request that could not be noted; in one word why."""

    why: str


class Noted(NamedTuple):
    """A callback that was asked for will be made."""


class Already(NamedTuple):
    """It will be made, as it has been asked for before."""


class Refused(NamedTuple):
    """It will not be made: nobody calls this number from here."""

    why: str


Action = Say | Collect | Ask | Record | Note | Request | Queue | Agent | Transfer | Hangup
Given = Begin | Said | Digits | Answer | Failed | Noted | Already | Refused
END = (Queue, Agent, Transfer, Hangup)
