"""What checks of a rules document find. Checks nothing itself."""

from __future__ import annotations

from typing import NamedTuple

from fsapp.rules.folder import Path

__all__ = ["Finding"]


class Finding(NamedTuple):
    """Something wrong with the value at `path`, and what to do about it."""

    path: Path
    message: str
