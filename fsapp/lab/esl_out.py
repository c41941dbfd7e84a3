"""The `socket` application: the switch connects to the app, which commands one call. Knows no dialplan."""

from __future__ import annotations

import contextlib
import socket
import time

from fsapp.lab import api
from fsapp.lab.applications import FOREVER_S
from fsapp.lab.channel import Channel
from fsapp.lab.channel import Command as Execute
from fsapp.lab.headers import channel_data
from fsapp.lab.listener import MY_EVENTS, Listener
from fsapp.lab.wire import GOODBYE, Command, Reader, Sender, reply
from fsapp.log import get_logger
from fsapp.spawn import spawn

__all__ = ["socket_application"]

_log = get_logger("lab")
CONNECT_S = 5.0   # real seconds to be accepted
_PARK_S = 0.005   # real seconds from `connect` until the real switch has parked the call
_DECISIVE = frozenset({"transfer", "hangup"})  # with these a visit says where the call goes
_FRAME_S = 0.02   # a parked channel looks for commands once a frame


def socket_application(channel: Channel, data: str) -> None:
    """`HOST:PORT [async] [full]`: hand the call to the app there; comes back at once if nobody answers there.

    An app that leaves before the channel is parked leaves it parked for ever, unless the channel's variable
    `socket_resume` is true: so does FreeSWITCH 1.10.12 (seen, not read).
    """
    words = data.split()
    host, _, port = (words[0] if words else "").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        _log.error("socket_parse_error", data=data)
        return
    channel.set("socket_host", host)
    try:
        sock = socket.create_connection((host.strip("[]"), int(port)), CONNECT_S)
    except OSError as error:
        _log.warning("socket_error", address=words[0], error=str(error))
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session = _Session(channel, sock, is_async="async" in words[1:], full="full" in words[1:])
    session.hold()


class _Session:
    """One connection to the app: a greenlet reads its commands while the channel runs what they ask for."""

    def __init__(self, channel: Channel, sock: socket.socket, *, is_async: bool, full: bool) -> None:
        self._channel = channel
        self._switch = channel.switch
        self._sock = sock
        self._async = is_async
        self._full = full
        self._sender = Sender(sock)
        self._listener = Listener(self._sender)
        self._listening = False
        self._connected = self._gone = self._parked = False
        self._left_early = True
        self._parks_at = 0.0
        self._linger_s: int | None = None
        self._began_at = time.perf_counter()
        channel.over = self.call_over
        spawn(self._listen, name=f"lab-socket-{channel.uuid}")

    # -- the channel's side --------------------------------------------------------------------------------------

    def hold(self) -> None:
        """Keep the channel until it is moved, hung up or let go, running what the app asks for."""
        channel = self._channel
        while channel.ready and not self._connected and not self._gone:
            channel.wait(FOREVER_S)
        while channel.ready:
            if channel.commands:
                self._park()
                self._run(channel.commands.popleft())
            elif self._gone and (not self._left_early or channel.get("socket_resume") == "true"):
                break
            else:
                channel.wait(FOREVER_S)
        channel.commands.clear()
        if self._parked:
            self._switch.fire("CHANNEL_UNPARK", channel)

    def _park(self) -> None:
        # The real one parks a millisecond after `connect`; here with the first command, so that the order is certain.
        if not self._parked:
            self._parked = True
            self._switch.fire("CHANNEL_PARK", self._channel)
            if not self._gone:
                self._switch.clock.sleep(_FRAME_S)

    def _run(self, execute: Execute) -> None:
        if self._channel.ready:
            self._channel.execute(execute.application, execute.data, execute.uuid)

    # -- the app's side ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        reader = Reader(self._sock)
        try:
            while (command := reader.next()) is not None:
                if not self._obey(command):
                    break
        finally:
            self._leave()

    def call_over(self) -> None:
        """Tell the app that the call is over, and leave: at once, or after the time it asked for with `linger`."""
        if self._linger_s is None:
            self._leave()
            return
        self._sender.send(
            f"Content-Type: text/disconnect-notice\nControlled-Session-UUID: {self._channel.uuid}\n"
            f"Content-Disposition: linger\nChannel-Name: {self._channel.name}\nLinger-Time: {self._linger_s}\n"
            "Content-Length: 0\n\n"
        )
        self._switch.clock.later(self._linger_s, self._leave_later)

    def _leave_later(self) -> None:
        spawn(self._leave, name="lab-socket-leave")

    def _leave(self) -> None:
        if self._gone:
            return
        self._gone = True
        self._left_early = not self._connected or time.monotonic() < self._parks_at
        self._channel.over = None
        self._switch.silence(self._listener)
        self._sender.send(
            f"Content-Type: text/disconnect-notice\nControlled-Session-UUID: {self._channel.uuid}\n"
            f"Content-Disposition: disconnect\nContent-Length: {len(GOODBYE)}\n\n{GOODBYE}"
        )
        self._sender.flush()
        with contextlib.suppress(OSError):  # the other side was faster
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._channel.wake()

    def _obey(self, command: Command) -> bool:
        """Answer one command; False when the connection is to end."""
        verb = command.line.partition(" ")[0].lower()
        if verb == "exit":
            self._sender.send(reply("+OK bye"))
            return False
        answer = self._session_command(verb, command)
        if answer is None and self._full:
            answer = self._listener.command(command) or api.command(self._switch, command, self._sender)
            self._hear()
        if answer is None:
            answer = reply("-ERR command not found")
        if answer:
            self._sender.send(answer)
        return True

    def _session_command(self, verb: str, command: Command) -> str | None:
        channel = self._channel
        rest = command.line.partition(" ")[2].strip()
        if verb == "connect":
            stamp = self._switch.stamp("CHANNEL_DATA", None)
            self._sender.send(channel_data(channel, stamp, is_async=self._async, full=self._full))
            self._connected = True
            self._parks_at = time.monotonic() + _PARK_S
            channel.wake()
            return ""
        if verb == "sendmsg":
            return self._sendmsg(rest or command.headers.get("session-id", ""), command)
        if verb == "myevents":
            if self._listener.mine:
                return reply("-ERR aready enabled.")
            self._listener.names |= MY_EVENTS
            self._listener.mine = channel.uuid
            self._hear()
            return reply("+OK Events Enabled")
        if verb == "linger":
            self._linger_s = int(rest) if rest.isdecimal() else 600
            return reply(f"+OK will linger {self._linger_s} seconds" if rest else "+OK will linger")
        if verb == "nolinger":
            self._linger_s = None
            return reply("+OK will not linger")
        if verb == "getvar":
            return reply(channel.get(rest))
        if verb == "resume":
            channel.set("socket_resume", "true")
            return reply("+OK")
        if verb == "divert_events":
            return reply("+OK events diverted" if rest == "on" else "+OK events not diverted")
        return None

    def _hear(self) -> None:
        if not self._listening and (self._listener.names or self._listener.subclasses):
            self._listening = True
            self._switch.listen(self._listener)

    def _sendmsg(self, uuid: str, command: Command) -> str:
        target = self._channel if uuid in ("", self._channel.uuid) else self._switch.channels.get(uuid)
        if target is None:
            return reply(f"-ERR invalid session id [{uuid}]")
        what = command.headers.get("call-command", "")
        if what == "execute":
            application = command.headers.get("execute-app-name", "")
            if application in _DECISIVE:
                self._switch.publish("decided", target, real_s=time.perf_counter() - self._began_at)
            target.queue(Execute(
                application, command.headers.get("execute-app-arg", "") or command.body,
                command.headers.get("event-uuid", "")))
        elif what == "hangup":
            target.queue(Execute("hangup", command.headers.get("hangup-cause", "NORMAL_CLEARING")))
        return reply("+OK")
