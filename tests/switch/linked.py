"""Links of this process to the switch, and waiting for what they do as greenlets wait. No tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from machine import PASSWORD, Switch

from fsapp.app.link import LinkProcess

__all__ = ["PATIENCE_S", "Links", "until"]

PATIENCE_S = 30


def until(condition: Callable[[], Any], what: str) -> Any:
    """Ask until `condition` holds, and say what it says; AssertionError saying `what` did not happen in time."""
    with gevent.Timeout(PATIENCE_S, AssertionError(f"not within {PATIENCE_S} s: {what}")):
        while not (found := condition()):
            gevent.sleep(0.02)
        return found


class Links:
    """Called, starts a link that reads the whole floor once alone; another one once that has ended."""

    def __init__(self, switch: Switch, redis_server: Any) -> None:
        self._settings = redis_server.settings.model_copy(update={
            "switch": f"127.0.0.1:{switch.event_port}", "switch_password": PASSWORD, "link_http": "127.0.0.1:0",
            "sync_s": 3600.0,
        })
        self._started: list[LinkProcess] = []

    def __call__(self) -> LinkProcess:
        process = LinkProcess(self._settings)
        process.start()
        self._started.append(process)
        until(lambda: process.watch is not None and process.watch.up, "the link is up")
        return process

    def stop(self) -> None:
        while self._started:
            self._started.pop().stop()
