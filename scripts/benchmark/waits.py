"""How good estimates of the wait are: in a centre by chance where the truth is known, or on recorded calls.

Run by scripts/bench-waits. Beside fsapp's estimate the two usual ones: what the last caller of the queue waited, and
the queue's length by the rate at which its agents serve.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from statistics import fmean, stdev
from typing import Any

import click
from waits_centre import LOADS, Agent, Caller, Listener, centre_of
from waits_score import METHODS, Score, Usual

from fsapp.core.wait import Estimate, Scene
from fsapp.core.wait_learning import WaitLearner

__all__ = ["simulated", "summed"]

WARM_S = 3600.0
FIRST_SEED = 1001  # those below are for trying things out


class Judge(Listener):
    """Has every method estimate each caller's wait when he joins, and holds it against the truth."""

    def __init__(self) -> None:
        self.score = Score()
        self.learner = WaitLearner()
        self._usual = Usual()
        self._said: dict[str, tuple[Estimate, dict[str, float]]] = {}

    def joined(self, caller: Caller, scene: Callable[[], Scene], now: float) -> None:
        there = scene()
        kind = caller.kind
        found = self.learner.joined(caller.member, kind.queue, kind.base_score, now, there)
        ring_s = self.learner.learned(there, kind.queue, kind.base_score, now).ring.mean
        self._said[caller.member] = (found, self._usual.of(kind.queue, there, ring_s))

    def answered(self, caller: Caller, agent: Agent, ring_s: float, now: float) -> None:
        waited_s = now - caller.joined_at
        self.learner.answered(caller.member, caller.kind.queue, agent.queues, waited_s, ring_s, now)
        self._usual.answered(caller.kind.queue, waited_s)

    def gone(self, caller: Caller, now: float) -> None:
        self.learner.gone(caller.member, caller.kind.queue, now - caller.joined_at)

    def held(self, caller: Caller, held_s: float, now: float) -> None:
        self.learner.held(caller.kind.queue, held_s)
        self._usual.held(caller.kind.queue, held_s)

    def changed(self, scene: Callable[[], Scene], now: float) -> None:
        self.learner.look(scene(), now)

    def truth(self, caller: Caller, wait_s: float, now: float) -> None:
        found, others = self._said.pop(caller.member)
        if caller.joined_at >= WARM_S and found.agents:
            self.score.add(wait_s, found, others)


def simulated(load: str, seed: int, hours: float = 8) -> Score:
    """One day of a centre; the first hour is for learning and does not count."""
    judge = Judge()
    centre_of(load, seed).run(judge, hours)
    return judge.score


def table(rows: Iterable[dict[str, Any]]) -> str:
    heads = ("load", "mean wait", "fsapp", "last caller's wait", "length by rate", "in the interval",
             "of those who wait", "may be told")
    lines = ["| " + " | ".join(heads) + " |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        lines.append(
            f"| {row['load']} | {row['wait_s']:.0f} s | {row['fsapp_s']:.1f} s ± {row['fsapp_spread_s']:.1f} "
            f"| {row['last_s']:.1f} s ± {row['last_spread_s']:.1f} "
            f"| {row['length_s']:.1f} s ± {row['length_spread_s']:.1f} "
            f"| {row['covered']:.1%} ± {row['covered_spread']:.1%} | {row['waiting_covered']:.1%} "
            f"| {row['told']:.0%} |")
    return "\n".join(lines)


def summed(load: str, scores: list[Score]) -> dict[str, Any]:
    """Means over the days, each day alike, and the standard deviation between days."""
    days = [score.as_json() for score in scores]
    row: dict[str, Any] = {"load": load, "days": len(days), "callers": sum(day["callers"] for day in days)}
    for name in ("wait_s", "fsapp_s", "last_s", "length_s", "covered", "told"):
        row[name] = fmean(day[name] for day in days)
    for name in METHODS:
        row[f"{name}_spread_s"] = stdev(day[f"{name}_s"] for day in days) if len(days) > 1 else 0.0
    waiting = [held for score in scores for held in score.waiting_covered]
    row["waiting_covered"] = fmean(waiting) if waiting else 0.0
    row["covered_spread"] = stdev(day["covered"] for day in days) if len(days) > 1 else 0.0
    row["better_days"] = sum(day["fsapp_s"] < min(day["last_s"], day["length_s"]) for day in days)
    return row


@click.command()
@click.option("--days", default=100, show_default=True, help="How many days of each load.")
@click.option("--first-seed", default=FIRST_SEED, show_default=True)
@click.option("--events", help="Recorded facts instead: a file of one JSON object a line, or `redis`.")
@click.option("--wrap-up", "rest_s", default=10, show_default=True, help="The agents' rest, which recorded facts lack.")
@click.option("--json", "as_json", is_flag=True)
def main(days: int, first_seed: int, events: str | None, rest_s: int, as_json: bool) -> None:
    """Estimates of the wait against what it was."""
    if events is not None:
        from waits_recorded import recorded, replayed

        score = replayed(recorded(events), rest_s)
        if not score.waits:
            raise click.ClickException(f"{events}: too few answered calls to say anything")
        rows = [summed("recorded", [score])]
    else:
        rows = simulated_rows(days, first_seed)
    if as_json:
        json.dump(rows, sys.stdout, indent=1)
        print()
        return
    print(table(rows))
    for row in rows:
        print(f"{row['load']}: {row['callers']} callers, better than both on "
              f"{row['better_days']} of {row['days']} days")


def simulated_rows(days: int, first_seed: int) -> list[dict[str, Any]]:
    """One row a load."""
    return [summed(load, [simulated(load, seed) for seed in range(first_seed, first_seed + days)]) for load in LOADS]


if __name__ == "__main__":
    main()
