"""What the rules say is to be done after an interaction, as values built from a checked document. Decides nothing.

What follows from one interaction is in `follow_up`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "DIRECTIONS", "OUTCOMES", "After", "AfterRules", "EmailForm", "FollowingTask", "TaskFor", "TicketRule", "Webhook",
    "When", "after_rules_from",
]

# How interactions end (`interactions.outcome`), and which way calls go.
OUTCOMES = (
    "answered", "abandoned", "voicemail", "closed", "refused", "transferred", "flow", "hung-up", "failed",
)
DIRECTIONS = ("inbound", "outbound")
DEFAULT_TICKET_DAYS = 30
DEFAULT_TIMEOUT_S = 10.0
DEFAULT_DUE_S = 0
DEFAULT_SURVEY_DUE_S = 600
DEFAULT_SURVEY_REST_DAYS = 7


class TicketRule(StrEnum):
    """Which ticket an interaction belongs to."""

    OPEN_OR_NEW = "open-or-new"  # the customer's open one of the place, else a new one
    NEW = "new"
    NONE = "none"                # none, whatever a rule further down says


class TaskFor(StrEnum):
    """Whose a task that follows is."""

    AGENT = "agent"    # of who talked, else anyone's of the place
    GROUP = "group"    # of the group that is named, else of the group of who talked
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class When:
    """What an interaction must be like; what is empty or None is not looked at. All that is said must be so.

    `stages` are ids (CAMPAIGN/STAGE), `queues` names with or without the domain, `lists` names of lists of numbers.
    Bounds in seconds, both included; an interaction without a talk or a wait meets none of those. `sticky_kept`: it had
    a sticky agent, who answered (True), or did not (False).
    """

    channels: frozenset[str] = frozenset()
    directions: frozenset[str] = frozenset()
    classes: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()
    campaigns: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    lines: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    dispositions: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    talked_min_s: float | None = None
    talked_max_s: float | None = None
    waited_min_s: float | None = None
    waited_max_s: float | None = None
    sticky_kept: bool | None = None


@dataclass(frozen=True, slots=True)
class FollowingTask:
    """A call to be made: due so many seconds after the interaction ended."""

    due_s: int = DEFAULT_DUE_S
    who: TaskFor = TaskFor.AGENT
    group: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class After:
    """One rule: when it fits, and what then follows. `subject` (with placeholders) is of the ticket it opens.

    `ticket_days`: an open ticket counts which something happened to in so many days. `survey`: the flow that asks the
    customer, who is called `survey_due_s` after the interaction ended, unless the flow has asked the same customer in
    the last `survey_rest_days` (0: however often); one that is such a call itself does not fit.
    """

    name: str
    when: When = When()
    ticket: TicketRule | None = None
    ticket_days: int = DEFAULT_TICKET_DAYS
    subject: str = ""
    tags: tuple[str, ...] = ()
    task: FollowingTask | None = None
    webhook: str | None = None
    email: str | None = None
    survey: str | None = None
    survey_due_s: int = DEFAULT_SURVEY_DUE_S
    survey_rest_days: int = DEFAULT_SURVEY_REST_DAYS


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where an interaction is told by HTTP. `secret_env`: the variable with the secret, None: it is not signed."""

    name: str
    url: str
    secret_env: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S


@dataclass(frozen=True, slots=True)
class EmailForm:
    """A letter; addresses, subject and text have placeholders."""

    name: str
    to: tuple[str, ...]
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class AfterRules:
    """Everything that is said of what comes after. `tag_words`: tag -> words in a note that suggest it."""

    after: tuple[After, ...] = ()
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    emails: Mapping[str, EmailForm] = field(default_factory=dict)
    tag_words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_SETS = {
    "channels": "channel", "directions": "direction", "classes": "class", "outcomes": "outcome",
    "campaigns": "campaign", "stages": "stage", "lines": "line", "queues": "queue", "dispositions": "disposition",
    "tags": "tag", "lists": "list",
}
_BOUNDS = ("talked_min_s", "talked_max_s", "waited_min_s", "waited_max_s", "sticky_kept")


def after_rules_from(document: Mapping[str, Any]) -> AfterRules:
    """What a checked document says of it."""
    return AfterRules(
        tuple(_after(spec) for spec in document.get("after", ())),
        {name: Webhook(name, spec["url"], spec.get("secret_env"), float(spec.get("timeout_s", DEFAULT_TIMEOUT_S)))
         for name, spec in document.get("webhook", {}).items()},
        {name: EmailForm(name, tuple(spec["to"]), spec["subject"], spec["text"])
         for name, spec in document.get("email", {}).items()},
        {tag: tuple(words) for tag, words in document.get("tags", {}).items()},
    )


def _after(spec: Mapping[str, Any]) -> After:
    when = When(**{name: frozenset(spec.get(key, ())) for name, key in _SETS.items()},
                **{key: spec.get(key) for key in _BOUNDS})
    task = spec.get("task")
    return After(
        spec["name"], when, TicketRule(spec["ticket"]) if "ticket" in spec else None,
        spec.get("ticket_days", DEFAULT_TICKET_DAYS), spec.get("subject", ""), tuple(spec.get("tags", ())),
        None if task is None else FollowingTask(
            task.get("due_s", DEFAULT_DUE_S), TaskFor(task.get("who", "group" if "group" in task else "agent")),
            task.get("group"), task.get("note", "")),
        spec.get("webhook"), spec.get("email"), spec.get("survey"), spec.get("survey_due_s", DEFAULT_SURVEY_DUE_S),
        spec.get("survey_rest_days", DEFAULT_SURVEY_REST_DAYS),
    )
