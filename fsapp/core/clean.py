"""The one door for text that a caller controls: numbers, names, digits, cells. Nothing else sees it uncleaned.

This file does not decide what a number means; `numbers` does.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_NAME", "MAX_NUMBER", "clean_lines", "clean_name", "clean_number", "clean_text"]

MAX_NUMBER = 64
MAX_NAME = 80
_SAFE_NUMBER = re.compile(r"\+?[0-9]{1,32}\Z", re.ASCII)
_SAFE_NAME = re.compile(r"[A-Za-z0-9 .,'-]{0,80}\Z", re.ASCII)
# The switch expands ${...} and $${...}, splits its tables at | and its arguments at quotes and backslashes.
_SWITCH_SYNTAX = str.maketrans(dict.fromkeys('|$^{}\\`"<>', " "))


def clean_text(value: str, limit: int) -> str:
    """`value` on one line: no control, format, surrogate or private characters, no separators but a space.

    At most `limit` characters; Unicode in its composed form. Right-to-left overrides and zero-width characters are
    format characters and go, the letters of right-to-left scripts stay.
    """
    kept = []
    for char in value[: limit * 4]:
        category = unicodedata.category(char)
        if category[0] == "Z" or char in "\t\n\r\x0b\x0c\x85":
            kept.append(" ")
        elif category[0] != "C":
            kept.append(char)
    # Composed last: what stood apart by an invisible character may compose now.
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())[:limit].rstrip()


def clean_number(value: str) -> str:
    """A caller's or called number as one harmless line of at most 64 characters; digits stay as they came."""
    if _SAFE_NUMBER.match(value):
        return value
    return " ".join(clean_text(value, MAX_NUMBER).translate(_SWITCH_SYNTAX).split())


def clean_name(value: str) -> str:
    """A display name as one line of at most 80 characters without anything the switch would expand or split at."""
    if _SAFE_NAME.match(value):
        return value.strip()
    return " ".join(clean_text(value, MAX_NAME).translate(_SWITCH_SYNTAX).split())


def clean_lines(value: str, limit: int) -> str:
    """`value` as lines, each cleaned as `clean_text` does; at most `limit` characters, no more than one empty line."""
    lines = [clean_text(line, limit) for line in re.split(r"\r\n|\r|\n", value[: limit * 4])]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")[:limit].rstrip()
