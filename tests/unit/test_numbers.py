"""Numbers: every usual spelling, and that nonsense never raises."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsapp.core.model import NumberKind
from fsapp.core.numbers import normalise

E164 = re.compile(r"\+[1-9]\d{6,14}\Z", re.ASCII)
HOSTILE = ["+38160123\n4567", "%0A", "${caller}", "\x00", "+" * 64, "+381601234567\u202e", "1e9", "-1",
           "+00381", "+", "000381601234567", "+381+601234567", "9" * 64, "x5", "#", "()", "01+",
           "٠٦٠١٢", "٣", "sip:%0a", "tel:%00", "tel:;phone-context=+381"]


@pytest.mark.parametrize("written", [
    "+381601234567", "00381601234567", "0601234567", "060/123-4567", "(060) 123 45 67", "+381 60 1234567",
    "060.123.4567", "tel:+381601234567", "sip:+381601234567@example.com", "sips:0601234567@example.com;user=phone",
    " +381601234567 ", "+381 (0)60 1234567", "+381601234567@10.0.0.1", "٠٦٠١٢٣٤٥٦٧", "۰۶۰-۱۲۳-۴۵۶۷", "+३८१६०१२३४५६७",
    "＋３８１（６０）１２３４５６７", "060–123‑4567", "060\N{MINUS SIGN}1234567", "060·123·4567",
    "sip:%2B381601234567@example.com", "Vera sip:+381601234567@10.0.0.1", "tel:060-123-4567;phone-context=+381",
    "tel:601234567;phone-context=+381", "callto:+381601234567", "tel://0601234567",
])
def test_one_number_however_it_is_written(written):
    number = normalise(written, "RS")
    assert (number.e164, number.kind, number.raw) == ("+381601234567", NumberKind.ORDINARY, written)


@pytest.mark.parametrize(("written", "region", "expected"), [
    ("030123456", "DE", "+4930123456"), ("2125550123", "US", "+12125550123"), ("12125550123", "US", "+12125550123"),
    ("06301234567", "HU", "+36301234567"), ("02 1234 5678", "IT", "+390212345678"),
    ("+49 30 123456", "RS", "+4930123456"), ("tel:030-123456;phone-context=+49", "RS", "+4930123456"),
    ("tel:+4930123456;phone-context=+381", "RS", "+4930123456"),
    ("tel:0601234567;phone-context=example.com", "RS", "+381601234567"),
])
def test_the_region_is_for_numbers_without_a_country(written, region, expected):
    assert normalise(written, region).e164 == expected


@pytest.mark.parametrize(("written", "extension"), [
    ("+381115550100;ext=23", "23"), ("+381115550100x23", "23"), ("011 5550-100 ext. 7", "7"), ("0115550100#4", "4"),
    ("tel:+381115550100;extension=12", "12"), ("011 5550100 extension 12", "12"), ("٠١١٥٥٥٠١٠٠ x١٢", "12"),
])
def test_extensions_are_kept_apart(written, extension):
    number = normalise(written, "RS")
    assert (number.e164, number.extension) == ("+381115550100", extension)


@pytest.mark.parametrize("written", ["", " ", "anonymous", "0000000", "+0", "Anonymous", "Restricted",
                                     "sip:anonymous@anonymous.invalid", "sip:", "tel:", ";ext=1",
                                     "unavailable", "private", "Unknown", "0"])
def test_withheld(written):
    number = normalise(written, "RS")
    assert (number.e164, number.kind, number.key) == (None, NumberKind.ANONYMOUS, None)


@pytest.mark.parametrize("written", ["112", "192", "1001", "19", "19812"])
def test_short_codes_and_extensions_of_the_house(written):
    assert normalise(written, "RS").kind is NumberKind.SHORT


def test_premium_numbers_are_known_as_such():
    number = normalise("0900123456", "RS")
    assert (number.e164, number.kind) == ("+381900123456", NumberKind.PREMIUM)


@pytest.mark.parametrize("written", [*HOSTILE, "eve", "a@b"])
def test_nonsense_is_no_number(written):
    assert normalise(written, "RS").e164 is None


@given(st.one_of(st.text(max_size=80), st.text("+0123456789 -/().x#;=ext@sip:tel", max_size=40)),
       st.sampled_from(["RS", "DE", "US", "HU", "ZZ", ""]))
@example("+381601234567", "RS")
@example("00" * 20, "RS")
@example("01+", "DE")
def test_never_raises_and_gives_e164_or_nothing(written, region):
    number = normalise(written, region)
    assert number.raw == written
    assert number.e164 is None or E164.match(number.e164)
    assert (number.e164 is None) == (number.kind not in (NumberKind.ORDINARY, NumberKind.PREMIUM))


@given(st.one_of(st.text("+0123456789 -/()", min_size=5, max_size=20), st.from_regex(r"\+?[0-9]{7,15}\Z")),
       st.sampled_from(["RS", "DE", "US", "IT"]))
@example("+3900012345", "IT")
@example("00000001", "RS")
def test_normalising_twice_changes_nothing(written, region):
    once = normalise(written, region)
    if once.e164 is not None:
        again = normalise(once.e164, region)
        assert (again.e164, again.kind) == (once.e164, once.kind)
        assert normalise(once.e164, "US").e164 == once.e164
