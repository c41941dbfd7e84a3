"""The catalogue of prompts: catalogue.toml of the sounds folder, and the operator's own over it. Makes no sound."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsapp.errors import SoundsError

__all__ = ["OWN", "Catalogue", "read_catalogue"]

OWN = "own"
_FILE = "catalogue.toml"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_VOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_-]*")
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`voices`: espeak-ng's, by language. `texts`: what each prompt says, by id, then language."""

    voices: Mapping[str, str]
    texts: Mapping[str, Mapping[str, str]]

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.voices)

    def without_text(self, languages: tuple[str, ...]) -> Iterator[str]:
        """One line for each prompt that says nothing in some of the languages."""
        for prompt, texts in self.texts.items():
            absent = [language for language in languages if language not in texts]
            if absent:
                yield f"prompt {prompt} has no text in {', '.join(absent)}: add it to the catalogue"


def read_catalogue(folder: str | Path) -> Catalogue:
    """The prompts of FOLDER/catalogue.toml and, where it is there, FOLDER/own/catalogue.toml, which wins text by text.

    SoundsError with every fault of both.
    """
    faults: list[str] = []
    voices: dict[str, str] = {}
    texts: dict[str, dict[str, str]] = {}
    for path in (Path(folder) / _FILE, Path(folder) / OWN / _FILE):
        if path.parent.name == OWN and not path.exists():
            continue
        document = _read(path, faults)
        voices |= _voices(path, document.pop("voices", {}), faults)
        for prompt, found in _prompts(path, document.pop("prompt", {}), faults):
            texts.setdefault(prompt, {}).update(found)
        faults += [f"{path}: {key}: is none of voices, prompt" for key in document]
    unspoken = {language for found in texts.values() for language in found} - set(voices)
    if not faults:
        faults += [f"{Path(folder) / _FILE}: voices: there is none for language {one}" for one in sorted(unspoken)]
    if faults:
        raise SoundsError("the catalogue of prompts is wrong", faults)
    return Catalogue(voices, texts)


def _read(path: Path, faults: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{path}: cannot be read: {error.strerror}: it is the catalogue of prompts, see docs/sounds.md")
    except RecursionError:
        faults.append(f"{path}: is not TOML: nested too deeply")
    except ValueError as error:
        faults.append(f"{path}: is not TOML: {error}")
    return {}


def _voices(path: Path, found: object, faults: list[str]) -> dict[str, str]:
    if not isinstance(found, dict):
        faults.append(f'{path}: voices: is no table, write for example en = "en-gb" below [voices]')
        return {}
    for language, voice in found.items():
        if not _LANGUAGE.fullmatch(language):
            faults.append(f"{path}: voices.{language}: a language is two or three small letters")
        if not isinstance(voice, str) or not _VOICE.fullmatch(voice):
            faults.append(f"{path}: voices.{language}: {voice!r} is no voice of espeak-ng: `espeak-ng --voices`")
    return found


def _prompts(path: Path, found: object, faults: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    if not isinstance(found, dict):
        faults.append(f"{path}: prompt: is no table, write for example [prompt.welcome]")
        return
    for prompt, texts in found.items():
        if not _NAME.fullmatch(prompt):
            faults.append(f"{path}: prompt.{prompt}: an id is small letters and digits with hyphens between")
        elif not isinstance(texts, dict):
            faults.append(f'{path}: prompt.{prompt}: is no table, write for example en = "Hello."')
        else:
            faults += [f"{path}: prompt.{prompt}.{language}: {fault}" for language, text in texts.items()
                       if (fault := _text_fault(text))]
            yield prompt, texts


def _text_fault(text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        return "is no text"
    if not text.isprintable():
        return "holds a character that cannot be spoken, a line end perhaps"
    return f"is longer than {_LONGEST} characters" if len(text) > _LONGEST else ""
