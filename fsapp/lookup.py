"""Asks an address of the rules for a JSON object, for a flow. Never raises, never takes longer or more than it may."""

from __future__ import annotations

import json
from typing import Any

import gevent
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from fsapp.core.flow.actions import Answer, Failed
from fsapp.http_pool import pool
from fsapp.log import get_logger

__all__ = ["MAX_BYTES", "Lookup"]

MAX_BYTES = 64 * 1024
_HOSTS = 20
_AT_ONCE = 50
_log = get_logger("lookup")


class Lookup:
    """Connections are kept for the next caller. Redirects are not followed: an address means what the rules say."""

    def __init__(self) -> None:
        self._pool = pool(_HOSTS, _AT_ONCE)

    def __call__(self, url: str, timeout_s: float) -> Answer | Failed:
        """The object found, or in one word why there is none: slow, down, status-NNN, huge, not-json, wrong."""
        patience = gevent.Timeout.start_new(timeout_s)
        try:
            return self._ask(url, timeout_s)
        except gevent.Timeout as timeout:
            if timeout is not patience:
                raise
            return Failed("slow")
        except HTTPError as error:
            _log.info("lookup_error", error=repr(error)[:200])
            # A connection that is refused is a kind of timeout to urllib3.
            slow = isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError)
            return Failed("slow" if slow else "down")
        except (OSError, ValueError) as error:  # a name that is none, an address that is none
            _log.info("lookup_error", error=repr(error)[:200])
            return Failed("down")
        finally:
            patience.close()

    def _ask(self, url: str, timeout_s: float) -> Answer | Failed:
        headers = {"Accept": "application/json", "User-Agent": "fsapp"}
        answer = self._pool.request(
            "GET", url, headers=headers, timeout=timeout_s, redirect=False, preload_content=False)
        whole = False
        try:
            if answer.status != 200:
                return Failed(f"status-{answer.status}")
            body = answer.read(MAX_BYTES + 1, decode_content=True)
            whole = len(body) <= MAX_BYTES
            return _object(body) if whole else Failed("huge")
        finally:
            # What has not been read to its end cannot be used for the next question.
            answer.release_conn() if whole else answer.close()


def _object(body: bytes) -> Answer | Failed:
    try:
        document = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return Failed("not-json")
    return Answer(document) if isinstance(document, dict) else Failed("not-json")


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")  # as nobody who reads JSON to the letter could read it
