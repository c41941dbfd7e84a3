"""Figures of agents at work: how long they were there, talked, wrapped up, rested and waited for a call. Pure.

A moment of a session is one thing only, the first of these: talk, break, wrap-up, ringing, idle. So they add up to the
time logged in. docs/reports.md defines each figure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from fsapp.core.reports.query import Query
from fsapp.core.reports.rows import Rows
from fsapp.core.reports.spans import Span, intersect, spread, subtract, union
from fsapp.core.reports.tally import Figures, Tally, mean, share

__all__ = ["Rest", "Worked", "agents", "breaks", "count_breaks", "count_work", "until"]


class Rest(NamedTuple):
    reason: str | None
    start: float
    end: float


@dataclass(slots=True)
class Worked:
    """What one agent did. Spans come as they are: in any order, overlapping, outside of the period.

    `wraps`: the rests that the rules give after talks. `answered`: for each call when, and how long they talked (None:
    they still do). `missed`: when.
    """

    agent: str
    sessions: list[Span] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    talks: list[Span] = field(default_factory=list)
    wraps: list[Span] = field(default_factory=list)
    rings: list[Span] = field(default_factory=list)
    answered: list[tuple[float, float | None]] = field(default_factory=list)
    missed: list[float] = field(default_factory=list)


def until(start: float, end: float | None, seconds: float | None, now: float) -> Span:
    """From `start` to `end`, where that is known; else for so many seconds; else it goes on. Never before `start`."""
    if end is None:
        end = now if seconds is None else start + max(0.0, seconds)
    return start, max(start, end)


def count_work(rows: Rows, one: Worked, query: Query) -> None:
    for word, spans in _parts(one, query).items():
        _put(rows, spans, word, (one.agent,) * len(rows.by), query)
    period, values = query.period, (one.agent,) * len(rows.by)
    for at, talked_s in one.answered:
        if period.start <= at < period.end:
            tally = rows.at(at, values)
            tally.count("answered")
            tally.sample("talked", talked_s)
    for at in one.missed:
        if period.start <= at < period.end:
            rows.at(at, values).count("missed")


def _parts(one: Worked, query: Query) -> dict[str, list[Span]]:
    """Every moment of the sessions as one thing, and the talks outside of sessions with the others."""
    def clipped(spans: Iterable[Span]) -> list[Span]:
        return union(spans, query.period.start, min(query.period.end, query.now))

    there, talks = clipped(one.sessions), clipped(one.talks)
    found = {"logged_in": there, "talk": talks}
    busy = talks
    for word, spans in (
        ("break", [(rest.start, rest.end) for rest in one.rests]), ("wrap_up", one.wraps), ("ringing", one.rings),
    ):
        found[word] = subtract(intersect(clipped(spans), there), busy)
        busy = clipped([*busy, *found[word]])
    found["idle"] = subtract(there, busy)
    found["talk_there"] = intersect(talks, there)
    return found


def _put(rows: Rows, spans: list[Span], word: str, values: tuple[str | None, ...], query: Query) -> None:
    line = rows.timeline
    for slot, seconds in spread(spans, line.starts, query.period.end):
        rows.at(line.starts[slot], values).count(word, seconds)


def agents(tally: Tally, _query: Query) -> Figures:
    counts = tally.counts
    found: Figures = {f"{word}_s": round(float(counts[word]), 3) for word in (
        "logged_in", "talk", "wrap_up", "ringing", "break", "idle")}
    worked = counts["talk_there"] + counts["wrap_up"]
    talks = tally.samples["talked"]
    return found | {
        "occupancy": share(worked, counts["logged_in"] - counts["break"]),
        "answered": counts["answered"], "missed": counts["missed"],
        "average_talk_s": mean(talks),
        "average_handling_s": round((sum(talks) + counts["wrap_up"]) / len(talks), 3) if talks else None,
    }


def count_breaks(rows: Rows, one: Worked, query: Query) -> None:
    """Breaks by reason: those that began in the period, and the time of all, without the talks in them."""
    ceiling = min(query.period.end, query.now)
    there, talks = (union(spans, query.period.start, ceiling) for spans in (one.sessions, one.talks))
    for reason in dict.fromkeys(rest.reason for rest in one.rests):
        mine = [rest for rest in one.rests if rest.reason == reason]
        values = tuple(one.agent if name == "agent" else reason for name in rows.by)
        for rest in mine:
            if query.period.start <= rest.start < query.period.end:
                rows.at(rest.start, values).count("breaks")
        spans = union(((rest.start, rest.end) for rest in mine), query.period.start, ceiling)
        _put(rows, subtract(intersect(spans, there), talks), "break", values, query)


def breaks(tally: Tally, _query: Query) -> Figures:
    many, seconds = tally.counts["breaks"], float(tally.counts["break"])
    average_s = round(seconds / many, 3) if many else None
    return {"breaks": many, "break_s": round(seconds, 3), "average_break_s": average_s}
