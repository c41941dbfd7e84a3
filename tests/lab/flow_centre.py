"""A flow with a block of every kind that needs a caller, and whoever it asks on the way. No tests."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from gevent.pywsgi import WSGIServer
from lab_centre import DOCUMENT
from lab_ends import until

from fsapp.lab.channel import Channel
from fsapp.rules import check_document

FLOW_NUMBER = "+381115550400"


def document(url: str = "http://127.0.0.1:9/") -> dict[str, Any]:
    """The example centre with a flow that asks `url` for the caller's agent and group."""
    found = copy.deepcopy(DOCUMENT)
    found["list"] = {"difficult": {"numbers": ["+381641111111"]}}
    found["flow"]["main"] = {
        "line": "helpdesk", "start": "speak", "languages": ["sr", "en"], "limit_s": 600, "block": {
            "speak": {"kind": "language", "say": ["language-menu"], "choices": {"1": "sr", "2": "en"},
                      "invalid": ["invalid"], "next": "hello"},
            "hello": {"kind": "say", "say": ["welcome"], "next": "known"},
            "known": {"kind": "list", "lists": ["difficult"], "next": "goodbye", "otherwise": "mobile"},
            "mobile": {"kind": "number", "choices": {"+38166": "vip"}, "otherwise": "department"},
            "department": {
                "kind": "menu", "say": ["department-menu"], "invalid": ["invalid"], "silent": ["no-input"],
                "choices": {"1": "order", "2": "vip", "3": "rate", "4": "away", "5": "mail", "*": "goodbye"},
                "otherwise": "helpdesk", "tries": 2},
            "order": {
                "kind": "input", "say": ["order-number"], "min": 4, "max": 6, "check": "luhn",
                "confirm": ["you-entered", "*", "confirm"], "next": "whose", "otherwise": "helpdesk", "tries": 2},
            "whose": {"kind": "lookup", "url": f"{url}order?number={{caller}}&order={{order}}", "timeout_s": 1,
                      "store": {"agent": "customer.agent"}, "next": "personal", "otherwise": "noted"},
            "noted": {"kind": "set", "values": {"note": "order {order}"}, "next": "helpdesk"},
            "personal": {"kind": "agent", "of": "agent", "line": "helpdesk"},
            "rate": {"kind": "survey", "say": ["survey"], "invalid": ["invalid"], "min": 1, "max": 5,
                     "next": "goodbye"},
            "mail": {"kind": "voicemail", "say": ["voicemail"], "max_s": 60, "next": "goodbye"},
            "vip": {"kind": "queue", "line": "vip"},
            "helpdesk": {"kind": "queue"},
            "away": {"kind": "transfer", "extension": "elsewhere", "context": "elsewhere"},
            "goodbye": {"kind": "hangup", "say": ["goodbye"]},
        },
    }
    checked = check_document(found, "test")
    assert checked.faults == ()
    return checked.document


def at(call: Channel, block: str) -> None:
    """Waits until the caller is at a block, and the switch takes keys or plays there."""
    def there() -> bool:
        busy = call.get("current_application") in ("play_and_get_digits", "playback")
        return busy and call.get("fsapp_block") == block

    until(there, f"the caller is at {block}, not at {call.get('fsapp_block')}")


def press(call: Channel, block: str, keys: str) -> None:
    at(call, block)
    call.press(keys)


class Shop:
    """Answers lookups as it is told to, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[], tuple[str, list[bytes]]] = lambda: ("200 OK", [b"{}"])
        self._server = WSGIServer(("127.0.0.1", 0), self._serve, log=None)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def says(self, found: Any) -> None:
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.answer = lambda: ("200 OK", [body])

    def close(self) -> None:
        self._server.stop(timeout=1)

    def _serve(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        self.asked.append(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        status, body = self.answer()
        start(status, [("Content-Type", "application/json")])
        return body
