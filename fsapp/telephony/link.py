"""The link to the switch's own event socket: commands and their answers, events as they come. Decides nothing.

A greenswitch `InboundESL` with these faults of 0.0.19 mended (`tests/telephony/test_stock_faults.py`):

    stock                                               here
    waits for the greeting and for replies for ever     a timeout each
    raises a bare ValueError for a wrong password       `SwitchRefused`, with what to do
    loses its reader on bytes that are not UTF-8        they are read as Latin-1
    leaves waiting commands waiting when it is lost     `SwitchUnavailable` for each of them, and for the events
    keeps events without bound                          a bounded queue; what is dropped is counted
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from uuid import uuid4

import gevent
from gevent import socket
from gevent.event import AsyncResult
from gevent.lock import RLock
from gevent.queue import Empty, Queue
from greenswitch.esl import InboundESL

from fsapp.errors import ProtocolError, SwitchError, SwitchRefused, SwitchUnavailable, Timeout
from fsapp.log import get_logger
from fsapp.spawn import spawn
from fsapp.telephony import command as commands
from fsapp.telephony.esl import Message, Parser

__all__ = ["Link"]

_CHUNK = 64 * 1024
_REPLIES = frozenset({"command/reply", "api/response"})
_log = get_logger("link")


class Link(InboundESL):
    """A connection to `host`:`port`, for any number of greenlets at a time; `with Link(...)` connects and closes.

    `timeout` is how many seconds connecting, and each answer, may take. Events are taken with `events` or `next_event`
    instead of stock's handlers; at most `max_events` wait, then the oldest are dropped and counted in `dropped`.
    A link that was lost stays lost: make another.
    """

    def __init__(self, host: str, port: int, password: str, timeout: float = 5, *, max_events: int = 10_000) -> None:
        super().__init__(host, port, password, timeout)
        self.dropped = 0
        self._where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._parser = Parser()
        self._early: deque[Message] = deque()
        self._waiting: deque[AsyncResult] = deque()
        self._writing = RLock()
        self._events: Queue = Queue(max_events)
        self._fault: SwitchError | None = None

    def connect(self) -> None:
        """Connects and authenticates. SwitchUnavailable if nobody answers, SwitchRefused if we are not let in."""
        password = commands.auth(self.password)
        try:
            with gevent.Timeout(self.timeout, SwitchUnavailable(f"the switch at {self._where} does not answer")):
                self.sock = socket.create_connection((self.host, self.port))
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._greet(password)
        except OSError as error:
            self.close()
            raise SwitchUnavailable(f"no switch at {self._where} ({error.strerror or error}): start it, or set "
                                    "FSAPP_SWITCH to the address of its event socket") from None
        except BaseException:
            self.close()
            raise
        self.connected = True
        self.start_event_handlers()

    def start_event_handlers(self) -> None:
        """One reader, where stock starts two greenlets."""
        self._receive_events_greenlet = spawn(self.receive_events, name="switch link")

    def api(self, cmd: str, timeout_s: float | None = None) -> str:
        """The answer to an api command, such as `status`; Timeout if it takes more than `timeout_s`."""
        return self.send(commands.api(cmd), timeout_s).text

    def bgapi(self, cmd: str, job_uuid: str | None = None) -> str:
        """Runs an api command in the background and returns the Job-UUID that its BACKGROUND_JOB will carry."""
        job_uuid = job_uuid or str(uuid4())
        self._accepted(self.send(commands.bgapi(cmd, job_uuid)), "bgapi")
        return job_uuid

    def subscribe(self, *events: str) -> None:
        """Asks for events by name; names with `::` are subclasses of CUSTOM."""
        self._accepted(self.send(commands.subscribe(*events)), "the subscription")

    def send(self, command: bytes | str, timeout_s: float | None = None) -> Message:
        """Sends one command and returns its reply. A str is one line; UnsafeArgument if it is more."""
        data = command if isinstance(command, bytes) else commands.line(command)
        patience_s = self.timeout if timeout_s is None else timeout_s
        answer = AsyncResult()
        with gevent.Timeout(patience_s, Timeout(f"the switch at {self._where} did not answer within {patience_s:g} s")):
            with self._writing:
                if not self.connected:
                    raise self._gone()
                # Replies have no names but their order, so what is queued stays queued even if nobody waits any more.
                self._waiting.append(answer)
                self._write(data)
            return answer.get()

    def next_event(self, timeout_s: float) -> Message | None:
        """The next event, None if there is none within `timeout_s`. SwitchUnavailable when the link is lost."""
        if self._fault is not None and self._events.empty():
            raise self._gone()
        try:
            event = self._events.get(timeout=timeout_s)
        except Empty:
            return None
        if event is None:
            raise self._gone()
        return event

    def ready_events(self, most: int) -> list[Message]:
        """The events that have come already, at most so many; does not wait."""
        found: list[Message] = []
        while len(found) < most and self._events.qsize():
            event = self._events.get_nowait()
            if event is None:
                break
            found.append(event)
        return found

    def events(self) -> Iterator[Message]:
        """Events as they come, until `close`. SwitchUnavailable when the link is lost."""
        while True:
            try:
                event = self.next_event(60)
            except SwitchUnavailable:
                if self._run:
                    raise
                return
            if event is not None:
                yield event

    def receive_events(self) -> None:
        """The reader: hands replies to those who wait in order, and keeps events for `next_event`."""
        try:
            while self._early:
                self.handle_event(self._early.popleft())
            while self._run:
                data = self.sock.recv(_CHUNK)
                if not data:
                    raise SwitchUnavailable(f"the switch at {self._where} closed the connection")
                for message in self._parser.feed(data):
                    self.handle_event(message)
        except OSError as error:
            self._lose(SwitchUnavailable(f"the connection to the switch at {self._where} is gone ({error.strerror})"))
        except SwitchError as error:
            self._lose(error)

    def handle_event(self, event: Message) -> None:
        if event.content_type in _REPLIES:
            if not self._waiting:
                raise ProtocolError(f"the switch at {self._where} answered what was not asked")
            self._waiting.popleft().set(event)
        elif event.content_type == "text/disconnect-notice":
            raise SwitchUnavailable(f"the switch at {self._where} ended the connection")
        elif event.content_type == "text/event-plain":
            self._keep(event.event)

    def stop(self) -> None:
        """Stock's name for `close`."""
        self.close()

    def close(self) -> None:
        """Closes the connection and waits for the reader; may be called twice."""
        self._run = False
        sock = getattr(self, "sock", None)
        if sock is not None:
            sock.close()
        reader = self._receive_events_greenlet
        if reader is not None and reader is not gevent.getcurrent():
            reader.join(self.timeout)
        self._lose(SwitchUnavailable(f"the link to {self._where} is closed"))

    def _greet(self, password: bytes) -> None:
        """auth/request, auth, +OK: read here, since the reader is not there yet."""
        greeting = self._read_early()
        if greeting.content_type == "text/rude-rejection":
            raise SwitchRefused(f"the switch at {self._where} rejects connections from here: "
                                "allow this address in apply-inbound-acl of event_socket.conf.xml")
        if greeting.content_type != "auth/request":
            raise ProtocolError(f"what listens at {self._where} is no event socket: set FSAPP_SWITCH to the switch's")
        self.sock.sendall(password)
        if not self._read_early().reply.startswith("+OK"):
            raise SwitchRefused(f"the switch at {self._where} refuses the password: "
                                "set FSAPP_SWITCH_PASSWORD to the one in event_socket.conf.xml")

    def _read_early(self) -> Message:
        while not self._early:
            data = self.sock.recv(_CHUNK)
            if not data:
                raise SwitchUnavailable(f"the switch at {self._where} closed the connection before it let us in")
            self._early.extend(self._parser.feed(data))
        return self._early.popleft()

    def _write(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError as error:
            self._lose(SwitchUnavailable(f"the connection to the switch at {self._where} is gone ({error.strerror})"))
            raise self._gone() from None
        except BaseException:
            # A part of the command may be out: whatever came next would be read as its end.
            self.sock.close()
            raise

    def _keep(self, event: Message) -> None:
        if self._events.full():
            if not self.dropped:
                _log.error("events_dropped", todo="take events faster, or subscribe to fewer")
            self.dropped += 1
            self._events.get_nowait()
        self._events.put_nowait(event)

    def _lose(self, fault: SwitchError) -> None:
        """The link is gone: whoever waits is told, once."""
        if self._fault is not None:
            return
        self._fault = fault
        self.connected = False
        if self._run:
            _log.error("link_lost", error=str(fault))
        while self._waiting:
            self._waiting.popleft().set_exception(self._gone())
        if not self._events.full():
            self._events.put_nowait(None)  # wakes who waits for an event; a full queue has nobody waiting
        sock = getattr(self, "sock", None)
        if sock is not None:
            sock.close()

    def _gone(self) -> SwitchUnavailable:
        return SwitchUnavailable(str(self._fault or f"not connected to the switch at {self._where}"))

    def _accepted(self, reply: Message, what: str) -> None:
        if not reply.ok:
            raise SwitchError(f"the switch at {self._where} refused {what}: {reply.reply[:200]}")
