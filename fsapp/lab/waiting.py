"""The `callcenter` application: the caller's side of a queue, from joining to talking or leaving."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from fsapp.lab.callcenter import Member, Queue
from fsapp.lab.channel import Channel
from fsapp.log import get_logger

__all__ = ["callcenter_application"]

_log = get_logger("lab")
_CHECK_S = 0.5            # the real one looks every half second whether the wait is over
_FOREVER_S = 86_400.0
_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,20}")
_INT = 2**31 - 1


def callcenter_application(channel: Channel, data: str) -> None:
    """`QUEUE`: answer the call and wait there; afterwards `cc_cause` says how it went.

    A queue that is not loaded is asked for first. Comes back at once, and does not answer, when nobody knows it.
    """
    switch = channel.switch
    centre = switch.callcenter
    name = data.split(" ")[0]
    queue = centre.find(name)
    if queue is None:
        _log.warning("queue_not_found", queue=name)
        return
    if not channel.answered:
        channel.answer()
        channel.progress_us = channel.progress_us or channel.answered_us
    member = centre.join(queue, channel, _base_score(channel, queue))
    channel.set("cc_side", "member")
    channel.set("cc_member_uuid", member.uuid)
    channel.set("cc_agent_found", None)
    channel.set("cc_agent_bridged", None)
    channel.set("cc_queue_joined_epoch", str(member.joined_epoch))
    channel.set("cc_queue", queue.name)
    centre.report([("CC-Queue", queue.name), ("CC-Action", "member-queue-start"), *_identity(member)], channel)
    centre.enter(queue, member)
    centre.report_count(queue)
    if channel.joined_at is None:
        channel.joined_at = member.joined_at
    elif channel.last_queue != queue.name:
        switch.publish("moved", channel, source=channel.last_queue, target=queue.name)
    channel.last_queue = queue.name
    switch.publish(
        "queue_joined", channel, queue=queue.name, member=member.uuid, base_score=member.base_score,
        joined_at=member.joined_at, score=member.base_score, call_class=channel.variables.get("fsapp_class"),
        reason=channel.variables.get("fsapp_reason"), waiting=len(queue.waiting),
    )
    reason = _wait(channel, member)
    queue = centre.queues.get(name, queue)
    channel.set("cc_agent_found", None)
    if reason:
        _leave(channel, queue, member, reason)
    else:
        channel.set("cc_cause", "answered")
        queue.calls_answered += 1
    centre.report_count(queue)
    if not reason and member.agent_leg is not None:
        talk(channel, member.agent_leg)


def _base_score(channel: Channel, queue: Queue) -> int:
    number = _NUMBER.match(channel.variables.get("cc_base_score", ""))
    score = max(-_INT, min(_INT, int(number[0]))) if number else 0  # as atoi reads it into a C int
    if queue.time_base_score == "system":
        score += channel.switch.clock.epoch() - channel.answered_us // 1_000_000
    return score


def _identity(member: Member) -> list[tuple[str, str]]:
    return [
        ("CC-Member-UUID", member.uuid), ("CC-Member-Session-UUID", member.channel.uuid),
        ("CC-Member-CID-Name", member.cid_name), ("CC-Member-CID-Number", member.cid_number),
    ]


def _deadline(queue: Queue | None, member: Member) -> float:
    """The lab time of the half-second look that finds the wait over, counted in whole seconds of the clock.

    In a queue that is not loaded any more there is none.
    """
    if queue is None or not queue.wait_s:
        return member.joined_at + _FOREVER_S
    over = member.joined_epoch + queue.wait_s
    return member.joined_at + math.ceil((over - member.joined_at) / _CHECK_S) * _CHECK_S


def _wait(channel: Channel, member: Member) -> str:
    """Until an agent is on the line (an empty text) or the member leaves (why)."""
    clock, queues = channel.switch.clock, channel.switch.callcenter.queues
    while channel.ready:
        if channel.variables.get("cc_agent_found"):
            return ""
        keys = channel.variables.get("cc_exit_keys", "")
        while channel.digits:
            digit = channel.digits.popleft()
            if digit in keys:
                channel.set("cc_exit_key", digit)
                return "EXIT_WITH_KEY"
        queue = None if member.forgotten else queues.get(member.queue)
        left = _deadline(queue, member) - clock.now()
        if left <= 0 and not member.connecting:
            return "TIMEOUT"
        channel.wait(left if left > 0 else _FOREVER_S)
    return "BREAK_OUT"


def _leave(channel: Channel, queue: Queue, member: Member, reason: str) -> None:
    centre = channel.switch.callcenter
    centre.abandon(queue, member)
    epoch = str(channel.switch.clock.epoch())
    centre.report([
        ("CC-Queue", queue.name), ("CC-Action", "member-queue-end"), ("CC-Member-Leaving-Time", epoch),
        ("CC-Member-Joined-Time", str(member.joined_epoch)), ("CC-Cause", "Cancel"), ("CC-Cancel-Reason", reason),
        *_identity(member),
    ], channel)
    channel.set("cc_queue_canceled_epoch", epoch)
    channel.set("cc_cause", "cancel")
    channel.set("cc_cancel_reason", reason)
    channel.switch.publish("left", channel, queue=queue.name, member=member.uuid, reason=reason)


def talk(channel: Channel, leg: Channel) -> None:
    """Connect two answered legs until one of them is gone; then the caller's dialplan goes on."""
    switch = channel.switch
    channel.other_leg, channel.other_type = leg, "originatee"
    leg.other_leg, leg.other_type = channel, "originator"
    caller, agent = channel.profile, leg.profile
    channel.profile = replace(
        caller, callee_name=agent.callee_name, callee_number=agent.callee_number, index=caller.index + 1)
    leg.profile = replace(
        agent, caller_id_name=caller.caller_id_name, caller_id_number=caller.caller_id_number, index=agent.index + 1)
    channel.state, leg.state = "CS_SOFT_EXECUTE", "CS_EXCHANGE_MEDIA"
    channel.remember(f"uuid_br:{leg.uuid}")
    leg.variables["call_uuid"] = channel.uuid
    channel.set("bridge_uuid", leg.uuid)
    channel.set("bridge_channel", leg.name)
    channel.set("last_bridge_to", leg.uuid)
    bridge = [("Bridge-A-Unique-ID", channel.uuid), ("Bridge-B-Unique-ID", leg.uuid)]
    switch.fire("CHANNEL_BRIDGE", channel, front=bridge)
    leg.bridged = channel.bridged = True
    leg.bridged_us = channel.bridged_us = switch.clock_us()
    leg.wake()
    channel.execute_on("pre_bridge")
    while channel.ready and leg.up:
        channel.wait(_FOREVER_S)
    if leg.up:
        leg.hangup("NORMAL_CLEARING", "caller")
        leg.finish()
    elif not channel.remaining and channel.ready:
        channel.hangup("NORMAL_CLEARING", "the dialplan ended")
    channel.bridged = False
    channel.set("bridge_hangup_cause", leg.hangup_cause)
    channel.set("last_bridge_hangup_cause", leg.hangup_cause)
    switch.fire("CHANNEL_UNBRIDGE", channel, front=bridge)
    if channel.up:
        channel.other_leg = None
        channel.state = "CS_EXECUTE"
