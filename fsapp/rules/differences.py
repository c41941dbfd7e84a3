"""What differs between two rules documents, value by value. Judges neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fsapp.rules.folder import key_text

__all__ = ["Change", "diff"]


class Change(NamedTuple):
    """One value that differs; `before` is None for one that is new, `after` for one that is gone."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.path} = {self.after!r}"
        if self.after is None:
            return f"- {self.path} = {self.before!r}"
        return f"~ {self.path} = {self.before!r} -> {self.after!r}"


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The changes from one checked document to another, by path; the order of numbers and tables means nothing."""
    before, after = dict(_leaves(_keyed(old), ())), dict(_leaves(_keyed(new), ()))
    return [
        Change(key_text(path, {}), before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)
    ]


def _keyed(document: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {
        entry["number"]: {key: value for key, value in entry.items() if key != "number"}
        for entry in document.get("number", ())
    }
    checks = {
        entry.get("name") or f"no-{place}": {"place": place, **{key: entry[key] for key in entry if key != "name"}}
        for place, entry in enumerate(document.get("check", ()), 1)
    }
    after = {
        entry["name"]: {"place": place, **{key: entry[key] for key in entry if key != "name"}}
        for place, entry in enumerate(document.get("after", ()), 1)
    }
    keyed = {"number": numbers, "check": checks, "after": after}
    return {**document, **{key: value for key, value in keyed.items() if value}}


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and (value or len(path) == 2):
        if len(path) >= 2 and not value:
            yield path, {}
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif not isinstance(value, Mapping):
        yield path, value
