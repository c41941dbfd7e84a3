"""Numbers, minutes and places as prompts to be played one after the other. Knows ids, not files, and plays nothing.

The ids are those of sounds/catalogue.toml. A language it does not know is taken to count as English does.
"""

from __future__ import annotations

__all__ = [
    "LANGUAGES", "plural", "say_digits", "say_minutes", "say_number", "say_position", "say_press", "say_wait",
    "spoken",
]

LANGUAGES = ("sr", "sl", "hu", "pl", "en")
_MARKS = {"+": "plus", "*": "star", "#": "hash"}
_DIGITS = "0123456789"
_NO_AND = ("sr", "sl", "hu", "pl")
# Below this, numbers are one prompt: among them are those that are no words put together (huszonegy, dvanaest).
_WHOLE = 31
# Numbers that sound otherwise before what is counted, in one language at least.
_COUNTED = (1, 2, 12, 22)


def plural(n: int, lang: str) -> str:
    """The CLDR plural category of `n` (0 or more) in `lang`: one, two, few, many, other.

    Source: Unicode CLDR, plural rules for cardinal numbers, for whole numbers only.
    """
    ten, hundred = n % 10, n % 100
    if lang == "sr":
        if ten == 1 and hundred != 11:
            return "one"
        return "few" if ten in (2, 3, 4) and hundred not in (12, 13, 14) else "other"
    if lang == "sl":
        return {1: "one", 2: "two", 3: "few", 4: "few"}.get(hundred, "other")
    if lang == "pl":
        if n == 1:
            return "one"
        return "few" if ten in (2, 3, 4) and hundred not in (12, 13, 14) else "many"
    return "one" if n == 1 else "other"


def say_number(n: int, lang: str) -> list[str]:
    """`n` as in counting. What is beyond 999 is said digit by digit. ValueError below 0."""
    return _number(n, lang)


def say_minutes(n: int, lang: str) -> list[str]:
    """`n` minutes, from 60 on as hours and minutes, each with its word in the right form. ValueError below 0.

    Numbers stand in the form that goes with that word: pl dwie minuty, sl dve minuti, hu két perc.
    """
    hours, minutes = divmod(n, 60)
    said = _counted(hours, "hours", lang) if hours else []
    return said + _counted(minutes, "minutes", lang) if minutes or not hours else said


def say_position(n: int, lang: str) -> list[str]:
    """The caller's place in the queue as a whole sentence; 1 is the next to be served. ValueError below 1."""
    if n < 1:
        raise ValueError(f"{n} is no place in a queue: the first is 1")
    return ["position-next"] if n == 1 else ["position", *say_number(n, lang)]


def say_wait(least: int, most: int, lang: str) -> list[str]:
    """The estimated wait in minutes as a whole sentence: one number where both are the same, else both.

    Where both are 0: less than a minute. ValueError when `most` is less than `least`, or `least` is below 0.
    """
    if not 0 <= least <= most:
        raise ValueError(f"from {least} to {most} minutes is no wait")
    if most == 0:
        return ["wait-under-minute"]
    if least == most:
        return ["wait", *say_minutes(least, lang)]
    if least == 0:
        return ["wait", "wait-at-most-only", *say_minutes(most, lang)]
    return ["wait", "wait-at-least", *say_minutes(least, lang), "wait-at-most", *say_minutes(most, lang)]


def say_digits(text: str, lang: str) -> list[str]:
    """A telephone, order or customer number digit by digit, + * # too; whatever else is in it is not said."""
    return [_MARKS.get(char) or f"number-{char}" for char in text if char in _MARKS or char in _DIGITS]


def say_press(key: str, lang: str) -> list[str]:
    """"Press 4", to follow what the choice is for. `key` is a digit, * or #. ValueError otherwise."""
    if len(key) != 1 or (key not in _DIGITS and key not in "*#"):
        raise ValueError(f"{key!r} is no key of a telephone")
    return [f"press-{_MARKS.get(key, key)}"]


def spoken() -> frozenset[str]:
    """Every id that a function of this file may name: what a language must have."""
    counts = {f"count-{n}" for n in _COUNTED}
    numbers = {f"number-{n}" for n in (*range(_WHOLE), *range(40, 100, 10), *range(100, 1000, 100))}
    units = {f"{unit}-{form}" for unit in ("minutes", "hours") for form in ("one", "two", "few", "many")}
    keys = {f"press-{key}" for key in (*_DIGITS, "star", "hash")}
    sentences = {
        "position", "position-next", "wait", "wait-at-least", "wait-at-most", "wait-at-most-only", "wait-under-minute"}
    return frozenset(counts | numbers | units | keys | sentences | {"and", *_MARKS.values()})


def _counted(n: int, unit: str, lang: str) -> list[str]:
    form = plural(n, lang)
    return [*_number(n, lang, counts=True), f"{unit}-{'many' if form == 'other' else form}"]


def _number(n: int, lang: str, *, counts: bool = False) -> list[str]:
    """`counts`: a word that is counted follows."""
    if n < 0:
        raise ValueError(f"{n} cannot be said: it is below 0")
    if n > 999:
        return say_digits(str(n), lang)
    hundreds, rest = divmod(n, 100)
    if not hundreds:
        return _below_hundred(rest, lang, counts)
    said = [f"number-{hundreds * 100}"]
    if rest and lang not in _NO_AND:
        said.append("and")  # one hundred and one
    # pl has jedna minuta, but sto jeden minut.
    return said + _below_hundred(rest, lang, counts and rest != 1) if rest else said


def _below_hundred(n: int, lang: str, counts: bool) -> list[str]:
    if counts and n in _COUNTED:
        return [f"count-{n}"]
    tens, ones = divmod(n, 10)
    if n < _WHOLE or not ones:
        return [f"number-{n}"]
    if lang == "sl":
        return [f"number-{ones}", "and", f"number-{tens * 10}"]  # dva in trideset, whatever is counted
    return [f"number-{tens * 10}", f"count-{ones}" if counts and ones == 2 else f"number-{ones}"]
