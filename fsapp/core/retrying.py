"""When something that could not be delivered is tried again. Pure: `random` is an argument.

Doubling pauses from ten seconds to an hour, each half to one and a half times as long by chance, so that what failed
together is not tried again together; given up after MAX_TRIES, which is about a day.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FURTHEST_S", "MAX_TRIES", "Delivered", "Later", "Needless", "Never", "Outcome", "pause_s"]

FIRST_S = 10.0
LONGEST_S = 3600.0
MAX_TRIES = 30
FURTHEST_S = 1.5 * LONGEST_S  # no pause is longer


class Delivered(NamedTuple):
    """It is done; `what`, in a word, for the log (a status, a task's id)."""

    what: str = ""


class Later(NamedTuple):
    """It could not be done now. `after_s`: when whoever refused it asks to be asked again."""

    why: str
    after_s: float | None = None


class Never(NamedTuple):
    """It was refused for good."""

    why: str


class Needless(NamedTuple):
    """It is not done, as it need not be: nobody has to look after it."""

    why: str


Outcome = Delivered | Later | Never | Needless


def pause_s(tries: int, random: float, after_s: float | None = None) -> float | None:
    """How long to wait after so many tries (1 after the first); None: it is given up. `random`: from 0 to 1."""
    if tries >= MAX_TRIES:
        return None
    usual = min(FIRST_S * 2.0 ** min(max(tries, 1) - 1, 20), LONGEST_S) * (0.5 + random)
    return max(usual, min(after_s or 0.0, LONGEST_S))
