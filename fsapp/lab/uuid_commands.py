"""The switch's API commands about one leg, named by its uuid. Each is a function of the switch and its arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fsapp.lab.channel import Channel
from fsapp.lab.channel import Command as Execute
from fsapp.lab.headers import channel_block, serialize

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["UUID_COMMANDS", "words"]

_WORD = re.compile(r"'([^']*)'|(\S+)")
_NO_CHANNEL = "-ERR No such channel!\n"
_RECORD_USAGE = "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n"


def words(text: str) -> list[str]:
    """An API command's arguments: split at spaces, single quotes keep them together."""
    return [quoted or bare for quoted, bare in _WORD.findall(text)]


def _split(switch: Switch, arguments: str) -> tuple[Channel | None, list[str]]:
    asked = words(arguments)
    return (switch.channels.get(asked[0]) if asked else None), asked[1:]


def _kill(switch: Switch, arguments: str) -> str:
    channel, rest = _split(switch, arguments)
    if channel is None:
        return _NO_CHANNEL
    channel.hangup(rest[0].upper() if rest else "NORMAL_CLEARING", "killed")
    return "+OK\n"


def _exists(switch: Switch, arguments: str) -> str:
    return "true" if arguments in switch.channels else "false"


def _getvar(switch: Switch, arguments: str) -> str:
    uuid, _, name = arguments.partition(" ")
    if not name:
        return "-USAGE: <uuid> <var>\n"
    channel = switch.channels.get(uuid)
    return _NO_CHANNEL if channel is None else channel.get(name) or "_undef_"


def _setvar(switch: Switch, arguments: str) -> str:
    uuid, _, rest = arguments.partition(" ")
    name, _, value = rest.partition(" ")
    if not name:
        return "-USAGE: <uuid> <var> [value]\n"
    channel = switch.channels.get(uuid)
    if channel is None:
        return _NO_CHANNEL
    channel.set(name, value)
    return "+OK\n"


def _transfer(switch: Switch, arguments: str) -> str:
    channel, rest = _split(switch, arguments)
    if channel is None:
        return _NO_CHANNEL
    if not rest:
        return "-USAGE: <uuid> <dest-exten> [<dialplan>] [<context>]\n"
    channel.transfer(rest[0], rest[1] if len(rest) > 1 else "XML", rest[2] if len(rest) > 2 else "")
    return "+OK\n"


def _recv_dtmf(switch: Switch, arguments: str) -> str:
    channel, rest = _split(switch, arguments)
    if channel is None:
        return _NO_CHANNEL
    channel.press((rest[0] if rest else "").partition("@")[0])
    return "+OK\n"


def _broadcast(switch: Switch, arguments: str) -> str:
    channel, rest = _split(switch, arguments)
    if channel is None:
        return _NO_CHANNEL
    channel.queue(Execute("playback", rest[0] if rest else ""))
    return "+OK Message sent\n"


def _displace(switch: Switch, arguments: str) -> str:
    """What is played instead of all else is only told to observers; it goes on until it is stopped."""
    channel, rest = _split(switch, arguments)
    if len(rest) < 2 or rest[0] not in ("start", "stop"):
        return "-USAGE: <uuid> [start|stop] <path> [<limit>] [mux]\n"
    if channel is None:
        return "-ERR Cannot locate session!\n"
    if rest[0] == "stop" and channel.displaced != rest[1]:
        return "-ERR Cannot stop displace session!\n"
    channel.displaced = rest[1] if rest[0] == "start" else ""
    switch.publish("displaced", channel, files=channel.displaced)
    return "+OK Success\n"


def _dump(switch: Switch, arguments: str) -> str:
    channel, rest = _split(switch, arguments)
    if not arguments:
        return "-USAGE: <uuid> [format]\n"
    if channel is None:
        return _NO_CHANNEL
    text = serialize(switch.stamp("CHANNEL_DATA", None), (), channel_block(channel), ())
    if rest[:1] != ["json"]:
        return text
    pairs = (line.partition(": ") for line in text.splitlines() if line)
    return json.dumps({name: unquote(value, errors="surrogateescape") for name, _, value in pairs},
                      separators=(",", ":"))


def _record(switch: Switch, arguments: str) -> str:
    channel, rest = _split(switch, arguments)
    if len(rest) < 2 or rest[0].lower() not in ("start", "stop", "mask", "unmask"):
        return _RECORD_USAGE
    if channel is None:
        return "-ERR Cannot locate session!\n"
    what, path = rest[0].lower(), rest[1]
    if what == "start":
        done = channel.recordings.start(path)
    elif what == "stop":
        done = channel.recordings.stop(path)
    else:
        done = channel.recordings.mask(path, masked=what == "mask")
    failure = {"start": "Cannot record session", "stop": "Cannot stop record session"}
    return "+OK Success\n" if done else f"-ERR {failure.get(what, f'Cannot {what} recording session')}!\n"


UUID_COMMANDS: Mapping[str, Callable[[Switch, str], str]] = {
    "uuid_broadcast": _broadcast, "uuid_displace": _displace, "uuid_dump": _dump, "uuid_exists": _exists,
    "uuid_getvar": _getvar, "uuid_kill": _kill, "uuid_record": _record, "uuid_recv_dtmf": _recv_dtmf,
    "uuid_setvar": _setvar, "uuid_transfer": _transfer,
}
