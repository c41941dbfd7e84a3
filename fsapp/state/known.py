"""A customer's direct-callback rights and stickiness as they are written down, and read back. Asks nobody.

Rights: a list of agent, expiry (epoch seconds), campaign, stage. Stickiness: agent and time of the last successful talk
and, where there are any, a list of place, agent, time of the last one of each place.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgpack

from fsapp.core.model import Right, Sticky, Talk

__all__ = ["UNREADABLE", "life_ms", "pack_rights", "pack_sticky", "text", "unpack_rights", "unpack_sticky"]

# What reading a value may raise.
UNREADABLE = (ValueError, TypeError, OverflowError, OSError, msgpack.UnpackException)


def pack_rights(rights: Iterable[Right]) -> bytes:
    """b"" (no key at all) for none."""
    values = [[right.agent, right.expires_at.timestamp(), right.campaign, right.stage] for right in rights]
    return msgpack.packb(values) if values else b""


def unpack_rights(value: bytes) -> tuple[Right, ...]:
    return tuple(
        Right(text(agent), datetime.fromtimestamp(expires_at, UTC), campaign, stage)
        for agent, expires_at, campaign, stage in msgpack.unpackb(value)
    )


def life_ms(rights: Iterable[Right], now: datetime) -> int:
    """Until the last of them expires."""
    return max((int((right.expires_at - now).total_seconds() * 1000) + 1 for right in rights), default=0)


def pack_sticky(sticky: Sticky) -> bytes:
    value: list[object] = [sticky.agent, sticky.talked_at.timestamp()]
    if sticky.places:
        value.append([[talk.place, talk.agent, talk.talked_at.timestamp()] for talk in sticky.places])
    return msgpack.packb(value)


def unpack_sticky(value: bytes) -> Sticky:
    agent, talked_at, *more = msgpack.unpackb(value)
    talks = more[0] if more else ()
    places = tuple(Talk(text(place), text(agent), datetime.fromtimestamp(at, UTC)) for place, agent, at in talks)
    return Sticky(text(agent), datetime.fromtimestamp(talked_at, UTC), places)


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")
    return value
