"""What a check found: how bad, what, and what to do about it. Finds nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Level"]


class Level(StrEnum):
    """`NOT_LOOKED_AT`: what the check needs could not be asked."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_LOOKED_AT = "not looked at"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is one sentence; `todo`, of a warning or a fault, says what to do. Neither ever holds a password."""

    level: Level
    what: str
    todo: str = ""

    @classmethod
    def ok(cls, what: str) -> Finding:
        return cls(Level.OK, what)

    @classmethod
    def warning(cls, what: str, todo: str) -> Finding:
        return cls(Level.WARNING, what, todo)

    @classmethod
    def fault(cls, what: str, todo: str) -> Finding:
        return cls(Level.FAULT, what, todo)

    @classmethod
    def unseen(cls, why: str) -> Finding:
        return cls(Level.NOT_LOOKED_AT, why)
