"""`fsapp replay`: recorded calls decided again under other rules. Reads the stream and prints; the core decides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple

import click
import redis

from fsapp.cli.looking import noted
from fsapp.cli.times import AGO
from fsapp.core.model import NO_FACTS, Facts, Step
from fsapp.core.numbers import normalise
from fsapp.core.replay import KINDS, Recorded, Replayed, read_recorded, replay
from fsapp.core.rules import Rules
from fsapp.rules import load_folder
from fsapp.state.connection import PATIENT_S, connect
from fsapp.state.store import Store
from fsapp.state.stream import tail

__all__ = ["replay_command"]

_AT_ONCE = 200


class _Change(NamedTuple):
    recorded: Recorded
    replayed: Replayed
    facts: str


class _Found:
    """What came of all the calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.unreadable = 0
        self.facts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.changes: list[_Change] = []


@click.command("replay")
@click.option("--since", required=True, type=AGO, metavar="TIME", help="From when on: ISO 8601, or 2h, 7d.")
@click.option("--until", type=AGO, metavar="TIME", help="Up to when; until now if not given.")
@click.option("--rules", "folder", type=click.Path(), metavar="FOLDER",
              help="Under these rules; those of the setting `rules` if not given.")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Show so many changed calls.")
@click.option("--fail-on-change", is_flag=True, help="Exit status 1 if any call would be decided otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def replay_command(
    ctx: click.Context, since: datetime, until: datetime | None, folder: str | None, limit: int, fail_on_change: bool,
    as_json: bool,
) -> None:
    """Decide recorded calls again under the rules of a folder, and show what would be different and why.

    The first decision about each call, at its time, with what was known of the caller then. Where the event does not
    say, what is known now counts. Nothing is changed.
    """
    settings = ctx.obj.settings
    folder = folder or settings.rules
    rules = Rules.from_document(load_folder(folder))
    until = until or datetime.now(UTC)
    client = connect(settings, PATIENT_S)
    found = _replay(client, rules, since, until)
    noted(ctx.obj, "replay")
    if as_json:
        click.echo(json.dumps(_as_json(found, since, until, folder, limit), ensure_ascii=False))
    else:
        click.echo("\n".join(_text(found, since, until, folder, limit)))
    if fail_on_change and found.changes:
        ctx.exit(1)


def _replay(client: redis.Redis, rules: Rules, since: datetime, until: datetime) -> _Found:
    found = _Found()
    store = Store(client)
    recorded = _recorded(client, since, until, found)
    while page := list(islice(recorded, _AT_ONCE)):
        for one, facts, source in _with_facts(page, store, rules.region):
            found.calls += 1
            found.facts[source] += 1
            replayed = replay(one, facts, rules)
            if replayed is not None:
                found.kinds[replayed.kind] += 1
                found.changes.append(_Change(one, replayed, source))
    return found


def _recorded(client: redis.Redis, since: datetime, until: datetime, found: _Found) -> Iterator[Recorded]:
    """The first decisions in that time, each once: an event may be there twice after an outage."""
    seen: set[str] = set()
    for _, event in tail(client, since.timestamp(), follow=False):
        try:
            one = read_recorded(event)
        except ValueError:
            found.unreadable += 1
            continue
        if one is not None and since <= one.at < until and one.id not in seen:
            seen.add(one.id)
            yield one


def _with_facts(page: list[Recorded], store: Store, region: str) -> Iterator[tuple[Recorded, Facts, str]]:
    """Each with its facts and whether these are of `then` or of `now`."""
    keys = {one.id: normalise(one.caller, region).key for one in page if one.facts is None}
    asked = sorted({key for key in keys.values() if key is not None})
    known = dict(zip(asked, store.facts_many(asked), strict=True)) if asked else {}
    for one in page:
        if one.facts is not None:
            yield one, one.facts, "then"
        else:
            now = known.get(keys[one.id] or "", NO_FACTS)
            # Who is there now says nothing of then.
            yield one, Facts(now.contacts, now.rights, now.sticky), "now"


def _as_json(found: _Found, since: datetime, until: datetime, folder: str, limit: int) -> dict[str, Any]:
    return {
        "since": since.isoformat(), "until": until.isoformat(), "rules": str(folder), "calls": found.calls,
        "changed": len(found.changes), "unreadable": found.unreadable,
        "facts": {"then": found.facts["then"], "now": found.facts["now"]},
        "kinds": {kind: found.kinds[kind] for kind in KINDS},
        "changes": [
            {
                "id": one.id, "call": one.call_id, "at": one.at.isoformat(), "caller": one.caller, "called": one.called,
                "kind": change.kind, "before": {"reason": one.reason, **_plain(change.before)},
                "after": {"reason": change.reason, **_plain(change.after)},
                "why": [step._asdict() if step else None for step in change.why], "facts": facts, "rules": one.rules,
            }
            for one, change, facts in found.changes[:limit]
        ],
    }


def _plain(outcome: Mapping[str, Any]) -> dict[str, Any]:
    return {**outcome, "targets": [target._asdict() for target in outcome["targets"]]}


def _text(found: _Found, since: datetime, until: datetime, folder: str, limit: int) -> Iterator[str]:
    share = f" ({100 * len(found.changes) / found.calls:.1f} %)" if found.calls else ""
    yield (f"{found.calls} calls from {_time(since)} to {_time(until)}: {len(found.changes)}{share} would be decided "
           f"otherwise by {folder}.")
    if found.facts["now"]:
        yield f"Of {found.facts['now']} it is not recorded what was known of the caller: what is known now counts."
    if found.unreadable:
        yield f"{found.unreadable} events could not be read and are left out."
    ways = Counter(f"{change.kind}: {_way(change)}" for _, change, _ in found.changes)
    yield from (f"{calls:>6}  {way}" for way, calls in ways.most_common(limit))
    for one, change, _ in found.changes[:limit]:
        yield f"{_time(one.at)}  {one.caller} to {one.called}, {change.kind}: {_way(change)}"
        for word, step in zip(("then", "now"), change.why, strict=True):
            if step is not None:
                yield f"    {word}: {_step(step)}"
    if len(found.changes) > limit:
        yield f"... and {len(found.changes) - limit} more: --limit shows them."


def _way(change: Replayed) -> str:
    return f"{_value(change.before, change.kind)} -> {_value(change.after, change.kind)}"


def _value(outcome: Any, kind: str) -> str:
    value = outcome[kind]
    if kind == "targets":
        waits = [f"{one.queue} {one.wait_s} s" if one.wait_s is not None else one.queue for one in value]
        return ", ".join(waits) or "none"
    return "none" if value is None else str(value)


def _step(step: Step) -> str:
    return f"{step.rule}: {step.fact}: {step.outcome}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
