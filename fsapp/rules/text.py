"""A checked rules document as TOML text, so that a loaded version can become a file again. Reads nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fsapp.rules.folder import key_text

__all__ = ["to_toml"]

_LISTS = ("number", "check", "after")


def to_toml(document: Mapping[str, Any]) -> str:
    """One file that says the same as the folder the document was read from, comments left out."""
    return "\n".join(_table(document, ())).strip("\n") + "\n"


def _table(spec: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """The table's own keys first, then the tables inside it. Agents' priorities stand inline, as people write them."""
    inner = [key for key, value in spec.items() if isinstance(value, Mapping) and key != "priority"]
    own = [key for key in spec if key not in inner and (path or key not in _LISTS)]
    if path and (own or not inner):
        yield f"\n[{key_text(path, {})}]"
    for key in own:
        yield f"{key} = {_value(spec[key])}"
    for key in inner:
        yield from _table(spec[key], (*path, key))
    if not path:
        for table in _LISTS:
            for entry in spec.get(table, ()):
                yield f"\n[[{table}]]"
                yield from (f"{key} = {_value(value)}" for key, value in entry.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(inner)}" for key, inner in value.items()) + " }" if value else "{}"
    return json.dumps(value, ensure_ascii=False)
