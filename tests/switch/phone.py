"""A caller's SIP phone in the test: one UDP socket, one call, any bytes in From and To. It answers no calls."""

from __future__ import annotations

import re
import secrets
import socket
import time
from types import TracebackType

from sound import Speaker, media_port

__all__ = ["Phone", "knock", "offer", "reply"]

DEADLINE_S = 20.0


def offer(rtp: socket.socket) -> str:
    """The SDP of a phone that speaks PCMA at this socket."""
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {rtp.getsockname()[1]} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
    )


def reply(request: str, headers: str = "", body: str = "") -> bytes:
    """200 to a request, with its own headers."""
    kept = "".join(re.findall(r"(?m)^(?:Via|From|To|Call-ID|CSeq): .*\r\n", request))
    return f"SIP/2.0 200 OK\r\n{kept}{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def knock(port: int, called: str, source: str = "127.0.0.1", more: str = "") -> int:
    """The final status of a call to a port that speaks TCP; the call is not kept. `more`: whole header lines."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S, (source, 0)) as sip, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        rtp.bind(("127.0.0.1", 0))
        body, address = offer(rtp), f"{source}:{sip.getsockname()[1]}"
        sip.sendall((
            f"INVITE sip:{called}@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/TCP {address};branch=z9hG4bK{id(sip)}\r\n"
            f"From: <sip:+381601234567@{address}>;tag=1\r\nTo: <sip:{called}@127.0.0.1>\r\n"
            f"Call-ID: {secrets.token_hex(8)}\r\nCSeq: 1 INVITE\r\nContact: <sip:x@{address};transport=tcp>\r\n"
            f"{more}Content-Type: application/sdp\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode())
        received = ""
        while True:
            received += sip.recv(65536).decode(errors="replace")
            found = re.search(r"(?m)^SIP/2.0 ([2-6][0-9]{2}) ", received)
            if found:
                return int(found[1])


class Phone:
    """One call to `port` on 127.0.0.1; `with` ends it whatever happened."""

    def __init__(self, port: int) -> None:
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind(("127.0.0.1", 0))
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind(("127.0.0.1", 0))
        self._switch = ("127.0.0.1", port)
        self._address = f"127.0.0.1:{self._sip.getsockname()[1]}"
        self._call_id = secrets.token_hex(12)
        self._branch = "z9hG4bK" + secrets.token_hex(8)
        self._from = self._to = self._uri = ""
        self._media = 0
        self._speaker: Speaker | None = None
        self.statuses: list[int] = []
        self.asked: list[str] = []  # the methods of what the switch has sent inside the call
        self._answered: set[str] = set()
        self.ended = False

    def __enter__(self) -> Phone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.hang_up()
        if self._speaker:
            self._speaker.stop()
        self._sip.close()
        self._rtp.close()

    def call(
        self, called: str, caller: str = "+381601234567", name: str = "", max_forwards: int = 70, more: str = "",
    ) -> None:
        """Send the INVITE; what the parameters hold goes on the wire as it is. `more`: whole header lines."""
        host, port = self._switch
        self._uri = f"sip:{called}@{host}:{port}"
        self._from = f'"{name}" <sip:{caller}@127.0.0.1>;tag={secrets.token_hex(4)}'
        self._to = f"<{self._uri}>"
        headers = f"Max-Forwards: {max_forwards}\r\n{more}Content-Type: application/sdp\r\n"
        self._send("INVITE", 1, headers, offer(self._rtp))

    def wait_for(self, *wanted: int) -> int:
        """The first of the wanted statuses; AssertionError when another final one comes, or none in time."""
        until = time.monotonic() + DEADLINE_S
        while True:
            for status in self.statuses:
                if status in wanted:
                    return status
                assert status < 200, f"the call ended with {status}, wanted {wanted}"
            self._receive(until, f"one of {wanted}")

    def wait_end(self) -> None:
        """Until the switch says BYE."""
        until = time.monotonic() + DEADLINE_S
        while not self.ended:
            self._receive(until, "BYE")

    def heard(self) -> int:
        """How many packets of sound have come so far."""
        self._rtp.setblocking(False)
        count = 0
        try:
            while self._rtp.recv(2048):
                count += 1
        except BlockingIOError:
            return count
        return count

    def speak(self, hz: int) -> None:
        """Say a tone until the call is closed; the call has been answered."""
        self._speaker = Speaker(self._rtp, self._media, hz)

    def notify(self, event: str) -> None:
        """Send a NOTIFY of this event inside the call."""
        self._send("NOTIFY", 3, f"Event: {event}\r\n")

    def rename(self, number: str, name: str) -> None:
        """Say inside the call that it is somebody else's."""
        headers = f"X-FS-Display-Number: {number}\r\nX-FS-Display-Name: {name}\r\n"
        self._send("INFO", 4, f"Content-Type: message/update_display\r\n{headers}", "-")
        self._wait_for_reply("4 INFO")

    def hang_up(self) -> None:
        if self.ended or not self._from:
            return
        self.ended = True
        if 200 in self.statuses:
            self._send("BYE", 2)
        elif not any(status >= 200 for status in self.statuses):
            self._send("CANCEL", 1)

    def _send(self, method: str, number: int, headers: str = "", body: str = "") -> None:
        branch = self._branch if number == 1 else self._branch + str(number)
        self._sip.sendto((
            f"{method} {self._uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self._address};branch={branch}\r\n"
            f"From: {self._from}\r\nTo: {self._to}\r\nCall-ID: {self._call_id}\r\nCSeq: {number} {method}\r\n"
            f"Contact: <sip:test@{self._address}>\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode(), self._switch)

    def _receive(self, until: float, what: str) -> None:
        self._sip.settimeout(max(0.01, until - time.monotonic()))
        try:
            message = self._sip.recv(65536).decode(errors="replace")
        except TimeoutError:
            raise AssertionError(f"waited for {what}, had {self.statuses}") from None
        first = message.split("\r\n", 1)[0]
        if first.startswith("SIP/2.0 "):
            self._on_status(int(first.split()[1]), message)
        elif first.startswith(("BYE ", "INFO ", "UPDATE ", "OPTIONS ")):
            self.ended = self.ended or first.startswith("BYE ")
            self.asked.append(first.split()[0])
            self._sip.sendto(reply(message), self._switch)

    def _wait_for_reply(self, to: str) -> None:
        until = time.monotonic() + DEADLINE_S
        while to not in self._answered:
            self._receive(until, f"a reply to {to}")

    def _on_status(self, status: int, message: str) -> None:
        self._answered.update(re.findall(r"(?m)^CSeq: ([0-9]+ [A-Z]+)", message))
        if not re.search(r"(?m)^CSeq: 1 INVITE", message):
            return
        self.statuses.append(status)
        tagged = re.search(r"(?m)^To: (.*)\r$", message)
        if tagged:
            self._to = tagged.group(1)
        if status == 200:
            self._media = media_port(message)
            contact = re.search(r"(?m)^Contact: <([^>]+)>", message)
            self._uri = contact.group(1) if contact else self._uri
            self._branch += "a"
            self._send("ACK", 1)
        elif status > 200:
            self._send("ACK", 1)
