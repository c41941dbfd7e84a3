"""Has customers called so that a flow asks them, and takes what became of it back to their tasks. Chooses nothing.

Which customers says `core.flow_dialling`; what the leg of such a call tells, `core.flow_leg`. Before a customer is
called the call's uuid is written to the task: whoever comes next knows of it, and a call whose end nobody has heard of
counts as a try, as the phone may have rung. That a flow has begun to ask is written by the visit itself.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from fsapp.core import task_life
from fsapp.core.floor import Seen
from fsapp.core.floor_change import FloorEvent
from fsapp.core.flow_dialling import FlowCall, planned, variables_of
from fsapp.core.flow_leg import FlowLeg, counts, heard, left_unasked, try_of
from fsapp.core.placeholder import Side, side_of
from fsapp.core.rules import Rules
from fsapp.core.task import Task
from fsapp.core.task_life import Changed
from fsapp.errors import StateError, UnsafeArgument
from fsapp.link.calling import Rounds, Watched, taken
from fsapp.log import get_logger, mask
from fsapp.metrics import SURVEY_CALLS, SURVEYS_STANDING
from fsapp.state.tasks import Tasks
from fsapp.telephony.command import flow_call, uuid_exists, uuid_kill

__all__ = ["FlowCalls"]

_DUTY = 20      # reading what is due keeps the link busy for a twentieth of the time at most
_GONE_S = 5.0   # the switch's table of calls may be behind its events
_MADE_S = 15.0  # until a call that was asked for is there, or will not be
_REST_S = 60.0  # after a call that could not be put together
_HELD_S, _MOST_HELD_S = 10.0, 3600.0  # nobody is called after somebody answered for nothing: each time twice as long
_API_S = 2.0
_log = get_logger("surveys")


class FlowCalls:
    """`rules` gives the rules in force, or None; `heard` takes what tells of changes, which `tasks` has told."""

    def __init__(
        self, switch: str, watch: Watched, tasks: Tasks, rules: Callable[[], Rules | None],
        heard: Callable[[dict[str, Any]], None],
    ) -> None:
        self._switch = switch
        self._watch = watch
        self._tasks = tasks
        self._rules = rules
        self._heard = heard
        self._legs: dict[str, FlowLeg] = {}
        self._made: dict[str, tuple[FlowLeg, float]] = {}  # asked for, not there yet
        self._missing: dict[str, float] = {}               # legs that nobody has told to be over
        self._resting: dict[str, float] = {}               # task -> until when
        self._killed: set[str] = set()                     # taken back by us
        self._held_s = 0.0                                 # for how long nobody was called the last time
        self._held_until = 0.0
        self._over: deque[FlowLeg] = deque()
        self._due: list[Task] = []
        self._read_at = 0.0
        self._rounds = Rounds(self._round, _log, "surveys", "nobody is called for a survey")

    @property
    def fault(self) -> str:
        """Why customers are not called; empty where nothing is wrong."""
        return self._rounds.fault

    def hear(self, event: FloorEvent) -> None:
        """Take an event of the switch; returns at once."""
        if side_of(event.call, event) is Side.ASKED:
            self._keep(heard(self._legs.get(event.call), event))

    def stop(self) -> None:
        """Write what is in hand; calls that live go on."""
        self._rounds.stop()
        try:
            self._write()
        except StateError as error:
            _log.warning("surveys_not_written", error=str(error), count=len(self._over))

    # -- what there is -----------------------------------------------------------------------------------------------

    def _keep(self, one: FlowLeg | None) -> None:
        if one is None:
            return
        if self._made.pop(one.call, None) is None and one.call not in self._legs:
            self._read_at = 0.0  # its task has to be looked at before anything is done with it
        if one.over:
            self._legs.pop(one.call, None)
            self._over.append(one)
        else:
            self._legs[one.call] = one

    def _find(self, seen: Seen, now: datetime) -> None:
        """Legs on the floor that no event has told of, as when this link began; and those that are gone without one."""
        ended = {one.call for one in self._over}
        for call in seen.calls.values():
            if side_of(call.uuid, call) is Side.ASKED and call.uuid not in ended:
                self._keep(heard(self._legs.get(call.uuid), FloorEvent(
                    "call-described", "", now, call=call.uuid, direction=call.direction, called=call.called,
                    variables=call.variables, answered_at=call.answered_at)))
        since = time.monotonic()
        self._missing = {leg: self._missing.get(leg, since) for leg in self._legs if leg not in seen.calls}
        for leg, at in self._missing.items():
            if since - at > _GONE_S:
                self._keep(replace(self._legs[leg], over=True, lost=True))
        for call, (one, at) in list(self._made.items()):
            if since - at > _MADE_S:
                # The switch has made no call, as with a gateway that is not there: nobody's phone has rung.
                alive = self._watch.api(uuid_exists(call), _API_S).strip() == "true"
                if not alive:
                    _log.warning("survey_not_made", task=one.task, call=call)
                    self._over.append(self._made.pop(call)[0])

    # -- the rounds --------------------------------------------------------------------------------------------------

    def _round(self, now: datetime) -> None:
        rules = self._rules()
        if rules is None:
            return
        if self._watch.up:
            self._find(self._watch.seen, now)
        self._write()
        SURVEYS_STANDING.set(len(self._legs))
        if self._watch.up:
            self._read(now)
            self._clear(now, rules)
            self._plan(now, rules)

    def _plan(self, now: datetime, rules: Rules) -> None:
        legs = self._legs | {call: one for call, (one, _at) in self._made.items()}
        self._resting = {task: until for task, until in self._resting.items() if until > time.monotonic()}
        plan = planned(self._due, legs, self._watch.seen, rules, self._switch, now, frozenset(self._resting))
        for task, why in plan.refused:
            _log.info("survey_refused", task=task.id, number=mask(task.number), why=why)
            self._change(task.number, partial(task_life.cancelled, id_=task.id, why=why, now=now))
        for end in plan.end:
            if end.place in self._killed or end.place in self._made:
                continue  # it takes a moment
            _log.info("survey_taken_back", task=end.task, call=end.place, why=end.why)
            if self._watch.api(uuid_kill(end.place), _API_S).startswith("+OK"):
                self._killed.add(end.place)
        for start in plan.start if time.monotonic() >= self._held_until else ():
            self._start(start, rules)

    def _read(self, now: datetime) -> None:
        """The tasks that are due, and those that calls live for; rarely where there are very many."""
        if time.monotonic() < self._read_at:
            return
        began = time.thread_time()
        due = {task.id: task for task in self._tasks.due(now) if task.flow}
        for one in (*self._legs.values(), *(made for made, _at in self._made.values())):
            if one.task not in due:
                due |= {task.id: task for task in self._tasks.of(one.number) if task.id == one.task}
        self._due = list(due.values())
        self._read_at = time.monotonic() + _DUTY * (time.thread_time() - began)

    def _clear(self, now: datetime, rules: Rules) -> None:
        """Tasks whose call does not live any more, as it ended while no link was there."""
        known = {*self._legs, *self._made, *(one.call for one in self._over)}
        for task in self._due:
            place = rules.place(task.place)
            if not task.call or task.call in known or task.call in self._watch.seen.calls:
                continue
            if place is not None and place.home != self._switch:
                continue
            if self._watch.api(uuid_exists(task.call), _API_S).strip() != "true":
                _log.warning("survey_gone", task=task.id, call=task.call)
                self._over.append(FlowLeg(task.call, task.id, task.number, over=True, ended_at=now, lost=True))
        self._write()

    def _start(self, start: FlowCall, rules: Rules) -> None:
        task, call = start.task, str(uuid4())
        try:
            command = flow_call(
                call, start.route, task.number, start.caller_id, start.ring_s,
                variables_of(start, rules, self._switch))
        except (UnsafeArgument, ValueError) as error:
            _log.error("survey_not_made", task=task.id, error=str(error))
            self._resting[task.id] = time.monotonic() + _REST_S
            return
        changed = self._change(task.number, partial(taken, id_=task.id, call=call, now=datetime.now(UTC)))
        if changed.task is None or changed.task.call != call:
            return  # it is over, or somebody has been faster
        self._made[call] = FlowLeg(call, task.id, task.number), time.monotonic()
        self._watch.bgapi(command)
        _log.info("survey_called", task=task.id, number=mask(task.number), call=call, flow=task.flow)

    # -- what became of them -----------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Take what has ended to its task; StateError leaves it for the next time."""
        rules = self._rules()
        while self._over and rules is not None:
            self._end(self._over[0], rules)
            one = self._over.popleft()
            self._killed.discard(one.call)
            self._hold(one)

    def _hold(self, one: FlowLeg) -> None:
        """Where customers answer and nobody asks them no more of them are to be rung up for that, one after another."""
        now = time.monotonic()
        if one.begun:
            self._held_s = 0.0
        elif left_unasked(one) and now >= self._held_until:
            self._held_s = min(max(_HELD_S, 2 * self._held_s), _MOST_HELD_S)
            self._held_until = now + self._held_s
            _log.warning("survey_not_asked", task=one.task, call=one.call, cause=one.cause, held_s=self._held_s,
                         advice="is `fsapp serve` up, and the dialplan loaded? `fsapp dialplan check`")

    def _end(self, one: FlowLeg, rules: Rules) -> None:
        found = try_of(one, datetime.now(UTC), killed=one.call in self._killed)

        def tried(known: Sequence[Task]) -> Changed:
            task = next((task for task in known if task.id == one.task), None)
            if one.lost and task is not None and task.call != one.call:
                return Changed(tuple(known), task)  # it is known how that one ended
            return task_life.tried(known, one.task, found, rules, counts(one))

        changed = self._change(one.number, tried)
        told = next((task for task in [changed.task] if task is not None and changed.events), None)
        if told is not None:
            SURVEY_CALLS.labels(found.outcome.value).inc()
            _log.info("survey_tried", task=one.task, number=mask(one.number), call=one.call,
                      outcome=found.outcome.value, cause=found.cause, state=told.state.value)

    def _change(self, number: str, change: Callable[[Sequence[Task]], Changed]) -> Changed:
        changed = self._tasks.change(number, change)
        new = {task.id: task for task in changed.tasks}
        self._due = [new.get(task.id, task) if task.number == number else task for task in self._due]
        for event in changed.events:
            self._heard(event)
        return changed
