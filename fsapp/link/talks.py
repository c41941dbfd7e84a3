"""Turns the facts of talks into direct-callback rights and stickiness, in their order. Decides nothing about either.

It hears the facts that the link tells, so it knows of a talk whoever hung up first. While Redis is away what was heard
is kept, and caught up later; nothing of a call ever waits for it.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

from gevent.event import Event

from fsapp.core.rules import Rules
from fsapp.core.talks import from_fact, matters
from fsapp.errors import StateError
from fsapp.log import get_logger
from fsapp.metrics import CALLBACK_RIGHTS, STICKY_TALKS
from fsapp.spawn import spawn
from fsapp.state.customers import Customers

__all__ = ["Talks"]

_AGAIN_S = 0.5
_IDLE_S = 60.0
_BACKLOG = 10_000
_CARRIED = ("number", "class", "decision", "campaign", "stage", "line", "contact", "task", "direction")
_HEARD = frozenset({"queue_joined", "call_answered", "talk_ended", "call_hung_up", "attempt"})
_log = get_logger("talks")


class Talks:
    """`rules` gives the rules in force, or None; `tell` takes the events that tell of what has changed."""

    def __init__(
        self, customers: Customers, rules: Callable[[], Rules | None], tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self.fault = ""
        self._customers = customers
        self._rules = rules
        self._tell = tell
        self._facts: deque[dict[str, Any]] = deque()
        # By member: who hangs up first takes along what the call was, before the talk's end is told.
        self._members: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._wake = Event()
        self._stopping = Event()
        self._greenlet = spawn(self._run, name="talks")

    def hear(self, fact: Mapping[str, Any]) -> None:
        """Take a fact; returns at once."""
        if fact.get("type") not in _HEARD:
            return
        fact = self._completed(fact)
        if fact["type"] == "call_answered":
            return
        self._facts.append(fact)
        while len(self._facts) > _BACKLOG:
            self._facts.popleft()
            _log.error("talk_forgotten", advice="Redis has been away for long: rights and stickiness miss some talks")
        self._wake.set()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Write what is in hand, for so long at most."""
        deadline = time.monotonic() + timeout_s
        self._stopping.set()
        self._wake.set()
        self._greenlet.join(timeout_s)
        self._greenlet.kill(timeout=1)
        while self._facts and time.monotonic() < deadline and self._take_next():
            pass
        if self._facts:
            _log.error("talks_lost", count=len(self._facts))

    def _completed(self, fact: Mapping[str, Any]) -> dict[str, Any]:
        """The fact with what earlier ones of the same stay in a queue have said."""
        member = str(fact.get("member") or "")
        if not member:
            return dict(fact)
        said = self._members.pop(member, {}) | {name: fact[name] for name in _CARRIED if fact.get(name)}
        if fact["type"] != "talk_ended":
            self._members[member] = said
            while len(self._members) > _BACKLOG:
                self._members.popitem(last=False)
        return {**said, **{name: value for name, value in fact.items() if value not in (None, "")}}

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self.fault:
                self._stopping.wait(_AGAIN_S)
            else:
                self._wake.wait(_IDLE_S)
            self._wake.clear()
            while self._facts and not self._stopping.is_set() and self._take_next():
                pass

    def _take_next(self) -> bool:
        """Whether the oldest fact is done with."""
        rules = self._rules()
        if rules is None:
            self._facts.clear()  # whose they are is not known, and what they mean is not either
            return True
        fact = self._facts[0]
        try:
            happened = from_fact(fact, rules)
            if happened is not None and matters(happened, rules):
                for event in self._customers.take(happened, rules):
                    self._tell(event)
                    if event["type"] == "stickiness":
                        STICKY_TALKS.inc()
                    else:
                        CALLBACK_RIGHTS.labels(event["effect"]).inc()
        except StateError as error:
            if not self.fault:
                _log.error("talks_held", error=str(error), meanwhile="they are kept until Redis is back")
            self.fault = str(error)
            return False
        except Exception:  # noqa: BLE001  one fact that nobody foresaw must not hold up the others
            _log.exception("talk_not_taken")
        if self.fault:
            _log.info("talks_caught_up")
        self.fault = ""
        if self._facts and self._facts[0] is fact:
            self._facts.popleft()
        return True
