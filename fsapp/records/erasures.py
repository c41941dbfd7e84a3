"""Who was erased, as keyed hashes with a time: what is told later of what was before does not bring them back.

The numbers themselves are nowhere in it. The key is made up when it is first needed, and kept in the database: whoever
has that can find out whether a given number was erased, and no more.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from fsapp.core.erased import identities, scrub
from fsapp.records.schema import erasures, secrets

__all__ = ["Tombstones"]

_KEY = "erasures"
_PASSING_S = 30 * 24 * 3600  # how long a call or task is remembered: no event of it comes later


class Tombstones:
    """The erased of one database, within a transaction of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._key = (connection.execute(select(secrets.c.value).where(secrets.c.name == _KEY)).scalar() or "").encode()
        rows = connection.execute(select(erasures)).all() if self._key else []
        self._numbers = {row.id: row.at for row in rows if row.kind == "number"}
        self._passing = {row.id for row in rows if row.kind == "passing"}
        self._addresses = {row.id: row.at for row in rows if row.kind == "address"}

    def make_key(self) -> None:
        """Make up the key, where there is none yet."""
        if not self._key:
            made = random.token_hex(32)
            self._connection.execute(secrets.insert().values(name=_KEY, value=made))
            self._key = made.encode()

    def hash(self, identity: str) -> str:
        """The keyed hash of a number in E.164, or of an id."""
        return hmac.new(self._key, identity.encode(), hashlib.sha256).hexdigest()[:40]

    def renamed(self, id_: str) -> str | None:
        """What an interaction of another channel (`CHANNEL:ID`) is called once its person was erased.

        None where nobody ever was.
        """
        return f"{id_.partition(':')[0]}:erased-{self.hash(id_)}" if self._key else None

    def erased_at(self, number: str) -> float | None:
        """When a number in E.164 was erased last; None: never."""
        return self._numbers.get(self.hash(number)) if self._numbers else None

    def add(
        self, numbers: Iterable[str], passing: Iterable[str], at: float, addresses: Iterable[str] = (),
    ) -> None:
        """Remember that `numbers` were erased at `at` (epoch seconds), and what belongs to them: calls and tasks.

        `addresses`: of e-mail.
        """
        self.make_key()
        insert = (postgresql if self._connection.dialect.name == "postgresql" else sqlite).insert(erasures)
        rows = [{"id": self.hash(identity), "at": at, "kind": kind}
                for kind, some in (("number", numbers), ("passing", passing),
                                   ("address", (_address(one) for one in addresses))) for identity in sorted(set(some))]
        for place in range(0, len(rows), 500):
            self._connection.execute(insert.on_conflict_do_update(
                index_elements=["id"], set_={"at": insert.excluded.at}), rows[place: place + 500])
        self._connection.execute(delete(erasures).where(
            erasures.c.kind == "passing", erasures.c.at < at - _PASSING_S))

    def erased(self, number: str, since: float) -> bool:
        """Whether a number (E.164) was erased after what happened at `since`."""
        return bool(self._numbers) and since <= self._numbers.get(self.hash(number), -1.0)

    def erased_address(self, email: str, since: float) -> bool:
        """The same of an address of e-mail."""
        return bool(self._addresses) and since <= self._addresses.get(self.hash(_address(email)), -1.0)

    def without(
        self, events: Sequence[Mapping[str, Any]], number_of: Callable[[str], str],
    ) -> list[Mapping[str, Any]]:
        """The events, those about who was erased before they happened without who it was.

        A number counts for what happened until it was erased, a call or task that was going on then until it ends.
        """
        if not self._numbers:
            return list(events)
        calls = {str(event["call"]) for event in events if event.get("call") and self._before(event, number_of)}
        new = {call for call in calls if self.hash(call) not in self._passing}
        if new:  # calls from before that nobody knew of: what else there is of them comes with later events
            self.add((), new, time.time())
            self._passing |= {self.hash(call) for call in new}
        return [self._scrubbed(event, number_of) for event in events]

    def _before(self, event: Mapping[str, Any], number_of: Callable[[str], str]) -> bool:
        """Whether it names a number that was erased after what it tells of had begun."""
        began = _began(event)
        return any(self.erased(number_of(one), began) for one in identities(event))

    def _scrubbed(self, event: Mapping[str, Any], number_of: Callable[[str], str]) -> Mapping[str, Any]:
        passing = any(self.hash(one) in self._passing for one in identities(event))
        if not passing and not self._before(event, number_of):
            return event
        found = scrub(event, lambda number: self.hash(number_of(number)) in self._numbers)
        if isinstance(about := found.get("about"), str) and ":" in about:  # asked about, in a survey
            found["about"] = self.renamed(about)
        return found


def _address(email: str) -> str:
    return email.strip().lower()


def _began(event: Mapping[str, Any]) -> float:
    lengths = (event.get(name) for name in ("lasted_s", "talked_s", "waited_s"))
    lasted = max((length for length in lengths if isinstance(length, (int, float))), default=0.0)
    at = event.get("at")
    return at - max(0.0, lasted) if isinstance(at, (int, float)) else 0.0
