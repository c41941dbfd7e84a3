"""What came of a scenario's calls, by class. Counts events; judges only whether all went well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ClassSummary", "Summary"]

OUTCOMES = ("answered", "abandoned", "refused", "cut", "lost")


@dataclass
class ClassSummary:
    """The calls of one class. `waits_s`: how long those who were answered had waited, in lab seconds."""

    calls: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    waits_s: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        waits = sorted(self.waits_s)
        mean = round(sum(waits) / len(waits), 1) if waits else None
        p90 = round(waits[int(0.9 * (len(waits) - 1) + 0.5)], 1) if waits else None
        return {"calls": self.calls, **self.outcomes, "wait_mean_s": mean, "wait_p90_s": p90}


@dataclass
class Summary:
    """All calls of a run. Classes are those the app gave (`fsapp_class`), `none` for calls it gave none."""

    classes: dict[str, ClassSummary] = field(default_factory=dict)
    started: int = 0
    moved: int = 0
    offered: int = 0
    lost: list[str] = field(default_factory=list)
    order_violations: list[str] = field(default_factory=list)
    lab_seconds: float = 0.0
    decisions_s: list[float] = field(default_factory=list)

    def observe(self, event: Mapping[str, Any]) -> None:
        """Count one event of the switch."""
        kind = event["event"]
        if kind == "call_started":
            self.started += 1
        elif kind == "moved":
            self.moved += 1
        elif kind == "offered":
            self.offered += 1
        elif kind == "decided":
            self.decisions_s.append(event["real_s"])
        elif kind == "lost":
            self.lost.append(f"{event['uuid']}: {event['why']} ({event['cause']})")
        elif kind == "ended":
            summary = self.classes.setdefault(event["call_class"] or "none", ClassSummary())
            summary.calls += 1
            summary.outcomes[event["outcome"]] += 1
            if event["outcome"] == "answered":
                summary.waits_s.append(event["waited_s"])

    def decision_ms(self, share: float) -> float | None:
        """In how many real milliseconds this share of the decisions was made, connection included."""
        ordered = sorted(self.decisions_s)
        return round(ordered[int(share * (len(ordered) - 1) + 0.5)] * 1000, 2) if ordered else None

    @property
    def well(self) -> bool:
        """Whether nothing was lost or out of order."""
        return not self.lost and not self.order_violations

    def total(self, outcome: str) -> int:
        return sum(summary.outcomes[outcome] for summary in self.classes.values())

    def faults(self) -> list[str]:
        """What went wrong, a line each; at most ten of a kind."""
        lines = [f"call lost: {line}" for line in self.lost[:10]]
        lines += [f"offered out of order: {line}" for line in self.order_violations[:10]]
        more = len(self.lost) + len(self.order_violations) - len(lines)
        return [*lines, *([f"and {more} more"] if more > 0 else [])]

    def as_json(self) -> dict[str, Any]:
        return {
            "calls": self.started, **{outcome: self.total(outcome) for outcome in OUTCOMES}, "moved": self.moved,
            "offered": self.offered, "order_violations": len(self.order_violations),
            "decisions": len(self.decisions_s), "decision_p50_ms": self.decision_ms(0.5),
            "decision_p99_ms": self.decision_ms(0.99),
            "lab_seconds": round(self.lab_seconds, 1),
            "classes": {name: self.classes[name].as_json() for name in sorted(self.classes)},
        }
