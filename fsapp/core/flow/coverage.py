"""Which ways through a flow recorded calls have taken. Pure; reads no stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fsapp.core.flow.blocks import Flow, exits

__all__ = ["Coverage", "cover"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """`calls` through the flow; how often each of its blocks was entered, and each way (from, to) taken; the ends."""

    calls: int
    blocks: Mapping[str, int]
    ways: Mapping[tuple[str, str], int]
    ends: Mapping[str, int] = field(default_factory=dict)

    @property
    def missed(self) -> list[str]:
        """Blocks that nobody has come to."""
        return [id_ for id_, times in self.blocks.items() if not times]

    @property
    def untaken(self) -> list[tuple[str, str]]:
        """Ways that nobody has taken out of a block that somebody has come to."""
        return [way for way, times in self.ways.items() if not times and self.blocks[way[0]]]


def cover(flow: Flow, events: Iterable[Mapping[str, Any]]) -> Coverage:
    """What the `flow_left` events of this flow say; blocks that it no longer has count for nothing."""
    blocks: Counter[str] = Counter()
    ways: Counter[tuple[str, str]] = Counter()
    ends: Counter[str] = Counter()
    seen: set[object] = set()
    calls = 0
    for event in events:
        if event.get("type") != "flow_left" or event.get("flow") != flow.name or event.get("id") in seen:
            continue
        seen.add(event.get("id"))
        calls += 1
        path = [str(id_) for id_ in event.get("path") or ()]
        blocks.update(path)
        ways.update(zip(path, path[1:], strict=False))
        ends[str(event.get("end"))] += 1
    there = {(id_, target): 0 for id_, block in flow.blocks.items() for _, target in exits(block)}
    return Coverage(
        calls, {id_: blocks[id_] for id_ in flow.blocks}, {way: ways[way] for way in there}, dict(ends.most_common()))
