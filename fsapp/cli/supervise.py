"""Keeps programs running: starts each again when it dies, ends all when asked. Knows nothing of what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

__all__ = ["supervise"]

_LOOK_S = 0.1
_SETTLED_S = 5.0     # a part that lived so long has started well
_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 30.0
_STOP_S = 20.0       # what a part may take to end; then it is killed
_REFUSED = (1, 2)    # it said why, and would say it again


def supervise(
    parts: Mapping[str, Sequence[str]], say: Callable[[str], None], spared: Collection[str] = (),
) -> int:
    """Run the commands in `parts` (by name) until SIGTERM, SIGHUP or Ctrl-C; the exit status.

    A part that ends is started again after 2 s, then 4, at most 30. One that refuses (status 1 or 2) before any of
    its runs has lasted 5 s ends all, as it has said what is wrong, unless it is one of `spared`: the others are better
    off running without it. `say` gets a line whenever a part ends by itself.
    """
    stopping = False

    def stop(_number: int, _frame: Any) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    running = [_Part(name, command, say, name in spared) for name, command in parts.items()]
    status, ended = 0, 0
    try:
        while not (stopping or status):
            status = max(part.look() for part in running)
            time.sleep(_LOOK_S)
    finally:
        ended = _end(running)
    return max(status, ended)


class _Part:
    """One command: its process, if it runs, and when it may be started again."""

    def __init__(self, name: str, command: Sequence[str], say: Callable[[str], None], spared: bool) -> None:
        self._name = name
        self._command = list(command)
        self._say = say
        self._start_at = 0.0
        self._started = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._settled = spared
        self.process: subprocess.Popen[bytes] | None = None

    def look(self) -> int:
        """Start it if it is time; its exit status if it refuses to run at all, else 0."""
        now = time.monotonic()
        if self.process is None:
            if now >= self._start_at:
                # A group of its own: Ctrl-C reaches it once, from here.
                self.process = subprocess.Popen(self._command, env=os.environ, process_group=0)
                self._started = now
            return 0
        status = self.process.poll()
        if status is None:
            return 0
        self.process = None
        if now - self._started >= _SETTLED_S:
            self._settled, self._pause_s = True, _FIRST_PAUSE_S
        elif status in _REFUSED and not self._settled:
            return status
        how = f"died with status {status}" if status else "ended"
        self._say(f"{self._name} {how}, starting it again in {self._pause_s:g} s")
        self._start_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return 0


def _end(parts: Sequence[_Part]) -> int:
    """Ask all to end, wait for them, kill who does not; the worst status of those that ended by themselves."""
    processes = [part.process for part in parts if part.process is not None]
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    until = time.monotonic() + _STOP_S
    status = 0
    for process in processes:
        try:
            # Below 0: ended by the signal itself, while it was starting: that is what was asked for.
            status = max(status, process.wait(max(until - time.monotonic(), 0)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = max(status, 1)
    return status
