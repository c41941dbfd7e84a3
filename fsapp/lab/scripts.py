"""mod_python3 in the lab: imports and reloads a script for every call of it, and calls what it defines.

Behaviour as of FreeSWITCH 1.10.12: a script that is missing, does not load or raises is logged as an error, and the
call goes on with the next action of its dialplan. Knows no particular script.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from gevent.lock import RLock

from fsapp.lab import freeswitch
from fsapp.log import get_logger

if TYPE_CHECKING:
    from fsapp.lab.channel import Channel
    from fsapp.lab.switch import Switch

__all__ = ["FOLDER", "Scripts"]

_log = get_logger("lab")
FOLDER = Path(__file__).parents[2] / "scripts/switch"
_SMALL = 1031       # bytes of text that fit into the largest block glibc keeps for a thread
_OVERWRITTEN = 16
_LOADING = RLock()         # loading may wait (a script that reads something), and sys.path is everybody's
_FOLDERS: set[Path] = set()  # of the scripts of all switches of this process


class Scripts:
    """The scripts of one switch. `xml_handler` is bound to the configuration, as in python.conf; empty: none is."""

    def __init__(self, switch: Switch, folder: Path | None, xml_handler: str = "") -> None:
        self._switch = switch
        self._folder = folder.resolve() if folder is not None else None
        if self._folder is not None:
            _FOLDERS.add(self._folder)
        self.xml_handler = xml_handler

    @property
    def there(self) -> bool:
        """Whether this switch has mod_python3: it does where there is a folder of scripts."""
        return self._folder is not None and self._folder.is_dir()

    def handler(self, channel: Channel, data: str) -> None:
        """The application `python MODULE ARGS`."""
        self._call("handler", data, freeswitch.Session(channel))

    def fsapi(self, data: str) -> str:
        """The API command `python MODULE ARGS`: what it prints."""
        stream = freeswitch.Stream()
        self._call("fsapi", data, "na", stream, freeswitch.Event([("Event-Name", "API")]))
        return stream.get_data()

    def xml_fetch(self, params: Sequence[tuple[str, str]]) -> str:
        """What the switch reads of what the script bound to the configuration answers; nothing where it fails."""
        if not self.there or not self.xml_handler:
            return ""
        answer = self._call("xml_fetch", self.xml_handler, freeswitch.Event(params))
        return _after_free(answer) if isinstance(answer, str) else ""

    def _call(self, function: str, data: str, *before: Any) -> Any:
        name, _, arguments = data.strip().partition(" ")
        if not name:
            _log.error("no_script_named", function=function)
            return None
        name, _, other = name.partition("::")
        token = freeswitch.SWITCH.set(self._switch)
        try:
            return getattr(self._load(name), other or function)(*before, arguments.strip())
        except SystemExit:
            return None  # a script may leave so
        except Exception:  # noqa: BLE001 - whatever a script does, the call goes on
            _log.exception("script_failed", script=name, function=other or function)
            return None
        finally:
            freeswitch.SWITCH.reset(token)

    def _load(self, name: str) -> ModuleType:
        freeswitch.install()
        with _LOADING, self._path():
            loaded = sys.modules.get(name)
            if loaded is not None and _folder_of(loaded) in _FOLDERS - {self._folder}:
                del sys.modules[name]  # another switch's script of this name
            return importlib.reload(importlib.import_module(name))

    @contextmanager
    def _path(self) -> Iterator[None]:
        folder = str(self._folder)
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def _after_free(answer: str) -> str:
    """An answer as mod_python3 of 1.10.12 hands it on: it frees it first.

    Of a freed block of up to a kilobyte all but the first 16 bytes are still there; what becomes of a longer one is
    anybody's guess: here it is lost.
    """
    if len(answer.encode("utf-8", "surrogateescape")) > _SMALL:
        _log.error("answer_freed", size=len(answer), advice="mod_python3 frees an answer before the switch reads it")
        return ""
    return " " * _OVERWRITTEN + answer[_OVERWRITTEN:]


def _folder_of(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).parent if file else None
