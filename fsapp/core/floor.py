"""The floor as a switch tells it: agents, tiers, queues, members, calls. Values only: asks nobody and judges nothing.

The words of states and statuses are mod_callcenter's own. Times in `_at` are aware UTC, None where there was none yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fsapp.core.wait import Estimate

__all__ = [
    "AgentState", "AgentStatus", "Floor", "MemberState", "RememberedStatus", "Seen", "SeenAgent", "SeenCall",
    "SeenMember", "SeenQueue", "SeenTier", "users_of",
]

_USER = re.compile(r"\buser/([^@,|\s\]}]+)(?:@([^,|:\s\]}]+))?")


def users_of(contact: str) -> list[tuple[str, str]]:
    """The registered users that an agent's contact calls, each with the domain, empty where it names none."""
    return _USER.findall(contact)


class AgentStatus(StrEnum):
    """What an agent chose (or the switch did, after calls not answered)."""

    LOGGED_OUT = "Logged Out"
    AVAILABLE = "Available"
    ON_DEMAND = "Available (On Demand)"
    ON_BREAK = "On Break"


class AgentState(StrEnum):
    """What an agent is doing."""

    WAITING = "Waiting"
    RECEIVING = "Receiving"
    TALKING = "In a queue call"
    IDLE = "Idle"
    RESERVED = "Reserved"


class MemberState(StrEnum):
    """How a caller in a queue is doing."""

    WAITING = "Waiting"
    TRYING = "Trying"
    ANSWERED = "Answered"
    ABANDONED = "Abandoned"


@dataclass(frozen=True, slots=True)
class SeenAgent:
    """An agent in the switch. `status` and `state` are texts: a switch may say what no enumeration knows.

    `call`: the uuid of the agent's own leg while in a queue call. `registered`: whether the phone is registered; None
    where the contact is no registered phone, or nobody has looked.
    """

    id: str
    contact: str = ""
    status: str = AgentStatus.LOGGED_OUT
    state: str = AgentState.WAITING
    call: str = ""
    wrap_up_s: int = 0
    max_no_answer: int = 0
    reject_delay_s: int = 0
    busy_delay_s: int = 0
    no_answer_delay_s: int = 0
    status_at: datetime | None = None
    offered_at: datetime | None = None
    talked_at: datetime | None = None
    ended_at: datetime | None = None
    answered: int = 0
    talk_s: int = 0
    registered: bool | None = None


@dataclass(frozen=True, slots=True)
class SeenTier:
    queue: str
    agent: str
    level: int = 1
    position: int = 1
    state: str = "Ready"


@dataclass(frozen=True, slots=True)
class SeenQueue:
    """A queue in the switch. `settings`: its columns as the switch prints them. `wait_s` None: no limit."""

    name: str
    wait_s: int | None = None
    answered: int = 0
    abandoned: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenMember:
    """A caller in a queue. `call`: the uuid of the caller's leg, empty once abandoned. `agent`: who rings or talks.

    `task`: the one whose customer the place is kept for; then nobody is on the line. `hung_up`: of a caller who has,
    just as an agent answered, what facts say of the call.
    """

    uuid: str
    queue: str
    call: str
    number: str = ""
    name: str = ""
    joined_at: datetime | None = None
    answered_at: datetime | None = None
    base_score: int = 0
    score: int = 0
    agent: str = ""
    state: str = MemberState.WAITING
    task: str = ""
    hung_up: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenCall:
    """A leg that lives in the switch. `variables`: those of fsapp_... and cc_... that events brought."""

    uuid: str
    direction: str = "inbound"
    number: str = ""
    called: str = ""
    state: str = ""
    created_at: datetime | None = None
    answered_at: datetime | None = None
    bridged_to: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RememberedStatus:
    """The status an agent was last known to have, kept outside of the switch. `reason`: of a break."""

    status: str
    reason: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything one switch says at one moment. `core_uuid` changes when the switch is started anew."""

    core_uuid: str = ""
    agents: Mapping[str, SeenAgent] = field(default_factory=dict)
    tiers: tuple[SeenTier, ...] = ()
    queues: Mapping[str, SeenQueue] = field(default_factory=dict)
    members: Mapping[str, SeenMember] = field(default_factory=dict)
    calls: Mapping[str, SeenCall] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Floor:
    """What is known of one switch, and how well. `synced_at`: when all of it was last read from the switch.

    `heard_at`: when the switch last said anything. `up`: whether it answered then. `link`: the process that keeps this
    up to date, empty when none does. `waits`: by queue, what whoever joins it now has to expect.
    """

    switch: str
    seen: Seen
    synced_at: datetime | None = None
    heard_at: datetime | None = None
    up: bool = False
    link: str = ""
    waits: Mapping[str, Estimate] = field(default_factory=dict)
