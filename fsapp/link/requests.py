"""What others ask the link to do: taken from Redis, handed to whoever does such things, answered. Does none of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from redis import Redis

from fsapp.errors import FsappError, StateError
from fsapp.log import get_logger
from fsapp.metrics import LINK_REQUESTS
from fsapp.spawn import spawn
from fsapp.state.requests import Request, answer, next_request

__all__ = ["Handler", "Requests"]

Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]
_AT_ONCE = 16
_LOOK_S = 0.5
_STOP_S = 2.0
_log = get_logger("link")


class Requests:
    """Each of `handlers` takes a request that names it as `do`, and returns what to answer.

    A FsappError that it raises is the answer's faults. Handlers may be added while it runs.
    """

    def __init__(self, client: Redis, switch: str, handlers: dict[str, Handler]) -> None:
        self.handlers = handlers
        self._client = client
        self._switch = switch
        self._stopping = Event()
        self._pool = Pool(_AT_ONCE)
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        self._greenlet = spawn(self._run, name="requests")

    def stop(self) -> None:
        """Take no more, let those in hand end."""
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join(_STOP_S)
            self._greenlet.kill(timeout=1)
        self._pool.join(_STOP_S)
        self._pool.kill(timeout=1)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._pool.wait_available(_LOOK_S)
                if self._pool.full():
                    continue
                request = next_request(self._client, self._switch, _LOOK_S)
            except StateError:
                # Said by those who write; nobody can ask meanwhile.
                self._stopping.wait(_LOOK_S)
                continue
            except Exception:  # noqa: BLE001  a request that cannot be read must not end all others
                _log.exception("request_unreadable")
                continue
            if request is not None:
                self._pool.spawn(self._serve, request)

    def _serve(self, request: Request) -> None:
        result, faults, outcome = None, (), "done"
        name = request.what.get("do")
        handler = self.handlers.get(name) if isinstance(name, str) else None
        try:
            with gevent.Timeout(request.left_s, FsappError("it took too long: see the log of the link")):
                if handler is None:
                    raise FsappError(f"the link knows no request {name!r}: is it of another version?")
                result = dict(handler(request.what))
        except FsappError as error:
            faults, outcome = error.faults, "refused"
        except Exception:  # noqa: BLE001  whoever asked is told, and the link goes on
            _log.exception("request_failed", request=str(name))
            faults, outcome = ("it failed: see the log of the link",), "failed"
        LINK_REQUESTS.labels(outcome).inc()
        try:
            answer(self._client, self._switch, request, result, faults)
        except StateError as error:
            _log.warning("answer_lost", request=str(name), error=str(error))
