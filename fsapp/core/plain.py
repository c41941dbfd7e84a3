"""The short cut for numbers written plainly, `+381601234567` or `0601234567`. Says nothing that `numbers` would not.

phonenumbers takes some 50 microseconds a number, which is most of a visit and most of an import. For the region's own
fixed and mobile numbers its answer follows from a few patterns of its metadata; whatever is not so simple (shared
country codes, rewriting rules, odd prefixes) is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import phonenumbers

__all__ = ["plain_e164"]

_E164_DIGITS = 15
_DIGITS = re.compile(r"(?:\+|00)?[0-9]{7,15}\Z", re.ASCII)


def plain_e164(text: str, region: str) -> str | None:
    """The E.164 form of an ordinary number of `region` that is written plainly; None: ask phonenumbers."""
    if not _DIGITS.match(text):
        return None
    own = _region(region)
    return own(text) if own is not None else None


@lru_cache(maxsize=64)
def _region(region: str) -> Callable[[str], str | None] | None:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]) > 1:
        return None
    if metadata.national_prefix_transform_rule is not None:
        return None
    country = str(metadata.country_code)
    trunk = metadata.national_prefix or ""
    if (metadata.national_prefix_for_parsing or "") != trunk or not (trunk or "0").isdecimal():
        return None
    if trunk and country.startswith(trunk):
        return None
    international = re.compile(metadata.international_prefix or "(?!)")
    general = _matcher(metadata.general_desc)
    fixed, mobile = _matcher(metadata.fixed_line), _matcher(metadata.mobile)
    premium, shared = _matcher(metadata.premium_rate), _matcher(metadata.shared_cost)
    inner = ("0", trunk) if trunk else ("0",)
    starts = ("+" + country, "00" + country)

    def e164(text: str) -> str | None:
        if text.startswith(starts):
            national = text[len(country) + (1 if text[0] == "+" else 2):]
        elif trunk and text.startswith(trunk) and not international.match(text):
            national = text[len(trunk):]
        else:
            return None
        if national.startswith(inner) or len(country) + len(national) > _E164_DIGITS or not general(national):
            return None
        if premium(national) or shared(national) or not (mobile(national) or fixed(national)):
            return None
        return f"+{country}{national}"

    return e164


def _matcher(description: phonenumbers.PhoneNumberDesc | None) -> Callable[[str], bool]:
    """Whether a national number is of a kind, as phonenumbers decides it."""
    if description is None or description.national_number_pattern is None:
        return lambda _national: False
    lengths = frozenset(description.possible_length or range(1, 18))
    matches = re.compile(description.national_number_pattern).fullmatch
    return lambda national: len(national) in lengths and matches(national) is not None
