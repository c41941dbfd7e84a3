"""The other ends of the lab's sockets: an app that follows a script, a client of the event socket."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.server import StreamServer
from lab_traces import Line

PATIENCE_S = 20


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until something is so, at most PATIENCE_S."""
    with gevent.Timeout(PATIENCE_S, AssertionError(f"not within {PATIENCE_S} s: {what}")):
        while not (found := condition()):
            gevent.sleep(0.002)
        return found


class Messages:
    """Messages from a socket, one at a time; an empty one when it is closed."""

    def __init__(self, sock: Any) -> None:
        sock.settimeout(PATIENCE_S)
        self._file = sock.makefile("rb")

    def next(self) -> str:
        head = b""
        while not head.endswith(b"\n\n"):
            line = self._file.readline()
            if not line:
                return ""
            head += line
        length = 0
        for line in head.split(b"\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return (head + self._file.read(length)).decode("utf-8", "surrogateescape")

    def close(self) -> None:
        self._file.close()


class ScriptedApp:
    """Plays the app's side of a trace: reads where the switch spoke, says what the app said."""

    def __init__(self, script: Sequence[Line]) -> None:
        self._scripts: dict[str, list[Line]] = {}
        for line in script:
            if line.connection.startswith("outbound"):
                self._scripts.setdefault(line.connection, []).append(line)
        self._order = list(self._scripts)
        self.heard: dict[str, list[str]] = {name: [] for name in self._order}
        self.done: list[str] = []
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def _serve(self, sock: Any, _peer: Any) -> None:
        name = self._order[len(self.done) if not self.heard[self._order[0]] else
                           sum(bool(heard) for heard in self.heard.values())]
        messages = Messages(sock)
        try:
            for line in self._scripts[name]:
                if line.sender == "switch":
                    self.heard[name].append(messages.next())
                elif not line.data.startswith("("):
                    try:
                        sock.sendall(line.data.encode("utf-8", "surrogateescape"))
                    except OSError:
                        break  # as in the trace: the switch is gone
        finally:
            self.done.append(name)
            messages.close()
            sock.close()

    def wait(self) -> None:
        until(lambda: len(self.done) == len(self._order), f"{self._order} played, only {self.done} so far")

    def stop(self) -> None:
        self._server.stop(timeout=1)


class Client:
    """A client of the lab's event socket: commands and their answers, and every message in order."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._sock = socket.create_connection(address, PATIENCE_S)
        self._messages = Messages(self._sock)
        self.heard: list[str] = []
        self._reader = gevent.spawn(self._read)

    def _read(self) -> None:
        try:
            while True:
                self.heard.append(self._messages.next())
                if not self.heard[-1]:
                    return
        except OSError:
            return

    def say(self, text: str) -> None:
        self._sock.sendall(text.encode())

    def command(self, text: str) -> str:
        """Send a command; its answer, which is the next message that is no event."""
        before = len(self.heard)
        self.say(text.rstrip("\n") + "\n\n")
        return until(
            lambda: next((m for m in self.heard[before:] if not is_event(m)), None), f"an answer to {text!r}")

    def events(self) -> list[str]:
        return [message for message in self.heard if is_event(message)]

    def close(self) -> None:
        self._reader.kill()
        self._messages.close()
        self._sock.close()


def is_event(message: str) -> bool:
    return "text/event-plain" in message.partition("\n\n")[0]


@contextmanager
def client(address: tuple[str, int], *events: str) -> Iterator[Client]:
    """A client that has said its password, and which events it wants."""
    made = Client(address)
    try:
        made.command("auth ClueCon")
        if events:
            made.command("event plain " + " ".join(events))
        yield made
    finally:
        made.close()
