"""The only place that starts greenlets: each is named, and an exception nobody caught reaches the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from fsapp.log import get_logger

__all__ = ["spawn"]

_log = get_logger("spawn")


def spawn(function: Callable[..., Any], *args: Any, name: str) -> gevent.Greenlet:
    """Run `function` in a greenlet called `name`; its uncaught exception is logged as `greenlet_died`."""
    greenlet = gevent.Greenlet(function, *args)
    greenlet.name = name
    greenlet.link_exception(_report)
    greenlet.start()
    return greenlet


def _report(greenlet: gevent.Greenlet) -> None:
    _log.error("greenlet_died", greenlet=greenlet.name, error=repr(greenlet.exception))
