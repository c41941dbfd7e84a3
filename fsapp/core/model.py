"""The words of the contact centre as values: calls, facts, decisions. No behaviour beyond what a value knows of itself.

All times that end in `_at` are aware UTC datetimes, all that end in `_s` are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from fsapp.core.availability import NOBODY_KNOWS, Availability, Presence
from fsapp.core.task import Task

__all__ = [
    "DEGRADED", "DEGRADED_REASON", "FALLBACK_REASON", "NO_FACTS", "REASONS", "Call", "CallClass", "Contact", "Decision",
    "Earlier", "Facts", "Led", "NumberKind", "PhoneNumber", "Right", "Step", "Sticky", "Talk", "Target",
]


class CallClass(StrEnum):
    """What a call is to us, in order of priority (design: what decides a call's class)."""

    CALLBACK = "callback"
    NEW_CUSTOMER = "new-customer"
    SERVICE = "service"


# Before the reason of a call that was decided without the facts of its caller.
DEGRADED_REASON = "degraded-"
# Before that, where the decision was made inside the switch because nobody else was there: fallback-degraded-flow.
FALLBACK_REASON = "fallback-"
# Why a call has its class: all there are, so that they can be counted.
REASONS = frozenset({
    "open-contact", "direct-callback", "presumed-callback", "new-caller", "service-line", "closed-contact", "flow",
    "unknown-number", "no-line", "closed", "task", "task-over",
})


class NumberKind(StrEnum):
    ORDINARY = "ordinary"    # fixed, mobile, freephone: has an E.164 form, may be dialled back
    PREMIUM = "premium"      # has an E.164 form, costs who dials it: never dialled back
    SHORT = "short"          # 2 to 6 digits: an emergency or service code, or an extension of the house
    ANONYMOUS = "anonymous"  # withheld
    INVALID = "invalid"      # nonsense


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number as it came and as we know it.

    `raw` is the cleaned text that came; `e164` is None for a number nobody can dial from outside; `extension` holds
    the digits after `;ext=` or `x`.
    """

    raw: str
    e164: str | None
    kind: NumberKind
    extension: str | None = None

    @property
    def key(self) -> str | None:
        """What this number's facts are kept under: the E.164 form, else None."""
        return self.e164

    def __str__(self) -> str:
        return self.e164 or self.raw or self.kind.value


@dataclass(frozen=True, slots=True)
class Contact:
    """A customer record in one stage of a campaign. `agent` is the responsible agent's id."""

    campaign: str
    stage: str
    number: str
    open: bool = True
    agent: str | None = None
    attempted_at: datetime | None = None
    name: str | None = None

    @property
    def id(self) -> str:
        return f"{self.campaign}/{self.stage}/{self.number}"


@dataclass(frozen=True, slots=True)
class Right:
    """A direct-callback right: this customer may reach this agent until it expires."""

    agent: str
    expires_at: datetime
    campaign: str | None = None
    stage: str | None = None


class Talk(NamedTuple):
    """A successful talk. `place`: the id of the stage or line it belonged to."""

    place: str
    agent: str
    talked_at: datetime


@dataclass(frozen=True, slots=True)
class Sticky:
    """The agent of the customer's last successful talk, wherever that was.

    `places`: the last one of each place, oldest first; without any, the agent holds for all places.
    """

    agent: str
    talked_at: datetime
    places: tuple[Talk, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the hot state knows of one customer, and of who is there now.

    `degraded` means that it could not be asked.
    """

    contacts: tuple[Contact, ...] = ()
    rights: tuple[Right, ...] = ()
    sticky: Sticky | None = None
    degraded: bool = False
    availability: Availability = NOBODY_KNOWS
    tasks: tuple[Task, ...] = ()

    def task(self, id_: str | None) -> Task | None:
        """The open task with this id."""
        return next((task for task in self.tasks if task.id == id_ and task.open), None)


NO_FACTS = Facts()
DEGRADED = Facts(degraded=True)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier visit of the same call decided, as the switch keeps it in the call's own variables.

    `asked`: the caller has left the queue by its key; it is not among those `tried`.
    """

    call_class: CallClass
    base_score: int
    reason: str
    campaign: str | None = None
    stage: str | None = None
    line: str | None = None
    contact: str | None = None
    decision: str | None = None
    tried: tuple[str, ...] = ()
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Led:
    """Where a flow has led a call: to a line, first to one agent. `path`: the blocks it went through."""

    flow: str
    line: str
    agent: str | None = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One inbound call at one visit. `name` is the cleaned display name, never used to decide.

    `led`: by a flow, at this visit. `task`: the id of the task that the call stands in the queue for, with the customer
    as the caller and the number shown to the customer as the one called.
    """

    caller: PhoneNumber
    called: PhoneNumber
    name: str = ""
    earlier: Earlier | None = None
    led: Led | None = None
    task: str | None = None


class Step(NamedTuple):
    """One line of a decision's trace: which rule looked at which fact and what came of it."""

    rule: str
    fact: str
    outcome: str


class Target(NamedTuple):
    """One place to wait in. `wait_s` None means until somebody answers."""

    queue: str
    agent: str | None
    wait_s: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a call goes and why.

    `call_class` None means that the number called is not ours, or that all is closed: the caller hears so and is let
    go. `targets` are all places in order, `target` the one for this visit. `flow`: the one the caller is to run through
    first; who cannot run it goes to the target at once. `facts` are those it was made of, `seen` the agents whose
    presence mattered.
    """

    call_class: CallClass | None
    reason: str
    base_score: int | None = None
    campaign: str | None = None
    stage: str | None = None
    line: str | None = None
    contact: str | None = None
    targets: tuple[Target, ...] = ()
    target: Target | None = None
    tried: tuple[str, ...] = ()
    trace: tuple[Step, ...] = ()
    rules_version: int = 0
    degraded: bool = False
    flow: str | None = None
    facts: Facts = NO_FACTS
    seen: Mapping[str, Presence] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The shape that `fsapp explain --json` prints; absent things are None."""
        return {
            "class": self.call_class.value if self.call_class else None,
            "reason": self.reason,
            "campaign": self.campaign,
            "stage": self.stage,
            "contact": self.contact,
            "base_score": self.base_score,
            "targets": [target._asdict() for target in self.targets],
            "trace": [step._asdict() for step in self.trace],
        }
