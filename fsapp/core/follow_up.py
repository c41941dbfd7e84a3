"""What follows from one finished interaction by the rules, each thing with an id that is always the same. Pure.

Does nothing of it: tickets and tags are made by `records`, tasks, webhooks and e-mails by `followups`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from fsapp.core.after_rules import After, AfterRules, TicketRule, When

__all__ = ["SURVEY_CALL", "Action", "Finished", "Kind", "action_id", "fits", "follow_ups"]

SURVEY_CALL = "survey"  # the reason of an interaction that is a survey call itself


class Kind(StrEnum):
    """What follows."""

    TICKET = "ticket"
    TAGS = "tags"
    TASK = "task"
    WEBHOOK = "webhook"
    EMAIL = "email"
    SURVEY = "survey"


@dataclass(frozen=True, slots=True)
class Finished:
    """An interaction that is over, with what is known of its customer. Times are epoch seconds.

    `name`: as the customer's record has it, else as it came. `note`: the newest one about it.
    """

    id: str
    channel: str = "call"
    direction: str | None = None
    number: str | None = None
    name: str | None = None
    called: str | None = None
    call_class: str | None = None
    reason: str | None = None
    campaign: str | None = None
    stage: str | None = None
    line: str | None = None
    queue: str | None = None
    contact: str | None = None
    outcome: str | None = None
    agent: str | None = None
    sticky_agent: str | None = None
    disposition: str | None = None
    tags: frozenset[str] = frozenset()
    waited_s: float | None = None
    talked_s: float | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    recording: str | None = None
    subject: str | None = None
    note: str = ""
    customer_id: str | None = None
    email: str | None = None
    language: str | None = None
    vip: int = 0
    ticket_id: str | None = None

    @property
    def place(self) -> str | None:
        """The id of the stage or line it belonged to."""
        return f"{self.campaign}/{self.stage}" if self.campaign and self.stage else self.line


class Action(NamedTuple):
    """Something that follows, by a rule. `target`: the webhook's, e-mail's or flow's name; else empty."""

    id: str
    kind: Kind
    rule: After
    target: str = ""


def follow_ups(one: Finished, rules: AfterRules, lists: Mapping[str, Container[str]]) -> tuple[Action, ...]:
    """Everything that follows from an interaction: the ticket first, then tags, then the rest in the rules' order.

    A tag that a rule gives counts for all rules, in whichever order they stand. Of rules that speak of tickets the
    first one that fits counts.
    """
    fitting = _fitting(one, rules, lists)
    told = next((rule for rule in fitting if rule.ticket is not None), None)
    actions = []
    if told is not None and told.ticket is not TicketRule.NONE:
        # Whichever rule it is: an interaction gets its ticket once.
        actions.append(Action(action_id(one.id, Kind.TICKET), Kind.TICKET, told))
    given = set(one.tags)
    for rule in fitting:
        if not given.issuperset(rule.tags):
            actions.append(Action(action_id(one.id, Kind.TAGS, rule.name), Kind.TAGS, rule))
            given.update(rule.tags)
    for rule in fitting:
        if rule.task is not None:
            actions.append(Action(action_id(one.id, Kind.TASK, rule.name), Kind.TASK, rule))
        if rule.webhook is not None:
            actions.append(Action(
                action_id(one.id, Kind.WEBHOOK, rule.name, rule.webhook), Kind.WEBHOOK, rule, rule.webhook))
        if rule.email is not None:
            actions.append(Action(action_id(one.id, Kind.EMAIL, rule.name, rule.email), Kind.EMAIL, rule, rule.email))
        if rule.survey is not None:
            actions.append(Action(action_id(one.id, Kind.SURVEY, rule.name), Kind.SURVEY, rule, rule.survey))
    return tuple(actions)


def action_id(*what: str) -> str:
    """32 hexadecimal digits that are the same whenever the same follows from the same."""
    return sha256(json.dumps(what).encode()).hexdigest()[:32]


def fits(one: Finished, when: When, tags: Container[str], lists: Mapping[str, Container[str]]) -> bool:
    """Whether an interaction with these tags is as a rule wants it."""
    return (
        _among(one.channel, when.channels) and _among(one.direction, when.directions)
        and _among(one.call_class, when.classes) and _among(one.outcome, when.outcomes)
        and _among(one.campaign, when.campaigns) and _among(one.line, when.lines)
        and (not when.stages or f"{one.campaign}/{one.stage}" in when.stages)
        and (not when.queues or bool({one.queue, (one.queue or "").partition("@")[0]} & when.queues))
        and _among(one.disposition, when.dispositions)
        and (not when.tags or any(tag in tags for tag in when.tags))
        and (not when.lists or any(one.number in lists.get(name, ()) for name in when.lists))
        and _between(one.talked_s, when.talked_min_s, when.talked_max_s)
        and _between(one.waited_s, when.waited_min_s, when.waited_max_s)
        and (when.sticky_kept is None
             or (one.sticky_agent is not None and (one.agent == one.sticky_agent) is when.sticky_kept))
    )


def _fitting(one: Finished, rules: AfterRules, lists: Mapping[str, Container[str]]) -> list[After]:
    """The rules that fit: looked at until none gives a tag that is not there. Tags are only ever added, so it ends."""
    tags = set(one.tags)
    while True:
        # A survey call must not be followed by another one of itself, for ever.
        fitting = [rule for rule in rules.after if fits(one, rule.when, tags, lists)
                   and not (rule.survey and one.reason == SURVEY_CALL)]
        given = {tag for rule in fitting for tag in rule.tags}
        if given <= tags:
            return fitting
        tags |= given


def _among(value: str | None, wanted: frozenset[str]) -> bool:
    return not wanted or value in wanted


def _between(value: float | None, least: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    return value is not None and (least is None or value >= least) and (most is None or value <= most)
