"""One sound from one text or recording: espeak-ng speaks it, sox trims, levels and converts it. Decides nothing."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsapp.errors import SoundsError

__all__ = ["RECIPE", "Tools", "wav_fault"]

# Part of what a sound is made of: a change here makes all of them anew.
RECIPE = "espeak-ng 170 wpm, -23 dB, trimmed, 20 ms before and 70 ms after"
_WORDS_A_MINUTE = "170"
_LEVEL_DB = -23.0   # of the speech alone, as the pauses between sentences are no part of how loud it is
_PEAK_DB = -1.5
_QUIET = "0.3%"
_PAUSES = ("silence", "-l", "1", "0.01", _QUIET, "-1", "0.05", _QUIET)
_TRIM = ("silence", "1", "0.01", _QUIET, "reverse")
_PACKAGES = {"espeak-ng": "espeak-ng", "sox": "sox"}
_PATIENT_S = 30
_RMS = re.compile(r"^RMS lev dB\s+(-?[0-9.]+)", re.MULTILINE)
_PEAK = re.compile(r"^Pk lev dB\s+(-?[0-9.]+)", re.MULTILINE)


class Tools:
    """espeak-ng and sox of this machine. SoundsError where one is needed and is not there, or refuses."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}

    def need(self, *names: str) -> None:
        """SoundsError with one line for each of the programs that is not on the PATH."""
        for name in names:
            self._paths[name] = shutil.which(name) or ""
        absent = [name for name in names if not self._paths[name]]
        if absent:
            raise SoundsError("a program is missing", [
                f"{name} is not on the PATH: run apt-get install {_PACKAGES[name]}" for name in absent])

    def speak(self, text: str, voice: str, targets: dict[int, Path], folder: Path) -> None:
        """`text` as 16 bit mono wav: each rate in Hz to its path. `folder` is for what lies between."""
        spoken, trimmed = folder / "spoken.wav", folder / "trimmed.wav"
        # As standard input, a text that begins with a hyphen is no option.
        self._run("espeak-ng", "-v", voice, "-s", _WORDS_A_MINUTE, "-w", str(spoken), "--stdin", given=text)
        self._run("sox", "-D", str(spoken), str(trimmed), *_TRIM, *_TRIM)
        measured = self._run("sox", str(trimmed), "-n", *_PAUSES, "stats")
        rms, peak = _RMS.search(measured), _PEAK.search(measured)
        if rms is None or peak is None:
            raise SoundsError(f"voice {voice} says nothing: {text!r}")
        gain = min(_LEVEL_DB - float(rms[1]), _PEAK_DB - float(peak[1]))
        for rate, target in targets.items():
            self._run("sox", "-D", str(trimmed), "-b", "16", "-c", "1", str(target),
                      "gain", f"{gain:.2f}", "rate", str(rate), "pad", "0.02", "0.07")

    def convert(self, source: Path, targets: dict[int, Path]) -> None:
        """A recording as 16 bit mono wav, as loud and long as it is; one that is so already is copied."""
        for rate, target in targets.items():
            if wav_fault(source, rate):
                self.need("sox")
                self._run("sox", "-D", str(source), "-b", "16", "-c", "1", "-r", str(rate), str(target))
            else:
                shutil.copyfile(source, target)

    def _run(self, name: str, *arguments: str, given: str = "") -> str:
        try:
            with _uninterrupted():
                done = subprocess.run(
                    [self._paths[name], *arguments], input=given, capture_output=True, encoding="utf-8",
                    errors="replace", timeout=_PATIENT_S, check=False)
        except subprocess.TimeoutExpired:
            raise SoundsError(f"{name} has not ended after {_PATIENT_S} s") from None
        except OSError as error:
            raise SoundsError(f"{name} cannot be run: {error.strerror}") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
            raise SoundsError(f"{name}: {said[-1]}")
        return done.stderr


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C comes when the program has ended: in the moment of its start it would hit what is no program yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wav_fault(path: Path, rate: int) -> str:
    """What makes `path` no 16 bit mono wav file of `rate` Hz with sound in it; "" of one that is."""
    try:
        with wave.open(str(path), "rb") as sound:
            found = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
            if found[2] != rate:
                return f"has {found[2]} samples a second instead of {rate}"
            if found[:2] != (1, 2):
                return f"has {found[0]} channels of {8 * found[1]} bit instead of one of 16"
            return "" if sound.getnframes() else "holds no sound"
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except (EOFError, wave.Error) as error:
        return f"is no wav file ({error or 'it ends too early'})"
