"""Who was erased lately: what is of before is known by number and time, by call or task; no number is kept."""

from __future__ import annotations

from typing import Any

import pytest

from fsapp.state import keys
from fsapp.state.erased import Erased

N, OTHER = "+381601234567", "+381601234568"
AT = 1_800_000_000.0


@pytest.mark.parametrize(("fact", "number", "before"), [
    ({"at": AT - 5}, N, True),
    ({"at": AT}, N, True),
    ({"at": AT + 5}, N, False),
    ({"at": AT - 5}, OTHER, False),
    ({"at": AT + 60, "talked_s": 70.0}, N, True),
    ({"at": AT + 60, "talked_s": 50.0}, N, False),
    ({"at": AT + 60, "talked_s": 50.0, "lasted_s": 61.0}, N, True),
    ({"at": AT + 60, "talked_s": 50.0, "came_at": AT - 1}, N, True),
    ({"at": AT + 60, "talked_s": -1000.0}, N, False),
    ({"at": AT + 60, "call": "on-the-line"}, N, True),
    ({"at": AT + 60, "call": "on-the-line"}, OTHER, True),
    ({"at": AT + 60, "task": "t1"}, N, True),
    ({"at": AT + 60, "call": "a-new-one", "task": None}, N, False),
])
def test_what_is_of_before(redis_client: Any, fact: dict[str, Any], number: str, before: bool) -> None:
    erased = Erased(redis_client)
    assert not erased.was_before(fact, number), "nobody was erased"
    erased.add([N], ["on-the-line", "t1"], AT)
    assert erased.was_before(fact, number) == before
    assert Erased(redis_client).was_before(fact, number) == before, "whoever asks"


def test_it_is_kept_for_two_days_and_without_numbers(redis_client: Any) -> None:
    erased = Erased(redis_client)
    erased.add([], [], AT)
    assert redis_client.keys() == []
    erased.add([N], ["on-the-line"], AT)
    for key in (keys.ERASED, keys.ERASED_KEY):
        assert 0 < redis_client.ttl(key) <= keys.ERASED_S
    kept = repr(redis_client.zrange(keys.ERASED, 0, -1)) + repr(redis_client.get(keys.ERASED_KEY))
    assert "601234567" not in kept and "on-the-line" not in kept
    later = AT + keys.ERASED_S + 1
    erased.add([OTHER], [], later)
    assert redis_client.zcard(keys.ERASED) == 1, "who was erased long ago is not remembered"
    assert erased.was_before({"at": later}, OTHER) and not erased.was_before({"at": AT}, N)


def test_thousands_of_calls(redis_client: Any) -> None:
    erased = Erased(redis_client)
    erased.add([N], (f"call-{n}" for n in range(2500)), AT)
    assert redis_client.zcard(keys.ERASED) == 2501
