"""What callers who wait are told: only what can be trusted, in prompts that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsapp.core.rules import Rules
from fsapp.core.speech import spoken
from fsapp.core.telling import NOT_TOLD, Telling, file_list, said
from fsapp.core.wait import Estimate
from fsapp.errors import UnsafeArgument
from fsapp.rules import load_folder
from fsapp.telephony.command import uuid_displace

ROOT = Path(__file__).parents[2]
BOTH = Telling(position=True, wait=True)
SURE = Estimate(130.0, 70.0, 250.0, 3, 4)


@pytest.mark.parametrize(("low_s", "high_s", "minutes"), [
    (5.0, 60.0, ["wait-under-minute"]),
    (5.0, 61.0, ["wait", "wait-at-most-only", "count-2", "minutes-two"]),
    (61.0, 119.0, ["wait", "wait-at-least", "count-1", "minutes-one", "wait-at-most", "count-2", "minutes-two"]),
])
def test_the_wait_is_told_as_an_interval_rounded_outwards(low_s: float, high_s: float, minutes: list[str]) -> None:
    found = said(Telling(wait=True), Estimate((low_s + high_s) / 2, low_s, high_s, 1, 1), "sl")
    assert [name for name in found if not name.startswith(("count", "number", "minutes"))] == [
        name for name in minutes if not name.startswith(("count", "minutes"))]
    assert set(found) <= spoken()


def test_place_and_wait() -> None:
    assert said(BOTH, SURE, "sr")[:2] == ["position", "number-3"]
    assert "wait-at-least" in said(BOTH, SURE, "sr")
    assert said(Telling(position=True), SURE, "sr") == ["position", "number-3"]
    assert said(NOT_TOLD, SURE, "sr") == []


def test_the_key_is_told_after_all_that_and_by_itself() -> None:
    assert said(Telling(position=True), SURE, "sr", "5") == ["position", "number-3", "callback-offer", "press-5"]
    assert said(NOT_TOLD, None, "sr", "*") == ["callback-offer", "press-star"]
    assert said(BOTH, None, "sr") == []
    for no_key in ("", "55", "x", "12"):
        assert said(NOT_TOLD, SURE, "sr", no_key) == []


def test_what_cannot_be_trusted_is_not_told() -> None:
    doubtful = Estimate(130.0, 70.0, 250.0, 3, 4, "it may be anything")
    assert said(BOTH, doubtful, "sr") == ["position", "number-3"]
    assert said(Telling(wait=True), doubtful, "sr") == []
    assert said(BOTH, Estimate(0, 0, 0, 1, 0, "no agent takes these calls"), "sr") == []
    assert said(Telling(wait=True), Estimate(4000, 3500, 4500, 9, 1), "sr") == []


def test_files_are_beside_the_switchs_own() -> None:
    assert file_list("/sounds/fsapp/sr", "", ["a", "b"]) == (
        "file_string:///sounds/fsapp/sr/a.wav!/sounds/fsapp/sr/b.wav", "sr")
    assert file_list("/sounds/fsapp/sr", "hu", ["a"]) == ("file_string:///sounds/fsapp/hu/a.wav", "hu")
    # What a caller could have had a hand in is not followed.
    assert file_list("/sounds/fsapp/sr", "../x", ["a"])[1] == "sr"
    for folder in ("", "-ERR", "/a b", "/a!hangup", "a/b", "/a\n/b"):
        assert file_list(folder, "", ["a"]) == ("", "")


def test_the_command_takes_files_alone() -> None:
    path, _ = file_list("/sounds/fsapp/sr", "", ["position", "number-3"])
    assert uuid_displace("u-1", path, start=True) == (
        "uuid_displace u-1 start file_string:///sounds/fsapp/sr/position.wav!/sounds/fsapp/sr/number-3.wav")
    assert uuid_displace("u-1", "/sounds/a.wav", start=False) == "uuid_displace u-1 stop /sounds/a.wav"
    for files in ("hangup::x", "/a b", "/a\nb", "file_string:///a!hangup", "${x}", "tone_stream://%(1,0,2)", ""):
        with pytest.raises(UnsafeArgument):
            uuid_displace("u-1", files, start=True)
    with pytest.raises(UnsafeArgument):
        uuid_displace("u 1", "/a.wav", start=True)


def test_the_rules_say_where() -> None:
    document = load_folder(ROOT / "conf/rules")
    assert not Rules.from_document(document).lines["helpdesk"].telling
    document["centre"] |= {"tell_position": True, "tell_every_s": 30}
    document["line"]["vip"] |= {"tell_position": False, "tell_wait": True}
    rules = Rules.from_document(document)
    assert rules.lines["helpdesk"].telling == Telling(True, False, 30)
    assert rules.lines["vip"].telling == Telling(False, True, 30)
