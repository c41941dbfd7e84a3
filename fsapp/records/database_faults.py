"""What a database says is wrong, as one line that says what to do about it. Asks no database."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

__all__ = ["busy", "said", "words_of"]

# The first that fits.
_SAID: tuple[tuple[tuple[str, ...], str], ...] = (
    (("disk is full", "no space left"), "is full ({said}): make room on its disk"),
    # SQLite's word where a file beside the database cannot be made, too
    (("disk i/o error",), "cannot be read or written ({said}): make room on its disk, if it is not broken"),
    (("unable to open",), "cannot be opened ({said}): see whether it is a file, and whose it is"),
    (("readonly", "read-only"), "cannot be written to ({said}): see whose it is and how it is mounted"),
    (("not a database", "malformed"),
     "is no database, or a broken one ({said}): put a saved one in its place, or set FSAPP_DATABASE_URL"),
    (("locked",), "is held by somebody else ({said}): wait until that has ended, as an import does, or end it"),
    (("no such table", "no such column"), "is not what this fsapp expects ({said}): run `fsapp records migrate`"),
    (("starting up", "shutting down", "recovery mode"), "does not answer yet ({said}): wait, or see its log"),
    (("too many clients", "too many connections", "connection slots"),
     "has no connection left ({said}): raise its max_connections, or end what holds them"),
    (("fe_sendauth", "authentication failed", "fatal: role"),
     "does not let fsapp in ({said}): put user and password right in FSAPP_DATABASE_URL, or have the user made"),
    (("fatal: database",), "is not there ({said}): have it made (createdb), or set FSAPP_DATABASE_URL"),
    (("permission denied", "must be owner"),
     "does not allow it ({said}): let the user of FSAPP_DATABASE_URL own it and its tables"),
    (("fatal:",), "does not let fsapp in ({said}): see FSAPP_DATABASE_URL and the settings of the database"),
    (("",), "does not answer ({said}): start it, or set FSAPP_DATABASE_URL"),
)


def busy(error: DBAPIError) -> bool:
    """Whether somebody else writes to it, for longer than was waited; all of it is well."""
    return "is locked" in str(error.orig).lower()


def said(error: DBAPIError, where: str) -> str:
    """One line: what is wrong, and what to do."""
    told = " ".join(words_of(error).split())[:200]
    lowered = told.lower()
    if "relation" in lowered and "does not exist" in lowered:
        lowered = "no such table"
    advice = next(advice for words, advice in _SAID if any(word in lowered for word in words))
    return f"the database {where} {advice.format(said=told)}"


def words_of(error: DBAPIError) -> str:
    """What the database itself says, without the row: PostgreSQL quotes that in a DETAIL."""
    return str(error.orig).partition("\nDETAIL:")[0]
