"""The record that mod_json_cdr writes of each ended leg, as conf/freeswitch has it written. Tells nobody of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsapp.lab.wire import encode

if TYPE_CHECKING:
    from fsapp.lab.channel import Channel

__all__ = ["record_of", "write_record"]


def write_record(folder: Path, channel: Channel) -> None:
    """Write the record of a leg that is hung up to UUID.cdr.json."""
    path = folder / f"{channel.uuid}.cdr.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record_of(channel)), encoding="ascii")
    os.replace(part, path)


def record_of(channel: Channel) -> dict[str, Any]:
    """The record as a value: variables URL-encoded once, profiles newest first."""
    times = {"start": channel.created_us, "profile_start": channel.profile.created_us, "answer": channel.answered_us,
             "bridge": channel.bridged_us, "end": channel.hangup_us}
    variables = dict(channel.variables)
    for name, micro in times.items():
        variables |= {f"{name}_uepoch": str(micro), f"{name}_epoch": str(micro // 1_000_000)}
    profiles = [channel.profile, *([channel.first_profile] if channel.first_profile is not channel.profile else [])]
    return {
        "core-uuid": channel.switch.core_uuid, "switchname": "lab",
        "channel_data": {"state": channel.state, "direction": channel.direction},
        "variables": {name: encode(value) for name, value in variables.items()},
        "callflow": [{"caller_profile": {
            "caller_id_name": encode(one.caller_id_name), "caller_id_number": encode(one.caller_id_number),
            "destination_number": encode(one.destination_number), "context": one.context,
        }} for one in profiles],
    }
