"""Sends letters through a mail server (SMTP). Decides nothing; never raises what one letter or server does.

A value that came from a caller cannot become a header: every header is one line that was cleaned, and the email
package refuses any other.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import gevent

from fsapp.core.retrying import Delivered, Later, Never, Outcome
from fsapp.log import get_logger

__all__ = ["Mailer", "Server", "message", "server_of"]

_PATIENCE_S = 30.0   # for each answer of the server
_LETTER_S = 90.0     # for all of a letter: whoever holds one (`delivering.HOLD_S`) is done by then
_LEAVE_S = 5.0
_LINES = 200         # of one answer
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_LOCAL = ("127.0.0.1", "::1", "localhost")
_log = get_logger("followups")


class Server(NamedTuple):
    """A mail server. `kind`: smtp (STARTTLS where it offers it), smtp+starttls (or not at all), smtps."""

    kind: str
    host: str
    port: int
    user: str = ""
    password: str = ""


def server_of(url: str) -> Server:
    """The server of the setting `smtp_url`, which was looked at when it was read."""
    parts = urlsplit(url)
    return Server(parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme],
                  unquote(parts.username or ""), unquote(parts.password or ""))


def message(letter: Mapping[str, Any], sender: str, id_: str, at: float) -> EmailMessage:
    """A letter as it is sent; the same `id_` has the same Message-ID. ValueError or MessageError for what is none."""
    if not letter["to"]:
        raise ValueError("nobody is to get it")
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(addr_spec=sender)
    made["To"] = [Address(addr_spec=address) for address in letter["to"]]
    made["Subject"] = letter["subject"]
    made["Date"] = formatdate(at, usegmt=True)
    made["Message-ID"] = f"<{id_}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(letter["text"].rstrip("\n") + "\n")
    return made


class _Lines:
    """What a server says, line by line: an answer without end, as fast as it is read, would stop all others."""

    def __init__(self, file: Any) -> None:
        self.left = _LINES
        self._file = file
        self.close = file.close

    def readline(self, limit: int) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise OSError("an answer without end")
        return self._file.readline(limit)


class _Client(smtplib.SMTP):
    """One whose greeting does not come in time leaves no connection behind."""

    def connect(self, *args: Any, **options: Any) -> Any:
        try:
            return super().connect(*args, **options)
        except BaseException:
            self.close()
            raise

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = _Lines(self.sock.makefile("rb"))
        self.file.left = _LINES
        return super().getreply()


class _SafeClient(_Client, smtplib.SMTP_SSL):
    pass


class Mailer:
    """Sends through the server at `url`; each letter over a connection of its own."""

    def __init__(
        self, url: str, sender: str, patience_s: float = _PATIENCE_S, letter_s: float = _LETTER_S,
    ) -> None:
        self._url = url
        self._sender = sender
        self._patience_s = patience_s
        self._letter_s = letter_s

    def __call__(self, letter: Mapping[str, Any], *, id_: str, now: float) -> Outcome:
        """Whether the server took it for all who are to get it."""
        if not self._url or not self._sender:
            return Later("no mail server is set: set FSAPP_SMTP_URL and FSAPP_MAIL_FROM")
        try:
            made = message(letter, self._sender, id_, now)
        except (ValueError, MessageError, KeyError, IndexError, AttributeError) as error:
            return Never(f"cannot be written as a letter: {_said(error)}")
        late = gevent.Timeout.start_new(self._letter_s)
        try:
            return self._send(server_of(self._url), made, list(letter["to"]))
        except gevent.Timeout as timeout:
            if timeout is not late:
                raise
            return Later(f"the mail server did not take it within {self._letter_s:g} s")
        except smtplib.SMTPResponseException as error:
            said = f"the mail server answered {error.smtp_code} {_text(error.smtp_error)}"
            # Who we are and how we may send is for the operator to mend; what is refused of the letter stays refused.
            mended = isinstance(error, (smtplib.SMTPAuthenticationError, smtplib.SMTPSenderRefused,
                                        smtplib.SMTPConnectError, smtplib.SMTPHeloError))
            return Later(said) if mended or error.smtp_code < 500 else Never(said)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            said = f"the mail server answered {code} {_text(words)} to the address"
            return Later(said) if code < 500 else Never(said)
        except smtplib.SMTPNotSupportedError as error:
            return Never(f"the mail server cannot take it: {_said(error)}")
        except (smtplib.SMTPException, OSError, ValueError) as error:
            _log.info("mail_error", error=repr(error)[:200])
            return Later(f"the mail server cannot be reached ({_said(error)})")
        finally:
            late.close()

    def _send(self, server: Server, made: EmailMessage, to: Sequence[str]) -> Outcome:
        context = ssl.create_default_context()
        if server.kind == "smtps":
            client: smtplib.SMTP = _SafeClient(server.host, server.port, timeout=self._patience_s, context=context)
        else:
            client = _Client(server.host, server.port, timeout=self._patience_s)
        try:
            client.ehlo_or_helo_if_needed()
            safe = server.kind == "smtps" or server.host in _LOCAL
            if server.kind != "smtps" and (server.kind == "smtp+starttls" or client.has_extn("starttls")):
                if not client.has_extn("starttls"):
                    return Later("the mail server does not offer STARTTLS: nothing is sent in the clear")
                client.starttls(context=context)
                safe = True
            if server.user:
                if not safe:
                    return Later("the mail server does not offer STARTTLS: the password is not sent in the clear")
                client.login(server.user, server.password)
            refused = client.send_message(made, self._sender, to)
        finally:
            _leave(client)
        if refused:
            _log.warning("mail_partly_refused", addresses=len(refused))
        return Delivered("refused for some" if refused else "sent")


def _leave(client: smtplib.SMTP) -> None:
    """Take leave. Whatever the server says to that, it has taken the letter or not."""
    with gevent.Timeout(_LEAVE_S, False), contextlib.suppress(smtplib.SMTPException, OSError):
        client.quit()
    client.close()


def _text(said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return "".join(char if char.isprintable() else " " for char in text)[:150].strip()


def _said(error: Exception) -> str:
    return _text(" ".join(str(error).split())) or type(error).__name__
