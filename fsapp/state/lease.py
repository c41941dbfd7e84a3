"""A lease in Redis: at most one process at a time does something, and it is known which. Does none of it itself.

The holder renews it well within its life. One that died leaves it to run out, unless it can be seen from here that it
is dead: then its successor need not wait.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from uuid import uuid4

import msgpack
from redis import Redis

from fsapp.errors import StateRefused
from fsapp.state import keys
from fsapp.state.connection import redis_faults
from fsapp.state.scripts import HOLD_LEASE, RELEASE_LEASE

__all__ = ["Holder", "Lease", "holder_of"]

_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that may hold a lease. `pids`: which numbering of processes its pid belongs to."""

    host: str
    pid: int
    pids: str
    id: str

    @classmethod
    def here(cls) -> Holder:
        return cls(socket.gethostname(), os.getpid(), _pids(), uuid4().hex)

    def __str__(self) -> str:
        return f"{self.host} pid {self.pid}"

    def is_dead(self) -> bool:
        """Whether it ran here and is gone; False where that cannot be seen."""
        if not self.pids or (self.host, self.pids) != (socket.gethostname(), _pids()) or self.pid == os.getpid():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class Lease:
    """The lease at `key`, for one process. StateUnavailable or StateRefused when Redis does not do as asked."""

    def __init__(self, client: Redis, key: str, what: str, life_s: float = keys.LINK_LEASE_S) -> None:
        self.holder = Holder.here()
        self.life_s = life_s
        self.token = msgpack.packb(asdict(self.holder))
        self._client = client
        self._key = key
        self._what = what
        self._hold = client.register_script(HOLD_LEASE)
        self._release = client.register_script(RELEASE_LEASE)

    def acquire(self, wait: Callable[[float], bool]) -> bool:
        """Take it. StateRefused, naming the holder, once that one has given a sign of life.

        `wait` waits so many seconds and says whether to give up; then False is returned.
        """
        left_before: float | None = None
        while (other := self.hold()) is not None:
            holder, left_s = other
            if holder is not None and holder.is_dead() and self.hold(instead_of=holder) is None:
                break
            if left_before is not None and left_s > left_before:
                raise self.refusal(holder)
            left_before = left_s
            if wait(_LOOK_S):
                return False
        return True

    def hold(self, instead_of: Holder | None = None) -> tuple[Holder | None, float] | None:
        """Take or renew it: None when it is ours, else who has it and for how many seconds more."""
        instead = b"" if instead_of is None else msgpack.packb(asdict(instead_of))
        with redis_faults(self._client):
            ours, held, left_ms = self._hold(
                keys=[self._key], args=[self.token, int(self.life_s * 1000), instead])
        return None if ours else (_holder(held), max(0, left_ms) / 1000)

    def release(self) -> None:
        """Give it up, if it is ours."""
        with redis_faults(self._client):
            self._release(keys=[self._key], args=[self.token])

    def refusal(self, holder: Holder | None) -> StateRefused:
        return StateRefused(f"{self._what} is held by {holder or 'another process'}: stop that one first")


def holder_of(client: Redis, key: str) -> Holder | None:
    """Who holds the lease at `key`; None when nobody does."""
    with redis_faults(client):
        held = client.get(key)
    return _holder(held) if held else None


def _holder(held: bytes) -> Holder | None:
    try:
        return Holder(**msgpack.unpackb(held))
    except (ValueError, TypeError, msgpack.UnpackException):
        return None


def _pids() -> str:
    """Names the boot and the namespace that pids are counted in; empty where the system does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()}:{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""
