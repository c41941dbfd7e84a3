"""Who was erased lately, as keyed hashes: what is heard late of before makes nothing in Redis again. No number is kept.

For two days, which is longer than any call lasts: until then the end of a call of before may be told. The key is made
up for it and goes with it; whoever has that can find out whether a number they know was erased within that time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import redis

from fsapp.state import keys
from fsapp.state.connection import redis_faults

__all__ = ["Erased"]

_AT_ONCE = 500
_LENGTHS = ("lasted_s", "talked_s", "waited_s")


class Erased:
    """Every method raises StateUnavailable or StateRefused when Redis does not do it."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def add(self, numbers: Iterable[str], passing: Iterable[str], at: float) -> None:
        """Remember that `numbers` (E.164) were erased at `at` (epoch seconds); `passing`: calls and tasks of theirs."""
        known = sorted({*numbers, *passing})
        if not known:
            return
        with redis_faults(self._client):
            self._client.set(keys.ERASED_KEY, secrets.token_bytes(32), nx=True)
            key = self._client.get(keys.ERASED_KEY) or b""
            with self._client.pipeline(transaction=False) as together:
                for place in range(0, len(known), _AT_ONCE):
                    together.zadd(keys.ERASED, {_hash(key, one): at for one in known[place: place + _AT_ONCE]})
                together.zremrangebyscore(keys.ERASED, "-inf", at - keys.ERASED_S)
                together.expire(keys.ERASED, keys.ERASED_S)
                together.expire(keys.ERASED_KEY, keys.ERASED_S)
                together.execute()

    def was_before(self, fact: Mapping[str, Any], number: str) -> bool:
        """Whether a fact of the link about `number` (E.164) is of a time before it was erased.

        The call or task that it names was there then, or what it tells of had begun. Somebody who calls afterwards is
        somebody new.
        """
        named = [str(fact[name]) for name in ("call", "task") if fact.get(name)]
        with redis_faults(self._client):
            key = self._client.get(keys.ERASED_KEY)
            if not key:
                return False
            erased_at, *others = self._client.zmscore(keys.ERASED, [_hash(key, one) for one in (number, *named)])
        return any(one is not None for one in others) or (erased_at is not None and _began(fact) <= erased_at)


def _hash(key: bytes, identity: str) -> str:
    return hmac.new(key, identity.encode(), hashlib.sha256).hexdigest()[:40]


def _began(fact: Mapping[str, Any]) -> float:
    """When what a fact tells of had begun, as far as it says: its call, if that is known."""
    lasted = max((float(fact[name]) for name in _LENGTHS if isinstance(fact.get(name), (int, float))), default=0.0)
    began = float(fact.get("at", 0)) - max(0.0, lasted)
    return min(began, float(fact.get("came_at", began)))
