"""How customers and times look in JSON, for the API and the commands alike (docs/api.md). Reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fsapp.records.customers import Customer

__all__ = ["customer_shape", "interaction_shape", "time_shape"]

_INNER = frozenset({"followed_at"})


def customer_shape(customer: Customer) -> dict[str, Any]:
    return {
        **customer._asdict(), "fields": dict(customer.fields),
        "numbers": [number._asdict() for number in customer.numbers], "tags": list(customer.tags),
        "made_at": time_shape(customer.made_at), "changed_at": time_shape(customer.changed_at),
    }


def interaction_shape(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row, and rows in it, with its times as texts; what is only the recorder's own is left out."""
    return {name: _shaped(name, value) for name, value in row.items() if name not in _INNER}


def _shaped(name: str, value: Any) -> Any:
    if name == "at" or name.endswith("_at"):
        return time_shape(value)
    if isinstance(value, list):
        return [interaction_shape(one) if isinstance(one, Mapping) else one for one in value]
    return value


def time_shape(at: float | None) -> str | None:
    """Epoch seconds as ISO 8601 in UTC, with what fractions there are; what is no time of this world as nothing."""
    try:
        return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return None
