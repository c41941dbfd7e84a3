"""`fsapp agents`: who is there and doing what. What the link and the switch do is elsewhere."""

from __future__ import annotations

from typing import Any

import click

from fsapp.cli.agent_status import login, logout, status
from fsapp.cli.live import Column, live_options, number_text, seconds_text, show
from fsapp.cli.looking import noted
from fsapp.core.floor_rows import agent_rows
from fsapp.state.floor import remembered

__all__ = ["agents"]

_COLUMNS: tuple[Column, ...] = (
    ("agent", "agent", str), ("name", "name", str), ("status", "status", str), ("reason", "reason", str),
    ("since", "status_s", seconds_text), ("does", "does", str), ("for", "state_s", seconds_text),
    ("left", "left_s", seconds_text), ("queue", "queue", lambda queue: queue.partition("@")[0]),
    ("caller", "number", str), ("phone", "phone", str), ("answered", "answered", number_text),
    ("talked", "talk_s", seconds_text),
)


@click.group()
def agents() -> None:
    """See agents, and log them in and out."""


for _command in (login, logout, status):
    agents.add_command(_command)


@agents.command("list")
@live_options
@click.pass_obj
def list_command(obj: Any, switch_name: str | None, watch: bool, as_json: bool) -> None:
    """Who is there, with which status and for how long, and who talks to whom."""
    show(
        obj.settings, switch_name,
        lambda look: agent_rows(look.floors, look.rules, remembered(look.client), look.now),
        "agents", _COLUMNS, watch=watch, as_json=as_json, noted=lambda: noted(obj, "calls"),
    )
