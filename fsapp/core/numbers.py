"""Numbers to E.164, whatever spelling they come in. Decides nothing about calls; expects text cleaned by `clean`."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from fsapp.core.model import NumberKind, PhoneNumber
from fsapp.core.plain import plain_e164

__all__ = ["normalise"]

_ANONYMOUS = frozenset({
    "", "anonymous", "private", "restricted", "unavailable", "unknown", "withheld", "blocked", "asserted",
    "no number", "no caller id", "none", "null", "nobody", "0",
})
_SHORT = re.compile(r"[0-9]{2,6}\Z", re.ASCII)
# What trunks send for a withheld number.
_ZEROS = re.compile(r"\+?0+\Z", re.ASCII)
# What people write around and between digits; anything else makes a number nonsense.
_SPELLING = re.compile(r"[0-9+()\-./ ]+\Z", re.ASCII)
_EXTENSION = re.compile(r"\s*(?:;?\s*ext\.?\s*=?|;extension=|[x#])\s*([0-9]{1,8})\Z", re.ASCII | re.IGNORECASE)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z", re.ASCII)
_PREMIUM = {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST}


@lru_cache(maxsize=65536)
def normalise(raw: str, region: str) -> PhoneNumber:
    """What `raw` means to somebody in `region` (ISO 3166 two letters).

    Understands `+`, `00`, national and international spellings without a plus, `tel:` and `sip:` addresses and
    extensions (`;ext=`, `x`, `#`). Never raises: nonsense comes back as INVALID, with what was written kept in `raw`.
    """
    plain = plain_e164(raw, region)
    if plain is not None:
        return PhoneNumber(raw, plain, NumberKind.ORDINARY)
    text = raw.strip()
    lowered = text.lower()
    for scheme in ("sips:", "sip:", "tel:"):
        if lowered.startswith(scheme):
            text = text[len(scheme):]
            break
    text, parameters = _user_part(text)
    if text.lower() in _ANONYMOUS or lowered.startswith("anonymous@"):
        return PhoneNumber(raw, None, NumberKind.ANONYMOUS)
    extension = parameters
    found = _EXTENSION.search(text)
    if found:
        extension = found.group(1)
        text = text[: found.start()]
    if not _SPELLING.match(text):
        return PhoneNumber(raw, None, NumberKind.INVALID, extension)
    digits = re.sub(r"[^0-9+]", "", text)
    if _ZEROS.match(digits):
        return PhoneNumber(raw, None, NumberKind.ANONYMOUS, extension)
    if _SHORT.match(digits):
        return PhoneNumber(raw, None, NumberKind.SHORT, extension)
    return _parse(raw, digits, region, extension)


def _user_part(text: str) -> tuple[str, str | None]:
    """`user@host;parameters` without host and parameters, and the `ext` parameter."""
    extension = None
    head, _, parameters = text.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() in ("ext", "extension") and value.strip().isascii() and value.strip().isdigit():
            extension = value.strip()[:8]
    return head.partition("@")[0].strip(), extension


def _parse(raw: str, digits: str, region: str, extension: str | None) -> PhoneNumber:
    nonsense = PhoneNumber(raw, None, NumberKind.INVALID, extension)
    if "+" in digits[1:] or digits.startswith("000"):
        return nonsense
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    try:
        number = phonenumbers.parse(digits, region)
    except NumberParseException:
        return nonsense
    kind = phonenumbers.number_type(number)
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if not _E164.match(e164):
        return nonsense
    if kind == PhoneNumberType.UNKNOWN and not (phonenumbers.is_possible_number(number) and _stable(e164)):
        return nonsense
    return PhoneNumber(raw, e164, NumberKind.PREMIUM if kind in _PREMIUM else NumberKind.ORDINARY, extension)


def _stable(e164: str) -> bool:
    """Whether the E.164 form of a number of no known kind means the same when read again."""
    try:
        again = phonenumbers.parse(e164, None)
    except NumberParseException:
        return False
    return phonenumbers.format_number(again, PhoneNumberFormat.E164) == e164
