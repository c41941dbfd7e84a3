"""The values that tables of the rules are made of: names, ids, numbers of seconds. Knows no table of its own."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fsapp.core.clean import clean_name
from fsapp.core.schedule import is_timezone, read_days_off, read_exception, read_hours

__all__ = [
    "AgentId", "AgentPriority", "Contact", "Days", "Domain", "Email", "Exceptional", "Holiday", "Hours", "Key",
    "LineName", "Name", "Region", "Ring", "Route", "Seconds", "Sip", "Strategy", "Table", "Text", "Timezone",
    "Wait", "is_region", "plain_name", "plain_text",
]

MAX_NAME = 64
MAX_WAIT_S = 3600
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z", re.ASCII)
_AGENT = re.compile(r"[0-9]{2,8}\Z", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z", re.ASCII)
# Where a phone is, as the switch dials it: nothing of what the switch would expand, split at or start a line with.
_CONTACT = re.compile(r"[a-z][a-z0-9_.]{0,31}/[A-Za-z0-9_.:@;=/+~-]{1,200}\Z", re.ASCII)
_ROUTE = re.compile(r"[a-z][a-z0-9_.]{0,31}/[A-Za-z0-9_.:@/+{}-]{1,200}\Z", re.ASCII)
_RING = re.compile(r"[A-Za-z0-9_.:@;=/+<> -]{0,120}\Z", re.ASCII)  # an empty one: as always
_SIP = re.compile(r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}\Z", re.ASCII)
_EMAIL = re.compile(r"[\w.%+'-]{1,64}@[\w-]+(\.[\w-]+)+\Z")


def plain_name(value: str) -> str:
    if len(value) > MAX_NAME or not _NAME.match(value):
        raise ValueError(f"is no name; write small letters, digits and single hyphens, at most {MAX_NAME}")
    return value


def _line_name(value: str) -> str:
    if value.startswith(("agent-", "group-", "list-")):
        raise ValueError('begins like the queue of an agent, a group or a list; choose a name without "agent-", '
                         '"group-" or "list-"')
    return plain_name(value)


def _agent_id(value: str) -> str:
    if not _AGENT.match(value):
        raise ValueError("is no agent; write an id of 2 to 8 digits")
    return value


def _email(value: str) -> str:
    if not _EMAIL.match(value) or len(value) > 254:
        raise ValueError("is no e-mail address; write for example ana@example.com")
    return value


def plain_text(value: str) -> str:
    if not value or clean_name(value) != value:
        raise ValueError('is no plain line of text; write 1 to 80 characters without | $ ^ { } \\ ` " < > or '
                         "control characters, without spaces at the ends or two in a row")
    return value


def _domain(value: str) -> str:
    if not _DOMAIN.match(value) or ".." in value:
        raise ValueError("is no domain; write small letters, digits, hyphens and dots")
    return value


def _contact(value: str) -> str:
    if not _CONTACT.match(value):
        raise ValueError("is no phone; write where the switch dials it, for example user/1001@fsapp or "
                         "sofia/phones/1001@10.0.0.7, without spaces, quotes, commas, brackets, | or $")
    return value


def _ring(value: str) -> str:
    if not _RING.match(value):
        raise ValueError("is no Alert-Info; write what your phones know, for example <http://127.0.0.1>;info=callback")
    return value


def _sip(value: str) -> str:
    if not _SIP.match(value) or not 0 < int(value.rpartition(":")[2]) < 65536:
        raise ValueError("is no HOST:PORT; write where other switches reach this one by SIP, for example 10.0.0.7:5070")
    return value


def _route(value: str) -> str:
    if not _ROUTE.match(value) or value.count("{number}") != 1:
        raise ValueError("is no way to dial; write it with {number} once, for example sofia/gateway/trunk/{number}, "
                         "without spaces, quotes, commas, brackets, | or $")
    return value


def _key(value: str) -> str:
    if not re.match(r"[0-9*#]?\Z", value, re.ASCII):
        raise ValueError('is no key; write one of 0-9, "*" and "#", or "" for none')
    return value


def is_region(value: object) -> bool:
    """Whether `value` is a country whose way of writing numbers is known."""
    return isinstance(value, str) and value in phonenumbers.SUPPORTED_REGIONS


def _region(value: str) -> str:
    if not is_region(value):
        raise ValueError('is no country; write its two capital letters, for example "RS"')
    return value


def _timezone(value: str) -> str:
    if not is_timezone(value):
        raise ValueError('is no time zone; write for example "Europe/Belgrade"')
    return value


def _hours(value: str) -> str:
    read_hours(value)
    return value


def _holiday(value: str) -> str:
    read_days_off([value])
    return value


def _exception(value: str) -> str:
    read_exception(value)
    return value


Name = Annotated[str, AfterValidator(plain_name)]
LineName = Annotated[str, AfterValidator(_line_name)]
AgentId = Annotated[str, AfterValidator(_agent_id)]
Text = Annotated[str, AfterValidator(plain_text)]
Domain = Annotated[str, AfterValidator(_domain)]
Region = Annotated[str, AfterValidator(_region)]
Email = Annotated[str, AfterValidator(_email)]
Sip = Annotated[str, AfterValidator(_sip)]
Timezone = Annotated[str, AfterValidator(_timezone)]
Hours = Annotated[str, AfterValidator(_hours)]
Holiday = Annotated[str, AfterValidator(_holiday)]
Exceptional = Annotated[str, AfterValidator(_exception)]
Contact = Annotated[str, AfterValidator(_contact)]
Ring = Annotated[str, AfterValidator(_ring)]
Route = Annotated[str, AfterValidator(_route)]
Key = Annotated[str, AfterValidator(_key)]
Seconds = Annotated[int, Field(ge=0, le=3600)]
Days = Annotated[int, Field(ge=1, le=3650)]
Wait = Annotated[int, Field(ge=1, le=MAX_WAIT_S)]
Strategy = Literal["longest-idle", "least-busy", "fewest-calls"]
AgentPriority = Annotated[int, Field(ge=0, le=10)]


class Table(BaseModel):
    """A table that has no keys but its own."""

    model_config = ConfigDict(extra="forbid", strict=True)
