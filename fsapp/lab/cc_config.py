"""`callcenter_config`: looking at and changing queues, agents and tiers in the words of mod_callcenter."""

from __future__ import annotations

from collections.abc import Sequence

from fsapp.lab.callcenter import AGENT_STATES, AGENT_STATUSES, Agent, CallCenter, Member, Queue, Tier

__all__ = ["callcenter_config"]

_INVALID = "-ERR Invalid!\n"
_OK = "+OK\n"
_AGENT_COLUMNS = (
    "name", "instance_id", "uuid", "type", "contact", "status", "state", "max_no_answer", "wrap_up_time",
    "reject_delay_time", "busy_delay_time", "no_answer_delay_time", "last_bridge_start", "last_bridge_end",
    "last_offered_call", "last_status_change", "no_answer_count", "calls_answered", "talk_time", "ready_time",
    "external_calls_count",
)
_AGENT_NUMBERS = (
    "max_no_answer", "wrap_up_time", "reject_delay_time", "busy_delay_time", "no_answer_delay_time", "ready_time",
)
_QUEUE_COLUMNS = (
    "name|strategy|moh_sound|time_base_score|tier_rules_apply|tier_rule_wait_second|tier_rule_wait_multiply_level|"
    "tier_rule_no_agent_no_wait|discard_abandoned_after|abandoned_resume_allowed|max_wait_time|"
    "max_wait_time_with_no_agent|max_wait_time_with_no_agent_time_reached|record_template|calls_answered|"
    "calls_abandoned|ring_progressively_delay|skip_agents_with_external_calls|agent_no_answer_status"
)
_MEMBER_COLUMNS = (
    "queue|instance_id|uuid|session_uuid|cid_number|cid_name|system_epoch|joined_epoch|rejoined_epoch|bridge_epoch|"
    "abandoned_epoch|base_score|skill_score|serving_agent|serving_system|state|score"
)


def callcenter_config(centre: CallCenter, words: Sequence[str]) -> str:
    """What `callcenter_config WORDS` prints."""
    if len(words) < 2:
        return _INVALID
    section, action, *rest = words
    function = _SECTIONS.get((section.lower(), action.lower()))
    return function(centre, rest) if function else ""


def _table(head: str, rows: list[str]) -> str:
    return "".join(f"{line}\n" for line in [head, *rows]) + _OK if rows else _OK


def _agent_add(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 2:
        return _INVALID
    if rest[1] not in ("callback", "uuid-standby"):
        return "-ERR Agent type invalid!\n"
    if rest[0] in centre.agents:
        return "-ERR Agent already exist!\n"
    centre.agents[rest[0]] = Agent(rest[0], status="Logged Out", type=rest[1])
    centre.report([("CC-Agent", rest[0]), ("CC-Agent-Type", rest[1]), ("CC-Action", "agent-add")])
    return _OK


def _agent_del(centre: CallCenter, rest: Sequence[str]) -> str:
    if not rest:
        return _INVALID
    centre.remove_agent(rest[0])
    return _OK


def _agent_set(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 3:
        return _INVALID
    key, name, value = rest[:3]
    agent = centre.agents.get(name)
    if agent is None:
        return "-ERR Agent not found!\n"
    if key == "status":
        if value not in AGENT_STATUSES:
            return "-ERR Invalid Agent Status!\n"
        centre.set_status(agent, value)
    elif key == "state":
        if value not in AGENT_STATES:
            return "-ERR Invalid Agent State!\n"
        centre.set_state(agent, value)
    elif key == "contact":
        agent.contact = value
        centre.report([("CC-Agent", name), ("CC-Action", "agent-contact-change"), ("CC-Agent-Contact", value)])
    elif key == "uuid":
        agent.uuid = value
    elif key == "type":
        if value not in ("callback", "uuid-standby"):
            return "-ERR Invalid Agent Type!\n"
        agent.type = value
    elif key in _AGENT_NUMBERS:
        setattr(agent, key, int(value) if value.isdecimal() else 0)
    else:
        return "-ERR Invalid Agent Update KEY!\n"
    return _OK


def _agent_get(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 2:
        return _INVALID
    agent = centre.agents.get(rest[1])
    if agent is None:
        return "-ERR Agent not found!\n"
    values = {"status": agent.status, "state": agent.state, "uuid": agent.uuid}
    if rest[0] not in values:
        return "-ERR Invalid Agent Update KEY!\n"
    return values[rest[0]]


def _agent_row(agent: Agent) -> str:
    fixed = {"instance_id": "single_box", "external_calls_count": "0"}
    return "|".join(fixed.get(name) or str(getattr(agent, name)) for name in _AGENT_COLUMNS)


def _agent_list(centre: CallCenter, rest: Sequence[str]) -> str:
    agents = [agent for agent in centre.agents.values() if not rest or agent.name == rest[0]]
    return _table("|".join(_AGENT_COLUMNS), [_agent_row(agent) for agent in agents])


def _tier_add(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 2:
        return _INVALID
    if rest[0] not in centre.queues:
        return "-ERR Queue not found!\n"
    if rest[1] not in centre.agents:
        return "-ERR Agent not found!\n"
    if (rest[0], rest[1]) in centre.tiers:
        return "-ERR Tier already exist!\n"
    level, position = ((int(word) if word.isdecimal() else 1) for word in [*rest[2:4], "1", "1"][:2])
    centre.add_tier(Tier(rest[0], rest[1], level, position))
    return _OK


def _tier_set(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 4:
        return _INVALID
    key, queue, agent, value = rest[:4]
    tier = centre.tiers.get((queue, agent))
    if tier is None:
        return "-ERR Agent not found!\n"
    if key not in ("level", "position", "state"):
        return "-ERR Invalid Tier Update KEY!\n"
    if key == "state":
        tier.state = value
    else:
        setattr(tier, key, int(value) if value.isdecimal() else 1)
    return _OK


def _tier_del(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 2:
        return _INVALID
    centre.remove_tier(rest[0], rest[1])
    return _OK


def _tier_list(centre: CallCenter, _rest: Sequence[str]) -> str:
    return _tiers(sorted(centre.tiers.values(), key=lambda tier: (tier.level, tier.position)))


def _tiers(tiers: list[Tier]) -> str:
    rows = [f"{tier.queue}|{tier.agent}|{tier.state}|{tier.level}|{tier.position}" for tier in tiers]
    return _table("queue|agent|state|level|position", rows)


def _queue_load(centre: CallCenter, rest: Sequence[str]) -> str:
    if not rest:
        return _INVALID
    return _OK if rest[0] in centre.queues else "-ERR Invalid Queue not found!\n"


def _queue_unload(centre: CallCenter, rest: Sequence[str]) -> str:
    if not rest:
        return _INVALID
    centre.queues.pop(rest[0], None)
    return _OK


def _queue_row(queue: Queue) -> str:
    return (
        f"{queue.name}|{queue.strategy}|silence|{queue.time_base_score}|false|0|false|true|60|false|{queue.wait_s or 0}"
        f"|0|5||{queue.calls_answered}|{queue.calls_abandoned}|0|true|{queue.no_answer_status}"
    )


def _queue_list(centre: CallCenter, rest: Sequence[str]) -> str:
    if not rest:
        return "".join(f"{line}\n" for line in [_QUEUE_COLUMNS, *map(_queue_row, centre.queues.values())]) + _OK
    what, name = rest[0], rest[1] if len(rest) > 1 else ""
    if what == "agents":
        return _table("|".join(_AGENT_COLUMNS), [_agent_row(agent) for agent in _agents(centre, rest)])
    if what == "members":
        epoch = centre.epoch()
        return _table(_MEMBER_COLUMNS, [_member_row(member, epoch) for member in _members(centre, name)])
    if what == "tiers":
        return _tiers([tier for tier in centre.tiers.values() if tier.queue == name])
    return _INVALID


def _queue_count(centre: CallCenter, rest: Sequence[str]) -> str:
    if not rest:
        return f"{len(centre.queues)}\n"
    what, name = rest[0], rest[1] if len(rest) > 1 else ""
    if what == "agents":
        return f"{len(_agents(centre, rest))}\n"
    if what == "members":
        return f"{len(_members(centre, name))}\n"
    if what == "tiers":
        return f"{sum(tier.queue == name for tier in centre.tiers.values())}\n"
    return _INVALID


def _agents(centre: CallCenter, rest: Sequence[str]) -> list[Agent]:
    queue, status, state = [*rest[1:4], "", "", ""][:3]
    agents = [centre.agents[name] for name in centre.staff(queue) if name in centre.agents]
    return [a for a in agents if (not status or a.status == status) and (not state or a.state == state)]


def _members(centre: CallCenter, name: str) -> list[Member]:
    queues = [queue for queue in centre.queues.values() if not name or queue.name == name]
    return [m for queue in queues for m in sorted(queue.members.values(), key=lambda member: member.rank)]


def _member_row(member: Member, epoch: int) -> str:
    session = "" if member.state == "Abandoned" else member.channel.uuid
    system = "single_box" if member.serving_agent else ""
    return (
        f"{member.queue}|single_box|{member.uuid}|{session}|{member.cid_number}|{member.cid_name}|"
        f"{member.system_epoch}|{member.joined_epoch}|0|{member.bridge_epoch}|{member.abandoned_epoch}|"
        f"{member.base_score}|0|{member.serving_agent}|{system}|{member.state}|{member.score(epoch)}"
    )


_SECTIONS = {
    ("agent", "add"): _agent_add, ("agent", "del"): _agent_del, ("agent", "set"): _agent_set,
    ("agent", "get"): _agent_get, ("agent", "list"): _agent_list, ("tier", "add"): _tier_add,
    ("tier", "set"): _tier_set, ("tier", "del"): _tier_del, ("tier", "list"): _tier_list,
    ("queue", "load"): _queue_load, ("queue", "reload"): _queue_load, ("queue", "unload"): _queue_unload,
    ("queue", "list"): _queue_list, ("queue", "count"): _queue_count,
}
