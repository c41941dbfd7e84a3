"""Agents and tiers by name, as mod_callcenter changes them: what is allowed, what is told. Parses no command."""

from __future__ import annotations

import re
from enum import Enum

from fsapp.lab.callcenter import AGENT_STATES, AGENT_STATUSES, TIER_STATES, Agent, CallCenter, Tier

__all__ = ["AGENT_TYPES", "Result", "add_agent", "add_tier", "number", "update_agent", "update_tier"]

AGENT_TYPES = ("callback", "uuid-standby")
_NUMBERS = (
    "max_no_answer", "wrap_up_time", "reject_delay_time", "busy_delay_time", "no_answer_delay_time", "ready_time",
)
_NUMBER = re.compile(r"\s*[+-]?[0-9]+")


class Result(Enum):
    """How a change went; the value is what `callcenter_config` has to say about it."""

    DONE = ""
    AGENT_NOT_FOUND = "Agent not found!"
    AGENT_EXISTS = "Agent already exist!"
    AGENT_TYPE = "Invalid Agent Type!"
    AGENT_STATUS = "Invalid Agent Status!"
    AGENT_STATE = "Invalid Agent State!"
    AGENT_KEY = "Invalid Agent Update KEY!"
    QUEUE_NOT_FOUND = "Queue not found!"
    TIER_EXISTS = "Tier already exist!"
    TIER_NOT_FOUND = "Unknown Error!"
    TIER_STATE = "Invalid Tier State!"
    TIER_KEY = "Invalid Tier Update KEY!"


def number(text: str) -> int:
    """As atoi reads it: leading digits, else 0."""
    found = _NUMBER.match(text)
    return int(found[0]) if found else 0


def _known(value: str, words: tuple[str, ...]) -> bool:
    # Compared without regard to case and kept as written: "available" is accepted, and serves nobody.
    return value.lower() in (word.lower() for word in words)


def add_agent(centre: CallCenter, name: str, kind: str) -> Result:
    if kind.lower() not in AGENT_TYPES:
        return Result.AGENT_TYPE
    if name in centre.agents:
        return Result.AGENT_EXISTS
    centre.agents[name] = Agent(name, status="Logged Out", type=kind)
    centre.report([("CC-Agent", name), ("CC-Agent-Type", kind), ("CC-Action", "agent-add")])
    return Result.DONE


def update_agent(centre: CallCenter, key: str, value: str, name: str) -> Result:
    """Set one thing of an agent, as `agent set KEY NAME VALUE` and loading do."""
    agent = centre.agents.get(name)
    key = key.lower()
    if agent is None:
        return Result.AGENT_NOT_FOUND
    if key == "status":
        if not _known(value, AGENT_STATUSES):
            return Result.AGENT_STATUS
        centre.set_status(agent, value)
    elif key == "state":
        if not _known(value, AGENT_STATES):
            return Result.AGENT_STATE
        centre.set_state(agent, value)
    elif key == "state_if_waiting":
        if not _known(value, AGENT_STATES):
            return Result.AGENT_STATE
        if agent.state != "Waiting" or agent.status not in ("Available", "Available (On Demand)"):
            return Result.AGENT_NOT_FOUND
        centre.set_state(agent, value)
    elif key == "contact":
        agent.contact = value
        centre.report([("CC-Agent", name), ("CC-Action", "agent-contact-change"), ("CC-Agent-Contact", value)])
    elif key == "uuid":
        agent.uuid = value
    elif key == "type":
        if value.lower() not in AGENT_TYPES:
            return Result.AGENT_TYPE
        agent.type = value
    elif key in _NUMBERS:
        setattr(agent, key, number(value))
    else:
        return Result.AGENT_KEY
    return Result.DONE


def add_tier(centre: CallCenter, queue: str, agent: str, level: int = 1, position: int = 1) -> Result:
    """An agent for a queue, which is loaded if it is not; may wait for whoever says what is in it."""
    if centre.find(queue) is None:
        return Result.QUEUE_NOT_FOUND
    if agent not in centre.agents:
        return Result.AGENT_NOT_FOUND
    if (queue, agent) in centre.tiers:
        return Result.TIER_EXISTS
    centre.add_tier(Tier(queue, agent, level, position))
    return Result.DONE


def update_tier(centre: CallCenter, key: str, value: str, queue: str, agent: str) -> Result:
    tier = centre.tiers.get((queue, agent))
    if tier is None:
        return Result.TIER_NOT_FOUND
    if agent not in centre.agents:
        return Result.AGENT_NOT_FOUND
    if centre.find(queue) is None:
        return Result.QUEUE_NOT_FOUND
    key = key.lower()
    if key == "state":
        if not _known(value, TIER_STATES):
            return Result.TIER_STATE
        tier.state = value
    elif key in ("level", "position"):
        setattr(tier, key, number(value))
    else:
        return Result.TIER_KEY
    return Result.DONE
