"""One log chain for every process: named facts with values as keys. Personal data is masked here and nowhere else."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

__all__ = ["configure", "get_logger", "mask", "mask_personal"]

_PERSONAL = frozenset({"caller", "name", "number", "contact"})
_OURS = frozenset({"called", "event"})
_E164 = re.compile(r"(?<!\d)\+[1-9][0-9]{7,14}(?!\d)", re.ASCII)
_DETAIL = re.compile(r"(DETAIL: *)[^\n]+")  # PostgreSQL's: the values of the row that it refused
_DIGITS = re.compile(r"\d(?=\d{3})")


def mask(value: str) -> str:
    """A number with all but a prefix of four and the last three digits hidden: +381601234567 as +381******567."""
    head, tail = value[:4], value[4:]
    return head + _DIGITS.sub("*", tail)


def mask_personal(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A step of the log chain: numbers masked, names hidden; numbers in E.164 wherever they stand, in faults say."""
    for key, value in event.items():
        if key in _PERSONAL and isinstance(value, str):
            event[key] = "***" if key == "name" and value else mask(value)
        elif key not in _OURS:
            event[key] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        value = _DETAIL.sub(r"\1***", value) if "DETAIL:" in value else value
        return _E164.sub(lambda found: mask(found[0]), value) if "+" in value else value
    return type(value)(map(_masked, value)) if type(value) in (list, tuple) else value


class _Stderr:
    """Writes lines to what is stderr at that moment. A reader who has gone costs the line, never the call."""

    def __init__(self, *_args: object) -> None:
        pass

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed, full, or nobody reads it
            print(line, file=sys.stderr, flush=True)

    log = debug = info = warning = warn = error = critical = exception = fatal = failure = msg


def configure(level: str = "info", *, json: bool = False, mask_numbers: bool = True) -> None:
    """Send log lines to stderr; call once a process, before the first line."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    processors.append(structlog.processors.format_exc_info)
    if mask_numbers:
        processors.append(mask_personal)  # what exceptions say too
    processors.append(
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=_Stderr,
        cache_logger_on_first_use=False,  # a logger kept for good would not hear of a later `configure`
    )


def get_logger(name: str) -> Any:
    return structlog.get_logger(part=name)
