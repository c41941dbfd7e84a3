"""The server under callers who hang up, say nothing, send garbage or come by the thousand."""

from __future__ import annotations

import errno
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from switch_side import (
    BYE,
    CHANNEL_DATA,
    LINGER,
    NOTICE,
    OK,
    greenlets,
    read_all,
    read_until,
    reset,
    sockets,
    until,
)

from fsapp.errors import ListenError
from fsapp.metrics import CONNECTIONS, REFUSED, REGISTRY, VISITS
from fsapp.spawn import spawn
from fsapp.telephony import command
from fsapp.telephony.server import Server
from fsapp.telephony.session import Session

LAST = (command.multiset({"fsapp_class": "service"}), command.transfer("fsapp-queue", "fsapp"))
SENT = b"".join(LAST) + command.EXIT


def route(session: Session) -> None:
    session.connect()
    session.leave(*LAST)


@pytest.fixture
def make() -> Iterator[Callable[..., Server]]:
    """Makes servers, and fails if one of them leaves a greenlet or a socket behind."""
    before = greenlets(), sockets()
    made: list[Server] = []

    def start(visit: Callable[[Session], None] = route, **options: float) -> Server:
        server = Server(("127.0.0.1", 0), visit, **options)
        server.start()
        made.append(server)
        return server

    with gevent.Timeout(60, AssertionError("the test hangs")):
        yield start
        for server in made:
            server.stop(drain=False)
            assert server.connections == 0
        until(lambda: (greenlets(), sockets()) == before, f"{before} greenlets and sockets again")


def call(server: Server) -> socket.socket:
    """A connection of the switch that has been greeted."""
    sock = socket.create_connection(server.address)
    read_until(sock, b"connect\n\n")
    return sock


def answered(server: Server) -> bool:
    """A whole visit, from a switch that does as it should."""
    with call(server) as sock:
        sock.sendall(CHANNEL_DATA)
        read_until(sock, SENT)
        sock.sendall(OK + OK + BYE + NOTICE)
        return read_all(sock) == b""


def counted(counter: object, **labels: str) -> float:
    return counter.labels(*labels.values())._value.get()


def test_a_visit(make: Callable[..., Server]) -> None:
    server = make()
    before, timed = counted(VISITS, outcome="done"), REGISTRY.get_sample_value("fsapp_visit_seconds_count")
    assert answered(server)
    until(lambda: counted(VISITS, outcome="done") == before + 1, "the visit is counted")
    assert REGISTRY.get_sample_value("fsapp_visit_seconds_count") == timed + 1


def test_the_gauge_shows_open_connections(make: Callable[..., Server]) -> None:
    server = make()
    with call(server):
        assert CONNECTIONS.collect()[0].samples[0].value == 1
    until(lambda: CONNECTIONS.collect()[0].samples[0].value == 0, "the gauge is down again")


def test_commands_are_not_held_back_by_the_kernel(make: Callable[..., Server]) -> None:
    seen: list[int] = []
    server = make(lambda session: seen.append(session.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    with call(server) as sock:
        sock.sendall(CHANNEL_DATA)
        read_all(sock)
    assert seen[0] != 0


STEPS = {
    "at once": [], "after connect": [b""], "in the middle of the data": [CHANNEL_DATA[:3000]],
    "one byte before the end of the data": [CHANNEL_DATA[:-1]], "after the data": [CHANNEL_DATA],
    "after the commands": [CHANNEL_DATA, b""], "after one reply": [CHANNEL_DATA, OK],
    "in the middle of a reply": [CHANNEL_DATA, OK + OK[:7]], "after the replies": [CHANNEL_DATA, OK + OK],
    "with a notice": [CHANNEL_DATA, NOTICE], "with a notice for data": [NOTICE], "lingering": [CHANNEL_DATA, LINGER],
    "after the good-bye": [CHANNEL_DATA, OK + OK + BYE],
}


@pytest.mark.parametrize("end", [socket.socket.close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("step", STEPS)
def test_the_caller_hangs_up_at_any_step(make: Callable[..., Server], step: str, end: Callable) -> None:
    server = make()
    sock = socket.create_connection(server.address)
    for number, sent in enumerate(STEPS[step]):
        read_until(sock, b"connect\n\n" if number == 0 else SENT)
        sock.sendall(sent)
    end(sock)
    until(lambda: server.connections == 0, "the visit has ended")
    assert answered(server)


def test_beyond_the_limit_connections_are_closed_at_once(make: Callable[..., Server]) -> None:
    release = Event()
    server = make(lambda session: (release.wait(30), route(session)), max_visits=2)
    running = [call(server) for _ in range(2)]
    for sock in running:
        sock.sendall(CHANNEL_DATA)
    until(lambda: server.visits == 2, "two visits run")
    before = counted(REFUSED, reason="full")
    with socket.create_connection(server.address) as sock:
        assert read_all(sock) == b""  # nothing said, not even exit: the dialplan's next action takes over
    assert counted(REFUSED, reason="full") == before + 1

    release.set()
    for sock in running:
        read_until(sock, SENT)
        sock.close()
    until(lambda: server.visits == 0, "the visits have ended")
    assert answered(server)


def test_the_limit_holds_for_those_who_came_before_it_was_reached(make: Callable[..., Server]) -> None:
    server = make(lambda session: session.send("status"), max_visits=2)
    socks = [call(server) for _ in range(5)]
    for sock in socks:
        sock.sendall(CHANNEL_DATA)
    until(lambda: server.connections == server.visits == 2, "two have their visits, the others are gone")
    for sock in socks:
        sock.close()


def test_a_connection_that_says_nothing_is_closed(make: Callable[..., Server]) -> None:
    server = make(first_word_s=0.05)
    before = counted(REFUSED, reason="silent")
    with call(server) as silent, call(server) as slow:
        slow.sendall(CHANNEL_DATA[:100])
        assert read_all(silent) == b""
        assert read_all(slow) == b""
    until(lambda: counted(REFUSED, reason="silent") == before + 2, "both are counted")


def test_a_visit_has_an_end(make: Callable[..., Server]) -> None:
    server = make(visit_s=0.05)
    before = counted(VISITS, outcome="timed_out")
    with call(server) as sock:
        sock.sendall(CHANNEL_DATA)
        assert read_all(sock) == SENT
    other = make(lambda session: gevent.sleep(60), visit_s=0.05)
    with call(other) as sock:
        sock.sendall(CHANNEL_DATA)
        assert read_all(sock) == b""
    until(lambda: counted(VISITS, outcome="timed_out") == before + 2, "both are counted")


def test_a_timeout_of_the_visits_own_is_not_taken_for_its_end(
    make: Callable[..., Server], capsys: pytest.CaptureFixture,
) -> None:
    def visit(session: Session) -> None:
        with gevent.Timeout(0.01):
            gevent.sleep(60)

    server = make(visit)
    before = counted(VISITS, outcome="timed_out")
    with call(server) as sock:
        sock.sendall(CHANNEL_DATA)
        assert read_all(sock) == b""
    assert counted(VISITS, outcome="timed_out") == before
    assert "greenlet_died" in "".join(capsys.readouterr())
    assert answered(make())


def test_the_time_of_the_first_word_is_not_the_visits(make: Callable[..., Server]) -> None:
    release = Event()
    server = make(lambda session: (gevent.sleep(0.2), release.set(), route(session)), first_word_s=0.1)
    assert answered(server)
    assert release.is_set()


def test_a_visit_that_fails_ends_alone(make: Callable[..., Server], capsys: pytest.CaptureFixture) -> None:
    calls = iter([True, False])

    def visit(session: Session) -> None:
        if next(calls):
            raise KeyError("a bug")
        route(session)

    server = make(visit)
    with call(server) as sock:
        sock.sendall(CHANNEL_DATA)
        assert read_all(sock) == b""
    assert answered(server)
    assert "visit_failed" in "".join(capsys.readouterr())


def test_the_oldest_silent_connection_makes_room(make: Callable[..., Server]) -> None:
    server = make(max_silent=3, first_word_s=50)
    silent = [call(server) for _ in range(3)]
    assert answered(server)
    assert read_all(silent[0]) == b""
    assert server.connections == 2
    for sock in silent:
        sock.close()


def test_hostile_bytes_hurt_nobody_else(make: Callable[..., Server]) -> None:
    server = make(first_word_s=20)
    source = random.Random(5)
    for number in range(60):
        with call(server) as sock:
            kind = number % 4
            data = source.randbytes(source.randrange(1, 3000))
            if kind == 1:
                data = CHANNEL_DATA[:source.randrange(len(CHANNEL_DATA))] + data + b"\n\n"
            elif kind == 2:
                data = b"Content-Type: command/reply\nContent-Length: %d\n\n" % source.randrange(-9, 10**9) + data
            elif kind == 3:
                data = CHANNEL_DATA + data + b"\n\n"
            sock.sendall(data)
    until(lambda: server.connections == 0, "all of them are gone")
    assert answered(server)


FLOOD = """
import socket, sys, time
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as sock:
    sock.recv(100)
    end = time.monotonic() + 6
    try:
        while time.monotonic() < end:
            sock.sendall(bytes.fromhex(sys.argv[2]) * 2000)
    except OSError:
        sys.exit(7)
"""


@pytest.mark.parametrize("chunk", [b"\n" * 40, b"Content-Type: text/event-plain\nContent-Length: 0\n\n"])
def test_a_connection_that_never_stops_sending_holds_nobody_up(make: Callable[..., Server], chunk: bytes) -> None:
    server = make(first_word_s=1)
    seen = counted(REFUSED, reason="silent")
    # Another process: in this one the flood would have to wait for the server.
    with subprocess.Popen([sys.executable, "-c", FLOOD, str(server.address[1]), chunk.hex()]) as flood:
        try:
            until(lambda: server.connections == 1, "the flood is connected")
            assert answered(server)
            until(lambda: counted(REFUSED, reason="silent") == seen + 1, "the flood has had its time")
            assert flood.wait(10) == 7, "it was cut off while it sent"
        finally:
            flood.kill()


def test_endless_headers_are_cut_off(make: Callable[..., Server]) -> None:
    server = make(first_word_s=50)
    before = counted(VISITS, outcome="garbled")
    sock = call(server)
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        for _ in range(1000):
            sock.sendall(b"X-Endless: " + b"x" * 65536)
    sock.close()
    until(lambda: counted(VISITS, outcome="garbled") == before + 1, "it is counted")
    assert answered(server)


@pytest.mark.parametrize("drain", [True, False])
def test_stopping_lets_running_visits_end_or_cuts_them(make: Callable[..., Server], drain: bool) -> None:
    release = Event()
    server = make(lambda session: (release.wait(30), route(session)), drain_s=20)
    sock, silent = call(server), call(server)
    sock.sendall(CHANNEL_DATA)
    until(lambda: server.visits == 1, "the visit runs")
    stopping = spawn(server.stop, drain, name="stop")
    assert read_all(silent) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address)
    release.set()
    if drain:
        read_until(sock, SENT)
        sock.sendall(OK + OK + BYE)
    assert read_all(sock) == b""
    stopping.get(timeout=20)
    sock.close()
    silent.close()


def test_draining_ends(make: Callable[..., Server]) -> None:
    server = make(lambda session: gevent.sleep(50), drain_s=0.05)
    before = counted(VISITS, outcome="cut")
    with call(server) as sock:
        sock.sendall(CHANNEL_DATA)
        until(lambda: server.visits == 1, "the visit runs")
        server.stop()
        assert read_all(sock) == b""
    assert counted(VISITS, outcome="cut") == before + 1


def test_a_call_that_has_just_come_is_served_while_stopping(make: Callable[..., Server]) -> None:
    server = make(drain_s=20)
    sock = call(server)
    stopping = spawn(server.stop, name="stop")
    gevent.idle()
    sock.sendall(CHANNEL_DATA)
    read_until(sock, SENT)
    sock.sendall(OK + OK + BYE)
    assert read_all(sock) == b""
    sock.close()
    stopping.get(timeout=20)


def test_serving_ends_with_stop(make: Callable[..., Server]) -> None:
    server = make()
    serving = spawn(server.serve_forever, name="server")
    gevent.idle()
    assert not serving.dead
    server.stop()
    serving.get(timeout=20)


def test_an_address_that_cannot_be_had_is_one_clear_line(make: Callable[..., Server]) -> None:
    host, port = make().address
    with pytest.raises(ListenError) as caught:
        Server((host, port), route).start()
    assert caught.value.faults == (
        f"127.0.0.1:{port} is taken by another program: stop it or choose another with --listen or FSAPP_LISTEN",)
    with pytest.raises(ListenError, match=r"192\.0\.2\.1:0 is no address of this machine"):
        Server(("192.0.2.1", 0), route).start()
    with pytest.raises(ListenError, match="nowhere.invalid:0 is no address of this machine"):
        Server(("nowhere.invalid", 0), route).start()


def test_without_a_descriptor_to_spare_accepting_pauses_and_goes_on(make: Callable[..., Server]) -> None:
    server = make()
    listener = server._listener
    os.close(listener._spare)
    listener._spare = -1
    listener._short(OSError(errno.EMFILE, "Too many open files"))
    assert answered(server)
    assert listener._spare >= 0


class Process:
    """small_server.py with a number of descriptors."""

    def __init__(self, files: int, folder: Path) -> None:
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).parent / "small_server.py"), str(files)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))

    @property
    def log(self) -> str:
        return self._log.read_text()

    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def ticks(self) -> int:
        """The processor time used so far, in clock ticks."""
        return sum(map(int, Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))

    def answers(self) -> bool:
        with socket.create_connection(self.address) as sock:
            read_until(sock, b"connect\n\n")
            sock.sendall(CHANNEL_DATA)
            read_until(sock, LAST[1] + command.EXIT)
            sock.sendall(OK + BYE)
            return read_all(sock) == b""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Callable[[int], Process]]:
    started: list[Process] = []

    def start(files: int) -> Process:
        started.append(Process(files, tmp_path))
        return started[-1]

    with gevent.Timeout(60, AssertionError("the test hangs")):
        yield start
    for each in started:
        each.process.stdin.close()
        try:
            assert each.process.wait(20) == 0, each.log
        finally:
            each.process.kill()
            each.process.stdout.close()


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"wants 4096 file descriptors, the limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_two_thousand_half_open_connections(process: Callable[[int], Process]) -> None:
    server = process(4096)
    before = server.memory()
    silent = [socket.create_connection(server.address) for _ in range(2000)]
    for sock in silent:
        read_until(sock, b"connect\n\n")
    for sock in silent[:500]:
        sock.sendall(CHANNEL_DATA[:2000])
    for _ in range(20):
        assert server.answers()
    assert server.memory() - before < 2000 * 40_000
    for sock in silent:
        sock.close()
    assert server.answers()


@pytest.mark.usefixtures("many_files")
def test_silent_connections_make_room_when_files_run_out(process: Callable[[int], Process]) -> None:
    server = process(64)
    silent = [socket.create_connection(server.address) for _ in range(300)]
    for _ in range(20):
        assert server.answers()
    assert server.log.count("out_of_files") == 1
    for sock in silent:
        sock.close()
    assert server.answers()


def test_without_files_callers_go_to_the_fallback_and_the_server_goes_on(process: Callable[[int], Process]) -> None:
    server = process(64)
    data = CHANNEL_DATA.replace(b"%2B381601234567", b"%2B381601234569")
    staying: list[socket.socket] = []
    refused = 0
    for _ in range(100):
        sock = socket.create_connection(server.address)
        try:
            read_until(sock, b"connect\n\n")
            sock.sendall(data)
            read_until(sock, b"status\n\n")
            staying.append(sock)
        except AssertionError:
            refused += 1  # closed at once, and not kept waiting
            sock.close()
    assert len(staying) > 30
    assert refused > 30
    assert server.log.count("out_of_files") == 1
    for sock in staying:
        sock.close()
    until(lambda: answers(server), "room again")


def answers(server: Process) -> bool:
    try:
        return server.answers()
    except (AssertionError, ConnectionError):
        return False
