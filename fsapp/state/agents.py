"""What is remembered of the agents, and with which run of each switch it was last brought together. Asks no switch.

The status itself is in `floor`, for all switches; here is what the link of one switch needs of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from redis import Redis

from fsapp.core.floor import RememberedStatus
from fsapp.state import keys
from fsapp.state.connection import redis_faults
from fsapp.state.floor import remember, remembered
from fsapp.state.stream import encode

__all__ = ["AgentMemory"]


class AgentMemory:
    """Every method raises StateUnavailable or StateRefused when Redis does not do it."""

    def __init__(self, client: Redis, switch: str) -> None:
        self._client = client
        self._switch = switch

    def read(self) -> tuple[dict[str, RememberedStatus], str]:
        """The status by agent, and the run of the switch (its core uuid), empty when there was none yet."""
        with redis_faults(self._client):
            run = self._client.hget(keys.AGENT_RUNS, self._switch)
        return remembered(self._client), run.decode(errors="replace") if run else ""

    def write(
        self, known: Mapping[str, RememberedStatus], forgotten: Iterable[str] = (), core_uuid: str = "",
        told: Iterable[dict[str, Any]] = (),
    ) -> None:
        """Remember `known` and forget some agents; where it is given, also the run of the switch these come from.

        `told`: the events that tell of it. They are in the stream when it is remembered, and only then.
        """
        remember(
            self._client, {**dict.fromkeys(forgotten), **known}, {self._switch: core_uuid} if core_uuid else {},
            [encode(event) for event in told])
