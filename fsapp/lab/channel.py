"""One call leg: its variables, its profile, its life from routing to hangup. The applications it runs are elsewhere."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from gevent.event import Event

from fsapp.lab.clock import Timer
from fsapp.lab.dialplan import Action
from fsapp.lab.recording import Recordings
from fsapp.log import get_logger

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["Channel", "Command", "Profile", "q850"]

_RESPONSE = "current_application_response"  # what the application that ran last said
_log = get_logger("lab")
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_CALLED = re.compile(r"(\w+)\((.*)\)")
_MAX_DEPTH = 10          # of variables within variables
_MAX_TEXT = 100_000      # characters an expansion may grow to
_Q850 = {
    "UNALLOCATED_NUMBER": 1, "NO_ROUTE_DESTINATION": 3, "NORMAL_CLEARING": 16, "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18, "NO_ANSWER": 19, "CALL_REJECTED": 21, "EXCHANGE_ROUTING_ERROR": 25,
    "DESTINATION_OUT_OF_ORDER": 27, "NORMAL_UNSPECIFIED": 31, "NORMAL_TEMPORARY_FAILURE": 41,
}


def q850(cause: str) -> int:
    """A cause's number in Q.850; 0 for one that is the switch's own."""
    return _Q850.get(cause, 0)


@dataclass(frozen=True, slots=True)
class Profile:
    """Who calls whom, by the switch's names; empty where there is nothing to say. Times in microseconds."""

    caller_id_name: str = ""
    caller_id_number: str = ""
    destination_number: str = ""
    context: str = "public"
    dialplan: str = "xml"
    orig_name: str = ""
    orig_number: str = ""
    callee_name: str = ""
    callee_number: str = ""
    ani: str = ""
    rdnis: str = ""
    transfer_source: str = ""
    index: int = 1
    created_us: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """An application somebody outside wants this channel to run."""

    application: str
    data: str
    uuid: str = ""


class Channel:
    """One leg of a call. A leg with a dialplan has a thread (`run`); an agent's leg has none.

    Everything that happens to it from outside (`hangup`, `transfer`, `press`, `queue`) returns at once and wakes
    whoever waits in `wait`.
    """

    def __init__(
        self, switch: Switch, name: str, profile: Profile, *, direction: str = "inbound", uuid: str = "",
        variables: Iterable[tuple[str, str]] = (), actions: Sequence[Action] | None = None,
    ) -> None:
        self.switch = switch
        self.uuid = uuid or str(uuid4())
        self.name = name
        self.direction = direction
        self.created_us = switch.clock_us()
        self.profile = self.first_profile = replace(profile, created_us=self.created_us)
        self.state, self.call_state, self.answer_state = "CS_EXECUTE", "RINGING", "ringing"
        self.hit_dialplan = actions is None
        self.answered_us = self.progress_us = self.hangup_us = self.bridged_us = 0
        self.recordings = Recordings(self)
        self.hangup_cause = ""
        self.other_leg: Channel | None = None
        self.other_type = ""
        self.digits: deque[str] = deque()
        self.commands: deque[Command] = deque()
        self.displaced = ""  # what is played instead of all else
        self.end = ""              # why it ended: see ended()
        self.bridged = False       # whether it talks to another leg now
        self.joined_at: float | None = None  # lab time it first joined a queue
        self.talked_at: float | None = None  # lab time it first talked to an agent
        self.last_queue = ""
        self.remaining = 0         # dialplan actions still to come
        self._actions = actions
        self._moved_to: tuple[str, str, str] | None = None
        self.over: Callable[[], None] | None = None  # to be told when the leg has ended
        self.partner: Channel | None = None  # woken with this one
        self.far: Channel | None = None      # the other end's leg, on another switch
        self.twin: Channel | None = None     # the other half of a loopback: they end together
        self._scheduled: dict[str, Timer] = {}
        self._pulse = Event()
        self.finished = Event()
        self.variables: dict[str, str] = {
            "direction": direction, "uuid": self.uuid, "session_id": str(switch.next_session()),
            "channel_name": name, "read_codec": "L16", "read_rate": "8000", "write_codec": "L16", "write_rate": "8000",
        }
        self.variables.update((key, value) for key, value in variables if value)
        self.variables["call_uuid"] = self.uuid

    # -- variables -----------------------------------------------------------------------------------------------

    def set(self, name: str, value: str | None) -> None:
        """Set a variable; nothing or an empty text takes it away, as in the real switch."""
        self.variables.pop(name, None)
        if value:
            self.variables[name] = value

    def get(self, name: str) -> str:
        """A variable, else the field of the profile of that name, else the switch's own variable, else nothing."""
        return self.variables.get(name) or self.profile_field(name) or self.switch.variables.get(name, "")

    def profile_field(self, name: str) -> str:
        """What the dialplan may ask for by name."""
        if name in ("uuid", "unique_id"):
            return self.uuid
        if name in ("chan_name", "channel_name"):
            return self.name
        value = getattr(self.profile, name, None)
        return value if isinstance(value, str) else self.variables.get(name, "")

    def expand(self, text: str, depth: int = 0) -> str:
        """`${name}` replaced by its value, which is expanded as well, `${command(args)}` by what the API prints.

        One within another goes first. The real switch does all that too.
        """
        for _ in range(_MAX_DEPTH):
            if "${" not in text or depth > _MAX_DEPTH or len(text) > _MAX_TEXT:
                break
            before, text = text, _VARIABLE.sub(lambda found: self.expand(self._named(found[1]), depth + 1), text)
            if text == before:
                break
        return text

    def _named(self, name: str) -> str:
        command = _CALLED.fullmatch(name)
        return self.switch.api(f"{command[1]} {command[2]}") or "" if command else self.get(name)

    # -- what happens to it --------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        return not self.hangup_cause

    @property
    def ready(self) -> bool:
        """Whether the application that runs may go on: neither hung up nor transferred."""
        return not self.hangup_cause and self._moved_to is None

    @property
    def answered(self) -> bool:
        return bool(self.answered_us)

    @property
    def served(self) -> bool:
        """Whether somebody talks to this caller now, here or on the switch the call was carried to."""
        return self.bridged and (self.far is None or self.far.served)

    def wait(self, lab_s: float) -> None:
        """Until something happens to this channel, or so many lab seconds; check what it was."""
        self.switch.clock.wait(self._pulse, lab_s)
        self._pulse.clear()

    def wake(self) -> None:
        self._pulse.set()
        if self.partner is not None:
            self.partner.wake()

    def press(self, digits: str) -> None:
        """The caller presses keys."""
        self.digits.extend(digits)
        self.wake()

    def queue(self, command: Command) -> None:
        """Have an application run as soon as the running one looks for such commands."""
        self.commands.append(command)
        self.wake()

    def answer(self) -> None:
        if self.answered or not self.up:
            return
        self.answered_us = self.switch.clock_us()
        self.answer_state = "answered"
        self.switch.fire("CHANNEL_ANSWER", self)
        self.call_state = "ACTIVE"
        self.set("endpoint_disposition", "ANSWER")
        self.wake()

    def early_media(self) -> None:
        if not self.answered and self.up and not self.progress_us:
            self.progress_us = self.switch.clock_us()
            self.call_state, self.answer_state = "EARLY", "early"
            self.set("endpoint_disposition", "EARLY MEDIA")
            self.switch.fire("CHANNEL_PROGRESS_MEDIA", self)
            self.wake()

    def hangup(self, cause: str, why: str) -> None:
        """End it. `why`: caller, agent, hangup (the dialplan or app said so), killed, cut, or what went wrong."""
        if self.hangup_cause:
            return
        self.hangup_cause = cause
        self.end = why
        self.answer_state = "hangup"
        self.switch.fire("CHANNEL_HANGUP", self)
        self.wake()
        if self.twin is not None:
            self.twin.hangup(cause, "hangup" if self.twin.direction == "outbound" else "caller")

    def transfer(self, destination: str, dialplan: str = "XML", context: str = "") -> bool:
        """Leave the running application for another extension; False (and hung up) when transferred too often."""
        if not self.up:
            return False
        name = "max_session_transfers" if self.variables.get("max_session_transfers") else "max_forwards"
        left = self.variables.get(name, "")
        allowed = 70 if not left else (int(left) - 1 if left.isdecimal() else 0)
        if allowed <= 0:
            self.hangup("EXCHANGE_ROUTING_ERROR", "transferred too often")
            return False
        self.set(name, str(allowed))
        self._moved_to = (destination, dialplan, context or self.profile.context)
        self.wake()
        return True

    def set_profile(self, name: str, value: str) -> None:
        """Change a field of the profile that holds text; others are left alone."""
        if isinstance(getattr(self.profile, name, None), str):
            self.profile = replace(self.profile, **{name: value})

    def renamed(self, destination: str) -> _Renamed:
        """This channel as the dialplan would see it had it called another number."""
        return _Renamed(self, destination)

    def schedule(self, lab_s: float, function: Callable[[Channel, str], None], data: str) -> None:
        """Have a function run later that does not block, unless cancelled before; its id is in `last_sched_id`."""
        id_ = str(self.switch.next_session())
        self._scheduled[id_] = self.switch.clock.later(lab_s, function, self, data)
        self.set("last_sched_id", id_)

    def cancel_scheduled(self, id_: str = "") -> None:
        """Forget what was scheduled under this id; without one all of it."""
        for known in [id_] if id_ else list(self._scheduled):
            timer = self._scheduled.pop(known, None)
            if timer is not None:
                timer.cancel()

    # -- its thread ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the dialplan until the call ends; whatever goes wrong, the call ends and says so."""
        try:
            while self.up:
                self._run_actions(self._next_actions())
        finally:
            self.hangup("DESTINATION_OUT_OF_ORDER", "failed")
            self.finish()

    def _next_actions(self) -> Sequence[Action]:
        if self._moved_to is not None:
            self._enter(*self._moved_to)
        elif self._actions is not None:
            return self._actions
        profile = self.profile
        actions = self.switch.dialplan.hunt(profile.context, self, self._inline)
        if not actions:
            _log.warning("no_route", context=profile.context, number=profile.destination_number)
            self.hangup("NO_ROUTE_DESTINATION", "no extension")
        return actions

    def _enter(self, destination: str, dialplan: str, context: str) -> None:
        self._moved_to = None
        source = self.remember(f"bl_xfer:{destination}/{context}/{dialplan}")
        old = self.profile
        self.profile = replace(
            old, destination_number=destination, dialplan=dialplan, context=context, rdnis=old.destination_number,
            transfer_source=source, index=old.index + 1, created_us=self.switch.clock_us(),
        )
        self.hit_dialplan = True

    def remember(self, what: str) -> str:
        """Note in the call's own variables how it came where it is; the note."""
        source = f"{self.switch.clock.epoch()}:{uuid4()}:{what}"
        history = self.variables.get("transfer_history", "").removeprefix("ARRAY::")
        self.set("transfer_history", f"ARRAY::{history}|:{source}" if history else source)
        self.set("transfer_source", source)
        return source

    def _inline(self, action: Action) -> None:
        self.execute(action.application, action.data)

    def _run_actions(self, actions: Sequence[Action]) -> None:
        self.remaining = len(actions)
        for action in actions:
            if not self.ready:
                return
            self.remaining -= 1
            self.execute(action.application, action.data)
        if self.ready:
            self.hangup("NORMAL_CLEARING", "the dialplan ended")

    def execute(self, application: str, data: str, uuid: str = "") -> None:
        """Run one application, with the events around it."""
        function = self.switch.applications.get(application.strip().lower())
        if function is None:
            _log.error("invalid_application", application=application)
            self.hangup("DESTINATION_OUT_OF_ORDER", f"invalid application {application}")
            return
        data = self.expand(data)
        fields = [("Application", application), *([("Application-Data", data)] if data else [])]
        identity = [("Application-UUID", uuid or str(uuid4()))]
        self.set("current_application_data", data)
        self.set("current_application", application)
        self.set(_RESPONSE, None)
        self.switch.fire("CHANNEL_EXECUTE", self, extra=fields + identity)
        function(self, data)
        response = ("Application-Response", self.variables.get(_RESPONSE) or "_none_")
        self.switch.fire("CHANNEL_EXECUTE_COMPLETE", self, extra=[*fields, response, *identity])

    def execute_on(self, moment: str) -> None:
        """Run what variables named execute_on_MOMENT, or beginning so, say: an application and its argument."""
        start = f"execute_on_{moment}"
        for said in [value for name, value in self.variables.items() if name.startswith(start)]:
            application, _, data = said.partition(" ")
            self.execute(application, data)

    def finish(self) -> None:
        """Report the end of a leg that is hung up, once."""
        if self.state == "CS_REPORTING":
            return
        self.cancel_scheduled()
        self.state, self.call_state = "CS_HANGUP", "HANGUP"
        self.hangup_us = self.switch.clock_us()
        self.switch.fire("CHANNEL_STATE", self, variables=False)
        self.recordings.stop("all")
        self.state = "CS_REPORTING"
        self.set("hangup_cause", self.hangup_cause)
        self.set("hangup_cause_q850", str(q850(self.hangup_cause)))
        self.switch.fire("CHANNEL_STATE", self, variables=False)
        self.switch.fire("CHANNEL_HANGUP_COMPLETE", self, front=[("Hangup-Cause", self.hangup_cause)])
        self.switch.ended(self)
        if self.over is not None:
            self.over()
        self.finished.set()


class _Renamed:
    """A channel with another number called, for one look into the dialplan."""

    def __init__(self, channel: Channel, destination: str) -> None:
        self._channel = channel
        self._destination = destination

    def expand(self, text: str) -> str:
        return self._channel.expand(text)

    def profile_field(self, name: str) -> str:
        return self._destination if name == "destination_number" else self._channel.profile_field(name)
