"""Who runs the command: for what is written down with a name. Asks nobody but the system."""

from __future__ import annotations

import getpass

from fsapp.core.clean import clean_text

__all__ = ["author"]


def author() -> str:
    """The name of the user, `unknown` for one without."""
    try:
        return clean_text(getpass.getuser(), 64)
    except (KeyError, OSError, ImportError):  # a user id without a name
        return "unknown"
