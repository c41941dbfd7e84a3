"""The event socket's messages: bytes in, messages out. Reads no socket, waits for nothing, knows no call.

Built on greenswitch 0.0.19. What its `ESLEvent` and readers get wrong on real bytes, and what stands here instead:

    stock                                               here
    decodes a block, then splits it into lines          splits at newlines, decodes one value when it is asked for
    splits at U+2028, U+0085, carriage returns too      a line ends at a newline and nowhere else
    a later header replaces an earlier one              the first one counts
    decodes every header of every message               none but those that are read
    dies of a body or header that is not UTF-8          what is not UTF-8 is read as Latin-1
    spins at the end of file inside a body              the parser only keeps bytes; the end is the reader's to see
    believes any length, keeps any amount               bounded, `ProtocolError` beyond

`tests/telephony/test_stock_faults.py` shows each of them in the stock release.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from greenswitch.esl import ESLEvent

from fsapp.errors import ProtocolError

__all__ = ["MAX_BODY", "MAX_HEAD", "Message", "Parser"]

MAX_HEAD = 256 * 1024
MAX_BODY = 8 * 1024 * 1024
_LF = 0x0A


def _decode(raw: bytes) -> str:
    """Text of bytes that say nothing about their encoding: UTF-8 where they are, Latin-1 otherwise."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _value(raw: bytes) -> str:
    raw = raw.strip(b" ")
    return _decode(unquote_to_bytes(raw) if b"%" in raw else raw)


class Message(ESLEvent):
    """One message of the switch. Its headers stay bytes until they are read.

    `content_type` is the type of the message (an empty string inside an event), `content_length` the length it
    announces, as it stands there; `body` the bytes after the headers.
    """

    def __init__(self, head: bytes, body: bytes = b"") -> None:
        """`head` is the header block without the empty line that ends it. Stock's constructor decodes all of it."""
        self._head = b"\n" + head
        self.body = body
        content = self.starting("Content-")  # one pass for both: they end a long block
        self.content_type = content.get("Type", "")
        self.content_length = content.get("Length", "0")
        self._event: Message | None = None

    def get(self, header: str, default: str | None = None) -> str | None:
        """The value of `header`, decoded once; `default` where there is none. Of two with one name the first counts.

        The switch writes its own headers before the variables that a caller can fill.
        """
        head = self._head
        needle = b"\n%b:" % header.encode("utf-8")
        start = head.find(needle)
        if start < 0:
            return default
        start += len(needle)
        end = head.find(b"\n", start)
        return _value(head[start:end] if end >= 0 else head[start:])

    def starting(self, prefix: str) -> dict[str, str]:
        """The headers whose names begin with `prefix`, without it: one pass, where many `get` would be many."""
        found: dict[str, str] = {}
        head = self._head
        needle = b"\n" + prefix.encode()
        start = head.find(needle)
        while start >= 0:
            end = head.find(b"\n", start + 1)
            name, colon, raw = head[start + len(needle):end if end >= 0 else len(head)].partition(b":")
            if colon:
                found.setdefault(_decode(name), _value(raw))
            start = head.find(needle, end) if end >= 0 else -1
        return found

    def pick(self, wanted: re.Pattern[bytes]) -> dict[str, str]:
        """The headers that `wanted` finds: one pass, where each `get` of a header that is absent would be one.

        `wanted` is a pattern with two groups, name and raw value, such as rb"\\n(Unique-ID|variable_a):([^\\n]*)".
        """
        found: dict[str, str] = {}
        for name, raw in wanted.findall(self._head):
            found.setdefault(_decode(name), _value(raw))
        return found

    @property
    def headers(self) -> dict[str, str]:
        """All headers, decoded: for people and tests, since it costs what reading two of them avoids."""
        return self.starting("")

    @property
    def text(self) -> str:
        """The body as text."""
        return _decode(self.body)

    @property
    def reply(self) -> str:
        """The answer to a command in one string: `+OK ...` or `-ERR ...`, or the body of an api's answer."""
        return (self.text if self.content_type == "api/response" else self.get("Reply-Text") or "").strip()

    @property
    def data(self) -> str:
        """Stock's name for `reply`; the methods inherited from it use it."""
        return self.reply

    @property
    def ok(self) -> bool:
        return not self.reply.startswith("-")

    @property
    def event(self) -> Message:
        """The event that a text/event-plain message carries; a message without headers in any other."""
        if self._event is None:
            head, _, rest = (self.body if self.content_type == "text/event-plain" else b"").partition(b"\n\n")
            self._event = Message(head, rest)
        return self._event

    def __repr__(self) -> str:
        return f"<Message {self.content_type} {len(self._head) - 1}+{len(self.body)} bytes>"


class Parser:
    """Cuts what a socket delivers into messages; linear in the number of bytes, however they are cut.

    `max_head` and `max_body` bound what one message may hold, in bytes.
    """

    __slots__ = ("_buffer", "_max_body", "_max_head", "_message", "_missing", "_searched")

    def __init__(self, *, max_head: int = MAX_HEAD, max_body: int = MAX_BODY) -> None:
        self._max_head = max_head
        self._max_body = max_body
        self._buffer = bytearray()
        self._searched = 0
        self._message: Message | None = None
        self._missing = 0

    @property
    def waiting(self) -> int:
        """How many bytes are kept of a message that is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes. ProtocolError for what is no message; the connection is then lost."""
        buffer = self._buffer
        source: bytes | bytearray = data
        if buffer:
            buffer += data
            source = buffer
        messages: list[Message] = []
        start = 0
        while True:
            if self._message is None:
                start = self._read_head(source, start)
            message, missing = self._message, self._missing
            if message is None or len(source) - start < missing:
                break
            if missing:
                message.body = bytes(source[start:start + missing])
                start += missing
            messages.append(message)
            self._message = None
        if source is buffer:
            del buffer[:start]
        else:
            buffer += data[start:]
        return messages

    def _read_head(self, source: bytes | bytearray, start: int) -> int:
        """Sets the message whose headers begin at `start`, if all of them are there. Returns where to go on."""
        while start < len(source) and source[start] == _LF:
            start += 1
        end = source.find(b"\n\n", start + self._searched)
        size = (end if end >= 0 else len(source) - 1) - start
        if size > self._max_head:
            raise ProtocolError(f"the switch sent more than {self._max_head} bytes of headers")
        if end < 0:
            # The last byte may be the first newline of the pair that ends the block.
            self._searched = max(0, size)
            return start
        self._searched = 0
        message = Message(bytes(source[start:end]))
        if not message.content_type:
            raise ProtocolError("the switch sent a block without a Content-Type")
        self._missing = self._length(message.content_length)
        self._message = message
        return end + 2

    def _length(self, value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= 12):
            raise ProtocolError(f"the switch sent a body of length {value[:20]!r}")
        if int(value) > self._max_body:
            raise ProtocolError(f"the switch announced a body of {value} bytes, more than {self._max_body}")
        return int(value)
