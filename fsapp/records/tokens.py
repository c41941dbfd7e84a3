"""Tokens of those who may ask over HTTP: made, listed, removed, recognised. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from fsapp.errors import RecordsError
from fsapp.records.schema import web_tokens

__all__ = ["May", "Token", "add", "hashed", "listed", "remove"]

_BYTES = 32
_PREFIX = "fsapp_"


class May(StrEnum):
    """What a token may: each also what those before it may. `ADMIN`: what cannot be undone."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, wanted: May) -> bool:
        order = list(May)
        return order.index(self) >= order.index(wanted)


class Token(NamedTuple):
    """A token by its name; its text is known only to its owner."""

    name: str
    may: May
    made_at: float
    hash: str


def hashed(text: str) -> str:
    """What is kept of a token's text. It is random enough that a plain hash cannot be turned back."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def add(connection: Connection, name: str, may: May, *, at: float) -> str:
    """Make a token; its text, which nobody can say again. RecordsError where there is one of that name."""
    text = _PREFIX + secrets.token_urlsafe(_BYTES)
    try:
        with connection.begin_nested():
            connection.execute(web_tokens.insert().values(name=name, hash=hashed(text), may=may.value, made_at=at))
    except IntegrityError:
        raise RecordsError(f"there is a token {name} already: remove it first, or choose another name") from None
    return text


def listed(connection: Connection) -> list[Token]:
    """All tokens, by name."""
    rows = connection.execute(select(web_tokens).order_by(web_tokens.c.name))
    return [Token(row.name, May(row.may), row.made_at, row.hash) for row in rows]


def remove(connection: Connection, name: str) -> bool:
    """False where there is none of that name."""
    return bool(connection.execute(web_tokens.delete().where(web_tokens.c.name == name)).rowcount)
