"""Routes of interactions: told by other channels, looked at, tagged, noted on. What that means is in records."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, jsonify
from sqlalchemy import Connection

from fsapp.core.clean import clean_lines, clean_text
from fsapp.core.customer import read_draft, read_note, read_tag
from fsapp.errors import CustomersError
from fsapp.records import interactions
from fsapp.records.access import looked
from fsapp.records.channels import CHANNELS, Told, keep
from fsapp.records.shapes import interaction_shape, time_shape
from fsapp.records.tokens import May
from fsapp.web.asking import asked_number, body, may, now, read_time, who
from fsapp.web.customers import author
from fsapp.web.faults import Fault
from fsapp.web.parts import parts

__all__ = ["routes"]

routes = Blueprint("interactions", __name__)

_KNOWN = ("channel", "id", "at", "ended_at", "number", "email", "customer", "name", "direction", "subject", "text",
          "agent", "outcome", "ticket", "fields")
_MAX_TEXT = 20_000
_ID = re.compile(r"[\x21-\x7e]{1,200}\Z")


@may(routes, "/interactions", May.WRITE, "POST")
def tell() -> Any:
    """An interaction of another channel, once: the sender's id says which it is."""
    told, by, at = _told(body()), who(), now()

    def work(connection: Connection) -> tuple[dict[str, Any], bool]:
        row, new = keep(connection, told, by=by, now=at)
        if not new:  # what is shown may be what others have told
            looked(connection, at=at, who=by, what="interaction", subject=row["id"], number=row["number"],
                   customer_id=row["customer_id"], how="web")
        return row, new

    row, new = parts().database.write(work)
    return jsonify(interaction_shape(row)), 201 if new else 200


@may(routes, "/interactions/<path:id_>", May.READ)
def show(id_: str) -> Any:
    at, by = now(), who()

    def work(connection: Connection) -> dict[str, Any] | None:
        found = interactions.show(connection, id_)
        if found is not None:
            looked(connection, at=at, who=by, what="interaction", subject=id_, number=found["number"],
                   customer_id=found["customer_id"], how="web")
            found["decisions"] = interactions.decisions_of(connection, id_)
        return found

    found = _there(parts().database.write(work), id_)
    return jsonify(interaction_shape(found))


@may(routes, "/interactions/<path:id_>/notes", May.WRITE, "POST")
def add_note(id_: str) -> Any:
    given, at = body(), now()
    text, by = read_note(given.get("text")), author(given)

    def work(connection: Connection) -> str:
        return interactions.note(connection, _there(interactions.get(connection, id_), id_), text, by, at)

    return jsonify(id=parts().database.write(work), at=time_shape(at), by=by, text=text), 201


@may(routes, "/interactions/<path:id_>/tags", May.WRITE, "POST")
def add_tag(id_: str) -> Any:
    given, at = body(), now()
    tag, by = read_tag(given.get("tag")), author(given)

    def work(connection: Connection) -> list[str]:
        _there(interactions.get(connection, id_), id_)
        interactions.set_tags(connection, id_, [tag], by, "hand", at)
        return interactions.tags_of(connection, ("interaction", id_))

    return jsonify(tags=parts().database.write(work)), 201


@may(routes, "/interactions/<path:id_>/tags/<tag>", May.WRITE, "DELETE")
def remove_tag(id_: str, tag: str) -> Any:
    wanted = read_tag(tag)
    if not parts().database.write(lambda connection: interactions.untag(connection, id_, wanted)):
        raise Fault(404, f"interaction {id_} has no tag {wanted}")
    return "", 204


def _told(given: dict[str, Any]) -> Told:
    """The body as a value, every fault of it at once."""
    faults = [f"{clean_text(key, 40)}: is not known; there are {', '.join(_KNOWN)}" for key in given
              if key not in _KNOWN]
    values: dict[str, Any] = {}

    def take(key: str, read: Any) -> None:
        try:
            if given.get(key) not in (None, ""):
                values[key] = read(given[key])
        except Fault as fault:
            faults.append(str(fault) if str(fault).startswith(key) else f"{key}: {fault}")
        except ValueError as error:
            faults.append(f"{key}: {error}")

    take("channel", lambda value: _one_of(value, CHANNELS))
    take("direction", lambda value: _one_of(value, ("inbound", "outbound")))
    take("id", _sender_id)
    take("number", lambda value: asked_number(text=_text(value, 64)))
    for key, longest in (("name", 200), ("subject", 500), ("outcome", 50), ("ticket", 100), ("customer", 100)):
        take(key, lambda value, longest=longest: _text(value, longest))
    take("text", lambda value: clean_lines(_is_text(value), _MAX_TEXT))
    take("email", lambda value: _draft({"email": value})["email"])
    take("fields", lambda value: _draft({"fields": value})["fields"])
    take("agent", _agent)
    take("at", lambda value: read_time(value, "at"))
    take("ended_at", lambda value: read_time(value, "ended_at"))
    faults += [f"{key}: is missing" for key in ("channel", "id") if given.get(key) in (None, "")]
    if not any(given.get(key) for key in ("number", "email", "customer")):
        faults.append("number: say whose it is: by number, email or customer")
    if faults:
        raise Fault(422, "what is told is wrong", faults=faults)
    at = values.get("at", now())
    return Told(
        values["channel"], values["id"], at, max(at, values.get("ended_at", at)), values.get("number"),
        values.get("email"), values.get("customer"), values.get("name"), values.get("direction"),
        values.get("subject"), values.get("agent"), values.get("outcome"), values.get("ticket"),
        {**(values.get("fields") or {}), **({"text": values["text"]} if values.get("text") else {})} or None)


def _is_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is a text")
    return value


def _text(value: Any, longest: int) -> str:
    return clean_text(_is_text(value), longest)


def _one_of(value: Any, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError(f"is one of {', '.join(words)}")
    return str(value)


def _sender_id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.match(value):
        raise ValueError("is the sender's own, 1 to 200 printable characters of ASCII without spaces")
    return value


def _draft(given: dict[str, Any]) -> Any:
    try:
        return read_draft(given, parts().region).values
    except CustomersError as error:
        raise ValueError(error.faults[0].partition(": ")[2]) from None


def _agent(value: Any) -> str:
    if not isinstance(value, str) or value not in parts().need_rules().agents:
        raise ValueError("is no agent of the rules: write the agent's id")
    return value


def _there(found: dict[str, Any] | None, id_: str) -> dict[str, Any]:
    if found is None:
        raise Fault(404, f"there is no interaction {clean_text(id_, 100)}", "no-interaction")
    return found
