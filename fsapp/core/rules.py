"""The routing rules of a centre as values, built from a checked document. Does not read files and checks nothing.

A document is the merged content of the rules folder (see `fsapp.rules`): plain dicts, lists, strings and numbers, so
that Redis, the switch's own Python and a snapshot file can all carry it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "Agent", "DialedNumber", "Flow", "Group", "Line", "Queue", "Rules", "Stage", "StageKind", "Stickiness",
    "agent_queue", "group_queue", "line_queue", "stage_queue",
]

DEFAULT_AGENT_PRIORITY = 5
DEFAULT_AGENT_WAIT_S = 20
DEFAULT_GROUP_WAIT_S = 20
DEFAULT_SLA_S = 60


class StageKind(StrEnum):
    OUTBOUND = "outbound"
    NEW_CUSTOMERS = "new-customers"


class Stickiness(StrEnum):
    """Whom a returning customer waits for before the queue."""

    NONE = "none"
    AGENT = "agent"
    GROUP = "group"
    BOTH = "agent-then-group"


def stage_queue(domain: str, campaign: str, stage: str) -> str:
    return f"{campaign}.{stage}@{domain}"


def line_queue(domain: str, line: str) -> str:
    return f"{line}@{domain}"


def group_queue(domain: str, group: str) -> str:
    return f"group-{group}@{domain}"


def agent_queue(domain: str, agent: str) -> str:
    return f"agent-{agent}@{domain}"


@dataclass(frozen=True, slots=True)
class Agent:
    """`wait_s`: how long a caller waits in this agent's personal queue before moving on."""

    id: str
    name: str
    email: str
    wait_s: int = DEFAULT_AGENT_WAIT_S


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    agents: tuple[str, ...]
    wait_s: int = DEFAULT_GROUP_WAIT_S


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a campaign. `staff` maps an agent's id to a priority 0-10: 10 first, 0 gets no inbound call."""

    campaign: str
    name: str
    kind: StageKind
    numbers: tuple[str, ...]
    queue: str
    sla_s: int
    staff: Mapping[str, int]
    stickiness: Stickiness = Stickiness.NONE
    strict: bool = False

    @property
    def id(self) -> str:
        return f"{self.campaign}/{self.name}"

    @property
    def answering(self) -> bool:
        """Whether any agent takes inbound calls of this stage."""
        return any(priority > 0 for priority in self.staff.values())


@dataclass(frozen=True, slots=True)
class Line:
    """A service line."""

    name: str
    queue: str
    sla_s: int
    staff: Mapping[str, int]
    stickiness: Stickiness = Stickiness.NONE

    @property
    def id(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Flow:
    """A scenario callers of a number run through; `line` is where it leads when nothing else is said."""

    name: str
    line: str


@dataclass(frozen=True, slots=True)
class DialedNumber:
    """A number of the centre with everything behind it."""

    number: str
    priority: int
    outbound: tuple[Stage, ...] = ()
    new_customers: Stage | None = None
    line: Line | None = None
    flow: Flow | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue the rules imply. `wait_s` None: until somebody answers. `staff` as in Stage."""

    name: str
    wait_s: int | None
    staff: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Rules:
    """One version of the centre's rules; version 0 is a folder that has not been loaded."""

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
    vips: Mapping[str, int] = field(default_factory=dict)
    unknown_flow: str | None = None

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


def _staff(spec: Mapping[str, Any], groups: Mapping[str, Group]) -> dict[str, int]:
    members = [agent for name in spec.get("groups", ()) for agent in groups[name].agents]
    members += spec.get("agents", ())
    priorities = spec.get("priority", {})
    return {agent: priorities.get(agent, DEFAULT_AGENT_PRIORITY) for agent in dict.fromkeys(members)}


def _build(document: Mapping[str, Any], version: int) -> Rules:
    centre = document["centre"]
    domain = centre.get("domain", "fsapp")
    agent_wait_s = centre.get("agent_wait_s", DEFAULT_AGENT_WAIT_S)
    group_wait_s = centre.get("group_wait_s", DEFAULT_GROUP_WAIT_S)
    agents = {
        id_: Agent(id_, spec["name"], spec["email"], spec.get("wait_s", agent_wait_s))
        for id_, spec in document.get("agent", {}).items()
    }
    groups = {
        name: Group(name, tuple(spec.get("agents", ())), spec.get("wait_s", group_wait_s))
        for name, spec in document.get("group", {}).items()
    }
    lines = {
        name: Line(
            name, line_queue(domain, name), spec.get("sla_s", DEFAULT_SLA_S), _staff(spec, groups),
            Stickiness(spec.get("stickiness", "none")),
        )
        for name, spec in document.get("line", {}).items()
    }
    stages: dict[str, Stage] = {}
    for campaign, campaign_spec in document.get("campaign", {}).items():
        for name, spec in campaign_spec.get("stage", {}).items():
            kind = StageKind(spec["kind"])
            own = {"groups": campaign_spec.get("groups", ()), "agents": campaign_spec.get("agents", ()),
                   "priority": campaign_spec.get("priority", {})} | spec
            stage = Stage(
                campaign, name, kind,
                tuple(spec.get("caller_ids" if kind is StageKind.OUTBOUND else "numbers", ())),
                stage_queue(domain, campaign, name), spec.get("sla_s", DEFAULT_SLA_S), _staff(own, groups),
                Stickiness(spec.get("stickiness", "none")), spec.get("strict", False),
            )
            stages[stage.id] = stage
    flows = {name: Flow(name, spec["line"]) for name, spec in document.get("flow", {}).items()}
    vips: dict[str, int] = {}
    for spec in document.get("list", {}).values():
        for number in spec.get("numbers", ()):
            vips[number] = max(vips.get(number, 0), spec.get("vip", 0))
    return Rules(
        version=version, name=centre.get("name", ""), region=centre["region"], domain=domain,
        numbers=_numbers(document, stages, lines, flows), agents=agents, groups=groups, stages=stages, lines=lines,
        flows=flows, queues=_queues(domain, agents, groups, stages, lines), vips=vips,
        unknown_flow=centre.get("unknown_flow"),
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
        )
    return numbers


def _queues(
    domain: str, agents: Mapping[str, Agent], groups: Mapping[str, Group], stages: Mapping[str, Stage],
    lines: Mapping[str, Line],
) -> dict[str, Queue]:
    queues = [Queue(place.queue, None, place.staff) for place in (*stages.values(), *lines.values())]
    queues += [
        Queue(group_queue(domain, group.name), group.wait_s, dict.fromkeys(group.agents, DEFAULT_AGENT_PRIORITY))
        for group in groups.values()
    ]
    queues += [Queue(agent_queue(domain, agent.id), agent.wait_s, {agent.id: 10}) for agent in agents.values()]
    return {queue.name: queue for queue in queues}
