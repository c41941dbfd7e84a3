"""Has calls stand in line for tasks that are due, and takes what became of them back to the tasks. Chooses nothing.

Which tasks, and which calls are to be taken away, says `core.callbacks`; what a call's legs tell, `core.placeholder`.
From an agent's answer on the switch goes on alone: a link that is not there leaves nobody in silence. Before a call is
made its uuid is written to the task, so that whoever comes next knows of it; a task whose call is gone without a word
gets another.
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
from fsapp.core.callbacks import Start, planned, variables_of
from fsapp.core.floor import MemberState, Seen
from fsapp.core.floor_change import FloorEvent
from fsapp.core.placeholder import Side, Standing, heard, side_of, try_of
from fsapp.core.rules import Rules
from fsapp.core.task import Task
from fsapp.core.task_life import Changed
from fsapp.errors import StateError, UnsafeArgument
from fsapp.link.calling import Rounds, Watched, taken
from fsapp.log import get_logger, mask
from fsapp.metrics import CALLBACKS_STANDING, CALLBACKS_TRIED
from fsapp.state.tasks import Tasks
from fsapp.telephony.command import placeholder, uuid_exists, uuid_kill

__all__ = ["Callbacks"]

_DUTY = 20        # reading what is due, and planning, each keep the link busy for a twentieth of the time at most
_GONE_S = 5.0     # the switch's tables of calls may be behind its events
_MADE_S = 15.0    # until a call that was asked for is there, or will not be
_REST_S, _MOST_REST_S = 5.0, 300.0  # after a call that came to no agent
_API_S = 2.0
_log = get_logger("callbacks")


class Callbacks:
    """`rules` gives the rules in force, or None; `heard` takes the events that tell of changes, which `tasks` has told.

    `attempted` notes with a contact, if there is one, that it was tried: number, CAMPAIGN/STAGE, epoch seconds.
    """

    def __init__(
        self, switch: str, watch: Watched, tasks: Tasks, rules: Callable[[], Rules | None],
        heard: Callable[[dict[str, Any]], None], known: Seen, attempted: Callable[[str, str, float], object],
    ) -> None:
        self._switch = switch
        self._watch = watch
        self._tasks = tasks
        self._rules = rules
        self._heard = heard
        self._attempted = attempted
        self._standing: dict[str, Standing] = {}
        self._made: dict[str, tuple[Standing, float]] = {}   # asked for, not there yet
        self._missing: dict[str, float] = {}                 # legs that nobody has told to be over
        self._resting: dict[str, tuple[float, float]] = {}   # task -> until when, and for how long
        self._killed: set[str] = set()                       # taken away by us
        self._over: deque[Standing] = deque()
        self._due: list[Task] = []
        self._read_at = self._plan_at = 0.0
        self._find(known, datetime.now(UTC))
        self._rounds = Rounds(self._round, _log, "callbacks", "nobody is called back")

    @property
    def fault(self) -> str:
        """Why customers are not called; empty where nothing is wrong."""
        return self._rounds.fault

    def hear(self, event: FloorEvent) -> None:
        """Take an event of the switch; returns at once."""
        if side_of(event.call, event) in (None, Side.ASKED):
            return
        place = event.variables.get("fsapp_place", "")
        if place:
            if event.kind == "call-hung-up" and place not in self._standing:
                # The first word of a call that stood before this link did: its other legs are on the floor yet.
                self._find(self._watch.seen, event.at)
            self._keep(heard(self._standing.get(place), event))

    def stop(self) -> None:
        """Write what is in hand; calls that stand go on standing."""
        self._rounds.stop()
        try:
            self._write()
        except StateError as error:
            _log.warning("callbacks_not_written", error=str(error), count=len(self._over))

    # -- what there is -----------------------------------------------------------------------------------------------

    def _keep(self, one: Standing | None) -> None:
        if one is None:
            return
        self._made.pop(one.place, None)
        if one.over:
            self._standing.pop(one.place, None)
            self._over.append(one)
        else:
            self._standing[one.place] = one

    def _find(self, seen: Seen, now: datetime) -> None:
        """Legs on the floor that no event has told of, as when this link began; and who talks to them."""
        for call in seen.calls.values():
            if side_of(call.uuid, call) is None or not call.variables.get("fsapp_place"):
                continue
            known = self._standing.get(call.variables["fsapp_place"])
            if known is None or call.uuid not in known.legs:
                kind = "call-bridged" if call.bridged_to and side_of(call.uuid, call) is Side.LINE else "call-created"
                event = FloorEvent(
                    kind, "", now, call=call.uuid, direction=call.direction, called=call.called,
                    variables=call.variables, answered_at=call.answered_at)
                self._keep(heard(known, event))
        for member in seen.members.values():
            known = self._standing.get(member.call)
            if known is not None and member.state == MemberState.ANSWERED and member.agent != known.agent:
                self._standing[member.call] = replace(known, agent=member.agent, connected=True)

    def _lose(self, seen: Seen) -> None:
        """Legs that are gone without a word."""
        now = time.monotonic()
        gone = {leg for one in self._standing.values() for leg in one.legs if leg not in seen.calls}
        self._missing = {leg: self._missing.get(leg, now) for leg in gone}
        lost = {leg for leg, since in self._missing.items() if now - since > _GONE_S}
        for one in list(self._standing.values()):
            if one.legs & lost:
                self._keep(replace(one, legs=one.legs - lost, lost=True))
        for place, (_one, at) in list(self._made.items()):
            if now - at > _MADE_S:
                _log.warning("callback_not_made", task=_one.task, call=place)
                self._over.append(self._made.pop(place)[0])

    # -- the rounds --------------------------------------------------------------------------------------------------

    def _round(self, now: datetime) -> None:
        rules = self._rules()
        if rules is None:
            return
        if self._watch.up:
            self._find(self._watch.seen, now)
            self._lose(self._watch.seen)
        self._write()
        CALLBACKS_STANDING.set(len(self._standing))
        if self._watch.up and time.monotonic() >= self._plan_at:
            self._read(now)
            self._plan(now, rules)

    def _plan(self, now: datetime, rules: Rules) -> None:
        began = time.thread_time()  # whoever does not answer at once keeps nobody from being called
        standing = self._standing | {place: one for place, (one, _at) in self._made.items()}
        self._clear(standing, rules)
        rests = time.monotonic()
        self._resting = {task: rest for task, rest in self._resting.items() if rest[0] + _MOST_REST_S > rests}
        resting = frozenset(task for task, (until, _s) in self._resting.items() if until > rests)
        plan = planned(self._due, standing, self._watch.seen, rules, self._switch, now, resting)
        self._plan_at = time.monotonic() + _DUTY * (time.thread_time() - began)
        for task, why in plan.refused:
            _log.info("callback_refused", task=task.id, number=mask(task.number), why=str(why))
            self._change(task.number, lambda known, task=task, why=why: task_life.cancelled(
                known, task.id, str(why), now))
        for end in plan.end:
            if end.place in self._killed:
                continue  # it takes a moment
            _log.info("callback_taken_away", task=end.task, call=end.place, why=end.why)
            if self._watch.api(uuid_kill(end.place), _API_S).startswith("+OK"):
                self._killed.add(end.place)
        for start in plan.start:
            self._start(start, rules)
        if plan.start or plan.refused:
            self._read_at = 0.0

    def _read(self, now: datetime) -> None:
        """The tasks that are due, and those that calls stand for; rarely where there are very many."""
        if time.monotonic() < self._read_at:
            return
        began = time.thread_time()
        # Those with a flow are not for agents: `flow_calls` has their customers called.
        due = {task.id: task for task in self._tasks.due(now) if not task.flow}
        for one in self._standing.values():
            if one.task not in due:
                due |= {task.id: task for task in self._tasks.of(one.number) if task.id == one.task}
        self._due = list(due.values())
        self._read_at = time.monotonic() + _DUTY * (time.thread_time() - began)

    def _clear(self, standing: dict[str, Standing], rules: Rules) -> None:
        """Tasks whose call does not live any more, without anybody having been told."""
        pending = {one.place for one in self._over}
        for task in self._due:
            place = rules.place(task.place)
            if not task.call or task.call in standing or task.call in pending:
                continue
            # Nobody calls for a place that is gone: without its call the task can expire.
            if (place is not None and place.home != self._switch) or task.call in self._watch.seen.calls:
                continue
            if self._watch.api(uuid_exists(task.call), _API_S).strip() != "true":
                _log.warning("callback_gone", task=task.id, call=task.call)
                self._change(task.number, partial(task_life.placed, id_=task.id, call=None))
                self._read_at = 0.0

    def _start(self, start: Start, rules: Rules) -> None:
        task, place = start.task, str(uuid4())
        try:
            command = placeholder(place, task.number, task.name, variables_of(start, place, rules, self._switch))
        except (UnsafeArgument, ValueError) as error:
            _log.error("callback_not_made", task=task.id, error=str(error))
            self._rest(task.id)
            return
        changed = self._change(task.number, partial(taken, id_=task.id, call=place, now=datetime.now(UTC)))
        if changed.task is None or changed.task.call != place:
            return  # it is over, or somebody has been faster
        self._made[place] = Standing(place, task.id, task.number), time.monotonic()
        self._watch.bgapi(command)
        _log.info("callback_placed", task=task.id, number=mask(task.number), call=place, queue=start.queue)

    # -- what became of them -----------------------------------------------------------------------------------------

    def _write(self) -> None:
        """Take what has ended to its task; StateError leaves it for the next time."""
        rules = self._rules()
        while self._over and rules is not None:
            one = self._over[0]
            self._end(one, rules)
            self._over.popleft()
            self._killed.discard(one.place)
            self._read_at = 0.0

    def _end(self, one: Standing, rules: Rules) -> None:
        now = datetime.now(UTC)
        ended = try_of(one, None, now)
        if ended is None:
            if one.place not in self._killed:
                self._rest(one.task)
            self._change(one.number, partial(_released, id_=one.task, call=one.place))
            return

        # First: killed in between, the task knows nothing of the try, and all of it comes again.
        for task in self._tasks.of(one.number):
            if task.id == one.task and task.campaign is not None:
                self._attempted(one.number, task.place, ended.at.timestamp())

        def tried(known: Sequence[Task]) -> Changed:
            task = next((task for task in known if task.id == one.task), None)
            found = try_of(one, task.agent if task else None, now)
            return task_life.tried(known, one.task, found, rules)

        changed = self._change(one.number, tried)
        self._resting.pop(one.task, None)
        done = changed.task.tries[-1] if changed.task and changed.task.tries else None
        if changed.events and done is not None:
            CALLBACKS_TRIED.labels(done.outcome.value).inc()
            _log.info(
                "callback_tried", task=one.task, number=mask(one.number), call=one.place, outcome=done.outcome.value,
                cause=done.cause, agent=done.agent, talked_s=done.talked_s, state=changed.task.state.value)

    def _change(self, number: str, change: Callable[[Sequence[Task]], Changed]) -> Changed:
        changed = self._tasks.change(number, change)
        for event in changed.events:
            self._heard(event)
        return changed

    def _rest(self, task: str) -> None:
        """A while until it gets a call again, longer each time."""
        _until, rest_s = self._resting.get(task, (0.0, _REST_S / 2))
        rest_s = min(rest_s * 2, _MOST_REST_S)
        self._resting[task] = time.monotonic() + rest_s, rest_s


def _released(tasks: Sequence[Task], id_: str, call: str) -> Changed:
    """The task without this call of it."""
    task = next((task for task in tasks if task.id == id_), None)
    return Changed(tuple(tasks), task) if task is None or task.call != call else task_life.placed(tasks, id_, None)
