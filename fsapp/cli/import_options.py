"""The options that every import of a file has. Reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

__all__ = ["import_options"]


def import_options(known: Sequence[str], several: Sequence[str] = ()) -> Callable[[Any], Any]:
    """--delimiter, --encoding, --sheet, --column (as `columns`), --dry-run, --skip-bad, --report, --json."""

    def columns(_ctx: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for value in values:
            name, equals, column = value.partition("=")
            if name not in known or not equals or not column.strip():
                raise click.BadParameter(f"{value!r} is not KNOWN=COLUMN, KNOWN being one of {', '.join(known)}")
            if name in found and name not in several:
                raise click.BadParameter(f"{name} is said twice")
            if name in several:
                found.setdefault(name, []).append(column)
            else:
                found[name] = column
        return found

    options = (
        click.option("--delimiter", callback=_delimiter, help="One character, or tab; found out when not given."),
        click.option("--encoding", help="For example cp1250; found out when not given."),
        click.option("--sheet", metavar="NAME", help="The sheet of an Excel workbook with several."),
        click.option("--column", "columns", multiple=True, callback=columns, metavar="KNOWN=COLUMN",
                     help=f"Which column is which, for example number=Telefon. Known: {', '.join(known)}."),
        click.option("--dry-run", is_flag=True, help="Read and check the file, and import nothing."),
        click.option("--skip-bad", is_flag=True, help="Import the good rows though some are bad."),
        click.option("--report", metavar="FILE", help="Write every bad row with its reason there, as CSV."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
    )

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _delimiter(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    value = {"tab": "\t", "\\t": "\t"}.get(value or "", value)
    if value is not None and (len(value) != 1 or value in "\r\n\"\0" or not value.isascii()):
        raise click.BadParameter("is one character, or tab")
    return value
