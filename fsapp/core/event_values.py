"""The values of an event, as the memory may keep them: text cleaned and cut, numbers finite. Knows no event types.

Events come from what callers and switches sent; what is not what it should be makes the event one that cannot be
written (ValueError), never a row that says something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsapp.core.clean import clean_text

__all__ = ["LAST_AT", "count", "id_of", "plain", "real", "text", "when"]

LAST_AT = 253_402_300_799.0  # the end of the year 9999
_LIMIT = 512
_MOST = 2**53
_DEEPEST = 12


def text(event: Mapping[str, Any], name: str, limit: int = _LIMIT) -> str | None:
    """One line of at most `limit` characters; None for what is absent or empty. ValueError for what is no text."""
    value = event.get(name)
    if not value and (value is None or value == ""):
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text: {value!r:.80}")
    return value if len(value) <= limit and value.isprintable() else clean_text(value, limit) or None


def id_of(event: Mapping[str, Any], name: str = "id") -> str:
    """A text that must be there."""
    found = text(event, name)
    if found is None:
        raise ValueError(f"{name} is missing")
    return found


def real(event: Mapping[str, Any], name: str) -> float | None:
    """A finite number; None for what is absent. ValueError for anything else."""
    value = event.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{name} is no number: {value!r:.80}")
    if not -_MOST <= value <= _MOST:
        raise ValueError(f"{name} is out of range: {value!r:.80}")
    return float(value)


def when(event: Mapping[str, Any], name: str = "at") -> float:
    """A time that must be there, in epoch seconds."""
    found = real(event, name)
    if found is None:
        raise ValueError(f"{name} is missing")
    if not 0 <= found <= LAST_AT:
        raise ValueError(f"{name} is no time: {found!r:.80}")
    return found


def count(event: Mapping[str, Any], name: str) -> int | None:
    """A whole number; None for what is absent."""
    found = real(event, name)
    return None if found is None else int(found)


def plain(value: Any, depth: int = 0) -> Any:
    """A value that JSON has, with texts that every database takes. ValueError for what is nested too deeply."""
    if type(value) is str:
        return _line(value)
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if type(value) is dict:
        return {_line(name) if type(name) is str else _line(str(name)): plain(one, depth + 1)
                for name, one in value.items()}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value if -_MOST <= value <= _MOST else str(value)
    if isinstance(value, Mapping):
        return {_line(str(name)): plain(one, depth + 1) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one, depth + 1) for one in value]
    return _line(value if isinstance(value, str) else str(value))


def _line(value: str) -> str:
    return value if value.isprintable() else clean_text(value, 4 * _LIMIT)
