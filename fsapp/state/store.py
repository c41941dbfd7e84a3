"""The facts of a customer, read in one round trip; rights and stickiness, written. Decides nothing.

A value that cannot be read is logged once and counts as absent: garbage in Redis never costs a caller the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import redis

from fsapp.core.availability import NOBODY_KNOWS, together
from fsapp.core.model import Contact, Facts, Right, Sticky
from fsapp.core.rules import MAIN
from fsapp.core.task import Task
from fsapp.errors import StateRefused
from fsapp.log import get_logger, mask
from fsapp.state import keys, scripts
from fsapp.state.availability import unpack_availability
from fsapp.state.connection import redis_faults
from fsapp.state.contacts import ALL_VISIBLE, Visibility, unpack
from fsapp.state.known import UNREADABLE, life_ms, pack_rights, pack_sticky, unpack_rights, unpack_sticky
from fsapp.state.task_record import shown, unpack_tasks
from fsapp.state.wire import Wire

__all__ = ["Store"]

STICKY_S = 90 * 24 * 3600
_EACH = 4  # keys of one customer
_ATTEMPTS = 20
_LOGGED_AT_MOST = 1000
_log = get_logger("state")


class Store:
    """Facts by number. `visibility` is what the last reading said about unfinished imports.

    With a `wire` facts are read over it, and only one greenlet may read them. `switches`: those whose agents' presence
    is read along.
    """

    def __init__(self, client: redis.Redis, wire: Wire | None = None) -> None:
        self.client = client
        self._wire = wire
        self.visibility = ALL_VISIBLE
        self._visibility_raw: bytes | None = None
        self.switches: tuple[str, ...] = (MAIN,)
        self.availability = NOBODY_KNOWS
        self._availability_raw: list[bytes | None] = []
        self._swap = client.register_script(scripts.SWAP)
        self._logged: set[str] = set()

    def facts(self, number_key: str) -> Facts:
        """What is known of one customer. StateUnavailable or StateRefused when Redis cannot be asked."""
        return self.facts_many([number_key])[0]

    def facts_many(self, number_keys: Sequence[str]) -> list[Facts]:
        """What is known of several customers, in the same order, in one round trip; raises as `facts` does.

        What imports are unfinished is read in the same command as the contacts, so an import becomes visible for all
        of its contacts in the same instant.
        """
        switches = self.switches
        wanted = [keys.IMPORTS, *[keys.floor(switch, "free") for switch in switches]]
        first = len(wanted)
        for number in number_keys:
            wanted += (keys.contacts(number), keys.rights(number), keys.sticky(number), keys.tasks(number))
        with redis_faults(self.client):
            values = self._wire.mget(wanted) if self._wire else self.client.execute_command("MGET", *wanted)
        if values[0] != self._visibility_raw:
            self.visibility = Visibility.parse(values[0])
            self._visibility_raw = values[0]
        if values[1:first] != self._availability_raw:
            self._availability_raw = values[1:first]
            self.availability = together(unpack_availability(value) for value in self._availability_raw if value)
        return [
            self._facts(number, *values[place: place + _EACH])
            for number, place in zip(number_keys, range(first, len(values), _EACH), strict=True)
        ]

    def put_right(self, number_key: str, right: Right) -> None:
        """Grant a direct-callback right, in place of an earlier one to the same agent; it goes when it expires."""
        self._change_rights(number_key, right.agent, right)

    def clear_right(self, number_key: str, agent: str) -> None:
        self._change_rights(number_key, agent, None)

    def put_sticky(self, number_key: str, sticky: Sticky, life_s: int = STICKY_S) -> None:
        """Remember the agent of the last successful talk for `life_s` seconds."""
        with redis_faults(self.client):
            self.client.set(keys.sticky(number_key), pack_sticky(sticky), ex=life_s)

    def clear_sticky(self, number_key: str) -> None:
        with redis_faults(self.client):
            self.client.delete(keys.sticky(number_key))

    def _facts(
        self, number: str, contacts: bytes | None, rights: bytes | None, sticky: bytes | None, tasks: bytes | None,
    ) -> Facts:
        return Facts(
            self._read(keys.contacts, number, contacts, self._contacts) if contacts else (),
            self._read(keys.rights, number, rights, _rights) if rights else (),
            (self._read(keys.sticky, number, sticky, _sticky) or None) if sticky else None,
            availability=self.availability,
            tasks=self._read(keys.tasks, number, tasks, self._tasks) if tasks else (),
        )

    def _read(self, key_of: Any, number: str, value: bytes, decode: Any) -> Any:
        try:
            return decode(number, value)
        except UNREADABLE as error:
            key = mask(key_of(number))
            if key not in self._logged and len(self._logged) < _LOGGED_AT_MOST:
                self._logged.add(key)
                _log.warning("bad_value", key=key, error=repr(error))
            return ()

    def _contacts(self, number: str, value: bytes) -> tuple[Contact, ...]:
        found = []
        for stage_id, entry in unpack(value).items():
            seen = self.visibility.of(entry)
            if seen is not None:
                campaign, _, stage = stage_id.partition("/")
                attempted_at = seen.attempted_at
                found.append(Contact(
                    campaign, stage, number, seen.open, seen.agent,
                    None if attempted_at is None else datetime.fromtimestamp(attempted_at, UTC), seen.name or None,
                ))
        return tuple(found)

    def _tasks(self, number: str, value: bytes) -> tuple[Task, ...]:
        return shown(unpack_tasks(number, value), self.visibility)

    def _change_rights(self, number: str, agent: str, right: Right | None) -> None:
        key = keys.rights(number)
        for _ in range(_ATTEMPTS):
            with redis_faults(self.client):
                seen = self.client.get(key)
            kept = [old for old in self._read(keys.rights, number, seen, _rights) if old.agent != agent] if seen else []
            kept += [right] if right else []
            now = datetime.now(UTC)
            kept = [old for old in kept if old.expires_at > now]
            with redis_faults(self.client):
                if not self._swap(keys=[key], args=[seen or b"", pack_rights(kept), life_ms(kept, now)]):
                    return
        raise StateRefused(f"the rights of {number} are changed by others all the time: try again")


def _rights(_number: str, value: bytes) -> tuple[Right, ...]:
    return unpack_rights(value)


def _sticky(_number: str, value: bytes) -> Sticky:
    return unpack_sticky(value)
