"""The switch's API commands, as `api` and `bgapi` run them. Those about one leg, tables and queues are elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

from fsapp.lab.cc_config import callcenter_config
from fsapp.lab.cc_json import json_command
from fsapp.lab.headers import VERSION, up_time
from fsapp.lab.originate import originate
from fsapp.lab.show import show
from fsapp.lab.uuid_commands import UUID_COMMANDS, words
from fsapp.lab.wire import Command, Sender, encode, reply
from fsapp.spawn import spawn

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["VERSION", "answer", "command", "run"]

_NO_REPLY = "-ERR no reply\n"
_MODULES = frozenset({
    "mod_commands", "mod_console", "mod_dialplan_xml", "mod_dptools", "mod_event_socket", "mod_logfile", "mod_loopback",
    "mod_sndfile", "mod_sofia", "mod_tone_stream",
})
_FSCTL = {
    "ready_check": "true", "sps": "+OK sessions per second: 500\n", "max_sessions": "+OK max sessions: 100000\n",
    "last_sps": "+OK last sessions per second: 0\n", "pause_check": "false", "min_idle_cpu": "+OK min idle cpu: 0.00\n",
}


def command(switch: Switch, command: Command, sender: Sender) -> str | None:
    """Answer `api` and `bgapi`; None when it is another command."""
    verb, _, text = command.line.partition(" ")
    if verb.lower() == "api" and text:
        body = run(switch, text)
        return f"Content-Type: api/response\nContent-Length: {len(body.encode('utf-8', 'surrogateescape'))}\n\n{body}"
    if verb.lower() == "bgapi" and text:
        job = command.headers.get("job-uuid") or str(uuid4())
        sender.send(reply(f"+OK Job-UUID: {job}", f"Job-UUID: {job}"))
        spawn(_job, switch, job, text, name="lab-job")
        return ""
    return None


def _job(switch: Switch, job: str, text: str) -> None:
    name, _, arguments = text.partition(" ")
    body = run(switch, text)
    extra = [("Job-UUID", job), ("Job-Command", name), *([("Job-Command-Arg", arguments)] if arguments else [])]
    switch.fire("BACKGROUND_JOB", extra=extra, body=body)


def run(switch: Switch, text: str) -> str:
    """What an API command prints over the event socket; may wait."""
    body = answer(switch, text)
    if body is None:
        return f"-ERR {text.strip().partition(' ')[0]} Command not found!\n"
    return body or _NO_REPLY


def answer(switch: Switch, text: str) -> str | None:
    """What an API command prints; None: there is no such command. May wait."""
    name, _, arguments = text.strip().partition(" ")
    name = name.lower()
    function = _COMMANDS.get(name)
    if function is None or (name == "callcenter_config" and not switch.has_callcenter) or (
            name == "python" and not switch.scripts.there):
        return None
    return function(switch, arguments.strip())


def _status(switch: Switch, _arguments: str) -> str:
    count = len(switch.channels)
    return (
        f"UP {up_time(switch.clock.now() - switch.started_at)}\n"
        f"FreeSWITCH (Version {VERSION}  64bit) is ready\n{switch.sessions} session(s) since startup\n"
        f"{count} session(s) - peak {count}, last 5min {count} \n"
        "0 session(s) per Sec out of max 500, peak 0, last 5min 0 \n100000 session(s) max\nmin idle cpu 0.00/97.00\n"
        "Current Stack Size/Max 240K/8192K\n"
    )


def _module_exists(switch: Switch, arguments: str) -> str:
    more = {"mod_python3": switch.scripts.there, "mod_callcenter": switch.has_callcenter}
    if not arguments:
        return ""
    return "true" if more.get(arguments, arguments in _MODULES) else "false"


def _version(_switch: Switch, arguments: str) -> str:
    if arguments == "short":
        return f"{VERSION}\n"
    return f"FreeSWITCH Version {VERSION}~64bit ({VERSION if arguments else ''} 64bit)\n"


def _hupall(switch: Switch, arguments: str) -> str:
    asked = words(arguments)
    cause = asked[0].upper() if asked else "MANAGER_REQUEST"
    for channel in list(switch.channels.values()):
        if len(asked) < 3 or channel.variables.get(asked[1]) == asked[2]:
            channel.hangup(cause, "killed")
    return f"+OK hangup all channels with cause {cause}\n"


def _global_getvar(switch: Switch, arguments: str) -> str:
    if not arguments:
        return "".join(f"{name}={value}\n" for name, value in switch.variables.items())
    return switch.variables.get(arguments, "")


def _global_setvar(switch: Switch, arguments: str) -> str:
    name, separator, value = arguments.partition("=")
    if not separator:
        return "-USAGE: <var>=<value> [=<value2>]\n"
    switch.variables[name] = value
    return "+OK\n"


def _fsctl(_switch: Switch, arguments: str) -> str:
    if not arguments:
        return "-USAGE: [ready_check|sps|max_sessions|last_sps|pause_check|min_idle_cpu]\n"
    return _FSCTL.get(arguments.lower(), "-ERR Invalid command\nUSAGE: fsctl [...]\n")


_COMMANDS: Mapping[str, Callable[[Switch, str], str]] = {
    **UUID_COMMANDS,
    "callcenter_config": lambda switch, arguments: callcenter_config(
        switch.callcenter, switch.loader, words(arguments)),
    "create_uuid": lambda _switch, _arguments: str(uuid4()),
    "echo": lambda _switch, arguments: arguments,
    "fsctl": _fsctl,
    "global_getvar": _global_getvar,
    "global_setvar": _global_setvar,
    "hostname": lambda _switch, _arguments: "lab",
    "hupall": _hupall,
    "json": lambda switch, arguments: json_command(switch.callcenter, arguments),
    "module_exists": _module_exists,
    "originate": originate,
    "python": lambda switch, arguments: switch.scripts.fsapi(arguments),
    "reloadxml": lambda _switch, _arguments: "+OK [Success]\n",
    "show": lambda switch, arguments: show(switch, words(arguments)),
    "sofia_contact": lambda switch, arguments: switch.phones.contact(arguments),
    "status": _status,
    "strepoch": lambda switch, _arguments: str(switch.clock.epoch()),
    "url_encode": lambda _switch, arguments: encode(arguments),
    "version": _version,
}
