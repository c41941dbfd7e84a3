"""The figures: what is measured, what it is held against, and the verdicts. Starts no process and prints nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from processes import App, BenchError, Processes

__all__ = ["LOOPS", "Figure", "Loop", "Measured", "compare", "measure", "waiting"]

WAITING_CALLS = 5_000
IDLE_GROWTH_BYTES = 1_048_576
IDLE_GROWTH_CPU = 0.005


@dataclass(frozen=True)
class Loop:
    """One way of calling. `rate` 0: `in_flight` calls at a time; else so many a second, whatever the app does."""

    name: str
    says: str
    calls: int
    rate: float = 0.0
    in_flight: int = 64


LOOPS = {
    loop.name: loop for loop in (
        Loop("closed", "closed loop, 64 calls in flight", 4_000),
        Loop("open-100", "100 calls/s at random moments", 800, 100.0),
        Loop("open-400", "400 calls/s at random moments", 2_000, 400.0),
    )
}


@dataclass(frozen=True)
class Measured:
    """One round of one loop with one app. `decided` latencies are from connecting to the transfer command."""

    calls_per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    late_p99_ms: float
    load_busy: float


@dataclass(frozen=True)
class Figure:
    """`value` held against `target`; `met` is the verdict. `unit` is `x` for a ratio to stock greenswitch."""

    name: str
    says: str
    value: float
    target: float
    unit: str
    met: bool


def measure(processes: Processes, app: App, loop: Loop, first: int) -> Measured:
    """Play `loop` against `app` with callers from `first` on; BenchError if any call was not answered rightly."""
    report, cpu_s = processes.load(
        app, calls=loop.calls, rate=loop.rate, in_flight=loop.in_flight, first=first, seed=first + 1,
    )
    if report["wrong"]:
        faults = ", ".join(f"{count} x {fault}" for fault, count in sorted(report["wrong"].items()))
        raise BenchError(f"{app.name}, {loop.says}: calls went wrong: {faults}")
    decided = sorted(report["decided_ms"])
    late = sorted(report["late_ms"]) or [0.0]
    return Measured(
        calls_per_s=loop.calls / report["elapsed_s"],
        cpu_us=cpu_s / loop.calls * 1e6,
        p50_ms=_at(decided, 0.5), p99_ms=_at(decided, 0.99), max_ms=decided[-1],
        late_p99_ms=_at(late, 0.99),
        load_busy=report["cpu_s"] / report["elapsed_s"],
    )


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def medians(rounds: Iterable[Measured]) -> dict[str, float]:
    """Each of the measured quantities by name, as its median over the rounds."""
    rows = [asdict(one) for one in rounds]
    return {name: median(row[name] for row in rows) for name in rows[0]}


def compare(loop: Loop, stock: dict[str, float], ours: dict[str, float]) -> list[Figure]:
    """The verdicts on one loop, from the medians of both apps."""
    if loop.rate:
        return [
            _at_most(f"{loop.name}/p50", f"{loop.says}: p50", ours["p50_ms"] / stock["p50_ms"], 1 / 20),
            _at_most(f"{loop.name}/p99", f"{loop.says}: p99", ours["p99_ms"] / stock["p99_ms"], 1 / 10),
        ]
    speed = ours["calls_per_s"] / stock["calls_per_s"]
    return [
        Figure(f"{loop.name}/calls", f"{loop.says}: calls/s", speed, 4.0, "x", speed >= 4.0),
        _at_most(f"{loop.name}/cpu", f"{loop.says}: CPU a call", ours["cpu_us"] / stock["cpu_us"], 0.5),
    ]


def _at_most(name: str, says: str, value: float, target: float, unit: str = "x") -> Figure:
    return Figure(name, says, value, target, unit, value <= target)


def waiting(
    processes: Processes, app: App, *, idle_s: float, first: int, say: Callable[[str], None],
) -> tuple[dict[str, Any], list[Figure]]:
    """What `app` holds while WAITING_CALLS callers wait, beside what it held when as many had been and none waited.

    The app has handled the same callers before in both cases, so that what it remembers of numbers weighs the same.
    """
    loop = Loop("waiting", "calls left waiting", WAITING_CALLS)
    say(f"{WAITING_CALLS} calls that are over, then idle for {idle_s:.0f} s")
    measure(processes, app, loop, first)
    before = _idle(app, idle_s)
    say(f"the same {WAITING_CALLS} callers wait in their queues, idle for {idle_s:.0f} s")
    measure(processes, app, loop, first)
    after = _idle(app, idle_s)
    if after["descriptors"] > before["descriptors"]:
        raise BenchError(f"{app.name}: {after['descriptors'] - before['descriptors']} descriptors are still open")
    growth = (after["rss"] - before["rss"]) / IDLE_GROWTH_BYTES
    cpu = (after["cpu"] - before["cpu"]) * 100
    return {"before": before, "after": after}, [
        _at_most("waiting/memory", f"{WAITING_CALLS} callers waiting: memory grown by", growth, 1.0, "MiB"),
        _at_most("waiting/cpu", f"{WAITING_CALLS} callers waiting: idle CPU grown by", cpu, IDLE_GROWTH_CPU * 100, "%"),
    ]


def _idle(app: App, idle_s: float) -> dict[str, float]:
    cpu_s = app.cpu_s()
    time.sleep(idle_s)
    return {"rss": app.rss(), "cpu": (app.cpu_s() - cpu_s) / idle_s, "descriptors": app.descriptors()}
