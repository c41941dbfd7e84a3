"""The routing rules of a centre as values, built from a checked document. Does not read files and checks nothing.

A document is the merged content of the rules folder (see `fsapp.rules`): plain dicts, lists, strings and numbers, so
that Redis, the switch's own Python and a snapshot file can all carry it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fsapp.core.after_rules import AfterRules, after_rules_from
from fsapp.core.callback_rights import CallbackRule, callback_rule, said_of_callback
from fsapp.core.calling_back import CallingBack, calling_back_from
from fsapp.core.dialling import Dialling, dialling_from
from fsapp.core.flow.blocks import Flow, flow_from
from fsapp.core.lists import Check, Listed, NumberList, checks_from, lists_from
from fsapp.core.model import CallClass
from fsapp.core.people import DEFAULT_AGENT_PRIORITY, DEFAULT_STRATEGY, Agent, Group, agents_from, groups_from, staff
from fsapp.core.recording import DEFAULT_KEEP_DAYS, NOT_RECORDED, Recording, recording_from
from fsapp.core.schedule import Schedule, schedule_from
from fsapp.core.stickiness import StickyRule, sticky_rule
from fsapp.core.telling import NOT_TOLD, Telling, telling_from

__all__ = [
    "MAIN", "Agent", "DialedNumber", "Flow", "Group", "Line", "Queue", "Rules", "Stage", "StageKind", "Stickiness",
    "Strategy", "agent_queue", "group_queue", "line_queue", "list_queue", "stage_queue",
]

DEFAULT_SLA_S = 60
MAIN = "main"  # the switch of a centre that has only one
# What the agents' phones are told of a call's class (Alert-Info): by this they ring differently.
DEFAULT_RINGS: Mapping[CallClass, str] = {CallClass.CALLBACK: "<http://127.0.0.1>;info=callback"}


class StageKind(StrEnum):
    OUTBOUND = "outbound"
    NEW_CUSTOMERS = "new-customers"


class Stickiness(StrEnum):
    """Whom a returning customer waits for before the queue."""

    NONE = "none"
    AGENT = "agent"
    GROUP = "group"
    BOTH = "agent-then-group"


class Strategy(StrEnum):
    """Who of several free agents of the same priority gets the next call."""

    LONGEST_IDLE = "longest-idle"
    LEAST_BUSY = "least-busy"      # who has talked the least so far
    FEWEST_CALLS = "fewest-calls"


def stage_queue(domain: str, campaign: str, stage: str) -> str:
    return f"{campaign}.{stage}@{domain}"


def line_queue(domain: str, line: str) -> str:
    return f"{line}@{domain}"


def group_queue(domain: str, group: str) -> str:
    return f"group-{group}@{domain}"


def list_queue(domain: str, name: str) -> str:
    return f"list-{name}@{domain}"


def agent_queue(domain: str, agent: str) -> str:
    return f"agent-{agent}@{domain}"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a campaign. `staff` maps an agent's id to a priority 0-10: 10 first, 0 gets no inbound call.

    `callback`: what is said of direct callback in this stage. `dispositions`: those there are, empty: any.
    """

    campaign: str
    name: str
    kind: StageKind
    numbers: tuple[str, ...]
    queue: str
    sla_s: int
    staff: Mapping[str, int]
    stickiness: Stickiness = Stickiness.NONE
    strict: bool = False
    recording: Recording = NOT_RECORDED
    home: str = MAIN
    strategy: Strategy = Strategy.LONGEST_IDLE
    sticky: StickyRule = StickyRule()
    callback: Mapping[str, int] = field(default_factory=dict)
    telling: Telling = NOT_TOLD
    calling_back: CallingBack = CallingBack()
    survey: str | None = None
    dispositions: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.campaign}/{self.name}"

    @property
    def answering(self) -> bool:
        """Whether any agent takes inbound calls of this stage."""
        return any(priority > 0 for priority in self.staff.values())


@dataclass(frozen=True, slots=True)
class Line:
    """A service line. `closed_line`: where its calls go outside its schedule; None: to a message."""

    name: str
    queue: str
    sla_s: int
    staff: Mapping[str, int]
    stickiness: Stickiness = Stickiness.NONE
    recording: Recording = NOT_RECORDED
    home: str = MAIN
    strategy: Strategy = Strategy.LONGEST_IDLE
    sticky: StickyRule = StickyRule()
    schedule: str | None = None
    closed_line: str | None = None
    telling: Telling = NOT_TOLD
    calling_back: CallingBack = CallingBack()
    survey: str | None = None
    dispositions: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class DialedNumber:
    """A number of the centre with everything behind it; outside its schedule the closed flow or line, or a message."""

    number: str
    priority: int
    outbound: tuple[Stage, ...] = ()
    new_customers: Stage | None = None
    line: Line | None = None
    flow: Flow | None = None
    schedule: str | None = None
    closed_line: str | None = None
    closed_flow: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue the rules imply. `wait_s` None: until somebody answers. `staff` as in Stage. `home`: its switch."""

    name: str
    wait_s: int | None
    staff: Mapping[str, int]
    home: str = MAIN
    strategy: Strategy = Strategy.LONGEST_IDLE


@dataclass(frozen=True, slots=True)
class Rules:
    """One version of the centre's rules; version 0 is a folder that has not been loaded.

    `switches` maps a switch's name to where other switches reach it (HOST:PORT of SIP); empty for a centre with one.
    `rings` maps a class to the Alert-Info its calls ring with; `breaks` are the reasons for a break, empty: any.
    `record_days`: how long recordings are kept where no place says otherwise. `callback`: what the centre says of
    direct callback, `sticky` what it says of stickiness. `lists`: the numbers of each.
    `dialling`: how customers are called. `follow`: what comes after an interaction.
    """

    version: int
    name: str
    region: str
    domain: str
    numbers: Mapping[str, DialedNumber]
    agents: Mapping[str, Agent]
    groups: Mapping[str, Group]
    stages: Mapping[str, Stage]
    lines: Mapping[str, Line]
    flows: Mapping[str, Flow]
    queues: Mapping[str, Queue]
    lists: Mapping[str, NumberList] = field(default_factory=dict)
    listed: Listed = field(default=Listed(()), compare=False)
    checks: tuple[Check, ...] = ()
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    unknown_flow: str | None = None
    switches: Mapping[str, str] = field(default_factory=dict)
    rings: Mapping[CallClass, str] = field(default_factory=dict)
    breaks: tuple[str, ...] = ()
    record_days: int = DEFAULT_KEEP_DAYS
    callback: Mapping[str, int] = field(default_factory=dict)
    sticky: StickyRule = StickyRule()
    dialling: Dialling = Dialling()
    follow: AfterRules = AfterRules()

    @property
    def switch_names(self) -> tuple[str, ...]:
        """The centre's switches; a centre that names none has one."""
        return tuple(self.switches) or (MAIN,)

    def callback_rule(self, agent: str, campaign: str | None, stage: str | None) -> CallbackRule:
        """Direct callback for an agent in a stage: what the agent says, else the stage or campaign, else the centre."""
        known, place = self.agents.get(agent), self.stages.get(f"{campaign}/{stage}")
        return callback_rule(known.callback if known else {}, place.callback if place else {}, self.callback)

    def place(self, id_: str) -> Stage | Line | None:
        """The stage or line with this id."""
        return self.stages.get(id_) or self.lines.get(id_)

    def keep_days(self, place: str) -> int:
        """For how many days a recording of this stage or line is kept; the centre's where there is none of that id."""
        found = self.place(place)
        return found.recording.keep_days if found else self.record_days

    def group_of(self, agent: str, among: Iterable[str] = ()) -> Group | None:
        """The agent's group: the first one all of whose agents are among the ids given, else the first at all."""
        wanted = set(among)
        mine = [group for group in self.groups.values() if agent in group.agents]
        for group in mine:
            if wanted and wanted.issuperset(group.agents):
                return group
        return mine[0] if mine else None

    @classmethod
    def from_document(cls, document: Mapping[str, Any], version: int = 0) -> Rules:
        """Rules from a checked document. KeyError or ValueError on one that was not checked."""
        return _build(document, version)


def _build(document: Mapping[str, Any], version: int) -> Rules:
    centre = document["centre"]
    domain = centre.get("domain", "fsapp")
    switches = {name: spec["sip"] for name, spec in document.get("switch", {}).items()}
    home = centre.get("home") or next(iter(switches), MAIN)
    agents, groups = agents_from(document, domain, home), groups_from(document, home)
    lines = {
        name: Line(name, line_queue(domain, name), schedule=spec.get("schedule"), closed_line=spec.get("closed_line"),
                   **_place(spec, groups, agents, centre, home))
        for name, spec in document.get("line", {}).items()
    }
    stages = {
        stage.id: stage
        for campaign, campaign_spec in document.get("campaign", {}).items()
        for name, spec in campaign_spec.get("stage", {}).items()
        for stage in [_stage(campaign, name, {**campaign_spec, **spec}, domain, groups, agents, centre, home)]
    }
    flows = {name: flow_from(name, spec) for name, spec in document.get("flow", {}).items()}
    lists = lists_from(document)
    queues = [*_queues(domain, agents, groups, stages, lines), *_list_queues(document, domain, lists, home)]
    rings = {CallClass(name): text for name, text in document.get("ring", {}).items()}
    return Rules(
        version=version, name=centre.get("name", ""), region=centre["region"], domain=domain,
        numbers=_numbers(document, stages, lines, flows), agents=agents, groups=groups, stages=stages, lines=lines,
        flows=flows, queues={queue.name: queue for queue in queues},
        lists=lists, listed=Listed(lists.values()), checks=checks_from(document.get("check", ())),
        schedules={name: schedule_from(name, spec) for name, spec in document.get("schedule", {}).items()},
        unknown_flow=centre.get("unknown_flow"), switches=switches, rings={**DEFAULT_RINGS, **rings},
        breaks=tuple(centre.get("breaks", ())), record_days=centre.get("record_days", DEFAULT_KEEP_DAYS),
        callback=said_of_callback(centre), sticky=sticky_rule({}, centre),
        dialling=dialling_from(document), follow=after_rules_from(document),
    )


def _place(
    spec: Mapping[str, Any], groups: Mapping[str, Group], agents: Mapping[str, Agent], centre: Mapping[str, Any],
    home: str,
) -> dict[str, Any]:
    """What stages and lines have in common."""
    return {
        "sla_s": spec.get("sla_s", DEFAULT_SLA_S), "staff": staff(spec, groups, agents),
        "stickiness": Stickiness(spec.get("stickiness", "none")), "recording": recording_from(spec, centre),
        "home": spec.get("home", home), "strategy": _strategy(spec, centre), "sticky": sticky_rule(spec, centre),
        "telling": telling_from(spec, centre), "calling_back": calling_back_from(spec, centre),
        "survey": spec.get("survey"),
        "dispositions": tuple(spec.get("dispositions", ())),
    }


def _strategy(spec: Mapping[str, Any], centre: Mapping[str, Any]) -> Strategy:
    return Strategy(spec.get("strategy", centre.get("strategy", DEFAULT_STRATEGY)))


def _stage(
    campaign: str, name: str, spec: Mapping[str, Any], domain: str, groups: Mapping[str, Group],
    agents: Mapping[str, Agent], centre: Mapping[str, Any], home: str,
) -> Stage:
    """A stage; `spec` is its own over its campaign's."""
    kind = StageKind(spec["kind"])
    return Stage(
        campaign, name, kind, tuple(spec.get("caller_ids" if kind is StageKind.OUTBOUND else "numbers", ())),
        stage_queue(domain, campaign, name), strict=spec.get("strict", False), callback=said_of_callback(spec),
        **_place(spec, groups, agents, centre, home),
    )


def _numbers(
    document: Mapping[str, Any], stages: Mapping[str, Stage], lines: Mapping[str, Line], flows: Mapping[str, Flow],
) -> dict[str, DialedNumber]:
    numbers = {}
    for spec in document.get("number", ()):
        number = spec["number"]
        behind = [stage for stage in stages.values() if number in stage.numbers]
        new = [stage for stage in behind if stage.kind is StageKind.NEW_CUSTOMERS]
        numbers[number] = DialedNumber(
            number, spec.get("priority", 0),
            outbound=tuple(stage for stage in behind if stage.kind is StageKind.OUTBOUND),
            new_customers=new[0] if new else None,
            line=lines[spec["line"]] if "line" in spec else None,
            flow=flows[spec["flow"]] if "flow" in spec else None,
            **{key: spec.get(key) for key in ("schedule", "closed_line", "closed_flow")},
        )
    return numbers


def _queues(
    domain: str, agents: Mapping[str, Agent], groups: Mapping[str, Group], stages: Mapping[str, Stage],
    lines: Mapping[str, Line],
) -> list[Queue]:
    places: list[Stage | Line] = [*stages.values(), *lines.values()]
    queues = [Queue(place.queue, None, place.staff, place.home, place.strategy) for place in places]
    queues += [
        Queue(group_queue(domain, group.name), group.wait_s, dict.fromkeys(group.agents, DEFAULT_AGENT_PRIORITY),
              group.home, Strategy(group.strategy))
        for group in groups.values()
    ]
    queues += [Queue(agent_queue(domain, agent.id), agent.wait_s, {agent.id: 10}, agent.home)
               for agent in agents.values()]
    return queues


def _list_queues(
    document: Mapping[str, Any], domain: str, lists: Mapping[str, NumberList], home: str,
) -> Iterator[Queue]:
    """The queues of lists that have agents of their own."""
    for one in lists.values():
        if one.lead.list_queue:
            spec = document["list"][one.name]
            strategy = _strategy(spec, document["centre"])
            yield Queue(list_queue(domain, one.name), one.wait_s, one.staff, spec.get("home", home), strategy)
