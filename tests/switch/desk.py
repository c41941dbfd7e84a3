"""An agent's SIP phone in the test: registers with a password and answers every call at once. It makes no calls."""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
from types import TracebackType

from phone import DEADLINE_S, offer, reply
from sound import Speaker, media_port

__all__ = ["Desk", "authorization"]


def authorization(challenge: str, user: str, uri: str, password: str) -> str:
    """The header line that answers a 401 to a REGISTER."""
    def md5(*parts: str) -> str:
        return hashlib.md5(":".join(parts).encode()).hexdigest()

    asked = dict(re.findall(r'(realm|nonce)="([^"]*)"', challenge))
    response = md5(md5(user, asked["realm"], password), asked["nonce"], md5("REGISTER", uri))
    return (
        f'Authorization: Digest username="{user}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", '
        f'uri="{uri}", response="{response}", algorithm=MD5\r\n'
    )


class Desk:
    """The phone of agent `user` at the phones' port of a switch; `with` takes it off the line."""

    def __init__(self, port: int, user: str) -> None:
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind(("127.0.0.1", 0))
        self._sip.settimeout(DEADLINE_S)
        self._rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._rtp.bind(("127.0.0.1", 0))
        self._switch = ("127.0.0.1", port)
        self._user = user
        self._address = f"127.0.0.1:{self._sip.getsockname()[1]}"
        self._speaker: Speaker | None = None
        self.invite = ""

    def __enter__(self) -> Desk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        if self._speaker:
            self._speaker.stop()
        self._sip.close()
        self._rtp.close()

    def register(self, password: str) -> int:
        """Register with the digest the switch asks for; the last status."""
        uri, call_id, answer, status = f"sip:127.0.0.1:{self._switch[1]}", secrets.token_hex(8), "", 0
        for number in (1, 2):
            self._sip.sendto((
                f"REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self._address};branch=z9hG4bK{call_id}{number}\r\n"
                f"From: <sip:{self._user}@127.0.0.1>;tag=1\r\nTo: <sip:{self._user}@127.0.0.1>\r\n"
                f"Call-ID: {call_id}\r\n"
                f"CSeq: {number} REGISTER\r\nContact: <sip:{self._user}@{self._address}>\r\nExpires: 60\r\n"
                f"{answer}Content-Length: 0\r\n\r\n"
            ).encode(), self._switch)
            message = self._sip.recv(65536).decode()
            status = int(message.split()[1])
            if status != 401:
                break
            answer = authorization(message, self._user, uri, password)
        return status

    def answer(self) -> str:
        """Answer the next call; the INVITE it came with."""
        while not self.invite:
            message = self._sip.recv(65536).decode(errors="replace")
            if message.startswith("INVITE "):
                # The tag makes it a dialogue of ours.
                self.invite = re.sub(r"(?m)^(To: [^\r]*)", r"\1;tag=desk", message)
                headers = f"Contact: <sip:{self._user}@{self._address}>\r\nContent-Type: application/sdp\r\n"
                self._sip.sendto(reply(self.invite, headers, offer(self._rtp)), self._switch)
        return self.invite

    def ring(self) -> None:
        """Let the next call ring."""
        while not (message := self._sip.recv(65536).decode(errors="replace")).startswith("INVITE "):
            pass
        rings = re.sub(r"(?m)^(To: [^\r]*)", r"\1;tag=desk", message)
        self._sip.sendto(reply(rings).replace(b"200 OK", b"180 Ringing", 1), self._switch)

    def redirect(self, uri: str) -> None:
        """Have the next call go elsewhere."""
        while not (message := self._sip.recv(65536).decode(errors="replace")).startswith("INVITE "):
            pass
        moved = reply(re.sub(r"(?m)^(To: [^\r]*)", r"\1;tag=desk", message), f"Contact: <{uri}>\r\n")
        self._sip.sendto(moved.replace(b"200 OK", b"302 Moved", 1), self._switch)

    def wait_given_up(self) -> None:
        """Until whoever calls has given up."""
        while not (message := self._sip.recv(65536).decode(errors="replace")).startswith("CANCEL "):
            pass
        self._sip.sendto(reply(message), self._switch)

    def speak(self, hz: int) -> None:
        """Say a tone until the phone is taken away; a call has been answered."""
        self._speaker = Speaker(self._rtp, media_port(self.invite), hz)

    def hang_up(self) -> None:
        """End the call that was answered."""
        ours, theirs, call_id, contact = (
            re.search(rf"(?m)^{name}: ([^\r]*)", self.invite)[1] for name in ("To", "From", "Call-ID", "Contact")
        )
        uri = re.sub(r"[<>]|;.*", "", contact)
        self._sip.sendto((
            f"BYE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self._address};branch=z9hG4bK{secrets.token_hex(8)}\r\n"
            f"From: {ours}\r\nTo: {theirs}\r\nCall-ID: {call_id}\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        ).encode(), self._switch)
