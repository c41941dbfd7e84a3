"""The event stream for one reader who must miss nothing: a consumer group. Keeps nothing, and reads no event's content.

Redis remembers what was handed out and not said to be done; a reader who was killed is given it again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis

from fsapp.state import keys, stream
from fsapp.state.connection import redis_faults

__all__ = ["RECORDER", "Entry", "GroupReader"]

RECORDER = "recorder"
_MOST = 500
Entry = tuple[str, bytes | None]  # place and event as it stands there; None: it has been cut off the stream


class GroupReader:
    """Reads the event stream as group `name`. Everything raises StateUnavailable or StateRefused when Redis fails.

    There is one consumer, of the same name: whoever reads next goes on with what this one has not finished.
    """

    def __init__(self, client: redis.Redis, name: str = RECORDER) -> None:
        self._client = client
        self._name = name

    def start(self, place: str | None) -> None:
        """Be ready to read all that comes after `place` (None: all there is) or has been handed out and not finished.

        Makes the group where there is none. What it has been handed beyond `place` is read again: the reader's word
        on how far it has come counts, not Redis's. A place beyond the stream's end is that of another stream.
        """
        self.make()
        with redis_faults(self._client):
            groups = {group["name"].decode(): group for group in self._client.xinfo_groups(keys.EVENTS)}
            handed = groups[self._name]["last-delivered-id"].decode()
            wanted = place or stream.BEGINNING
            if _order(wanted) < _order(handed):
                self._client.xgroup_setid(keys.EVENTS, self._name, wanted)

    def make(self) -> None:
        """Make the group where there is none, to read from the beginning of the stream."""
        with redis_faults(self._client):
            try:
                self._client.xgroup_create(keys.EVENTS, self._name, stream.BEGINNING, mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def unfinished(self, count: int = _MOST) -> list[Entry]:
        """What was handed out and not finished, oldest first."""
        return self._read(stream.BEGINNING, count, None)

    def new(self, count: int = _MOST, block_s: float = 1.0) -> list[Entry]:
        """What nobody of the group has been handed, oldest first; waits so long for the first."""
        limit_s = self._client.connection_pool.connection_kwargs.get("socket_timeout") or block_s * 2
        return self._read(">", count, max(1, int(min(block_s, limit_s / 2) * 1000)))

    def finished(self, places: Sequence[str]) -> None:
        """Not to be handed out again."""
        if places:
            with redis_faults(self._client):
                self._client.xack(keys.EVENTS, self._name, *places)

    def cut_off_after(self, place: str) -> tuple[str, str] | None:
        """Whether events after `place` may have been cut off the stream: from which place to which, None if not.

        Streams are cut from their beginning: as long as the event at `place` is there, all later ones are.
        """
        with redis_faults(self._client):
            if self._client.xrange(keys.EVENTS, place, place, count=1):
                return None
            last = self._last()
            if _order(last) <= _order(place):
                return None
            oldest = self._client.xrange(keys.EVENTS, count=1)
        first = oldest[0][0].decode() if oldest else last
        return (place, first) if _order(first) > _order(place) else None

    def lag_s(self, place: str | None, now: float | None = None) -> float:
        """For how many seconds the oldest event after `place` has been waiting; 0 where there is none."""
        after = f"({place}" if place else "-"
        with redis_faults(self._client):
            waiting = self._client.xrange(keys.EVENTS, after, "+", count=1)
        if not waiting:
            return 0.0
        return max(0.0, (time.time() if now is None else now) - _order(waiting[0][0].decode())[0] / 1000)

    def _read(self, since: str, count: int, block_ms: int | None) -> list[Entry]:
        with redis_faults(self._client):
            try:
                answer = self._client.xreadgroup(
                    self._name, self._name, {keys.EVENTS: since}, count=count, block=block_ms)
            except redis.ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                # Redis has lost its data, or part of it.
                self.make()
                return []
        return [
            (place.decode(), fields.get(stream.FIELD, b"") if fields else None)
            for _stream, entries in answer or () for place, fields in entries
        ]

    def _last(self) -> str:
        said = self._client.xinfo_stream(keys.EVENTS)
        return said["last-generated-id"].decode()


def _order(place: str) -> tuple[int, int]:
    major, _, minor = place.partition("-")
    return int(major), int(minor or 0)
