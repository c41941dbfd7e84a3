"""A contact as the memory keeps it, made of what Redis has, and whether the two differ. Pure: reads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsapp.core.event_values import plain, real, text

__all__ = ["GONE", "MIRRORED", "Row", "contact_id", "contact_row", "differs", "merged"]

GONE = "removed"  # the state of a contact that Redis has no more
# What is Redis's to say. The rest of a row (attempts, disposition, made_at) the memory alone knows.
MIRRORED = ("customer_id", "state", "agent", "name", "list", "priority", "timezone", "due_at", "attempted_at", "fields")
_HIGHEST = 2**31 - 1
Row = dict[str, Any]


def contact_id(campaign: str, stage: str, number: str) -> str:
    return f"{campaign}/{stage}/{number}"


def contact_row(number: str, stage_id: str, said: Mapping[str, Any]) -> Row:
    """The row of a contact; `said`: what its entry in Redis holds, by name. ValueError for what no row can hold."""
    campaign, _, stage = stage_id.partition("/")
    given = {"campaign": campaign, "stage": stage, "number": number}
    if not all(value and value.isprintable() for value in given.values()):
        raise ValueError("the stage or the number is no text")
    priority = said.get("priority") or 0
    fields = said.get("fields")
    return given | {
        "id": contact_id(campaign, stage, number), "state": "open" if said["open"] else "closed",
        **{name: text(said, name) for name in ("agent", "name", "list", "timezone")},
        "priority": priority if 0 <= priority <= _HIGHEST else 0,
        "due_at": real(said, "due_at"), "attempted_at": real(said, "attempted_at"),
        "fields": plain(fields) if fields else None,
    }


def merged(new: Row, old: Mapping[str, Any] | None, customer_id: str | None) -> Row:
    """`new` as it is to be written over `old`: whose it is, and when it was tried last, whoever knows of it."""
    known = (old or {}).get("attempted_at")
    tried = [at for at in (new["attempted_at"], known) if at is not None]
    return new | {
        "customer_id": customer_id or (old or {}).get("customer_id"), "attempted_at": max(tried, default=None)}


def differs(new: Row, old: Mapping[str, Any]) -> bool:
    return any(new[name] != old[name] for name in MIRRORED)
