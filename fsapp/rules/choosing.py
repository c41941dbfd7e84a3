"""What lists, checks and schedules say of other tables and of each other: faults and warnings. Decides no call.

The document may be faulty in any way: what is not of the right type is passed over here and refused by `schema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsapp.core.lists import ANONYMOUS, ANY_DIGITS, END, Lead, NumberList
from fsapp.core.rules import Rules
from fsapp.rules.finding import Finding
from fsapp.rules.folder import Path
from fsapp.rules.references import known, spelling, table, texts, twice

__all__ = ["choosing_faults", "choosing_warnings"]

_MOST_DIGITS = 15
_LEADS = ("agent", "group", "line", "stage")
_TABLES = {"closed_line": "line", "closed_flow": "flow", "schedule": "schedule", "agent": "agent", "group": "group",
           "line": "line"}


def choosing_faults(document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    """Every fault. Without `complete`, names that are not there may be in an unread file."""
    for name, spec in _specs(document, "list"):
        yield from _list(("list", name), spec, document, complete)
    checks = document.get("check")
    yield from _checks(checks if isinstance(checks, list) else [], document, complete)
    for name, spec in _specs(document, "schedule"):
        if not texts(spec, "hours") and not texts(spec, "exceptions"):
            yield Finding(("schedule", name), 'is never open; add hours = ["mon-fri 08:00-20:00"] or the like')
    for name, spec in _specs(document, "line"):
        yield from _hours(("line", name), spec, document, complete)
    numbers = document.get("number")
    for place, spec in enumerate(numbers if isinstance(numbers, list) else ()):
        if isinstance(spec, Mapping):
            yield from _hours(("number", place), spec, document, complete)
    yield from _closed_rings(document)
    yield from _dial(document, complete)


def _dial(document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    spec = table(document, "dial")
    yield from _refers(("dial",), spec, ("schedule",), document, complete)
    for name in texts(spec, "do_not_call"):
        yield from known(("dial", "do_not_call"), {"do_not_call": name}, "list", document, complete)


def _specs(document: Mapping[str, Any], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((key, spec) for key, spec in table(document, name).items() if isinstance(spec, Mapping))


def _refers(path: Path, spec: Mapping[str, Any], keys: Sequence[str], document: Mapping[str, Any],
            complete: bool) -> Iterator[Finding]:
    for key in keys:
        yield from known((*path, key), spec, _TABLES[key], document, complete)


def _list(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    numbers = texts(spec, "numbers")
    yield from twice((*path, "numbers"), numbers)
    for number in numbers:
        if number.endswith(ANY_DIGITS):
            yield from _prefix((*path, "numbers"), number.removesuffix(ANY_DIGITS), number)
        else:
            yield from spelling((*path, "numbers"), number, document)
    yield from _refers(path, spec, ("agent", "group", "line"), document, complete)
    yield from _stage(path, spec, document, complete)
    agents = texts(spec, "agents")
    yield from twice((*path, "agents"), agents)
    for agent in dict.fromkeys(agents):
        yield from known((*path, "agents"), {"agents": agent}, "agent", document, complete)
    for agent in table(spec, "priority"):
        if complete and agent not in agents:
            message = "is not of this list's agents; add it there or remove the priority"
            yield Finding((*path, "priority", agent), message)
    for key in ("priority", "wait_s", "strategy", "home"):
        if key in spec and not agents:
            yield Finding((*path, key), "is of the list's own agents; name some with agents, or remove it")


def _prefix(path: Path, prefix: str, written: str) -> Iterator[Finding]:
    digits = prefix.removeprefix("+")
    if not prefix:
        yield Finding(path, f"{written[:60]!r} is empty and would fit everybody; write how the numbers begin, "
                            "for example +38160")
    elif not (prefix.startswith("+") and digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        yield Finding(path, f"{written[:60]!r} is no beginning of a number; write + and digits, for example +38160")


def _stage(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    """The stage that new customers are led to."""
    stage = spec.get("stage")
    if not isinstance(stage, str) or not complete:
        return
    campaign, _, name = stage.partition("/")
    found = table(table(table(document, "campaign"), campaign), "stage").get(name)
    if not isinstance(found, Mapping):
        yield Finding((*path, "stage"), f"there is no stage {stage[:130]!r}; write CAMPAIGN/STAGE of one that is there")
    elif found.get("kind") != "new-customers":
        yield Finding((*path, "stage"), f"{stage!r} is no stage of new customers; only these can be led to another one")


def _checks(checks: Sequence[Any], document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    places: dict[str, int] = {}
    for place, spec in enumerate(checks):
        name = spec.get("name") if isinstance(spec, Mapping) else None
        if name == END:
            yield Finding(("check", place, "name"), "is what ends a chain; choose another name")
        elif isinstance(name, str) and name in places:
            yield Finding(("check", place, "name"), f"is the name of check {places[name] + 1} already; choose another")
        elif isinstance(name, str):
            places[name] = place
    for place, spec in enumerate(checks):
        if isinstance(spec, Mapping):
            yield from _check(place, spec, places, document, complete)


def _check(place: int, spec: Mapping[str, Any], places: Mapping[str, int], document: Mapping[str, Any],
           complete: bool) -> Iterator[Finding]:
    path: Path = ("check", place)
    for key in ("from", "to"):
        yield from twice((*path, key), texts(spec, key))
        if spec.get(key) == []:
            yield Finding((*path, key), "is empty and would fit everybody; name beginnings, or remove it")
        for prefix in texts(spec, key):
            if key == "to" or prefix != ANONYMOUS:
                yield from _prefix((*path, key), prefix, prefix)
    if not ({"from", "to", "schedule"} & spec.keys()):
        yield Finding(path, "fits every call; say which with from, to or schedule")
    if not ({*_LEADS, "next"} & spec.keys()):
        yield Finding(path, 'leads nowhere; add agent, group, line, stage or next, or next = "end" to end the chain')
    yield from _refers(path, spec, ("agent", "group", "line", "schedule"), document, complete)
    yield from _stage(path, spec, document, complete)
    following = spec.get("next")
    if isinstance(following, str) and following != END:
        if following not in places:
            yield Finding((*path, "next"), f"there is no check {following[:60]!r}; correct it or give one that name")
        elif places[following] <= place:
            yield Finding((*path, "next"), f"{following!r} stands before this check, and the chain would go round; "
                                           "lead to one that stands after it")


def _hours(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any], complete: bool) -> Iterator[Finding]:
    keys = [key for key in ("schedule", "closed_line", "closed_flow") if key in spec]
    yield from _refers(path, spec, keys, document, complete)
    for key in keys:
        if key != "schedule" and "schedule" not in spec:
            yield Finding((*path, key), "is for when it is closed, which it never is; add a schedule or remove it")
    if "closed_line" in spec and "closed_flow" in spec:
        yield Finding(path, "has a closed_line and a closed_flow; keep one, a flow leads to a line of its own")


def _closed_rings(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Lines that lead to each other in a ring when they are closed."""
    follows = {name: spec.get("closed_line") for name, spec in _specs(document, "line")}
    for name in follows:
        seen = [name]
        at = follows[name]
        while isinstance(at, str) and at in follows and at not in seen:
            seen.append(at)
            at = follows[at]
        if at == name:
            ring = " > ".join([*seen[:6], "..."] if len(seen) > 6 else [*seen, name])
            yield Finding(("line", name, "closed_line"), f"goes round: {ring}; lead to a line outside of the ring")


def choosing_warnings(rules: Rules, document: Mapping[str, Any]) -> Iterator[Finding]:
    """What sound lists, checks and schedules would do that their author may not want; `document` as it was written."""
    yield from _overlaps(list(rules.lists.values()))
    for one in rules.lists.values():
        if one.lead.list_queue and not any(one.staff.values()):
            yield Finding(("list", one.name, "agents"), "has nobody who answers: all have priority 0")
    for line in rules.lines.values():
        closed = rules.lines.get(line.closed_line or "")
        if closed is not None and not any(closed.staff.values()):
            yield Finding(("line", line.name, "closed_line"), f"leads to {closed.name}, where nobody answers")
    for place, spec in enumerate(document.get("number", ())):
        number = rules.numbers[spec["number"]]
        flow = rules.flows.get(number.closed_flow or "")
        closed = rules.lines.get(flow.line if flow else number.closed_line or "")
        if closed is not None and not any(closed.staff.values()):
            key = "closed_flow" if flow else "closed_line"
            yield Finding(("number", place, key), f"leads to {closed.name}, where nobody answers")


def _overlaps(lists: Sequence[NumberList]) -> Iterator[Finding]:
    """Callers in several lists that lead to different places: one of them counts, and not the last one written."""
    leading = [one for one in lists if one.lead != Lead()]
    for index, one in enumerate(leading):
        for other in leading[index + 1:]:
            both = next((number for number in _written(one) if _covers(other, number)),
                        next((number for number in _written(other) if _covers(one, number)), None))
            if both is not None and (one.lead != other.lead or one.lead.list_queue):
                yield Finding(("list", other.name, "numbers"), f"{both} is in list {one.name} too, which leads "
                              "elsewhere: a whole number goes before a beginning, a long beginning before a short one, "
                              "then the list whose name comes first")


def _written(one: NumberList) -> list[str]:
    return sorted(one.numbers) + [f"{prefix}{ANY_DIGITS}" for prefix in one.prefixes]


def _covers(one: NumberList, written: str) -> bool:
    number = written.removesuffix(ANY_DIGITS)
    return number.startswith(one.prefixes) or (number == written and number in one.numbers)
