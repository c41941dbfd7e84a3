"""Routes of customers: found, made, changed, merged, their numbers, notes and tags. What that means is in records."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify
from sqlalchemy import Connection

from fsapp.core.customer import read_draft, read_note, read_number, read_tag
from fsapp.records import customers
from fsapp.records.access import looked
from fsapp.records.customers import CUSTOMER, Customer
from fsapp.records.notes import add_note as write_note
from fsapp.records.notes import add_tags
from fsapp.records.notes import remove_tag as untag
from fsapp.records.shapes import customer_shape, time_shape
from fsapp.records.tokens import May
from fsapp.web.asking import asked_number, body, given_id, limit, may, now, parameter, who
from fsapp.web.faults import Fault
from fsapp.web.parts import parts

__all__ = ["routes"]

routes = Blueprint("customers", __name__)


@may(routes, "/customers", May.READ)
def find() -> Any:
    """By number (in any spelling), or by a part of the name or company or the beginning of the e-mail address."""
    text, at, by = parameter("text"), now(), who()
    number = asked_number() if parameter("number") else None
    if (text is None) == (number is None):
        raise Fault(422, "give either number or text")
    at_most = limit()

    def work(connection: Connection) -> list[Customer]:
        found = ([one] if (one := customers.find(connection, number)) else []) if number else (
            customers.search(connection, text or "", at_most))
        for customer in found:
            _looked(connection, at, by, customer, number)
        return found

    return jsonify(customers=[customer_shape(customer) for customer in parts().database.write(work)])


@may(routes, "/customers", May.WRITE, "POST")
def make() -> Any:
    draft, at, by = read_draft(body(), parts().region), now(), who()
    made = parts().database.write(lambda connection: customers.create(connection, draft, by=by, at=at))
    return jsonify(customer_shape(made)), 201


@may(routes, "/customers/<id_>", May.READ)
def show(id_: str) -> Any:
    at, by = now(), who()

    def work(connection: Connection) -> Customer | None:
        found = customers.get(connection, id_)
        if found is not None:
            _looked(connection, at, by, found)
        return found

    return jsonify(customer_shape(_there(parts().database.write(work), id_)))


@may(routes, "/customers/<id_>", May.WRITE, "PATCH")
def change(id_: str) -> Any:
    draft, at, by = read_draft(body(), parts().region), now(), who()

    def work(connection: Connection) -> Customer:
        changed = _there(customers.change(connection, id_, draft, at=at), id_)
        _looked(connection, at, by, changed)
        return changed

    return jsonify(customer_shape(parts().database.write(work)))


@may(routes, "/customers/<id_>/merge", May.ADMIN, "POST")
def merge(id_: str) -> Any:
    given, at, by = body(), now(), who()
    other = given.get("other")
    if not isinstance(other, str) or set(given) != {"other"}:
        raise Fault(422, "other: is the id of the customer who is to become this one")
    other = given_id(other)

    def work(connection: Connection) -> Customer:
        for one in (id_, other):
            _there(customers.get(connection, one), one)
        merged = customers.merge(connection, id_, other, by=by, at=at)
        _looked(connection, at, by, merged)
        return merged

    return jsonify(customer_shape(parts().database.write(work)))


@may(routes, "/customers/<id_>/numbers", May.WRITE, "POST")
def add_number(id_: str) -> Any:
    number, at, by = read_number(body(), parts().region), now(), who()

    def work(connection: Connection) -> Customer:
        _there(customers.get(connection, id_), id_)
        customers.add_number(connection, id_, number, at=at)
        return _shown(connection, at, by, id_)

    return jsonify(customer_shape(parts().database.write(work))), 201


@may(routes, "/customers/<id_>/numbers/<number>", May.WRITE, "DELETE")
def remove_number(id_: str, number: str) -> Any:
    key, at = asked_number(text=number), now()
    if not parts().database.write(lambda connection: customers.remove_number(connection, id_, key, at=at)):
        raise Fault(404, f"{key} is no number of customer {id_}")
    return "", 204


@may(routes, "/customers/<id_>/notes", May.WRITE, "POST")
def add_note(id_: str) -> Any:
    given, at = body(), now()
    text, by = read_note(given.get("text")), author(given)

    def work(connection: Connection) -> str:
        _there(customers.get(connection, id_), id_)
        return write_note(connection, text, by, at, customer=id_)

    return jsonify(id=parts().database.write(work), at=time_shape(at), by=by, text=text), 201


@may(routes, "/customers/<id_>/tags", May.WRITE, "POST")
def add_tag(id_: str) -> Any:
    given, at, token = body(), now(), who()
    tag, by = read_tag(given.get("tag")), author(given)

    def work(connection: Connection) -> Customer:
        _there(customers.get(connection, id_), id_)
        add_tags(connection, (CUSTOMER, id_), [tag], by, "hand", at)
        return _shown(connection, at, token, id_)

    return jsonify(customer_shape(parts().database.write(work))), 201


@may(routes, "/customers/<id_>/tags/<tag>", May.WRITE, "DELETE")
def remove_tag(id_: str, tag: str) -> Any:
    wanted = read_tag(tag)
    if not parts().database.write(lambda connection: untag(connection, (CUSTOMER, id_), wanted)):
        raise Fault(404, f"customer {id_} has no tag {wanted}")
    return "", 204


def author(given: dict[str, Any]) -> str:
    """Who says it: the agent whom a program names as `by`, else the program itself."""
    by = given.get("by")
    if by is None:
        return who()
    if not isinstance(by, str) or by not in parts().need_rules().agents:
        raise Fault(422, "by: is no agent of the rules: leave it out, or write the agent's id")
    return by


def _shown(connection: Connection, at: float, by: str, id_: str) -> Customer:
    """The customer as it is now, who is shown."""
    found = _there(customers.get(connection, id_), id_)
    _looked(connection, at, by, found)
    return found


def _looked(connection: Connection, at: float, by: str, one: Customer, number: str | None = None) -> None:
    looked(connection, at=at, who=by, what=CUSTOMER, subject=one.id, number=number, customer_id=one.id, how="web")


def _there(customer: Customer | None, id_: str) -> Customer:
    if customer is None:
        raise Fault(404, f"there is no customer {id_}", "no-customer")
    return customer
