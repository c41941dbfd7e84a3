"""An HTTP and a mail server for tests, which do to a delivery what they are told to. Real sockets, real protocols."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.ssl
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from gevent.server import StreamServer

__all__ = ["HttpServer", "MailServer", "certificate"]


class HttpServer:
    """`answers`: path -> (status, headers), `hang`, or a list of these in turn; anything else is 200.

    `taken`: path, headers and body of each POST.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        self.released = Event()
        self._server = WSGIServer(("127.0.0.1", 0), self._answer, log=None, error_log=None)
        self._server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self.released.set()
        self._server.stop(timeout=1)

    def of(self, path: str) -> list[bytes]:
        return [body for there, _headers, body in self.taken if there == path]

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        headers = {name: value for name, value in environ.items() if name.startswith(("HTTP_", "CONTENT_"))}
        self.taken.append((path, headers, environ["wsgi.input"].read()))
        answer = self.answers.get(path, ("200 OK", []))
        if isinstance(answer, list):
            answer = answer.pop(0) if answer else ("200 OK", [])
        if answer == "hang":
            self.released.wait(60)
            answer = ("200 OK", [])
        start_response(answer[0], answer[1])
        return [] if answer[0].startswith("204") else [b"thanks"]


class MailServer:
    """`refuse`: command -> answer instead of 250 or the like. `letters`: sender, recipients and text of each."""

    def __init__(self, *, starttls: gevent.ssl.SSLContext | None = None,
                 smtps: gevent.ssl.SSLContext | None = None, login: bool = False) -> None:
        self.refuse: dict[str, str] = {}
        self.letters: list[tuple[str, list[str], str]] = []
        self.logins: list[tuple[bool, str]] = []
        self._starttls = starttls
        self._login = login
        options = {"ssl_context": smtps} if smtps else {}
        self._server = StreamServer(("127.0.0.1", 0), self._serve, **options)
        self._server.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def stop(self) -> None:
        self._server.stop(timeout=1)

    def _serve(self, socket: Any, _address: Any) -> None:
        with gevent.Timeout(30, False), contextlib.suppress(OSError):
            self._talk(socket)

    def _talk(self, socket: Any) -> None:
        socket.sendall(b"220 small\r\n")
        self._commands(socket, secure=False)

    def _commands(self, socket: Any, *, secure: bool) -> None:
        sender, to = "", []
        reader = socket.makefile("rb")

        def say(line: str) -> None:
            socket.sendall(line.encode() + b"\r\n")

        while line := reader.readline():
            text = line.decode().strip()
            verb = text.partition(" ")[0].upper()
            if verb in self.refuse:
                say(self.refuse[verb])
            elif verb == "EHLO":
                offered = ["small", *(["STARTTLS"] if self._starttls and not secure else []),
                           *(["AUTH PLAIN"] if self._login else [])]
                for place, one in enumerate(offered):
                    say(f"250{' ' if place == len(offered) - 1 else '-'}{one}")
            elif verb == "STARTTLS":
                say("220 go")
                with self._starttls.wrap_socket(socket, server_side=True) as wrapped:
                    self._commands(wrapped, secure=True)
                return
            elif verb == "AUTH":
                self.logins.append((secure, text))
                say("235 welcome")
            elif verb == "MAIL":
                sender, to = text, []
                say("250 ok")
            elif verb == "RCPT":
                to.append(text)
                say("250 ok")
            elif verb == "DATA":
                say("354 go")
                body = b""
                while (part := reader.readline()) not in (b".\r\n", b""):
                    body += part
                self.letters.append((sender, to, body.decode()))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")


def certificate(folder: Path) -> tuple[gevent.ssl.SSLContext, Path]:
    """A context for a server on 127.0.0.1, and the file that whoever trusts it must name in SSL_CERT_FILE."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True, timeout=60)
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert
