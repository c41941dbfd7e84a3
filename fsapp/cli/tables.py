"""Rows that people read in a terminal, a spreadsheet or a program: a table, CSV or JSON. Does not know what they say.

Texts of people and callers may be among them. None moves the cursor of a terminal, and none becomes a formula: a CSV
cell that a spreadsheet would reckon with begins with an apostrophe, and `fsapp contacts import` reads it without.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fsapp.core.clean import clean_text

__all__ = ["cell", "output_options", "print_csv", "print_json", "print_table"]

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_WIDE = 240  # of a file, or of whoever reads through a pipe
_LONGEST = 1000


def output_options(command: Any) -> Any:
    """`--csv` and `--json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--csv", "as_csv", is_flag=True, help="Print CSV; a cell that begins with = + - or @ gets an "
                     "apostrophe before it, so that no spreadsheet takes it for a formula."),
    ):
        command = option(command)
    return command


def cell(value: Any) -> str:
    """A value as a cell of CSV: nothing for None, and never the beginning of a formula."""
    text = "" if value is None else clean_text(str(value), _LONGEST)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def print_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """A header and a line a row."""
    out = csv.writer(sys.stdout)
    out.writerow(columns)
    out.writerows([[cell(row[name]) for name in columns] for row in rows])


def print_json(found: Mapping[str, Any]) -> None:
    click.echo(json.dumps(found, ensure_ascii=False))


def print_table(title: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    """`columns`: heading -> name of the value; those in which nothing is said are left out."""
    used = {heading: name for heading, name in columns.items() if any(row[name] not in (None, "") for row in rows)}
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in used:
        table.add_column(Text(heading), no_wrap=True)
    for row in rows:
        table.add_row(*(
            Text("" if row[name] is None else clean_text(str(row[name]), _LONGEST)) for name in used.values()))
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    console.print(table)
