"""The floor's way into Redis: the newest picture is kept until Redis has it. The switch's events never wait for it.

While Redis is away only the newest picture counts; it is written whole when Redis is back. Also keeps the lease.

A picture is written after the facts that led to it: should we be killed in between, who comes next finds them once more
by comparing, and tells them twice, which is once. The other way round nobody would ever tell them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from gevent.event import Event

from fsapp.core.availability import Availability, availability
from fsapp.core.floor import Seen
from fsapp.core.floor_change import NOTHING, Changes
from fsapp.errors import StateError, StateRefused
from fsapp.log import get_logger
from fsapp.spawn import spawn
from fsapp.state import keys
from fsapp.state.floor import FloorWriter
from fsapp.state.lease import Lease

__all__ = ["KeptFloor"]

_AGAIN_S = 0.5
_IDLE_S = 1.0
_STOP_S = 3.0
_UNTOLD_S = 30.0  # so long a picture waits for facts that cannot be written, no longer
_log = get_logger("link")


class KeptFloor:
    """A Picture. `lost` is called with what to say when another process has taken the lease.

    `told` waits, for a while at most, until the facts that were told so far are written, and says whether they are.
    """

    def __init__(
        self, writer: FloorWriter, lease: Lease, lost: Callable[[StateRefused], None],
        told: Callable[[], bool] = lambda: True,
    ) -> None:
        self.fault = ""
        self._writer = writer
        self._lease = lease
        self._lost = lost
        self._told = told
        self._untold_since: float | None = None
        self._seen: Seen | None = None
        self._up = False
        self._synced_at = self._heard_at = datetime.now(UTC)
        self._pending = NOTHING
        self._heard = self._whole = self._down = False
        self._available: tuple[Availability | None, float] = (None, 0.0)  # what was said of the agents, and when
        self._renewed = time.monotonic()
        self._wake = Event()
        self._stopping = Event()
        self._greenlet = spawn(self._run, name="kept-floor")

    def whole(self, seen: Seen, at: datetime) -> None:
        self._seen, self._synced_at, self._heard_at = seen, at, at
        self._whole, self._down, self._up = True, False, True
        self._wake.set()

    def change(self, seen: Seen, changes: Changes, at: datetime) -> None:
        self._seen, self._heard_at = seen, at
        self._pending |= Changes(changes.agents, changes.members, changes.calls)
        self._heard = True
        self._wake.set()

    def down(self) -> None:
        self._down, self._up = True, False
        self._wake.set()

    def stop(self) -> None:
        """Write what is in hand, say that nobody looks any more, give up the lease."""
        self._stopping.set()
        self._wake.set()
        self._greenlet.join(_STOP_S)
        self._greenlet.kill(timeout=1)
        try:
            self._up = False
            self._write()
            self._writer.down()
            self._lease.release()
        except StateError as error:
            _log.warning("lease_not_released", error=str(error))

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self.fault:
                self._stopping.wait(_AGAIN_S)
            else:
                self._wake.wait(_IDLE_S)
            self._wake.clear()
            try:
                self._renew()
                self._write()
            except StateError as error:
                self._held(str(error))
            except Exception as error:  # noqa: BLE001  the picture is written again, whatever it was
                _log.exception("floor_failed")
                self._held(repr(error))
            else:
                if self.fault:
                    _log.info("floor_caught_up")
                self.fault = ""

    def _held(self, fault: str) -> None:
        if fault != self.fault:
            _log.error("floor_held", error=fault, meanwhile="the newest is kept until Redis is back")
        self.fault = fault
        # Whoever answers next may be an empty Redis.
        self._whole = True
        self._available = (None, 0.0)

    def _renew(self) -> None:
        """Well within the life of the lease. After an outage it is taken again, unless another process was faster."""
        if not self.fault and time.monotonic() - self._renewed < self._lease.life_s / 4:
            return
        other = self._lease.hold()
        if other is not None:
            self._give_up(self._lease.refusal(other[0]))
            return
        self._renewed = time.monotonic()

    def _write(self) -> None:
        if self._seen is None:
            return
        whole, changes, heard = self._whole, self._pending, self._heard
        seen, synced_at, heard_at = self._seen, self._synced_at, self._heard_at
        self._whole, self._pending, self._heard = False, NOTHING, False
        if (whole or changes != NOTHING) and not self._all_told():
            # Later, with what has come meanwhile. Whether Redis is there at all, renewing the lease says.
            self._whole, self._pending, self._heard = self._whole or whole, changes | self._pending, True
            self._renewed = float("-inf")
            self._write_available()
            self._wake.set()
            return
        ours = True
        if whole:
            ours = self._writer.whole(seen, synced_at)
        elif heard:
            ours = self._writer.change(changes, heard_at)
        if self._down and ours:
            self._down = False
            ours = self._writer.down()
        if ours:
            self._write_available()
        else:
            # Run out while Redis or this process stood still: taken again if nobody else has it.
            self._whole, self._renewed = True, 0.0
            self._wake.set()

    def _all_told(self) -> bool:
        """Whether the picture may be written."""
        if self._told():
            self._untold_since = None
            return True
        now = time.monotonic()
        self._untold_since = now if self._untold_since is None else self._untold_since
        return now - self._untold_since > _UNTOLD_S

    def _write_available(self) -> None:
        """Again before it runs out; not while the switch is away: then nobody knows."""
        known = availability(self._seen) if self._seen is not None and self._up else None
        said, at = self._available
        now = time.monotonic()
        if known != said or (known is not None and now - at > keys.AVAILABILITY_S / 3):
            self._writer.availability(known)
            self._available = (known, now)

    def _give_up(self, refusal: StateRefused) -> None:
        self._stopping.set()
        self._lost(refusal)
