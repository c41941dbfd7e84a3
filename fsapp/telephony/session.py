"""One visit's end of the outbound event socket. Decides nothing; one greenlet, the visit's own, reads and writes.

A greenswitch `OutboundSession` with these faults of 0.0.19 mended (`tests/telephony/test_stock_faults.py` shows them):

    stock                                               here
    two greenlets and a buffered file a connection      the visit reads its socket itself, into a `Parser`
    wakes every idle session each second                nothing wakes but bytes and the deadline
    a newline in an argument starts a command           `command` refuses it
    knows the end of an execute by its application      by the Application-UUID of its own Event-UUID
    sends with send, which may send a part              sendall
    waits for a reply for ever                          a deadline for the session, a timeout for each execute
    a lost connection leaves waiters waiting            `HangUp`, whatever the way it was lost
    the socket of a cut connect stays open              `close` in every case, by the server
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from uuid import uuid4

import gevent
from greenswitch.esl import OutboundSession

from fsapp.errors import HangUp, ProtocolError, SwitchError, Timeout
from fsapp.log import get_logger
from fsapp.telephony import command as commands
from fsapp.telephony.esl import Message, Parser

__all__ = ["MAX_EVENT", "Session"]

MAX_EVENT = 128 * 1024  # bytes of a body: what one connection can make us keep
_CHUNK = 16 * 1024
_EXECUTE_S = 30.0
_READS_AT_ONCE = 16
_OK = b"Content-Type: command/reply\nReply-Text: +OK\n\n"
_BYE = b"Content-Type: command/reply\nReply-Text: +OK bye\n\n"
_DONE = Message(_OK[:-2])
_REPLIES = frozenset({"command/reply", "api/response"})
_log = get_logger("session")


class Session(OutboundSession):
    """A call, as long as the visit lasts.

    `on_event` is given each event that comes while the visit waits for something else. `HangUp` is raised by whatever
    is waiting or sending when the caller or the connection is gone, `Timeout` when the time of `allow` is over,
    `ProtocolError` when what comes is no event socket; after each of them the session is closed to commands.
    """

    def __init__(self, sock: socket.socket, *, on_event: Callable[[Message], None] | None = None) -> None:
        # Not stock's constructor: it makes a buffered file and starts two greenlets.
        self.sock = sock
        self.on_event = on_event
        self.connected = True
        self.session_data: Message | None = None
        self._outbound_connected = False
        self._lingering = False
        self._parser = Parser(max_body=MAX_EVENT)
        self._inbox: deque[Message] = deque()
        self._running: set[str] = set()
        self._ended: dict[str, Message] = {}
        self._deadline: gevent.Timeout | None = None
        self._reads = 0

    @property
    def uuid(self) -> str:
        """The call's uuid; empty before `connect`."""
        return (self.session_data.get("Unique-ID") or "") if self.session_data else ""

    def allow(self, seconds: float) -> None:
        """From now on the greenlet that calls this has `seconds` for all that it does with the session.

        What waits on the switch then raises Timeout; anything else it waits for is left by gevent.Timeout.
        """
        if self._deadline is not None:
            self._deadline.close()
        self._deadline = gevent.Timeout.start_new(seconds)

    def is_deadline(self, timeout: BaseException) -> bool:
        return timeout is self._deadline

    def connect(self) -> Message:
        """Speaks first, as this protocol wants it. Returns the channel's data, the same at every call."""
        if self.session_data is None:
            self.session_data = self.send(commands.CONNECT)
            self._outbound_connected = True
        return self.session_data

    def send(self, command: bytes | str) -> Message:
        """Sends one command and returns its reply. A str is one line; UnsafeArgument if it is more."""
        return self.send_all(command if isinstance(command, bytes) else commands.line(command))[0]

    def send_all(self, *block: bytes) -> list[Message]:
        """Sends several commands in one write and returns their replies in order."""
        self._write(b"".join(block))
        return self._replies(len(block))

    def start(self, app: str, arg: str | None = None) -> str:
        """Queues an application on the call; `wait` with the uuid returned waits for its end."""
        event_uuid = str(uuid4())
        self._running.add(event_uuid)
        reply = self.send(commands.execute(app, arg, event_uuid=event_uuid))
        if not reply.ok:
            self._running.discard(event_uuid)
            raise SwitchError(f"the switch refused to run {app}: {reply.reply[:200]}")
        return event_uuid

    def wait(self, event_uuid: str, timeout_s: float = _EXECUTE_S) -> Message:
        """The CHANNEL_EXECUTE_COMPLETE of what `start` queued. Wants `myevents` sent before. Timeout if it is late."""
        patience = gevent.Timeout.start_new(timeout_s)
        try:
            while event_uuid not in self._ended:
                message = self._next()
                if message.content_type in _REPLIES:
                    raise self._lost(ProtocolError("the switch answered what was not asked"))
                self._take(message)
        except gevent.Timeout as timeout:
            if timeout is not patience:
                raise
            self._running.discard(event_uuid)
            raise Timeout(f"an application has not ended within {timeout_s:g} s") from None
        finally:
            patience.close()
        return self._ended.pop(event_uuid)

    def execute(self, app: str, arg: str | None = None, timeout_s: float = _EXECUTE_S) -> Message:
        """Runs an application and returns the event of its end, known by its own uuid. Wants `myevents` before."""
        return self.wait(self.start(app, arg), timeout_s)

    def leave(self, *block: bytes) -> list[Message]:
        """Sends the last commands and `exit` in one write, and closes. Returns the replies of those commands.

        HangUp if the connection ends before they are answered; how `exit` itself ends does not matter.
        """
        replies: list[Message] = []
        try:
            self._write(b"".join(block) + commands.EXIT)
            try:
                if self._answered(_OK * len(block) + _BYE):
                    return [_DONE] * len(block)
            except HangUp:
                pass  # what came before it is read below
            except Timeout:
                replies = [message for message in self._inbox if message.content_type in _REPLIES][:len(block)]
                raise
            replies = self._replies(len(block))
            self._replies(1)
        except SwitchError:
            if len(replies) < len(block):
                raise
        finally:
            self.close()
        return replies

    def close(self) -> None:
        """Closes the socket and stops the clock; may be called at any time and twice."""
        self.connected = self._outbound_connected = False
        if self._deadline is not None:
            self._deadline.close()
        self.sock.close()

    def myevents(self) -> Message:
        return self.send(commands.MYEVENTS)

    def linger(self, timeout: int = 5) -> Message:
        return self.send(commands.linger(timeout))

    def call_command(
        self, app_name: str, app_args: str | None = None, block: bool = False, response_timeout: float | None = None
    ) -> Message:
        """Stock's name for running an application: its `answer`, `park`, `hangup` and `bridge` go through here."""
        if block:
            return self.execute(app_name, app_args, response_timeout or _EXECUTE_S)
        return self.send(commands.execute(app_name, app_args))

    def playback(self, path: str, block: bool = True) -> Message:
        return self.call_command("playback", path, block)

    def play_and_get_digits(self, *args: object, variable: str, response_timeout: float = _EXECUTE_S) -> str:
        """Asks the caller for digits; the application's arguments in their order. An empty string if none came."""
        event = self.execute("play_and_get_digits", " ".join(str(arg) for arg in args), response_timeout)
        return event.get(f"variable_{variable}") or ""

    def say(self, *args: object, response_timeout: float = _EXECUTE_S) -> Message:
        return self.execute("say", " ".join(str(arg) for arg in args), response_timeout)

    def raise_if_disconnected(self) -> None:
        if not self._outbound_connected:
            raise HangUp("the call is gone")

    def stop(self) -> None:
        """Stock's name for leaving."""
        self.leave()

    def _write(self, data: bytes) -> None:
        if not self.connected:
            raise HangUp("the call is gone")
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise self._lost(HangUp(f"the connection is gone: {error}")) from None
        except gevent.Timeout as timeout:
            self.connected = False  # part of a command may have gone out
            raise self._late(timeout) from None

    def _answered(self, wanted: bytes) -> bool:
        """Whether the next bytes are these, the usual ones; what else comes is kept for `_replies`."""
        if self._inbox or self._parser.waiting:
            return False
        data = b""
        try:
            while len(data) < len(wanted) and wanted.startswith(data):
                data += self._read()
        finally:
            done = data.startswith(wanted)
            if not done:
                self._feed(data)
        return done

    def _replies(self, number: int) -> list[Message]:
        replies: list[Message] = []
        try:
            while len(replies) < number:
                message = self._next()
                if message.content_type in _REPLIES:
                    replies.append(message)
                else:
                    self._take(message)
        except BaseException:
            # Replies have no names: once one is missed, the next command would get it.
            self.connected = False
            raise
        return replies

    def _next(self) -> Message:
        while not self._inbox:
            self._feed(self._read())
        return self._inbox.popleft()

    def _read(self) -> bytes:
        """The next bytes; HangUp at their end."""
        if not self.connected:
            raise HangUp("the call is gone")
        self._reads += 1
        try:
            if not self._reads % _READS_AT_ONCE:
                gevent.sleep(0)  # where bytes are always there, recv never waits: others, and the deadline, want a turn
            data = self.sock.recv(_CHUNK)
        except OSError as error:
            raise self._lost(HangUp(f"the connection is gone: {error}")) from None
        except gevent.Timeout as timeout:
            raise self._late(timeout) from None
        if not data:
            raise self._lost(HangUp("the switch closed the connection"))
        return data

    def _feed(self, data: bytes) -> None:
        try:
            self._inbox.extend(self._parser.feed(data))
        except ProtocolError as error:
            raise self._lost(error) from None

    def _take(self, message: Message) -> None:
        """What is no reply: the end of the call, the end of an application, an event for whoever wants it."""
        if message.content_type == "text/disconnect-notice":
            self._lingering = message.get("Content-Disposition") == "linger"
            raise self._lost(HangUp("the caller has gone"))
        if message.content_type != "text/event-plain" or not (self._running or self.on_event):
            return
        event = message.event
        if self._running and event.get("Event-Name") == "CHANNEL_EXECUTE_COMPLETE":
            event_uuid = event.get("Application-UUID") or ""
            if event_uuid in self._running:
                self._running.discard(event_uuid)
                self._ended[event_uuid] = event
        if self.on_event is not None:
            try:
                self.on_event(event)
            except SwitchError:
                raise
            except Exception:  # noqa: BLE001 - a failing hook must not end the visit it came through
                _log.exception("event_hook_failed", event_name=event.get("Event-Name"))

    def _late(self, timeout: gevent.Timeout) -> BaseException:
        """The deadline's own timeout as an fsapp error; a timeout that somebody else set stays what it is."""
        if timeout is self._deadline:
            return self._lost(Timeout("the switch did not answer in time"))
        return timeout

    def _lost(self, error: SwitchError) -> SwitchError:
        self.connected = self._outbound_connected = False
        return error
