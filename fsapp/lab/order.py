"""Whether callers are offered in the order of their scores. Pure: hears events, knows nothing of the dispatcher."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["OrderChecker", "Violation"]

GRACE_S = 0.1  # who joined within the dispatcher's last tick was not there when it looked


@dataclass(frozen=True, slots=True)
class Violation:
    """A caller was offered although another with a better claim waited in a queue of the same agent."""

    at: float
    agent: str
    offered: str
    passed_over: str
    queue: str


@dataclass(slots=True)
class _Waiting:
    uuid: str
    queue: str
    base_score: int
    joined_at: float
    offerable: bool = True

    def claim(self) -> tuple[int, int]:
        """Smaller is better. Everybody's score grows by one each second, so that only these two matter."""
        return (int(self.joined_at) - self.base_score, int(self.joined_at))


@dataclass
class OrderChecker:
    """Feed it every event of a switch (`observe`). `serves` tells the queues an agent may be offered callers of."""

    serves: Callable[[str], Iterable[str]]
    violations: list[Violation] = field(default_factory=list)
    _members: dict[str, _Waiting] = field(default_factory=dict)
    _heaps: dict[str, list[tuple[tuple[int, int], str]]] = field(default_factory=dict)

    def observe(self, event: Mapping[str, Any]) -> None:
        """Take notice of one event."""
        kind = event["event"]
        if kind == "queue_joined":
            member = _Waiting(event["uuid"], event["queue"], event["base_score"], event["joined_at"])
            self._members[event["member"]] = member
            self._push(event["member"], member)
        elif kind == "offered":
            self._offered(event)
        elif kind == "not_answered":
            known = self._members.get(event["member"])
            if known is not None and event["waits"]:
                known.offerable = True
                self._push(event["member"], known)
        elif kind in ("answered", "left"):
            self._members.pop(event["member"], None)

    def _push(self, name: str, member: _Waiting) -> None:
        heapq.heappush(self._heaps.setdefault(member.queue, []), (member.claim(), name))

    def _offered(self, event: Mapping[str, Any]) -> None:
        offered = self._members.get(event["member"])
        if offered is None:
            return
        offered.offerable = False
        for queue in {event["queue"], *self.serves(event["agent"])}:
            better = self._best(queue, event["at"] - GRACE_S)
            if better is not None and better.claim() < offered.claim():
                self.violations.append(
                    Violation(event["at"], event["agent"], offered.uuid, better.uuid, queue))

    def _best(self, queue: str, joined_before: float) -> _Waiting | None:
        """Who has the best claim in a queue, of those who joined before this time."""
        heap = self._heaps.get(queue, [])
        too_new = []
        best = None
        while heap and best is None:
            claim, name = heap[0]
            member = self._members.get(name)
            if member is None or not member.offerable or member.claim() != claim:
                heapq.heappop(heap)
            elif member.joined_at > joined_before:
                too_new.append(heapq.heappop(heap))
            else:
                best = member
        for item in too_new:
            heapq.heappush(heap, item)
        return best
