"""The link to the switch: who is let in, answers to those who asked, events in order, and a clear end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer
from switch_side import ERR, NOTICE, OK, event, from_switch, greenlets, read_until, sockets, until

from fsapp.errors import ProtocolError, SwitchError, SwitchRefused, SwitchUnavailable, Timeout, UnsafeArgument
from fsapp.telephony.link import Link

AUTH = b"Content-Type: auth/request\n\n"
ACCEPTED = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
REFUSED = from_switch("authentication")["inbound-1"][1:]


def response(body: bytes) -> bytes:
    return b"Content-Type: api/response\nContent-Length: %d\n\n%b" % (len(body), body)


def letting_in(sock: socket.socket) -> None:
    sock.sendall(AUTH)
    assert read_until(sock, b"\n\n") == b"auth secret\n\n"
    sock.sendall(ACCEPTED)


@pytest.fixture
def linked() -> Iterator[Callable[..., Link]]:
    """Makes links to a switch that plays a script; nothing may be left of them."""
    before = greenlets(), sockets()
    opened: list[StreamServer | Link] = []

    def start(script: Callable[[socket.socket], None], timeout: float = 10, **options: int) -> Link:
        server = StreamServer(("127.0.0.1", 0), lambda sock, _: script(sock))
        server.start()
        link = Link("127.0.0.1", server.server_port, "secret", timeout, **options)
        opened.extend((link, server))
        return link

    with gevent.Timeout(30, AssertionError("the test hangs")):
        yield start
        for each in opened:
            each.stop()
        until(lambda: (greenlets(), sockets()) == before, "no greenlet and no socket is left")


def test_api_events_and_the_end(linked: Callable[..., Link]) -> None:
    def switch(sock: socket.socket) -> None:
        letting_in(sock)
        assert read_until(sock, b"\n\n") == b"event plain BACKGROUND_JOB CUSTOM callcenter::info\n\n"
        sock.sendall(OK)
        assert read_until(sock, b"\n\n") == b"bgapi status\nJob-UUID: 7\n\n"
        sock.sendall(OK + event("BACKGROUND_JOB", Job_UUID="7"))
        assert read_until(sock, b"\n\n") == b"api status\n\n"
        sock.sendall(event("CUSTOM", Event_Subclass="callcenter::info") + response(b"UP Kov\xe1cs\n") + NOTICE)

    with linked(switch) as link:
        link.subscribe("BACKGROUND_JOB", "callcenter::info")
        assert link.bgapi("status", "7") == "7"
        assert link.api("status") == "UP Kovács\n"
        events = link.events()
        assert next(events).get("Job-UUID") == "7"
        assert next(events).get("Event-Subclass") == "callcenter::info"
        with pytest.raises(SwitchUnavailable, match="ended the connection"):
            next(events)
        with pytest.raises(SwitchUnavailable):
            link.api("status")


def test_a_recorded_stream_comes_through_whole(linked: Callable[..., Link]) -> None:
    events = [message for message in from_switch("queue-priority")["inbound"] if b"text/event-plain" in message]

    def switch(sock: socket.socket) -> None:
        letting_in(sock)
        sock.sendall(b"".join(events))

    with linked(switch) as link:
        names = [link.next_event(10).get("Event-Name") for _ in events]
    assert names[0]
    assert len(names) == len(events)


def test_many_greenlets_get_their_own_answers(linked: Callable[..., Link]) -> None:
    def switch(sock: socket.socket) -> None:
        letting_in(sock)
        got = b""
        while got.count(b"\n\n") < 50:
            got += sock.recv(4096)
        sock.sendall(b"".join(response(line.removeprefix(b"api echo ")) for line in got.split(b"\n\n")[:50]))

    with linked(switch) as link:
        asking = [gevent.spawn(link.api, f"echo {number}") for number in range(50)]
        gevent.joinall(asking, timeout=10, raise_error=True)
        assert [greenlet.value for greenlet in asking] == [str(number) for number in range(50)]


def test_a_late_answer_goes_to_nobody_else(linked: Callable[..., Link]) -> None:
    late = gevent.event.Event()

    def switch(sock: socket.socket) -> None:
        letting_in(sock)
        read_until(sock, b"api slow\n\n")
        late.wait(10)
        sock.sendall(response(b"slow"))
        read_until(sock, b"api fast\n\n")
        sock.sendall(response(b"fast"))

    with linked(switch) as link:
        with pytest.raises(Timeout, match=r"did not answer within 0\.01 s"):
            link.api("slow", 0.01)
        late.set()
        assert link.api("fast") == "fast"


@pytest.mark.parametrize(("sent", "error", "says"), [
    (AUTH + b"".join(REFUSED), SwitchRefused, r"refuses the password: set FSAPP_SWITCH_PASSWORD .* event_socket\.conf"),
    (b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n", SwitchRefused,
     "apply-inbound-acl"),
    (b"", SwitchUnavailable, "closed the connection before it let us in"),
    (AUTH, SwitchUnavailable, "closed the connection before it let us in"),
    (OK, ProtocolError, "no event socket: set FSAPP_SWITCH"),
    (b"SSH-2.0-OpenSSH\r\n\n\n", ProtocolError, "without a Content-Type"),
], ids=["password", "acl", "closed", "closed later", "not a greeting", "ssh"])
def test_not_let_in(linked: Callable[..., Link], sent: bytes, error: type[Exception], says: str) -> None:
    def switch(sock: socket.socket) -> None:
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        with gevent.Timeout(10, False):
            sock.recv(100)

    with pytest.raises(error, match=says) as caught:
        linked(switch).connect()
    assert "secret" not in str(caught.value)


def test_nobody_there_or_nobody_who_speaks(linked: Callable[..., Link]) -> None:
    link = linked(lambda sock: sock.recv(100), timeout=0.05)
    with pytest.raises(SwitchUnavailable, match="does not answer"):
        link.connect()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(SwitchUnavailable, match="start it, or set FSAPP_SWITCH"):
            Link("127.0.0.1", bound.getsockname()[1], "secret").connect()
    with pytest.raises(SwitchUnavailable, match="no switch at nowhere.invalid:1"):
        Link("nowhere.invalid", 1, "secret").connect()
    with pytest.raises(UnsafeArgument, match="FSAPP_SWITCH_PASSWORD"):
        Link("127.0.0.1", 1, "").connect()
    with pytest.raises(SwitchUnavailable, match="not connected"):
        Link("127.0.0.1", 1, "secret").api("status")


@pytest.mark.parametrize("last", [
    b"", b"Content-Type: api/response\nContent-Length: -4\n\n", NOTICE, b"\xff" * 300_000,
], ids=["closed", "negative", "notice", "garbage"])
def test_everybody_who_waits_is_told_when_the_link_is_lost(linked: Callable[..., Link], last: bytes) -> None:
    def switch(sock: socket.socket) -> None:
        letting_in(sock)
        read_until(sock, b"api three\n\n")
        sock.sendall(last)

    with linked(switch) as link:
        waiting = [gevent.spawn(link.api, word) for word in ("one", "two", "three")]
        listening = gevent.spawn(lambda: list(link.events()))
        gevent.joinall([*waiting, listening], timeout=10)
        for greenlet in (*waiting, listening):
            assert isinstance(greenlet.exception, SwitchUnavailable)


def test_events_that_nobody_takes_are_bounded_and_counted(linked: Callable[..., Link]) -> None:
    def switch(sock: socket.socket) -> None:
        letting_in(sock)
        sock.sendall(b"".join(event("X", Number=str(number)) for number in range(10)))
        read_until(sock, b"\n\n")
        sock.sendall(response(b"done"))
        sock.recv(100)

    with linked(switch, max_events=3) as link:
        assert link.api("status") == "done"
        assert link.dropped == 7
        assert [link.next_event(5).get("Number") for _ in range(3)] == ["7", "8", "9"]
        assert link.next_event(0.01) is None


def test_closing_ends_the_events_quietly(linked: Callable[..., Link]) -> None:
    def switch(sock: socket.socket) -> None:
        letting_in(sock)
        sock.recv(100)

    link = linked(switch)
    link.connect()
    listening = gevent.spawn(lambda: list(link.events()))
    gevent.idle()
    link.close()
    link.close()
    assert listening.get(timeout=10) == []


def test_what_is_refused_or_unsafe(linked: Callable[..., Link]) -> None:
    def switch(sock: socket.socket) -> None:
        letting_in(sock)
        read_until(sock, b"\n\n")
        sock.sendall(ERR)
        assert read_until(sock, b"\n\n") == b"api status\n\n"
        sock.sendall(response(b"ok"))

    with linked(switch) as link:
        with pytest.raises(SwitchError, match="refused the subscription: -ERR invalid"):
            link.subscribe("CHANNEL_ANSWER")
        for attempt in (lambda: link.api("status\n\nexit"), lambda: link.bgapi("a\nb"), lambda: link.subscribe("A\nB"),
                        lambda: link.bgapi("status", "7\n\nexit"), lambda: link.send("exit\n\napi x")):
            with pytest.raises(UnsafeArgument):
                attempt()
        assert link.api("status") == "ok"
