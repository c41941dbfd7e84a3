"""What `fsapp agents list`, `fsapp queues` and `fsapp calls` share: whose floor, how old, once or again and again."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import click
import gevent
from gevent.event import Event
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fsapp.core.clean import clean_text
from fsapp.core.floor import Floor
from fsapp.core.floor_rows import Row, switch_rows
from fsapp.core.rules import Rules
from fsapp.errors import NoLink, RulesError, StateUnavailable
from fsapp.settings import Settings
from fsapp.state.connection import PATIENT_S, connect
from fsapp.state.floor import read_floor
from fsapp.state.rules import RulesStore

__all__ = ["Column", "Look", "live_options", "number_text", "seconds_text", "show"]

_EVERY_S = 1.0
_WIDE = 160  # of a file, or of whoever reads through a pipe
_OLD_S = 20  # a link asks its switch every few seconds

Column = tuple[str, str, Callable[[Any], str]]
Rows = Callable[["Look"], Sequence[Row]]


class Look:
    """One look at the floors: `floors`, `rules` (None when none are loaded), `now`, and `client` for what else."""

    def __init__(self, client: Any, names: Sequence[str], rules: Rules | None) -> None:
        self.client = client
        self.rules = rules
        self.floors: list[Floor] = [read_floor(client, name) for name in names]
        self.now = datetime.now(UTC)


def live_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--switch`, `--watch` and `--json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON; with --watch one line a second."),
        click.option("--watch", is_flag=True, help="Look again each second, until Ctrl-C."),
        click.option("--switch", "switch_name", metavar="NAME", help="This switch alone, not all that the rules know."),
    ):
        command = option(command)
    return command


def show(
    settings: Settings, switch_name: str | None, rows: Rows, what: str, columns: Sequence[Column], *,
    watch: bool, as_json: bool, noted: Callable[[], None] = lambda: None,
) -> None:
    """Print the rows; `noted` is called once, before.

    NoLink when no link has ever run for any of the switches, RulesError for an unknown switch.
    """
    client = connect(settings, PATIENT_S)
    loaded = RulesStore(client).current()
    rules = loaded.rules() if loaded is not None else None
    names = _names(settings, switch_name, rules)

    def look() -> Look:
        return Look(client, names, rules)

    first = look()
    if all(floor.heard_at is None for floor in first.floors):
        raise NoLink(f"nothing is known of switch {', '.join(names)}: start `fsapp link`")
    noted()
    if as_json:
        _print_json(first, look, rows, what, watch=watch)
        return
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    if not watch:
        console.print(_picture(first, rows, what, columns))
        return
    _redraw(console, first, look, lambda one: _picture(one, rows, what, columns))


def _names(settings: Settings, switch_name: str | None, rules: Rules | None) -> list[str]:
    known = list(rules.switches) if rules is not None else []
    if switch_name is None:
        return known or [settings.switch_name]
    if known and switch_name not in known:
        raise RulesError(f"the rules know no switch {switch_name}: there are {', '.join(known)}")
    return [switch_name]


def _print_json(first: Look, look: Callable[[], Look], rows: Rows, what: str, *, watch: bool) -> None:
    stopping = _until_interrupted() if watch else None
    one = first
    while True:
        found = {"switches": switch_rows(one.floors, one.now), what: list(rows(one))}
        click.echo(json.dumps(found, ensure_ascii=False))
        if stopping is None or stopping.wait(_EVERY_S):
            return
        one = look()


def _redraw(console: Console, first: Look, look: Callable[[], Look], picture: Callable[[Look], Group]) -> None:
    """The picture again and again; while Redis does not answer, the last one with the reason below.

    A terminal shows it in place; a file or a pipe gets one below the other.
    """
    stopping = _until_interrupted()
    shown: Any = picture(first)
    place = Live(shown, console=console, auto_refresh=False, screen=True) if console.is_terminal else nullcontext()
    with place as live:
        tell = console.print if live is None else lambda one: live.update(one, refresh=True)
        tell(shown)
        while not stopping.wait(_EVERY_S):
            try:
                shown = picture(look())
                tell(shown)
            except StateUnavailable as error:
                tell(Group(shown, Text(str(error), "bold red")))


def _until_interrupted() -> Event:
    """Set by Ctrl-C and SIGTERM."""
    stopping = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stopping.set)
    return stopping


def _picture(look: Look, rows: Rows, what: str, columns: Sequence[Column]) -> Group:
    found = rows(look)
    ages = [_age(row) for row in switch_rows(look.floors, look.now)]
    if not found:
        return Group(Text(f"no {what}"), *ages)
    several = len(look.floors) > 1
    table = Table(title=f"{what}: {len(found)}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    used: list[Column] = [("switch", "switch", str)] if several else []
    # A terminal has room for what there is to say, no more.
    used += [column for column in columns if any(row[column[1]] is not None for row in found)]
    for name, _key, text in used:
        table.add_column(name, no_wrap=True, justify="right" if text in (number_text, seconds_text) else "left")
    for row in found:
        # What is in Redis may have been written by anybody, and a terminal obeys what it is shown.
        table.add_row(*(
            "" if row[key] is None else clean_text(text(row[key]), _WIDE) for _name, key, text in used))
    return Group(table, *ages)


def _age(row: Row) -> Text:
    """How well one switch is known, in a line."""
    name, age = row["switch"], row["age_s"]
    if age is None:
        return Text(f"switch {name}: nothing is known: no link has run for it: start `fsapp link` there", "bold red")
    if row["link"] is None:
        return Text(f"switch {name}: no link runs: as of {seconds_text(age)} ago: start `fsapp link`", "bold red")
    if not row["up"]:
        return Text(f"switch {name}: does not answer the link: as of {seconds_text(age)} ago", "bold red")
    if age > _OLD_S:
        return Text(f"switch {name}: as of {seconds_text(age)} ago", "yellow")
    return Text(f"switch {name}: heard {age} s ago, read whole {seconds_text(row['synced_s'] or 0)} ago", "dim")


def seconds_text(value: int) -> str:
    """Seconds as people say them: 59 s, 12:05, 3:00:00, 2 d."""
    if value < 60:
        return f"{value} s"
    if value < 3600:
        return f"{value // 60}:{value % 60:02d}"
    if value < 86_400:
        return f"{value // 3600}:{value // 60 % 60:02d}:{value % 60:02d}"
    return f"{value // 86_400} d"


def number_text(value: int) -> str:
    return f"{value:,}"
