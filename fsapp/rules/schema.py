"""The shape of a rules document, value by value (pydantic). Knows nothing of files or of other tables."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from fsapp.core.clean import clean_name
from fsapp.core.model import CallClass
from fsapp.core.schedule import is_timezone, read_days_off, read_exception, read_hours

__all__ = ["AgentId", "Document", "Name", "is_region", "known_keys"]

MAX_NAME = 64
MAX_WAIT_S = 3600
MAX_CALLBACK_S = 90 * 24 * 3600
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z", re.ASCII)
_AGENT = re.compile(r"[0-9]{2,8}\Z", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\Z", re.ASCII)
# Where a phone is, as the switch dials it: nothing of what the switch would expand, split at or start a line with.
_CONTACT = re.compile(r"[a-z][a-z0-9_.]{0,31}/[A-Za-z0-9_.:@;=/+~-]{1,200}\Z", re.ASCII)
_RING = re.compile(r"[A-Za-z0-9_.:@;=/+<> -]{0,120}\Z", re.ASCII)  # an empty one: as always
_SIP = re.compile(r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}\Z", re.ASCII)
_EMAIL = re.compile(r"[\w.%+'-]{1,64}@[\w-]+(\.[\w-]+)+\Z")


def _name(value: str) -> str:
    if len(value) > MAX_NAME or not _NAME.match(value):
        raise ValueError(f"is no name; write small letters, digits and single hyphens, at most {MAX_NAME}")
    return value


def _line_name(value: str) -> str:
    if value.startswith(("agent-", "group-", "list-")):
        raise ValueError('begins like the queue of an agent, a group or a list; choose a name without "agent-", '
                         '"group-" or "list-"')
    return _name(value)


def _agent_id(value: str) -> str:
    if not _AGENT.match(value):
        raise ValueError("is no agent; write an id of 2 to 8 digits")
    return value


def _email(value: str) -> str:
    if not _EMAIL.match(value) or len(value) > 254:
        raise ValueError("is no e-mail address; write for example ana@example.com")
    return value


def _text(value: str) -> str:
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


Name = Annotated[str, AfterValidator(_name)]
LineName = Annotated[str, AfterValidator(_line_name)]
AgentId = Annotated[str, AfterValidator(_agent_id)]
Text = Annotated[str, AfterValidator(_text)]
Contact = Annotated[str, AfterValidator(_contact)]
Ring = Annotated[str, AfterValidator(_ring)]
Seconds = Annotated[int, Field(ge=0, le=3600)]
Days = Annotated[int, Field(ge=1, le=3650)]
Wait = Annotated[int, Field(ge=1, le=MAX_WAIT_S)]
Strategy = Literal["longest-idle", "least-busy", "fewest-calls"]
AgentPriority = Annotated[int, Field(ge=0, le=10)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Phone(_Table):
    """How agents' phones are treated: for the centre, or for one agent."""

    ring_s: Annotated[int, Field(ge=1, le=60)] | None = None
    wrap_up_s: Seconds | None = None
    reject_delay_s: Seconds | None = None
    busy_delay_s: Seconds | None = None
    no_answer_delay_s: Seconds | None = None
    max_no_answer: Annotated[int, Field(ge=0, le=100)] | None = None


class _Callback(_Table):
    """Direct callback: for the centre, a campaign, a stage or one agent."""

    direct_callback: Annotated[int, Field(ge=0, le=4)] | None = None
    direct_callback_s: Annotated[int, Field(ge=60, le=MAX_CALLBACK_S)] | None = None


class _Sticky(_Table):
    """What makes a customer stick to an agent, and for how long: for the centre, a campaign, a stage or a line."""

    sticky_talk_s: Seconds | None = None
    sticky_days: Days | None = None
    sticky_busy: Literal["wait", "any"] | None = None
    sticky_scope: Literal["centre", "campaign", "place"] | None = None


class Centre(_Phone, _Callback, _Sticky):
    region: Annotated[str, AfterValidator(_region)]
    name: Text | None = None
    domain: Annotated[str, AfterValidator(_domain)] = "fsapp"
    agent_wait_s: Wait | None = None
    group_wait_s: Wait | None = None
    unknown_flow: Name | None = None
    home: Name | None = None
    breaks: list[Name] = []
    strategy: Strategy = "longest-idle"
    record_days: Days | None = None


class Number(_Table):
    number: str
    priority: Annotated[int, Field(ge=0, le=99)] = 0
    line: LineName | None = None
    flow: Name | None = None
    schedule: Name | None = None
    closed_line: LineName | None = None
    closed_flow: Name | None = None


class _Staffed(_Sticky):
    groups: list[Name] = []
    agents: list[AgentId] = []
    skills: list[Name] = []
    priority: dict[AgentId, AgentPriority] = {}
    record: Literal["none", "both", "stereo", "caller", "agent"] = "none"
    announce: bool = False
    record_days: Days | None = None
    home: Name | None = None
    strategy: Strategy | None = None


class _Place(_Staffed):
    sla_s: Annotated[int, Field(ge=0, le=3600)] | None = None
    stickiness: Literal["none", "agent", "group", "agent-then-group"] = "none"


class Stage(_Place, _Callback):
    kind: Literal["outbound", "new-customers"]
    caller_ids: list[str] = []
    numbers: list[str] = []
    strict: bool = False


class Campaign(_Staffed, _Callback):
    stage: dict[Name, Stage]


class Line(_Place):
    schedule: Name | None = None
    closed_line: LineName | None = None


class Group(_Table):
    agents: list[AgentId]
    wait_s: Wait | None = None
    strategy: Strategy | None = None
    home: Name | None = None


class Agent(_Phone, _Callback):
    name: Text
    email: Annotated[str, AfterValidator(_email)]
    wait_s: Wait | None = None
    contact: Contact | None = None
    skills: dict[Name, Annotated[int, Field(ge=1, le=10)]] = {}
    home: Name | None = None


class Flow(_Table):
    line: LineName


class _Leading(_Table):
    """What a list or a check leads callers to."""

    agent: AgentId | None = None
    group: Name | None = None
    line: LineName | None = None
    stage: Text | None = None


class NumberList(_Leading):
    numbers: list[str]
    vip: Annotated[int, Field(ge=0, le=9)] = 0
    agents: list[AgentId] = []
    priority: dict[AgentId, AgentPriority] = {}
    wait_s: Wait | None = None
    strategy: Strategy | None = None
    home: Name | None = None


class Check(_Leading):
    name: Name | None = None
    callers: list[str] = Field([], alias="from")
    called: list[str] = Field([], alias="to")
    schedule: Name | None = None
    then: Name | None = Field(None, alias="next")


class Schedule(_Table):
    timezone: Annotated[str, AfterValidator(_timezone)]
    hours: list[Annotated[str, AfterValidator(_hours)]] = []
    holidays: list[Annotated[str, AfterValidator(_holiday)]] = []
    exceptions: list[Annotated[str, AfterValidator(_exception)]] = []


class Switch(_Table):
    sip: Annotated[str, AfterValidator(_sip)]


Rings = create_model("Rings", __base__=_Table, **{
    call_class.value.replace("-", "_"): (Ring | None, Field(None, alias=call_class.value)) for call_class in CallClass
})


class Document(_Table):
    """Everything the files of a rules folder say together."""

    centre: Centre
    number: list[Number] = []
    campaign: dict[Name, Campaign] = {}
    line: dict[LineName, Line] = {}
    group: dict[Name, Group] = {}
    agent: dict[AgentId, Agent] = {}
    flow: dict[Name, Flow] = {}
    lists: dict[Name, NumberList] = Field({}, alias="list")
    check: list[Check] = []
    schedule: dict[Name, Schedule] = {}
    ring: Rings = Rings()
    switch: dict[Name, Switch] = {}


_TABLES: dict[str, type[_Table]] = {
    "centre": Centre, "number": Number, "campaign": Campaign, "line": Line, "group": Group, "agent": Agent,
    "flow": Flow, "list": NumberList, "check": Check, "schedule": Schedule, "ring": Rings, "switch": Switch,
}


def known_keys(path: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand beside the last key of `path`."""
    if len(path) < 2:
        model: type[_Table] = Document
    elif path[0] == "campaign" and len(path) > 4:
        model = Stage
    else:
        model = _TABLES[str(path[0])]
    return [field.alias or name for name, field in model.model_fields.items()]
