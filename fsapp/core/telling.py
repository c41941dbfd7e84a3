"""What callers in a queue are told of place, wait and callback: where, how often, in which prompts. Plays nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from fsapp.core.speech import say_position, say_press, say_wait
from fsapp.core.wait import Estimate

__all__ = ["NOT_TOLD", "Telling", "file_list", "said", "telling_from"]

DEFAULT_EVERY_S = 60
KEYS = frozenset("0123456789*#")
LONGEST_S = 3600.0  # who waits longer is told the place alone
_SAFE = re.compile(r"/[A-Za-z0-9_.+-]+(?:/[A-Za-z0-9_.+-]+)*\Z", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Telling:
    """What a place tells those who wait in its queue: their `position`, the `wait`, every so often."""

    position: bool = False
    wait: bool = False
    every_s: int = DEFAULT_EVERY_S

    def __bool__(self) -> bool:
        return self.position or self.wait


NOT_TOLD = Telling()


def telling_from(spec: Mapping[str, Any], centre: Mapping[str, Any]) -> Telling:
    """What a stage or line of a checked document says, else the centre."""
    def of(name: str, default: Any) -> Any:
        found = spec.get(name)
        return centre.get(name, default) if found is None else found

    return Telling(of("tell_position", False), of("tell_wait", False), of("tell_every_s", DEFAULT_EVERY_S))


def said(telling: Telling, found: Estimate | None, language: str, key: str = "") -> list[str]:
    """The prompts for somebody of whom this is expected; empty where there is nothing that can be trusted.

    The wait is told as its interval, in minutes that are rounded outwards: it is not promised more exactly than known.
    `key`: the one with which this call asks to be called back.
    """
    prompts: list[str] = []
    if found is not None and telling.position and found.agents:
        prompts += say_position(found.position, language)
    if found is not None and telling.wait and not found.doubt and found.high_s <= LONGEST_S:
        most = 0 if found.high_s <= 60 else ceil(found.high_s / 60)
        prompts += say_wait(min(int(found.low_s // 60), most), most, language)
    if key in KEYS:
        prompts += ["callback-offer", *say_press(key, language)]
    return prompts


def file_list(sounds: str, language: str, prompts: list[str]) -> tuple[str, str]:
    """What the switch plays for these prompts, and the language: the call's own if it has one, else that of `sounds`.

    `sounds` is the switch's folder of one language, the others are beside it. Empty where the folder's name could be
    mistaken for something else in a command.
    """
    folder = sounds.rstrip("/")
    if not _SAFE.match(folder):
        return "", ""
    if _LANGUAGE.match(language):
        folder = f"{folder.rpartition('/')[0]}/{language}"
    language = folder.rpartition("/")[2]
    return "file_string://" + "!".join(f"{folder}/{prompt}.wav" for prompt in prompts), language
