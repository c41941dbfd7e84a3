"""What a switch says of its floor and what is known of it, in a form that can be compared. Asks nobody."""

from __future__ import annotations

from typing import Any

from fsapp.core.floor import MemberState, Seen

__all__ = ["comparable", "differences"]


def comparable(seen: Seen) -> dict[str, Any]:
    """All that events tell. Not scores, which grow by themselves, nor what tables alone hold, nor what is counted.

    Those who have abandoned are in the table for a minute, without an event when it is over.
    """
    return {
        "core": {"uuid": seen.core_uuid},
        "agents": {
            agent.id: (agent.status, agent.state, agent.call, agent.contact, agent.registered)
            for agent in seen.agents.values()
        },
        "queues": dict.fromkeys(seen.queues, True),
        "members": {
            member.uuid: (
                member.queue, member.call, member.number, member.name, member.joined_at, member.base_score,
                member.agent, member.state, member.answered_at,
            )
            for member in seen.members.values() if member.state != MemberState.ABANDONED
        },
        "calls": {
            call.uuid: (call.direction, call.number, call.bridged_to, call.created_at) for call in seen.calls.values()
        },
    }


def differences(known: Seen, so: Seen) -> list[tuple[Any, ...]]:
    """Part, key, what is known, what is so."""
    one, other = comparable(known), comparable(so)
    return [
        (part, key, one[part].get(key), other[part].get(key))
        for part in one for key in one[part].keys() | other[part].keys()
        if one[part].get(key) != other[part].get(key)
    ]
