"""Figures of calling customers: attempts, callbacks, survey calls, campaigns. Pure; docs/reports.md defines each."""

from __future__ import annotations

from typing import NamedTuple

from fsapp.core.reports.query import Query
from fsapp.core.reports.tally import Figures, Tally, mean, quantile, share
from fsapp.core.task import TaskKind, TaskState, TryOutcome

__all__ = [
    "Asked", "Tried", "attempts", "callbacks", "campaigns", "count_attempt", "count_callback", "count_survey_call",
    "survey_calls",
]


class Tried(NamedTuple):
    outcome: str | None
    result: str | None
    talked_s: float | None


class Asked(NamedTuple):
    """A callback. `first_at`: when it was first tried."""

    kind: str
    state: str | None
    made_at: float
    first_at: float | None
    closed_at: float | None
    tries: int


def count_attempt(tally: Tally, one: Tried) -> None:
    tally.count("attempts")
    if one.outcome == "talked":
        tally.count("talked")
        tally.sample("talked", one.talked_s)
    else:
        tally.count("not_reached")
        tally.count(f"result {one.result}")


def attempts(tally: Tally, _query: Query) -> Figures:
    counts, talks = tally.counts, tally.samples["talked"]
    return {
        "attempts": counts["attempts"], "talked": counts["talked"], **_not_reached(tally),
        "reach_rate": share(counts["talked"], counts["attempts"]),
        "talk_s": round(float(sum(talks)), 3), "average_talk_s": mean(talks),
    }


def _not_reached(tally: Tally) -> Figures:
    """Attempts that have reached nobody, and why."""
    counts = tally.counts
    ways = {result.value.replace("-", "_"): counts[f"result {result.value}"]
            for result in TryOutcome if result not in (TryOutcome.TALKED, TryOutcome.ASKED)}
    return {"not_reached": counts["not_reached"], **ways, "unknown": counts["not_reached"] - sum(ways.values())}


def count_survey_call(tally: Tally, result: str | None, responded: bool) -> None:
    """`responded`: whether a question was answered in it."""
    tally.count("calls")
    if result == TryOutcome.ASKED:
        tally.count("asked")
        tally.count("responded", int(responded))
    else:
        tally.count("not_reached")
        tally.count(f"result {result}")


def survey_calls(tally: Tally, _query: Query) -> Figures:
    counts = tally.counts
    return {
        "calls": counts["calls"], "asked": counts["asked"], "responded": counts["responded"], **_not_reached(tally),
        "reach_rate": share(counts["asked"], counts["calls"]),
        "response_rate": share(counts["responded"], counts["asked"]),
    }


def count_callback(tally: Tally, one: Asked) -> None:
    tally.count("callbacks")
    tally.count(one.kind)
    tally.count(f"state {one.state or TaskState.OPEN}")
    tally.count("tries", one.tries)
    if one.first_at is not None:
        tally.sample("first", one.first_at - one.made_at)
    if one.state == TaskState.DONE and one.closed_at is not None:
        tally.sample("done", one.closed_at - one.made_at)


def callbacks(tally: Tally, _query: Query) -> Figures:
    counts = tally.counts
    states = {state.value: counts[f"state {state}"] for state in TaskState}
    first, done = sorted(tally.samples["first"]), sorted(tally.samples["done"])
    over = states["done"] + states["failed"] + states["expired"]
    return {
        "callbacks": counts["callbacks"], "requested": counts[TaskKind.REQUESTED], "lost": counts[TaskKind.LOST],
        **states, "tries": counts["tries"], "done_rate": share(states["done"], over),
        "average_first_try_s": mean(first), "median_first_try_s": quantile(first, 0.5),
        "longest_first_try_s": round(first[-1], 3) if first else None,
        "average_done_s": mean(done), "median_done_s": quantile(done, 0.5),
        "longest_done_s": round(done[-1], 3) if done else None,
    }


def campaigns(tally: Tally, _query: Query) -> Figures:
    """`contacts` and what follows are counted with `Tally.count` under these words; attempts as above."""
    counts, talks = tally.counts, tally.samples["talked"]
    return {
        "contacts": counts["contacts"], "open": counts["open"], "closed": counts["closed"],
        "untried": counts["untried"], "attempts": counts["attempts"], "talked": counts["talked"],
        "not_reached": counts["not_reached"], "reach_rate": share(counts["talked"], counts["attempts"]),
        "talk_s": round(float(sum(talks)), 3), "average_talk_s": mean(talks),
    }
