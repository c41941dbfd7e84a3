"""A customer's phone in the test: is called at a port of its own, rings, answers, is busy or hangs up; calls nobody."""

from __future__ import annotations

import re
import secrets
import socket
import time
from types import TracebackType

from phone import DEADLINE_S, offer, reply
from sound import Speaker, media_port

__all__ = ["Customer"]


class Customer:
    """Listens for calls at `port` of 127.0.0.1 while the `with` lasts; one call after the other."""

    def __init__(self) -> None:
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind(("127.0.0.1", 0))
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind(("127.0.0.1", 0))
        self._switch = ("127.0.0.1", 0)
        self._speaker: Speaker | None = None
        self.port = int(self._sip.getsockname()[1])
        self.invite = ""
        self.ended = False

    def __enter__(self) -> Customer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        if self._speaker:
            self._speaker.stop()
        self._sip.close()
        self._rtp.close()

    def ring(self, deadline_s: float = DEADLINE_S) -> str:
        """Until the phone rings; the INVITE it came with."""
        self.ended, self.invite = False, ""
        until = time.monotonic() + deadline_s
        while not self.invite:
            message = self._receive(until, "a call")
            if message.startswith("INVITE "):
                # The tag makes it a dialogue of ours.
                self.invite = re.sub(r"(?m)^(To: [^\r]*)", rf"\1;tag={secrets.token_hex(4)}", message)
                self._reply(180)
        return self.invite

    def rings(self) -> bool:
        """Whether somebody calls at this moment; nothing is answered."""
        self._sip.settimeout(0.01)
        try:
            return self._sip.recv(65536, socket.MSG_PEEK).startswith(b"INVITE ")
        except TimeoutError:
            return False

    def answer(self) -> None:
        """Take the call that rings."""
        self._reply(200, f"Contact: <sip:customer@127.0.0.1:{self.port}>\r\nContent-Type: application/sdp\r\n",
                    offer(self._rtp))

    def speak(self, hz: int) -> None:
        """Say a tone until the phone is taken away; the call was answered."""
        self._speaker = Speaker(self._rtp, media_port(self.invite), hz)

    def refuse(self, status: int) -> None:
        """Let the call that rings end with a status: 486 is busy, 603 says no."""
        self._reply(status)

    def redirect(self, uri: str) -> None:
        """Have the caller go elsewhere."""
        self._reply(302, f"Contact: <{uri}>\r\n")

    def wait_end(self, deadline_s: float = DEADLINE_S) -> str:
        """Until the other side ends the call: BYE, or CANCEL while it rang."""
        until = time.monotonic() + deadline_s
        while not self.ended:
            message = self._receive(until, "the end of the call")
            method = message.split(" ", 1)[0]
            if method in ("BYE", "CANCEL"):
                self._sip.sendto(reply(message), self._switch)
                self.ended = True
                if method == "CANCEL":
                    self._reply(487)
        return method

    def hang_up(self) -> None:
        ours, theirs, call_id, contact = (
            re.search(rf"(?m)^{name}: ([^\r]*)", self.invite)[1] for name in ("To", "From", "Call-ID", "Contact"))
        uri = re.sub(r"[<>]|;.*", "", contact)
        self._sip.sendto((
            f"BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{secrets.token_hex(8)}\r\n"
            f"From: {ours}\r\nTo: {theirs}\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        ).encode(), self._switch)
        self.ended = True

    def _reply(self, status: int, headers: str = "", body: str = "") -> None:
        self._sip.sendto(
            reply(self.invite, headers, body).replace(b"SIP/2.0 200 OK", b"SIP/2.0 %d Here" % status, 1), self._switch)

    def _receive(self, until: float, what: str) -> str:
        self._sip.settimeout(max(0.01, until - time.monotonic()))
        try:
            data, self._switch = self._sip.recvfrom(65536)
        except TimeoutError:
            raise AssertionError(f"waited for {what} in vain") from None
        return data.decode(errors="replace")
