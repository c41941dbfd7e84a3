"""made.json of a folder of sounds: what each file there was made of, and what it then was. Makes no sound."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from fsapp.errors import SoundsError

__all__ = ["Manifest", "of_file", "of_words"]

_FILE = "made.json"


def of_words(*words: str) -> str:
    """What a sound is made of, as sixteen hexadecimal digits."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


def of_file(path: Path) -> str:
    """The same of what is in a file; "" of one that is not there. OSError when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except FileNotFoundError:
        return ""


class Manifest:
    """Which files of `folder` were made, by their names below it, for example sr/welcome.wav."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, tuple[str, str]] = {}
        try:
            found = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            self._made = {str(name): (str(made_of), str(content)) for name, (made_of, content) in found.items()}
        except FileNotFoundError:
            pass
        except OSError as error:
            raise SoundsError(f"{folder / _FILE}: cannot be read: {error.strerror}") from None
        except (ValueError, AttributeError, TypeError):
            raise SoundsError(f"{folder / _FILE}: is not what `fsapp sounds build` writes: remove it, then build "
                              "with --force") from None

    @property
    def names(self) -> list[str]:
        return sorted(self._made)

    def made_of(self, name: str) -> str:
        return self._made[name][0] if name in self._made else ""

    def untouched(self, name: str) -> bool:
        """Whether the file is there and as it was made."""
        return name in self._made and of_file(self._folder / name) == self._made[name][1]

    def note(self, name: str, made_of: str) -> None:
        self._made[name] = (made_of, of_file(self._folder / name))

    def forget(self, name: str) -> None:
        del self._made[name]

    def save(self) -> None:
        """Write it, whole or not at all. OSError when it cannot be."""
        made = dict(sorted(self._made.items()))
        lines = [f" {json.dumps(name)}: {json.dumps(what)}" for name, what in made.items()]
        new = self._folder / f"{_FILE}.new"
        new.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        os.replace(new, self._folder / _FILE)
