"""What a request brings: its JSON body, its parameters, who asks and whether they may. Knows no customers."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gevent
from flask import Blueprint, Flask, current_app, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from fsapp.core.clean import clean_number, clean_text
from fsapp.core.numbers import normalise
from fsapp.records.tokens import May, Token
from fsapp.web.faults import Fault
from fsapp.web.parts import parts

__all__ = [
    "MAX_BODY", "asked_number", "body", "given_id", "guard", "limit", "may", "now", "parameter", "read_time", "who",
]

MAX_BODY = 64 * 1024
MAX_LIMIT = 200
_BODY_S = 10.0
_DEEPEST = 20
_LEVEL = "fsapp_may"
_UNESCAPED_PLUS = re.compile(r"(?<=T[0-9:.]{5}) (?=\d\d:\d\d\Z)|(?<=:\d\d) (?=\d\d:\d\d\Z)")


def may(blueprint: Blueprint, rule: str, level: May, method: str = "GET") -> Callable[[Any], Any]:
    """A route, and what a token must be allowed for it: `@may(routes, "/customers", May.WRITE, "POST")`."""
    def register(view: Callable[..., Any]) -> Callable[..., Any]:
        setattr(view, _LEVEL, level)
        blueprint.add_url_rule(rule, view_func=view, methods=[method])
        return view
    return register


def guard(app: Flask) -> None:
    """Have `app` let nobody in without a token that may, nor more often than the limits say."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.before_request(_let_in)


def _let_in() -> None:
    given, found = request.authorization, None
    peer = f"peer:{request.remote_addr}"
    if given is not None and given.type == "bearer" and given.token:
        found = parts().tokens.find(given.token)
    if found is None:
        _within_limits(peer)
        raise Fault(401, "a token is needed: Authorization: Bearer TOKEN; `fsapp web token add` makes one")
    _within_limits(f"token:{found.name}")
    g.token = found
    if "\0" in request.path:
        raise Fault(404, "there is nothing here: see docs/api.md")  # no id has one, and PostgreSQL takes no such text
    if request.endpoint is None:
        return  # nothing there: Flask says so
    wanted = getattr(current_app.view_functions[request.endpoint], _LEVEL, May.ADMIN)
    if not found.may.covers(wanted):
        raise Fault(403, f"the token {found.name} may only {found.may}: this needs one that may {wanted}")


def _within_limits(name: str) -> None:
    wait_s = parts().limits.take(name)
    if wait_s:
        raise Fault(429, "too many requests: wait a moment", retry_s=round(wait_s, 3))


def who() -> str:
    """The name of the token that asks."""
    token: Token = g.token
    return token.name


def now() -> float:
    return time.time()


def body() -> dict[str, Any]:
    """The JSON object of the body. Fault where it is none, too large or does not arrive."""
    if request.mimetype not in ("application/json", ""):
        raise Fault(415, "the body is to be application/json")
    try:
        with gevent.Timeout(_BODY_S, Fault(408, "the body does not arrive")):
            raw = request.get_data(cache=False)
    except OSError:
        raise Fault(400, "the body does not arrive") from None
    if request.content_length is None and len(raw) >= MAX_BODY:  # it came in chunks, and is read no further
        raise RequestEntityTooLarge
    try:
        found = json.loads(raw, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Fault(400, f"the body is not JSON: {clean_text(str(error), 200)}", "not-json") from None
    if not isinstance(found, dict) or _depth(found) > _DEEPEST:
        raise Fault(400, "the body is to be one JSON object, not nested deeply", "not-json")
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _depth(value: Any, deep: int = 1) -> int:
    if deep > _DEEPEST or not isinstance(value, (dict, list)):
        return deep
    inner = value.values() if isinstance(value, dict) else value
    return max((_depth(item, deep + 1) for item in inner), default=deep)


def parameter(name: str, longest: int = 200) -> str | None:
    """A parameter of the address, on one clean line; None where it is absent or empty."""
    return clean_text(request.args.get(name, ""), longest) or None


def given_id(value: str) -> str:
    """The id of something, from a body: what no id has, and no database takes, becomes a question mark."""
    return "".join(char if char.isprintable() else "?" for char in value[:300])


def asked_number(name: str = "number", *, text: str | None = None) -> str:
    """The E.164 form of a number in any spelling, of a parameter or `text`. Fault where it is none.

    A plus that was not escaped arrives as a space: it is taken for a plus.
    """
    given = request.args.get(name, "") if text is None else text
    if re.match(r" [1-9]", given, re.ASCII):
        given = "+" + given[1:]
    key = normalise(clean_number(given), parts().region).key
    if key is None:
        raise Fault(422, f"{name}: {clean_text(given, 40)!r} is no telephone number that can be called: write it with "
                         "+ and country")
    return key


def limit(default: int = 20) -> int:
    """The parameter `limit`: 1 to MAX_LIMIT."""
    given = parameter("limit")
    if given is None:
        return default
    if not given.isdecimal() or len(given) > 6 or not 1 <= int(given) <= MAX_LIMIT:
        raise Fault(422, f"limit: is a whole number from 1 to {MAX_LIMIT}")
    return int(given)


def read_time(value: Any, name: str) -> float:
    """Epoch seconds of an ISO 8601 time with its offset, or of epoch seconds. Fault."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            at = float(value)
        else:
            parsed = datetime.fromisoformat(_UNESCAPED_PLUS.sub("+", str(value).strip()))
            at = parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        at = math.nan
    if not 0 <= at < 2**34:
        raise Fault(422, f"{name}: is a time as 2026-05-01T10:00:00+02:00, or seconds since 1970")
    return at
