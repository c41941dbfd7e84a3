"""Tells an address of something, by a signed POST. Decides nothing; never raises; never takes longer than it may."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import gevent
from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

from fsapp import __version__
from fsapp.core.retrying import Delivered, Later, Never, Outcome
from fsapp.http_pool import pool
from fsapp.log import get_logger

__all__ = ["SIGNATURE", "Poster", "signature"]

SIGNATURE = "Fsapp-Signature"
_AGAIN = frozenset({408, 425, 429})
_HOSTS = 50
_AT_ONCE = 8
_log = get_logger("followups")


def signature(body: bytes, secret: str, at: int) -> str:
    """`t=TIME,v1=HEX`: HMAC-SHA256 with the secret over the time in epoch seconds, a point and the body."""
    signed = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"


class Poster:
    """Connections are kept for the next delivery. Redirects are not followed: an address means what the rules say."""

    def __init__(self) -> None:
        self._pool = pool(_HOSTS, _AT_ONCE)

    def __call__(
        self, url: str, payload: Mapping[str, Any], *, secret: str | None, timeout_s: float, id_: str, tries: int,
        now: float,
    ) -> Outcome:
        """Whether it was taken. `id_`: of the delivery, the same at each try."""
        body = json.dumps(payload, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
        headers = {
            "Content-Type": "application/json", "User-Agent": f"fsapp/{__version__}", "Fsapp-Delivery": id_,
            "Fsapp-Try": str(tries),
        }
        if secret:
            headers[SIGNATURE] = signature(body, secret, int(now))
        patience = gevent.Timeout.start_new(timeout_s)
        try:
            return self._post(url, body, headers, timeout_s)
        except gevent.Timeout as timeout:
            if timeout is not patience:
                raise
            return Later(f"no answer within {timeout_s:g} s")
        except (HTTPError, OSError, ValueError) as error:
            # A connection that is refused is one that timed out to urllib3 as well.
            if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
                return Later(f"no answer within {timeout_s:g} s")
            _log.info("webhook_error", error=repr(error)[:200])
            return Later(f"cannot be reached ({_said(error)})")
        finally:
            patience.close()

    def _post(self, url: str, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Outcome:
        answer = self._pool.request(
            "POST", url, body=body, headers=headers, timeout=timeout_s, redirect=False, preload_content=False)
        try:
            return _outcome(answer.status, answer.headers)
        finally:
            # What it says is not read, so the connection cannot be used again.
            answer.close()


def _outcome(status: int, headers: Mapping[str, str]) -> Outcome:
    if 200 <= status < 300:
        return Delivered(str(status))
    if 300 <= status < 400:
        return Never(f"answered {status}: redirects are not followed; write into the rules where it is now")
    if 400 <= status < 500 and status not in _AGAIN:
        return Never(f"answered {status}")
    after = headers.get("Retry-After", "")
    return Later(f"answered {status}", float(after) if after.isascii() and after.isdigit() and len(after) < 9 else None)


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(error, NewConnectionError):
        reason = str(error).rpartition(": ")[2]
    return " ".join(str(reason).split())[:150] or type(error).__name__
