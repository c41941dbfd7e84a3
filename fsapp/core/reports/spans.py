"""Spans of time, (start, end) in seconds: clipped, put together, taken from each other, spread over slots. Pure.

Lists of spans are in order and do not overlap, once they have been through `union`. A span that ends before it begins,
as when a clock is put back, is nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Span", "intersect", "length", "spread", "subtract", "union"]

Span = tuple[float, float]


def union(spans: Iterable[Span], floor: float, ceiling: float) -> list[Span]:
    """Everything in any of the spans, which come in any order, from `floor` up to `ceiling`."""
    found: list[Span] = []
    for start, end in sorted((max(start, floor), min(end, ceiling)) for start, end in spans):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def intersect(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What is in both."""
    found: list[Span] = []
    place = 0
    for start, end in some:
        while place < len(others) and others[place][1] <= start:
            place += 1
        look = place
        while look < len(others) and others[look][0] < end:
            found.append((max(start, others[look][0]), min(end, others[look][1])))
            look += 1
    return found


def subtract(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """What is in `some` and not in `others`."""
    found: list[Span] = []
    place = 0
    for start, end in some:
        while place < len(others) and others[place][1] <= start:
            place += 1
        look = place
        while look < len(others) and others[look][0] < end:
            if others[look][0] > start:
                found.append((start, others[look][0]))
            start = max(start, others[look][1])
            look += 1
        if start < end:
            found.append((start, end))
    return found


def length(spans: Iterable[Span]) -> float:
    return sum(end - start for start, end in spans)


def spread(spans: Iterable[Span], starts: Sequence[float], end: float) -> Iterator[tuple[int, float]]:
    """(slot, seconds): how much of the spans lies in each slot; slots begin at `starts`, the last one ends at `end`."""
    for start, until in spans:
        slot = max(0, bisect_right(starts, start) - 1)
        while slot < len(starts) and starts[slot] < until:
            slot_end = starts[slot + 1] if slot + 1 < len(starts) else end
            inside = min(until, slot_end) - max(start, starts[slot])
            if inside > 0:
                yield slot, inside
            slot += 1
