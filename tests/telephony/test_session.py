"""A visit's end of the socket: replies in order, the right execute's end, one signal when the call is gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent import socket
from switch_side import (
    BYE,
    CHANNEL_DATA,
    ERR,
    LINGER,
    NOTICE,
    OK,
    event,
    from_switch,
    greenlets,
    lines,
    pair,
    read_all,
    read_until,
    reset,
    until,
)

from fsapp.errors import HangUp, ProtocolError, SwitchError, Timeout, UnsafeArgument
from fsapp.spawn import spawn
from fsapp.telephony import command
from fsapp.telephony.esl import Message
from fsapp.telephony.session import Session


class Ends:
    """A session and the switch's end of its socket."""

    def __init__(self) -> None:
        near, self.switch = pair()
        self.session = Session(near)

    def play(self, script: Callable[[socket.socket], None]) -> gevent.Greenlet:
        return spawn(script, self.switch, name="switch")

    def connected(self) -> Session:
        self.switch.sendall(CHANNEL_DATA)
        self.session.connect()
        read_until(self.switch, b"connect\n\n")
        return self.session


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    with gevent.Timeout(30, AssertionError("the test hangs")):
        yield made
    made.session.close()
    made.switch.close()


def uuid_of(wire: bytes) -> str:
    return re.search(rb"Event-UUID: (\S+)", wire)[1].decode()


def test_connect_speaks_first_and_only_once(ends: Ends) -> None:
    assert ends.session.uuid == ""
    session = ends.connected()
    assert session.uuid == "d6d78254-60c5-4aab-b5a8-00322e8f5d9c"
    assert session.connect() is session.session_data
    assert session.caller_id_number == "+381601234567"  # a method of stock, on our message


def test_the_last_commands_go_out_in_one_write_and_are_answered_in_order(ends: Ends) -> None:
    session = ends.connected()
    ends.switch.sendall(OK + ERR + BYE + NOTICE)
    replies = session.leave(command.multiset({"a": "b"}), command.transfer("fsapp-queue", "fsapp"))
    assert [reply.ok for reply in replies] == [True, False]
    wire = read_all(ends.switch)
    assert wire == command.multiset({"a": "b"}) + command.transfer("fsapp-queue", "fsapp") + command.EXIT
    with pytest.raises(HangUp):
        session.send("status")


def test_a_recorded_visit_with_menus_plays_through(ends: Ends) -> None:
    """The switch's recorded bytes, each sent when the app has sent what it had sent then."""
    trace = lines("ivr-digits")
    uuids: dict[bytes, bytes] = {}

    def switch(sock: socket.socket) -> None:
        for line in trace[:-1]:
            data = line["data"].encode()
            if line["from"] == "app":
                got = read_until(sock, b"\n\n")
                if b"Event-UUID" in data:
                    uuids[uuid_of(data).encode()] = uuid_of(got).encode()
            else:
                for old, new in uuids.items():
                    data = data.replace(old, new)  # of the same length
                sock.sendall(data)

    playing = ends.play(switch)
    session = ends.session
    names: list[str | None] = []
    session.on_event = lambda found: names.append(found.get("Event-Name"))
    session.connect()
    session.linger(5)
    session.myevents()
    assert session.execute("answer").get("Application") == "answer"
    sound = "tone_stream://%(300,100,440);loops=1 silence_stream://250"
    asked = (1, 1, 2, 2000, "#", sound, "fsapp_choice", "[12]")
    assert session.play_and_get_digits(*asked, variable="fsapp_choice") == "2"
    with pytest.raises(HangUp):
        for _ in range(2):
            session.play_and_get_digits(1, 4, 1, 800, "#", sound, "fsapp_order", r"\d+", variable="fsapp_order")
    assert "DTMF" in names
    assert not session.connected
    session.close()
    playing.kill()


def test_two_executes_of_one_application_that_end_in_the_other_order(ends: Ends) -> None:
    session = ends.connected()
    ends.switch.sendall(OK + OK)
    first = session.start("playback", "one")
    second = session.start("playback", "two")

    def ended(uuid: str, what: str) -> bytes:
        return event("CHANNEL_EXECUTE_COMPLETE", variable_current_application="playback", Application="playback",
                     Application_UUID=uuid, Application_Response=what)

    ends.switch.sendall(ended(second, "second") + ended("somebody-else", "no") + ended(first, "first"))
    assert session.wait(first, 5).get("Application-Response") == "first"
    assert session.wait(second, 5).get("Application-Response") == "second"


def test_an_execute_that_ends_before_its_reply(ends: Ends) -> None:
    session = ends.connected()

    def switch(sock: socket.socket) -> None:
        uuid = uuid_of(read_until(sock, b"\n\n"))
        sock.sendall(event("CHANNEL_EXECUTE_COMPLETE", Application_UUID=uuid) + OK)

    playing = ends.play(switch)
    assert session.execute("answer", timeout_s=10).get("Event-Name") == "CHANNEL_EXECUTE_COMPLETE"
    playing.join(5)


def test_an_execute_that_does_not_end_leaves_the_session_usable(ends: Ends) -> None:
    session = ends.connected()
    ends.switch.sendall(OK)
    uuid = session.start("playback", "long")
    with pytest.raises(Timeout, match="within 0.01 s"):
        session.wait(uuid, 0.01)
    ends.switch.sendall(event("CHANNEL_EXECUTE_COMPLETE", Application_UUID=uuid) + OK)
    assert session.send("status").ok
    assert session._ended == {}


def test_a_refused_execute_says_so(ends: Ends) -> None:
    session = ends.connected()
    ends.switch.sendall(ERR)
    with pytest.raises(SwitchError, match="refused to run playback: -ERR invalid"):
        session.execute("playback", "x")


@pytest.mark.parametrize("notice", [NOTICE, LINGER], ids=["disconnect", "linger"])
@pytest.mark.parametrize("wait", [
    lambda session: session.send("status"), lambda session: session.leave(command.transfer("q", "fsapp")),
    lambda session: session.send_all(b"a\n\n", b"b\n\n"), lambda session: session.execute("answer"),
], ids=["send", "leave", "send_all", "execute"])
def test_a_notice_is_a_hangup_wherever_it_comes(ends: Ends, notice: bytes, wait: Callable[[Session], object]) -> None:
    session = ends.connected()
    ends.switch.sendall(notice)
    with pytest.raises(HangUp):
        wait(session)
    with pytest.raises(HangUp):
        session.send("status")
    with pytest.raises(HangUp):
        session.raise_if_disconnected()


@pytest.mark.parametrize("close", [socket.socket.close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("sent", [
    b"", CHANNEL_DATA[:1], CHANNEL_DATA[:-1], b"Content-Type: log/data\nContent-Length: 9\n\n1",
], ids=["nothing", "a byte", "headers", "a body"])
def test_the_end_of_the_connection_in_the_middle_of_anything(ends: Ends, sent: bytes, close: Callable) -> None:
    ends.switch.sendall(sent)
    close(ends.switch)
    with pytest.raises(HangUp):
        ends.session.connect()


def test_writing_to_a_connection_that_is_gone(ends: Ends) -> None:
    session = ends.connected()
    reset(ends.switch)
    with pytest.raises(HangUp):
        session.send("status")
    session.connected = True  # as if nobody had noticed: now the write itself fails
    with pytest.raises(HangUp):
        session.send("status")


def test_leaving_tolerates_a_peer_that_is_gone_but_not_lost_commands(ends: Ends) -> None:
    session = ends.connected()
    ends.switch.close()
    with pytest.raises(HangUp):
        session.leave(command.transfer("q", "fsapp"))
    assert session.leave() == []
    session.stop()
    assert session.sock.fileno() == -1


def test_a_lost_good_bye_does_not_matter(ends: Ends) -> None:
    session = ends.connected()
    ends.switch.sendall(OK)
    ends.switch.shutdown(socket.SHUT_WR)
    assert [reply.ok for reply in session.leave(command.transfer("q", "fsapp"))] == [True]


def test_the_deadline_ends_a_wait_for_the_switch(ends: Ends) -> None:
    ends.session.allow(0.01)
    with pytest.raises(Timeout, match="did not answer in time"):
        ends.session.connect()
    with pytest.raises(HangUp):
        ends.session.connect()


def test_the_deadline_ends_a_write_that_nobody_reads(ends: Ends) -> None:
    session = ends.connected()
    session.allow(0.05)
    with pytest.raises(Timeout):
        session.send(b"x" * 50_000_000)


def test_the_deadline_ends_any_other_wait_by_its_own_kind(ends: Ends) -> None:
    ends.session.allow(0.01)
    with pytest.raises(gevent.Timeout) as caught:
        gevent.sleep(30)
    assert ends.session.is_deadline(caught.value)


def test_somebody_elses_timeout_passes_and_its_late_reply_is_nobodys(ends: Ends) -> None:
    session = ends.connected()
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.01):
        session.send("status")
    with pytest.raises(HangUp):
        session.send("the reply to status would be taken for this one's")


def test_after_a_write_that_somebody_elses_timeout_cut_nothing_more_is_sent(ends: Ends) -> None:
    session = ends.connected()
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        session.send(b"x" * 50_000_000)
    with pytest.raises(HangUp):
        session.send("the rest of that command is what the switch would read first")


def test_everything_is_sent_through_a_small_buffer(ends: Ends) -> None:
    session = ends.connected()
    session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    commands = [b"api echo %d " % n + b"x" * 20_000 + b"\n\n" for n in range(100)]

    def switch(sock: socket.socket) -> None:
        assert read_until(sock, commands[-1]) == b"".join(commands)
        sock.sendall(OK * 100)

    playing = ends.play(switch)
    assert len(session.send_all(*commands)) == 100
    playing.join(5)


def test_nothing_of_an_unsafe_command_is_sent(ends: Ends) -> None:
    session = ends.connected()
    for attempt in (lambda: session.execute("set", "name=Eve\n\napi echo X"),
                    lambda: session.call_command("set", "a\nb"),
                    lambda: session.send("status\n\nexit"), lambda: session.bridge("user/1\n\nexit"),
                    lambda: session.hangup("X\nY"), lambda: session.playback("a\n\nb")):
        with pytest.raises(UnsafeArgument):
            attempt()
    session.close()
    assert read_all(ends.switch) == b""


@pytest.mark.parametrize("garbage", [
    b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n\n\n", b"\x00" * 300_000,
    b"Content-Type: x\nContent-Length: -5\n\n",
    b"Content-Type: text/event-plain\nContent-Length: 600000\n\n",
], ids=["http", "nul", "negative", "long"])
def test_garbage_is_a_protocol_error_and_the_end(ends: Ends, garbage: bytes) -> None:
    playing = ends.play(lambda sock: sock.sendall(garbage))
    with pytest.raises(ProtocolError):
        ends.session.connect()
    with pytest.raises(HangUp):
        ends.session.connect()
    ends.session.close()
    playing.kill()


def test_an_answer_that_nobody_asked_for_is_a_protocol_error(ends: Ends) -> None:
    session = ends.connected()
    ends.switch.sendall(OK + OK)
    with pytest.raises(ProtocolError, match="not asked"):
        session.execute("answer", timeout_s=5)


def test_a_failing_hook_does_not_end_the_visit(ends: Ends) -> None:
    session = ends.connected()
    seen: list[str | None] = []

    def hook(found: Message) -> None:
        seen.append(found.get("Event-Name"))
        raise KeyError("a bug")

    session.on_event = hook
    ends.switch.sendall(event("DTMF", DTMF_Digit="1") + event("DTMF", DTMF_Digit="2") + OK)
    assert session.send("status").ok
    assert seen == ["DTMF", "DTMF"]


def test_latin1_in_a_name_loses_nothing(ends: Ends) -> None:
    data = CHANNEL_DATA.replace(b"Petar%20Petrovic", b"Kov%E1cs%20%").replace(b"+381", b"\xe1")
    ends.switch.sendall(data + b"Content-Type: log/data\nContent-Length: 2\n\n\xff\xfe" + OK)
    assert ends.session.connect().get("Caller-Caller-ID-Name") == "Kovács %"
    assert ends.session.send("status").ok


def test_a_caller_who_hangs_up_at_once_as_recorded(ends: Ends) -> None:
    ends.switch.sendall(b"".join(from_switch("caller-hangs-up-at-once")["outbound-1"]))
    ends.switch.close()
    ends.session.connect()
    with pytest.raises(HangUp):
        ends.session.leave(command.multiset({"a": "b"}), command.transfer("queue", "public"))


def test_a_session_is_no_greenlet_and_no_file(ends: Ends) -> None:
    before = greenlets()
    near, far = pair()
    session = Session(near)
    assert greenlets() == before
    assert not hasattr(session, "sock_file")
    session.close()
    far.close()


def test_closing_wakes_who_waits(ends: Ends) -> None:
    waiting = gevent.spawn(ends.session.connect)
    read_until(ends.switch, b"connect\n\n")
    ends.session.close()
    until(lambda: waiting.dead, "the waiting greenlet ends")
    assert isinstance(waiting.exception, HangUp)


def test_a_good_bye_that_is_late_does_not_matter(ends: Ends) -> None:
    session = ends.connected()
    ends.switch.sendall(OK)
    session.allow(0.05)
    assert [reply.ok for reply in session.leave(command.transfer("q", "fsapp"))] == [True]
