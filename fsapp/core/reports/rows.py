"""Rows of a report: one tally for each combination of days, queues, agents and so on, in order. Pure: counts nothing.

Where rows are told apart by times alone, each day or hour that has begun has a row, though nothing happened in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from fsapp.core.reports.period import BY_TIME, HOURS, Timeline, timeline
from fsapp.core.reports.query import Query
from fsapp.core.reports.tally import Figures, Tally

__all__ = ["Rows"]

Key = tuple[str | None, ...]


class Rows:
    """The tallies of a report on `query`."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._lines = [timeline(query.period, name) if name in BY_TIME else None for name in query.by]
        self._own = tuple(place for place, name in enumerate(query.by) if name not in BY_TIME)
        self.by = tuple(query.by[place] for place in self._own)
        self._places = [
            {label: place for place, label in enumerate(line.labels)} if line else {} for line in self._lines]
        self._tallies: dict[Key, Tally] = {}
        if query.by and not self._own:
            for slot in self.timeline.slots:
                if slot.start <= query.now:
                    self.at(slot.start, ())

    @cached_property
    def timeline(self) -> Timeline:
        """The slots that tell times apart, as fine as the rows need them."""
        fine = {name if name in HOURS else "hour" for name in self._query.by if name in (*HOURS, "hour-of-day")}
        return timeline(self._query.period, min(fine, key=lambda name: HOURS[name], default="day"))

    def at(self, at: float, values: Sequence[str | None]) -> Tally:
        """The tally for what happened `at`; `values`: for each of `by`."""
        given = iter(values)
        key = tuple(next(given) if line is None else line.label(at) for line in self._lines)
        found = self._tallies.get(key)
        if found is None:
            found = self._tallies[key] = Tally()
        return found

    def report(self, reckon: Callable[[Tally, Query], Figures]) -> tuple[list[dict[str, Any]], Figures]:
        """The rows in order, each with what it is for and its figures; and the figures of all."""
        total = Tally()
        rows = []
        for key in sorted(self._tallies, key=self._order):
            total.add(self._tallies[key])
            rows.append(dict(zip(self._query.by, key, strict=True)) | reckon(self._tallies[key], self._query))
        return rows, reckon(total, self._query)

    def _order(self, key: Key) -> tuple[Any, ...]:
        return tuple(
            places[value] if places else (value is None, value or "")
            for value, places in zip(key, self._places, strict=True))
