"""The lab switch: its calls, its event sockets, its queues, and what it tells about them. The parts are elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fsapp.lab import api
from fsapp.lab.applications import APPLICATIONS
from fsapp.lab.bridging import Peer, bridge_application
from fsapp.lab.callcenter import Agent, CallCenter, Member, Queue, Tier
from fsapp.lab.cc_load import FILE, Loader, written
from fsapp.lab.cdr import write_record
from fsapp.lab.channel import Channel, Profile
from fsapp.lab.clock import Clock
from fsapp.lab.configuration import Configuration
from fsapp.lab.dialplan import Action, Dialplan
from fsapp.lab.esl_out import socket_application
from fsapp.lab.headers import Stamp, channel_block, serialize
from fsapp.lab.life import Life
from fsapp.lab.listener import Listener
from fsapp.lab.offering import Reaction, endpoint, offer
from fsapp.lab.registrations import Phones
from fsapp.lab.scripts import FOLDER, Scripts
from fsapp.lab.waiting import callcenter_application
from fsapp.log import get_logger
from fsapp.spawn import spawn

if TYPE_CHECKING:
    from fsapp.lab.esl_in import EventSocket

__all__ = ["Customer", "Observer", "Phone", "Switch"]

_log = get_logger("lab")
Observer = Callable[[dict[str, Any]], None]
Phone = Callable[[Agent, Channel], Reaction]
Customer = Callable[[str], Reaction]
_STOP_S = 5.0             # real seconds all calls together may take to end when the switch stops
_SILENCE_S = 1.0          # real seconds a caller may be left without a queue or a sound
_OUTCOMES = {"caller": "abandoned", "hangup": "refused", "killed": "cut", "cut": "cut"}


def _never_answers(_agent: Agent, _channel: Channel) -> Reaction:
    return Reaction(cause="NO_ANSWER", after_s=30)


class Switch:
    """A switch that runs in this process. Make it, `start` it, `call`, `stop` it.

    Its queues, agents and tiers are those given; with `xml_handler`, the name of a script in the folder `scripts`,
    those that its `xml_fetch` names (at the start, and whenever one is loaded), and where it names none those of
    `files`, configuration files by name. `variables` are global ones of the switch, over those that the dialplan's
    files set. A heartbeat is told every `heartbeat_s` lab seconds. `peers` are the other switches it reaches, by
    address (see bridging).

    `phone` says what an agent's phone does with an offer, unless the agent's contact says it already; `customer` what
    that of somebody who is called by number does, None: there is no way outside. Observers get
    plain dicts with `event`, `at` (lab epoch seconds), `uuid`, `caller`, `called`, and by event:
    call_started; decided real_s (real seconds the app took); queue_joined queue, member, base_score, joined_at,
    call_class, reason, waiting; moved source, target;
    offered queue, member, agent, waiting; not_answered queue, member, agent, cause, waits; answered queue, member,
    agent; talk_ended queue, member, agent; left queue, member, reason; ended outcome (answered, abandoned, refused,
    cut, lost), cause, why, waited_s, call_class; and for an outcome `lost` also lost.
    """

    def __init__(
        self, dialplan: Dialplan, queues: Iterable[Queue] = (), agents: Iterable[Agent] = (),
        tiers: Iterable[Tier] = (), *, clock: Clock | None = None, phone: Phone = _never_answers,
        variables: Mapping[str, str] | None = None, scripts: Path | None = FOLDER, xml_handler: str = "",
        files: Mapping[str, str] | None = None, heartbeat_s: float = 20.0, peers: Mapping[str, Peer] | None = None,
        customer: Customer | None = None, cdr: Path | None = None,
    ) -> None:
        self.dialplan = dialplan
        self.clock = clock or Clock()
        self.core_uuid = str(uuid4())
        self.variables = {"hostname": "lab", "core_uuid": self.core_uuid, **dialplan.variables, **(variables or {})}
        self.channels: dict[str, Channel] = {}
        self.scripts = Scripts(self, scripts, xml_handler)
        self.applications = {**APPLICATIONS, "socket": socket_application, "bridge": bridge_application}
        if self.scripts.there:
            self.applications["python"] = self.scripts.handler
        queues, agents, tiers = list(queues), list(agents), list(tiers)
        self.callcenter = CallCenter(self, queues, agents, tiers)
        given = {} if xml_handler else {FILE: written(queues, agents, tiers)}
        self.configuration = Configuration(self.scripts.xml_fetch, given if files is None else files)
        self.loader = Loader(self.callcenter, self.configuration)
        self.callcenter.load = lambda name: self.loader.queue(name, people=False)
        self.phones = Phones(lambda: [agent.contact for agent in self.callcenter.agents.values()])
        self.unregistered = self.phones.off  # agents whose phones are not there
        self.peers = dict(peers or {})
        self.sockets: list[EventSocket] = []  # those that serve this switch: see esl_in
        self.started_at = self.clock.now()
        self.sessions = 0
        self.customer = customer
        self.cdr = cdr  # the folder for records of ended legs
        self._phone = phone
        self._stamp = Stamp(self.core_uuid)
        self._listeners: list[Listener] = []
        self._observers: list[Observer] = []
        self._callers: dict[str, Channel] = {}
        self._heartbeat_s = heartbeat_s
        self._life: Life | None = None
        self.crashed = False

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load what there is to load, and run."""
        self.started_at = self.clock.now()
        self.applications.pop("callcenter", None)
        if self.scripts.xml_handler and not self.loader.everything():
            _log.error("callcenter_not_loaded")
        else:
            self.applications["callcenter"] = callcenter_application
        self._life = Life(self, self._heartbeat_s)
        for socket in self.sockets:
            socket.open()

    def stop(self) -> None:
        """End every call and everything else; waits until they have ended, at most _STOP_S real seconds each."""
        left = list(self.channels.values())
        life, self._life = self._life, None
        self.hang_up_all("cut")
        for channel in left:
            channel.finished.wait(_STOP_S)
        if life is not None:
            life.end()

    def crash(self) -> None:
        """Die at once: every connection and call ends without a word, until `boot`."""
        self.crashed = True
        for socket in self.sockets:
            socket.shut()
        self.stop()

    def boot(self, *, keep_database: bool = True) -> None:
        """Start again after `crash`, another switch than before by its Core-UUID.

        What mod_callcenter keeps in its database is reset as it does: agents wait, tiers are ready, members have
        abandoned. Without the database there are only those agents and tiers that its configuration names.
        """
        self.crashed = False
        self.core_uuid = self.variables["core_uuid"] = str(uuid4())
        self._stamp = Stamp(self.core_uuid)
        self.sessions = 0
        self.callcenter.reset(keep=keep_database)
        if not self.scripts.xml_handler:
            self.loader.everything()
        self.start()

    @property
    def running(self) -> bool:
        return self._life is not None

    def hang_up_all(self, why: str) -> None:
        """End every leg; `why` as in Channel.hangup."""
        for channel in list(self.channels.values()):
            channel.hangup("SYSTEM_SHUTDOWN", why)

    @property
    def has_callcenter(self) -> bool:
        """Whether mod_callcenter is loaded: it is not where there was no configuration for it."""
        return "callcenter" in self.applications

    def api(self, text: str) -> str | None:
        """What an API command prints; None: there is no such command. May wait."""
        return api.answer(self, text)

    # -- calls ---------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> int:
        """Callers on the line now."""
        return len(self._callers)

    def call(self, caller: str, called: str, *, name: str = "", context: str = "public",
             variables: Sequence[tuple[str, str]] = (), channel_name: str = "", counted: bool = True) -> Channel:
        """A caller dials a number; comes back at once with the call, which runs the dialplan of the context.

        `counted`: as a caller, of whom the observers hear.
        """
        loopback = () if channel_name else (("other_loopback_leg_uuid", str(uuid4())), ("loopback_leg", "B"))
        channel = Channel(
            self, channel_name or f"loopback/{called}-b",
            Profile(
                caller_id_name=name, caller_id_number=caller, orig_name=name, orig_number=caller, ani=caller,
                callee_name="Outbound Call", callee_number=context, destination_number=called, context=context,
            ),
            variables=(
                ("origination_caller_id_number", caller), ("origination_caller_id_name", name),
                *loopback, *variables,
            ),
        )
        if counted:
            self._callers[channel.uuid] = channel
        self.run(channel)
        if counted:
            self.publish("call_started", channel)
        return channel

    def run(self, channel: Channel) -> None:
        """Start a leg that has a dialplan or applications of its own."""
        self.started(channel)
        self.go(channel)

    def go(self, channel: Channel) -> None:
        """Let a leg that was started run."""
        spawn(channel.run, name=f"lab-call-{channel.uuid}")

    def originated(self, name: str, profile: Profile, actions: Sequence[Action], uuid: str,
                   variables: Sequence[tuple[str, str]]) -> Channel:
        """A leg called from here, for `originate`; not started yet."""
        return Channel(self, name, profile, direction="outbound", uuid=uuid, variables=variables, actions=actions)

    def started(self, channel: Channel) -> None:
        """A leg comes to life."""
        self.channels[channel.uuid] = channel
        self.fire("CHANNEL_CREATE", channel)

    def ended(self, channel: Channel) -> None:
        """A leg is gone; of a caller's the observers hear how it went."""
        self.channels.pop(channel.uuid, None)
        if self.cdr is not None:
            write_record(self.cdr, channel)
        if self._callers.pop(channel.uuid, None) is None:
            return
        outcome = "answered" if channel.talked_at else _OUTCOMES.get(channel.end, "lost")
        lasted_s = self.clock.real(self.clock.now() - channel.created_us / 1_000_000)
        if outcome == "abandoned" and channel.joined_at is None and not channel.progress_us and lasted_s > _SILENCE_S:
            outcome = "lost"  # nobody ever did anything for this caller
        waited_s = 0.0
        if channel.joined_at is not None:
            waited_s = (channel.talked_at or self.clock.now()) - channel.joined_at
        fields = {
            "outcome": outcome, "cause": channel.hangup_cause, "why": channel.end, "waited_s": waited_s,
            "call_class": channel.variables.get("fsapp_class"),
        }
        if outcome == "lost":
            _log.error("call_lost", uuid=channel.uuid, why=channel.end, cause=channel.hangup_cause)
            self.publish("lost", channel, **fields)
        self.publish("ended", channel, **fields)

    def reaction(self, agent: Agent, channel: Channel) -> Reaction:
        """What the agent's phone does with an offer of this caller."""
        return Reaction() if endpoint(agent.contact).startswith("null/") else self._phone(agent, channel)

    def offer(self, queue: Queue, member: Member, agent: Agent, tier: Tier) -> None:
        """Ring an agent for a member the dispatcher chose."""
        self.publish(
            "offered", member.channel, queue=queue.name, member=member.uuid, agent=agent.name,
            waiting=len(queue.waiting),
        )
        spawn(offer, self, queue, member, agent, tier, name=f"lab-offer-{agent.name}")

    def clock_us(self) -> int:
        return int(self.clock.now() * 1_000_000)

    def next_session(self) -> int:
        self.sessions += 1
        return self.sessions

    # -- events --------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        if listener not in self._listeners:
            self._listeners.append(listener)

    def silence(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def heard(self, name: str, subclass: str | None = None) -> bool:
        """Whether anybody listens to such events at all."""
        return any(listener.wants(name, subclass, "") for listener in self._listeners)

    def stamp(self, name: str, subclass: str | None) -> str:
        return self._stamp.lines(name, subclass, self.clock.now())

    def fire(
        self, name: str, channel: Channel | None = None, *, front: Sequence[tuple[str, str]] = (),
        extra: Sequence[tuple[str, str]] = (), subclass: str | None = None, variables: bool = True, body: str = "",
    ) -> None:
        """Send an event to every connection that wants it; costs next to nothing when none does."""
        if not self._listeners:
            return
        uuid = channel.uuid if channel is not None else ""
        wanting = [listener for listener in self._listeners if listener.wants(name, subclass, uuid)]
        if not wanting:
            return
        block = channel_block(channel, variables=variables) if channel is not None else ""
        text = serialize(self.stamp(name, subclass), front, block, extra, body)
        headers: list[tuple[str, str]] = []
        if any(listener.filters for listener in wanting):
            headers += [("Event-Name", name), ("Unique-ID", uuid), *front, *extra]
            if channel is not None:
                headers += [(f"variable_{key}", value) for key, value in channel.variables.items()]
        for listener in wanting:
            listener.deliver(text, headers)

    def subscribe(self, observer: Observer) -> None:
        """Have a function called with everything that happens to callers; it must not block."""
        self._observers.append(observer)

    def publish(self, event: str, channel: Channel, **fields: Any) -> None:
        """Tell the observers; a failing one is logged and stops nobody."""
        if not self._observers:
            return
        called = channel.variables.get("fsapp_called") or channel.profile.destination_number
        told = {
            "event": event, "at": self.clock.now(), "uuid": channel.uuid, "caller": channel.profile.ani,
            "called": called, **fields,
        }
        for observer in self._observers:
            try:
                observer(told)
            except Exception:  # noqa: BLE001 - whatever an observer does, the calls go on
                _log.exception("observer_failed", event_name=event)
