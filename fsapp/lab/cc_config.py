"""`callcenter_config`: looking at and changing queues, agents and tiers in the words of mod_callcenter."""

from __future__ import annotations

from collections.abc import Sequence

from fsapp.lab.callcenter import Agent, CallCenter, Member, Queue, Tier
from fsapp.lab.cc_load import Loader
from fsapp.lab.cc_tables import Result, add_agent, add_tier, number, update_agent, update_tier

__all__ = ["callcenter_config"]

_MOST_WORDS = 8
_INVALID = "-ERR Invalid!\n"
_UNKNOWN = "-ERR Unknown Error!\n"
_NO_QUEUE = "-ERR Invalid Queue not found!\n"
_USAGE = "-USAGE: \ncallcenter_config <target> <args>\n"
_OK = "+OK\n"
_AGENT_COLUMNS = (
    "name", "instance_id", "uuid", "type", "contact", "status", "state", "max_no_answer", "wrap_up_time",
    "reject_delay_time", "busy_delay_time", "no_answer_delay_time", "last_bridge_start", "last_bridge_end",
    "last_offered_call", "last_status_change", "no_answer_count", "calls_answered", "talk_time", "ready_time",
    "external_calls_count",
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


def callcenter_config(centre: CallCenter, loader: Loader, words: Sequence[str]) -> str:
    """What `callcenter_config WORDS` prints; nothing for a word it does not know."""
    if not words:
        return _USAGE
    if len(words) < 2:
        return _INVALID
    section, action, *rest = words[:_MOST_WORDS]
    what = (section.lower(), action.lower())
    if what in _LOADING:
        return _LOADING[what](centre, loader, rest) if rest else _INVALID
    function = _SECTIONS.get(what)
    return function(centre, rest) if function else ""


def _said(result: Result) -> str:
    return f"-ERR {result.value}\n" if result.value else _OK


def _table(head: str, rows: list[str]) -> str:
    return "".join(f"{line}\n" for line in [head, *rows]) + _OK if rows else _OK


def _agent_add(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 2:
        return _INVALID
    result = add_agent(centre, rest[0], rest[1])
    return "-ERR Agent type invalid!\n" if result is Result.AGENT_TYPE else _said(result)


def _agent_del(centre: CallCenter, rest: Sequence[str]) -> str:
    if not rest:
        return _INVALID
    centre.remove_agent(rest[0])
    return _OK


def _agent_set(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 3:
        return _INVALID
    key, name, value = rest[:3]
    return _said(update_agent(centre, key, value, name))


def _agent_get(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 2:
        return _INVALID
    key, name = rest[:2]
    agent = centre.agents.get(name)
    if agent is None:
        return "-ERR Agent not found!\n"
    values = {"status": agent.status, "state": agent.state, "uuid": agent.uuid}
    if key.lower() not in values:
        return "-ERR Invalid Agent Update KEY!\n"
    value = values[key.lower()]
    told = "CC-Agent-UUID" if key.lower() == "uuid" else f"CC-Agent-{key[:1].upper()}{key[1:]}"
    centre.report([("CC-Agent", name), ("CC-Action", f"agent-{key}-get"), (told, value)])
    return value


def _agent_row(agent: Agent) -> str:
    fixed = {"instance_id": "single_box", "external_calls_count": "0"}
    return "|".join(fixed.get(name) or str(getattr(agent, name)) for name in _AGENT_COLUMNS)


def _agent_list(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) > 1:
        return _INVALID
    agents = [agent for agent in centre.agents.values() if not rest or agent.name == rest[0]]
    return _table("|".join(_AGENT_COLUMNS), [_agent_row(agent) for agent in agents])


def _tier_add(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 2:
        return _INVALID
    level, position = (number(word) for word in [*rest[2:4], "1", "1"][:2])
    return _said(add_tier(centre, rest[0], rest[1], level, position))


def _tier_set(centre: CallCenter, rest: Sequence[str]) -> str:
    if len(rest) < 4:
        return _INVALID
    result = update_tier(centre, rest[0], rest[3], rest[1], rest[2])
    return _said(Result.AGENT_NOT_FOUND if result is Result.QUEUE_NOT_FOUND else result)


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


def _agent_reload(_centre: CallCenter, loader: Loader, rest: Sequence[str]) -> str:
    return _OK if loader.agent(rest[0]) else _UNKNOWN


def _tier_reload(_centre: CallCenter, loader: Loader, rest: Sequence[str]) -> str:
    if rest[0].lower() == "all":
        return _OK if loader.tiers() else _UNKNOWN
    return _OK if loader.tiers(rest[0], rest[1] if len(rest) > 1 else "") else _UNKNOWN


def _queue_load(_centre: CallCenter, loader: Loader, rest: Sequence[str]) -> str:
    return _OK if loader.queue(rest[0], people=True) else _NO_QUEUE


def _queue_reload(centre: CallCenter, loader: Loader, rest: Sequence[str]) -> str:
    centre.remove_queue(rest[0])
    return _queue_load(centre, loader, rest)


def _queue_unload(centre: CallCenter, rest: Sequence[str]) -> str:
    if not rest:
        return _INVALID
    centre.remove_queue(rest[0])
    return _OK


def _word(value: bool) -> str:
    return "true" if value else "false"


def _queue_row(queue: Queue) -> str:
    return "|".join((
        queue.name, queue.strategy, queue.moh_sound, queue.time_base_score, _word(queue.tier_rules_apply),
        str(queue.tier_rule_wait_s), _word(queue.tier_rule_multiply), _word(queue.tier_rule_no_wait),
        str(queue.discard_abandoned_s), _word(queue.resume_allowed), str(queue.wait_s or 0),
        str(queue.no_agent_wait_s), str(queue.no_agent_grace_s), queue.record_template, str(queue.calls_answered),
        str(queue.calls_abandoned), str(queue.ring_delay_s), _word(queue.skip_external), queue.no_answer_status,
    ))


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
        return f"{len(_members(centre, name) if name else [])}\n"
    if what == "tiers":
        return f"{sum(tier.queue == name for tier in centre.tiers.values())}\n"
    return _INVALID


def _agents(centre: CallCenter, rest: Sequence[str]) -> list[Agent]:
    queue, status, state = [*rest[1:4], "", "", ""][:3]
    agents = [centre.agents[name] for name in centre.staff(queue) if name in centre.agents]
    return [a for a in agents if (not status or a.status == status) and (not state or a.state == state)]


def _members(centre: CallCenter, name: str) -> list[Member]:
    queues = [centre.queues[key] for key in sorted(centre.queues) if not name or key == name]
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
    ("queue", "unload"): _queue_unload,
    ("queue", "list"): _queue_list, ("queue", "count"): _queue_count,
}
_LOADING = {
    ("agent", "reload"): _agent_reload, ("tier", "reload"): _tier_reload, ("queue", "load"): _queue_load,
    ("queue", "reload"): _queue_reload,
}
