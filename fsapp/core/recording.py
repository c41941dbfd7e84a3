"""What is recorded of a place's calls, how the file is named, how long it is kept. Knows neither disk nor switch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from fsapp.core.model import PhoneNumber

__all__ = ["DEFAULT_KEEP_DAYS", "NOT_RECORDED", "Recorded", "Recording", "Sides", "file_name", "number_part",
           "read_name", "recording_from"]

DEFAULT_KEEP_DAYS = 90
# The longest parts of a name; the place is a campaign and a stage. The last part of a path stays below 255.
_MAX_CLASS = 16
_MAX_PLACE = 129
_MAX_NUMBER = 32
_MAX_CALL = 40
# What is anything else becomes a hyphen: so no part holds a separator, a slash or what a shell or the switch reads.
_OTHERS = re.compile(r"[^A-Za-z0-9+.-]+")
_DOTS = re.compile(r"\.{2,}")
_NAME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})/([0-9]{6})Z_([a-z-]{1,16})_([A-Za-z0-9+.-]{1,129})_([A-Za-z0-9+.-]{1,32})"
    r"_([A-Za-z0-9+.-]{1,40})\.wav\Z", re.ASCII,
)


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


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the name of a recording says. `at`: when the call was first decided on; `place`: the id of a stage or line.

    `number` is the caller's, in E.164 where it has that form; `call` the uuid of the caller's leg.
    """

    at: datetime
    call_class: str
    place: str
    number: str
    call: str

    @property
    def contact(self) -> str | None:
        """The id of the contact that a callback belongs to."""
        return f"{self.place}/{self.number}" if self.call_class == "callback" and "/" in self.place else None

    def due(self, keep_days: int) -> datetime:
        """When it is to be removed; the last moment there is where that is beyond it."""
        try:
            return self.at + timedelta(days=keep_days)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)


def recording_from(spec: Mapping[str, Any], centre: Mapping[str, Any]) -> Recording:
    """What a stage or line of a checked document says: `record`, `announce`, `record_days` (else the centre's)."""
    return Recording(
        Sides(spec.get("record", "none")), spec.get("announce", False),
        spec.get("record_days", centre.get("record_days", DEFAULT_KEEP_DAYS)),
    )


def file_name(at: datetime, call_class: str, place: str, number: str, call: str) -> str:
    """Where a call is recorded, below the folder of recordings: YYYY-MM-DD/HHMMSSZ_CLASS_PLACE_NUMBER_CALL.wav.

    `at` is an aware time, written in UTC: no hour is there twice, and names sort by time on all switches alike. The
    stage of a campaign is CAMPAIGN.STAGE. Whatever the parts hold, the name is of letters, digits and +._- alone, has
    one folder, never two dots in a row, and is no longer than a file's name may be.
    """
    return (
        f"{at.astimezone(UTC):%Y-%m-%d/%H%M%SZ}_{_part(call_class, _MAX_CLASS)}_"
        f"{_part(place.replace('/', '.', 1), _MAX_PLACE)}_{_part(number, _MAX_NUMBER)}_{_part(call, _MAX_CALL)}.wav"
    )


def number_part(caller: PhoneNumber) -> str:
    """A caller's number as names of recordings have it: E.164, else what came, else what it is (anonymous)."""
    return _part(caller.key or caller.raw or caller.kind, _MAX_NUMBER)


def read_name(name: str) -> Recorded | None:
    """What the name of a recording says, as `file_name` has made it; None for any other."""
    found = _NAME.match(name)
    if found is None or ".." in name:
        return None
    day, time, call_class, place, number, call = found.groups()
    try:
        at = datetime.strptime(day + time, "%Y-%m-%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Recorded(at, call_class, place.replace(".", "/", 1), number, call)


def _part(text: str, limit: int) -> str:
    """One part of a name. It begins and ends with what cannot be taken for an option or an ending."""
    cleaned = _DOTS.sub(".", _OTHERS.sub("-", text))[: limit].strip(".-")
    return cleaned or "unknown"
