"""A number that was taken off a customer: theirs still when they are erased, unless somebody else has it by then."""

from __future__ import annotations

import json
import time
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from privacy_centre import OTHER, SECOND, TRACES, Centre, N, a_call

from fsapp.core.model import Sticky
from fsapp.state import keys
from fsapp.state.store import Store

OLD = "+381651110000"


def take_off(centre: Centre, number: str, customer: str = N) -> None:
    done = centre.fsapp("customers", "set", customer, "--remove-number", number)
    assert done.status == 0, done.faults


@pytest.fixture
def moved(full: Centre) -> Centre:
    """Ana's second number is not hers any more; what Redis, the stream and files have under it is there still."""
    take_off(full, SECOND)
    return full


def test_what_was_under_an_earlier_number_goes_too(moved: Centre) -> None:
    path = moved.folder / "ana.zip"
    assert moved.fsapp("privacy", "export", N, "--to", str(path)).status == 0
    with zipfile.ZipFile(path) as folded:
        index = json.loads(folded.read("index.json"))
    assert (index["numbers"], index["earlier"]) == ([N, SECOND], [SECOND])
    told = json.loads(moved.fsapp("privacy", "erase", N, "--yes", "--json").out)
    assert (told["numbers"], told["earlier"]) == ([N, SECOND], [SECOND])
    left = moved.everything()
    assert not [trace for trace in TRACES if trace in left]


def test_a_number_that_nothing_else_names_is_known_as_taken_off(full: Centre) -> None:
    for words in (("set", N, "--add-number", OLD), ("set", N, "--remove-number", OLD)):
        assert full.fsapp("customers", *words).status == 0
    Store(full.client).put_sticky(OLD, Sticky("1005", datetime.now(UTC)))
    assert json.loads(full.fsapp("privacy", "erase", N, "--yes", "--json").out)["earlier"] == [OLD]
    assert OLD[4:] not in full.everything()


@pytest.mark.parametrize("somebody", ["a customer's", "a caller's"])
def test_a_number_that_somebody_else_has_now_is_said_and_left(moved: Centre, somebody: str) -> None:
    if somebody == "a customer's":
        assert moved.fsapp("customers", "set", OTHER, "--add-number", SECOND).status == 0
    else:
        moved.tell(*a_call("later", time.time() + 5, SECOND))
    told = json.loads(moved.fsapp("privacy", "erase", N, "--yes", "--json").out)
    assert (told["numbers"], told["earlier"]) == ([N], [])
    [line] = [line for line in told["unreached"] if line.startswith(f"{SECOND} was a number of theirs")]
    assert line.endswith(f"fsapp privacy ... {SECOND}")
    calls = {row["id"]: row for row in moved.rows("interactions")}
    assert (calls["u2"]["number"], calls["u2"]["customer_id"]) == (None, None), "what names the customer is hers"
    assert not [event for event in map(str, moved.client.xrange(keys.EVENTS)) if "'u2'" in event or "u2:" in event]
    assert moved.client.get(keys.sticky(SECOND)), "what is under the number alone is not"
    if somebody == "a caller's":
        assert calls["later"]["number"] == SECOND


def test_one_is_left_out_by_hand(moved: Centre) -> None:
    assert "is no number that was theirs" in moved.fsapp("privacy", "erase", N, "--yes", "--without", OTHER).faults[0]
    told = json.loads(moved.fsapp("privacy", "erase", N, "--yes", "--without", "064/1112222", "--json").out)
    assert told["numbers"] == [N]
    assert moved.client.get(keys.sticky(SECOND))
    assert "u2" in {row["id"] for row in moved.rows("interactions") if row["number"] is None}


def test_by_an_earlier_number_it_is_said_whose_it_was(moved: Centre) -> None:
    told = json.loads(moved.fsapp("privacy", "erase", SECOND, "--yes", "--json").out)
    assert told["numbers"] == [SECOND]
    [line] = [line for line in told["unreached"] if line.startswith(f"{SECOND} was a number of customer ana")]
    assert N in line
    assert len(moved.rows("customers")) == 2


def test_a_customer_without_any_number_is_found_by_the_ones_there_were(moved: Centre) -> None:
    take_off(moved, N)
    told: dict[str, Any] = json.loads(moved.fsapp("privacy", "erase", SECOND, "--yes", "--json").out)
    assert (told["numbers"], told["earlier"]) == ([SECOND, N], [N])
    left = moved.everything()
    assert not [trace for trace in TRACES if trace in left]


def test_it_is_asked_with_the_earlier_ones(moved: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    done = moved.fsapp("privacy", "erase", N)
    assert done.status == 130 and f"theirs earlier: {SECOND}; --without leaves one out" in done.faults
