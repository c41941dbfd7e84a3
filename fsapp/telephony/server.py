"""Takes the switch's outbound connections and gives each a visit. Knows nothing of what a visit does.

A greenswitch `OutboundESLServer` with these faults of 0.0.19 mended (`tests/telephony/test_stock_faults.py`):

    stock                                               here
    looks for a connection every 100 ms                 accepts when one is there, backlog 4096
    over its limit: connects, then a bare `exit`        closes at once, the dialplan's next action takes over
    keeps a silent connection for ever                  `first_word_s`; the oldest silent ones go first
    dies when there are no more file descriptors        closes what it cannot keep, goes on
    never closes the socket of a cut connect            every socket is closed, whatever happened
    `stop` waits for calls without an end               `drain_s`, then they are cut
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer
from greenswitch.esl import OutboundESLServer

from fsapp.errors import HangUp, ListenError, ProtocolError, Timeout
from fsapp.log import get_logger
from fsapp.metrics import CONNECTIONS, REFUSED, VISIT_SECONDS, VISITS
from fsapp.spawn import spawn
from fsapp.telephony.session import Session

__all__ = ["Server"]

BACKLOG = 4096
_PAUSE_S = 0.1
_GREETING_S = 0.5
_SAY_AGAIN_S = 10.0
_NO_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_OUTCOMES = {name: VISITS.labels(name) for name in ("done", "hung_up", "timed_out", "garbled", "failed", "cut")}
_log = get_logger("server")


class _Listener(StreamServer):
    """gevent's accept loop, which hands over connections in the hub: what they are given to must not wait.

    `make_room` closes a connection that can be spared, and says whether there was one.
    """

    def __init__(
        self, sock: socket.socket, taken: Callable[[socket.socket], None], make_room: Callable[[], bool]
    ) -> None:
        self._taken = taken
        self._make_room = make_room
        self._spare = os.open(os.devnull, os.O_RDONLY)
        self._said_at = -_SAY_AGAIN_S
        super().__init__(sock)

    def handle(self, sock: socket.socket, address: object) -> None:
        """Only there because StreamServer wants one; `do_handle` spares the greenlet for what is refused."""

    def do_handle(self, *args: socket.socket) -> None:
        self._taken(args[0])

    def do_read(self) -> tuple[object, ...] | None:
        try:
            return super().do_read()
        except OSError as error:
            if error.errno in self.fatal_errors:
                raise
            if error.errno in _NO_RESOURCES:
                self._short(error)
            return None  # any other error is of a connection that is gone already

    def _short(self, error: OSError) -> None:
        """Out of descriptors. Who waits is let in for a silent one, or is closed so that its call goes on elsewhere."""
        now = time.monotonic()
        if now - self._said_at >= _SAY_AGAIN_S:
            self._said_at = now
            _log.error("out_of_files", error=error.strerror, todo="allow more open files or fewer visits (max_visits)")
        if self._make_room():
            return
        refused = False
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
            with contextlib.suppress(OSError):
                os.close(self.socket._accept()[0])
                refused = True
                REFUSED.labels("files").inc()
        with contextlib.suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY)
        if not refused:
            # Without a pause the connection that nobody can take would keep the loop spinning.
            self.stop_accepting()
            self._timer = self.loop.timer(_PAUSE_S)
            self._timer.start(self._start_accepting_if_started)

    def close(self) -> None:
        super().close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1


class Server(OutboundESLServer):
    """Serves visits at `address` (host and port; port 0 lets the system choose).

    `visit` is called with a connected Session, in a greenlet of its own; it should end with `session.leave(...)`. What
    it raises ends that visit only. At most `max_visits` run at a time, and at most `max_silent` connections (the same
    number, at least 1,000) that have not said anything yet. A connection has `first_word_s` to answer, a visit
    `visit_s` in all.
    """

    def __init__(
        self, address: tuple[str, int], visit: Callable[[Session], None], *, max_visits: int = 1000,
        first_word_s: float = 5, visit_s: float = 10, drain_s: float = 5, max_silent: int | None = None,
    ) -> None:
        super().__init__(address[0], address[1], visit, max_visits)
        self.address = address
        self._visit = visit
        self._max_silent = max_silent if max_silent is not None else max(1000, max_visits)
        self._first_word_s = first_word_s
        self._visit_s = visit_s
        self._drain_s = drain_s
        self._silent: dict[Session, gevent.Greenlet] = {}  # in the order they came
        self._visits: dict[Session, gevent.Greenlet] = {}
        self._listener: _Listener | None = None
        self._stopped = Event()

    @property
    def visits(self) -> int:
        """How many visits are running."""
        return len(self._visits)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._visits) + len(self._silent)

    def start(self) -> None:
        """Listens; `address` is then the real one. ListenError if it cannot be had."""
        listener = _Listener(_listen(self.address), self._accepted, self._make_room)
        listener.start()
        self._listener = listener
        self.address = listener.address[:2]
        self.bound_port = self.address[1]
        self._running = True
        CONNECTIONS.set_function(lambda: self.connections)

    def listen(self) -> None:
        """Stock's name for `serve_forever`."""
        self.serve_forever()

    def serve_forever(self) -> None:
        """Serves until `stop` has been called and has ended."""
        if self._listener is None:
            self.start()
        self._stopped.wait()  # the one wait without a timeout: it is what the process is for

    def stop(self, drain: bool = True) -> None:
        """Stops listening, gives the running visits `drain_s` to end unless `drain` is false, and cuts the rest."""
        self._running = False
        if self._listener is not None:
            self._listener.close()
        end = time.monotonic() + self._drain_s
        if drain:
            # A call that has just come is a matter of milliseconds; who says nothing is not waited for.
            gevent.joinall(list(self._silent.values()), timeout=min(_GREETING_S, self._drain_s))
        greenlets = list(self._silent.values())
        while self._make_room():
            pass
        while drain and self._visits and time.monotonic() < end:
            gevent.joinall(list(self._visits.values()), timeout=end - time.monotonic())
        if self._visits:
            _log.warning("visits_cut", visits=len(self._visits))
        greenlets += self._visits.values()
        gevent.killall(list(self._visits.values()), block=False)
        gevent.joinall(greenlets, timeout=self._drain_s)
        self._stopped.set()

    def _accepted(self, sock: socket.socket) -> None:
        """In the hub: must not wait."""
        if len(self._visits) >= self.max_connections:
            REFUSED.labels("full").inc()
            sock.close()
            return
        if len(self._silent) >= self._max_silent:
            self._make_room()
        session = Session(sock)
        self._silent[session] = spawn(self._serve, session, time.perf_counter(), name="visit")

    def _make_room(self) -> bool:
        """Closes the connection that has been silent for longest: a switch answers within milliseconds."""
        if not self._silent:
            return False
        oldest = next(iter(self._silent))
        del self._silent[oldest]
        oldest.close()  # its greenlet finds the socket closed; killed before its first step, it would close nothing
        REFUSED.labels("silent").inc()
        return True

    def _serve(self, session: Session, accepted_at: float) -> None:
        outcome = "cut"
        try:
            if self._greet(session):
                session.allow(self._visit_s)
                self._visit(session)
                outcome = "done"
            else:
                outcome = ""
        except HangUp:
            outcome = "hung_up" if session in self._silent or session in self._visits else ""
        except Timeout:
            outcome = "timed_out"
        except gevent.Timeout as timeout:
            if not session.is_deadline(timeout):
                raise
            outcome = "timed_out"
        except ProtocolError as error:
            outcome = "garbled"
            _log.warning("visit_garbled", error=str(error))
        except Exception:  # noqa: BLE001 - whatever a visit does, the others go on
            outcome = "failed"
            _log.exception("visit_failed", call=session.uuid)
        finally:
            session.close()
            self._silent.pop(session, None)
            self._visits.pop(session, None)
            if outcome:
                _OUTCOMES[outcome].inc()
                VISIT_SECONDS.observe(time.perf_counter() - accepted_at)

    def _greet(self, session: Session) -> bool:
        """Lets the switch say which call it is; false if there is no room for the visit, or it says nothing."""
        session.allow(self._first_word_s)
        try:
            session.connect()
        except Timeout:
            REFUSED.labels("silent").inc()
            return False
        if len(self._visits) >= self.max_connections:
            REFUSED.labels("full").inc()
            return False
        greenlet = self._silent.pop(session, None)
        if greenlet is None:
            return False  # made room for another in this very moment
        self._visits[session] = greenlet
        return True


def _listen(address: tuple[str, int]) -> socket.socket:
    host, port = address
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    other = "choose another with --listen or FSAPP_LISTEN"
    sock = None
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit it: a visit's commands must not wait for an acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(where)
        sock.listen(BACKLOG)
        return sock
    except OSError as error:
        if sock is not None:
            sock.close()
        if error.errno == errno.EADDRINUSE:
            raise ListenError(f"{shown} is taken by another program: stop it or {other}") from None
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            raise ListenError(f"{shown} is no address of this machine: {other}") from None
        if error.errno == errno.EACCES:
            raise ListenError(f"{shown} is not allowed to this user: {other}") from None
        raise ListenError(f"{shown} cannot be listened on ({error.strerror}): {other}") from None
