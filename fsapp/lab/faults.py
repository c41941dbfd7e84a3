"""States of mod_callcenter that operators complain of, made on purpose. Breaks no connection: that is in esl_in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from fsapp.lab.channel import Channel, Profile

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["ghost", "stick"]


def stick(switch: Switch, agent: str, state: str = "Receiving", *, tiers: str = "Standby", call: str = "") -> None:
    """Leave an agent in a state (Receiving, Reserved, In a queue call) without any call, and its tiers in theirs.

    `call`: the uuid the agent keeps of a leg that is gone. No event tells of it.
    """
    stuck = switch.callcenter.agents[agent]
    stuck.state, stuck.uuid = state, call
    for queue in switch.callcenter.served_by(agent):
        switch.callcenter.tiers[queue, agent].state = tiers


def ghost(switch: Switch, queue: str, *, state: str = "Answered", agent: str = "") -> str:
    """Leave a member in a queue whose channel is long gone; its uuid. No event tells of it."""
    gone = Channel(switch, "loopback/gone-b", Profile(caller_id_number="+381600000000"))
    gone.hangup_cause = "NORMAL_CLEARING"
    place = switch.callcenter.queues[queue]
    member = switch.callcenter.join(place, gone, 0)
    member.uuid = str(uuid4())
    member.state, member.serving_agent = state, agent
    if state == "Answered":
        member.bridge_epoch = member.joined_epoch
    place.members[member.uuid] = member
    if state == "Waiting":
        place.put(member)
    return member.uuid
