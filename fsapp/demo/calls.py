"""Calls on a real switch over its own loopback endpoints: callers who call, wait, talk and hang up. Shows nothing.

What happens is told in the words of the lab's events, so that its screen and its summary serve here too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import gevent
from gevent.event import Event

from fsapp.demo.freeswitch import Booted
from fsapp.errors import FsappError, SwitchError
from fsapp.lab.clock import Clock
from fsapp.lab.people import Callers
from fsapp.lab.scenario import Scenario
from fsapp.lab.summary import Summary
from fsapp.log import get_logger
from fsapp.spawn import spawn
from fsapp.telephony.command import originate
from fsapp.telephony.link import Link

__all__ = ["play"]

Observer = Callable[[Mapping[str, Any]], None]

_EVENTS = ("CHANNEL_CREATE", "CHANNEL_HANGUP_COMPLETE", "BACKGROUND_JOB", "callcenter::info")
_NOT_OURS = "UNALLOCATED_NUMBER"
_TICK_S = 0.1
_QUIET_S = 60.0  # without any event after which the calls left are stuck
_log = get_logger("demo")


@dataclass
class _Call:
    """One caller: `leg` is the switch's leg of the call, `job` what was asked for. Times are the switch's."""

    uuid: str
    caller: str
    called: str
    job: str = ""
    leg: str = ""
    started_at: float = 0.0
    joined_at: float = 0.0
    answered_at: float = 0.0
    call_class: str = ""
    queue: str = ""
    hang_up_at: float = 0.0   # monotonic: patience, later the end of the talk
    hung_up: str = ""         # why we hung up, empty if we did not


def play(switch: Booted, scenario: Scenario, stop: Event, observer: Observer | None = None) -> Summary:
    """Let the scenario's callers call until all are done; what came of it.

    Setting `stop` ends it early: whoever is on the line is cut. SwitchUnavailable when the switch dies meanwhile.
    """
    with switch.connect() as link:
        return _Play(link, scenario, stop, observer).run()


class _Play:
    def __init__(self, link: Link, scenario: Scenario, stop: Event, observer: Observer | None) -> None:
        self._link = link
        self._scenario = scenario
        self._stop = stop
        self._observers = [observer] if observer is not None else []
        self._rng = random.Random(f"{scenario.seed} talks")
        self._calls: dict[str, _Call] = {}
        self._legs: dict[str, _Call] = {}
        self._jobs: dict[str, _Call] = {}
        self._heard = time.monotonic()
        self._fault: SwitchError | None = None
        self.summary = Summary()

    def run(self) -> Summary:
        self._link.subscribe(*_EVENTS)
        listener = spawn(self._listen, name="demo-listener")
        started = time.monotonic()
        try:
            for at, caller, called in Callers(self._scenario, Clock(1)).arrivals():
                while not self._ended() and started + at > time.monotonic():
                    self._tick()
                if self._ended():
                    break
                self._call(caller, called)
            while self._calls and self._fault is None:
                self._tick()
        finally:
            listener.kill()
        if self._fault is not None:
            raise FsappError(f"the switch has gone during the demo: {self._fault}")
        self.summary.lab_seconds = time.monotonic() - started
        return self.summary

    def _ended(self) -> bool:
        return self._stop.is_set() or self._fault is not None

    def _call(self, caller: str, called: str) -> None:
        call = _Call(str(uuid4()), caller, called)
        call.hang_up_at = time.monotonic() + self._scenario.patience.draw(self._rng)
        self._calls[call.uuid] = call
        call.job = str(uuid4())
        self._jobs[call.job] = call
        self._link.bgapi(originate(f"loopback/{called}/public", "park", {
            "origination_uuid": call.uuid, "origination_caller_id_number": caller,
            "loopback_bowout": "false", "loopback_bowout_on_execute": "false", "ignore_early_media": "true",
        }), call.job)

    def _tick(self) -> None:
        """A moment passes: who has waited or talked long enough hangs up."""
        now = time.monotonic()
        quiet = now - self._heard > _QUIET_S and bool(self._calls)
        for call in list(self._calls.values()):
            if call.hung_up:
                if quiet:
                    self._end(call, "STUCK", time.time())
                continue
            if self._stop.is_set() or quiet or now >= call.hang_up_at:
                self._hang_up(call, "cut" if self._stop.is_set() else "stuck" if quiet else "caller")
        if quiet:
            self._heard = now
        # A stop ends the wait for the next caller, not the wait for those who are on the line.
        if self._stop.is_set():
            gevent.sleep(_TICK_S)
        else:
            self._stop.wait(_TICK_S)

    def _hang_up(self, call: _Call, why: str) -> None:
        """The caller goes. `hung_up` tells this end from every other, and is there before the switch hears of it."""
        call.hung_up = why
        cause = "NORMAL_CLEARING" if call.answered_at else "ORIGINATOR_CANCEL"
        if "+OK" not in self._link.api(f"uuid_kill {call.uuid} {cause}") and not call.leg:
            call.hung_up = ""  # not there yet: again in a moment

    def _listen(self) -> None:
        try:
            for event in self._link.events():
                self._heard = time.monotonic()
                self._hear(event.headers)
        except SwitchError as error:
            self._fault = error

    def _hear(self, headers: Mapping[str, str]) -> None:
        name = headers.get("Event-Name", "")
        at = int(headers.get("Event-Date-Timestamp") or 0) / 1e6
        if name == "CHANNEL_CREATE":
            call = self._calls.get(headers.get("variable_other_loopback_leg_uuid", ""))
            if call is not None and not call.leg and headers.get("Channel-Name", "").endswith("-b"):
                call.leg, call.started_at = headers["Unique-ID"], at
                self._legs[call.leg] = call
                self._tell("call_started", call, at, caller=call.caller, called=call.called)
        elif name == "CHANNEL_HANGUP_COMPLETE":
            call = self._legs.get(headers.get("Unique-ID", ""))
            if call is not None:
                self._end(call, headers.get("Hangup-Cause", ""), at)
        elif name == "BACKGROUND_JOB":
            call = self._jobs.pop(headers.get("Job-UUID", ""), None)
            if call is not None and not call.leg:
                self._end(call, "NOT_CREATED", at)
        elif name == "CUSTOM":
            call = self._legs.get(headers.get("CC-Member-Session-UUID", ""))
            if call is not None:
                self._queue_event(call, headers, at)

    def _queue_event(self, call: _Call, headers: Mapping[str, str], at: float) -> None:
        action, agent = headers.get("CC-Action", ""), headers.get("CC-Agent", "")
        if action == "member-queue-start":
            if call.joined_at:
                self._tell("moved", call, at)
            else:
                call.joined_at = at
                self._tell("decided", call, at, real_s=at - call.started_at)
            call.call_class = headers.get("variable_fsapp_class", "")
            call.queue = headers.get("CC-Queue", "")
            self._tell("queue_joined", call, at, call_class=call.call_class, queue=call.queue,
                       reason=headers.get("variable_fsapp_reason", ""),
                       base_score=int(headers.get("variable_cc_base_score") or 0))
        elif action == "agent-offering":
            self._tell("offered", call, at, agent=agent, waiting=sum(
                other is not call and other.queue == call.queue and not other.answered_at
                for other in self._calls.values()))
        elif action == "bridge-agent-start":
            call.answered_at = at
            if not call.hung_up:
                call.hang_up_at = time.monotonic() + self._scenario.talk.draw(self._rng)
            self._tell("answered", call, at, agent=agent)
        elif action == "bridge-agent-fail":
            self._tell("not_answered", call, at, agent=agent, cause=headers.get("CC-Hangup-Cause", ""))

    def _end(self, call: _Call, cause: str, at: float) -> None:
        """What became of it. Nobody but the callers hangs up here: any other end is a call that was lost."""
        if self._calls.pop(call.uuid, None) is None:
            return
        self._legs.pop(call.leg, None)
        self._jobs.pop(call.job, None)
        outcome = "lost"
        if call.hung_up == "caller":
            outcome = "answered" if call.answered_at else "abandoned"
        elif call.hung_up == "cut":
            outcome = "answered" if call.answered_at else "cut"
        elif not call.hung_up and cause == _NOT_OURS:
            outcome = "refused"
        if outcome == "lost":
            self._tell("lost", call, at, why=call.hung_up or _where_it_got_to(call), cause=cause)
        waited_s = (call.answered_at or at) - call.started_at if call.started_at else 0.0
        self._tell("ended", call, at, call_class=call.call_class, outcome=outcome, waited_s=waited_s, cause=cause)

    def _tell(self, event: str, call: _Call, at: float, **values: Any) -> None:
        fact = {"event": event, "uuid": call.uuid, "at": at, "caller": call.caller, "called": call.called, **values}
        self.summary.observe(fact)
        for observer in self._observers:
            observer(fact)


def _where_it_got_to(call: _Call) -> str:
    if not call.call_class:
        return "it got no class"
    return "cut off from its agent" if call.answered_at else f"it got to no agent of {call.queue}"
