"""The catalogue of prompts and what is made of it: texts read whole, files noted, own recordings first."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest

from fsapp.core.flow.blocks import flow_from
from fsapp.core.rules import Rules
from fsapp.core.speech import LANGUAGES, spoken
from fsapp.errors import SoundsError
from fsapp.rules import load_folder
from fsapp.rules.prompts import flow_prompts, prompts, told_prompts
from fsapp.sounds.build import build, wanted
from fsapp.sounds.catalogue import read_catalogue
from fsapp.sounds.check import check
from fsapp.sounds.making import wav_fault

ROOT = Path(__file__).parents[2]
SMALL = '[voices]\nsr = "sr"\nen = "en-gb"\n[prompt.yes]\nsr = "da"\nen = "yes"\n'


def tone(path: Path, rate: int = 8000, channels: int = 1, width: int = 2, frames: int = 80) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(b"\1" * channels * width * frames)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "catalogue.toml").write_text(SMALL, encoding="utf-8")
    return tmp_path


def test_the_project_s_catalogue_is_whole_and_its_sounds_are_there() -> None:
    catalogue = read_catalogue(ROOT / "sounds")
    assert set(catalogue.languages) == set(LANGUAGES)
    checked = check(catalogue, ROOT / "sounds", languages=LANGUAGES)
    assert checked.faults == ()
    assert checked.files >= len(LANGUAGES) * len(catalogue.texts)


def test_every_prompt_that_is_named_is_in_the_catalogue() -> None:
    named = {name.removesuffix(".wav") for name in prompts(ROOT / "dialplan", [])} | spoken()
    assert {"goodbye", "unknown-number", "recording", "please-wait"} <= named
    assert named <= set(read_catalogue(ROOT / "sounds").texts)


def test_what_the_flows_of_the_example_centre_say_is_there() -> None:
    rules = Rules.from_document(load_folder(ROOT / "conf/rules"))
    absent = [name for name in flow_prompts(rules.flows.values()) if not (
        ROOT / "sounds" / (name if "/" in name else f"sr/{name}")).is_file()]
    assert absent == []


def test_files_of_a_flow_are_those_of_all_its_languages() -> None:
    blocks = {
        "which": {"kind": "language", "say": ["language-menu"], "choices": {"1": "sr", "2": "en"}, "next": "order"},
        "order": {"kind": "input", "say": ["order-number"], "invalid": ["again"], "confirm": ["you-entered", "*"],
                  "next": "end"},
        "end": {"kind": "hangup", "say": ["again"]},
    }
    two = flow_from("two", {"line": "helpdesk", "start": "which", "languages": ["sr", "hu"], "block": blocks})
    said = {"language-menu", "order-number", "again", "you-entered", *(f"number-{digit}" for digit in range(10))}
    assert sorted(flow_prompts([two])) == sorted(f"{one}/{name}.wav" for name in said for one in ("sr", "en", "hu"))
    one = flow_from("one", {"line": "helpdesk", "start": "end", "block": {"end": blocks["end"]}})
    assert flow_prompts([one, one, flow_from("none", {"line": "helpdesk"})]) == ["again.wav"]


def test_files_that_tell_the_wait_are_those_of_all_languages_of_flows() -> None:
    document = load_folder(ROOT / "conf/rules")
    centre = document["centre"]
    document["flow"] = {"main": {"line": "helpdesk", "start": "end", "languages": ["sr", "en"], "block": {
        "end": {"kind": "hangup"}}}}
    told = told_prompts(Rules.from_document(document | {"centre": centre | {"tell_wait": True}}))
    assert {"position.wav", "sr/wait.wav", "en/number-30.wav", "en/minutes-few.wav"} <= set(told)
    assert {name.partition("/")[0] for name in told if "/" in name} == {"sr", "en"}
    document["centre"] = {key: value for key, value in centre.items() if not key.startswith("tell_")}
    for line in document["line"].values():
        line.pop("tell_position", None), line.pop("tell_wait", None), line.pop("callback_key", None)
    assert told_prompts(Rules.from_document(document)) == []
    document["line"]["helpdesk"]["callback_key"] = "#"
    asked = told_prompts(Rules.from_document(document))
    assert {"callback-offer.wav", "sr/press-hash.wav", "en/callback-confirm.wav", "en/number-9.wav"} <= set(asked)
    assert not {"position.wav", "press-1.wav", "*.wav"} & set(asked)


def test_the_operator_s_catalogue_lies_over_it(place: Path) -> None:
    (place / "own").mkdir()
    (place / "own/catalogue.toml").write_text(
        '[voices]\nde = "de"\n[prompt.yes]\nde = "ja"\nen = "yeah"\n[prompt.no]\nsr = "ne"\n', encoding="utf-8")
    catalogue = read_catalogue(place)
    assert catalogue.languages == ("sr", "en", "de")
    assert catalogue.texts == {"yes": {"sr": "da", "en": "yeah", "de": "ja"}, "no": {"sr": "ne"}}
    assert list(catalogue.without_text(("sr", "en"))) == ["prompt no has no text in en: add it to the catalogue"]


@pytest.mark.parametrize(("text", "said"), [
    ("[voices", "is not TOML"),
    ("voices = 3", "voices: is no table"),
    ('[voices]\nEN = "en"', "voices.EN: a language is"),
    ('[voices]\nen = "--help"', "is no voice"),
    ("[voices]\nen = 3", "is no voice"),
    ("prompt = 1", "prompt: is no table"),
    ('[prompt.Yes]\nsr = "da"', "prompt.Yes: an id is"),
    ('[prompt."../x"]\nsr = "da"', "prompt.../x: an id is"),
    ('[prompt]\nyes = "da"', "prompt.yes: is no table"),
    ('[voices]\nsr = "sr"\n[prompt.yes]\nsr = ""', "prompt.yes.sr: is no text"),
    ('[voices]\nsr = "sr"\n[prompt.yes]\nsr = 1', "prompt.yes.sr: is no text"),
    ('[voices]\nsr = "sr"\n[prompt.yes]\nsr = "da\\nne"', "cannot be spoken"),
    (f'[voices]\nsr = "sr"\n[prompt.yes]\nsr = "{"a" * 1001}"', "longer than 1000"),
    ('[prompt.yes]\nsr = "da"', "none for language sr"),
    ("[promt.yes]", "promt: is none of voices, prompt"),
])
def test_what_is_wrong_with_a_catalogue_is_said(place: Path, text: str, said: str) -> None:
    (place / "catalogue.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SoundsError) as error:
        read_catalogue(place)
    assert any(said in fault and "catalogue.toml: " in fault for fault in error.value.faults), error.value.faults


def test_without_a_catalogue(tmp_path: Path) -> None:
    with pytest.raises(SoundsError) as error:
        read_catalogue(tmp_path)
    assert "catalogue.toml: cannot be read" in error.value.faults[0]


@pytest.mark.parametrize(("wrong", "said"), [
    ({"rate": 16000}, "16000 samples a second instead of 8000"), ({"channels": 2}, "2 channels of 16 bit"),
    ({"width": 1}, "1 channels of 8 bit"), ({"frames": 0}, "holds no sound"),
])
def test_what_is_wrong_with_a_sound_is_said(tmp_path: Path, wrong: dict[str, int], said: str) -> None:
    path = tmp_path / "a.wav"
    assert wav_fault(path, 8000) == "is not there"
    tone(path)
    assert wav_fault(path, 8000) == ""
    tone(path, **wrong)
    assert said in wav_fault(path, 8000)
    path.write_bytes(b"RIFF")
    assert "is no wav file" in wav_fault(path, 8000)


def test_own_recordings_need_neither_espeak_nor_sox(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for language in ("sr", "en"):
        tone(place / f"own/{language}/yes.wav", frames=100)
    catalogue = read_catalogue(place)
    built = build(catalogue, place)
    assert sorted(built.made) == ["en/yes.wav", "sr/yes.wav"]
    assert (place / "sr/yes.wav").read_bytes() == (place / "own/sr/yes.wav").read_bytes()
    assert check(catalogue, place).faults == ()
    assert check(catalogue, place).own == 2

    assert build(catalogue, place).unchanged == 2
    tone(place / "own/sr/yes.wav", frames=200)
    assert [fault.split(" ")[0] for fault in check(catalogue, place).faults] == [str(place / "sr/yes.wav")]
    assert build(catalogue, place).made == ["sr/yes.wav"]
    assert check(catalogue, place).faults == ()


def test_what_is_missing_is_said_before_anything_is_made(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    tone(place / "own/en/yes.wav")
    with pytest.raises(SoundsError) as error:
        build(read_catalogue(place), place)
    assert error.value.faults == (
        "espeak-ng is not on the PATH: run apt-get install espeak-ng",
        "sox is not on the PATH: run apt-get install sox")
    assert not list(place.glob("*/*.wav"))


def test_a_file_changed_by_hand_stays(place: Path) -> None:
    catalogue = read_catalogue(place)
    for language in ("sr", "en"):
        tone(place / f"own/{language}/yes.wav")
    tone(place / "sr/yes.wav", frames=300)
    before = (place / "sr/yes.wav").read_bytes()
    built = build(catalogue, place)
    assert (built.left, built.made) == (["sr/yes.wav"], ["en/yes.wav"])
    assert (place / "sr/yes.wav").read_bytes() == before
    assert "is not the recording" in check(catalogue, place).faults[0]
    assert build(catalogue, place, force=True).left == []
    assert (place / "sr/yes.wav").read_bytes() != before


def test_brought_elsewhere_they_are_copied(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    catalogue, switch = read_catalogue(place), tmp_path / "switch/fsapp"
    for language in ("sr", "en"):
        tone(place / f"own/{language}/yes.wav")
    build(catalogue, place)
    built = build(catalogue, place, to=switch, languages=["sr"])
    assert (built.copied, built.made) == (["sr/yes.wav"], [])
    assert not (switch / "en").exists()
    assert check(catalogue, place, to=switch, languages=["sr"]).faults == ()
    assert [fault.rpartition(" is ")[0] for fault in check(catalogue, place, to=switch).faults] == [
        f"{switch}/en/yes.wav"]


def test_a_prompt_that_is_no_more_goes(place: Path) -> None:
    for language in ("sr", "en"):
        tone(place / f"own/{language}/yes.wav")
    build(read_catalogue(place), place)
    tone(place / "sr/mine.wav")
    (place / "catalogue.toml").write_text(SMALL.replace("yes]", "no]"), encoding="utf-8")
    for language in ("sr", "en"):
        (place / f"own/{language}/yes.wav").rename(place / f"own/{language}/no.wav")
    built = build(read_catalogue(place), place)
    assert built.removed == ["en/yes.wav", "sr/yes.wav"]
    assert sorted(path.name for path in place.glob("sr/*.wav")) == ["mine.wav", "no.wav"]


def test_recordings_that_nobody_would_hear_are_named(place: Path) -> None:
    for name in ("sr/yes.wav", "en/yes.wav", "sr/yess.wav", "fr/yes.wav", "sr/yes.mp3", "yes.wav"):
        tone(place / "own" / name)
    catalogue = read_catalogue(place)
    build(catalogue, place)
    faults = check(catalogue, place).faults
    assert [fault.split(" ")[0].removeprefix(f"{place}/own/") for fault in faults] == [
        "fr/yes.wav", "sr/yes.mp3", "sr/yess.wav", "yes.wav"]


def test_a_language_with_16_khz_files_has_all_of_them(place: Path) -> None:
    catalogue = read_catalogue(place)
    (place / "sr/16000").mkdir(parents=True)
    names = [sound.name for sound in wanted(catalogue, place, ["sr"], (8000, 16000))]
    assert names == ["sr/yes.wav", "sr/16000/yes.wav"]
    made_of = {sound.made_of for sound in wanted(catalogue, place, ["sr"], (8000, 16000))}
    assert len(made_of) == 2
    tone(place / "sr/yes.wav")
    tone(place / "sr/16000/yes.wav")
    assert "8000 samples a second instead of 16000" in check(catalogue, place, languages=["sr"]).faults[0]


def test_a_spoilt_manifest_is_said(place: Path) -> None:
    for text in ("{", "[]", '{"sr/yes.wav": 3}', json.dumps({"sr/yes.wav": ["a"]})):
        (place / "made.json").write_text(text, encoding="utf-8")
        with pytest.raises(SoundsError, match=r"made\.json: is not what"):
            build(read_catalogue(place), place)
