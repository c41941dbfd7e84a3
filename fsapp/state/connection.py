"""The connection to Redis, and what its errors mean in one line each. Knows no key but the probe, keeps no state.

Clients made here never retry on their own: who is in a hurry (a visit) decides without Redis, who is not says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)
from redis.retry import Retry

from fsapp.errors import StateError, StateRefused, StateUnavailable
from fsapp.log import get_logger
from fsapp.state import keys

__all__ = ["OLDEST", "PATIENT_S", "Address", "address", "check", "connect", "redis_faults", "translate", "write_probe"]

OLDEST = (6, 2)
PATIENT_S = 30.0

_log = get_logger("state")


class Address(Protocol):
    """Where Redis is, and how many seconds a wait for it may take: the settings, or what a script in the switch has."""

    @property
    def redis_url(self) -> str: ...

    @property
    def redis_timeout_s(self) -> float: ...


def connect(settings: Address, timeout_s: float | None = None) -> redis.Redis:
    """A client for `settings.redis_url`; it connects at the first command.

    Every wait for Redis ends after `timeout_s`, else after `settings.redis_timeout_s`. StateRefused if the address
    asks for something that the client does not know.
    """
    timeout_s = timeout_s or settings.redis_timeout_s
    try:
        client = redis.Redis.from_url(
            settings.redis_url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, protocol=2,
            retry=Retry(NoBackoff(), 0), decode_responses=False,
        )
        client.connection_pool.make_connection()
    except (ValueError, TypeError) as error:
        raise StateRefused(f"the Redis address is not usable ({error}): set FSAPP_REDIS_URL") from None
    return client


def address(client: redis.Redis) -> str:
    """Where a client connects to, as a URL that never holds a password."""
    known = client.connection_pool.connection_kwargs
    if "path" in known:
        return f"unix://{known['path']}"
    scheme = "rediss" if issubclass(client.connection_pool.connection_class, redis.SSLConnection) else "redis"
    return f"{scheme}://{known.get('host', 'localhost')}:{known.get('port', 6379)}/{known.get('db') or 0}"


def translate(error: RedisError, where: str = "") -> StateError:
    """What an exception of the Redis client means, in one line that says what to do."""
    at = f"Redis at {where}" if where else "Redis"
    text = str(error)
    if isinstance(error, AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        return StateRefused(f"{at} refuses the password: put the right one into FSAPP_REDIS_URL")
    if isinstance(error, BusyLoadingError) or text.startswith("LOADING"):
        return StateUnavailable(f"{at} is still loading its data: wait until it is done")
    if isinstance(error, (ConnectionError, TimeoutError)):
        return StateUnavailable(f"{at} does not answer: start it, or set FSAPP_REDIS_URL")
    # Inside a script the word stands somewhere in the text.
    if "OOM command not allowed" in text or "used memory > 'maxmemory'" in text:
        return StateRefused(f"{at} is full: raise its maxmemory, or remove what is not needed")
    if isinstance(error, ReadOnlyError) or "READONLY" in text or "read only replica" in text:
        return StateRefused(f"{at} is a read-only replica: set FSAPP_REDIS_URL to its primary")
    if "MISCONF" in text:
        return StateRefused(f"{at} cannot save to its disk and takes no writes: mend its disk, see the log of Redis")
    if "NOREPLICAS" in text:
        return StateRefused(f"{at} takes no writes without its replicas (min-replicas-to-write): start them")
    if isinstance(error, NoPermissionError) or "NOPERM" in text:
        return StateRefused(f"{at} does not permit this user what fsapp needs: see its ACL")
    return StateRefused(f"{at} refuses: {' '.join(text.split())[:200]}")


@contextmanager
def redis_faults(client: redis.Redis) -> Iterator[None]:
    """Exceptions of the Redis client inside come out as StateUnavailable or StateRefused."""
    try:
        yield
    except RedisError as error:
        raise translate(error, address(client)) from error


def write_probe(client: redis.Redis) -> None:
    """Whether Redis takes writes; StateUnavailable or StateRefused with one line if not."""
    with redis_faults(client):
        client.set(keys.PROBE, b"", ex=keys.PROBE_S)


def check(client: redis.Redis) -> None:
    """Whether Redis answers, is new enough and takes writes; StateUnavailable or StateRefused with one line if not."""
    with redis_faults(client):
        version = str(client.info("server")["redis_version"])
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
            raise StateRefused(f"Redis at {address(client)} is version {version}, fsapp needs 6.2 or newer")
        write_probe(client)
        memory = client.info("memory")
        if memory.get("maxmemory") and memory.get("maxmemory_policy") != "noeviction":
            _log.warning("redis_may_evict", policy=memory["maxmemory_policy"], do="set maxmemory-policy noeviction")
