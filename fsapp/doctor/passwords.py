"""How good a password is, without ever repeating it."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["DEFAULT_SWITCH_PASSWORD", "Strength", "strength"]

DEFAULT_SWITCH_PASSWORD = "ClueCon"  # FreeSWITCH's own, of the event socket
_SHORTEST = 8
_KNOWN = frozenset({
    "cluecon", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "0000", "1111",
    "password", "passw0rd", "secret", "changeme", "change-me", "choose-one", "choose-another", "default", "admin",
    "freeswitch", "fsapp", "qwerty", "letmein", "test", "phone", "agent", "demo",
})


class Strength(StrEnum):
    """`MISSING`: empty; `KNOWN`: everybody's first guess; `SHORT`: soon found by trying."""

    MISSING = "missing"
    KNOWN = "well-known"
    SHORT = "short"
    FINE = "fine"


def strength(password: str, user: str = "") -> Strength:
    """What a password is worth; one that is the user's own name or number is as good as known."""
    if not password:
        return Strength.MISSING
    if password.lower() in _KNOWN or password == user:
        return Strength.KNOWN
    return Strength.SHORT if len(password) < _SHORTEST else Strength.FINE
