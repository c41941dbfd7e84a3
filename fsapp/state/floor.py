"""The floor of a switch in Redis: written whole or in part by the one who holds its link, read whole by anybody.

Also the status each agent was last known to have, which outlives the switch. Decides nothing about any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from types import NoneType
from typing import Any, TypeVar

import msgpack
from redis import Redis

from fsapp.core.availability import Availability
from fsapp.core.floor import Floor, RememberedStatus, Seen, SeenAgent, SeenCall, SeenMember, SeenQueue, SeenTier
from fsapp.core.floor_change import Changes
from fsapp.core.wait import Estimate
from fsapp.log import get_logger
from fsapp.state import keys
from fsapp.state.availability import pack_availability
from fsapp.state.connection import redis_faults
from fsapp.state.lease import holder_of
from fsapp.state.scripts import WRITE_FLOOR
from fsapp.state.stream import FIELD

__all__ = ["FloorWriter", "read_floor", "read_learned", "remember", "remembered"]

_log = get_logger("floor")
_PARTS: Mapping[str, type] = {
    "agents": SeenAgent, "queues": SeenQueue, "members": SeenMember, "calls": SeenCall,
}
_ALL = "all"
_KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (float, int), "int | None": (int, NoneType), "bool | None": (bool, NoneType),
    "datetime | None": (datetime, NoneType), "Mapping[str, str]": (dict,),
}
_UNREADABLE = (ValueError, TypeError, AttributeError, msgpack.UnpackException)
_WAITS = "waits"
T = TypeVar("T")
Fields = list[tuple[str, bytes]]


class FloorWriter:
    """Writes the floor of `switch` as the holder of its lease, whose token is `token`.

    Each method returns False, and has written nothing, when another process holds the lease. StateUnavailable or
    StateRefused when Redis does not take it.
    """

    def __init__(self, client: Redis, switch: str, token: bytes) -> None:
        self._client = client
        self._token = token
        self._write = client.register_script(WRITE_FLOOR)
        self._keys = {part: keys.floor(switch, part) for part in (*_PARTS, "tiers", "meta", "waits", "learned")}
        self._lease = keys.floor(switch, "lease")
        self._free = keys.floor(switch, "free")

    def whole(self, seen: Seen, at: datetime) -> bool:
        """Exactly this is there now, and nothing else."""
        content: dict[str, tuple[Fields, Iterable[str]]] = {
            part: ([(key, _pack(value)) for key, value in getattr(seen, part).items()], ()) for part in _PARTS
        }
        content["tiers"] = ([(_ALL, msgpack.packb([_plain(tier) for tier in seen.tiers]))], ())
        content["meta"] = (_meta(core_uuid=seen.core_uuid, synced_at=at, heard_at=at, up=True), ())
        return self._run(content, replace=True)

    def change(self, changes: Changes, heard_at: datetime) -> bool:
        """This has changed."""
        content: dict[str, tuple[Fields, Iterable[str]]] = {"meta": (_meta(heard_at=heard_at, up=True), ())}
        for part in ("agents", "members", "calls"):
            changed = getattr(changes, part)
            if changed:
                content[part] = (
                    [(key, _pack(value)) for key, value in changed.items() if value is not None],
                    [key for key, value in changed.items() if value is None],
                )
        return self._run(content, replace=False)

    def waits(self, estimates: Mapping[str, Estimate], learned: Mapping[str, Any] | None = None) -> bool:
        """What callers have to expect, by queue; with `learned`, what the estimating has learned, as plain values."""
        content: dict[str, tuple[Fields, Iterable[str]]] = {
            "waits": ([(queue, _pack(one)) for queue, one in estimates.items()], ())}
        if learned is not None:
            content["learned"] = ([(_WAITS, msgpack.packb(learned))], ())
        return self._run(content, replace=True)

    def down(self) -> bool:
        """The switch does not answer: what is there grows old."""
        return self._run({"meta": (_meta(up=False), ())}, replace=False)

    def availability(self, known: Availability | None) -> None:
        """Who is free and who is not there; None: nobody knows any more. Said again well within AVAILABILITY_S."""
        with redis_faults(self._client):
            if known is None:
                self._client.delete(self._free)
            else:
                self._client.set(self._free, pack_availability(known), ex=keys.AVAILABILITY_S)

    def _run(self, content: Mapping[str, tuple[Fields, Iterable[str]]], *, replace: bool) -> bool:
        args: list[Any] = [self._token, int(replace)]
        for new, gone in content.values():
            names = list(gone)
            args.append(len(new))
            for pair in new:
                args.extend(pair)
            args.append(len(names))
            args.extend(names)
        with redis_faults(self._client):
            return bool(self._write(keys=[self._lease, *(self._keys[part] for part in content)], args=args))


def read_floor(client: Redis, switch: str) -> Floor:
    """What is known of `switch`, at one moment; an empty floor without times when no link has ever run for it."""
    with redis_faults(client):
        pipe = client.pipeline(transaction=True)
        for part in (*_PARTS, "tiers", "meta", "waits"):
            pipe.hgetall(keys.floor(switch, part))
        *hashes, tiers, meta, waits = pipe.execute()
    parts = {
        part: _unpacked(cls, found) for (part, cls), found in zip(_PARTS.items(), hashes, strict=True)
    }
    known = {key.decode(errors="replace"): _load(value) for key, value in meta.items()}
    holder = holder_of(client, keys.floor(switch, "lease"))
    seen = Seen(core_uuid=str(known.get("core_uuid", "")), tiers=_tiers(tiers.get(_ALL.encode())), **parts)
    return Floor(
        switch, seen, _when(known.get("synced_at")), _when(known.get("heard_at")), bool(known.get("up")),
        str(holder or ""), _unpacked(Estimate, waits) if holder else {},
    )


def read_learned(client: Redis, switch: str) -> dict[str, Any]:
    """What the estimating of waits has learned on `switch`; empty where there is nothing, or nothing readable."""
    with redis_faults(client):
        packed = client.hget(keys.floor(switch, "learned"), _WAITS)
    try:
        found = msgpack.unpackb(packed, strict_map_key=False) if packed else {}
    except (ValueError, msgpack.UnpackException):
        return {}
    return found if isinstance(found, dict) else {}


def remembered(client: Redis) -> dict[str, RememberedStatus]:
    """The status of each agent, as last remembered."""
    with redis_faults(client):
        found = client.hgetall(keys.AGENT_STATUS)
    return _unpacked(RememberedStatus, found)


def remember(
    client: Redis, statuses: Mapping[str, RememberedStatus | None], runs: Mapping[str, str] | None = None,
    told: Sequence[bytes] = (),
) -> None:
    """Keep these, None forgets an agent, with the `runs` of switches, and put into the stream what is `told` of it.

    All of that or nothing: what is remembered and was not told would never be told any more.
    """
    gone = [agent for agent, status in statuses.items() if status is None]
    kept = {agent: _pack(status) for agent, status in statuses.items() if status is not None}
    with redis_faults(client):
        pipe = client.pipeline(transaction=True)
        if gone:
            pipe.hdel(keys.AGENT_STATUS, *gone)
        if kept:
            pipe.hset(keys.AGENT_STATUS, mapping=kept)
        if runs:
            pipe.hset(keys.AGENT_RUNS, mapping=runs)
        for payload in told:
            pipe.xadd(keys.EVENTS, {FIELD: payload})
        pipe.execute()  # nothing, where there is nothing


def _meta(**values: Any) -> Fields:
    return [(name, msgpack.packb(_scalar(value))) for name, value in values.items()]


def _pack(value: Any) -> bytes:
    return msgpack.packb(_plain(value))


def _plain(value: Any) -> dict[str, Any]:
    """The fields of a value that differ from their defaults."""
    found = {}
    for name, default in _fields(type(value)).items():
        item = getattr(value, name)
        if item != default and not (isinstance(item, Mapping) and not item):
            found[name] = _scalar(item)
    return found


def _scalar(item: Any) -> Any:
    if isinstance(item, datetime):
        return item.timestamp()
    return dict(item) if isinstance(item, Mapping) else item


@cache
def _fields(cls: type) -> dict[str, Any]:
    return {field.name: field.default for field in fields(cls)}


@cache
def _kinds(cls: type) -> dict[str, tuple[type, ...]]:
    """What each field may hold."""
    return {field.name: _KINDS[str(field.type)] for field in fields(cls)}


def _unpacked(cls: type[T], found: Mapping[bytes, bytes]) -> dict[str, T]:
    """Values by key. What cannot be read, of another version or broken, is left out and logged."""
    values = {}
    for key, packed in found.items():
        try:
            values[key.decode()] = _value(cls, msgpack.unpackb(packed))
        except _UNREADABLE as error:
            _say_unreadable(cls, error)
    return values


def _say_unreadable(cls: type, error: Exception) -> None:
    _log.warning("floor_entry_unreadable", kind=cls.__name__, error=repr(error)[:200])


def _value(cls: type[T], plain: Mapping[str, Any]) -> T:
    """Fields that a newer version has added are left out. TypeError for one that holds what it must not."""
    found = {}
    kinds = _kinds(cls)
    for name, item in plain.items():
        kind = kinds.get(name)
        if kind is None:
            continue
        value = _when(item) if datetime in kind else item
        if not isinstance(value, kind):
            raise TypeError(f"{name} is of type {type(item).__name__}")
        found[name] = value
    return cls(**found)


def _tiers(packed: bytes | None) -> tuple[SeenTier, ...]:
    found = _load(packed) if packed else None
    if not isinstance(found, list):
        return ()
    tiers = []
    for plain in found:
        try:
            tiers.append(_value(SeenTier, plain))
        except _UNREADABLE as error:
            _say_unreadable(SeenTier, error)
    return tuple(tiers)


def _load(packed: bytes) -> Any:
    try:
        return msgpack.unpackb(packed)
    except (ValueError, msgpack.UnpackException):
        return None


def _when(epoch: Any) -> datetime | None:
    """None for what is no time, or none that there is a date for."""
    try:
        return datetime.fromtimestamp(epoch, UTC) if isinstance(epoch, (int, float)) else None
    except (ValueError, OverflowError, OSError):
        return None
