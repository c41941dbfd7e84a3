"""What a flow may know of the call besides what the caller does, as a value. No behaviour."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fsapp.core.dialling import Dialling
from fsapp.core.model import PhoneNumber
from fsapp.core.schedule import Schedule

__all__ = ["Situation"]


@dataclass(frozen=True, slots=True)
class Situation:
    """`now`: an aware time. `lists`: numbers in E.164 by the list's name; `schedules` by theirs.

    `region`: of numbers that are typed without a country. `dialling`: which numbers are called at all; `ours`: the
    centre's own.
    """

    caller: PhoneNumber
    called: PhoneNumber
    now: datetime
    lists: Mapping[str, Container[str]] = field(default_factory=dict)
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    region: str = ""
    dialling: Dialling = Dialling()
    ours: Mapping[str, Any] = field(default_factory=dict)
