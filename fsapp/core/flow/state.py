"""Where a caller is in a flow: a value, and the same as variables of the call, so that another visit can go on.

Pure. What comes back from the call is bounded and looked at again, though nobody but fsapp writes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fsapp.core.clean import clean_name

__all__ = [
    "ASKING", "MAX_PATH", "NO_STATE", "State", "asking", "clean_value", "left", "read_language",
    "read_state", "written",
]

ASKING = "callback"  # the block of those who have pressed a queue's key
MAX_PATH = 200      # blocks a caller may go through
MAX_VALUE = 64
MAX_VALUES = 20
_MAX_TEXT = 1900    # of a variable: command.MAX_VALUE cuts at 2000
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class State:
    """`block`: where the caller is; `path`: the blocks behind, this one included; `tries`: those that failed here.

    `typed`: digits that wait to be confirmed. `language`: None while none was chosen. `version`: of the rules
    it began with. An empty `flow`: what is asked of somebody who has pressed a queue's key.
    """

    flow: str
    block: str
    version: int = 0
    language: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    tries: int = 0
    typed: str | None = None


NO_STATE: Mapping[str, str] = dict.fromkeys((
    "fsapp_flow", "fsapp_block", "fsapp_flow_rules", "fsapp_flow_language", "fsapp_flow_values", "fsapp_flow_path",
), "")


def clean_value(text: str) -> str:
    """A value as flows keep it: one line of at most MAX_VALUE characters that breaks nothing it is written into."""
    return " ".join(re.sub("[;=&%]", " ", clean_name(text)).split())[:MAX_VALUE].strip()


def written(state: State) -> dict[str, str]:
    """The variables of a call that hold where its caller is. Of a long path the end is kept.

    At a queue's key it is the block alone: the others are of the flow that the caller came through before.
    """
    if not state.flow:
        return {"fsapp_block": state.block}
    values = ";".join(f"{name}={value}" for name, value in list(state.values.items())[:MAX_VALUES])
    path = ",".join(state.path)
    if len(path) > _MAX_TEXT:
        path = path[-_MAX_TEXT:].partition(",")[2]
    return {
        "fsapp_flow": state.flow, "fsapp_block": state.block, "fsapp_flow_rules": str(state.version),
        "fsapp_flow_language": state.language or "", "fsapp_flow_values": values[:_MAX_TEXT], "fsapp_flow_path": path,
    }


def left(state: State) -> dict[str, str]:
    """The variables of a call that has been through a flow: what it brought stays, and nobody goes on in it."""
    return {**written(state), "fsapp_block": ""}


def asking(found: Mapping[str, str]) -> State:
    """Where the caller is who has pressed a queue's key: at the beginning, in the language of the flow before."""
    return State("", ASKING, language=read_language(found))


def read_language(found: Mapping[str, str]) -> str | None:
    """The language that the caller has chosen in a flow; None for none."""
    language = found.get("fsapp_flow_language", "")
    return language if _NAME.match(language) else None


def read_state(found: Mapping[str, str]) -> State | None:
    """Where a call's variables say that its caller is; None where they do not say it. Tries begin anew."""
    flow, block = found.get("fsapp_flow", ""), found.get("fsapp_block", "")
    if not _NAME.match(flow) or not _NAME.match(block):
        return None
    version = found.get("fsapp_flow_rules", "")
    values = {}
    for item in found.get("fsapp_flow_values", "").split(";")[:MAX_VALUES]:
        name, _, value = item.partition("=")
        if _NAME.match(name):
            values[name] = clean_value(value)
    path = [name for name in found.get("fsapp_flow_path", "").split(",") if _NAME.match(name)]
    return State(
        flow, block, int(version) if version.isdecimal() and len(version) < 16 else 0,
        read_language(found), values, tuple(path[-MAX_PATH:]),
    )
