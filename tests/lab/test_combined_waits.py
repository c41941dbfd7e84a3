"""Waits that follow one another add up to the millisecond: the lab's clock is moved by hand, nothing is rounded away.

What is real is asserted as it is. mod_callcenter counts whole seconds of its clock and looks every half second of the
caller's stay, so a wait of 4 s is over at the first look at which the clock has counted 4; a phone that rings then is
let ring. A decision costs no lab time but the one frame for which the switch parks the call.
"""

from __future__ import annotations

import copy
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import gevent
import pytest
from hand_clock import HandClock
from lab_centre import DOCUMENT
from lab_desk import CUSTOMER, HELPDESK, Desk
from lab_ends import PATIENCE_S, until

from fsapp.core import task_life
from fsapp.core.model import Call, Facts, Sticky
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.talks import Outcome, attempt
from fsapp.core.task import Task, TaskKind
from fsapp.lab.offering import Reaction
from fsapp.state.tasks import Tasks

WAIT_S = 4         # lab_desk.Desk: of an agent's and of a group's queue
FRAME_MS = (0, 20)  # none where the app is gone before the switch has parked the call
AGENT, GROUP, QUEUE = "agent-1005@fsapp", "group-support@fsapp", "helpdesk@fsapp"
# Where within a second of the switch's clock the caller calls.
WITHIN_S = pytest.mark.parametrize("within_s", [0.0, 0.25, 0.5, 0.875])


class Watched:
    """A desk whose clock is moved by hand; what happens to its calls, with milliseconds since the clock's start."""

    def __init__(self, desk: Desk, clock: HandClock) -> None:
        self.desk, self.clock = desk, clock
        self._start = int(clock.now())
        self.facts: list[dict[str, Any]] = []
        desk.switch.subscribe(self._hear)

    def _hear(self, fact: dict[str, Any]) -> None:
        answered = self.desk.switch.channels[fact["uuid"]].answered_us if fact["event"] == "queue_joined" else 0
        self.facts.append(fact | {"ms": self.ms(fact["at"]), "answered_ms": self.ms(answered / 1_000_000)})

    def ms(self, at: float) -> int:
        return round((at - self._start) * 1000)

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fact for fact in self.facts if fact["event"] == event]

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Move the clock until something is so. It stands still without calls, and while one is being decided about."""
        with gevent.Timeout(PATIENCE_S, AssertionError(f"not within {PATIENCE_S} s: {what}")):
            self.clock.turn()
            while not (found := condition()):
                if self._resting() or self.clock.next_s() <= FRAME_MS[1] / 1000:
                    self.clock.step()
                else:
                    gevent.sleep(0.002)
            return found

    def _resting(self) -> bool:
        """Whether there are calls, and all that are to be in a queue or in a talk are there."""
        switch = self.desk.switch
        waiting = {
            member.channel.uuid for queue in switch.callcenter.queues.values() for member in queue.members.values()
            if member.state in ("Waiting", "Trying", "Answered")}
        return bool(switch.channels) and all(
            one.uuid in waiting or one.hangup_cause or one.profile.destination_number == "fsapp-place"
            for one in switch.channels.values() if one.hit_dialplan)

    def wind_down(self, lab_s: float) -> None:
        """Let so much lab time pass, for what ends after a call."""
        until = self.clock.now() + lab_s
        while self.clock.now() < until:
            self.clock.step()


def over_ms(joined_ms: int, wait_s: int = WAIT_S) -> int:
    """When a wait that began then is over: at the first half-second look that has counted so many whole seconds."""
    counted = (joined_ms // 1000 + wait_s) * 1000
    return next(look for look in range(joined_ms, counted + 500, 500) if look >= counted)


@pytest.fixture
def make(own_redis: Any, tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    made: list[Desk] = []

    def start(within_s: float = 0.0, centre: dict[str, Any] | None = None, **line: Any) -> Watched:
        clock = HandClock(float(int(time.time())) + within_s)
        made.append(Desk(own_redis(), tmp_path, centre or {}, {"stickiness": "agent-then-group"} | line, clock=clock))
        made[-1].reaction = Reaction("NO_ANSWER", 0.6)
        watched = Watched(made[-1], clock)
        agents = made[-1].switch.callcenter.agents.values()
        until(lambda: all(agent.no_answer_delay_time == 5 for agent in agents), "agents rest as the rules say")
        return watched

    yield start
    for desk in made:
        desk.stop()


def adds_up(watched: Watched, queues: list[str], ring_ms: int = 0) -> None:
    """The caller is there; all are, and nobody answers before the last queue: every wait, their sum, and the score.

    `ring_ms`: a phone rings so long, whenever the wait is over; 0: none rings then.
    """
    desk = watched.desk
    watched.until(lambda: len(watched.of("queue_joined")) == len(queues), "the caller has moved on to the queue")
    desk.reaction = Reaction(after_s=0.7, talk_s=3)
    watched.until(lambda: watched.of("answered"), "somebody answers")
    joined, left, [answered] = watched.of("queue_joined"), watched.of("left"), watched.of("answered")
    assert [fact["queue"] for fact in joined] == queues
    assert [fact["reason"] for fact in left] == ["TIMEOUT"] * (len(queues) - 1)
    assert {fact["queue"] for fact in watched.of("not_answered")} >= set(queues[:-1]), "all were rung in vain"

    waits = [end["ms"] - begin["ms"] for begin, end in zip(joined, [*left, answered], strict=True)]
    visits = [begin["ms"] - end["ms"] for end, begin in zip(left, joined[1:], strict=True)]
    rung = [next(fact["ms"] for fact in watched.of("offered") if fact["queue"] == queue) for queue in queues[:-1]]
    assert [end["ms"] for end in left] == [
        first + ring_ms if ring_ms else over_ms(begin["ms"]) for begin, first in zip(joined, rung, strict=False)]
    offered = watched.of("offered")[-1]["ms"]
    assert waits[-1] == offered - joined[-1]["ms"] + 700
    assert set(visits) <= set(FRAME_MS)
    assert sum(waits) + sum(visits) == answered["ms"] - joined[0]["ms"]

    base = desk.facts("call_routed")[0]["base_score"]
    whole = [begin["ms"] // 1000 - begin["answered_ms"] // 1000 for begin in joined]
    assert joined[0]["ms"] - joined[0]["answered_ms"] in FRAME_MS
    assert [begin["base_score"] for begin in joined] == [base + seconds for seconds in whole]
    watched.wind_down(8)
    watched.until(lambda: not desk.switch.channels, "the talk is over")


@WITHIN_S
def test_the_agents_wait_then_the_groups_then_the_queue(make: Callable[..., Watched], within_s: float) -> None:
    watched = make(within_s)
    desk = watched.desk
    desk.status("Available", "1004", "1005", "1006")
    desk.customers.put_sticky(CUSTOMER, lambda _old: Sticky("1005", datetime.now(UTC)), 3600)
    desk.call()
    adds_up(watched, [AGENT, GROUP, QUEUE])


@WITHIN_S
def test_the_direct_callback_then_the_agent_then_the_group(make: Callable[..., Watched], within_s: float) -> None:
    watched = make(within_s, {"direct_callback": 1})
    desk = watched.desk
    desk.status("Available", "1004", "1005", "1006")
    desk.customers.put_sticky(CUSTOMER, lambda _old: Sticky("1005", datetime.now(UTC)), 3600)
    now = datetime.now(UTC)
    desk.customers.take(attempt(CUSTOMER, "1006", Outcome.FAILED, now, "a1", line="helpdesk"), desk.rules)
    desk.call()
    adds_up(watched, ["agent-1006@fsapp", AGENT, GROUP, QUEUE])


@WITHIN_S
def test_a_phone_that_rings_at_the_end_of_a_wait_is_let_ring(make: Callable[..., Watched], within_s: float) -> None:
    watched = make(within_s)
    desk = watched.desk
    desk.reaction = Reaction("NO_ANSWER", 6.3)
    desk.status("Available", "1004", "1005", "1006")
    desk.customers.put_sticky(CUSTOMER, lambda _old: Sticky("1005", datetime.now(UTC)), 3600)
    desk.call()
    adds_up(watched, [AGENT, GROUP, QUEUE], ring_ms=6300)


@WITHIN_S
def test_a_task_waits_for_its_agent_until_it_comes_unstuck(make: Callable[..., Watched], within_s: float) -> None:
    """When it does is a matter of fsapp's own clock; the switch counts one stay with the agent after the other."""
    watched = make(within_s, task_wait_s=3600)
    desk, tasks = watched.desk, Tasks(watched.desk.centre.client)
    desk.status("Available", "1004", "1005", "1006")
    task = callback("1005")
    tasks.change(CUSTOMER, partial(task_life.made, new=task))
    watched.until(lambda: len(watched.of("queue_joined")) == 3, "the third stay")
    tasks.change(CUSTOMER, lambda known: task_life.Changed(
        tuple(replace(one, due_at=one.due_at - timedelta(hours=1)) for one in known), known[0]))
    adds_up(watched, [AGENT, AGENT, AGENT, QUEUE])


def callback(agent: str) -> Task:
    now = datetime.now(UTC)
    return Task(
        secrets.token_hex(8), TaskKind.REQUESTED, CUSTOMER, "helpdesk", due_at=now, expires_at=now + timedelta(hours=3),
        made_at=now, caller_id=HELPDESK, tries_left=2, agent=agent)


def test_it_comes_unstuck_at_the_millisecond() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["line"]["helpdesk"]["task_wait_s"] = 300
    rules = Rules.from_document(document)
    task = callback("1005")
    call = Call(normalise(CUSTOMER, "RS"), normalise(HELPDESK, "RS"), task=task.id)

    def first(wait: timedelta) -> str:
        target = decide(call, Facts(tasks=(task,)), rules, task.due_at + wait).target
        assert target is not None
        return target.queue

    wait = timedelta(seconds=300)
    assert first(wait - timedelta(milliseconds=1)) == AGENT
    assert first(wait) == QUEUE
