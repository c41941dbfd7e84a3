"""/metrics and /healthz over HTTP for whoever watches a process. Serves nothing else and knows nothing of calls."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent.pywsgi import WSGIHandler, WSGIServer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from fsapp.errors import ListenError
from fsapp.metrics import REGISTRY
from fsapp.settings import split_address

__all__ = ["HealthServer"]

_AT_ONCE = 16
_PATIENCE_S = 5.0


class _Handler(WSGIHandler):
    """A connection with an end: kept open by whoever likes, they would take the descriptors that calls need."""

    def handle(self) -> None:
        with gevent.Timeout(_PATIENCE_S, False):
            super().handle()


class HealthServer:
    """`health` returns the faults of the process as one line each; none means healthy (200), any means 503.

    `setting` is what a fault says to change when `address` cannot be had. At most _AT_ONCE connections are served at a
    time, each for at most _PATIENCE_S.
    """

    def __init__(self, address: str, health: Callable[[], list[str]], setting: str = "FSAPP_HTTP") -> None:
        self._health = health
        self._setting = setting
        self._server = WSGIServer(
            split_address(address), self._answer, log=None, error_log=None, spawn=_AT_ONCE, handler_class=_Handler,
        )

    def start(self) -> None:
        """Listen; ListenError when the address cannot be had."""
        try:
            self._server.start()
        except OSError as error:
            host, port = self._server.address
            if error.errno == errno.EADDRINUSE:
                raise ListenError(f"{host}:{port} is taken by another program, if not by an fsapp that runs already: "
                                  f"stop it or choose another with {self._setting}") from None
            raise ListenError(
                f"{host}:{port} cannot be listened on ({error.strerror}): choose another with {self._setting}",
            ) from None

    @property
    def address(self) -> tuple[str, int]:
        return self._server.server_host, self._server.server_port

    def stop(self) -> None:
        self._server.stop(timeout=1)

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == "/metrics":
            start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST)])
            return [generate_latest(REGISTRY)]
        if path == "/healthz":
            faults = self._health()
            status = "503 Service Unavailable" if faults else "200 OK"
            start_response(status, [("Content-Type", "application/json")])
            return [json.dumps({"healthy": not faults, "faults": faults}).encode() + b"\n"]
        start_response("404 Not Found", [("Content-Type", "application/json")])
        return [b'{"error": "there are /metrics and /healthz"}\n']
