"""What is counted and measured for one row of a report, and the arithmetic of shares, averages and quantiles. Pure."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

__all__ = ["Figures", "Tally", "mean", "quantile", "share"]

Figures = dict[str, Any]


class Tally:
    """`counts`: how many (or seconds) by a word; `samples`: seconds of each one by a word, eight bytes each."""

    __slots__ = ("counts", "samples")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.samples: defaultdict[str, array[float]] = defaultdict(_doubles)

    def count(self, word: str, many: float = 1) -> None:
        self.counts[word] += many  # type: ignore[assignment]

    def sample(self, word: str, seconds: float | None) -> None:
        """Note how long one took; a clock that was put back makes it nothing, not less. None: nobody knows."""
        if seconds is not None:
            self.samples[word].append(max(0.0, seconds))

    def add(self, other: Tally) -> None:
        """Put another row's into this one."""
        self.counts.update(other.counts)
        for word, samples in other.samples.items():
            self.samples[word].extend(samples)


def _doubles() -> array[float]:
    return array("d")


def share(part: float, whole: float) -> float | None:
    """`part` of `whole`, 0 to 1; None where there is nothing to have a share of."""
    return round(part / whole, 4) if whole else None


def mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def quantile(ordered: Sequence[float], level: float) -> float | None:
    """The value that this share of the ordered values does not exceed; between two of them in proportion."""
    if not ordered:
        return None
    place = (len(ordered) - 1) * level
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return round(ordered[low] + (ordered[high] - ordered[low]) * (place - low), 3)
