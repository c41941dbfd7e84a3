"""`fsapp queues` and `fsapp calls`: who waits where, who talks to whom. What is known of it comes from the link."""

from __future__ import annotations

from typing import Any

import click

from fsapp.cli.live import Column, live_options, number_text, seconds_text, show
from fsapp.cli.looking import noted
from fsapp.core.floor_rows import call_rows, queue_rows

__all__ = ["calls", "queues"]


def _short(queue: str) -> str:
    return queue.partition("@")[0]


def _wait_text(wait: dict[str, Any]) -> str:
    """The estimate and in brackets what eight of ten callers wait; a question mark where it is not to be believed."""
    if not wait["high_s"]:
        return "?"
    low, high = seconds_text(wait["low_s"]), seconds_text(wait["high_s"])
    return f"{seconds_text(wait['estimate_s'])} ({low} to {high}){' ?' if wait['doubt'] else ''}"


_QUEUES: tuple[Column, ...] = (
    ("queue", "queue", _short), ("waiting", "waiting", number_text), ("callbacks", "callbacks", number_text),
    ("longest", "longest_s", seconds_text), ("talking", "talking", number_text), ("free", "free", number_text),
    ("ready", "ready", number_text), ("staff", "staff", number_text), ("answered", "answered", number_text),
    ("abandoned", "abandoned", number_text), ("limit", "limit_s", seconds_text), ("wait now", "wait", _wait_text),
)
_CALLS: tuple[Column, ...] = (
    ("caller", "number", str), ("number", "called", str), ("class", "class", str), ("queue", "queue", _short),
    ("score", "score", number_text), ("state", "state", str), ("waited", "wait_s", seconds_text),
    ("agent", "agent", str), ("name", "agent_name", str), ("since", "since_s", seconds_text), ("task", "task", str),
)


@click.command()
@live_options
@click.pass_obj
def queues(obj: Any, switch_name: str | None, watch: bool, as_json: bool) -> None:
    """Who waits in which queue and for how long, and how many agents there are for them.

    Ready are agents who are available, free those of them whom the next call would ring. "wait now" is what a caller
    has to expect who joins at this moment: one of ten waits less than the first time in brackets, one more than the
    second. With a question mark it is not to be relied upon; --json says why.
    """
    show(obj.settings, switch_name, lambda look: queue_rows(look.floors, look.now), "queues", _QUEUES,
         watch=watch, as_json=as_json)


@click.command()
@live_options
@click.pass_obj
def calls(obj: Any, switch_name: str | None, watch: bool, as_json: bool) -> None:
    """Every caller on the line, in the order of being served: class, queue, score, who rings or talks."""
    show(obj.settings, switch_name, lambda look: call_rows(look.floors, look.rules, look.now), "calls", _CALLS,
         watch=watch, as_json=as_json, noted=lambda: noted(obj, "calls"))
