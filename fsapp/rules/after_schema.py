"""The shape of what the rules say of the time after an interaction: [[after]], [webhook], [email], [tags]."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from fsapp.core.after_rules import OUTCOMES
from fsapp.core.clean import clean_text
from fsapp.core.model import CallClass
from fsapp.core.placeholders import template_faults
from fsapp.core.tagging import clean_tag, clean_word
from fsapp.rules.values import Days, Email, Name, Table, Text

__all__ = ["After", "AfterTask", "Disposition", "EmailForm", "Tag", "Webhook", "Words"]

MAX_SUBJECT = 200
MAX_TEXT = 10_000
MAX_URL = 2000
_LATEST_S = 90 * 24 * 3600
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}\Z", re.ASCII)
_URL = re.compile(r"[!-~]+\Z")
_ADDRESSES = ("{agent_email}", "{customer_email}")


def _line(value: str) -> str:
    if not value or clean_text(value, MAX_SUBJECT) != value:
        raise ValueError(f"is no plain line; write 1 to {MAX_SUBJECT} characters without control characters, without "
                         "spaces at the ends or two in a row")
    return _template(value)


def _letter(value: str) -> str:
    if not value.strip() or len(value) > MAX_TEXT:
        raise ValueError(f"is no text; write 1 to {MAX_TEXT} characters")
    if any(clean_text(char, 1) != char and char not in " \n\t" for char in value):
        raise ValueError("holds control characters or the like; remove them")
    return _template(value)


def _template(value: str) -> str:
    faults = template_faults(value)
    if faults:
        raise ValueError(faults[0])
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and bool(_URL.match(value))
        good = good and len(value) <= MAX_URL and parts.port != 0 and not parts.fragment
        (parts.hostname or "").encode("idna")
    except (ValueError, UnicodeError):
        good = False
    if not good:
        raise ValueError("is no address; write for example https://crm.example.com/fsapp")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password, which do not belong into rules; sign with secret_env instead")
    return value


def _variable(value: str) -> str:
    if not _VARIABLE.match(value):
        raise ValueError("is no variable of the environment; write the name of the one that holds the secret, "
                         "for example FSAPP_CRM_SECRET")
    return value


def _tag(value: str) -> str:
    cleaned = clean_tag(value)
    if cleaned != value:
        raise ValueError("is no tag; write small letters, digits and single hyphens"
                         + (f", for example {cleaned!r}" if cleaned else ""))
    return value


def _word(value: str) -> str:
    if clean_word(value) is None:
        raise ValueError('is no word; write one word, with a star at the end for any ending: "invoice*"')
    return value


def _recipient(value: str) -> str:
    return value if value in _ADDRESSES else Email.__metadata__[0].func(value)


Tag = Annotated[str, AfterValidator(_tag)]
Words = Annotated[list[Annotated[str, AfterValidator(_word)]], Field(min_length=1)]
Line = Annotated[str, AfterValidator(_line)]
Letter = Annotated[str, AfterValidator(_letter)]
Url = Annotated[str, AfterValidator(_url)]
Variable = Annotated[str, AfterValidator(_variable)]
Recipient = Annotated[str, AfterValidator(_recipient)]
Disposition = Text
Bound = Annotated[int, Field(ge=0, le=24 * 3600)]
Outcome = Literal[OUTCOMES]  # type: ignore[valid-type]
Class = Literal[tuple(call_class.value for call_class in CallClass)]  # type: ignore[valid-type]


class AfterTask(Table):
    """A call that is to be made."""

    due_s: Annotated[int, Field(ge=0, le=_LATEST_S)] = 0
    who: Literal["agent", "group", "anyone"] | None = None
    group: Name | None = None
    note: Line | None = None


class After(Table):
    """One rule: which interactions, and what follows."""

    name: Name
    channel: list[Name] | None = None
    direction: list[Literal["inbound", "outbound"]] | None = None
    call_class: list[Class] | None = Field(None, alias="class")
    outcome: list[Outcome] | None = None
    campaign: list[str] | None = None
    stage: list[str] | None = None
    line: list[str] | None = None
    queue: list[str] | None = None
    disposition: list[Disposition] | None = None
    tag: list[Tag] | None = None
    lists: list[str] | None = Field(None, alias="list")
    talked_min_s: Bound | None = None
    talked_max_s: Bound | None = None
    waited_min_s: Bound | None = None
    waited_max_s: Bound | None = None
    sticky_kept: bool | None = None
    ticket: Literal["open-or-new", "new", "none"] | None = None
    ticket_days: Days | None = None
    subject: Line | None = None
    tags: Annotated[list[Tag], Field(min_length=1, max_length=20)] | None = None
    task: AfterTask | None = None
    webhook: Name | None = None
    email: Name | None = None
    survey: Name | None = None
    survey_due_s: Annotated[int, Field(ge=0, le=_LATEST_S)] | None = None
    survey_rest_days: Annotated[int, Field(ge=0, le=3650)] | None = None


class Webhook(Table):
    url: Url
    secret_env: Variable | None = None
    timeout_s: Annotated[int, Field(ge=1, le=60)] | None = None


class EmailForm(Table):
    to: Annotated[list[Recipient], Field(min_length=1, max_length=20)]
    subject: Line
    text: Letter
