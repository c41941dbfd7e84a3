"""What is recorded of a place's calls, for how long it is kept. Knows neither files nor the switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["NOT_RECORDED", "Recording", "Sides", "recording_from"]

DEFAULT_KEEP_DAYS = 90


class Sides(StrEnum):
    """Whose voice is in the file."""

    NONE = "none"
    BOTH = "both"      # mixed
    STEREO = "stereo"  # both, the caller left, the agent right
    CALLER = "caller"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Recording:
    """`announce`: the caller is told before the wait. `keep_days`: then the file is removed."""

    sides: Sides = Sides.NONE
    announce: bool = False
    keep_days: int = DEFAULT_KEEP_DAYS

    def __bool__(self) -> bool:
        return self.sides is not Sides.NONE


NOT_RECORDED = Recording()


def recording_from(spec: Mapping[str, Any], centre: Mapping[str, Any]) -> Recording:
    """What a stage or line of a checked document says: `record`, `announce`, `record_days` (else the centre's)."""
    return Recording(
        Sides(spec.get("record", "none")), spec.get("announce", False),
        spec.get("record_days", centre.get("record_days", DEFAULT_KEEP_DAYS)),
    )
