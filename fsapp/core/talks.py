"""What a talk, an attempt or a call of a customer changes of what is known of this customer. Pure: asks nobody.

Rights change as the table of `callback_rights` says; a successful talk makes the customer stick to the agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from fsapp.core.callback_rights import AGENTS_EVENTS, CallbackEvent, CallbackRule, effect, step
from fsapp.core.clean import clean_number
from fsapp.core.model import Right, Sticky
from fsapp.core.numbers import normalise
from fsapp.core.rules import Line, Rules, Stage
from fsapp.core.stickiness import StickyRule, after_talk
from fsapp.core.task import TryOutcome

__all__ = [
    "Happened", "Known", "Outcome", "after", "attempt", "customer_of", "from_fact", "matters", "place_of",
    "sticky_days",
]

_DAY_S = 24 * 3600


class Outcome(StrEnum):
    """How an attempt of an agent to reach a customer ended."""

    FAILED = "failed"
    TALKED = "talked"


@dataclass(frozen=True, slots=True)
class Happened:
    """Something between one customer and one agent (None: no particular one), that happened once.

    `id` is the same whenever it is told. `place`: the stage or line it belongs to, if any. `talked_s` None: nobody
    knows how long they talked.
    """

    event: CallbackEvent
    id: str
    at: datetime
    number: str
    agent: str | None = None
    campaign: str | None = None
    stage: str | None = None
    place: str | None = None
    talked_s: float | None = None
    call: str | None = None


class Known(NamedTuple):
    """What is known of a customer. `sticky_s`: for how many seconds the stickiness is to be kept, where it changed."""

    rights: tuple[Right, ...] = ()
    sticky: Sticky | None = None
    sticky_s: int | None = None


def attempt(
    number: str, agent: str, outcome: Outcome, at: datetime, id_: str, campaign: str | None = None,
    stage: str | None = None, talked_s: float | None = None, line: str | None = None,
) -> Happened:
    """An attempt of an agent; `number` is the customer's key, `id_` the same whenever the attempt is told."""
    event = CallbackEvent.AGENT_TALKED if outcome is Outcome.TALKED else CallbackEvent.AGENT_FAILED
    place = f"{campaign}/{stage}" if campaign and stage else line
    return Happened(event, id_, at, number, agent, campaign, stage, place, talked_s)


def from_fact(fact: Mapping[str, Any], rules: Rules) -> Happened | None:
    """What a fact of the link tells of a customer; None for one that tells nothing, or of nobody we could know.

    A customer's call has come in when it joins its first queue; one that hangs up before is told of then. Of a call
    that stands in line for a task nothing but the try is told: nobody is on the line.
    """
    kind = fact.get("type")
    if kind == "attempt":
        return _tried(fact)
    if fact.get("task"):
        return None
    outgoing = fact.get("direction") == "outbound"
    if kind == "talk_ended":
        event = CallbackEvent.AGENT_TALKED if outgoing else CallbackEvent.CUSTOMER_TALKED
    elif kind in ("queue_joined", "call_hung_up") and not outgoing:
        event = CallbackEvent.CUSTOMER_CAME
    else:
        return None
    number = customer_of(fact, rules)
    if number is None:
        return None
    at = datetime.fromtimestamp(float(fact.get("at", 0)) - float(fact.get("lasted_s", 0)), UTC)
    call = str(fact.get("call") or "")
    if event is CallbackEvent.CUSTOMER_CAME:
        return Happened(event, f"{call}:came", at, number, call=call)
    place = place_of(fact, rules)
    campaign, stage = (place.campaign, place.name) if isinstance(place, Stage) else (None, None)
    return Happened(
        event, str(fact["id"]), at, number, str(fact.get("agent") or "") or None, campaign, stage,
        place.id if place else None, float(fact.get("talked_s", 0)), call,
    )


def _tried(fact: Mapping[str, Any]) -> Happened | None:
    """A try at a task (`core.task_life`), if an agent was reserved for it and it did not fail on our side."""
    number, agent = str(fact.get("number") or ""), str(fact.get("agent") or "")
    if not number or not agent or fact.get("result") == TryOutcome.FAILED:
        return None
    campaign, stage, line = (str(fact.get(name) or "") or None for name in ("campaign", "stage", "line"))
    return attempt(
        number, agent, Outcome(str(fact["outcome"])), datetime.fromtimestamp(float(fact["at"]), UTC), str(fact["id"]),
        campaign, stage, float(fact.get("talked_s", 0)), line)


def customer_of(fact: Mapping[str, Any], rules: Rules) -> str | None:
    """The customer's key: of a contact the contact's, else the number that called; ours is nobody's."""
    contact = str(fact.get("contact") or "").rpartition("/")[2]
    key = normalise(clean_number(contact or str(fact.get("number") or "")), rules.region).key
    return None if key in rules.numbers else key


def place_of(fact: Mapping[str, Any], rules: Rules) -> Stage | Line | None:
    """Where the call belonged: as it was routed, else by its contact, else by the queue."""
    if fact.get("campaign") or fact.get("stage"):
        return rules.stages.get(f"{fact.get('campaign')}/{fact.get('stage')}")
    if fact.get("line"):
        return rules.lines.get(str(fact["line"]))
    found = rules.stages.get(str(fact.get("contact") or "").rpartition("/")[0])
    places = (*rules.stages.values(), *rules.lines.values())
    return found or next((place for place in places if place.queue == fact.get("queue")), None)


def matters(happened: Happened, rules: Rules) -> bool:
    """Whether this can change anything: most calls that come in do not, and need not be looked up."""
    if happened.event is CallbackEvent.CUSTOMER_CAME:
        said = (rules.callback, *(one.callback for one in (*rules.agents.values(), *rules.stages.values())))
        return any(one.get("direct_callback") == 4 for one in said)
    return happened.agent in rules.agents


def after(known: Known, happened: Happened, rules: Rules) -> tuple[Known, list[dict[str, Any]]]:
    """What is known afterwards, with the events to tell of it; the same `known` and none where nothing changes."""
    events: list[dict[str, Any]] = []
    rights = _rights(known.rights, happened, rules, events)
    sticky, sticky_s = _sticky(known.sticky, happened, rules, events)
    if not events:
        return known, events
    about = {"at": happened.at.timestamp(), "number": happened.number}
    about |= {"call": happened.call} if happened.call else {}
    return Known(rights, sticky, sticky_s), [{**event, **about} for event in events]


def _rights(
    rights: tuple[Right, ...], happened: Happened, rules: Rules, events: list[dict[str, Any]],
) -> tuple[Right, ...]:
    kept = [right for right in rights if right.expires_at > happened.at]
    found: list[Right] = []
    mine = None
    for right in kept:
        if happened.agent in (None, right.agent):
            mine = right if happened.agent else None
            found += [new for new in [_stepped(right, right.agent, happened, rules, events)] if new]
        else:
            found.append(right)
    if happened.agent and mine is None:
        found += [new for new in [_stepped(None, happened.agent, happened, rules, events)] if new]
    return tuple(found)


def _stepped(
    right: Right | None, agent: str, happened: Happened, rules: Rules, events: list[dict[str, Any]],
) -> Right | None:
    rule = _rule(right, agent, happened, rules)
    new = step(right, rule, happened.event, happened.at, agent, happened.campaign, happened.stage)
    if new != right:
        said = new or right
        assert said is not None
        events.append({
            "type": "direct_callback", "id": f"{happened.id}:right:{agent}", "agent": agent,
            "effect": effect(right, rule, happened.event, happened.at).value,
            "expires_at": said.expires_at.timestamp() if new else None, "campaign": said.campaign, "stage": said.stage,
        })
    return new


def _rule(right: Right | None, agent: str, happened: Happened, rules: Rules) -> CallbackRule:
    if happened.event in AGENTS_EVENTS or right is None:
        return rules.callback_rule(agent, happened.campaign, happened.stage)
    return rules.callback_rule(agent, right.campaign, right.stage)


def _sticky(
    sticky: Sticky | None, happened: Happened, rules: Rules, events: list[dict[str, Any]],
) -> tuple[Sticky | None, int | None]:
    if happened.event not in (CallbackEvent.AGENT_TALKED, CallbackEvent.CUSTOMER_TALKED) or not happened.agent:
        return sticky, None
    place = rules.place(happened.place or "")
    rule: StickyRule = place.sticky if place else rules.sticky
    if happened.talked_s is not None and happened.talked_s < rule.talk_s:
        return sticky, None
    new = after_talk(sticky, happened.agent, happened.at, happened.place)
    if new == sticky:
        return sticky, None
    events.append({
        "type": "stickiness", "id": f"{happened.id}:sticky", "agent": happened.agent, "place": happened.place,
        "by": "attempt" if happened.event is CallbackEvent.AGENT_TALKED else "talk",
    })
    return new, sticky_days(rules) * _DAY_S


def sticky_days(rules: Rules) -> int:
    """For how long stickiness is kept: as long as it counts anywhere."""
    return max(rule.days for rule in (
        rules.sticky, *(place.sticky for place in (*rules.stages.values(), *rules.lines.values()))))
