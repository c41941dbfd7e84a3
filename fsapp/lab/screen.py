"""What happens on the lab switch, for people: a live table on a terminal, lines, the summary. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fsapp.lab.summary import OUTCOMES, Summary
from fsapp.log import mask

__all__ = ["Lines", "Screen", "plain", "says", "summary_table"]

_COLOURS = {"callback": "magenta", "new-customer": "cyan", "service": "green"}
_ENDED_KEPT = 5


def plain(text: str) -> str:
    """Text of a caller, fit for a terminal: at most 40 characters, nothing that moves the cursor."""
    return "".join(char if char.isprintable() else "?" for char in text)[:40]


def says(event: Mapping[str, Any]) -> str:
    """One event in a few words; empty for those that nobody needs to read."""
    kind = event["event"]
    if kind == "queue_joined":
        why = f" ({event['reason']})" if event["reason"] else ""
        return f"{event['call_class'] or 'no class'}{why}: waits in {event['queue']}, score {event['base_score']}"
    if kind == "offered":
        return f"offered to {event['agent']}, {event['waiting']} more waiting there"
    if kind == "not_answered":
        return f"{event['agent']} did not answer: {event['cause']}"
    if kind == "answered":
        return f"talks to {event['agent']}"
    if kind == "ended":
        return f"{event['outcome']} after waiting {event['waited_s']:.0f} s ({event['cause']})"
    return ""


class Lines:
    """An observer that prints a line an event; `hide` masks the callers' numbers."""

    def __init__(self, console: Console, *, hide: bool) -> None:
        self._console = console
        self._hide = hide
        self._start: float | None = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        if self._start is None:
            self._start = event["at"]
        words = says(event)
        if words:
            caller = event["caller"] or "anonymous"
            who = f"{plain(mask(caller) if self._hide else caller):<16} -> {plain(event['called']):<14}"
            line = f"{event['at'] - self._start:8.1f} s  {who} {words}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@dataclass
class _Call:
    """A row: what is known of one call."""

    caller: str
    called: str
    started_at: float
    call_class: str = ""
    reason: str = ""
    score: str = ""
    queue: str = ""
    agent: str = ""
    state: str = "arrives"
    style: str = ""


class Screen:
    """An observer that keeps a live table: who waits where and why, who talks to whom, who has just gone.

    `agents` gives an agent's name by id. Use as a context; call `refresh` several times a second.
    """

    def __init__(self, console: Console, agents: Mapping[str, str], title: str = "calls on the lab switch") -> None:
        self._agents = agents
        self._title = title
        self._summary = Summary()
        self._calls: dict[str, _Call] = {}
        self._ended: list[_Call] = []
        self._now = 0.0
        self._rows = max(8, console.size.height - 12)
        self._live = Live(console=console, auto_refresh=False, screen=False)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.refresh()
        self._live.stop()

    def __call__(self, event: Mapping[str, Any]) -> None:
        kind, self._now = event["event"], event["at"]
        self._summary.observe(event)
        if kind == "call_started":
            self._calls[event["uuid"]] = _Call(
                plain(event["caller"] or "anonymous"), plain(event["called"]), event["at"])
        call = self._calls.get(event["uuid"])
        if call is None:
            return
        if kind == "queue_joined":
            call.call_class, call.reason = event["call_class"] or "", event["reason"] or ""
            call.score, call.queue, call.agent = f"{event['base_score']:,}", event["queue"].partition("@")[0], ""
            call.state, call.style = "waits", "yellow"
        elif kind in ("offered", "answered"):
            call.agent = f"{event['agent']} {self._agents.get(event['agent'], '')}"
            call.state, call.style = ("rings", "bold yellow") if kind == "offered" else ("talks", "bold green")
        elif kind == "not_answered":
            call.state, call.style, call.agent = "waits", "yellow", ""
        elif kind == "ended":
            call.state, call.style = f"{event['outcome']}, waited {event['waited_s']:.0f} s", "dim"
            del self._calls[event["uuid"]]
            self._ended = [*self._ended[1 - _ENDED_KEPT:], call]

    def refresh(self) -> None:
        self._live.update(Group(self._table(), self._line()), refresh=True)

    def _table(self) -> Table:
        table = Table(title=f"fsapp: {self._title}", title_justify="left", expand=True)
        for name in ("caller", "number", "class", "why", "score", "queue", "state", "agent", "since"):
            table.add_column(name, no_wrap=True, justify="right" if name in ("score", "since") else "left")
        # In the order of being served: who talks first, then by score.
        calls = sorted(self._calls.values(), key=lambda c: (c.state != "talks", -int(c.score.replace(",", "") or 0)))
        for call in [*calls[: self._rows], *self._ended]:
            colour = _COLOURS.get(call.call_class, "")
            table.add_row(
                call.caller, call.called, Text(call.call_class, colour), call.reason, call.score, call.queue,
                Text(call.state, call.style), call.agent, f"{self._now - call.started_at:.0f} s",
                style="dim" if call.style == "dim" else None,
            )
        return table

    def _line(self) -> Text:
        waiting = sum(call.state in ("waits", "rings") for call in self._calls.values())
        talking = sum(call.state == "talks" for call in self._calls.values())
        counts = ", ".join(f"{self._summary.total(outcome)} {outcome}" for outcome in OUTCOMES)
        calls = self._summary.started
        return Text(f"{calls} calls: {waiting} waiting, {talking} talking, {counts}. Ctrl-C ends.", "bold")


def summary_table(summary: Summary, *, real: bool = False) -> Table:
    """The end of a run: calls by class, and whether anything was lost or out of order.

    `real`: of a real switch, where the order is not known, and a decision is seen by the queue the caller comes to.
    """
    found = summary.as_json()
    columns = ("calls", *OUTCOMES, "wait_mean_s", "wait_p90_s")
    # Eighty columns have room for all of it, if not for a frame.
    table = Table(title="calls by class", title_justify="left", box=SIMPLE_HEAD, padding=0)
    table.add_column("class")
    for name in columns:
        table.add_column(name.removesuffix("_s").replace("_", " "), justify="right")
    for name, values in found["classes"].items():
        table.add_row(name, *("-" if values[column] is None else str(values[column]) for column in columns))
    table.caption_justify = "left"
    table.caption = (
        f"{summary.started} calls in {summary.lab_seconds:.0f} s of {'real' if real else 'lab'} time, "
        f"{summary.offered} offers, {summary.moved} moves\n"
        f"lost {len(summary.lost)}{'' if real else f', out of order {len(summary.order_violations)}'}\n"
        f"{found['decisions']} {'first queues reached' if real else 'decisions'}: "
        f"half within {found['decision_p50_ms']} ms, 99 % within {found['decision_p99_ms']} ms"
    )
    return table
