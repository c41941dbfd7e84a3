"""What goes wrong as HTTP: one JSON shape, {"error": {"code", "message", "faults"}}. Decides nothing else."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, jsonify
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException

from fsapp.errors import (
    CustomersError,
    FsappError,
    NumberTaken,
    RecordsOutdated,
    RecordsUnavailable,
    RulesError,
    StateError,
)
from fsapp.log import get_logger

__all__ = ["Fault", "answer_faults"]

_CODES = {400: "bad-request", 401: "no-token", 403: "not-allowed", 404: "not-found", 405: "wrong-method",
          408: "too-slow", 409: "conflict", 413: "too-large", 415: "not-json", 422: "refused", 429: "too-often",
          500: "fault", 503: "unavailable"}
# The first that fits.
_STATUS: tuple[tuple[type[FsappError], int, str], ...] = (
    (NumberTaken, 409, "number-taken"), (CustomersError, 422, "refused"),
    (RecordsUnavailable, 503, "records-unavailable"), (RecordsOutdated, 503, "records-outdated"),
    (StateError, 503, "redis-unavailable"), (RulesError, 503, "no-rules"), (FsappError, 422, "refused"),
)
_log = get_logger("web")


class Fault(Exception):
    """An answer that is no success: raised anywhere in a route. `more` are further keys of the error."""

    def __init__(self, status: int, message: str, code: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or _CODES[status]
        self.more = more


def answer_faults(app: Flask) -> None:
    """Have `app` answer every fault in the one shape."""
    app.register_error_handler(Fault, _fault)
    app.register_error_handler(FsappError, _refused)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _bug)


def _shape(status: int, code: str, message: str, faults: Any = (), **more: Any) -> Response:
    response = jsonify({"error": {"code": code, "message": message, "faults": list(faults) or [message], **more}})
    response.status_code = status
    return response


def _fault(error: Fault) -> Response:
    response = _shape(error.status, error.code, str(error), **error.more)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if "retry_s" in error.more:
        response.headers["Retry-After"] = str(max(1, round(error.more["retry_s"])))
    return response


def _refused(error: FsappError) -> Response:
    status, code = next((status, code) for kind, status, code in _STATUS if isinstance(error, kind))
    more = {"customer_id": error.customer_id} if isinstance(error, NumberTaken) else {}
    return _shape(status, code, str(error), error.faults, **more)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    said = {404: "there is nothing here: see docs/api.md", 413: "the body is too large"}
    response = _shape(status, _CODES.get(status, "refused"), said.get(status, error.description or error.name))
    if error.response is None:
        for name, value in error.get_headers():
            if name.lower() == "allow":
                response.headers[name] = value
    return response


def _bug(error: Exception) -> Response:
    """Ours: the log has it, the one who asked hears only that it was."""
    database = isinstance(error, DBAPIError)
    _log.error("request_failed", error=type(error.orig).__name__ if database else repr(error)[:500],
               exc_info=None if database else error)
    return _shape(500, "fault", "something is wrong here, not with what was asked: the log has it")
