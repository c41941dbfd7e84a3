"""The switch's side of an event socket for the tests here: recorded bytes, and what plays the peer. Tests nothing."""

from __future__ import annotations

import gc
import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import gevent
from gevent import socket

TRACES = Path(__file__).parent.parent / "data" / "traces"
OK = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
ERR = b"Content-Type: command/reply\nReply-Text: -ERR invalid\n\n"
BYE = b"Content-Type: command/reply\nReply-Text: +OK bye\n\n"
NOTICE = (b"Content-Type: text/disconnect-notice\nControlled-Session-UUID: d6d78254\nContent-Disposition: disconnect\n"
          b"Content-Length: 67\n\nDisconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n")
LINGER = b"Content-Type: text/disconnect-notice\nContent-Disposition: linger\nLinger-Time: 5\nContent-Length: 0\n\n"
PATIENCE_S = 10


def lines(name: str) -> list[dict]:
    """The messages of a trace, in order."""
    return [json.loads(line) for line in (TRACES / f"{name}.jsonl").read_text().splitlines()]


def from_switch(name: str) -> dict[str, list[bytes]]:
    """What the switch sent in a trace, by connection, one item a message."""
    sent: dict[str, list[bytes]] = {}
    for line in lines(name):
        if line["from"] == "switch" and line["data"]:
            sent.setdefault(line["conn"], []).append(line["data"].encode())
    return sent


CHANNEL_DATA = from_switch("route-and-leave")["outbound-1"][0]


def event(name: str, **headers: str) -> bytes:
    """A text/event-plain message; underscores stand for dashes, but not in the names of variables."""
    body = f"Event-Name: {name}\n" + "".join(
        f"{key if key.startswith('variable_') else key.replace('_', '-')}: {text}\n" for key, text in headers.items())
    return b"Content-Length: %d\nContent-Type: text/event-plain\n\n%b\n" % (len(body) + 1, body.encode())


def read_until(sock: socket.socket, end: bytes) -> bytes:
    """Everything `sock` receives, up to and with `end`."""
    got = b""
    with gevent.Timeout(PATIENCE_S, AssertionError(f"{end!r} did not come, only {got!r}")):
        while not got.endswith(end):
            data = sock.recv(65536)
            assert data, f"closed after {got!r}"
            got += data
    return got


def read_all(sock: socket.socket) -> bytes:
    """Everything up to the end of the connection, however it ends."""
    got = b""
    with gevent.Timeout(PATIENCE_S, AssertionError("the connection is not closed")):
        while True:
            try:
                data = sock.recv(65536)
            except ConnectionResetError:
                return got
            if not data:
                return got
            got += data


def until(true: Callable[[], object], what: str) -> None:
    """Wait for a condition, not for a time."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"not within {PATIENCE_S} s: {what}"
        gevent.sleep(0.002)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of one TCP connection."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    return near, far


def reset(sock: socket.socket) -> None:
    """Close with RST, as a peer that is killed does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def greenlets() -> int:
    """How many greenlets are alive."""
    gc.collect()
    return sum(1 for thing in gc.get_objects() if isinstance(thing, gevent.Greenlet) and not thing.dead)


def sockets() -> int:
    """How many sockets this process has open."""
    found = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return found
