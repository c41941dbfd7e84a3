"""What people said with tags, to learn from: notes, disposition and tags of interactions. Learns nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import Connection, select

from fsapp.records import schema

__all__ = ["Written", "tagged", "written"]

_AT_ONCE = 500
_BY_PEOPLE = ("hand", "suggestion")


class Written(NamedTuple):
    """An interaction with its notes, the tags that people gave or confirmed, and those that rules gave."""

    id: str
    texts: tuple[str, ...]
    disposition: str | None
    tags: frozenset[str]
    by_rule: frozenset[str]


def tagged(connection: Connection, limit: int) -> list[Written]:
    """The last `limit` interactions that have a note and a tag by a person, newest first."""
    calls, tags, notes = schema.interactions, schema.tags, schema.notes
    by_people = select(tags.c.subject_id).where(tags.c.kind == "interaction", tags.c.how.in_(_BY_PEOPLE))
    noted = select(notes.c.interaction_id).where(notes.c.interaction_id.is_not(None))
    ids = list(connection.execute(select(calls.c.id).where(
        calls.c.id.in_(by_people), calls.c.id.in_(noted)).order_by(calls.c.started_at.desc()).limit(limit)).scalars())
    return [one for some in _pages(ids) for one in _some(connection, some)]


def written(connection: Connection, id_: str) -> Written | None:
    """One interaction, with or without note and tags; None where there is none of that id."""
    table = schema.interactions
    found = connection.execute(select(table.c.id).where(table.c.id == id_)).scalar()
    return next(iter(_some(connection, [id_])), None) if found is not None else None


def _some(connection: Connection, ids: list[str]) -> list[Written]:
    calls, tags, notes = schema.interactions, schema.tags, schema.notes
    said: dict[str, list[str]] = {id_: [] for id_ in ids}
    for id_, text in connection.execute(select(notes.c.interaction_id, notes.c.text).where(
            notes.c.interaction_id.in_(ids)).order_by(notes.c.at, notes.c.id)):
        said[id_].append(text)
    had: dict[tuple[str, bool], set[str]] = {}
    for id_, tag, how in connection.execute(select(tags.c.subject_id, tags.c.tag, tags.c.how).where(
            tags.c.kind == "interaction", tags.c.subject_id.in_(ids))):
        had.setdefault((id_, how in _BY_PEOPLE), set()).add(tag)
    dispositions = dict(connection.execute(select(calls.c.id, calls.c.disposition).where(calls.c.id.in_(ids))).all())
    return [Written(id_, tuple(said[id_]), dispositions.get(id_), frozenset(had.get((id_, True), ())),
                    frozenset(had.get((id_, False), ()))) for id_ in ids]


def _pages(ids: list[str]) -> Iterator[list[str]]:
    for place in range(0, len(ids), _AT_ONCE):
        yield ids[place: place + _AT_ONCE]
