"""Routes of tickets: found, opened, noted on, given to somebody, closed. What that means is in records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Blueprint, jsonify
from sqlalchemy import Connection

from fsapp.core.clean import clean_text
from fsapp.core.customer import read_note
from fsapp.records import customers, interactions, tickets
from fsapp.records.access import looked
from fsapp.records.notes import add_note as write_note
from fsapp.records.notes import notes_of, tags_of
from fsapp.records.shapes import interaction_shape, time_shape
from fsapp.records.tickets import NewTicket, TicketFilter
from fsapp.records.tokens import May
from fsapp.records.writer import lock
from fsapp.web.asking import asked_number, body, given_id, limit, may, now, parameter, who
from fsapp.web.customers import author
from fsapp.web.faults import Fault
from fsapp.web.parts import parts

__all__ = ["routes"]

routes = Blueprint("tickets", __name__)

_KNOWN = ("subject", "number", "customer", "interaction", "place", "agent", "group", "priority")
_MAX_SUBJECT = 200
_SHOWN = 100


@may(routes, "/tickets", May.READ)
def find() -> Any:
    """By customer or number, agent, group, place; open ones unless told otherwise."""
    state = parameter("state") or tickets.OPEN
    if state not in (tickets.OPEN, tickets.CLOSED, "all"):
        raise Fault(422, "state: is one of open, closed, all")
    wanted = TicketFilter(
        None if state == "all" else state, asked_number() if parameter("number") else None, parameter("customer"),
        parameter("agent"), parameter("group"), parameter("place"))
    at, by, at_most = now(), who(), limit()

    def work(connection: Connection) -> list[dict[str, Any]]:
        found = tickets.find(connection, wanted, at_most)
        for one in found:
            _looked(connection, at, by, one)
        return found

    return jsonify(tickets=[interaction_shape(one) for one in parts().database.write(work)])


@may(routes, "/tickets", May.WRITE, "POST")
def make() -> Any:
    given, at, by = body(), now(), who()
    new, about_id = _asked(given), given_id(given.get("interaction") or "")

    def work(connection: Connection) -> dict[str, Any]:
        lock(connection)
        about = interactions.get(connection, about_id) if about_id else None
        if about_id and about is None:
            raise Fault(404, f"there is no interaction {clean_text(about_id, 100)}", "no-interaction")
        number = about["number"] if about else new.number
        customer = new.customer_id or (about["customer_id"] if about else None)
        if customer is None and number:
            customer = tickets.customer_of(connection, number)
        elif new.customer_id and customers.get(connection, new.customer_id) is None:
            raise Fault(422, f"customer: there is none with the id {new.customer_id}")
        place = new.place or (interactions.place_of(about) if about else None)
        id_ = tickets.open_ticket(connection, replace(
            new, customer_id=customer, number=number, place=place, made_by=by), at)
        if about is not None:
            tickets.link(connection, about["id"], id_, at)
        return _shown(connection, at, by, id_)

    return jsonify(interaction_shape(parts().database.write(work))), 201


@may(routes, "/tickets/<id_>", May.READ)
def show(id_: str) -> Any:
    at, by = now(), who()

    def work(connection: Connection) -> dict[str, Any]:
        found = _there(tickets.get(connection, id_), id_)
        _looked(connection, at, by, found)
        return {**found, "notes": notes_of(connection, ticket=id_), "tags": tags_of(connection, ("ticket", id_)),
                "interactions": tickets.interactions_of(connection, id_, _SHOWN)}

    return jsonify(interaction_shape(parts().database.write(work)))


@may(routes, "/tickets/<id_>/notes", May.WRITE, "POST")
def add_note(id_: str) -> Any:
    given, at = body(), now()
    text, by = read_note(given.get("text")), author(given)

    def work(connection: Connection) -> str:
        found = _there(tickets.get(connection, id_), id_)
        tickets.touch(connection, id_, at)
        return write_note(connection, text, by, at, customer=found["customer_id"], ticket=id_)

    return jsonify(id=parts().database.write(work), at=time_shape(at), by=by, text=text), 201


@may(routes, "/tickets/<id_>/close", May.WRITE, "POST")
def close(id_: str) -> Any:
    return _changed(id_, tickets.close, "is closed already")


@may(routes, "/tickets/<id_>/reopen", May.WRITE, "POST")
def reopen(id_: str) -> Any:
    return _changed(id_, tickets.reopen, "is open")


@may(routes, "/tickets/<id_>/assign", May.WRITE, "POST")
def assign(id_: str) -> Any:
    given = body()
    if set(given) - {"agent", "group"}:
        raise Fault(422, "agent or group: whose it is to be; null or neither for nobody")
    agent, group = _responsible(given)
    return _changed(id_, lambda connection, ticket, at: tickets.assign(connection, ticket, agent, group, at),
                    "is closed: open it again first")


def _changed(id_: str, change: Callable[[Connection, str, float], bool], otherwise: str) -> Any:
    at, by = now(), who()

    def work(connection: Connection) -> dict[str, Any]:
        _there(tickets.get(connection, id_), id_)
        if not change(connection, id_, at):
            raise Fault(409, f"ticket {id_} {otherwise}", "wrong-state")
        return _shown(connection, at, by, id_)

    return jsonify(interaction_shape(parts().database.write(work)))


def _shown(connection: Connection, at: float, by: str, id_: str) -> dict[str, Any]:
    """The ticket as it is now, which is shown."""
    found = _there(tickets.get(connection, id_), id_)
    _looked(connection, at, by, found)
    return found


def _looked(connection: Connection, at: float, by: str, one: dict[str, Any]) -> None:
    looked(connection, at=at, who=by, what="ticket", subject=one["id"], number=one["number"],
           customer_id=one["customer_id"], how="web")


def _asked(given: dict[str, Any]) -> NewTicket:
    """The ticket that a body asks for; every fault at once."""
    faults = [f"{clean_text(key, 40)}: is not known; there are {', '.join(_KNOWN)}" for key in given
              if key not in _KNOWN]
    whose = [key for key in ("number", "customer", "interaction") if given.get(key)]
    if len(whose) != 1 or not isinstance(given[whose[0]], str):
        faults.append("number: say whose it is: by number, customer or interaction, one of them")
    subject = clean_text(given["subject"], _MAX_SUBJECT) if isinstance(given.get("subject"), str) else ""
    if not subject:
        faults.append("subject: is a text, and not an empty one")
    priority = given.get("priority", 0)
    if isinstance(priority, bool) or priority not in range(10):
        faults.append("priority: is a whole number from 0 to 9")
    place, rules = given.get("place"), parts().need_rules()
    if place is not None and (not isinstance(place, str) or rules.place(place) is None):
        faults.append("place: is a line, or CAMPAIGN/STAGE, of the rules")
    if faults:
        raise Fault(422, "what is said of the ticket is wrong", faults=faults)
    agent, group = _responsible(given)
    number = asked_number(text=given["number"]) if given.get("number") else None
    return NewTicket(given_id(given.get("customer") or "") or None, number, subject, agent, group, int(priority), place)


def _responsible(given: dict[str, Any]) -> tuple[str | None, str | None]:
    rules, agent, group = parts().need_rules(), given.get("agent"), given.get("group")
    if agent is not None and (not isinstance(agent, str) or agent not in rules.agents):
        raise Fault(422, "agent: is no agent of the rules: write the agent's id")
    if group is not None and (not isinstance(group, str) or group not in rules.groups):
        raise Fault(422, f"group: is none of the rules: there are {', '.join(sorted(rules.groups))}")
    return agent, group


def _there(found: dict[str, Any] | None, id_: str) -> dict[str, Any]:
    if found is None:
        raise Fault(404, f"there is no ticket {clean_text(id_, 100)}", "no-ticket")
    return found
