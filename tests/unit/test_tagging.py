"""Tags and dispositions: one spelling each, and words that suggest tags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.clean import clean_lines
from fsapp.core.disposition import chosen
from fsapp.core.tagging import MAX_TAG, clean_tag, clean_word, suggested_by_words, words_of


@pytest.mark.parametrize(("written", "tag"), [
    ("Billing", "billing"), (" wants  refund ", "wants-refund"), ("račun", "račun"), ("a_b", "a-b"), ("a--b", "a-b"),
    ("\u202ebilling", "billing"), ("", None), ("-", None), ("=cmd", None), ("a b\nc", "a-b-c"), ("\U0001f600", None),
    ("a/b", None),
])
def test_a_tag_has_one_spelling(written: str, tag: str | None) -> None:
    assert clean_tag(written) == tag


@given(st.text(max_size=200))
def test_a_tag_stays_itself(written: str) -> None:
    tag = clean_tag(written)
    if tag is not None:
        assert clean_tag(tag) == tag and len(tag) <= MAX_TAG and tag.isprintable() and " " not in tag


def test_words_suggest_tags() -> None:
    words = {"billing": ("invoice*", "račun"), "moving": ("preselj*",), "empty": ("*",)}
    assert suggested_by_words(["Asked about INVOICES", "racun nije stigao"], words) == {"billing": "invoices"}
    assert suggested_by_words(["Račun!"], words) == {"billing": "racun"}
    assert suggested_by_words(["preseljenje, đubre"], words) == {"moving": "preseljenje"}
    assert suggested_by_words(["reinvoice"], words) == {}
    assert suggested_by_words([], words) == {}


@pytest.mark.parametrize(("written", "word"), [
    ("Invoice*", "invoice*"), ("Račun", "racun"), ("two words", None), ("", None), ("*", None), ("x" * 99, None),
])
def test_a_word_of_the_rules(written: str, word: str | None) -> None:
    assert clean_word(written) == word


@given(st.text())
def test_words_are_small_and_plain(text: str) -> None:
    for word in words_of(text):
        assert word and not any(char.isspace() for char in word)


@pytest.mark.parametrize(("written", "named", "found"), [
    ("SOLD", ("sold", "no interest"), "sold"), (" No  Interest ", ("No interest",), "No interest"),
    ("maybe", ("sold",), None), ("anything", (), "anything"), ("\r\n", (), ""), ("\u202e", ("sold",), ""),
])
def test_a_disposition_is_one_of_those_there_are(written: str, named: tuple[str, ...], found: str | None) -> None:
    assert chosen(written, named) == found


@given(st.text(max_size=300))
def test_a_note_keeps_its_lines_and_nothing_hostile(written: str) -> None:
    kept = clean_lines(written, 100)
    assert len(kept) <= 100 and "\r" not in kept and "\n\n\n" not in kept
    assert all(char == "\n" or char.isprintable() for char in kept)
    assert clean_lines("a\r\nb\rc\n\n\n\nd", 100) == "a\nb\nc\n\nd"
