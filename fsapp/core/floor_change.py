"""An event of the switch, and what it may change of the floor. Values: the rules beside this make one of the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fsapp.core.floor import Seen, SeenAgent, SeenCall, SeenMember
from fsapp.core.floor_facts import Fact

__all__ = ["NOTHING", "Changes", "FloorEvent", "changed", "fact_of", "whole"]


@dataclass(frozen=True, slots=True)
class FloorEvent:
    """One event. `kind`: the CC-Action of callcenter::info, else call-created, call-answered, call-bridged,
    call-unbridged, call-hung-up, call-described, recording-started, recording-stopped, phone-registered.

    `id`: unique for ever, the same whenever the same event is read. `call`: the uuid of the leg it is about (for
    callcenter events the caller's), `other` that of the leg it talks to, `agent_call` the agent's own. `value`: the new
    status, state or contact. `hung_up`: the leg has hung up already. `talk_at`: when the agent picked up.
    """

    kind: str
    id: str
    at: datetime
    agent: str = ""
    queue: str = ""
    member: str = ""
    call: str = ""
    other: str = ""
    agent_call: str = ""
    value: str = ""
    cause: str = ""
    reason: str = ""
    bridged: bool = True
    hung_up: bool = False
    number: str = ""
    name: str = ""
    called: str = ""
    direction: str = ""
    joined_at: datetime | None = None
    created_at: datetime | None = None
    answered_at: datetime | None = None
    talk_at: datetime | None = None
    base_score: int = 0
    file: str = ""
    seconds: int = 0
    users: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed: new values by key, None for what is gone. `facts`: for the event stream."""

    agents: Mapping[str, SeenAgent | None] = field(default_factory=dict)
    members: Mapping[str, SeenMember | None] = field(default_factory=dict)
    calls: Mapping[str, SeenCall | None] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()

    def __or__(self, later: Changes) -> Changes:
        return Changes(
            {**self.agents, **later.agents}, {**self.members, **later.members}, {**self.calls, **later.calls},
            self.facts + later.facts,
        )


NOTHING = Changes()


def changed(seen: Seen, changes: Changes) -> Seen:
    """The floor with the changes made."""
    return replace(
        seen, agents=_with(seen.agents, changes.agents), members=_with(seen.members, changes.members),
        calls=_with(seen.calls, changes.calls),
    )


def _with(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    if not new:
        return old
    merged = dict(old)
    for key, value in new.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def fact_of(event: FloorEvent, type_: str, **fields: Any) -> Fact:
    """A fact of which there may be many about one call: its id is the event's."""
    return {"type": type_, "id": event.id, "at": event.at.timestamp(), **fields}


def whole(at: datetime) -> datetime:
    """The switch's tables count in whole seconds."""
    return at.replace(microsecond=0)
