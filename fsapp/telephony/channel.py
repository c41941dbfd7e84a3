"""Picks what a visit reads out of a message of the event socket. Cleans nothing: what it means is core.visit's."""

from __future__ import annotations

import re
from typing import Protocol

from fsapp.core import visit
from fsapp.core.visit import HEADERS, Arrival

__all__ = ["Headers", "read_arrival"]


class Headers(Protocol):
    """A message of the event socket: headers decoded once, and only those that are wanted."""

    def pick(self, wanted: re.Pattern[bytes]) -> dict[str, str]: ...


def _after(start: str) -> str:
    """The names of HEADERS that begin with `start`, without it, as a choice."""
    return "(?:" + "|".join(name.removeprefix(start) for name in HEADERS if name.startswith(start)) + ")"


# What many names begin with is looked at once: the block has some 160 lines.
_WANTED = re.compile(
    rf"\n(Unique-ID|Event-Date-Timestamp|Caller-{_after('Caller-')}"
    rf"|variable_(?:fsapp_{_after('variable_fsapp_')}|cc_{_after('variable_cc_')}"
    rf"|sip_h_{_after('variable_sip_h_')})):([^\n]*)".encode()
)


def read_arrival(data: Headers, region: str) -> Arrival:
    """The call behind one CHANNEL_DATA block; `region` is the centre's default region for numbers."""
    return visit.read_arrival(data.pick(_WANTED), region)
