"""The reports there are: what each tells, of which figures, by what its rows can be told apart. Reads nothing.

docs/reports.md defines every figure named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from fsapp.core.reports import agents, calls, flows, kept, outbound, said
from fsapp.core.reports.period import BY_TIME, Period
from fsapp.core.reports.query import Query
from fsapp.core.reports.tally import Figures, Tally

__all__ = ["CATALOGUE", "Kind", "Report", "Unit"]


class Unit(StrEnum):
    COUNT = "count"
    SECONDS = "seconds"
    SHARE = "share"  # 0 to 1
    MARK = "mark"    # what callers gave us


@dataclass(frozen=True, slots=True)
class Kind:
    """A report. `groups`: by what besides times its rows can be told apart; `only`: by what it can be narrowed.

    `units`: of each figure, in their order.
    """

    name: str
    summary: str
    groups: tuple[str, ...]
    by: tuple[str, ...]
    only: tuple[str, ...]
    reckon: Callable[[Tally, Query], Figures]
    units: Mapping[str, Unit]
    by_time: bool = True

    @property
    def by_words(self) -> tuple[str, ...]:
        return (*BY_TIME, *self.groups) if self.by_time else self.groups


@dataclass(frozen=True, slots=True)
class Report:
    """Rows: a value for each of `query.by`, then for each figure (None: there is none). `total`: of all rows."""

    kind: Kind
    query: Query
    rows: tuple[dict[str, Any], ...]
    total: dict[str, Any]


def _kind(
    name: str, summary: str, groups: str, by: str, only: str, reckon: Callable[[Tally, Query], Figures], *,
    by_time: bool = True,
) -> Kind:
    figures = reckon(Tally(), Query(Period(0.0, 1.0, _UTC), 0.0))
    return Kind(name, summary, tuple(groups.split()), tuple(by.split()), tuple(only.split()), reckon,
                {figure: _unit(figure) for figure in figures}, by_time)


def _unit(figure: str) -> Unit:
    """What a figure's name says of it."""
    if figure.endswith("_s"):
        return Unit.SECONDS
    if figure.endswith("_mark"):
        return Unit.MARK
    return Unit.SHARE if figure.endswith(("_rate", "_rate_all", "_level", "occupancy")) else Unit.COUNT


_UTC = ZoneInfo("UTC")
_CALLS = "queue agent number line campaign stage class reason switch"
_CALLS_ONLY = "queue agent number line campaign stage class"
_PLACE = "campaign stage line"

CATALOGUE: Mapping[str, Kind] = {kind.name: kind for kind in (
    _kind("calls", "calls that came in: offered, answered, abandoned, going on", _CALLS, "", _CALLS_ONLY, calls.calls),
    _kind("service-level", "how many were answered within the target", _CALLS, "", _CALLS_ONLY, calls.service_level),
    _kind("answer-speed", "how long callers waited until they were answered", _CALLS, "", _CALLS_ONLY,
          calls.answer_speed),
    _kind("abandonment", "how many gave up waiting, and after how long", _CALLS, "", _CALLS_ONLY, calls.abandonment),
    _kind("classes", "calls by class and by why they got it", _CALLS, "class reason", _CALLS_ONLY, calls.calls),
    _kind("flows", "how calls left flows, in which block and where to", "flow block end number line class", "flow",
          "number line campaign stage class", flows.flows),
    _kind("callbacks", "callbacks asked for or due to a lost call, and what became of them",
          f"kind queue agent number {_PLACE}", "", f"queue agent number {_PLACE}", outbound.callbacks),
    _kind("attempts", "tries to reach customers, and how they ended",
          f"queue agent responsible number {_PLACE} result", "", f"queue agent number {_PLACE}", outbound.attempts),
    _kind("campaigns", "contacts of campaigns as they are now, and the attempts of the period", "campaign stage",
          "campaign stage", "campaign stage", outbound.campaigns, by_time=False),
    _kind("agents", "agents at work: logged in, talking, in wrap-up, on a break, idle", "agent", "agent", "agent",
          agents.agents),
    _kind("breaks", "agents' breaks by reason", "agent reason", "agent reason", "agent", agents.breaks),
    _kind("stickiness", "whether customers who belong to an agent got to that agent", _CALLS.replace("reason ", ""),
          "", _CALLS_ONLY, kept.stickiness),
    _kind("direct-callbacks", "whether customers with a right to call an agent back got to that agent",
          _CALLS.replace("reason ", ""), "", _CALLS_ONLY, kept.direct_callbacks),
    _kind("dispositions", "how agents said that calls and contacts ended", f"disposition queue agent number {_PLACE}",
          "disposition", f"queue agent number {_PLACE}", said.dispositions),
    _kind("surveys", "what callers answered to questions of flows",
          f"flow block value queue agent number {_PLACE}", "flow block", f"queue agent number {_PLACE}", said.surveys),
    _kind("survey-calls", "calls in which a flow was to ask customers, and how they ended",
          f"flow queue agent number {_PLACE} result", "flow", f"queue agent number {_PLACE}", outbound.survey_calls),
    _kind("voicemails", "messages that callers left, and how soon they were heard", "flow block queue number line",
          "line", "queue number line", said.voicemails),
)}
