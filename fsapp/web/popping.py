"""Routes of the pop: of a number when asked, and of each call that is offered to an agent, as server-sent events."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, jsonify, request

from fsapp.core.talks import customer_of
from fsapp.errors import FsappError
from fsapp.metrics import POP_SECONDS
from fsapp.records.shapes import time_shape
from fsapp.records.tokens import May
from fsapp.spawn import spawn
from fsapp.web.asking import asked_number, may, now, parameter, who
from fsapp.web.faults import Fault
from fsapp.web.parts import Parts, parts
from fsapp.web.pops import Became, Follower, Offer, Stopped

__all__ = ["routes"]

routes = Blueprint("pop", __name__)

STREAMS = 800           # at a time, all agents together
ALIVE_S = 15.0
_CONTACT = re.compile(r"[a-z0-9-]{1,64}/[a-z0-9-]{1,64}/\+[0-9]{7,15}\Z", re.ASCII)
_PLACE = re.compile(r"[0-9]{1,15}-[0-9]{1,10}\Z", re.ASCII)
_TOLD = ("call", "member", "queue", "class", "campaign", "stage", "line", "contact", "task", "decision")


@may(routes, "/pop", May.READ)
def pop() -> Any:
    """All that an agent needs of a caller; a CRM outside is asked by another request: ours never waits for it."""
    number, contact = asked_number(), parameter("contact")
    if contact is not None and not _CONTACT.match(contact):
        raise Fault(422, "contact: is CAMPAIGN/STAGE/NUMBER, the number in E.164")
    found = parts().pop_reader.read(number, contact)
    _looked(parts(), who(), number, found, "web")
    return jsonify(found)


@may(routes, "/pop/outside", May.READ)
def outside() -> Any:
    """What the CRM outside says of a number, within its time limit."""
    number = asked_number()
    if not parts().pop_reader.asks_outside:
        raise Fault(404, "no CRM is asked: the setting pop_lookup names one", "no-lookup")
    parts().looks.put(at=now(), who=who(), what="pop", subject="outside", number=number, how="web")
    return jsonify(number=number, **parts().pop_reader.outside(number))


@may(routes, "/agents/<agent>/pops", May.READ)
def pops(agent: str) -> Any:
    """The pops of an agent's calls from when they are offered on: an endless answer."""
    here, last = parts(), request.headers.get("Last-Event-ID")
    if agent not in here.need_rules().agents:
        raise Fault(404, f"there is no agent {agent[:40]!r} in the rules", "no-agent")
    if here.pops.following >= STREAMS:
        raise Fault(429, "too many follow pops already", retry_s=5)
    token = request.authorization.token if request.authorization else ""
    follower, missed = here.pops.follow(agent, last if last and _PLACE.match(last) else None)
    response = Response(_Stream(here, follower, missed, token or "", who()), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _Stream:
    """The answer's parts, one for each thing that happens. Closed by the server when the browser has gone."""

    def __init__(self, here: Parts, follower: Follower, missed: list[Offer], token: str, by: str) -> None:
        self._here = here
        self._follower = follower
        self._token = token
        self._by = by
        self._parts = self._run(missed)

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        self._here.pops.leave(self._follower)

    def _run(self, missed: list[Offer]) -> Iterator[bytes]:
        yield b"retry: 1000\n\n"
        for offer in missed:
            yield from self._offer(offer)
        while True:
            what = self._follower.next(ALIVE_S)
            if isinstance(what, Stopped) or not self._still_let_in():
                return
            if what is None:
                yield b": alive\n\n"
            elif isinstance(what, Offer):
                yield from self._offer(what)
            elif isinstance(what, Became):
                yield _event("became", {"offer": what.offer.id, "became": what.became})
            else:
                yield _event("outside", what)

    def _offer(self, offer: Offer) -> Iterator[bytes]:
        """Ours first, and alone where the outside is slow or down; then the look is written down."""
        number, found = self._read(offer)
        told = {name: str(value) if (value := offer.event.get(name)) is not None else None for name in _TOLD}
        yield _event("pop", {
            "offer": {"id": offer.id, "at": time_shape(offer.at), "agent": self._follower.agent, **told,
                      "became": offer.became or None},
            "pop": found}, offer.id)
        if not offer.is_over:
            POP_SECONDS.observe(max(0.0, time.time() - offer.at))
        if number is not None and self._here.pop_reader.asks_outside:
            spawn(self._ask_outside, offer, number, name="pop-outside")
        _looked(self._here, self._by, number, found, f"pop for agent {self._follower.agent}")

    def _read(self, offer: Offer) -> tuple[str | None, dict[str, Any]]:
        rules = self._here.need_rules()
        given = offer.event.get("customer") or offer.event.get("number")
        number = customer_of({"number": given, "contact": offer.event.get("contact")}, rules)
        with offer.reading:
            if offer.pop is None:
                contact, call = (str(offer.event.get(name) or "") or None for name in ("contact", "call"))
                offer.pop = self._here.pop_reader.read(number, contact, call)
            found = offer.pop
            if found["faults"]:
                offer.pop = None  # the next who asks may have more luck
        return number, found

    def _ask_outside(self, offer: Offer, number: str) -> None:
        self._follower.put({"offer": offer.id, **self._here.pop_reader.outside(number)})

    def _still_let_in(self) -> bool:
        try:
            return self._here.tokens.find(self._token) is not None
        except FsappError:
            return True  # nobody can remove one while the memory is away


def _event(name: str, data: Any, id_: str | None = None) -> bytes:
    first = f"id: {id_}\n" if id_ else ""
    return f"{first}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode("utf-8", "replace")


def _looked(here: Parts, by: str, number: str | None, found: dict[str, Any], how: str) -> None:
    """To be written down, after it was shown."""
    customer = found["customer"]["id"] if found["customer"] else None
    here.looks.put(at=now(), who=by, what="pop", subject=customer, number=number, customer_id=customer, how=how)
