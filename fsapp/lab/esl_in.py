"""The event socket others connect to: password, commands, events. What the commands do is elsewhere."""

from __future__ import annotations

import contextlib
import hmac
import socket
from typing import TYPE_CHECKING, Any

from gevent.server import StreamServer

from fsapp.errors import ListenError
from fsapp.lab import api
from fsapp.lab.channel import Command as Execute
from fsapp.lab.listener import Listener
from fsapp.lab.wire import GOODBYE, Command, Reader, Sender, reply

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["EventSocket"]


class EventSocket:
    """Serves one switch's event socket until `stop`; `address` is where (port 0 has become a real one).

    For what goes wrong between two machines: `cut` closes every connection, `shut` the door as well until `open`,
    `lose` makes events vanish, `freeze` makes connections say nothing while they stay open, until `thaw`.
    """

    def __init__(self, switch: Switch, listen: tuple[str, int], password: str) -> None:
        self._switch = switch
        self._password = password
        self._open: dict[Any, Listener] = {}
        self._frozen = False
        self._lost: int | None = 0
        self.address = listen
        self._server: StreamServer | None = None
        self.open()
        switch.sockets.append(self)

    def open(self) -> None:
        """Open the door (again), where it was."""
        if self._server is not None:
            return
        try:
            listener = socket.create_server(self.address)
        except OSError as error:
            raise ListenError(
                f"the lab cannot listen on {self.address[0]}:{self.address[1]}: {error.strerror}: choose another port"
            ) from None
        self.address = listener.getsockname()[:2]
        self._server = StreamServer(listener, self._serve)
        self._server.start()

    def stop(self) -> None:
        """Close the door for good, and every connection."""
        if self in self._switch.sockets:
            self._switch.sockets.remove(self)
        self.shut()

    def shut(self) -> None:
        """Close the door and every connection: nobody can connect until `open`."""
        if self._server is not None:
            self._server.stop(timeout=1)
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Close every connection without a word; who connects again is welcome."""
        for sock, listener in list(self._open.items()):
            listener.sender.muted = True
            with contextlib.suppress(OSError):  # gone already
                sock.shutdown(socket.SHUT_RDWR)

    def lose(self, count: int | None) -> None:
        """Let the next `count` events of every connection vanish; None: all of them, until `lose(0)`."""
        self._lost = count
        for listener in self._open.values():
            listener.lost = count

    def freeze(self) -> None:
        """Say nothing more on any connection, old or new, as if the network swallowed it; they stay open."""
        self._frozen = True
        self._mute(muted=True)

    def thaw(self) -> None:
        """Talk again; what was said meanwhile is lost."""
        self._frozen = False
        self._mute(muted=False)

    def _mute(self, *, muted: bool) -> None:
        for listener in self._open.values():
            listener.sender.muted = muted

    def _serve(self, sock: Any, _peer: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sender = Sender(sock)
        listener = Listener(sender)
        listener.lost, sender.muted = self._lost, self._frozen
        self._open[sock] = listener
        try:
            self._talk(sender, listener, Reader(sock))
        finally:
            self._switch.silence(listener)
            sender.send(
                f"Content-Type: text/disconnect-notice\nContent-Length: {len(GOODBYE)}\n\n{GOODBYE}")
            sender.flush()
            del self._open[sock]
            sock.close()

    def _talk(self, sender: Sender, listener: Listener, reader: Reader) -> None:
        sender.send("Content-Type: auth/request\n\n")
        while True:
            command = reader.next()
            if command is None:
                return
            verb, _, word = command.line.partition(" ")
            if verb.lower() == "exit":
                sender.send(reply("+OK bye"))
                return
            if verb.lower() == "auth":
                if not hmac.compare_digest(word.encode("utf-8", "surrogateescape"), self._password.encode()):
                    sender.send(reply("-ERR invalid"))
                    return
                sender.send(reply("+OK accepted"))
                break
            sender.send(reply("-ERR command not found"))
        while (command := reader.next()) is not None:
            if command.line.lower() == "exit":
                sender.send(reply("+OK bye"))
                return
            answer = self._obey(command, sender, listener)
            if answer:
                sender.send(answer)

    def _obey(self, command: Command, sender: Sender, listener: Listener) -> str:
        verb, _, rest = command.line.partition(" ")
        answer = listener.command(command)
        if answer is not None:
            self._switch.listen(listener)
        elif verb.lower() == "sendmsg":
            answer = self._sendmsg(rest.strip() or command.headers.get("session-id", ""), command)
        else:
            answer = api.command(self._switch, command, sender)
        return reply("-ERR command not found") if answer is None else answer

    def _sendmsg(self, uuid: str, command: Command) -> str:
        channel = self._switch.channels.get(uuid)
        if channel is None:
            return reply(f"-ERR invalid session id [{uuid}]")
        channel.queue(Execute(
            command.headers.get("execute-app-name", ""), command.headers.get("execute-app-arg", "") or command.body,
            command.headers.get("event-uuid", "")))
        return reply("+OK")
