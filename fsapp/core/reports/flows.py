"""Figures of flows: how calls left them, and where. Pure; docs/reports.md defines each figure."""

from __future__ import annotations

from fsapp.core.reports.query import Query
from fsapp.core.reports.tally import Figures, Tally, share

__all__ = ["count_flow_end", "flows"]

# How a flow was left (`flow_left`) -> the figure it counts for.
_ENDS = {
    "queue": "queued", "agent": "queued", "transfer": "transferred", "hangup": "ended", "hung-up": "hung_up",
    "limit": "gone_wrong", "late": "gone_wrong", "failed": "gone_wrong", "cut": "gone_wrong",
}
_FIGURES = ("queued", "transferred", "ended", "hung_up", "gone_wrong", "other")


def count_flow_end(tally: Tally, end: str | None) -> None:
    tally.count("runs")
    tally.count(_ENDS.get(end or "", "other"))


def flows(tally: Tally, _query: Query) -> Figures:
    counts = tally.counts
    found: Figures = {"runs": counts["runs"]} | {name: counts[name] for name in _FIGURES}
    return found | {"hung_up_rate": share(counts["hung_up"], counts["runs"])}
