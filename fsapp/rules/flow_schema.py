"""The shape of a flow and of each kind of block, value by value (pydantic). Knows nothing of other blocks."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from fsapp.rules.values import AgentId, LineName, Name, Table, plain_name, plain_text

__all__ = ["BLOCKS", "Flow"]

_KEY = re.compile(r"[0-9*#]\Z", re.ASCII)
_PREFIX = re.compile(r"(\+?[0-9]{1,32}|anonymous|[a-z0-9]+(-[a-z0-9]+)*)\Z", re.ASCII)
_URL = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~/?&=+,:;@!*()%{}-]*)?\Z", re.ASCII)
_FIELD = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,7}\Z", re.ASCII)
_EXTENSION = re.compile(r"[A-Za-z0-9_+*#.@-]{1,128}\Z", re.ASCII)
_CONTEXT = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z", re.ASCII)
_CAUSE = re.compile(r"[A-Z][A-Z_]{2,48}\Z", re.ASCII)
_NAMED = re.compile(r"\{[a-z0-9-]+\}", re.ASCII)
_TYPED = "*"


def _key(value: str) -> str:
    if not _KEY.match(value):
        raise ValueError('is no key of a phone; write 0-9, "*" or "#"')
    return value


def _digit(value: str) -> str:
    if value not in "123456789" or len(value) != 1:
        raise ValueError("is no key for a language; write 1-9")
    return value


def _prefix(value: str) -> str:
    if len(value) > 64 or not _PREFIX.match(value):
        raise ValueError('is no beginning of a number; write for example "+38160", or "anonymous"')
    return value


def _confirmed(value: str) -> str:
    return value if value == _TYPED else plain_name(value)


def _filled(value: str) -> str:
    """A text with names in braces: what is around them is a plain line."""
    plain_text(_NAMED.sub("x", value))
    return value


def _url(value: str) -> str:
    if len(value) > 1000 or not _URL.match(value):
        raise ValueError("is no address to look something up at; write for example "
                         "http://127.0.0.1:8080/customers?number={caller}")
    return value


def _matching(pattern: re.Pattern[str], what: str):
    def check(value: str) -> str:
        if not pattern.match(value):
            raise ValueError(what)
        return value
    return AfterValidator(check)


Target = Name
Prompts = list[Name]
Some = Annotated[Prompts, Field(min_length=1, max_length=20)]
Key = Annotated[str, AfterValidator(_key)]
LanguageKey = Annotated[str, AfterValidator(_digit)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Confirmed = Annotated[str, AfterValidator(_confirmed)]
Url = Annotated[str, AfterValidator(_url)]
FilledText = Annotated[str, AfterValidator(_filled)]
FieldPath = Annotated[str, _matching(_FIELD, "is no place in a JSON object; write for example customer.name")]
Extension = Annotated[str, _matching(_EXTENSION, "is no extension; write letters, digits and + * # . @ _ -")]
Context = Annotated[str, _matching(_CONTEXT, "is no context of the dialplan")]
Cause = Annotated[str, _matching(_CAUSE, "is no cause; write for example NORMAL_CLEARING")]
Length = Annotated[int, Field(ge=1, le=32)]
Value = Annotated[int, Field(ge=0, le=9)]


class Say(Table):
    kind: Literal["say"]
    say: Some
    next: Target


class _Asking(Table):
    say: Some
    invalid: Prompts = []
    silent: Prompts = []
    tries: Annotated[int, Field(ge=1, le=9)] = 3
    timeout_s: Annotated[int, Field(ge=1, le=60)] = 5


class Menu(_Asking):
    kind: Literal["menu"]
    choices: Annotated[dict[Key, Target], Field(min_length=1)]
    otherwise: Target


class Language(_Asking):
    kind: Literal["language"]
    choices: Annotated[dict[LanguageKey, Name], Field(min_length=1)]
    next: Target
    otherwise: Target | None = None


class Input(_Asking):
    kind: Literal["input"]
    store: Name | None = None
    min: Length = 1
    max: Length = 32
    check: Literal["none", "luhn", "mod97", "mod11"] = "none"
    confirm: list[Confirmed] = []
    next: Target
    otherwise: Target


class Survey(_Asking):
    kind: Literal["survey"]
    store: Name | None = None
    min: Value = 1
    max: Value = 9
    next: Target
    otherwise: Target | None = None


class Voicemail(Table):
    kind: Literal["voicemail"]
    say: Prompts = []
    max_s: Annotated[int, Field(ge=5, le=600)] = 120
    line: LineName | None = None
    next: Target


class Callback(Table):
    kind: Literal["callback"]
    say: Prompts = []
    tries: Annotated[int, Field(ge=1, le=9)] = 3
    timeout_s: Annotated[int, Field(ge=1, le=60)] = 5
    line: LineName | None = None
    next: Target | None = None
    otherwise: Target


class Number(Table):
    kind: Literal["number"]
    of: Name = "caller"
    choices: Annotated[dict[Prefix, Target], Field(min_length=1)]
    otherwise: Target


class List(Table):
    kind: Literal["list"]
    of: Name = "caller"
    lists: Annotated[list[Name], Field(min_length=1)]
    next: Target
    otherwise: Target


class Schedule(Table):
    kind: Literal["schedule"]
    schedule: Name
    next: Target
    otherwise: Target


class Lookup(Table):
    kind: Literal["lookup"]
    say: Prompts = []
    url: Url
    timeout_s: Annotated[int, Field(ge=1, le=10)] = 3
    store: dict[Name, FieldPath] = {}
    next: Target
    otherwise: Target


class Set(Table):
    kind: Literal["set"]
    values: Annotated[dict[Name, FilledText], Field(min_length=1, max_length=20)]
    next: Target


class Queue(Table):
    kind: Literal["queue"]
    say: Prompts = []
    line: LineName | None = None


class Agent(Table):
    kind: Literal["agent"]
    say: Prompts = []
    agent: AgentId | None = None
    of: Name | None = None
    line: LineName | None = None


class Transfer(Table):
    kind: Literal["transfer"]
    say: Prompts = []
    extension: Extension
    context: Context


class Hangup(Table):
    kind: Literal["hangup"]
    say: Prompts = []
    cause: Cause = "NORMAL_CLEARING"


BLOCKS: dict[str, type[Table]] = {
    "say": Say, "menu": Menu, "language": Language, "input": Input, "survey": Survey, "voicemail": Voicemail,
    "callback": Callback, "number": Number, "list": List, "schedule": Schedule, "lookup": Lookup, "set": Set,
    "queue": Queue, "agent": Agent, "transfer": Transfer, "hangup": Hangup,
}
Block = Annotated[
    Say | Menu | Language | Input | Survey | Voicemail | Callback | Number | List | Schedule | Lookup | Set | Queue
    | Agent | Transfer | Hangup,
    Field(discriminator="kind"),
]


class Flow(Table):
    line: LineName
    start: Target | None = None
    languages: list[Name] = []
    limit_s: Annotated[int, Field(ge=10, le=3600)] = 300
    block: dict[Name, Block] = {}
