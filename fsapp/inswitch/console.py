"""The log of the scripts inside the switch: fsapp's log chain, its lines written to the switch's own log."""

from __future__ import annotations

from typing import Any

import structlog

from fsapp.log import mask_personal

__all__ = ["attach"]

# What the switch calls its levels.
_LEVELS = {"warn": "warning", "error": "err", "critical": "crit", "exception": "err", "fatal": "crit", "failure": "err",
           "log": "info", "msg": "info"}


class _Console:
    """Writes lines to the log of one `freeswitch` module."""

    def __init__(self, freeswitch: Any) -> None:
        self._write = freeswitch.consoleLog

    def __getattr__(self, level: str) -> Any:
        return lambda line: self._write(_LEVELS.get(level, level), f"fsapp: {line}\n")


def attach(freeswitch: Any) -> None:
    """From now on fsapp's log lines of this process go to the switch's log, unless somebody has said where they go.

    Numbers are shown with the middle hidden; every value is written as Python writes it, so that none can start a line
    of its own.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[mask_personal, structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=lambda *_args: _Console(freeswitch),
        cache_logger_on_first_use=False,
    )
