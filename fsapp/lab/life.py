"""What runs in a switch by itself: the dispatcher's tick and the heartbeat. Decides nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gevent.event import Event

from fsapp.lab.callcenter import TICK_S
from fsapp.lab.headers import heartbeat
from fsapp.spawn import spawn

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["Life"]

_STOP_S = 5.0             # real seconds each part may take to end
_SHORTEST_TICK_S = 0.001  # real seconds, however fast the clock


class Life:
    """One run of a switch, from its start until `end`."""

    def __init__(self, switch: Switch, heartbeat_s: float) -> None:
        self._switch = switch
        self._heartbeat_s = heartbeat_s
        self._over = Event()
        self._parts: list[Any] = [
            spawn(self._dispatch, name="lab-dispatcher"), spawn(self._beat, name="lab-heart"),
        ]

    def end(self) -> None:
        """Stop, and wait until everything has."""
        self._over.set()
        for part in self._parts:
            part.join(_STOP_S)

    def _dispatch(self) -> None:
        clock = self._switch.clock
        next_at = clock.now()
        while not self._over.is_set():
            self._switch.callcenter.dispatch()
            next_at = max(next_at + TICK_S, clock.now())
            clock.wait(self._over, max(next_at - clock.now(), _SHORTEST_TICK_S * clock.speed))

    def _beat(self) -> None:
        switch = self._switch
        while not switch.clock.wait(self._over, self._heartbeat_s):
            if switch.heard("HEARTBEAT"):
                lasted_s = switch.clock.now() - switch.started_at
                switch.fire("HEARTBEAT", extra=heartbeat(lasted_s, len(switch.channels), switch.sessions))
