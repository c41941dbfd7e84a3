"""mod_callcenter's lists as JSON: `json {"command":"callcenter_config",...}`. Changes nothing.

As in the real switch: what its database holds is text, a number of `queue list` is a number, and the counters of queues
are in the table of `callcenter_config queue list` alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fsapp.lab.callcenter import CallCenter

__all__ = ["json_command"]

_AGENT_TEXTS = ("type", "contact", "status", "state")
_AGENT_NUMBERS = (
    "max_no_answer", "wrap_up_time", "reject_delay_time", "busy_delay_time", "no_answer_delay_time",
    "last_bridge_start", "last_bridge_end", "last_offered_call", "last_status_change", "no_answer_count",
    "calls_answered", "talk_time", "ready_time",
)
_FAILED = "The command returned an error"
_UNKNOWN = "Invalid request or non-existant command"

Rows = list[dict[str, Any]]


def json_command(centre: CallCenter, text: str) -> str:
    """What `json TEXT` prints."""
    try:
        asked = json.loads(text)
    except ValueError:
        return "-ERR Parse error.\n"
    if not isinstance(asked, dict) or asked.get("command") != "callcenter_config":
        return _answer(asked if isinstance(asked, dict) else {}, _UNKNOWN)
    data = asked.get("data")
    arguments = data.get("arguments") if isinstance(data, dict) else None
    listing = _LISTS.get(arguments.lower()) if isinstance(arguments, str) else None
    return _answer(asked, _FAILED) if listing is None else _answer(asked, "", listing(centre))


def _answer(asked: Mapping[str, Any], message: str, rows: Rows | None = None) -> str:
    said = {"status": "error", "message": message} if message else {"status": "success"}
    return json.dumps({**asked, **said, "response": rows}, separators=(",", ":"), ensure_ascii=False)


def _agents(centre: CallCenter) -> Rows:
    return [{
        "name": agent.name, "instance_id": "single_box", **({"uuid": agent.uuid} if agent.uuid else {}),
        **{name: getattr(agent, name) for name in _AGENT_TEXTS},
        **{name: str(getattr(agent, name)) for name in _AGENT_NUMBERS}, "external_calls_count": "0",
    } for agent in centre.agents.values()]


def _tiers(centre: CallCenter) -> Rows:
    return [{
        "queue": tier.queue, "agent": tier.agent, "state": tier.state, "level": str(tier.level),
        "position": str(tier.position),
    } for tier in sorted(centre.tiers.values(), key=lambda tier: (tier.level, tier.position))]


def _word(value: bool) -> str:
    return "true" if value else "false"


def _queues(centre: CallCenter) -> Rows:
    return [{
        "name": queue.name, "strategy": queue.strategy, "moh_sound": queue.moh_sound,
        "time_base_score": queue.time_base_score, "tier_rules_apply": _word(queue.tier_rules_apply),
        "tier_rule_wait_second": queue.tier_rule_wait_s,
        "tier_rule_wait_multiply_level": _word(queue.tier_rule_multiply),
        "tier_rule_no_agent_no_wait": _word(queue.tier_rule_no_wait),
        "discard_abandoned_after": queue.discard_abandoned_s, "abandoned_resume_allowed": _word(queue.resume_allowed),
        "max_wait_time": queue.wait_s or 0, "max_wait_time_with_no_agent": queue.no_agent_wait_s,
        "max_wait_time_with_no_agent_time_reached": queue.no_agent_grace_s,
        "skip_agents_with_external_calls": _word(queue.skip_external),
        "agent_no_answer_status": queue.no_answer_status,
    } for queue in centre.queues.values()]


def _members(centre: CallCenter) -> Rows:
    epoch = centre.epoch()
    members = [member for queue in centre.queues.values() for member in queue.members.values()]
    return [{
        "queue": member.queue, "instance_id": "single_box", "uuid": member.uuid,
        "session_uuid": "" if member.state == "Abandoned" else member.channel.uuid, "cid_number": member.cid_number,
        "cid_name": member.cid_name, "system_epoch": str(member.system_epoch),
        "joined_epoch": str(member.joined_epoch), "rejoined_epoch": "0", "bridge_epoch": str(member.bridge_epoch),
        "abandoned_epoch": str(member.abandoned_epoch), "base_score": str(member.base_score), "skill_score": "0",
        "serving_agent": member.serving_agent, "serving_system": "single_box" if member.serving_agent else "",
        "state": member.state, "score": str(member.score(epoch)),
    } for member in sorted(members, key=lambda member: -member.score(epoch))]


_LISTS: Mapping[str, Callable[[CallCenter], Rows]] = {
    "agent list": _agents, "queue list": _queues, "member list": _members, "tier list": _tiers,
}
