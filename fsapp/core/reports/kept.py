"""Figures of promises: whether a customer who belongs to an agent got to that agent. Pure; see docs/reports.md."""

from __future__ import annotations

from typing import NamedTuple

from fsapp.core.reports.query import Query
from fsapp.core.reports.tally import Figures, Tally, share
from fsapp.core.rules import Rules

__all__ = ["Belonged", "count_kept", "direct_callbacks", "stickiness"]


class Belonged(NamedTuple):
    """A call of a customer who belonged to the agent `to`; `agent`: who answered."""

    outcome: str | None
    to: str
    agent: str | None


def count_kept(tally: Tally, one: Belonged, rules: Rules | None) -> None:
    tally.count("calls")
    if one.outcome != "answered" or one.agent is None:
        tally.count("abandoned" if one.outcome == "abandoned" else "unanswered")
    elif one.agent == one.to:
        tally.count("own")
    elif rules is not None and any(
            one.to in group.agents and one.agent in group.agents for group in rules.groups.values()):
        tally.count("group")
    else:
        tally.count("others")


def stickiness(tally: Tally, query: Query) -> Figures:
    counts = tally.counts
    answered = counts["own"] + counts["group"] + counts["others"]
    found = direct_callbacks(tally, query)
    return found | {"kept_group_rate": share(counts["own"] + counts["group"], answered)}


def direct_callbacks(tally: Tally, _query: Query) -> Figures:
    counts = tally.counts
    answered = counts["own"] + counts["group"] + counts["others"]
    return {
        "calls": counts["calls"], "answered": answered, "own_agent": counts["own"], "own_group": counts["group"],
        "somebody_else": counts["others"], "abandoned": counts["abandoned"], "unanswered": counts["unanswered"],
        "kept_rate": share(counts["own"], answered),
    }
