"""What is asked of a report: the period, by what, which ones, and the definitions that can be chosen. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fsapp.core.reports.period import Period
from fsapp.core.rules import DEFAULT_SLA_S, Rules

__all__ = ["DEFAULT_SHORT_S", "Abandoned", "Query"]

DEFAULT_SHORT_S = 5.0


class Abandoned(StrEnum):
    """What abandoned calls are to the service level."""

    ALL = "all"              # each was not served
    NOT_SHORT = "not-short"  # the same, but those who hung up at once are left out
    LATE = "late"            # those who hung up within the target are left out
    EARLY_MET = "early-met"  # those who hung up within the target count as served
    NONE = "none"            # all are left out


@dataclass(frozen=True, slots=True)
class Query:
    """`by`: what each row is for; `only`: of these values alone, by what they are of.

    `now`: epoch seconds, until which what goes on has lasted. `within_s` None: each place's own target. `short_s`: who
    hangs up sooner has abandoned at once. `rules` None: nobody knows them.
    """

    period: Period
    now: float
    by: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    within_s: float | None = None
    short_s: float = DEFAULT_SHORT_S
    abandoned: Abandoned = Abandoned.NOT_SHORT
    rules: Rules | None = None

    def target_s(self, campaign: str | None, stage: str | None, line: str | None) -> float:
        """Within how many seconds a call of this place is to be answered."""
        if self.within_s is not None:
            return self.within_s
        id_ = f"{campaign}/{stage}" if campaign and stage else line
        place = self.rules.place(id_) if self.rules is not None and id_ else None
        return float(place.sla_s if place is not None else DEFAULT_SLA_S)
