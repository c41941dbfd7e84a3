"""Whom the rules pick out by number: lists of callers, and checks of how the two numbers begin. Pure; decides nothing.

What they lead to (`Lead`) is put into the decision by choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fsapp.core.model import Call, NumberKind
from fsapp.core.people import DEFAULT_AGENT_PRIORITY, DEFAULT_WAIT_S

__all__ = ["ANONYMOUS", "END", "Check", "Lead", "Listed", "NumberList", "checks_from", "lists_from"]

ANONYMOUS = "anonymous"  # in `from` of a check: a caller without a number
END = "end"              # as `next` of a check: nothing more is looked at
ANY_DIGITS = "*"         # at the end of a list's number: whatever begins so


class Lead(NamedTuple):
    """Where a list or a check leads a caller: first to an agent, then to a group, then to a line or stage.

    `line` takes service calls only, `stage` (its id) new customers only. `list_queue`: a list has agents of its own.
    """

    agent: str | None = None
    group: str | None = None
    line: str | None = None
    stage: str | None = None
    list_queue: bool = False


@dataclass(frozen=True, slots=True)
class NumberList:
    """Callers by number: whole ones in E.164, and how numbers begin. A number is `in` it or not.

    `staff` (as of a stage) and `wait_s` are of the list's own queue, where it has one.
    """

    name: str
    numbers: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    vip: int = 0
    lead: Lead = Lead()
    staff: Mapping[str, int] = field(default_factory=dict)
    wait_s: int = DEFAULT_WAIT_S

    def __contains__(self, number: object) -> bool:
        return isinstance(number, str) and (number in self.numbers or number.startswith(self.prefixes))


class Listed:
    """All lists, so that those of a number are found without looking at each."""

    def __init__(self, lists: Iterable[NumberList]) -> None:
        self._whole: dict[str, tuple[NumberList, ...]] = {}
        self._begins: dict[str, tuple[NumberList, ...]] = {}
        for one in lists:
            for number in one.numbers:
                self._whole[number] = (*self._whole.get(number, ()), one)
            for prefix in one.prefixes:
                self._begins[prefix] = (*self._begins.get(prefix, ()), one)
        self._lengths = sorted({len(prefix) for prefix in self._begins}, reverse=True)

    def of(self, number: str | None) -> tuple[NumberList, ...]:
        """The lists a number is in: those that have it whole, then by the longest beginning, then by name."""
        if number is None:
            return ()
        found = self._whole.get(number, ())
        for length in self._lengths:
            found += self._begins.get(number[:length], ()) if len(number) >= length else ()
        return tuple({one.name: one for one in found}.values()) if len(found) > 1 else found


@dataclass(frozen=True, slots=True)
class Check:
    """One look at how the caller's number and the one called begin; no beginnings mean any number.

    `schedule`: it only fits while that is open. `then`: which check is next where it fits, by its place; None for none.
    """

    name: str
    callers: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    schedule: str | None = None
    lead: Lead = Lead()
    then: int | None = None

    def fits(self, call: Call) -> bool:
        """Whether both numbers begin so. A number that nobody could dial begins like none."""
        if self.called and not (call.called.key or "").startswith(self.called):
            return False
        if not self.callers or (call.caller.key or "").startswith(self.callers):
            return True
        return ANONYMOUS in self.callers and call.caller.kind is NumberKind.ANONYMOUS


def lists_from(document: Mapping[str, Any]) -> dict[str, NumberList]:
    """The lists of a checked document, by name."""
    found = {}
    wait_s = document["centre"].get("group_wait_s", DEFAULT_WAIT_S)
    for name, spec in document.get("list", {}).items():
        written = spec.get("numbers", ())
        found[name] = NumberList(
            name, frozenset(number for number in written if not number.endswith(ANY_DIGITS)),
            tuple(number.removesuffix(ANY_DIGITS) for number in written if number.endswith(ANY_DIGITS)),
            spec.get("vip", 0), _lead(spec, list_queue=bool(spec.get("agents"))),
            {agent: spec.get("priority", {}).get(agent, DEFAULT_AGENT_PRIORITY) for agent in spec.get("agents", ())},
            spec.get("wait_s", wait_s),
        )
    return found


def checks_from(specs: Sequence[Mapping[str, Any]]) -> tuple[Check, ...]:
    """The checks of a checked document, in their order."""
    places = {spec["name"]: place for place, spec in enumerate(specs) if "name" in spec}
    return tuple(
        Check(
            spec.get("name") or f"no-{place + 1}", tuple(spec.get("from", ())), tuple(spec.get("to", ())),
            spec.get("schedule"), _lead(spec), places.get(spec.get("next", END)),
        )
        for place, spec in enumerate(specs)
    )


def _lead(spec: Mapping[str, Any], *, list_queue: bool = False) -> Lead:
    return Lead(spec.get("agent"), spec.get("group"), spec.get("line"), spec.get("stage"), list_queue)
