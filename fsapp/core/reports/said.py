"""Figures of what was said afterwards: dispositions, answers to questions, messages. Pure; see docs/reports.md."""

from __future__ import annotations

from fsapp.core.reports.query import Query
from fsapp.core.reports.tally import Figures, Tally, mean, quantile, share

__all__ = ["count_answer", "count_message", "dispositions", "surveys", "voicemails"]


def dispositions(tally: Tally, _query: Query) -> Figures:
    return {"dispositions": tally.counts["dispositions"]}


def count_answer(tally: Tally, value: str | None) -> None:
    """An answer to a question; one that is a whole number is a mark as well."""
    tally.count("answers")
    if value is not None and value.isascii() and value.isdigit() and len(value) <= 4:
        tally.sample("marks", int(value))


def surveys(tally: Tally, _query: Query) -> Figures:
    marks = sorted(tally.samples["marks"])
    return {
        "answers": tally.counts["answers"], "marks": len(marks), "average_mark": mean(marks),
        "median_mark": quantile(marks, 0.5),
    }


def count_message(tally: Tally, at: float, heard_at: float | None) -> None:
    tally.count("messages")
    if heard_at is not None:
        tally.count("heard")
        tally.sample("heard", heard_at - at)


def voicemails(tally: Tally, _query: Query) -> Figures:
    counts, waits = tally.counts, sorted(tally.samples["heard"])
    return {
        "messages": counts["messages"], "heard": counts["heard"],
        "heard_rate": share(counts["heard"], counts["messages"]), "average_unheard_s": mean(waits),
        "median_unheard_s": quantile(waits, 0.5), "longest_unheard_s": round(waits[-1], 3) if waits else None,
    }
