"""The bytes of the event socket: encoding values, reading commands, sending without blocking. Knows no command."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Any

from gevent.event import Event

from fsapp.spawn import spawn

__all__ = ["GOODBYE", "Command", "Reader", "Sender", "encode", "event_message", "reply"]

GOODBYE = "Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
IDLE_S = 3600.0          # real seconds a connection may say nothing
SEND_S = 10.0            # real seconds the other side may take to read
MAX_COMMAND = 1_000_000  # bytes of one command with its body
MAX_PENDING = 64_000_000  # bytes kept for a listener that does not read

_END = re.compile(rb"\r?\n\r?\n")
_SAFE = re.compile(r"[A-Za-z0-9_./*()!$',~-]*\Z")
# What the real switch encodes; a percent sign that already starts an encoded byte stays as it is.
_UNSAFE = re.compile('[^\x20-\x7e]|[ "#&+:;<=>?@\\[\\\\\\]^`{|}]|%(?![0-9A-F]{2})')


def encode(value: str) -> str:
    """A header value as the switch writes it: URL-encoded once, never empty of line ends."""
    if _SAFE.match(value):
        return value
    text = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text)


def reply(text: str, *more: str) -> str:
    """A command/reply with this Reply-Text and further header lines."""
    return "\n".join(("Content-Type: command/reply", f"Reply-Text: {text}", *more)) + "\n\n"


def event_message(event: str) -> str:
    """A serialized event as a message of a listener."""
    return f"Content-Length: {len(event.encode('utf-8', 'surrogateescape'))}\nContent-Type: text/event-plain\n\n{event}"


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its first line, its headers by lower-case name, its body."""

    line: str
    headers: dict[str, str]
    body: str = ""


class Reader:
    """Commands from a socket, one after another."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._buffer = b""
        sock.settimeout(IDLE_S)

    def next(self) -> Command | None:
        """The next command; None when the other side is gone, silent for an hour, or without measure."""
        while True:
            self._buffer = self._buffer.lstrip(b"\r\n")
            end = _END.search(self._buffer)
            if end:
                break
            if not self._fill():
                return None
        lines = self._buffer[: end.start()].decode("utf-8", "surrogateescape").split("\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers["content-length"]) if headers.get("content-length", "").isdecimal() else 0
        self._buffer = self._buffer[end.end():]
        while len(self._buffer) < length:
            if not self._fill():
                return None
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Command(lines[0].strip(), headers, body.decode("utf-8", "surrogateescape"))

    def _fill(self) -> bool:
        if len(self._buffer) > MAX_COMMAND:
            return False
        try:
            data = self._sock.recv(65536)
        except OSError:
            return False
        self._buffer += data
        return bool(data)


class Sender:
    """Sends at once what the kernel takes and the rest from a greenlet of its own: whoever sends never waits."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._pending: deque[bytes] = deque()
        self._bytes = 0
        self._flushed = Event()
        self._flushed.set()
        self.broken = False
        self.muted = False  # what is sent is lost on the way

    def send(self, text: str) -> None:
        """Send; a message to somebody who is gone or does not read is dropped, as TCP would."""
        data = text.encode("utf-8", "surrogateescape")
        if self.broken or self.muted:
            return
        if not self._pending and self._flushed.is_set():
            try:
                data = data[self._sock.send(data, 0, 0.0):]
            except BlockingIOError:
                pass
            except OSError:
                self.broken = True
                return
        if not data:
            return
        self._pending.append(data)
        self._bytes += len(data)
        if self._bytes > MAX_PENDING:
            self.broken = True
            self._pending.clear()
        elif self._flushed.is_set():
            self._flushed.clear()
            spawn(self._flush, name="lab-sender")

    def _flush(self) -> None:
        try:
            while self._pending:
                data = self._pending.popleft()
                self._bytes -= len(data)
                self._sock.sendall(data)
        except OSError:
            self.broken = True
            self._pending.clear()
        finally:
            self._flushed.set()

    def flush(self) -> None:
        """Wait until everything is sent, at most SEND_S real seconds."""
        self._flushed.wait(SEND_S)
