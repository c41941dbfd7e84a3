"""Figures of flows: where the calls that went through one ended up. Pure; docs/reports.md defines each figure."""

from __future__ import annotations

from fsapp.core.reports.query import Query
from fsapp.core.reports.tally import Figures, Tally, share

__all__ = ["count_flow", "flows"]

# An outcome of a call -> where it went; a call in a queue counts there, however that ended.
_ENDS = {"transferred": "transferred", "voicemail": "voicemail", "flow": "ended", "hung-up": "hung_up"}


def count_flow(tally: Tally, outcome: str | None, *, offered: bool, over: bool) -> None:
    tally.count("calls")
    if outcome in _ENDS:
        tally.count(_ENDS[outcome])
    elif offered:
        tally.count("queued")
    else:
        tally.count("other" if over else "inside")


def flows(tally: Tally, _query: Query) -> Figures:
    counts = tally.counts
    names = ("calls", "queued", "transferred", "voicemail", "ended", "hung_up", "inside", "other")
    return {name: counts[name] for name in names} | {"hung_up_rate": share(counts["hung_up"], counts["calls"])}
