"""The shape of a rules document, value by value (pydantic). Knows nothing of files or of other tables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, create_model

from fsapp.core.model import CallClass
from fsapp.rules.after_schema import After, AfterTask, Disposition, EmailForm, Tag, Webhook, Words
from fsapp.rules.flow_schema import BLOCKS, Flow
from fsapp.rules.values import (
    AgentId,
    AgentPriority,
    Contact,
    Days,
    Domain,
    Email,
    Exceptional,
    Holiday,
    Hours,
    Key,
    LineName,
    Name,
    Region,
    Ring,
    Route,
    Seconds,
    Sip,
    Strategy,
    Table,
    Text,
    Timezone,
    Wait,
    is_region,
)

__all__ = ["AgentId", "Document", "Name", "is_region", "known_keys"]

MAX_CALLBACK_S = 90 * 24 * 3600


class _Phone(Table):
    """How agents' phones are treated: for the centre, or for one agent."""

    ring_s: Annotated[int, Field(ge=1, le=60)] | None = None
    wrap_up_s: Seconds | None = None
    reject_delay_s: Seconds | None = None
    busy_delay_s: Seconds | None = None
    no_answer_delay_s: Seconds | None = None
    max_no_answer: Annotated[int, Field(ge=0, le=100)] | None = None


class _Callback(Table):
    """Direct callback: for the centre, a campaign, a stage or one agent."""

    direct_callback: Annotated[int, Field(ge=0, le=4)] | None = None
    direct_callback_s: Annotated[int, Field(ge=60, le=MAX_CALLBACK_S)] | None = None


class _Sticky(Table):
    """What makes a customer stick to an agent, and for how long: for the centre, a campaign, a stage or a line."""

    sticky_talk_s: Seconds | None = None
    sticky_days: Days | None = None
    sticky_busy: Literal["wait", "any"] | None = None
    sticky_scope: Literal["centre", "campaign", "place"] | None = None


class _Telling(Table):
    """What callers who wait are told: for the centre, a campaign, a stage or a line."""

    tell_position: bool | None = None
    tell_wait: bool | None = None
    tell_every_s: Annotated[int, Field(ge=15, le=3600)] | None = None


class _CallingBack(Table):
    """Callbacks that callers ask for or that lost calls are due: for the centre, a campaign, a stage or a line."""

    callback_key: Key | None = None
    callback_tries: Annotated[int, Field(ge=1, le=20)] | None = None
    callback_retry_s: Annotated[int, Field(ge=10, le=24 * 3600)] | None = None
    callback_expires_s: Annotated[int, Field(ge=60, le=30 * 24 * 3600)] | None = None
    call_back_lost: bool | None = None
    lost_wait_s: Seconds | None = None
    lost_after_s: Annotated[int, Field(ge=0, le=24 * 3600)] | None = None
    task_wait_s: Annotated[int, Field(ge=0, le=7 * 24 * 3600)] | None = None


class Centre(_Phone, _Callback, _Sticky, _Telling, _CallingBack):
    region: Region
    name: Text | None = None
    domain: Domain = "fsapp"
    agent_wait_s: Wait | None = None
    group_wait_s: Wait | None = None
    unknown_flow: Name | None = None
    home: Name | None = None
    breaks: list[Name] = []
    strategy: Strategy = "longest-idle"
    record_days: Days | None = None


class Number(Table):
    number: str
    priority: Annotated[int, Field(ge=0, le=99)] = 0
    line: LineName | None = None
    flow: Name | None = None
    schedule: Name | None = None
    closed_line: LineName | None = None
    closed_flow: Name | None = None


class _Staffed(_Sticky, _Telling, _CallingBack):
    groups: list[Name] = []
    agents: list[AgentId] = []
    skills: list[Name] = []
    priority: dict[AgentId, AgentPriority] = {}
    record: Literal["none", "both", "stereo", "caller", "agent"] = "none"
    announce: bool = False
    record_days: Days | None = None
    home: Name | None = None
    strategy: Strategy | None = None
    survey: Name | None = None
    dispositions: list[Disposition] = []


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


class Group(Table):
    agents: list[AgentId]
    wait_s: Wait | None = None
    strategy: Strategy | None = None
    home: Name | None = None


class Agent(_Phone, _Callback):
    name: Text
    email: Email
    wait_s: Wait | None = None
    contact: Contact | None = None
    skills: dict[Name, Annotated[int, Field(ge=1, le=10)]] = {}
    home: Name | None = None


class _Leading(Table):
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


class Schedule(Table):
    timezone: Timezone
    hours: list[Hours] = []
    holidays: list[Holiday] = []
    exceptions: list[Exceptional] = []


class Switch(Table):
    sip: Sip


class Dial(Table):
    """How customers are called."""

    route: Route | None = None
    regions: list[Region] = []
    do_not_call: list[Name] = []
    schedule: Name | None = None
    ring_s: Annotated[int, Field(ge=15, le=120)] | None = None
    callbacks_a_day: Annotated[int, Field(ge=1, le=40)] | None = None
    other_numbers_a_day: Annotated[int, Field(ge=1, le=40)] | None = None
    hidden_callers_a_day: Annotated[int, Field(ge=1, le=1000)] | None = None
    surveys_at_once: Annotated[int, Field(ge=0, le=50)] | None = None


Rings = create_model("Rings", __base__=Table, **{
    call_class.value.replace("-", "_"): (Ring | None, Field(None, alias=call_class.value)) for call_class in CallClass
})


class Document(Table):
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
    dial: Dial = Dial()
    after: list[After] = []
    webhook: dict[Name, Webhook] = {}
    email: dict[Name, EmailForm] = {}
    tags: dict[Tag, Words] = {}


_TABLES: dict[str, type[Table]] = {
    "centre": Centre, "number": Number, "campaign": Campaign, "line": Line, "group": Group, "agent": Agent,
    "flow": Flow, "list": NumberList, "check": Check, "schedule": Schedule, "ring": Rings, "switch": Switch,
    "dial": Dial, "after": After, "webhook": Webhook, "email": EmailForm,
}


def known_keys(path: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand beside the last key of `path`, in which a block's kind follows its id."""
    if path[0] == "flow" and len(path) > 5:
        return list(BLOCKS[str(path[4])].model_fields)
    if len(path) < 2:
        model: type[Table] = Document
    elif path[0] == "campaign" and len(path) > 4:
        model = Stage
    elif path[0] == "after" and "task" in path[2:-1]:
        model = AfterTask
    else:
        model = _TABLES[str(path[0])]
    return [field.alias or name for name, field in model.model_fields.items()]
