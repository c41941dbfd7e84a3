"""The short cut for plainly written numbers against phonenumbers itself, in every region there is."""

import random

import phonenumbers
import pytest

from fsapp.core import numbers
from fsapp.core.model import NumberKind
from fsapp.core.plain import plain_e164


@pytest.fixture
def slowly(monkeypatch):
    monkeypatch.setattr(numbers, "plain_e164", lambda _text, _region: None)
    return numbers.normalise.__wrapped__


def _spellings(region, dice):
    """Numbers like the region's examples of every kind, with digits changed, added and lost, in every spelling."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    examples = [phonenumbers.example_number_for_type(region, kind) for kind in range(11)]
    for example in filter(None, examples):
        for _ in range(8):
            digits = list(phonenumbers.national_significant_number(example))
            for _ in range(dice.randint(0, 4)):
                digits[dice.randrange(len(digits))] = dice.choice("0123456789")
            national = "".join(digits + [dice.choice("0123456789")] * dice.choice((0, 0, 0, 1)))
            country = metadata.country_code
            yield from (
                f"+{country}{national}", f"00{country}{national}", f"{metadata.national_prefix or ''}{national}",
                national, f"0{national}", f"{country}{national}", f"+{national}",
            )


def test_says_nothing_that_phonenumbers_would_not(slowly):
    dice = random.Random(7)
    taken = dict.fromkeys(phonenumbers.SUPPORTED_REGIONS, 0)
    for region in sorted(taken):
        for text in _spellings(region, dice):
            short = plain_e164(text, region)
            if short is not None:
                taken[region] += 1
                known = slowly(text, region)
                assert (known.e164, known.kind, known.extension) == (short, NumberKind.ORDINARY, None), (region, text)
    assert taken["RS"] > 50
    assert sum(count > 0 for count in taken.values()) > 100


@pytest.mark.parametrize("text", ["+381601234567", "00381601234567", "0601234567", "+381115550100", "0115550100"])
def test_takes_the_usual_spellings(text):
    assert plain_e164(text, "RS") in ("+381601234567", "+381115550100")


@pytest.mark.parametrize("text", [
    "+381 60 1234567", "0900123456", "+381900123456", "+38160", "060", "0601234567\n", "٠٦٠١٢٣٤٥٦٧", "+3810601234567",
    "+36301234567", "", "+", "+381601234567x12",
])
def test_leaves_all_else_to_phonenumbers(text):
    assert plain_e164(text, "RS") is None


def test_knows_no_unknown_region():
    assert plain_e164("+381601234567", "XX") is None
