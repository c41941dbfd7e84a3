"""An agent's phone in the browser, in the test: SIP over a websocket, registers and declines calls. It has no sound."""

from __future__ import annotations

import base64
import re
import secrets
import socket
import struct
from types import TracebackType

from desk import authorization
from phone import DEADLINE_S, reply

__all__ = ["Browser"]

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Browser:
    """The page of agent `user` at the websocket port of a switch; `with` closes it."""

    def __init__(self, port: int, user: str) -> None:
        self._user = user
        self._contact = f"{secrets.token_hex(4)}.invalid"
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self._received = b""
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._socket.sendall((
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode())
        while b"\r\n\r\n" not in self._received:
            self._more()
        self.greeting, _, self._received = self._received.partition(b"\r\n\r\n")

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def register(self, password: str) -> int:
        """Register with the digest the switch asks for; the last status."""
        uri, call_id, answer, status = "sip:fsapp", secrets.token_hex(8), "", 0
        for number in (1, 2):
            self._send(
                f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/WS {self._contact};branch=z9hG4bK{call_id}{number}\r\n"
                f"From: <sip:{self._user}@fsapp>;tag=1\r\nTo: <sip:{self._user}@fsapp>\r\nCall-ID: {call_id}\r\n"
                f"CSeq: {number} REGISTER\r\nContact: <sip:{self._user}@{self._contact};transport=ws>\r\n"
                f"Expires: 60\r\nMax-Forwards: 70\r\n{answer}Content-Length: 0\r\n\r\n"
            )
            message = self._receive()
            status = int(message.split()[1])
            if status != 401:
                break
            answer = authorization(message, self._user, uri, password)
        return status

    def decline(self) -> str:
        """Say 486 to the next call; the INVITE it came with."""
        while True:
            message = self._receive()
            if message.startswith("INVITE "):
                tagged = re.sub(r"(?m)^(To: [^\r]*)", r"\1;tag=browser", message)
                self._send(reply(tagged).decode().replace("200 OK", "486 Busy Here", 1))
                return message

    def _send(self, message: str) -> None:
        payload, mask = message.encode(), secrets.token_bytes(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self._socket.sendall(struct.pack(">BBH", 0x80 | TEXT, 0x80 | 126, len(payload)) + mask + masked)

    def _receive(self) -> str:
        """The next SIP message; what keeps a connection alive is no message."""
        while True:
            first, size = self._take(2)
            if size == 126:
                [size] = struct.unpack(">H", self._take(2))
            payload = self._take(size)
            assert first & 15 != CLOSE, "the switch closed the websocket"
            if first & 15 not in (PING, PONG) and payload.strip():
                return payload.decode()

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        taken, self._received = self._received[:size], self._received[size:]
        return taken

    def _more(self) -> None:
        more = self._socket.recv(65536)
        assert more, "the switch closed the connection"
        self._received += more
