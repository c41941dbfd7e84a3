"""Whether the sounds are there and as the catalogue wants them. Makes and mends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fsapp.errors import SoundsError
from fsapp.sounds.build import PLAIN, RATES, Wanted, wanted
from fsapp.sounds.catalogue import OWN, Catalogue
from fsapp.sounds.making import wav_fault
from fsapp.sounds.manifest import Manifest

__all__ = ["Checked", "check"]

_BUILD = "run `fsapp sounds build`"


@dataclass(frozen=True, slots=True)
class Checked:
    """How many files were looked at, how many of them are recordings of the operator's own; one line a fault."""

    files: int
    own: int
    faults: tuple[str, ...]


def check(
    catalogue: Catalogue, folder: Path, *, to: Path | None = None, languages: Iterable[str] = (),
) -> Checked:
    """Look at the sounds of `folder`, or those that were brought to `to`. SoundsError when they cannot be looked at."""
    target, languages = to or folder, tuple(languages) or catalogue.languages
    faults = list(catalogue.without_text(languages))
    files = own = 0
    try:
        manifest = Manifest(target)
        for sound in wanted(catalogue, folder, languages, RATES):
            if sound.rate != PLAIN and not (target / sound.name).exists():
                continue
            files += 1
            own += sound.own is not None
            fault = _fault(sound, target, manifest)
            if fault:
                faults.append(f"{target / sound.name} {fault}")
        faults += _strays(catalogue, folder)
    except OSError as error:
        raise SoundsError(f"{error.filename or target}: {error.strerror}") from None
    return Checked(files, own, tuple(faults))


def _fault(sound: Wanted, target: Path, manifest: Manifest) -> str:
    path = target / sound.name
    fault = wav_fault(path, sound.rate)
    if fault:
        return f"{fault}: {_BUILD}"
    if manifest.untouched(sound.name) and manifest.made_of(sound.name) != sound.made_of:
        return f"is out of date, its text or recording has changed: {_BUILD}"
    if sound.own is not None and manifest.made_of(sound.name) != sound.made_of:
        return f"is not the recording {sound.own}: {_BUILD}"
    return ""


def _strays(catalogue: Catalogue, folder: Path) -> Iterator[str]:
    """Recordings that would never be heard."""
    place = folder / OWN
    for path in sorted(place.rglob("*")):
        parts = path.relative_to(place).parts
        if path.is_dir() or parts == ("catalogue.toml",):
            continue
        known = len(parts) == 2 and parts[0] in catalogue.languages and path.suffix == ".wav"
        if not known:
            yield f"{path} is never heard: a recording is {place}/LANGUAGE/PROMPT.wav"
        elif not path.is_file():
            yield f"{path} is never heard: there is no such file where it leads"
        elif path.stem not in catalogue.texts:
            yield f"{path} is never heard: {path.stem} is no prompt of the catalogue"
