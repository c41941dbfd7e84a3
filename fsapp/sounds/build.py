"""Which sounds are to be made, copied or left, and doing it. What is said is the catalogue's; how, is `making`'s.

A sound is made anew when what it is made of has changed: text, voice, recipe, or the operator's own recording. A file
that is not as it was made is somebody's work and is left alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fsapp.errors import SoundsError
from fsapp.sounds.catalogue import OWN, Catalogue
from fsapp.sounds.making import RECIPE, Tools
from fsapp.sounds.manifest import Manifest, of_file, of_words

__all__ = ["PLAIN", "RATES", "Built", "Wanted", "build", "wanted"]

PLAIN = 8000
RATES = (PLAIN, 16000)
_SAVE_EACH = 25  # what is made and not noted when the power fails would be taken for somebody's work


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file: its name below the folder of sounds, and what it is to be made of. `own`: the recording, if any."""

    name: str
    language: str
    prompt: str
    rate: int
    made_of: str
    own: Path | None = None


@dataclass(slots=True)
class Built:
    """Names of files, below the folder. `left`: they were changed by hand, and not by us."""

    made: list[str] = field(default_factory=list)
    copied: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    unchanged: int = 0


def wanted(catalogue: Catalogue, folder: Path, languages: Iterable[str], rates: Iterable[int]) -> Iterator[Wanted]:
    """Every file that there should be of the catalogue in `folder`/LANGUAGE, in the catalogue's order."""
    rates = tuple(rates)
    for language in languages:
        for prompt, texts in catalogue.texts.items():
            own = folder / OWN / language / f"{prompt}.wav"
            content = of_file(own)
            if not content and language not in texts:
                continue
            for rate in rates:
                words = (OWN, content) if content else (RECIPE, catalogue.voices[language], texts[language])
                yield Wanted(_name(language, prompt, rate), language, prompt, rate, of_words(*words, str(rate)),
                             own if content else None)


def build(
    catalogue: Catalogue, folder: Path, *, to: Path | None = None, languages: Iterable[str] = (),
    rates: Iterable[int] = (PLAIN,), force: bool = False,
) -> Built:
    """Make what has changed, in `folder` or in `to`; there, what `folder` has already is copied.

    Of a language that has 16 kHz files they are kept up to date, asked for or not: the switch takes them first.
    SoundsError when a program is missing; a sound that cannot be made is a fault of the result, and the others are.
    """
    target = to or folder
    languages = tuple(languages) or catalogue.languages
    built = Built()
    try:
        _folders(target, languages, rates)
        manifest, stock = Manifest(target), Manifest(folder)
        todo: list[list[Wanted]] = []
        for language in languages:
            there = [rate for rate in RATES if rate in (PLAIN, *rates) or _folder(target, language, rate).is_dir()]
            todo += _changed(list(wanted(catalogue, folder, [language], there)), manifest, target, built, force)
        rest = [sounds for sounds in todo if not _copy(sounds, folder, stock, target, manifest, built)]
        if any(sound.own is None for sounds in rest for sound in sounds):
            Tools().need("espeak-ng", "sox")
        try:
            _make(rest, catalogue, target, manifest, built)
            _remove_others(catalogue, folder, languages, target, manifest, built)
        finally:
            manifest.save()
    except OSError as error:
        raise SoundsError(f"{error.filename or target}: {error.strerror}") from None
    return built


def _changed(
    sounds: list[Wanted], manifest: Manifest, target: Path, built: Built, force: bool,
) -> Iterator[list[Wanted]]:
    """Those to be made, in groups of one prompt and language, which are spoken once for all rates."""
    groups: dict[str, list[Wanted]] = {}
    for sound in sounds:
        untouched = manifest.untouched(sound.name)
        if not force and untouched and manifest.made_of(sound.name) == sound.made_of:
            built.unchanged += 1
        elif not force and not untouched and (target / sound.name).exists():
            built.left.append(sound.name)
        else:
            groups.setdefault(sound.prompt, []).append(sound)
    yield from groups.values()


def _copy(
    sounds: list[Wanted], folder: Path, stock: Manifest, target: Path, manifest: Manifest, built: Built,
) -> bool:
    """Take them from `folder` if all of them are there as they should be."""
    if target == folder or not all(
            stock.made_of(sound.name) == sound.made_of and stock.untouched(sound.name) for sound in sounds):
        return False
    for sound in sounds:
        _put(folder / sound.name, target / sound.name)
        manifest.note(sound.name, sound.made_of)
        built.copied.append(sound.name)
    return True


def _make(
    todo: list[list[Wanted]], catalogue: Catalogue, target: Path, manifest: Manifest, built: Built,
) -> None:
    tools = Tools()
    for count, sounds in enumerate(todo, 1):
        try:
            with tempfile.TemporaryDirectory() as place:
                _make_one(sounds, tools, catalogue, target, Path(place))
        except SoundsError as error:
            built.faults.append(f"{sounds[0].language}/{sounds[0].prompt}: {error}")
            continue
        for sound in sounds:
            manifest.note(sound.name, sound.made_of)
            built.made.append(sound.name)
        if count % _SAVE_EACH == 0:
            manifest.save()


def _make_one(sounds: list[Wanted], tools: Tools, catalogue: Catalogue, target: Path, place: Path) -> None:
    first = sounds[0]
    made = {sound.rate: place / f"{sound.rate}.wav" for sound in sounds}
    if first.own is not None:
        tools.convert(first.own, made)
    else:
        tools.need("espeak-ng", "sox")
        language = first.language
        tools.speak(catalogue.texts[first.prompt][language], catalogue.voices[language], made, place)
    for sound in sounds:
        _put(made[sound.rate], target / sound.name)


def _put(source: Path, target: Path) -> None:
    """Whoever plays it meanwhile hears the old one or the new one."""
    new = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, new)
    os.replace(new, target)


def _remove_others(
    catalogue: Catalogue, folder: Path, languages: tuple[str, ...], target: Path, manifest: Manifest, built: Built,
) -> None:
    """Files that we made of prompts that there are no more."""
    stay = {sound.name for sound in wanted(catalogue, folder, languages, RATES)}
    for name in manifest.names:
        if name.partition("/")[0] in languages and name not in stay:
            if manifest.untouched(name):
                (target / name).unlink()
                built.removed.append(name)
            manifest.forget(name)


def _name(language: str, prompt: str, rate: int) -> str:
    return f"{language}/{prompt}.wav" if rate == PLAIN else f"{language}/{rate}/{prompt}.wav"


def _folder(target: Path, language: str, rate: int) -> Path:
    return target / language if rate == PLAIN else target / language / str(rate)


def _folders(target: Path, languages: Iterable[str], rates: Iterable[int]) -> None:
    for language in languages:
        for rate in (PLAIN, *rates):
            _folder(target, language, rate).mkdir(parents=True, exist_ok=True)
