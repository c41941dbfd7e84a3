"""Routes of the timeline: all that was with a customer or a number, newest first. What belongs to it is in records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, jsonify, request
from sqlalchemy import Connection

from fsapp.records import customers
from fsapp.records.access import looked
from fsapp.records.shapes import interaction_shape
from fsapp.records.timeline import KINDS, Cursor, Whose, timeline, whose_customer, whose_number
from fsapp.records.tokens import May
from fsapp.web.asking import asked_number, limit, may, now, parameter, read_time, who
from fsapp.web.faults import Fault
from fsapp.web.parts import parts

__all__ = ["routes"]

routes = Blueprint("timeline", __name__)

_MAX_CURSOR = 1000


@may(routes, "/customers/<id_>/timeline", May.READ)
def of_customer(id_: str) -> Any:
    """Of all numbers of a customer, and of what names the customer."""
    def whose(connection: Connection) -> Whose:
        if customers.get(connection, id_) is None:
            raise Fault(404, f"there is no customer {id_}", "no-customer")
        return whose_customer(connection, id_)

    return _page(whose)


@may(routes, "/timeline", May.READ)
def of_number() -> Any:
    """Of a number, and of the customer it belongs to if there is one."""
    number = asked_number()
    return _page(lambda connection: whose_number(connection, number), number)


def _page(whose: Callable[[Connection], Whose], number: str | None = None) -> Any:
    at, by, at_most = now(), who(), limit(50)
    given, since = parameter("before", _MAX_CURSOR), parameter("since")
    kinds = [kind for value in request.args.getlist("kind") for kind in value.split(",") if kind]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise Fault(422, f"kind: {unknown[0][:40]!r} is none: there are {', '.join(KINDS)}")
    try:
        before = Cursor.parse(given) if given else None
    except ValueError as error:
        raise Fault(422, f"before: {error}") from None
    from_ = read_time(since, "since") if since else None

    def work(connection: Connection) -> Any:
        owner = whose(connection)
        looked(connection, at=at, who=by, what="timeline", subject=owner.customer_id, number=number,
               customer_id=owner.customer_id, how="web")
        return owner, timeline(connection, owner, limit=at_most, before=before, since=from_, kinds=kinds)

    owner, page = parts().database.write(work)
    return jsonify(customer=owner.customer_id, numbers=owner.numbers,
                   entries=[interaction_shape(entry) for entry in page.entries],
                   next=str(page.next) if page.next else None)
