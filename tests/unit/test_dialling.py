"""Which numbers are dialled: not what costs us, is foreign, ours, nonsense or not to be called."""

import pytest

from fsapp.core.dialling import Dialling, Refusal, refusal, route_of
from fsapp.core.lists import NumberList
from fsapp.core.numbers import normalise

LISTS = {"do-not-call": NumberList("do-not-call", frozenset({"+381601234568"}), ("+38122",))}
DIALLING = Dialling(regions=("RS", "HU", "GB"), do_not_call=("do-not-call", "gone"))


@pytest.mark.parametrize(("written", "why"), [
    ("+381601234567", None), ("0601234567", None), ("+36301234567", None),
    ("", Refusal.ANONYMOUS), ("anonymous", Refusal.ANONYMOUS),
    ("0900123456", Refusal.PREMIUM), ("+447012345678", Refusal.PREMIUM), ("+447640123456", Refusal.PREMIUM),
    ("+447400123456", None),
    ("+381115550100", Refusal.OURS), ("01155501001", Refusal.OURS), ("0115550100999", Refusal.OURS),
    ("+38640123456", Refusal.FOREIGN), ("+881612345678", Refusal.FOREIGN), ("+12025550123", Refusal.FOREIGN),
    ("+381601234568", Refusal.DO_NOT_CALL), ("+38122612345", Refusal.DO_NOT_CALL),
    ("112", Refusal.NONSENSE), ("1001", Refusal.NONSENSE), ("12;rm", Refusal.NONSENSE), ("++", Refusal.NONSENSE),
    ("+3811", Refusal.NONSENSE), ("9" * 40, Refusal.NONSENSE),
])
def test_what_is_dialled_and_what_is_not(written, why):
    assert refusal(normalise(written, "RS"), DIALLING, {"+381115550100": None}, LISTS) is why


def test_only_a_number_becomes_part_of_a_route():
    assert route_of("+381601234567", DIALLING) == "sofia/gateway/trunk/381601234567"
    for bad in ("381601234567", "+381 601", "+381601234567\n", "+0", "+381601234567}{"):
        with pytest.raises(ValueError, match=r"E\.164"):
            route_of(bad, DIALLING)
