"""Messages out of bytes: whatever the cuts, the same; whatever the bytes, bounded; and no header that a caller made."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from switch_side import TRACES, from_switch

from fsapp.errors import ProtocolError
from fsapp.telephony.esl import Message, Parser

STREAMS = [
    pytest.param(messages, id=f"{path.stem}/{conn}")
    for path in sorted(TRACES.glob("*.jsonl"))
    for conn, messages in from_switch(path.stem).items()
]
LINE_ENDS = ["%0A", "%0D", "%0D%0A", "%C2%85", "%E2%80%A8", "%0B", "%1C"]


def seen(messages: list[Message]) -> list[tuple]:
    return [(m.content_type, m._head, m.body) for m in messages]


@pytest.mark.parametrize("messages", STREAMS)
def test_a_trace_is_the_same_however_it_is_cut(messages: list[bytes]) -> None:
    stream = b"".join(messages)
    whole = seen(Parser().feed(stream))
    assert [head[1:] + b"\n\n" + body for _, head, body in whole] == messages

    step = max(1, len(stream) // 3000)
    ends = {sum(map(len, messages[:n])) + near for n in range(len(messages)) for near in range(-3, 4)}
    for cut in {*range(0, len(stream), step), *(end for end in ends if 0 <= end <= len(stream))}:
        parser = Parser()
        assert seen(parser.feed(stream[:cut]) + parser.feed(stream[cut:])) == whole, cut

    parser = Parser()
    assert seen([m for n in range(len(stream)) for m in parser.feed(stream[n:n + 1])]) == whole
    assert parser.waiting == 0


def test_channel_data_is_read_once_decoded() -> None:
    message, *_ = Parser().feed(b"".join(from_switch("hostile-caller-name")["outbound-2"]))
    assert message.content_type == "command/reply"
    assert message.reply == "+OK"
    assert message.get("Caller-Caller-ID-Name") == "Čeda 100% : žena"
    assert message.get("Caller-Caller-ID-Number") == "+381601112223"
    assert message.get("variable_none") is None
    assert message.get("variable_none", "x") == "x"


def test_a_real_attempt_at_forging_a_header_stays_a_value() -> None:
    data = from_switch("sip-header-injection")["outbound-1"][0]
    message, = Parser().feed(data)
    assert message.get("variable_fsapp_class") is None
    assert "fsapp_class" not in message.starting("variable_")
    assert "variable_fsapp_class" not in message.headers
    assert message.get("Caller-Caller-ID-Number") == "+36\nvariable_fsapp_class: callback"


@pytest.mark.parametrize("end", LINE_ENDS)
def test_no_line_end_makes_a_header(end: str) -> None:
    head = f"Caller-Caller-ID-Name: Eve{end}variable_fsapp_class%3A%20callback\nContent-Type: command/reply"
    message, = Parser().feed(head.encode() + b"\n\n")
    assert list(message.headers) == ["Caller-Caller-ID-Name", "Content-Type"]
    assert message.get("variable_fsapp_class") is None


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_only_a_newline_ends_a_line(end: str) -> None:
    message, = Parser().feed(f"Content-Type: x\nName: Eve{end}Forged: yes\n\n".encode())
    assert list(message.headers) == ["Content-Type", "Name"]
    assert message.get("Forged") is None


def test_the_first_of_two_headers_counts() -> None:
    message, = Parser().feed(b"Content-Type: command/reply\nUnique-ID: real\nUnique-ID: forged\n\n")
    assert message.get("Unique-ID") == "real"
    assert message.headers["Unique-ID"] == "real"
    assert message.starting("Unique-") == {"ID": "real"}


def test_a_header_is_found_by_its_whole_name_only() -> None:
    message = Message(b"X-Unique-ID: no\nUnique-ID-2: no\nName: Unique-ID: no\nEmpty:\nUnique-ID: yes")
    assert message.get("Unique-ID") == "yes"
    assert message.get("Empty") == ""


@pytest.mark.parametrize(("raw", "text"), [
    (b"Kov%E1cs", "Kovács"), (b"Kov\xe1cs", "Kovács"), (b"Kov%C3%A1cs", "Kovács"), ("Kovács".encode(), "Kovács"),
    (b"100%", "100%"), (b"100%25", "100%"), (b"%zz%4", "%zz%4"), (b"a+b%2Bc", "a+b+c"), (b"%00", "\x00"), (b"", ""),
])
def test_values_are_utf8_or_else_latin1(raw: bytes, text: str) -> None:
    message, = Parser().feed(b"Content-Type: x\nName: %b\n\n" % raw)
    assert message.get("Name") == text


def test_an_event_holds_its_headers_and_its_own_body() -> None:
    body = b"Event-Name: BACKGROUND_JOB\nJob-UUID: 7\nContent-Length: 12\n\n+OK 1234-56\n"
    message, = Parser().feed(b"Content-Length: %d\nContent-Type: text/event-plain\n\n%b" % (len(body), body))
    assert message.get("Event-Name") is None
    assert message.event.get("Job-UUID") == "7"
    assert message.event.text == "+OK 1234-56\n"
    assert Message(b"Content-Type: log/data", b"Event-Name: X\n\n").event.headers == {}


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "١", "9" * 30, "9" * 9000, "8388609", "1 2", "+5"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(ProtocolError):
        Parser().feed(f"Content-Type: api/response\nContent-Length: {length}\n\n".encode())


def test_bodies_shorter_and_longer_than_said() -> None:
    parser = Parser()
    assert parser.feed(b"Content-Type: api/response\nContent-Length: 10\n\n12345") == []
    swallowed, = parser.feed(b"Reply")
    assert swallowed.body == b"12345Reply"
    with pytest.raises(ProtocolError, match="without a Content-Type"):
        parser.feed(b" and the rest of a longer body\n\n")


@pytest.mark.parametrize("chunk", [b"x", b"a: b\n", b"x" * 16384])
def test_endless_headers_end(chunk: bytes) -> None:
    parser = Parser(max_head=20_000)
    fed = 0
    with pytest.raises(ProtocolError, match="20000 bytes"):
        while fed < 100_000:
            parser.feed(chunk)
            fed += len(chunk)
            assert parser.waiting <= 20_001
    assert fed <= 20_001


def test_endless_newlines_are_not_kept() -> None:
    parser = Parser()
    for _ in range(100):
        assert parser.feed(b"\n" * 10_000) == []
    assert parser.waiting == 0


def test_a_limit_does_not_depend_on_the_cut() -> None:
    block = b"Content-Type: x\n".ljust(99, b"x") + b"y"
    for cut in range(len(block) + 2):
        parser = Parser(max_head=100)
        data = block + b"\n\n"
        assert len(parser.feed(data[:cut]) + parser.feed(data[cut:])) == 1
        parser = Parser(max_head=99)
        with pytest.raises(ProtocolError):
            parser.feed(data[:cut])
            parser.feed(data[cut:])


headers = st.lists(st.tuples(
    st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True).filter(lambda name: not name.startswith("Content-")),
    st.binary(max_size=30).map(lambda value: value.replace(b"\n", b"").strip(b" "))), max_size=6)
whole_messages = st.tuples(headers, st.binary(max_size=60)).map(
    lambda made: b"".join(b"%b: %b\n" % (name.encode(), value) for name, value in made[0])
    + b"Content-Type: t\nContent-Length: %d\n\n%b" % (len(made[1]), made[1]))


@settings(max_examples=150, deadline=None)
@given(st.lists(whole_messages, max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_any_messages_cut_anywhere(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(messages)
    parser, got, start = Parser(), [], 0
    for cut in [*sorted(min(cut, len(stream)) for cut in cuts), len(stream)]:
        got += parser.feed(stream[start:cut])
        start = cut
    assert [head[1:] + b"\n\n" + body for _, head, body in seen(got)] == messages


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"\n", b"\n\n", b"Content-Length: ", b"Content-Type: command/reply\n", b"5", b"-", b"%0A"])),
    max_size=20))
def test_hostile_bytes_give_messages_or_a_protocol_error(chunks: list[bytes]) -> None:
    parser = Parser(max_head=100, max_body=50)
    try:
        for chunk in chunks:
            for message in parser.feed(chunk):
                assert len(message.body) <= 50
                assert isinstance(message.headers, dict)
                assert message.event is not None
                assert isinstance(message.reply, str)
            assert parser.waiting <= 101 + 50
    except ProtocolError:
        return


def test_a_damaged_trace_never_breaks_anything_else() -> None:
    source = random.Random(3)
    stream = b"".join(from_switch("ivr-digits")["outbound-1"])
    for _ in range(300):
        damaged = bytearray(stream)
        for _ in range(source.randrange(1, 30)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            for message in Parser().feed(bytes(damaged)):
                assert message.event.get("Event-Name", "") is not None
        except ProtocolError:
            continue


def test_the_work_grows_with_the_bytes_and_not_with_their_square() -> None:
    """A byte at a time, each place of the buffer is searched once: counted, not timed."""
    looked_at = 0

    class Counting(bytearray):
        def find(self, sub: bytes, start: int = 0) -> int:  # type: ignore[override]
            nonlocal looked_at
            looked_at += len(self) - start
            return super().find(sub, start)

    parser = Parser()
    parser._buffer = Counting()
    for _ in range(5000):
        parser.feed(b"x")
    assert looked_at < 5000 * 3
