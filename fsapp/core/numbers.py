"""Numbers to E.164, whatever spelling they come in. Decides nothing about calls; expects text cleaned by `clean`."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

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
_EXTENSION = re.compile(r"\s*(?:;?\s*ext(?:ension)?\.?\s*=?|[x#])\s*([0-9]{1,8})\Z", re.ASCII | re.IGNORECASE)
# A name may stand before it.
_SCHEME = re.compile(r"(?:.*[ <])?(?:sips?|tel|callto):(?://)?", re.ASCII | re.IGNORECASE)
_CONTEXT = re.compile(r"\+[0-9\-.()]+\Z", re.ASCII)
# What is written as digits and signs of ASCII are elsewhere, besides digits and dashes of all scripts.
_SIGNS = str.maketrans({
    "＋": "+", "（": "(", "）": ")", "．": ".", "／": "/", "\N{MINUS SIGN}": "-", "\N{HYPHEN BULLET}": "-", "·": "."})
_E164 = re.compile(r"\+[1-9][0-9]{6,14}\Z", re.ASCII)
_PREMIUM = {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST}


@lru_cache(maxsize=65536)
def normalise(raw: str, region: str) -> PhoneNumber:
    """What `raw` means to somebody in `region` (ISO 3166 two letters).

    Understands `+`, `00`, national and international spellings without a plus, `tel:` and `sip:` addresses with or
    without a name before them, extensions (`;ext=`, `x`, `#`), digits of all scripts and any dash. Never raises:
    nonsense comes back as INVALID, with what was written kept in `raw`.
    """
    plain = plain_e164(raw, region)
    if plain is not None:
        return PhoneNumber(raw, plain, NumberKind.ORDINARY)
    text = raw.strip()
    if not text.isascii():
        text = "".join(map(_as_ascii, text)).translate(_SIGNS)
    scheme = _SCHEME.match(text)
    if scheme:
        text = unquote(text[scheme.end():])
    text, extension, context = _user_part(text)
    if text.lower() in _ANONYMOUS:
        return PhoneNumber(raw, None, NumberKind.ANONYMOUS)
    if context and not text.startswith("+"):
        text = context + text
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


def _as_ascii(char: str) -> str:
    category = unicodedata.category(char)
    return str(unicodedata.digit(char)) if category == "Nd" else "-" if category == "Pd" else char


def _user_part(text: str) -> tuple[str, str | None, str]:
    """`user@host;parameters` without host and parameters; the `ext` parameter, and the country of `phone-context`."""
    extension, context = None, ""
    head, _, parameters = text.partition(";")
    for parameter in parameters.split(";"):
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name.lower() in ("ext", "extension") and value.isascii() and value.isdigit():
            extension = value[:8]
        elif name.lower() == "phone-context" and _CONTEXT.match(value):
            context = value
    return head.partition("@")[0].strip(), extension, context


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
