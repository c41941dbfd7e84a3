"""The contacts of one customer: how they are written down, which of them are visible, and single changes.

The value of a customer's key is one msgpack map, stage id -> entry; an entry is an array with its default tail cut off.
An import writes entries that carry its batch and hold the entry they replace; as long as the batch is pending, readers
see the replaced one (see `imports`). A single change is told to the event stream, an import is not: who keeps contacts
elsewhere reads them (`contact_pages`). Does not read files.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple
from uuid import uuid4

import msgpack
import redis

from fsapp.errors import StateError, StateRefused
from fsapp.log import get_logger
from fsapp.state import keys, scripts, stream
from fsapp.state.connection import address, redis_faults

__all__ = ["ALL_VISIBLE", "Contacts", "Entry", "Visibility", "pack", "unpack"]

_ATTEMPTS = 20
_CUT = (None, "", {})
_DEEPEST = 20
_MAX_DIGITS = 18
_PAGE = 1000
_log = get_logger("contacts")


class Entry(NamedTuple):
    """One contact in one stage. Times are epoch seconds, `fields` the contact's own columns, `batch` 0 is no import."""

    open: bool = True
    batch: int = 0
    name: str = ""
    agent: str | None = None
    attempted_at: float | None = None
    priority: int | None = None
    due_at: float | None = None
    timezone: str | None = None
    list: str | None = None
    fields: Mapping[str, str] = {}
    previous: Entry | None = None


@dataclass(frozen=True, slots=True)
class Visibility:
    """Which import batches readers may not see yet: those that are pending and those newer than the newest known."""

    newest: float
    pending: frozenset[int]

    @classmethod
    def parse(cls, state: bytes | None) -> Visibility:
        """From the value of the imports' state; without one there is nothing to hide."""
        newest, _, pending = (state or b"").decode("ascii", "replace").partition(":")
        if not _is_batch(newest):
            return ALL_VISIBLE
        return cls(int(newest), frozenset(int(batch) for batch in pending.split(",") if _is_batch(batch)))

    def hides(self, batch: int) -> bool:
        return batch in self.pending or batch > self.newest

    def of(self, entry: Entry | None) -> Entry | None:
        """The entry that readers see: this one, or one it replaces, or None."""
        while entry is not None and self.hides(entry.batch):
            entry = entry.previous
        return entry


ALL_VISIBLE = Visibility(math.inf, frozenset())


def _is_batch(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MAX_DIGITS


def pack(entries: Mapping[str, Entry]) -> bytes:
    """The value of a customer's key; b"" (no key at all) for no entries."""
    return msgpack.packb({stage: _wire(entry) for stage, entry in entries.items()}) if entries else b""


def _wire(entry: Entry) -> list[Any]:
    values: list[Any] = list(entry)
    if entry.previous is not None:
        values[-1] = _wire(entry.previous)
    while values[-1] in _CUT:
        values.pop()
    return values


def unpack(value: bytes) -> dict[str, Entry]:
    """The entries of a customer's key; ValueError when it is something else."""
    try:
        content = msgpack.unpackb(value)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"not msgpack: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("not a map")
    return {_stage(stage): _entry(values) for stage, values in content.items()}


def _stage(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a stage that is no text")
    return value


def _entry(values: Any, depth: int = 0) -> Entry:
    try:
        entry = Entry(*values)
    except TypeError as error:
        raise ValueError(f"not an entry: {error}") from None
    open_, batch, name, agent, attempted_at, priority, due_at, timezone, list_, fields, previous = entry
    # Written out: this runs for every contact of every call.
    if not (
        (open_ is True or open_ is False) and isinstance(batch, int) and isinstance(name, str)
        and (agent is None or isinstance(agent, str))
        and (attempted_at is None or isinstance(attempted_at, (int, float)))
        and (priority is None or isinstance(priority, int))
        and (due_at is None or isinstance(due_at, (int, float)))
        and (timezone is None or isinstance(timezone, str))
        and (list_ is None or isinstance(list_, str))
        and isinstance(fields, dict) and depth < _DEEPEST
    ):
        raise ValueError("not an entry")
    if previous is not None:
        return entry._replace(previous=_entry(previous, depth + 1))
    return entry


class Contacts:
    """Single contacts. Every method raises StateUnavailable or StateRefused when Redis does not do it.

    Changes are compare-and-set, so they and a running import never lose each other's work. What is done to a contact
    while an import that has already written it is still pending holds for both: for what readers see now, and for what
    they will see.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._swap = client.register_script(scripts.SWAP)

    def get(self, number: str) -> dict[str, Entry]:
        """The visible entries of a customer by stage id."""
        with redis_faults(self._client):
            state, value = self._client.mget(keys.IMPORTS, keys.contacts(number))
        visibility = Visibility.parse(state)
        seen = {stage: visibility.of(entry) for stage, entry in self._unpack(number, value).items()}
        return {stage: entry for stage, entry in seen.items() if entry is not None}

    def of_stage(self, stage_id: str) -> Iterator[tuple[str, Entry]]:
        """The visible contacts of a stage, each once, in no order; those that cannot be read are left out."""
        done: set[bytes] = set()
        with redis_faults(self._client):
            waiting = self._client.scan_iter(match=keys.ALL_CONTACTS, count=_PAGE)
            while page := [key for key in islice(waiting, _PAGE) if key not in done]:
                done.update(page)
                state, *values = self._client.execute_command("MGET", keys.IMPORTS, *page)
                visibility = Visibility.parse(state)
                for key, value in zip(page, values, strict=True):
                    try:
                        entry = unpack(value).get(stage_id) if value else None
                    except ValueError:
                        continue
                    if (seen := visibility.of(entry)) is not None:
                        yield keys.number_of(key), seen

    def set_open(self, number: str, stage_id: str, open_: bool) -> bool | None:
        """Open or close a contact: True if that changed it, False if it was so already, None if there is none."""
        outcome = None

        def change(entries: dict[str, Entry], visibility: Visibility) -> None:
            nonlocal outcome
            seen = visibility.of(entries.get(stage_id))
            outcome = None if seen is None else seen.open != open_
            if seen is not None:
                entries[stage_id] = _opened(entries[stage_id], open_)

        self._change(number, change, "opened" if open_ else "closed")
        return outcome

    def set_attempted(self, number: str, stage_id: str, at: float) -> bool:
        """Note that somebody tried to reach a contact (epoch seconds); False if there is none."""
        found = False

        def change(entries: dict[str, Entry], visibility: Visibility) -> None:
            nonlocal found
            found = visibility.of(entries.get(stage_id)) is not None
            if found:
                entries[stage_id] = _attempted(entries[stage_id], at)

        self._change(number, change, "attempted")
        return found

    def remove(self, number: str, stage_id: str | None = None) -> list[str]:
        """Remove a contact from one stage or from all; the stages it was visible in. A running import is overruled."""
        removed: list[str] = []

        def change(entries: dict[str, Entry], visibility: Visibility) -> None:
            wanted = [stage for stage in entries if stage_id in (None, stage)]
            removed[:] = [stage for stage in wanted if visibility.of(entries[stage]) is not None]
            for stage in wanted:
                del entries[stage]

        self._change(number, change, "removed")
        return removed

    def forget_closed(self, number: str, stage_id: str) -> bool:
        """Forget a contact that is closed; whether it is there no more. Not one that is open or that an import has.

        The event stream is not told: there may be as many of them as contacts.
        """
        gone = True

        def change(entries: dict[str, Entry], visibility: Visibility) -> None:
            nonlocal gone
            entry = entries.get(stage_id)
            gone = entry is None or (not entry.open and not visibility.hides(entry.batch))
            if gone:
                entries.pop(stage_id, None)

        self._change(number, change, None)
        return gone

    def _change(
        self, number: str, change: Callable[[dict[str, Entry], Visibility], None], what: str | None,
    ) -> None:
        key = keys.contacts(number)
        for _ in range(_ATTEMPTS):
            with redis_faults(self._client):
                state, value = self._client.mget(keys.IMPORTS, key)
            entries = self._unpack(number, value)
            change(entries, Visibility.parse(state))
            after = pack(entries)
            if after == (value or b""):
                return
            with redis_faults(self._client):
                swapped = not self._swap(keys=[key], args=[value or b"", after, 0])
            if swapped:
                if what is not None:
                    self._tell(number, what)
                return
        raise StateRefused(f"the contact {number} is changed by others all the time: try again")

    def _tell(self, number: str, what: str) -> None:
        """That something changed. It is done already: where it cannot be told, it is found by reading all contacts."""
        event = {"type": "contact", "id": uuid4().hex, "at": time.time(), "number": number, "what": what}
        try:
            stream.add(self._client, [stream.encode(event)])
        except StateError as error:
            _log.warning("contact_not_told", error=str(error))

    def _unpack(self, number: str, value: bytes | None) -> dict[str, Entry]:
        try:
            return unpack(value) if value else {}
        except ValueError:
            raise StateRefused(
                f"what Redis at {address(self._client)} holds for {number} cannot be read: "
                f"look at {keys.contacts(number)}, or delete it and import the contact again"
            ) from None


def _attempted(entry: Entry, at: float) -> Entry:
    """An attempt told late does not undo a later one."""
    previous = _attempted(entry.previous, at) if entry.previous is not None else None
    return entry._replace(attempted_at=max(at, entry.attempted_at or at), previous=previous)


def _opened(entry: Entry, open_: bool) -> Entry:
    previous = _opened(entry.previous, open_) if entry.previous is not None else None
    return entry._replace(open=open_, previous=previous)
