"""What stands in one cell of a file that a spreadsheet may have had: numbers as it shows them, and texts it guards.

A cell that a spreadsheet would reckon with begins with an apostrophe in the CSV of fsapp, and is read without.
"""

from __future__ import annotations

import re

from fsapp.core.clean import clean_number
from fsapp.core.model import NumberKind
from fsapp.core.numbers import normalise

__all__ = ["FORMULAS", "BadCell", "apart", "guarded", "number_cell", "unguarded"]

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_TEXT_FORMULA = re.compile(r'="([^"]*)"\Z')
_DECIMAL = re.compile(r"([0-9]{6,20})[.,]0+\Z", re.ASCII)
_SCIENTIFIC = re.compile(r"([0-9])(?:[.,]([0-9]+))?[eE]\+?([0-9]{1,2})\Z", re.ASCII)
_NO_NUMBER = {
    NumberKind.PREMIUM: "is a premium number: it is never dialled",
    NumberKind.SHORT: "is a short code, not a number to dial from outside",
}


class BadCell(Exception):
    """Why the row in hand cannot be imported."""


def guarded(text: str) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula, and that `unguarded` reads as it was."""
    return f"'{text}" if text.startswith(FORMULAS) else apart(text)


def apart(text: str) -> str:
    """A text that looks like a guarded one, with the apostrophe that `unguarded` takes away."""
    return f"'{text}" if _GUARDED.match(text) else text


def unguarded(cell: str) -> str:
    """What a cell says without the apostrophe that guards it."""
    return cell[1:] if _GUARDED.match(cell) else cell


def number_cell(cell: str, region: str) -> str:
    """The E.164 form of a number in any spelling that people and spreadsheets use. BadCell with why it is none."""
    text = cell.strip().removeprefix("'")
    if text_formula := _TEXT_FORMULA.match(text):  # how a number is kept a text in CSV
        text = text_formula[1]
    text = clean_number(text)
    if not text:
        raise BadCell("has no number")
    if decimal := _DECIMAL.match(text):
        text = decimal[1]
    elif scientific := _SCIENTIFIC.match(text):
        digits = scientific[1] + (scientific[2] or "")
        if len(digits) != int(scientific[3]) + 1:
            raise BadCell(
                f"{text[:40]!r} is no phone number, a spreadsheet has cut its digits: format the column as text")
        text = digits
    number = normalise(text, region)
    if number.kind is not NumberKind.ORDINARY or number.e164 is None:
        raise BadCell(f"{text[:40]!r} {_NO_NUMBER.get(number.kind, 'is no phone number')}")
    return number.e164
