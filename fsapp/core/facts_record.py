"""The facts of a decision as its event carries them, small, and back: so that it can be made again. Pure.

A map with what there was: `contacts` [campaign, stage, open, agent, attempted], `rights` [agent, expires, campaign,
stage], `places` [place, kind, base score, since, expires] that callbacks keep, `sticky` [agent, talked, [[place, agent,
talked], ...]], `presence` {agent: what the decision saw of this one}, `flow` the one still to be run, `led` [flow,
line, agent, [block, ...]] where one has been. Times are epoch seconds. An empty map: nothing was known. Names of
customers are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fsapp.core.availability import Availability, Presence
from fsapp.core.model import Contact, Decision, Facts, Led, Right, Sticky, Talk
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import ASKED

__all__ = ["facts_from", "facts_record", "led_from"]


def facts_record(decision: Decision, led: Led | None = None) -> dict[str, Any]:
    """What an event holds of a decision's facts; `led`: where a flow had led the call before."""
    facts = decision.facts
    found: dict[str, Any] = {}
    if decision.flow is not None:
        found["flow"] = decision.flow
    if led is not None:
        found["led"] = [led.flow, led.line, led.agent, list(led.path)]
    if facts.contacts:
        found["contacts"] = [[one.campaign, one.stage, one.open, one.agent, _seconds(one.attempted_at)]
                             for one in facts.contacts]
    if facts.rights:
        found["rights"] = [[one.agent, one.expires_at.timestamp(), one.campaign, one.stage] for one in facts.rights]
    places = [[one.place, one.kind.value, one.base_score, one.since.timestamp(), one.expires_at.timestamp()]
              for one in facts.tasks if one.open and one.kind in ASKED and one.since and one.base_score is not None]
    if places:
        found["places"] = places
    if facts.sticky is not None:
        found["sticky"] = [facts.sticky.agent, facts.sticky.talked_at.timestamp(),
                           [[one.place, one.agent, one.talked_at.timestamp()] for one in facts.sticky.places]]
    presence = {agent: one.value for agent, one in decision.seen.items() if one is not Presence.UNKNOWN}
    if presence:
        found["presence"] = presence
    return found


def facts_from(record: Mapping[str, Any], number: str, at: datetime, *, degraded: bool = False) -> Facts:
    """The facts of an event about a caller, as of `at`; ValueError if it holds none."""
    try:
        contacts = tuple(
            Contact(_text(campaign), _text(stage), number, bool(is_open), agent, _time(attempted))
            for campaign, stage, is_open, agent, attempted in record.get("contacts", ())
        )
        rights = tuple(Right(_text(agent), _at(expires), campaign, stage)
                       for agent, expires, campaign, stage in record.get("rights", ()))
        tasks = tuple(
            Task(str(index), TaskKind(kind), number, _text(place), _at(since), _at(expires), _at(since),
                 base_score=int(score), since=_at(since))
            for index, (place, kind, score, since, expires) in enumerate(record.get("places", ()))
        )
        sticky = None
        if record.get("sticky"):
            agent, talked, places = record["sticky"]
            talks = tuple(Talk(_text(place), _text(who), _at(when)) for place, who, when in places)
            sticky = Sticky(_text(agent), _at(talked), talks)
        presence = {_text(agent): Presence(value) for agent, value in record.get("presence", {}).items()}
    except (TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise ValueError(f"no facts: {error}") from None
    return Facts(contacts, rights, sticky, degraded, _availability(presence, at), tasks)


def led_from(record: Mapping[str, Any]) -> Led | None:
    """Where a flow had led the call; ValueError if that cannot be read."""
    if not record.get("led"):
        return None
    try:
        flow, line, agent, path = record["led"]
        return Led(_text(flow), _text(line), agent, tuple(map(_text, path)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"no flow: {error}") from None


def _availability(presence: Mapping[str, Presence], at: datetime) -> Availability:
    """An availability that says the same of these agents at this time."""
    now = at.timestamp()
    free_at = {agent: now if one is Presence.FREE else float("inf")
               for agent, one in presence.items() if one is not Presence.AWAY}
    return Availability(free_at, frozenset(agent for agent, one in presence.items() if one is Presence.AWAY))


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else _at(seconds)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value
