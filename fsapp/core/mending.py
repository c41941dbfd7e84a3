"""What differs between a switch and what it should be, and what mends it: values. Compares nothing, sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = [
    "HEALED", "AddAgent", "AddTier", "DeleteAgent", "DeleteTier", "Difference", "Kind", "LoadQueue", "ReturnCall",
    "SetAgent", "SetState", "SetStatus", "SetTier", "Step", "Suspicion", "UnloadQueue",
]


class Kind(StrEnum):
    """What can be wrong, in the order in which it is mended: queues before agents before tiers, what goes goes last."""

    QUEUE_MISSING = "queue-missing"
    QUEUE_SETTINGS = "queue-settings"
    AGENT_MISSING = "agent-missing"
    AGENT_SETTINGS = "agent-settings"
    TIER_MISSING = "tier-missing"
    TIER_LEVEL = "tier-level"
    STATUS_LOST = "agent-status-lost"
    AGENT_STUCK = "agent-stuck"
    AGENT_IDLE = "agent-idle"
    TIER_STUCK = "tier-stuck"
    NO_PHONE = "agent-without-phone"
    PHONE_BACK = "agent-phone-back"
    MEMBER_STUCK = "member-stuck"
    MEMBER_GHOST = "member-without-call"
    TIER_LEFT = "tier-left-over"
    AGENT_LEFT = "agent-left-over"
    QUEUE_LEFT = "queue-left-over"


# Not the rules' doing: the switch, or somebody's phone, had got into a state it does not leave by itself.
HEALED = frozenset({
    Kind.STATUS_LOST, Kind.AGENT_STUCK, Kind.AGENT_IDLE, Kind.TIER_STUCK, Kind.NO_PHONE, Kind.PHONE_BACK,
    Kind.MEMBER_STUCK,
})


@dataclass(frozen=True, slots=True)
class LoadQueue:
    """Has the switch read a queue from its configuration, also one it has: callers in it stay."""

    queue: str


@dataclass(frozen=True, slots=True)
class UnloadQueue:
    """`gone`: how many of those the switch counts in it are no callers any more; with one more it stays."""

    queue: str
    gone: int = 0


@dataclass(frozen=True, slots=True)
class AddAgent:
    agent: str


@dataclass(frozen=True, slots=True)
class SetAgent:
    """One setting of an agent, by the switch's own word for it: contact, wrap_up_time, max_no_answer, ..."""

    agent: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class SetStatus:
    """A status, which is remembered with its reason."""

    agent: str
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SetState:
    agent: str
    state: str


@dataclass(frozen=True, slots=True)
class DeleteAgent:
    """The agent with all its tiers; its remembered status is forgotten."""

    agent: str


@dataclass(frozen=True, slots=True)
class AddTier:
    queue: str
    agent: str
    level: int


@dataclass(frozen=True, slots=True)
class SetTier:
    """`key`: level or state."""

    queue: str
    agent: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class DeleteTier:
    queue: str
    agent: str


@dataclass(frozen=True, slots=True)
class ReturnCall:
    """Takes a caller out of the queue and decides anew; the time waited is kept."""

    call: str


Step = (
    LoadQueue | UnloadQueue | AddAgent | SetAgent | SetStatus | SetState | DeleteAgent | AddTier | SetTier | DeleteTier
    | ReturnCall
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be.

    `text` is a sentence for people. `steps` mend it, in this order; none where nothing does, and `todo` then says what
    a person can do. `sign` tells this occurrence from another of the same kind and subject. `since`: when it was first
    seen; one that is not `certain` is to be seen once more before it is mended. `legs`: what is wrong is so only if
    these calls do not exist; `phones` (USER@DOMAIN): only if the switch reaches none of them.
    """

    kind: Kind
    subject: str
    text: str
    steps: tuple[Step, ...] = ()
    sign: str = ""
    since: datetime | None = None
    certain: bool = True
    todo: str = ""
    legs: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.kind, self.subject, self.sign)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What an earlier look at one run of a switch saw that may be passing: key of the difference, since when."""

    core_uuid: str = ""
    first: Mapping[tuple[str, str, str], datetime] = field(default_factory=dict)

    @classmethod
    def of(cls, core_uuid: str, differences: Iterable[Difference]) -> Suspicion:
        """What to remember for the next look."""
        return cls(core_uuid, {one.key: one.since for one in differences if one.since is not None})
