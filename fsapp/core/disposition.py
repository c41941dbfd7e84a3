"""How people say that a call or contact ended: by one of the words of its place. Pure; writes nothing down."""

from __future__ import annotations

from collections.abc import Sequence

from fsapp.core.clean import clean_name

__all__ = ["chosen"]


def chosen(written: str, named: Sequence[str]) -> str | None:
    """A disposition as it is kept; None for one that is not among `named`. Where none are named, any words will do.

    An empty text for what has no words. Capitals make no difference.
    """
    words = " ".join(clean_name(written).split())
    if not words or not named:
        return words
    return next((known for known in named if known.casefold() == words.casefold()), None)
