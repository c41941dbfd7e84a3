"""Customers who are called: what the phone behind a number outside does with a call of ours. Calls nobody itself.

Given to the switch as `customer`: a function of the number called that returns a Reaction. The number is as the dial
string has it, `sofia/gateway/GATEWAY/NUMBER` or `sofia/PROFILE/NUMBER@HOST` where no other switch is at HOST.
"""

from __future__ import annotations

from fsapp.lab.channel import Channel
from fsapp.lab.offering import Reaction

__all__ = ["ring"]


def ring(channel: Channel, leg: Channel, reaction: Reaction, limit_s: float, late: str) -> str:
    """Have the customer's leg ring for `channel` until it is answered (an empty text) or not (why not).

    Who has answered is played what `group_confirm_file` says first, as `group_confirm_key` `exec` has it, before the
    two hear each other. Then the customer hangs up after `talk_s`, if there is any.
    """
    clock = channel.switch.clock
    leg.partner = channel
    until = clock.now() + min(reaction.after_s, limit_s)
    while channel.ready and leg.up and (left := until - clock.now()) > 0:
        channel.wait(left)
    if not channel.ready:
        return "ORIGINATOR_CANCEL"
    if reaction.after_s > limit_s:
        return late
    if reaction.cause or not leg.up:
        return reaction.cause or leg.hangup_cause
    leg.answer()
    channel.answer()
    if reaction.talk_s is not None:
        clock.later(reaction.talk_s, leg.hangup, "NORMAL_CLEARING", "caller")
    if leg.get("group_confirm_key") == "exec":
        application, _, data = leg.get("group_confirm_file").partition(" ")
        leg.execute(application, data)
    if not channel.ready:
        return "ORIGINATOR_CANCEL"
    return leg.hangup_cause
