"""Turns the facts of talks into direct-callback rights and stickiness, in their order. Decides nothing about either.

It hears the facts that the link tells, so it knows of a talk whoever hung up first. While Redis is away what was heard
is kept, and caught up later; nothing of a call ever waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fsapp.core.rules import Rules
from fsapp.core.talks import from_fact, matters
from fsapp.link.backlog import Backlog, Stays
from fsapp.metrics import CALLBACK_RIGHTS, STICKY_TALKS
from fsapp.state.customers import Customers
from fsapp.state.erased import Erased

__all__ = ["Talks"]

_HEARD = frozenset({"queue_joined", "call_answered", "talk_ended", "call_hung_up", "attempt"})


class Talks:
    """`rules` gives the rules in force, or None; `tell` takes the events that tell of what has changed."""

    def __init__(
        self, customers: Customers, erased: Erased, rules: Callable[[], Rules | None],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._customers = customers
        self._erased = erased
        self._tell = tell
        self._stays = Stays()
        self._backlog = Backlog("talks", self._take, rules)

    @property
    def fault(self) -> str:
        return self._backlog.fault

    def hear(self, fact: Mapping[str, Any]) -> None:
        """Take a fact; returns at once."""
        if fact.get("type") not in _HEARD:
            return
        found = self._stays.completed(fact)
        if found["type"] != "call_answered":
            self._backlog.put(found)

    def settle(self, timeout_s: float) -> bool:
        """Wait until all that was heard is written; whether it is."""
        return self._backlog.settle(timeout_s)

    def stop(self, timeout_s: float = 1.0) -> None:
        """Write what is in hand, for so long at most."""
        self._backlog.stop(timeout_s)

    def _take(self, fact: dict[str, Any], rules: Rules) -> None:
        happened = from_fact(fact, rules)
        if happened is None or not matters(happened, rules) or self._erased.was_before(fact, happened.number):
            return
        for event in self._customers.take(happened, rules):
            self._tell(event)
            if event["type"] == "stickiness":
                STICKY_TALKS.inc()
            else:
                CALLBACK_RIGHTS.labels(event["effect"]).inc()
