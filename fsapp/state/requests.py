"""Requests to the link of a switch, and its answers, by way of Redis. Knows none of the things that can be asked.

A request that nobody takes in time is never carried out later: it says until when it is wanted, by the clock of Redis.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgpack
from redis import Redis

from fsapp.errors import NoLink, RequestRefused
from fsapp.state import keys
from fsapp.state.connection import redis_faults

__all__ = ["Request", "answer", "ask", "next_request"]

_SLICE_S = 1.0
_MOST_WAITING = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """`what["do"]` names what is asked for; the rest belongs to it. `left_s`: how long somebody still waits."""

    id: str
    what: Mapping[str, Any]
    left_s: float


def ask(client: Redis, switch: str, what: Mapping[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
    """Have the link of `switch` do `what`, and return what it answers.

    NoLink when none runs or it does not answer in time, RequestRefused with its faults when it refuses. `timeout_s` is
    at most keys.REQUEST_S.
    """
    id_ = uuid4().hex
    timeout_s = min(timeout_s, keys.REQUEST_S)
    requests, answers = keys.floor(switch, "requests"), keys.floor(switch, f"answer:{id_}")
    with redis_faults(client):
        if not client.exists(keys.floor(switch, "lease")):
            raise NoLink(f"no link runs for switch {switch}: start `fsapp link`")
        pipe = client.pipeline(transaction=True)
        pipe.rpush(requests, msgpack.packb({"id": id_, "what": dict(what), "until": _now(client) + timeout_s}))
        # Nobody takes them: the newest are kept.
        pipe.ltrim(requests, -_MOST_WAITING, -1)
        pipe.expire(requests, keys.REQUEST_S)
        pipe.execute()
        found = _pop(client, answers, timeout_s)
    if found is None:
        raise NoLink(f"the link to switch {switch} did not answer within {timeout_s:g} s: see its log")
    if found.get("faults"):
        faults = [str(fault) for fault in found["faults"]]
        raise RequestRefused(faults[0], faults)
    return found.get("result") or {}


def next_request(client: Redis, switch: str, timeout_s: float) -> Request | None:
    """The next request that somebody still waits for, None when there is none within `timeout_s`."""
    with redis_faults(client):
        found = _pop(client, keys.floor(switch, "requests"), timeout_s)
        if found is None:
            return None
        left_s = float(found.get("until") or 0) - _now(client)
    what = found.get("what")
    if left_s <= 0 or not isinstance(what, dict) or not isinstance(found.get("id"), str):
        return None
    return Request(found["id"], what, left_s)


def answer(
    client: Redis, switch: str, request: Request, result: Mapping[str, Any] | None, faults: Sequence[str] = (),
) -> None:
    """Tell who asked: `result`, or the faults for which nothing was done."""
    key = keys.floor(switch, f"answer:{request.id}")
    with redis_faults(client):
        pipe = client.pipeline(transaction=True)
        pipe.rpush(key, msgpack.packb({"result": result, "faults": list(faults)}, default=str))
        pipe.expire(key, keys.REQUEST_S)
        pipe.execute()


def _pop(client: Redis, key: str, timeout_s: float) -> dict[str, Any] | None:
    """The first of a list, waited for in pieces that no time limit of the client ends."""
    limit_s = client.connection_pool.connection_kwargs.get("socket_timeout") or _SLICE_S * 2
    until = time.monotonic() + timeout_s
    while (left_s := until - time.monotonic()) > 0:
        found = client.blpop([key], timeout=max(0.01, min(left_s, _SLICE_S, limit_s / 2)))
        if found is not None:
            return _load(found[1])
    return None


def _load(packed: bytes) -> dict[str, Any]:
    try:
        found = msgpack.unpackb(packed)
    except (ValueError, msgpack.UnpackException):
        return {}
    return found if isinstance(found, dict) else {}


def _now(client: Redis) -> float:
    seconds, micros = client.time()
    return seconds + micros / 1_000_000
