"""The faults of greenswitch 0.0.19 that our classes override. What fails here was mended by an upgrade."""

from __future__ import annotations

import errno
import gc
import io
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version

import gevent
import gevent.event
import greenswitch.esl
import pytest
from gevent import socket
from greenswitch.esl import ESLEvent, ESLProtocol, InboundESL, OutboundESLServer, OutboundSession
from switch_side import CHANNEL_DATA, OK, event, from_switch, greenlets, pair, read_until, until

from fsapp.telephony.esl import Message, Parser
from fsapp.telephony.server import Server
from fsapp.telephony.session import Session


def test_the_release_that_is_meant() -> None:
    assert version("greenswitch") == "0.0.19"
    assert issubclass(Message, ESLEvent)
    assert issubclass(Session, OutboundSession)
    assert issubclass(Server, OutboundESLServer)


@pytest.fixture
def stock() -> Iterator[tuple[OutboundSession, socket.socket]]:
    """A stock session and the switch's end of its socket."""
    near, far = pair()
    session = OutboundSession(None, near)
    with gevent.Timeout(30, AssertionError("the test hangs")):
        yield session, far
    session._run = False
    gevent.killall([session._receive_events_greenlet, session._process_events_greenlet], timeout=10)
    far.close()
    session.sock_file.close()
    session.sock.close()


def free_port() -> int:
    """A port that was free a moment ago: stock takes port 0 for none at all."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_a_recorded_caller_forges_a_header() -> None:
    block = from_switch("sip-header-injection")["outbound-1"][0]
    assert ESLEvent(block.decode()).headers["variable_fsapp_class"].startswith("callback")
    assert Parser().feed(block)[0].get("variable_fsapp_class") is None


@pytest.mark.parametrize("end", ["%0A", "%0D", "%C2%85", "%E2%80%A8"])
def test_every_line_end_forges_a_header(end: str) -> None:
    head = f"Content-Type: command/reply\nCaller-Caller-ID-Name: Eve{end}variable_fsapp_class%3A%20callback"
    assert ESLEvent(head).headers["variable_fsapp_class"] == "callback"
    assert Message(head.encode()).get("variable_fsapp_class") is None


def test_the_later_header_replaces_the_real_one() -> None:
    head = "Content-Type: x\nUnique-ID: real\nUnique-ID: forged"
    assert ESLEvent(head).headers["Unique-ID"] == "forged"
    assert Message(head.encode()).get("Unique-ID") == "real"


def test_a_newline_in_an_argument_starts_a_command(stock: tuple[OutboundSession, socket.socket]) -> None:
    session, switch = stock
    sending = gevent.spawn(session.call_command, "set", "name=Eve\n\napi echo X")
    assert read_until(switch, b"X\n\n").split(b"\n\n")[1] == b"api echo X"
    sending.kill()


def test_an_execute_ends_with_another_of_its_name(stock: tuple[OutboundSession, socket.socket]) -> None:
    session, switch = stock
    first = gevent.spawn(session.call_command, "playback", "one", block=True)
    read_until(switch, b"one\n\n")
    second = gevent.spawn(session.call_command, "playback", "two", block=True)
    read_until(switch, b"two\n\n")
    switch.sendall(OK + OK + event("CHANNEL_EXECUTE_COMPLETE", variable_current_application="playback",
                                   Application_UUID="the second's", Application_Data="two"))
    assert first.get(timeout=10).headers["Application-Data"] == "two"
    second.kill()


def test_a_command_is_sent_in_part(stock: tuple[OutboundSession, socket.socket]) -> None:
    session, switch = stock
    sent: list[int] = []

    class Recording:
        def send(self, data: bytes) -> int:
            sent.append(session_sock.send(data))
            return sent[-1]

    session_sock = session.sock
    session_sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    session.sock = Recording()
    sending = gevent.spawn(session.send, "api echo " + "x" * 20_000_000)
    until(lambda: sent, "the one send is over")
    assert sent[0] < 20_000_000
    assert len(sent) == 1
    sending.kill()
    session.sock = session_sock


def test_waits_have_no_timeout(
    stock: tuple[OutboundSession, socket.socket], monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[object] = []
    real = gevent.event.AsyncResult.get

    def get(self: gevent.event.AsyncResult, block: bool = True, timeout: float | None = None) -> object:
        waited.append(timeout)
        return real(self, block, timeout)

    seen = type("Seen", (gevent.event.AsyncResult,), {"get": get})
    monkeypatch.setattr(greenswitch.esl.gevent.event, "AsyncResult", seen)
    session, switch = stock
    sending = gevent.spawn(session.send, "status")
    read_until(switch, b"status\n\n")
    until(lambda: waited, "it waits")
    assert waited == [None]
    sending.kill()


def test_a_lost_connection_leaves_waiters_waiting(stock: tuple[OutboundSession, socket.socket]) -> None:
    session, switch = stock
    sending = gevent.spawn(session.send, "status")
    read_until(switch, b"status\n\n")
    switch.close()
    until(lambda: session._receive_events_greenlet.dead, "its reader has seen the end")
    assert not session.connected
    assert not sending.ready()
    sending.kill()


def test_events_and_bodies_of_any_size_are_kept(stock: tuple[OutboundSession, socket.socket]) -> None:
    session, _ = stock
    assert session._esl_event_queue.maxsize is None
    asked: list[int] = []

    class File:
        def read(self, length: int) -> bytes:
            asked.append(length)
            raise EOFError

    file, session.sock_file = session.sock_file, File()
    with pytest.raises(EOFError):
        session.handle_event(ESLEvent(f"Content-Type: text/event-plain\nContent-Length: {10**15}"))
    session.sock_file = file
    assert asked == [10**15]


def test_the_end_of_the_file_in_a_body_spins() -> None:
    class Ended:
        reads = 0

        def read(self, length: int) -> bytes:
            self.reads += 1
            if self.reads == 500:
                raise InterruptedError("it would go on for ever")
            return b"12" if self.reads == 1 else b""

    ended = Ended()
    with warnings.catch_warnings(), pytest.raises(InterruptedError):
        warnings.simplefilter("ignore")
        ESLProtocol._read_socket(ended, 10)
    assert ended.reads == 500


def test_a_body_that_is_not_utf8_ends_the_reader() -> None:
    with pytest.raises(UnicodeDecodeError):
        ESLProtocol._read_socket(io.BytesIO(b"Kov\xe1cs"), 6)
    assert Message(b"Content-Type: log/data", b"Kov\xe1cs").text == "Kovács"


def test_a_header_that_is_not_utf8_ends_the_session(stock: tuple[OutboundSession, socket.socket]) -> None:
    session, switch = stock
    switch.sendall(b"Content-Type: command/reply\nCaller-Caller-ID-Name: Kov\xe1cs\n\n")
    session._receive_events_greenlet.join(10)
    assert not session.connected


def test_a_message_without_a_length_ends_the_reader(
    stock: tuple[OutboundSession, socket.socket], capsys: pytest.CaptureFixture,
) -> None:
    session, switch = stock
    switch.sendall(b"Content-Type: text/event-plain\n\n")
    session._receive_events_greenlet.join(10)
    assert isinstance(session._receive_events_greenlet.exception, KeyError)
    assert "KeyError" in capsys.readouterr().err


def test_an_idle_session_wakes_each_second_in_one_of_two_greenlets(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []

    class Recording(gevent.queue.Queue):
        def get(self, block: bool = True, timeout: float | None = None) -> object:
            waits.append(timeout)
            return super().get(block, 0.001)  # the second, shortened

    monkeypatch.setattr(greenswitch.esl, "Queue", Recording)
    before = greenlets()
    near, far = pair()
    session = OutboundSession(None, near)
    until(lambda: len(waits) > 3, "it wakes again and again")
    assert set(waits) == {1}
    assert greenlets() == before + 2
    session._run = False
    gevent.killall([session._receive_events_greenlet, session._process_events_greenlet], timeout=10)
    far.close()
    session.sock_file.close()
    near.close()


class StockServer:
    """A stock server in a greenlet, with what it slept and every session it made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: int) -> None:
        self.slept: list[float] = []
        self.sessions: list[OutboundSession] = []
        real_sleep, real_init = gevent.sleep, OutboundSession.__init__

        def init(session: OutboundSession, *args: object) -> None:
            real_init(session, *args)
            self.sessions.append(session)

        def sleep(seconds: float = 0) -> None:
            self.slept.append(seconds)
            real_sleep(0.001)

        monkeypatch.setattr(OutboundSession, "__init__", init)
        monkeypatch.setattr(greenswitch.esl, "gevent", type("Seen", (), {
            "sleep": staticmethod(sleep), "spawn": gevent.spawn, "event": gevent.event, "queue": gevent.queue,
            "joinall": gevent.joinall}))
        self.server = OutboundESLServer(bind_port=free_port(), application=lambda session: None, **options)
        self.greenlet = gevent.spawn(self.server.listen)
        until(lambda: self.server._running, "it listens")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.bound_port))

    def close(self) -> None:
        self.server.stop()
        self.greenlet.join(10)
        for session in self.sessions:
            session._run = False
            gevent.killall([session._receive_events_greenlet, session._process_events_greenlet], timeout=10)
            session.sock_file.close()
            session.sock.close()


@pytest.fixture
def stock_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., StockServer]]:
    made: list[StockServer] = []
    left = set(_alive())

    def start(**options: int) -> StockServer:
        made.append(StockServer(monkeypatch, **options))
        return made[-1]

    with gevent.Timeout(30, AssertionError("the test hangs")):
        yield start
        for each in made:
            each.close()
        # What stock leaves waiting for ever would be counted as another test's.
        gevent.killall([greenlet for greenlet in _alive() if greenlet not in left], timeout=10)


def _alive() -> list[gevent.Greenlet]:
    return [thing for thing in gc.get_objects() if isinstance(thing, gevent.Greenlet) and not thing.dead]


def test_it_looks_for_connections_each_tenth_of_a_second(stock_server: Callable[..., StockServer]) -> None:
    server = stock_server()
    until(lambda: len(server.slept) > 3, "it polls")
    assert set(server.slept) == {0.1}


def test_ours_sleeps_for_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    server = Server(("127.0.0.1", 0), lambda session: None)
    server.start()
    # Only what sleeps in the server is counted: the test itself waits in sockets here.
    monkeypatch.setattr(gevent, "sleep", lambda seconds=0: slept.append(seconds))
    for _ in range(3):
        with socket.create_connection(server.address) as sock:
            read_until(sock, b"connect\n\n")
            sock.sendall(CHANNEL_DATA)
            assert sock.recv(10) == b""
    monkeypatch.undo()
    server.stop()
    assert slept == []


def test_a_cut_connect_leaves_its_socket_and_its_greenlet(stock_server: Callable[..., StockServer]) -> None:
    server = stock_server()
    with server.connect() as sock:
        read_until(sock, b"connect\n\n")
    session = server.sessions[0]
    session._receive_events_greenlet.join(10)
    assert session.sock.fileno() != -1
    assert not session._commands_sent[0].ready()  # what waits for the reply waits for ever


def test_beyond_the_limit_a_call_is_connected_and_left_unrouted(stock_server: Callable[..., StockServer]) -> None:
    server = stock_server(max_connections=0)
    with server.connect() as sock:
        read_until(sock, b"connect\n\n")
        sock.sendall(CHANNEL_DATA)
        assert read_until(sock, b"\n\n") == b"exit\n\n"


def test_a_silent_connection_is_kept_and_stopping_waits_for_it_without_an_end(
    stock_server: Callable[..., StockServer], monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[object] = []
    server = stock_server()
    monkeypatch.setattr(greenswitch.esl.gevent, "joinall", lambda greenlets, timeout=None: waited.append(timeout))
    with server.connect() as silent:
        read_until(silent, b"connect\n\n")
        server.server.stop()
        until(lambda: waited, "it waits for the calls")
        assert waited == [None]
        assert server.sessions[0].connected


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ECONNABORTED])
def test_an_error_of_accept_ends_the_server(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    class Failing(socket.socket):
        def accept(self) -> tuple:
            raise OSError(number, "no")

    server = OutboundESLServer(bind_port=free_port(), application=print)
    made: list[Failing] = []
    monkeypatch.setattr(greenswitch.esl.socket, "socket", lambda: made.append(Failing()) or made[-1])
    with pytest.raises(OSError, match="no"):
        server.listen()
    made[0].close()


def test_a_port_in_use_ends_the_process() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        server = OutboundESLServer(bind_port=taken.getsockname()[1], application=print)
        with pytest.raises(SystemExit) as caught:
            server.listen()
        assert not caught.value.code
        server.server.close()


def test_an_inbound_link_waits_for_its_greeting_without_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float | None] = []

    class Given(gevent.event.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            raise InterruptedError("it would wait for ever")

    monkeypatch.setattr(greenswitch.esl, "Event", Given)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        link = InboundESL("127.0.0.1", listener.getsockname()[1], "secret", timeout=1)
        with pytest.raises(InterruptedError):
            link.connect()
        assert waited == [None]
        link._run = False
        gevent.killall([link._receive_events_greenlet, link._process_events_greenlet], timeout=10)
        link.sock_file.close()
        link.sock.close()


def test_a_wrong_password_is_a_bare_value_error(monkeypatch: pytest.MonkeyPatch) -> None:
    link = InboundESL("127.0.0.1", 1, "secret")
    monkeypatch.setattr(link, "send", lambda command: ESLEvent("Content-Type: command/reply\nReply-Text: -ERR invalid"))
    with pytest.raises(ValueError, match="Invalid password"):
        link.authenticate()
