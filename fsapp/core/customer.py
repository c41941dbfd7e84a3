"""What may be said of a customer: the one door for names, numbers, notes and tags, from wherever they come. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from fsapp.core.clean import clean_lines, clean_number, clean_text
from fsapp.core.numbers import normalise
from fsapp.core.tagging import MAX_TAG, clean_tag
from fsapp.errors import CustomersError

__all__ = ["KNOWN", "Draft", "GivenNumber", "read_draft", "read_note", "read_number", "read_tag"]

MAX_TEXT = 200
MAX_NOTE = 4000
_MAX_NUMBERS = 20
_MAX_FIELDS = 100
_MAX_VALUE = 2000
_VIP = range(10)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*\Z", re.ASCII)
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,189}\Z")
_KIND = re.compile(r"[a-z][a-z-]{0,19}\Z", re.ASCII)

KNOWN = ("name", "vip", "language", "timezone", "email", "company", "fields", "numbers")


class GivenNumber(NamedTuple):
    """A number in E.164, and what it is (mobile, home, office, ...) where that was said."""

    number: str
    kind: str | None = None


class Draft(NamedTuple):
    """What was given of a customer, cleaned: values by column, and the numbers where they were given."""

    values: Mapping[str, Any]
    numbers: tuple[GivenNumber, ...] | None = None


def read_draft(given: Mapping[str, Any], region: str) -> Draft:
    """What `given` says of a customer, any of KNOWN. None or "" takes a value away. CustomersError: every fault."""
    faults = [f"{clean_text(str(key), 40)}: is not known; there are {', '.join(KNOWN)}"
              for key in given if key not in KNOWN]
    values: dict[str, Any] = {}
    numbers = None
    for key, read in _READERS.items():
        if key in given:
            try:
                values[key] = None if given[key] in (None, "") and key != "vip" else read(given[key])
            except ValueError as error:
                faults.append(f"{key}: {error}")
    if "numbers" in given:
        numbers = _numbers(given["numbers"], region, faults)
    if faults:
        raise CustomersError("what is said of the customer is wrong", faults)
    return Draft(values, numbers)


def read_number(given: Any, region: str) -> GivenNumber:
    """A number in any spelling, as text or as an object of `number` and `kind`. CustomersError."""
    faults: list[str] = []
    found = _numbers([given], region, faults)
    if faults:
        raise CustomersError(faults[0].partition(": ")[2])
    return found[0]


def read_note(given: Any) -> str:
    """A note's text, its lines kept. CustomersError."""
    text = clean_lines(given, MAX_NOTE + 1) if isinstance(given, str) else ""
    if not text:
        raise CustomersError("a note is a text, and not an empty one")
    if len(text) > MAX_NOTE:
        raise CustomersError(f"a note has at most {MAX_NOTE} characters: write it in two")
    return text


def read_tag(given: Any) -> str:
    """A tag as it is kept, see `core.tagging`. CustomersError."""
    tag = clean_tag(given) if isinstance(given, str) else None
    if tag is None:
        raise CustomersError(f"a tag is words of letters and digits with hyphens between, at most {MAX_TAG} characters")
    return tag


def _numbers(given: Any, region: str, faults: list[str]) -> tuple[GivenNumber, ...]:
    if not isinstance(given, (list, tuple)) or len(given) > _MAX_NUMBERS:
        faults.append(f"numbers: is a list of at most {_MAX_NUMBERS}")
        return ()
    found: dict[str, GivenNumber] = {}
    for item in given:
        spelling, kind = (item.get("number"), item.get("kind")) if isinstance(item, Mapping) else (item, None)
        key = normalise(clean_number(spelling), region).key if isinstance(spelling, str) else None
        if key is None:
            faults.append(f"numbers: {clean_text(str(spelling), 40)!r} is no telephone number that can be called: "
                          "write it with + and country")
        elif kind is not None and not (isinstance(kind, str) and _KIND.match(kind)):
            faults.append(f"numbers: kind of {key}: is a word of small letters, as mobile, home or office")
        else:
            found.setdefault(key, GivenNumber(key, kind))
    return tuple(found.values())


def _text(value: Any) -> str | None:
    if not isinstance(value, str):
        raise ValueError("is a text")
    text = clean_text(value, MAX_TEXT + 1)
    if len(text) > MAX_TEXT:
        raise ValueError(f"has at most {MAX_TEXT} characters")
    return text or None


def _vip(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in _VIP:
        raise ValueError("is a whole number from 0 to 9")
    return value


def _language(value: Any) -> str:
    if not isinstance(value, str) or not _LANGUAGE.match(value.lower()):
        raise ValueError("is a language's code, as sr, sl, hu, pl or en")
    return value.lower()


def _timezone(value: Any) -> str:
    try:
        return ZoneInfo(value).key
    except (ValueError, TypeError, LookupError, OSError):
        raise ValueError("is the name of a time zone, as Europe/Belgrade") from None


def _email(value: Any) -> str:
    text = _text(value) or ""
    if not _EMAIL.match(text):
        raise ValueError("is an e-mail address, as NAME@example.com")
    return text


def _fields(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping) or len(value) > _MAX_FIELDS:
        raise ValueError(f"is an object of at most {_MAX_FIELDS} fields")
    found: dict[str, Any] = {}
    for key, content in value.items():
        name = clean_text(str(key), MAX_TEXT)
        if not name:
            raise ValueError("has a field without a name")
        if isinstance(content, str):
            content = clean_lines(content, _MAX_VALUE)
        elif not (content is None or isinstance(content, bool) or (isinstance(content, (int, float))
                                                                   and abs(content) < 1e15)):
            raise ValueError(f"{name}: is a text, a number, true, false or null")
        found[name] = content
    return found or None


_READERS = {"name": _text, "vip": _vip, "language": _language, "timezone": _timezone, "email": _email,
            "company": _text, "fields": _fields}
