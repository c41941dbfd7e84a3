"""Facts kept in their order until what hangs on them is written, however long Redis is away. Decides nothing.

Nothing of a call ever waits for it. Also what earlier facts of the same stay in a queue have said: who hangs up first
takes along what the call was.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

from gevent.event import Event

from fsapp.core.rules import Rules
from fsapp.errors import StateError
from fsapp.log import get_logger
from fsapp.spawn import spawn

__all__ = ["Backlog", "Stays"]

_AGAIN_S = 0.5
_IDLE_S = 60.0
_MOST = 10_000
_CARRIED = (
    "number", "class", "decision", "campaign", "stage", "line", "contact", "direction", "called", "language", "task",
    "base_score",
)
_OVER = frozenset({"talk_ended", "call_abandoned", "call_left_queue"})
_log = get_logger("link")


class Stays:
    """Completes each fact by what earlier ones of the same stay in a queue have said."""

    def __init__(self) -> None:
        self._members: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._came: OrderedDict[str, float] = OrderedDict()

    def completed(self, fact: Mapping[str, Any]) -> dict[str, Any]:
        """The fact with what was said before; `came_at`: when its call joined its first queue, epoch seconds."""
        member, call = str(fact.get("member") or ""), str(fact.get("call") or "")
        if not member:
            return dict(fact)
        said = self._members.pop(member, {}) | {name: fact[name] for name in _CARRIED if fact.get(name)}
        call = call or said.get("call", "")
        if fact.get("type") == "queue_joined" and call:
            self._came.setdefault(call, float(fact.get("at", 0)))
        came_at = self._came.get(call)
        if fact.get("type") not in _OVER:
            self._members[member] = said | {"call": call}
        for kept in (self._members, self._came):
            while len(kept) > _MOST:
                kept.popitem(last=False)
        found = {**said, **{name: value for name, value in fact.items() if value not in (None, "")}}
        return found if came_at is None else {**found, "came_at": came_at}


class Backlog:
    """`take` does what a fact asks for, by the rules in force; StateError leaves the fact for later.

    Without rules nothing can be known of a fact: it is left out. `name`: for the log and the greenlet.
    """

    def __init__(
        self, name: str, take: Callable[[dict[str, Any], Rules], None], rules: Callable[[], Rules | None],
    ) -> None:
        self.fault = ""
        self._name = name
        self._take = take
        self._rules = rules
        self._facts: deque[dict[str, Any]] = deque()
        self._wake = Event()
        self._put = 0
        self._stepped = Event()
        self._stopping = Event()
        self._greenlet = spawn(self._run, name=name)

    def put(self, fact: dict[str, Any]) -> None:
        """Returns at once."""
        self._facts.append(fact)
        self._put += 1
        while len(self._facts) > _MOST:
            self._facts.popleft()
            _log.error("fact_forgotten", of=self._name, advice="Redis has been away for long")
        self._wake.set()

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that was put before is done with; whether it is."""
        put, deadline = self._put, time.monotonic() + timeout_s
        while self._put - len(self._facts) < put:
            left = deadline - time.monotonic()
            if left <= 0 or self._stopping.is_set() or not self._stepped.wait(left):
                return False
        return True

    def stop(self, timeout_s: float = 1.0) -> None:
        """Take what is in hand, for so long at most."""
        deadline = time.monotonic() + timeout_s
        self._stopping.set()
        self._wake.set()
        self._greenlet.join(timeout_s)
        self._greenlet.kill(timeout=1)
        while self._facts and time.monotonic() < deadline and self._take_next():
            pass
        if self._facts:
            _log.error("facts_lost", of=self._name, count=len(self._facts))

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self.fault:
                self._stopping.wait(_AGAIN_S)
            else:
                self._wake.wait(_IDLE_S)
            self._wake.clear()
            while self._facts and not self._stopping.is_set() and self._take_next():
                stepped, self._stepped = self._stepped, Event()
                stepped.set()

    def _take_next(self) -> bool:
        """Whether the oldest fact is done with."""
        rules = self._rules()
        if rules is None:
            self._facts.clear()
            return True
        fact = self._facts[0]
        try:
            self._take(fact, rules)
        except StateError as error:
            if not self.fault:
                _log.error("facts_held", of=self._name, error=str(error), meanwhile="they are kept until Redis is back")
            self.fault = str(error)
            return False
        except Exception:  # noqa: BLE001  one fact that nobody foresaw must not hold up the others
            _log.exception("fact_not_taken", of=self._name)
        if self.fault:
            _log.info("facts_caught_up", of=self._name)
        self.fault = ""
        if self._facts and self._facts[0] is fact:
            self._facts.popleft()
        return True
