"""A scripted fsapp for the switch to connect to: does exactly what a test says at each visit. It decides nothing."""

from __future__ import annotations

import socket
from types import TracebackType
from urllib.parse import unquote

__all__ = ["EXIT", "App", "execute"]

DEADLINE_S = 20.0
EXIT = b"exit\n\n"


def execute(application: str, argument: str) -> bytes:
    return f"sendmsg\ncall-command: execute\nexecute-app-name: {application}\nexecute-app-arg: {argument}\n\n".encode()


class App:
    """Listens on `port` of 127.0.0.1 while the `with` lasts; nobody is there before and after."""

    def __init__(self, port: int) -> None:
        self._server = socket.create_server(("127.0.0.1", port))
        self._server.settimeout(DEADLINE_S)

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self._server.close()

    def accept(self) -> socket.socket:
        connection, _ = self._server.accept()
        connection.settimeout(DEADLINE_S)
        return connection

    def visit(self, *commands: bytes) -> dict[str, str]:
        """A whole visit: connect, all `commands` in one write, then until the switch closes. The call's headers."""
        with self.accept() as connection:
            headers, _ = connect(connection)
            connection.sendall(b"".join(commands))
            while connection.recv(65536):
                pass
        return headers

    def route(self, queue: str, **variables: str) -> dict[str, str]:
        """A visit that sets the variables and leads the call into `queue`."""
        given = {"fsapp_class": "service", "fsapp_queue": queue, "cc_base_score": "101003540"} | variables
        pairs = "".join(f"|{name}={value}" for name, value in given.items())
        return self.visit(execute("multiset", "^^" + pairs), execute("transfer", "fsapp-queue XML fsapp"), EXIT)


def connect(connection: socket.socket) -> tuple[dict[str, str], bytes]:
    """Say `connect`; the headers of the reply, decoded once, and what came after them."""
    connection.sendall(b"connect\n\n")
    received = b""
    while b"\n\n" not in received:
        more = connection.recv(65536)
        assert more, "the switch closed before it answered"
        received += more
    block, _, rest = received.partition(b"\n\n")
    lines = (line.partition(": ") for line in block.decode().split("\n"))
    return {name: unquote(value) for name, _, value in lines}, rest
