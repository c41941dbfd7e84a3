"""The switch's API commands, as `api` and `bgapi` run them. callcenter_config and originate are elsewhere."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

from fsapp.lab.cc_config import callcenter_config
from fsapp.lab.cc_json import json_command
from fsapp.lab.channel import Channel
from fsapp.lab.channel import Command as Execute
from fsapp.lab.originate import originate
from fsapp.lab.wire import Command, Sender, encode, reply
from fsapp.spawn import spawn

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["VERSION", "command", "run"]

Rows = list[dict[str, str]]

VERSION = "1.10.12-release"
_WORD = re.compile(r"'([^']*)'|(\S+)")
_MODULES = frozenset({"mod_callcenter", "mod_dptools", "mod_event_socket", "mod_dialplan_xml", "mod_loopback"})
_NO_CHANNEL = "-ERR No such channel!\n"
_USER = re.compile(r"\buser/([^@,|\s]+)@?([^,|\s]*)")
_REGISTERED_S = 3600


def words(text: str) -> list[str]:
    """An API command's arguments: split at spaces, single quotes keep them together."""
    return [quoted or bare for quoted, bare in _WORD.findall(text)]


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
    """What an API command prints."""
    name, _, arguments = text.strip().partition(" ")
    function = _COMMANDS.get(name.lower())
    if function is None:
        return f"-ERR {name} Command not found!\n"
    return function(switch, arguments.strip())


def _status(switch: Switch, _arguments: str) -> str:
    up = switch.clock.now() - switch.started_at
    days, rest = divmod(int(up), 86400)
    return (
        f"UP 0 years, {days} days, {rest // 3600} hours, {rest // 60 % 60} minutes, {rest % 60} seconds, "
        f"{int(up * 1000) % 1000} milliseconds, {int(up * 1_000_000) % 1000} microseconds\n"
        f"FreeSWITCH (Version {VERSION}  64bit) is ready\n{switch.sessions} session(s) since startup\n"
        f"{len(switch.channels)} session(s) - peak {len(switch.channels)}, last 5min {len(switch.channels)} \n"
        "0 session(s) per Sec out of max 500, peak 0, last 5min 0 \n100000 session(s) max\nmin idle cpu 0.00/97.00\n"
        "Current Stack Size/Max 240K/8192K\n"
    )


def _module_exists(_switch: Switch, arguments: str) -> str:
    return "true" if arguments in _MODULES else "false"


def _version(_switch: Switch, arguments: str) -> str:
    return VERSION if arguments == "short" else f"FreeSWITCH Version {VERSION}+lab~64bit ( 64bit)\n"


def _show(switch: Switch, arguments: str) -> str:
    asked = words(arguments)
    listing = _SHOWN.get(asked[0]) if asked else None
    if listing is None:
        return f"-USAGE: {'|'.join(_SHOWN)} [count|as json]\n"
    rows = listing(switch)
    if asked[1:2] == ["count"]:
        return f"\n{len(rows)} total.\n\n"
    if asked[1:] == ["as", "json"]:
        return json.dumps({"row_count": len(rows), **({"rows": rows} if rows else {})}, separators=(",", ":"))
    if not rows:
        return "\n0 total.\n"
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    return "\n".join(lines) + f"\n\n{len(rows)} total.\n"


def _channels(switch: Switch) -> Rows:
    return [_row(channel) for channel in switch.channels.values()]


def _calls(switch: Switch) -> Rows:
    return [_row(channel) for channel in switch.channels.values() if channel.direction == "inbound"]


def _bridged(switch: Switch) -> Rows:
    """Each pair of legs that talk, under the caller's."""
    return [
        {**_row(channel), **{f"b_{name}": text for name, text in _row(channel.other_leg).items()}}
        for channel in switch.channels.values()
        if channel.bridged and channel.other_leg is not None and channel.other_type == "originatee"
    ]


def _registrations(switch: Switch) -> Rows:
    """The phones of all agents whose contact is a user, but for those in `switch.unregistered`."""
    agents = [agent for agent in switch.callcenter.agents.values() if agent.name not in switch.unregistered]
    users = [found for agent in agents for found in _USER.findall(agent.contact)]
    return [{
        "reg_user": user, "realm": realm, "token": f"lab-{user}", "url": f"sofia/lab/sip:{user}@127.0.0.1",
        "expires": str(switch.clock.epoch() + _REGISTERED_S), "network_ip": "127.0.0.1", "network_port": "5060",
        "network_proto": "udp", "hostname": "lab", "metadata": "",
    } for user, realm in users]


_SHOWN: Mapping[str, Callable[[Switch], Rows]] = {
    "channels": _channels, "calls": _calls, "bridged_calls": _bridged, "registrations": _registrations,
}


def _global_getvar(switch: Switch, arguments: str) -> str:
    return switch.core_uuid if arguments == "core_uuid" else "-ERR no reply\n"


def _row(channel: Channel) -> dict[str, str]:
    profile = channel.profile
    then = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(channel.created_us / 1_000_000))
    return {
        "uuid": channel.uuid, "direction": channel.direction, "created": then,
        "created_epoch": str(channel.created_us // 1_000_000), "name": channel.name, "state": channel.state,
        "cid_name": profile.caller_id_name, "cid_num": profile.caller_id_number, "ip_addr": "",
        "dest": profile.destination_number, "application": channel.variables.get("current_application", ""),
        "application_data": channel.variables.get("current_application_data", ""), "dialplan": profile.dialplan,
        "context": profile.context, "read_codec": "L16", "read_rate": "8000", "read_bit_rate": "128000",
        "write_codec": "L16", "write_rate": "8000", "write_bit_rate": "128000", "secure": "", "hostname": "lab",
        "presence_id": "", "presence_data": "", "accountcode": "", "callstate": channel.call_state,
        "callee_name": profile.callee_name, "callee_num": profile.callee_number, "callee_direction": "",
        "call_uuid": channel.uuid, "sent_callee_name": "", "sent_callee_num": "",
        "initial_cid_name": profile.orig_name, "initial_cid_num": profile.orig_number, "initial_ip_addr": "",
        "initial_dest": channel.dialled, "initial_dialplan": profile.dialplan,
        "initial_context": profile.context,
    }


def _uuid_kill(switch: Switch, arguments: str) -> str:
    asked = words(arguments)
    channel = switch.channels.get(asked[0]) if asked else None
    if channel is None:
        return _NO_CHANNEL
    channel.hangup(asked[1].upper() if len(asked) > 1 else "NORMAL_CLEARING", "killed")
    return "+OK\n"


def _hupall(switch: Switch, arguments: str) -> str:
    asked = words(arguments)
    cause = asked[0].upper() if asked else "MANAGER_REQUEST"
    for channel in list(switch.channels.values()):
        if len(asked) < 3 or channel.variables.get(asked[1]) == asked[2]:
            channel.hangup(cause, "killed")
    return f"+OK hangup all channels with cause {cause}\n"


def _uuid_exists(switch: Switch, arguments: str) -> str:
    return "true" if arguments in switch.channels else "false"


def _uuid_getvar(switch: Switch, arguments: str) -> str:
    uuid, _, name = arguments.partition(" ")
    channel = switch.channels.get(uuid)
    return _NO_CHANNEL if channel is None else channel.get(name) or "_undef_"


def _uuid_setvar(switch: Switch, arguments: str) -> str:
    uuid, _, rest = arguments.partition(" ")
    name, _, value = rest.partition(" ")
    channel = switch.channels.get(uuid)
    if channel is None:
        return _NO_CHANNEL
    if not name:
        return "-USAGE: <uuid> <var> [value]\n"
    channel.set(name, value)
    return "+OK\n"


def _uuid_transfer(switch: Switch, arguments: str) -> str:
    asked = words(arguments)
    channel = switch.channels.get(asked[0]) if asked else None
    if channel is None:
        return _NO_CHANNEL
    if len(asked) < 2:
        return "-USAGE: <uuid> <dest-exten> [<dialplan>] [<context>]\n"
    channel.transfer(asked[1], asked[2] if len(asked) > 2 else "XML", asked[3] if len(asked) > 3 else "")
    return "+OK\n"


def _uuid_recv_dtmf(switch: Switch, arguments: str) -> str:
    uuid, _, digits = arguments.partition(" ")
    channel = switch.channels.get(uuid)
    if channel is None:
        return _NO_CHANNEL
    channel.press(digits.partition("@")[0])
    return "+OK\n"


def _uuid_broadcast(switch: Switch, arguments: str) -> str:
    asked = words(arguments)
    channel = switch.channels.get(asked[0]) if asked else None
    if channel is None:
        return _NO_CHANNEL
    channel.queue(Execute("playback", asked[1] if len(asked) > 1 else ""))
    return "+OK Message sent\n"


_COMMANDS: Mapping[str, Callable[[Switch, str], str]] = {
    "callcenter_config": lambda switch, arguments: callcenter_config(switch.callcenter, words(arguments)),
    "create_uuid": lambda _switch, _arguments: str(uuid4()),
    "echo": lambda _switch, arguments: arguments,
    "global_getvar": _global_getvar,
    "hupall": _hupall,
    "json": lambda switch, arguments: json_command(switch.callcenter, arguments),
    "originate": originate,
    "reloadxml": lambda _switch, _arguments: "+OK [Success]\n",
    "show": _show,
    "status": _status,
    "url_encode": lambda _switch, arguments: encode(arguments),
    "uuid_broadcast": _uuid_broadcast,
    "uuid_exists": _uuid_exists,
    "uuid_getvar": _uuid_getvar,
    "uuid_kill": _uuid_kill,
    "uuid_recv_dtmf": _uuid_recv_dtmf,
    "uuid_setvar": _uuid_setvar,
    "uuid_transfer": _uuid_transfer,
    "module_exists": _module_exists, "version": _version,
}
