"""The door for text that callers control: what comes out can start nothing and break no line."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.clean import MAX_NAME, MAX_NUMBER, clean_name, clean_number, clean_text

SYNTAX = set('|$^{}\\`"<>')
ANY = st.text(st.characters(), max_size=300)


def _harmless(text: str) -> bool:
    return all(unicodedata.category(char)[0] != "C" and (char == " " or unicodedata.category(char)[0] != "Z")
               for char in text)


@given(ANY, st.integers(1, 200))
def test_text_is_one_line_without_invisible_characters(value, limit):
    cleaned = clean_text(value, limit)
    assert _harmless(cleaned)
    assert len(cleaned) <= limit
    assert cleaned == " ".join(cleaned.split())
    assert clean_text(cleaned, limit) == cleaned


@pytest.mark.parametrize(("clean", "limit"), [(clean_name, MAX_NAME), (clean_number, MAX_NUMBER)])
@given(value=st.one_of(ANY, st.text('${}`"|\\^<> ab\n\r\x85\u2028\u202e\x00', max_size=300)))
def test_names_and_numbers_hold_nothing_a_switch_acts_on(clean, limit, value):
    cleaned = clean(value)
    assert _harmless(cleaned)
    assert not SYNTAX & set(cleaned)
    assert len(cleaned) <= limit
    assert cleaned == cleaned.strip()
    assert clean(cleaned) == cleaned


@pytest.mark.parametrize(("value", "expected"), [
    ("Eve\n\napi echo X", "Eve api echo X"), ("a\x85b\u2028c", "a b c"), ("Kov\u00e1cs", "Kov\u00e1cs"),
    ("${caller}", "caller"), ("\u202eevil", "evil"), ("O'Brien, Ana-Marija", "O'Brien, Ana-Marija"),
    ("\u05d3\u05d5\u05d3", "\u05d3\u05d5\u05d3"), ("x" * 4096, "x" * 80), ("a\ud800b", "ab"), ("e\u0301", "\u00e9"),
    ("A\x1f\u0300", "\u00c0"),
])
def test_names(value, expected):
    assert clean_name(value) == expected


@given(st.from_regex(r"\+?[0-9]{1,32}", fullmatch=True))
def test_digits_stay_as_they_came(number):
    assert clean_number(number) == number
