"""One log chain for every process: named facts with values as keys. Personal data is masked here and nowhere else."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

__all__ = ["Hidden", "configure", "get_logger", "hide", "mask", "mask_personal"]

_PERSONAL = frozenset({"caller", "name", "number", "contact"})
_OURS = frozenset({"called", "event"})
_DETAIL = re.compile(r"(DETAIL: *)[^\n]+")  # PostgreSQL's: the values of the row that it refused
# In E.164, in an address too (%2B), and as others write them in one piece (0601234567, 00381..., 381...); no parts of
# uuids, places of the stream, times.
_NUMBER = re.compile(
    r"(?<![0-9])(?:\+|%2B)[1-9][0-9]{7,14}(?![0-9])"
    r"|(?<![\w.+-])(?:0{1,2}[1-9][0-9]{6,14}|[1-9][0-9]{8,14})(?![\w-]|\.[0-9])", re.ASCII | re.IGNORECASE)
_DIGITS = re.compile(r"\d(?=\d{3})")


def mask(value: str) -> str:
    """A number with all but its beginning and the last three digits hidden: +381601234567 as +381******567."""
    shown = 4 if value.startswith("+") else 2
    return value[:shown] + _DIGITS.sub("*", value[shown:])


def hide(text: str) -> str:
    """A text with the numbers in it masked, wherever they stand, and without the row that PostgreSQL quotes."""
    text = _DETAIL.sub(r"\1***", text) if "DETAIL:" in text else text
    return _NUMBER.sub(lambda found: mask(found[0]), text)


def mask_personal(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A step of the log chain: numbers masked, names hidden; numbers wherever they stand, in faults say."""
    for key, value in event.items():
        if key in _PERSONAL and isinstance(value, str):
            event[key] = "***" if key == "name" and value else mask(value)
        elif key not in _OURS:
            event[key] = _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return hide(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if type(value) in (list, tuple):
        return type(value)(map(_masked, value))
    if isinstance(value, dict):
        return mask_personal(None, "", {str(key): one for key, one in value.items()})
    return hide(repr(value))


class Hidden:
    """A stream for those who print past the log, of exceptions that nobody caught: to stderr, numbers masked."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(hide(text))
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


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
