"""`fsapp report`: figures of the centre out of the memory, as table, CSV or JSON. Asks and prints; reckons nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from fsapp.cli.report_options import known_rules, not_too_fine, period, wanted, zone_of
from fsapp.cli.tables import output_options, print_csv, print_json, print_table
from fsapp.core.reports.catalogue import CATALOGUE, Kind, Report, Unit
from fsapp.core.reports.query import Abandoned, Query

__all__ = ["report"]

_SHORT = ("calls", "classes", "service-level", "abandonment")
_TOTAL = "total"
_METAVARS = {"number": "N", "agent": "ID|E-MAIL", "stage": "CAMPAIGN/STAGE"}
_HELP = {
    "queue": "Of this queue alone; of calls, their stays in it.", "agent": "Of this agent alone.",
    "number": "Of this number of ours alone.",
    "line": "Of this service line alone.", "campaign": "Of this campaign alone.", "stage": "Of this stage alone.",
    "class": "Of this class alone: callback, new-customer, service.",
}


@click.group()
def report() -> None:
    """Figures of a period: calls, service level, agents, callbacks, campaigns and others.

    `fsapp report list` says which there are. docs/reports.md says what each figure is.
    """


@report.command("list")
@output_options
def list_command(as_csv: bool, as_json: bool) -> None:
    """List the reports: what each tells, of which figures, by what its rows can be told apart."""
    rows = [
        {"report": kind.name, "tells": kind.summary, "by": ", ".join(kind.by_words), "figures": ", ".join(kind.units)}
        for kind in CATALOGUE.values()
    ]
    if as_json:
        print_json({"reports": [
            {"report": kind.name, "tells": kind.summary, "by": kind.by_words, "figures": tuple(kind.units)}
            for kind in CATALOGUE.values()]})
    elif as_csv:
        print_csv(tuple(rows[0]), rows)
    else:
        for row in rows:
            click.echo(f"{row['report']}: {row['tells']}\n    by {row['by']}\n    figures: {row['figures']}")


def _command(kind: Kind) -> click.Command:
    """The command of one report."""
    def run(obj: Any, **options: Any) -> None:
        given = {name: options.pop(f"only_{name}") for name in kind.only}
        _print(_made(obj, kind, given, **{key: value for key, value in options.items() if not key.startswith("as_")}),
               options["as_csv"], options["as_json"])

    run.__doc__ = f"Report {kind.summary}."
    command: Any = click.pass_obj(run)
    command.__doc__ = run.__doc__
    for decorate in reversed([*_options(kind), output_options]):
        command = decorate(command)
    return click.command(kind.name)(command)


def _options(kind: Kind) -> list[Any]:
    usual = f" [default: {', '.join(kind.by)}]" if kind.by else ""
    options = [
        click.option("--from", "since", default="today", show_default=True, metavar="TIME",
                     help="From when on: a date, a time, today, yesterday, or 7d, 2h ago."),
        click.option("--to", "until", metavar="TIME",
                     help="Up to when; a date is in it. The end of today if not given."),
        click.option("--by", multiple=True, type=click.Choice(kind.by_words),
                     help=f"A row for each; may be several.{usual}"),
        click.option("--timezone", metavar="ZONE", help="Of days, hours, and times given; that of the rules' schedules "
                     "where they have one, else this machine's."),
    ]
    options += [
        click.option(f"--{name}", f"only_{name}", multiple=True, metavar=_METAVARS.get(name, name.upper()),
                     help=f"{_HELP[name]} May be several.")
        for name in kind.only
    ]
    if kind.name in _SHORT:
        options.append(click.option(
            "--short", "short_s", type=click.FloatRange(0, 3600), metavar="SECONDS",
            help="Who hangs up sooner has abandoned at once; the setting short_abandoned_s if not given."))
    if kind.name == "service-level":
        options += [
            click.option("--within", "within_s", type=click.FloatRange(0, 86_400), metavar="SECONDS",
                         help="The target; that of each stage and line if not given."),
            click.option("--abandoned", type=click.Choice([one.value for one in Abandoned]),
                         default=Abandoned.NOT_SHORT.value, show_default=True,
                         help="all: each was not served; not-short: the same without those who hung up at once; late: "
                              "the same without those who hung up within the target; early-met: these count as "
                              "served; none: without any."),
        ]
    return options


def _made(
    obj: Any, kind: Kind, given: Mapping[str, Sequence[str]], *, since: str, until: str | None, by: tuple[str, ...],
    timezone: str | None, short_s: float | None = None, within_s: float | None = None,
    abandoned: str = Abandoned.NOT_SHORT.value,
) -> Report:
    """The report that was asked for."""
    from fsapp.records import reports, versions
    from fsapp.records.database import Database

    rules = known_rules(obj.settings)
    now = datetime.now(UTC)
    asked = period(since, until, zone_of(timezone, rules), now)
    not_too_fine(asked, by)
    query = Query(
        asked, now.timestamp(), tuple(dict.fromkeys(by or kind.by)), wanted(given, rules), within_s,
        obj.settings.short_abandoned_s if short_s is None else short_s, Abandoned(abandoned), rules)
    database = Database(obj.settings.database_url)
    try:
        versions.refuse_outdated(database)
        return reports.report(database, kind.name, query)
    finally:
        database.close()


def _print(made: Report, as_csv: bool, as_json: bool) -> None:
    query, kind = made.query, made.kind
    zone = query.period.zone
    begins, ends = (datetime.fromtimestamp(at, zone).isoformat() for at in (query.period.start, query.period.end))
    if as_json:
        print_json({"report": kind.name, "from": begins, "to": ends, "timezone": zone.key, "by": query.by,
                    "rows": made.rows, "total": made.total})
        return
    if as_csv:
        print_csv((*query.by, *kind.units), made.rows if query.by else [made.total])
        return
    rows = [{name: _named(name, row[name], query) for name in query.by} | _shown(row, kind)
            for row in made.rows] if query.by else []
    headings = {name: name for name in query.by}
    last: dict[str, Any] = dict.fromkeys(query.by) | _shown(made.total, kind)
    if query.by:
        last[query.by[0]] = _TOTAL
    figures = {name.removesuffix("_s").replace("_", " "): name for name in kind.units}
    print_table(f"{kind.name}, {begins} to {ends} ({zone.key})", headings | figures, [*rows, last])


def _named(by: str, value: Any, query: Query) -> Any:
    """What a row is for; an agent with the name that the rules know."""
    known = query.rules.agents.get(value) if by in ("agent", "responsible") and query.rules is not None else None
    return f"{value} {known.name}" if known is not None and known.name else value


def _shown(row: Mapping[str, Any], kind: Kind) -> dict[str, str]:
    return {name: _text(row[name], unit) for name, unit in kind.units.items()}


def _text(value: float | None, unit: Unit) -> str:
    """A figure as people read it: 1,234; 93.4 %; 59.5 s; 12:05; 30:00:00."""
    if value is None:
        return "-"
    if unit is Unit.COUNT:
        return f"{value:,}"
    if unit is Unit.SHARE:
        return f"{value * 100:.1f} %"
    if unit is Unit.MARK:
        return f"{value:.2f}"
    if value < 60:
        return f"{value:.1f} s"
    seconds = round(value)
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d}"
    return f"{seconds // 3600:,}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


for _kind in CATALOGUE.values():
    report.add_command(_command(_kind))
