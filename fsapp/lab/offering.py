"""An offer of one waiting caller to one agent: ringing, answering or not, talking, and what the agent does next.

The dispatcher has chosen already. How a phone behaves is asked of the switch's `phone`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsapp.lab.callcenter import Agent, Member, Queue, Tier
from fsapp.lab.channel import Channel, Profile
from fsapp.lab.originate import bracketed
from fsapp.lab.registrations import user_of

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["Reaction", "endpoint", "offer"]

_ORIGINATE_S = 60.0     # how long an agent's phone may ring
_POLL_S = 0.1           # the real one looks ten times a second whether the agent is still there
_TALK_S = 86_400.0      # the longest talk
_BUSY = ("USER_BUSY", "NORMAL_CIRCUIT_CONGESTION")
_TAKEN_BACK = ("ORIGINATOR_CANCEL", "LOSE_RACE")
_SYSTEM = "single_box"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What an agent's phone does with an offer.

    `cause` empty: it is answered after `after_s` and the talk lasts `talk_s` (None: until somebody hangs up), ended by
    the caller if `caller_ends`. Else it fails after `after_s` with this cause. Lab seconds. `keys`: what a customer
    presses whom a flow asks, one after the other.
    """

    cause: str = ""
    after_s: float = 0.0
    talk_s: float | None = None
    caller_ends: bool = False
    keys: str = ""


def endpoint(contact: str) -> str:
    """A contact without the variables before it."""
    return bracketed(contact)[1]


def offer(switch: Switch, queue: Queue, member: Member, agent: Agent, tier: Tier) -> None:
    """Run one offer to its end, in a greenlet of its own."""
    _Offer(switch, queue, member, agent, tier).run()


def _ring_s(contact: str) -> float:
    """How long a phone may ring: what the contact says, else what mod_callcenter allows."""
    said = bracketed(contact)[0]
    limits = [said[name] for name in ("leg_timeout", "originate_timeout") if said.get(name, "").isdecimal()]
    return min([float(limit) for limit in limits] + [_ORIGINATE_S])


def _exported(channel: Channel) -> list[tuple[str, str]]:
    """What the member's variable cc_export_vars sends along to the agent's leg: itself, and what it names and is set.

    A phone is shown the leg's `alert_info` as its Alert-Info.
    """
    names = channel.get("cc_export_vars")
    if not names:
        return []
    found = [(name, channel.get(name)) for name in names.split(",")]
    return [("cc_export_vars", names), *((name, value) for name, value in found if value)]


class _Offer:
    def __init__(self, switch: Switch, queue: Queue, member: Member, agent: Agent, tier: Tier) -> None:
        self._switch = switch
        self._centre = switch.callcenter
        self._queue, self._member, self._agent, self._tier = queue, member, agent, tier
        self._tier_state = "Ready"
        self._answered = False
        self._called = switch.clock.epoch()

    def run(self) -> None:
        try:
            self._ring_and_talk()
        finally:
            self._centre.release(self._agent, self._tier, self._tier_state)
            on_demand = self._agent.status == "Available (On Demand)" and self._answered
            self._centre.set_state(self._agent, "Idle" if on_demand else "Waiting")

    def _ring_and_talk(self) -> None:
        member, agent = self._member, self._agent
        self._report("agent-offering", [
            ("CC-Agent", agent.name), ("CC-Agent-Type", agent.type), ("CC-Agent-System", _SYSTEM), *self._identity(),
            *self._dnis(),
        ])
        if not member.channel.up or member.state == "Abandoned":
            if member.channel.uuid not in self._switch.channels and member.state != "Abandoned":
                self._centre.abandon(self._queue, member)  # nobody else will ever say so
            return
        reaction = self._switch.reaction(agent, member.channel)
        leg = self._leg()
        cause = self._ring(leg, reaction)
        if cause:
            self._failed(cause)
        else:
            self._talk(leg, reaction)

    def _leg(self) -> Channel:
        member, agent = self._member, self._agent
        more, contact = bracketed(agent.contact or f"user/{agent.name}")
        user = user_of(contact)
        called = user[0] if user is not None else contact.rpartition("/")[2]
        name = member.channel.variables.get("effective_caller_id_name") or member.cid_name
        number = member.channel.variables.get("effective_caller_id_number") or member.cid_number
        leg = Channel(
            self._switch, contact, Profile(
                caller_id_name=name, caller_id_number=number, orig_name=name, orig_number=number,
                callee_name="Outbound Call", callee_number=called, ani=number, destination_number=called,
                context="default", dialplan="",
            ),
            direction="outbound", actions=(),
            variables=(
                ("is_outbound", "true"), ("cc_queue", self._queue.name),
                ("cc_queue_joined_epoch", str(member.joined_epoch)), ("cc_member_uuid", member.uuid),
                ("cc_member_session_uuid", member.channel.uuid), ("cc_member_pre_answer_uuid", member.uuid),
                ("cc_agent", agent.name), ("cc_agent_type", agent.type), ("cc_side", "agent"),
                *_exported(member.channel), *more.items(),
            ),
        )
        leg.call_state = "DOWN"
        member.agent_leg = leg
        return leg

    def _ring(self, leg: Channel, reaction: Reaction) -> str:
        """Until the phone is answered (an empty text) or not (why not)."""
        clock, contact = self._switch.clock, endpoint(self._agent.contact)
        if contact.startswith("error/"):
            return contact.removeprefix("error/").upper()
        if not self._switch.phones.reaches(contact):
            return "USER_NOT_REGISTERED"
        self._switch.started(leg)
        ring_s = _ring_s(self._agent.contact)
        until = clock.now() + min(reaction.after_s, ring_s)
        while leg.up and (left := until - clock.now()) > 0:
            leg.wait(left)
        if leg.up and not reaction.cause and reaction.after_s <= ring_s:
            return ""
        late = "NO_ANSWER" if ring_s == _ORIGINATE_S or user_of(contact) is not None else "ALLOTTED_TIMEOUT"
        leg.hangup(reaction.cause if reaction.after_s <= ring_s and reaction.cause else late, "agent")
        leg.finish()
        return leg.hangup_cause

    def _talk(self, leg: Channel, reaction: Reaction) -> None:
        member, agent, channel, clock = self._member, self._agent, self._member.channel, self._switch.clock
        leg.answer()
        leg.set("cc_member_pre_answer_uuid", None)
        answered = clock.epoch()
        times = [
            ("CC-Agent-Called-Time", str(self._called)), ("CC-Agent-Answered-Time", str(answered)),
        ]
        who = [("CC-Agent", agent.name), ("CC-Agent-System", _SYSTEM), ("CC-Agent-UUID", leg.uuid)]
        joined = [("CC-Member-Joined-Time", str(member.joined_epoch))]
        self._report("bridge-agent-start", [*who, *times, *joined, *self._identity(), *self._dnis()], leg)
        self._record()
        channel.set("cc_agent_found", "true")
        channel.set("cc_agent_uuid", leg.uuid)
        channel.wake()
        while not leg.bridged and leg.up and channel.up and member.state == "Trying":
            leg.wait(_ORIGINATE_S)
        self._answered = bool(leg.bridged)
        if self._answered:
            self._connected(leg)
        member.connecting = False
        channel.wake()
        if self._answered:
            self._until_over(leg, reaction)
            self._switch.publish(
                "talk_ended", channel, queue=self._queue.name, member=member.uuid, agent=agent.name)
        else:
            leg.hangup("ORIGINATOR_CANCEL", "caller")
            leg.finish()
        ended = str(clock.epoch())
        self._report("bridge-agent-end", [
            ("CC-Hangup-Cause", "SUCCESS"), *who, ("CC-Agent-Bridged", "true" if self._answered else "false"), *times,
            *joined, ("CC-Bridge-Terminated-Time", ended), *self._identity(),
        ], leg)
        if self._answered:
            agent.uuid = ""
            agent.last_bridge_end = clock.epoch()
            agent.talk_time += agent.last_bridge_end - agent.last_bridge_start
            self._centre.forget(self._queue, member)
            self._report("member-queue-end", [
                ("CC-Hangup-Cause", "SUCCESS"), ("CC-Cause", "Terminated"), *who, *times,
                ("CC-Member-Leaving-Time", ended), *joined, *self._identity(),
            ], channel)

    def _record(self) -> None:
        """Start the recording that the queue wants, the template filled in with the caller's variables."""
        queue = self._centre.queues.get(self._queue.name, self._queue)
        if queue.record_template:
            channel = self._member.channel
            path = channel.expand(queue.record_template)
            channel.set("cc_record_filename", path)
            channel.recordings.start(path)

    def _connected(self, leg: Channel) -> None:
        member, agent, channel, epoch = self._member, self._agent, self._member.channel, self._switch.clock.epoch()
        channel.set("cc_agent_bridged", "true")
        channel.set("cc_agent", agent.name)
        channel.set("cc_queue_answered_epoch", str(epoch))
        leg.set("cc_agent_bridged", "true")
        channel.talked_at = channel.talked_at or self._switch.clock.now()
        member.state = "Answered"
        member.bridge_epoch = epoch
        self._queue.trying.discard(member.uuid)
        agent.uuid = leg.uuid
        agent.last_bridge_start = epoch
        agent.calls_answered += 1
        agent.no_answer_count = 0
        self._tier.state = "Active Inbound"
        self._switch.publish("answered", channel, queue=self._queue.name, member=member.uuid, agent=agent.name)
        self._centre.set_state(agent, "In a queue call")

    def _until_over(self, leg: Channel, reaction: Reaction) -> None:
        clock = self._switch.clock
        until = clock.now() + (_TALK_S if reaction.talk_s is None else reaction.talk_s)
        while leg.up and (left := until - clock.now()) > 0:
            leg.wait(left)
        if leg.up and reaction.caller_ends:
            self._member.channel.hangup("NORMAL_CLEARING", "caller")
            leg.wait(_ORIGINATE_S)
        leg.hangup("NORMAL_CLEARING", "agent")
        leg.finish()
        self._member.channel.wake()
        clock.sleep(_POLL_S)

    def _failed(self, cause: str) -> None:
        """Nobody answered: the member waits on, the agent rests for as long as its settings say."""
        agent, clock = self._agent, self._switch.clock
        self._member.connecting = False
        self._centre.put_back(self._queue, self._member)
        self._member.agent_leg = None
        self._member.channel.wake()
        rest_s = 0
        if cause in _BUSY:
            rest_s = agent.busy_delay_time
        elif cause == "CALL_REJECTED":
            rest_s = agent.reject_delay_time
        elif cause == "USER_NOT_REGISTERED":
            rest_s = 5
        elif cause not in _TAKEN_BACK:
            rest_s = agent.no_answer_delay_time
            self._no_answer()
        if rest_s:
            agent.ready_time = clock.epoch() + rest_s
        self._switch.publish("not_answered", self._member.channel, queue=self._queue.name, member=self._member.uuid,
                             agent=agent.name, cause=cause, waits=self._member.state == "Waiting")
        self._report("bridge-agent-fail", [
            ("CC-Hangup-Cause", cause), ("CC-Agent", agent.name), ("CC-Agent-System", _SYSTEM),
            ("CC-Agent-Called-Time", str(self._called)), ("CC-Agent-Aborted-Time", str(clock.epoch())),
            *self._identity(), ("CC-Member-Joined-Time", str(self._member.joined_epoch)),
        ])

    def _no_answer(self) -> None:
        agent, status = self._agent, self._queue.no_answer_status
        self._tier_state = "No Answer"
        agent.no_answer_count += 1
        if not 0 < agent.max_no_answer <= agent.no_answer_count:
            return
        self._centre.report([
            ("CC-Agent", agent.name), ("CC-Action", "agent-max-no-answer"),
            ("CC-Agent-No-Answer-Count", str(agent.max_no_answer)), ("CC-Agent-No-Answer-Status", status),
            ("CC-Member-UUID", self._member.uuid), ("CC-Member-Session-UUID", self._member.channel.uuid),
        ])
        self._centre.set_status(agent, status)

    def _identity(self) -> list[tuple[str, str]]:
        member = self._member
        return [
            ("CC-Member-UUID", member.uuid), ("CC-Member-Session-UUID", member.channel.uuid),
            ("CC-Member-CID-Name", member.cid_name), ("CC-Member-CID-Number", member.cid_number),
        ]

    def _dnis(self) -> list[tuple[str, str]]:
        """What was called before the last transfer; a call that was never transferred has none."""
        rdnis = self._member.channel.profile.rdnis
        return [("CC-Member-DNIS", rdnis)] if rdnis else []

    def _report(self, action: str, extra: list[tuple[str, str]], channel: Channel | None = None) -> None:
        self._centre.report([("CC-Queue", self._queue.name), ("CC-Action", action), *extra], channel)
