"""The module `freeswitch` as scripts of mod_python3 see it, over the lab: those parts that scripts here may need.

What is not here raises AttributeError, so that a script's test says so. Decides nothing and loads no script.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import structlog

from fsapp.lab.wire import encode
from fsapp.log import get_logger

if TYPE_CHECKING:
    from fsapp.lab.channel import Channel
    from fsapp.lab.switch import Switch

__all__ = ["API", "SWITCH", "Event", "Session", "Stream", "install"]

_log = get_logger("lab")
SWITCH: ContextVar[Switch] = ContextVar("lab_switch")  # whose script runs in this greenlet
_INVALID = "INVALID COMMAND!\n"
_LEVELS = {"alert": "error", "crit": "error", "err": "error", "error": "error", "warning": "warning", "debug": "debug"}


def text(value: Any, method: str, place: int) -> str:
    """A value given to the switch as it arrives there: up to the first NUL, None as an empty text.

    TypeError as SWIG raises it for what is no text. A lone surrogate ends a real FreeSWITCH 1.10.12 on the spot
    (seen): here it raises UnicodeEncodeError.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"in method '{method}', argument {place} of type 'char *'")
    try:
        value.encode()
    except UnicodeEncodeError:
        _log.error("switch_would_die", method=method, value=ascii(value))
        raise
    return value.partition("\0")[0]


class Session:
    """One call leg, as `handler(session, args)` gets it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def getVariable(self, var: str) -> str | None:  # noqa: N802 - the switch's name
        return self._channel.get(text(var, "CoreSession_getVariable", 2)) or None

    def setVariable(self, var: str, val: str | None) -> None:  # noqa: N802
        name = text(var, "CoreSession_setVariable", 2)
        self._channel.set(name, text(val, "CoreSession_setVariable", 3))

    def execute(self, app: str, data: str | None = None) -> None:
        """Run an application; one that does not exist hangs up, as in the dialplan."""
        if self._channel.up:
            self._channel.execute(
                text(app, "CoreSession_execute", 2), text(data, "CoreSession_execute", 3))

    def transfer(self, extension: str, dialplan: str | None = None, context: str | None = None) -> int:
        return int(self._channel.transfer(
            text(extension, "CoreSession_transfer", 2), text(dialplan, "CoreSession_transfer", 3) or "XML",
            text(context, "CoreSession_transfer", 4)))

    def hangup(self, cause: str = "normal_clearing") -> None:
        self._channel.hangup(text(cause, "CoreSession_hangup", 2).upper(), "hangup")

    def answer(self) -> int:
        self._channel.answer()
        return 1

    def preAnswer(self) -> int:  # noqa: N802
        self._channel.early_media()
        return 1

    def ready(self) -> bool:
        """Whether the call is neither hung up nor transferred."""
        return self._channel.ready

    def answered(self) -> bool:
        return self._channel.answered

    def bridged(self) -> bool:
        return self._channel.up and self._channel.bridged

    def get_uuid(self) -> str:
        return self._channel.uuid

    def hangupCause(self) -> str:  # noqa: N802
        return self._channel.hangup_cause or "NONE"

    def getState(self) -> str:  # noqa: N802
        return "CS_HANGUP" if self._channel.hangup_cause else self._channel.state

    def sleep(self, ms: int, sync: int = 0) -> int:  # noqa: ARG002 - the switch's own signature
        self.execute("sleep", str(ms))
        return 1

    def streamFile(self, file: str, starting_sample_count: int = 0) -> int:  # noqa: N802, ARG002
        self.execute("playback", file)
        return 1

    def consoleLog(self, level_str: str, msg: str) -> None:  # noqa: N802
        console_log(level_str, msg)


class Event:
    """Headers, as `xml_fetch(params, args)` and `fsapi(session, stream, env, args)` get them."""

    def __init__(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        self._headers = list(headers)

    def getHeader(self, header_name: str) -> str | None:  # noqa: N802
        wanted = header_name.lower()
        return next((value for name, value in self._headers if name.lower() == wanted), None)

    def addHeader(self, header_name: str, value: str) -> bool:  # noqa: N802
        self._headers.append((header_name, value))
        return True

    def getBody(self) -> str | None:  # noqa: N802
        return None

    def serialize(self, format: str | None = None) -> str:  # noqa: A002, ARG002 - the switch's own signature
        return "".join(f"{name}: {encode(value)}\n" for name, value in self._headers) + "\n"


class Stream:
    """What an API command of a script prints."""

    def __init__(self) -> None:
        self._written: list[str] = []

    def write(self, data: str) -> None:
        self._written.append(text(data, "Stream_write", 2))

    def get_data(self) -> str:
        return "".join(self._written)


class API:
    """API commands."""

    def execute(self, command: str, data: str | None = None) -> str:
        return self.executeString(f"{command} {data or ''}")

    def executeString(self, command: str) -> str:  # noqa: N802
        from fsapp.lab import api  # api runs scripts as well: imported when both are there

        answer = api.answer(SWITCH.get(), text(command, "API_executeString", 2))
        return _INVALID if answer is None else answer

    def getTime(self) -> str:  # noqa: N802
        return str(SWITCH.get().clock_us() // 1000)


def console_log(level_str: str, msg: str) -> None:
    """A line in the switch's log."""
    write = getattr(_log, _LEVELS.get(level_str.lower(), "info"))
    write("script_says", text=text(msg, "consoleLog", 2).rstrip("\n"))


def get_global_variable(var_name: str) -> str | None:
    return SWITCH.get().variables.get(text(var_name, "getGlobalVariable", 1)) or None


def set_global_variable(var_name: str, var_val: str) -> None:
    SWITCH.get().variables[text(var_name, "setGlobalVariable", 1)] = text(var_val, "setGlobalVariable", 2)


def install() -> None:
    """Have `import freeswitch` find this, unless something else is there already; and scripts keep the lab's log."""
    if not structlog.is_configured():
        structlog.configure()  # a script that finds no log makes the switch's its own, and there it would hear itself
    if "freeswitch" in sys.modules:
        return
    module = types.ModuleType("freeswitch", __doc__)
    for name, value in {
        "API": API, "Session": Session, "Event": Event, "Stream": Stream, "consoleLog": console_log,
        "console_log": console_log, "getGlobalVariable": get_global_variable,
        "setGlobalVariable": set_global_variable, "running": lambda: True,
        "msleep": lambda ms: SWITCH.get().clock.sleep(ms / 1000),
    }.items():
        setattr(module, name, value)
    sys.modules["freeswitch"] = module
