"""Figures of calls that came in: how many were answered, how soon, how many gave up waiting. Pure.

What is counted is a call, or, where queues are told apart, a stay of a call in a queue. docs/reports.md defines each
figure.
"""

from __future__ import annotations

from typing import NamedTuple

from fsapp.core.reports.query import Abandoned, Query
from fsapp.core.reports.tally import Figures, Tally, mean, quantile, share

__all__ = ["Came", "abandonment", "answer_speed", "calls", "count_call", "service_level"]


class Came(NamedTuple):
    """A call or a stay. `offered`: it was in a queue; `over`: it has ended. `outcome`: answered, abandoned, or else."""

    outcome: str | None
    offered: bool
    over: bool
    waited_s: float | None
    talked_s: float | None
    target_s: float


def count_call(tally: Tally, one: Came, query: Query) -> None:
    counts = tally.counts
    counts["calls"] += 1
    if not one.offered:
        return
    counts["offered"] += 1
    if one.outcome == "answered":
        counts["answered"] += 1
        tally.sample("answered", one.waited_s)
        if one.waited_s is not None and one.waited_s <= one.target_s:
            counts["met"] += 1
        if one.over:
            tally.sample("talked", one.talked_s)
        else:
            counts["talking"] += 1
    elif one.outcome == "abandoned":
        counts["abandoned"] += 1
        tally.sample("abandoned", one.waited_s)
        waited_s = one.waited_s or 0.0
        if waited_s < query.short_s:
            counts["short"] += 1
        if waited_s <= one.target_s:
            counts["early"] += 1
    else:
        counts["elsewhere" if one.over or one.outcome is not None else "waiting"] += 1


def calls(tally: Tally, _query: Query) -> Figures:
    counts = tally.counts
    talked = tally.samples["talked"]
    return {
        "calls": counts["calls"], "offered": counts["offered"], "answered": counts["answered"],
        "abandoned": counts["abandoned"], "short_abandoned": counts["short"], "elsewhere": counts["elsewhere"],
        "waiting": counts["waiting"], "talking": counts["talking"],
        "answer_rate": share(counts["answered"], counts["answered"] + counts["abandoned"]),
        "talk_s": round(float(sum(talked)), 3), "average_talk_s": mean(talked),
    }


def service_level(tally: Tally, query: Query) -> Figures:
    counts = tally.counts
    met, counted = counts["met"], counts["answered"]
    counted += {
        Abandoned.ALL: counts["abandoned"], Abandoned.NOT_SHORT: counts["abandoned"] - counts["short"],
        Abandoned.LATE: counts["abandoned"] - counts["early"], Abandoned.EARLY_MET: counts["abandoned"],
        Abandoned.NONE: 0,
    }[query.abandoned]
    if query.abandoned is Abandoned.EARLY_MET:
        met += counts["early"]
    return {
        "offered": counts["offered"], "answered": counts["answered"], "abandoned": counts["abandoned"],
        "short_abandoned": counts["short"], "counted": counted, "met": met, "service_level": share(met, counted),
    }


def answer_speed(tally: Tally, _query: Query) -> Figures:
    waits = sorted(tally.samples["answered"])
    return {
        "answered": tally.counts["answered"], "average_answer_s": mean(waits), "median_answer_s": quantile(waits, 0.5),
        "p90_answer_s": quantile(waits, 0.9), "longest_answer_s": round(waits[-1], 3) if waits else None,
    }


def abandonment(tally: Tally, _query: Query) -> Figures:
    counts = tally.counts
    gave_up = counts["abandoned"] - counts["short"]
    waits = sorted(tally.samples["abandoned"])
    return {
        "offered": counts["offered"], "answered": counts["answered"], "abandoned": counts["abandoned"],
        "short_abandoned": counts["short"], "abandonment_rate": share(gave_up, counts["answered"] + gave_up),
        "abandonment_rate_all": share(counts["abandoned"], counts["answered"] + counts["abandoned"]),
        "average_patience_s": mean(waits), "median_patience_s": quantile(waits, 0.5),
        "longest_patience_s": round(waits[-1], 3) if waits else None,
    }
