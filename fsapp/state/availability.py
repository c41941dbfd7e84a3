"""Who of a switch's agents is free, written by its link and read along with the facts of a caller. Decides nothing.

The value is msgpack of a map agent -> epoch seconds from when on calls can be taken, and a list of those not there. It
lives AVAILABILITY_S: where no link says anything any more, soon nobody knows.
"""

from __future__ import annotations

import math

import msgpack

from fsapp.core.availability import NOBODY_KNOWS, Availability
from fsapp.log import get_logger
from fsapp.state.known import text

__all__ = ["pack_availability", "unpack_availability"]

_UNREADABLE = (ValueError, TypeError, AttributeError, OverflowError, msgpack.UnpackException)
_log = get_logger("state")


def pack_availability(known: Availability) -> bytes:
    return msgpack.packb([dict(known.free_at), sorted(known.away)])


def unpack_availability(value: bytes) -> Availability:
    """What was written; NOBODY_KNOWS, logged, where that cannot be read."""
    try:
        free_at, away = msgpack.unpackb(value)
        return Availability({text(agent): _time(at) for agent, at in free_at.items()}, frozenset(map(text, away)))
    except _UNREADABLE as error:
        _log.warning("bad_value", key="availability", error=repr(error))
        return NOBODY_KNOWS


def _time(value: object) -> float:
    if not isinstance(value, (int, float)) or math.isnan(value):
        raise ValueError(f"{value!r} is no time")
    return value
