"""How trunks may write a number, and numbers like it that are not it. Decides nothing."""

from __future__ import annotations

from functools import lru_cache

from fsapp.core.numbers import normalise

__all__ = ["neighbours", "spellings"]

_VARIED_DIGITS = 4


@lru_cache(maxsize=4096)
def spellings(number: str, region: str) -> tuple[str, ...]:
    """+CC..., CC..., 00CC... and the national form: those that mean `number` (E.164) to somebody in `region`."""
    digits = number.removeprefix("+")
    national = [prefix + digits[cut:] for prefix in ("0", "") for cut in (1, 2, 3)]
    meant = [spelling for spelling in national if normalise(spelling, region).e164 == number]
    # With a trunk prefix if the country has one: the bare form is then no number anybody would send.
    return (number, digits, "00" + digits, *meant[:1])


def neighbours(number: str, region: str) -> list[str]:
    """Numbers of other people that a careless pattern would take for `number`, in every spelling, and hostile tails."""
    found = []
    for spelling in spellings(number, region):
        for place in range(len(spelling) - _VARIED_DIGITS, len(spelling)):
            found += [spelling[:place] + digit + spelling[place + 1:] for digit in "0123456789"]
        found += [spelling[:-1], spelling + "0", spelling + "9", "9" + spelling, spelling[:-4]]
        found += [spelling + "${fsapp_queue}", spelling + "\nx", "x" + spelling, spelling + ";x=y"]
    return found
