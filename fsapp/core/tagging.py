"""Tags: how one is spelled, and which ones words in a note suggest. Pure; gives nobody a tag."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from fsapp.core.clean import clean_text

__all__ = ["MAX_TAG", "clean_tag", "clean_word", "suggested_by_words", "words_of"]

MAX_TAG = 64
ANY_END = "*"  # at the end of a word: whatever begins so
_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"[^\W_]+(?:-[^\W_]+)*\Z")


def clean_tag(value: str) -> str | None:
    """A tag as it is kept: small letters of any script, digits, single hyphens; None for what cannot be one."""
    tag = re.sub(r"[\s_-]+", "-", clean_text(value, MAX_TAG).casefold()).strip("-")
    return tag if _TAG.match(tag) else None


def clean_word(value: str) -> str | None:
    """A word of the rules as it is compared, its star kept; None where it is not one word."""
    star = value.endswith(ANY_END)
    found = words_of(value.removesuffix(ANY_END))
    return found[0] + ANY_END * star if len(found) == 1 and len(value) <= MAX_TAG else None


def words_of(text: str) -> list[str]:
    """The words of a text in their order, as they are compared: small, and without accents.

    So a note written in a hurry is found: racun is račun.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().replace("đ", "dj").replace("ł", "l"))
    return _WORD.findall("".join(char for char in plain if not unicodedata.combining(char)))


def suggested_by_words(texts: Sequence[str], words: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Tag -> the word that suggests it. `words`: tag -> words that do, with a star at the end for any ending."""
    found: dict[str, str] = {}
    said = list(dict.fromkeys(word for text in texts for word in words_of(text)))
    for tag, wanted in words.items():
        for one in wanted:
            known = clean_word(one) or ""
            begins = known.removesuffix(ANY_END)
            hit = next((word for word in said if word == known or (known != begins and word.startswith(begins))), None)
            if hit is not None and begins:
                found[tag] = hit
                break
    return found
