"""`fsapp sounds`: sounds are spoken, alike in loudness, only where something has changed; faults are one line each."""

from __future__ import annotations

import array
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import wave
from pathlib import Path

import gevent
import pytest

from fsapp.cli.root import main

ROOT = Path(__file__).parents[2]
CATALOGUE = """
[voices]
sr = "sr"
en = "en-gb"
[prompt.please-wait]
sr = "Ovo je duža rečenica. Posle nje dolazi još jedna."
en = "This is a longer sentence. After it comes another one."
[prompt.hyphen]
sr = "-v ovo nije opcija"
en = "--help is no option"
[prompt.one]
sr = "jedan"
en = "one"
"""
needs_voices = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("sox")), reason="espeak-ng or sox is not on the PATH")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a small catalogue and no dialplan."""
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds/catalogue.toml").write_text(CATALOGUE, encoding="utf-8")
    for name in ("FSAPP_CONFIG", "FSAPP_SOUNDS", "FSAPP_DIALPLAN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sounds"


@pytest.fixture
def fsapp(capsys: pytest.CaptureFixture[str]):
    def run(*args: str, status: int = 0) -> tuple[str, list[str]]:
        with pytest.raises(SystemExit) as done:
            main(["sounds", *args])
        out, err = capsys.readouterr()
        assert done.value.code == status, err
        return out, err.splitlines()
    return run


def contents(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*.wav")}


def level_db(path: Path) -> float:
    """How loud it is while it speaks: windows of 20 ms that are not a pause."""
    with wave.open(str(path), "rb") as sound:
        rate, samples = sound.getframerate(), array.array("h", sound.readframes(sound.getnframes()))
    size = rate // 50
    powers = [sum(one * one for one in samples[start:start + size]) / size for start in range(0, len(samples), size)]
    loud = [power for power in powers if power > max(powers) / 1000]
    return 10 * math.log10(sum(loud) / len(loud) / 32768 ** 2)


@needs_voices
def test_build_makes_all_then_only_what_changed(place: Path, fsapp) -> None:
    out, _ = fsapp("build", "--rate", "16000", "--json")
    built = json.loads(out)
    assert len(built["made"]) == 12
    first = contents(place)
    assert set(first) == set(built["made"])
    for name in first:
        with wave.open(str(place / name), "rb") as sound:
            assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
            assert sound.getframerate() == (16000 if "/16000/" in name else 8000)
    levels = [level_db(place / name) for name in first]
    assert max(levels) - min(levels) < 4, levels

    assert json.loads(fsapp("build", "--json")[0])["unchanged"] == 12
    fsapp("check")
    fsapp("build", "--force")
    assert contents(place) == first, "the same texts make the same sounds"

    text = CATALOGUE.replace('"one"', '"two"')
    (place / "catalogue.toml").write_text(text, encoding="utf-8")
    _, faults = fsapp("check", status=1)
    assert [fault.partition(" is ")[0] for fault in faults] == [
        "fsapp: sounds/en/one.wav", "fsapp: sounds/en/16000/one.wav"]
    built = json.loads(fsapp("build", "--json")[0])
    assert built["made"] == ["en/one.wav", "en/16000/one.wav"], "the switch would go on playing the old one at 16 kHz"
    assert {name for name, content in contents(place).items() if content != first[name]} == set(built["made"])


@needs_voices
def test_own_recordings_win_at_every_rate_and_go_again(place: Path, fsapp) -> None:
    fsapp("build", "--lang", "sr", "--rate", "16000")
    spoken = contents(place)
    (place / "own/sr").mkdir(parents=True)
    shutil.copy(place / "sr/16000/please-wait.wav", place / "own/sr/one.wav")
    assert json.loads(fsapp("build", "--lang", "sr", "--json")[0])["made"] == ["sr/one.wav", "sr/16000/one.wav"]
    assert (place / "sr/16000/one.wav").read_bytes() == spoken["sr/16000/please-wait.wav"], "it is copied as it is"
    with wave.open(str(place / "sr/one.wav"), "rb") as sound:
        assert sound.getframerate() == 8000
    fsapp("check", "--lang", "sr")

    (place / "own/sr/one.wav").write_bytes(b"no sound at all")
    _, faults = fsapp("build", "--lang", "sr", status=1)
    assert len(faults) == 1 and faults[0].startswith("fsapp: sr/one: sox: ")
    (place / "own/sr/one.wav").unlink()
    fsapp("build", "--lang", "sr")
    assert contents(place) == spoken


@needs_voices
def test_a_voice_that_is_none_is_said_and_the_rest_is_made(place: Path, fsapp) -> None:
    (place / "catalogue.toml").write_text(CATALOGUE.replace('"en-gb"', '"tlh-none"'), encoding="utf-8")
    _, faults = fsapp("build", status=1)
    assert len(faults) == 3
    assert all(fault.startswith("fsapp: en/") and "espeak-ng: " in fault for fault in faults), faults
    assert sorted(contents(place)) == ["sr/hyphen.wav", "sr/one.wav", "sr/please-wait.wav"]


@needs_voices
def test_interrupted_it_ends_at_once_and_goes_on_next_time(place: Path, fsapp) -> None:
    more = "".join(f'[prompt.p{n}]\nsr = "a"\nen = "a"\n' for n in range(100))
    (place / "catalogue.toml").write_text(CATALOGUE + more, encoding="utf-8")
    # As Ctrl-C in a terminal, the signal is for the programs it has started too.
    with subprocess.Popen(
        [sys.executable, "-m", "fsapp", "sounds", "build"], env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as process:
        with gevent.Timeout(60, AssertionError("nothing is made")):
            while len(contents(place)) < 3:
                gevent.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    made = len(contents(place))
    assert 3 <= made < 206
    built = json.loads(fsapp("build", "--json")[0])
    assert (built["unchanged"], len(built["made"])) == (made, 206 - made)


def test_check_says_everything(place: Path, fsapp) -> None:
    (place / "catalogue.toml").write_text(CATALOGUE + '[prompt.new]\nsr = "novo"\n', encoding="utf-8")
    (place.parent / "dialplan").mkdir()
    (place.parent / "dialplan/own.xml").write_text(
        '<include><action application="playback" data="$${fsapp_sounds}/hello.wav"/></include>', encoding="utf-8")
    out, faults = fsapp("check", "--lang", "en", "--json", status=1)
    assert json.loads(out)["ok"] is False
    assert "fsapp: prompt new has no text in en: add it to the catalogue" in faults
    assert "fsapp: sounds/en/one.wav is not there: run `fsapp sounds build`" in faults
    assert "fsapp: the dialplan plays hello.wav, which is no prompt of the catalogue" in faults


def test_many_faults_end_with_how_many_more(place: Path, fsapp) -> None:
    more = "".join(f'[prompt.p{n}]\nsr = "a"\nen = "a"\n' for n in range(30))
    (place / "catalogue.toml").write_text(CATALOGUE + more, encoding="utf-8")
    _, faults = fsapp("check", status=1)
    assert len(faults) == 21
    assert faults[-1].startswith("fsapp: and ")


def test_a_language_that_there_is_not(place: Path, fsapp) -> None:
    for command in ("build", "check"):
        _, faults = fsapp(command, "--lang", "fr", status=2)
        assert "the catalogue has no language fr; it has sr, en" in faults[-1]


def test_without_a_catalogue(place: Path, fsapp) -> None:
    (place / "catalogue.toml").unlink()
    for command in ("build", "check"):
        _, faults = fsapp(command, status=1)
        assert faults == ["fsapp: sounds/catalogue.toml: cannot be read: No such file or directory: it is the "
                          "catalogue of prompts, see docs/sounds.md"]


def test_a_folder_that_cannot_be_written(place: Path, fsapp) -> None:
    (place.parent / "file").write_text("", encoding="utf-8")
    _, faults = fsapp("build", "--to", "file/below", status=1)
    assert faults == ["fsapp: file/below/sr: Not a directory"]
