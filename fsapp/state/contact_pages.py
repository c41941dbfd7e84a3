"""All contacts that Redis has, page by page, as readers see them. Changes nothing, keeps nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import redis

from fsapp.log import get_logger, mask
from fsapp.state import keys
from fsapp.state.connection import redis_faults
from fsapp.state.contacts import Entry, Visibility, unpack

__all__ = ["ContactPages", "Page"]

_AT_ONCE = 1000
_log = get_logger("contacts")


class Page(NamedTuple):
    """Numbers at a place of SCAN, and the place after them, 0 at the end. A number may come twice."""

    numbers: list[str]
    after: int


class ContactPages:
    """Reads them. Everything raises StateUnavailable or StateRefused when Redis does not do it."""

    def __init__(self, client: redis.Redis, *, at_once: int = _AT_ONCE) -> None:
        self._client = client
        self._at_once = at_once

    def run(self) -> str:
        """Which run of Redis this is: places of SCAN mean nothing to another."""
        with redis_faults(self._client):
            return str(self._client.info("server")["run_id"])

    def finished(self) -> int:
        """How many imports have ended, counted from some beginning: another number than before means a new one."""
        with redis_faults(self._client):
            state = Visibility.parse(self._client.get(keys.IMPORTS))
        return int(state.newest) - len(state.pending) if state.newest < float("inf") else 0

    def page(self, place: int) -> Page:
        """The numbers at `place`, 0 for the beginning. What is there from then until the end is read at least once."""
        with redis_faults(self._client):
            after, found = self._client.scan(place, match=keys.ALL_CONTACTS, count=self._at_once)
        numbers = [(keys.number_of(key), key) for key in found]
        return Page([number for number, key in numbers if keys.contacts(number).encode() == key], int(after))

    def read(self, numbers: Sequence[str]) -> dict[str, Mapping[str, Entry]]:
        """The visible entries by stage id of each number, none for one that is no contact.

        Numbers whose value cannot be read are left out; the log says so.
        """
        if not numbers:
            return {}
        with redis_faults(self._client):
            state, *values = self._client.execute_command("MGET", keys.IMPORTS, *map(keys.contacts, numbers))
        visibility = Visibility.parse(state)
        found: dict[str, Mapping[str, Entry]] = {}
        for number, value in zip(numbers, values, strict=True):
            try:
                entries = unpack(value) if value else {}
            except ValueError as error:
                _log.warning("bad_value", key=mask(keys.contacts(number)), error=repr(error))
                continue
            found[number] = dict(_seen(visibility, entries.items()))
        return found


def _seen(visibility: Visibility, entries: Iterable[tuple[str, Entry]]) -> Iterable[tuple[str, Any]]:
    for stage_id, entry in entries:
        seen = visibility.of(entry)
        if seen is not None:
            yield stage_id, seen._replace(previous=None, batch=0)
