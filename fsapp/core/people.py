"""Agents, groups, and who of them serves a place: by group, by name, by skill. Reads no files and checks nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fsapp.core.callback_rights import said_of_callback

__all__ = ["DEFAULT_AGENT_PRIORITY", "Agent", "Group", "agents_from", "groups_from", "staff"]

DEFAULT_AGENT_PRIORITY = 5
DEFAULT_WAIT_S = 20
DEFAULT_STRATEGY = "longest-idle"
DEFAULT_CONTACT = "user/{id}@{domain}"
# How an agent's phone is treated where the rules say nothing: [centre] has the same keys.
DEFAULT_PHONE_S: Mapping[str, int] = {
    "wrap_up_s": 10, "ring_s": 15, "reject_delay_s": 10, "busy_delay_s": 20, "no_answer_delay_s": 5,
}
DEFAULT_MAX_NO_ANSWER = 3


@dataclass(frozen=True, slots=True)
class Agent:
    """Someone who answers calls.

    `wait_s`: how long a caller waits in this agent's personal queue before moving on. `contact`: where the switch
    reaches the phone. `ring_s`: how long it rings. `wrap_up_s`: rest after a talk; the delays: rest after an offer that
    was rejected, met a busy phone or was not answered; at `max_no_answer` of the last in a row the switch sends the
    agent on a break (0: never). `skills`: level 1-10 by name. `home`: the switch of this agent's queues. `callback`:
    what is said of direct callback to this agent alone.
    """

    id: str
    name: str
    email: str
    wait_s: int = DEFAULT_WAIT_S
    contact: str = ""
    ring_s: int = DEFAULT_PHONE_S["ring_s"]
    wrap_up_s: int = DEFAULT_PHONE_S["wrap_up_s"]
    reject_delay_s: int = DEFAULT_PHONE_S["reject_delay_s"]
    busy_delay_s: int = DEFAULT_PHONE_S["busy_delay_s"]
    no_answer_delay_s: int = DEFAULT_PHONE_S["no_answer_delay_s"]
    max_no_answer: int = DEFAULT_MAX_NO_ANSWER
    skills: Mapping[str, int] = field(default_factory=dict)
    home: str = "main"
    callback: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    agents: tuple[str, ...]
    wait_s: int = DEFAULT_WAIT_S
    home: str = "main"
    strategy: str = DEFAULT_STRATEGY


def agents_from(document: Mapping[str, Any], domain: str, home: str) -> dict[str, Agent]:
    """The agents of a checked document, by id."""
    centre = document["centre"]
    phone = {name: centre.get(name, value) for name, value in DEFAULT_PHONE_S.items()}
    phone["max_no_answer"] = centre.get("max_no_answer", DEFAULT_MAX_NO_ANSWER)
    wait_s = centre.get("agent_wait_s", DEFAULT_WAIT_S)
    return {
        id_: Agent(
            id_, spec["name"], spec["email"], spec.get("wait_s", wait_s),
            contact=spec.get("contact", DEFAULT_CONTACT.format(id=id_, domain=domain)),
            skills=spec.get("skills", {}), home=spec.get("home", home), callback=said_of_callback(spec),
            **{name: spec.get(name, value) for name, value in phone.items()},
        )
        for id_, spec in document.get("agent", {}).items()
    }


def groups_from(document: Mapping[str, Any], home: str) -> dict[str, Group]:
    """The groups of a checked document, by name."""
    centre = document["centre"]
    wait_s, strategy = centre.get("group_wait_s", DEFAULT_WAIT_S), centre.get("strategy", DEFAULT_STRATEGY)
    return {
        name: Group(name, tuple(spec.get("agents", ())), spec.get("wait_s", wait_s), spec.get("home", home),
                    spec.get("strategy", strategy))
        for name, spec in document.get("group", {}).items()
    }


def staff(spec: Mapping[str, Any], groups: Mapping[str, Group], agents: Mapping[str, Agent]) -> dict[str, int]:
    """Who serves a place (a stage or line), each with a priority 0-10.

    The agents of its groups and those it names; with `skills` only those who have all of them, and everybody who has
    where it names nobody. The priority is what `priority` says, else the lowest level of the skills asked for, else 5.
    """
    named = [agent for name in spec.get("groups", ()) for agent in groups[name].agents]
    named += spec.get("agents", ())
    wanted = spec.get("skills", ())
    if wanted:
        named = [id_ for id_ in (named or agents) if agents[id_].skills.keys() >= set(wanted)]
    priorities = spec.get("priority", {})
    return {
        id_: priorities.get(id_, min((agents[id_].skills[skill] for skill in wanted), default=DEFAULT_AGENT_PRIORITY))
        for id_ in dict.fromkeys(named)
    }
