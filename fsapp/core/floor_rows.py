"""The floor as rows for people and JSON: agents, queues, calls, each a plain dict. Pure: prints and asks nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from fsapp.core.activity import activity
from fsapp.core.evidence import is_ghost
from fsapp.core.floor import AgentState, AgentStatus, Floor, MemberState, RememberedStatus, SeenAgent, SeenMember
from fsapp.core.floor_facts import is_callers
from fsapp.core.placeholder import CUSTOMER, TASK
from fsapp.core.rules import Rules
from fsapp.core.score import BANDS
from fsapp.core.wait import Estimate

__all__ = ["Row", "agent_rows", "call_rows", "queue_rows", "switch_rows"]

Row = dict[str, Any]
_WAITING = (MemberState.WAITING, MemberState.TRYING)
_READY = (AgentStatus.AVAILABLE, AgentStatus.ON_DEMAND)
_STATES = {MemberState.WAITING: "waits", MemberState.TRYING: "rings", MemberState.ANSWERED: "talks"}


def switch_rows(floors: Iterable[Floor], now: datetime) -> list[Row]:
    """How well each switch is known: `link` is None when no link runs; `age_s` since the switch last said anything."""
    return [{
        "switch": floor.switch, "link": floor.link or None, "up": floor.up and bool(floor.link),
        "synced_s": _since(floor.synced_at, now), "age_s": _since(floor.heard_at, now),
    } for floor in floors]


def agent_rows(
    floors: Iterable[Floor], rules: Rules | None, remembered: Mapping[str, RememberedStatus], now: datetime,
) -> list[Row]:
    """One row an agent: on a switch, or of the rules and on none (then `state` is None, the status the last known).

    `does`: the same in one word, wrap-up told apart, of which `left_s` are left. `state_s`: how long the agent has been
    talking, or has had nothing to do. `phone` None: not known.
    """
    floors = list(floors)
    names = {agent.id: agent.name for agent in rules.agents.values()} if rules is not None else {}
    rows = [
        _agent_row(floor, agent, names, remembered, now) for floor in floors for agent in floor.seen.agents.values()
    ]
    there = {row["agent"] for row in rows}
    homes = {floor.switch for floor in floors}
    for agent in rules.agents.values() if rules is not None else ():
        if agent.id not in there and agent.home in homes:
            known = remembered.get(agent.id)
            rows.append({
                "switch": agent.home, "agent": agent.id, "name": agent.name, "status": known.status if known else None,
                "reason": known.reason or None if known else None, "status_s": _since(known and known.since, now),
                "state": None, "does": None, "left_s": None, "state_s": None, "queue": None, "number": None,
                "phone": None, "answered": 0, "talk_s": 0,
            })
    return sorted(rows, key=lambda row: (row["switch"], row["agent"]))


def _agent_row(
    floor: Floor, agent: SeenAgent, names: Mapping[str, str], remembered: Mapping[str, RememberedStatus],
    now: datetime,
) -> Row:
    known = remembered.get(agent.id)
    doing = activity(agent, now)
    served = [member for member in _members(floor, now)
              if member.agent == agent.id and member.state in (MemberState.TRYING, MemberState.ANSWERED)]
    member = served[0] if served else None
    since = {
        AgentState.TALKING: agent.talked_at, AgentState.RECEIVING: agent.offered_at,
    }.get(AgentState(agent.state) if agent.state in set(AgentState) else None, agent.ended_at)
    return {
        "switch": floor.switch, "agent": agent.id, "name": names.get(agent.id), "status": agent.status,
        "reason": known.reason or None if known is not None and known.status == agent.status else None,
        "status_s": _since(agent.status_at, now), "state": agent.state, "does": doing.word, "left_s": doing.left_s,
        "state_s": _since(since, now),
        "queue": member.queue if member is not None else None, "number": member.number if member is not None else None,
        "phone": {True: "registered", False: "away", None: None}[agent.registered],
        "answered": agent.answered, "talk_s": agent.talk_s,
    }


def queue_rows(floors: Iterable[Floor], now: datetime) -> list[Row]:
    """One row a queue. `free`: agents who would get the next call; `ready`: those and who talk; `staff`: all.

    `wait`: what whoever joins now has to expect, None where nothing is known. `callbacks`: how many of those waiting
    are calls of ours that stand in line for a task, None for none.
    """
    rows = []
    for floor in floors:
        agents = floor.seen.agents
        staff: dict[str, list[SeenAgent]] = {}
        for tier in floor.seen.tiers:
            if tier.agent in agents:
                staff.setdefault(tier.queue, []).append(agents[tier.agent])
        members: dict[str, list[SeenMember]] = {}
        for member in _members(floor, now):
            members.setdefault(member.queue, []).append(member)
        for name, queue in floor.seen.queues.items():
            waiting = [member for member in members.get(name, ()) if member.state in _WAITING]
            ready = [agent for agent in staff.get(name, ()) if agent.status in _READY]
            rows.append({
                "switch": floor.switch, "queue": name, "waiting": len(waiting),
                "longest_s": max((_since(member.joined_at, now) or 0 for member in waiting), default=0),
                "talking": sum(member.state == MemberState.ANSWERED for member in members.get(name, ())),
                "free": sum(activity(agent, now).word == "waiting" for agent in ready), "ready": len(ready),
                "staff": len(staff.get(name, ())), "answered": queue.answered, "abandoned": queue.abandoned,
                "callbacks": sum(bool(member.task) for member in waiting) or None,
                "limit_s": queue.wait_s, "wait": _wait(floor.waits.get(name)),
            })
    return sorted(rows, key=lambda row: (row["switch"], -row["waiting"], row["queue"]))


def _wait(found: Estimate | None) -> Row | None:
    if found is None or not isfinite(found.estimate_s + found.low_s + found.high_s):
        return None
    return {
        "estimate_s": round(found.estimate_s), "low_s": round(found.low_s), "high_s": round(found.high_s),
        "doubt": found.doubt or None,
    }


def call_rows(floors: Iterable[Floor], rules: Rules | None, now: datetime) -> list[Row]:
    """One row a caller, in the order of being served: who talks, then by score, then who is in no queue.

    `state`: waits, rings, talks; None in no queue. `wait_s`: in this queue. `class`: as decided, else what the score
    says. `task`: the one whose customer the place is kept for: nobody is on the line before an agent has answered.
    """
    names = {agent.id: agent.name for agent in rules.agents.values()} if rules is not None else {}
    rows = []
    for floor in floors:
        members = {member.call: member for member in _members(floor, now) if member.call}
        calls = floor.seen.calls
        for uuid in dict.fromkeys([*calls, *members]):
            call, member = calls.get(uuid), members.get(uuid)
            if member is None and (call is None or not is_callers(call)):
                continue
            variables = call.variables if call is not None else {}
            rows.append({
                "switch": floor.switch, "call": uuid, "number": _number(call, member),
                "called": variables.get("fsapp_called") or (call.called if call is not None else None) or None,
                "class": variables.get("fsapp_class") or (_class(member.base_score) if member is not None else None),
                "reason": variables.get("fsapp_reason") or None,
                "task": variables.get(TASK) or (member.task if member is not None else "") or None,
                **_stay(member, names, now),
                "since_s": _since(call.created_at if call is not None else None, now),
            })
    return sorted(rows, key=lambda row: (row["switch"], row["state"] != "talks", -(row["score"] or 0), row["call"]))


def _members(floor: Floor, now: datetime) -> list[SeenMember]:
    """Without the rows that mod_callcenter keeps of callers who are no longer there."""
    return [member for member in floor.seen.members.values() if not is_ghost(member, floor.seen, now)]


def _stay(member: SeenMember | None, names: Mapping[str, str], now: datetime) -> Row:
    """What a caller does in a queue."""
    if member is None:
        return dict.fromkeys(("queue", "score", "state", "wait_s", "agent", "agent_name"))
    end = member.answered_at if member.state == MemberState.ANSWERED else None
    return {
        "queue": member.queue, "score": member.base_score + (_since(member.joined_at, now) or 0),
        "state": _STATES.get(MemberState(member.state) if member.state in set(MemberState) else MemberState.WAITING),
        "wait_s": _since(member.joined_at, end or now), "agent": member.agent or None,
        "agent_name": names.get(member.agent),
    }


def _number(call: Any, member: SeenMember | None) -> str | None:
    of_call = (call.variables.get(CUSTOMER) or call.number) if call is not None else ""
    return (member.number if member is not None else "") or of_call or None


def _class(base_score: int) -> str | None:
    """The class whose band a score lies in."""
    below = [(band, str(call_class)) for call_class, band in BANDS.items() if base_score >= band]
    return max(below)[1] if below else None


def _since(at: datetime | None, now: datetime) -> int | None:
    """Whole seconds; None where it never was. A switch's clock may be ahead of ours."""
    return None if at is None else max(0, int((now - at).total_seconds()))
