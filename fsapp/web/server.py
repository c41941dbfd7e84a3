"""The socket that the web is served on: how many connections, how long a silent one is borne. Knows no routes."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from typing import Any

import gevent
from gevent import socket
from gevent.pywsgi import Input, WSGIHandler, WSGIServer

from fsapp.errors import ListenError
from fsapp.settings import split_address

__all__ = ["WebServer"]

_AT_ONCE = 1000       # connections, those that follow pops among them
_REQUEST_S = 10.0     # for the head of a request, and between two of one connection
_SILENT_S = 30.0      # how long a peer may not take what is sent
_LEFT_S = 2.0         # what is left of a body once it is answered is read for so long,
_LEFT = 256 * 1024    # and so much of it: who is told while still sending would not hear


class _Handler(WSGIHandler):
    """A connection that asks nothing, or does not take its answer, ends: others need its place."""

    def handle(self) -> None:
        self.socket.settimeout(_SILENT_S)
        super().handle()

    def handle_one_request(self) -> Any:
        if self.server.ending:
            return None
        self._patience = gevent.Timeout.start_new(_REQUEST_S)
        self.server.idle.add(self)
        try:
            return super().handle_one_request()
        except gevent.Timeout as timeout:
            if timeout is not self._patience:
                raise
            return None
        finally:
            self.server.idle.discard(self)
            self._patience.close()

    def handle_one_response(self) -> None:
        self.server.idle.discard(self)
        self._patience.close()  # the head is there: what follows has its own limits
        super().handle_one_response()

    def run_application(self) -> None:
        super().run_application()
        left = _LEFT
        with contextlib.suppress(OSError), gevent.Timeout(_LEFT_S, False):
            while left > 0:
                read = self.wsgi_input.read(16 * 1024)
                if not read:
                    return
                left -= len(read)
        self.close_connection = True
        self.wsgi_input = Input(self.rfile, 0)  # or the server would read it to its end, however long that takes

    def log_request(self) -> None:
        pass


class _Server(WSGIServer):
    """`idle`: connections that have asked nothing, or nothing more yet."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.idle: set[_Handler] = set()
        self.ending = False

    def end_idle(self) -> None:
        self.ending = True
        for handler in tuple(self.idle):
            with contextlib.suppress(OSError):
                handler.socket.shutdown(socket.SHUT_RD)


class WebServer:
    """`application` at `address`; `setting` is what to change when that cannot be had."""

    def __init__(self, address: str, application: Callable[..., Any], setting: str) -> None:
        self._setting = setting
        self._server = _Server(split_address(address), application, log=None, error_log=None, spawn=_AT_ONCE,
                                  handler_class=_Handler)

    def start(self) -> None:
        """Listen; ListenError when the address cannot be had."""
        try:
            self._server.start()
        except OSError as error:
            host, port = self._server.address
            why = "is taken by another program" if error.errno == errno.EADDRINUSE else (
                f"cannot be listened on ({error.strerror})")
            raise ListenError(f"{host}:{port} {why}: choose another with {self._setting}") from None

    @property
    def address(self) -> tuple[str, int]:
        return self._server.server_host, self._server.server_port

    def stop(self, timeout_s: float) -> None:
        """Take no new connection, let those there are answer; end them when the time is over."""
        self._server.stop_accepting()
        self._server.end_idle()
        self._server.stop(timeout=timeout_s)
