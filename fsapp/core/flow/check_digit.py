"""Check digits of what callers type: whether a number can be one at all. Knows nothing of what it is the number of."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["CHECKS", "passes"]


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812: payment cards, and most customer numbers with a check digit; the last digit is the check."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        doubled = int(char) * (2 if place % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def _mod97(digits: str) -> bool:
    """ISO/IEC 7064 MOD 97-10, digits alone: bank accounts and payment references; the last two are the check."""
    return len(digits) > 2 and int(digits) % 97 == 1


def _mod11(digits: str) -> bool:
    """Weights 2 to 7 from the right, modulo 11: company and personal numbers; the last digit is the check."""
    body, check = digits[:-1], int(digits[-1])
    total = sum(int(char) * (2 + place % 6) for place, char in enumerate(reversed(body)))
    return bool(body) and (11 - total % 11) % 11 == check


CHECKS: Mapping[str, Callable[[str], bool]] = {"luhn": _luhn, "mod97": _mod97, "mod11": _mod11}


def passes(check: str, digits: str) -> bool:
    """Whether ASCII `digits` pass the check of this name; "none" passes whatever is there."""
    return bool(digits) and (check == "none" or CHECKS[check](digits))
