"""Routes of what agents say after a call: how it ended, and tags that are suggested. What that means is elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, jsonify
from sqlalchemy import Connection

from fsapp.core.clean import clean_text
from fsapp.core.customer import read_note, read_tag
from fsapp.core.disposition import chosen
from fsapp.core.tag_model import Suggestion, suggestions
from fsapp.records import interactions
from fsapp.records.access import looked
from fsapp.records.notes import tags_of
from fsapp.records.tag_examples import written
from fsapp.records.tokens import May
from fsapp.web.asking import body, may, now, who
from fsapp.web.customers import author
from fsapp.web.faults import Fault
from fsapp.web.parts import parts

__all__ = ["routes"]

routes = Blueprint("after_call", __name__)


@may(routes, "/interactions/<path:id_>/disposition", May.WRITE, "POST")
def dispose(id_: str) -> Any:
    """How it ended: one of the dispositions of its place, where the rules name some."""
    given, at, rules = body(), now(), parts().need_rules()
    said, agent = given.get("disposition"), given.get("agent")
    if not isinstance(said, str) or set(given) - {"disposition", "agent", "note", "by"}:
        raise Fault(422, "disposition: is a text; besides there are agent, note and by")
    if agent is not None and (not isinstance(agent, str) or agent not in rules.agents):
        raise Fault(422, "agent: is no agent of the rules: write the agent's id")
    words = read_note(given["note"]) if given.get("note") else ""
    by = author(given)

    def work(connection: Connection) -> str:
        one = interactions.get(connection, id_)
        if one is None:
            raise _nobody(id_)
        place = rules.place(interactions.place_of(one) or "")
        named = place.dispositions if place is not None else ()
        disposition = chosen(said, named)
        if not disposition:
            there = f"there are {', '.join(named)}" if named else "write how it ended"
            raise Fault(422, f"disposition: {clean_text(said, 80)!r} is none here: {there}")
        interactions.dispose(connection, one, disposition, agent or one["agent"], at, words, by)
        return disposition

    return jsonify(disposition=parts().database.write(work)), 201


@may(routes, "/interactions/<path:id_>/suggestions", May.READ)
def suggest(id_: str) -> Any:
    """Tags that its notes and disposition suggest; it has none of them by that."""
    at, by, suggested = now(), who(), _suggesting(id_)

    def work(connection: Connection) -> list[Suggestion]:
        found = suggested(connection)
        looked(connection, at=at, who=by, what="interaction", subject=id_, how="web")
        return found

    return jsonify(suggestions=[one._asdict() for one in parts().database.write(work)])


@may(routes, "/interactions/<path:id_>/suggestions", May.WRITE, "POST")
def confirm(id_: str) -> Any:
    """Give it a tag that is suggested."""
    given, at = body(), now()
    tag, by, suggested = read_tag(given.get("tag")), author(given), _suggesting(id_)

    def work(connection: Connection) -> list[str]:
        if tag not in {one.tag for one in suggested(connection)}:
            raise Fault(422, f"tag: {tag} is not suggested; POST it to .../tags as one that you give")
        interactions.set_tags(connection, id_, [tag], by, "suggestion", at)
        return tags_of(connection, ("interaction", id_))

    return jsonify(tags=parts().database.write(work)), 201


def _suggesting(id_: str) -> Callable[[Connection], list[Suggestion]]:
    """What finds suggestions, in a thread where the request is not known."""
    words, model = parts().need_rules().follow.tag_words, parts().tag_model()

    def suggested(connection: Connection) -> list[Suggestion]:
        one = written(connection, id_)
        if one is None:
            raise _nobody(id_)
        return suggestions(one.texts, one.disposition, one.tags | one.by_rule, words, model)

    return suggested


def _nobody(id_: str) -> Fault:
    return Fault(404, f"there is no interaction {clean_text(id_, 100)}", "no-interaction")
