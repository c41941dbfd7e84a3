"""Figures of promises: whether a customer who belongs to an agent got to that agent. Pure; see docs/reports.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from fsapp.core.facts_record import facts_from
from fsapp.core.reports.query import Query
from fsapp.core.reports.tally import Figures, Tally, share
from fsapp.core.rules import Rules, Stickiness
from fsapp.core.stickiness import talk_for

__all__ = ["Belonged", "count_kept", "direct_callbacks", "had_right_to", "stickiness", "stuck_to"]


class Belonged(NamedTuple):
    """A call of a customer who belonged to one of the agents `to`; `agent`: who answered."""

    outcome: str | None
    to: tuple[str, ...]
    agent: str | None


def stuck_to(
    sticky_agent: str, sticky: Any, place: str | None, rules: Rules | None, at: float,
) -> tuple[str, ...]:
    """The agent whom a caller was to reach as they had talked; nobody where the place has no stickiness.

    `sticky`: as the first decision had it (`facts_record`), None: nobody knows, and `sticky_agent` it is.
    """
    if rules is None:
        return (sticky_agent,)
    found = rules.place(place) if place else None
    if found is None or found.stickiness is Stickiness.NONE:
        return ()
    then = datetime.fromtimestamp(at, UTC)
    try:
        known = facts_from({"sticky": sticky}, "", then).sticky
    except ValueError:
        known = None
    if known is None:
        return (sticky_agent,)
    talk, _why = talk_for(known, found.id, found.sticky, then)
    return (talk.agent,) if talk is not None else ()


def had_right_to(rights: Any, at: float) -> tuple[str, ...]:
    """The agents whom a caller had the right to reach, of the rights as the first decision had them."""
    try:
        known = facts_from({"rights": rights}, "", datetime.fromtimestamp(at, UTC)).rights
    except ValueError:
        return ()
    return tuple(right.agent for right in known if right.expires_at.timestamp() > at)


def count_kept(tally: Tally, one: Belonged, rules: Rules | None) -> None:
    tally.count("calls")
    if one.outcome != "answered" or one.agent is None:
        tally.count("abandoned" if one.outcome == "abandoned" else "unanswered")
    elif one.agent in one.to:
        tally.count("own")
    elif rules is not None and any(
            one.agent in group.agents and set(one.to) & set(group.agents) for group in rules.groups.values()):
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
