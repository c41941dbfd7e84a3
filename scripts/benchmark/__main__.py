"""The bench's command: rounds of fsapp and stock greenswitch in turn, then their medians, ratios and verdicts.

What is measured and the targets are in figures.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import redis
from callers import CONTACTS, contact_number, contacts_csv
from figures import LOOPS, Figure, Loop, Measured, compare, measure, medians, waiting
from processes import ROOT, App, BenchError, Processes

NAMES = (*LOOPS, "waiting", "generator")
WARM_UP_CALLS = 500
BUSY = 0.8


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Medians of so many.")
@click.option("--quick", is_flag=True, help="One short round: shows that it works, the figures are rough.")
@click.option("--only", "names", multiple=True, type=click.Choice(NAMES), help="Only this; may be repeated.")
@click.option("--contacts", is_flag=True, help="The million contacts too (scripts/bench-contacts).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(rounds: int, quick: bool, names: tuple[str, ...], contacts: bool, as_json: bool) -> None:
    """Measure fsapp beside stock greenswitch on this machine.

    The apps run on one core, Redis and the calls on another. A missed target does not change the exit status, a call
    that was not routed as it must be does. Where the time goes: `py-spy top --pid PROCESS` while `--only closed` runs.
    """
    if contacts and as_json:
        raise click.UsageError("--contacts prints text of its own: run scripts/bench-contacts --json beside --json")
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="fsapp-bench-") as folder:
        processes = Processes(Path(folder))
        try:
            found = Bench(processes, 1 if quick else rounds, quick=quick).run(names or NAMES)
        except BenchError as error:
            print(f"bench: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            sys.exit(130)
        finally:
            processes.close()
    print(json.dumps(found) if as_json else _text(found))
    if contacts:
        sys.exit(subprocess.run([str(ROOT / "scripts/bench-contacts")], check=False).returncode)


class Bench:
    """Runs the figures asked for and gathers what is printed."""

    def __init__(self, processes: Processes, rounds: int, *, quick: bool) -> None:
        self._processes = processes
        self._rounds = rounds
        self._quick = quick
        self._next_caller = 0

    def run(self, names: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {"machine": _machine(), "rounds": self._rounds, "loops": {}, "figures": []}
        client = self._processes.start_redis()
        loops = [self._shortened(LOOPS[name]) for name in LOOPS if name in names]
        if loops or "waiting" in names:
            self._load_example(client)
            ours = self._processes.start_fsapp()
        if loops:
            self._loops(loops, ours, found)
        if "waiting" in names:
            _say("callers who wait")
            idle_s = 2.0 if self._quick else 10.0
            found["waiting"], figures = waiting(
                self._processes, ours, idle_s=idle_s, first=self._callers(5_000), say=_say,
            )
            found["figures"] += map(asdict, figures)
        if "generator" in names:
            _say("the load generator against an app that does nothing")
            bare = self._processes.start_script("bare")
            loop = self._shortened(LOOPS["closed"])
            found["generator"] = asdict(measure(self._processes, bare, loop, self._callers(loop.calls)))
        return found

    def _load_example(self, client: redis.Redis) -> None:
        """The example centre's rules and contacts for fsapp, and as much about the same callers for stock."""
        with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8") as file:
            file.write(contacts_csv())
            file.flush()
            self._processes.fsapp("rules", "load", "conf/rules")
            self._processes.fsapp("contacts", "import", file.name, "--campaign", "renewals", "--stage", "first-call")
        for index in range(CONTACTS):
            client.set(f"stock:{contact_number(index)}:contact", b"renewals/first-call 1 1001" + b"." * 90)

    def _loops(self, loops: list[Loop], ours: App, found: dict[str, Any]) -> None:
        apps = [self._processes.start_script("stock"), ours]
        rounds: dict[tuple[str, str], list[Measured]] = {}
        for app in apps:
            _say(f"warming up {app.name}, process {app.process.pid}")
            measure(self._processes, app, Loop("warm", "warming up", WARM_UP_CALLS), self._callers(WARM_UP_CALLS))
        for number in range(self._rounds):
            for loop in loops:
                first = self._callers(loop.calls)
                for app in apps if number % 2 == 0 else reversed(apps):
                    _say(f"round {number + 1} of {self._rounds}: {app.name}, {loop.says}")
                    rounds.setdefault((loop.name, app.name), []).append(measure(self._processes, app, loop, first))
        for loop in loops:
            stock, fsapp = (medians(rounds[loop.name, app.name]) for app in apps)
            found["loops"][loop.name] = {"says": loop.says, "stock": stock, "fsapp": fsapp}
            found["figures"] += map(asdict, compare(loop, stock, fsapp))

    def _shortened(self, loop: Loop) -> Loop:
        return Loop(loop.name, loop.says, loop.calls // 4, loop.rate, loop.in_flight) if self._quick else loop

    def _callers(self, count: int) -> int:
        """The first of `count` places in the list of calls; no two loops share any, so that no cache helps."""
        first = self._next_caller
        self._next_caller += count
        return first


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr)


def _machine() -> dict[str, Any]:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model, "cores": len(os.sched_getaffinity(0)), "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def _text(found: dict[str, Any]) -> str:
    machine = found["machine"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores (load {machine['load']} at the start), "
        f"Python {machine['python']}; medians of {found['rounds']} rounds", "",
    ]
    if found["loops"]:
        lines.append(f"{'':34}{'calls/s':>9}{'CPU a call':>12}{'p50':>10}{'p99':>10}{'max':>10}")
        for loop in found["loops"].values():
            lines += [loop["says"], _row("  stock greenswitch", loop["stock"]), _row("  fsapp", loop["fsapp"])]
        lines.append("")
        if any(of[app]["load_busy"] > BUSY for of in found["loops"].values() for app in ("stock", "fsapp")):
            lines += ["The load generator was busy most of the time: the apps may be faster than shown.", ""]
    if "generator" in found:
        lines += [_row("the load itself, closed loop", found["generator"]), ""]
    if "waiting" in found:
        for key, what in (("before", "nobody waiting"), ("after", "5,000 callers waiting")):
            held = found["waiting"][key]
            lines.append(
                f"{what:34}{held['rss'] / 2**20:>9.1f} MiB{held['cpu'] * 100:>8.2f} % CPU"
                f"{held['descriptors']:>6.0f} descriptors"
            )
        lines.append("")
    lines += [_verdict(Figure(**figure)) for figure in found["figures"]]
    return "\n".join(lines)


def _row(name: str, of: dict[str, float]) -> str:
    return (
        f"{name:34}{of['calls_per_s']:>9.0f}{of['cpu_us']:>9.0f} us{of['p50_ms']:>7.2f} ms"
        f"{of['p99_ms']:>7.2f} ms{of['max_ms']:>7.1f} ms"
    )


def _verdict(figure: Figure) -> str:
    sign = ">=" if figure.name.endswith("/calls") else "<="
    verdict = "met" if figure.met else "MISSED"
    return f"{verdict:8}{figure.says:50}{figure.value:>8.3f} {figure.unit:4}(target {sign} {figure.target:g})"


if __name__ == "__main__":
    main()
