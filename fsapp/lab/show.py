"""The tables of `show`: channels, calls, registrations; columns and order of the real switch. Changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fsapp.lab.channel import Channel

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["show"]

_USAGE = (
    "-USAGE: codec|endpoint|application|api|dialplan|file|timer|calls [count]|channels [count|like <match string>]|"
    "calls|detailed_calls|bridged_calls|detailed_bridged_calls|aliases|complete|chat|management|modules|nat_map|say|"
    "interfaces|interface_types|tasks|limits|status\n"
)
# Columns of a leg in `show calls`, those of its other leg with b_ before them.
_LEG = (
    "uuid", "direction", "created", "created_epoch", "name", "state", "cid_name", "cid_num", "ip_addr", "dest",
    "presence_id", "presence_data", "accountcode", "callstate", "callee_name", "callee_num", "callee_direction",
)
Row = dict[str, str]


def show(switch: Switch, words: Sequence[str]) -> str:
    """What `show WORDS` prints."""
    rows_of = _TABLES.get(words[0].lower()) if words else None
    if rows_of is None:
        return _USAGE
    rows = rows_of(switch)
    as_json = [word.lower() for word in words[-2:]] == ["as", "json"]
    if words[1:2] == ["count"]:
        return f'{{"row_count":{len(rows)},"rows":[]}}' if as_json else f"\n{len(rows)} total.\n"
    if as_json:
        if not rows:
            return '{"row_count": 0}\n'
        return json.dumps({"row_count": len(rows), "rows": rows}, separators=(",", ":"), ensure_ascii=False)
    if not rows:
        return "\n0 total.\n"
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    return "\n".join(lines) + f"\n\n{len(rows)} total.\n"


def _channels(switch: Switch) -> list[Row]:
    return [_channel(channel) for channel in switch.channels.values()]


def _channel(channel: Channel) -> Row:
    profile, first = channel.profile, channel.first_profile
    codec = {"codec": "L16", "rate": "8000", "bit_rate": "128000"}
    return {
        **_leg(channel, _LEG[:10]), "application": channel.variables.get("current_application", ""),
        "application_data": channel.variables.get("current_application_data", ""), "dialplan": profile.dialplan,
        "context": profile.context, **{f"read_{key}": value for key, value in codec.items()},
        **{f"write_{key}": value for key, value in codec.items()}, "secure": "", "hostname": "lab",
        **_leg(channel, _LEG[10:]), "call_uuid": channel.variables.get("call_uuid", ""),
        "sent_callee_name": "", "sent_callee_num": "", "initial_cid_name": first.caller_id_name,
        "initial_cid_num": first.caller_id_number, "initial_ip_addr": "", "initial_dest": first.destination_number,
        "initial_dialplan": first.dialplan, "initial_context": first.context,
    }


def _leg(channel: Channel, columns: Sequence[str]) -> Row:
    profile, epoch = channel.profile, channel.created_us // 1_000_000
    known = {
        "uuid": channel.uuid, "direction": channel.direction,
        "created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(epoch)), "created_epoch": str(epoch),
        "name": channel.name, "state": channel.state, "cid_name": profile.caller_id_name,
        "cid_num": profile.caller_id_number, "dest": profile.destination_number, "callstate": channel.call_state,
        "callee_name": profile.callee_name, "callee_num": profile.callee_number,
    }
    return {name: known.get(name, "") for name in columns}


def _calls(switch: Switch) -> list[Row]:
    """One row for two legs that talk to each other, and one for every other leg."""
    rows = []
    for channel in switch.channels.values():
        other = channel.other_leg if channel.bridged else None
        if other is None or channel.other_type == "originatee":
            rows.append(_call(channel, other))
    return sorted(rows, key=lambda row: row["call_created_epoch"])


def _call(channel: Channel, other: Channel | None) -> Row:
    row = _leg(channel, _LEG) | {
        "call_uuid": channel.variables.get("call_uuid", ""), "hostname": "lab", "sent_callee_name": "",
        "sent_callee_num": "",
    }
    theirs = dict.fromkeys(_LEG, "") if other is None else _leg(other, _LEG)
    row |= {f"b_{name}": value for name, value in theirs.items()}
    epoch = "" if other is None else str(channel.bridged_us // 1_000_000)
    return row | {"b_sent_callee_name": "", "b_sent_callee_num": "", "call_created_epoch": epoch}


def _bridged_calls(switch: Switch) -> list[Row]:
    return [row for row in _calls(switch) if row["b_uuid"]]


def _registrations(switch: Switch) -> list[Row]:
    return [
        {
            "reg_user": phone.user, "realm": phone.domain, "token": f"{phone.port:016x}", "url": phone.url,
            "expires": str(switch.clock.epoch() + 60), "network_ip": "127.0.0.1", "network_port": str(phone.port),
            "network_proto": "udp", "hostname": "lab", "metadata": "",
        }
        for phone in switch.phones.there()
    ]


_TABLES: Mapping[str, Callable[[Switch], list[Row]]] = {
    "channels": _channels, "calls": _calls, "bridged_calls": _bridged_calls, "registrations": _registrations,
}
