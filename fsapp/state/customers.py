"""Rights and stickiness of one customer, changed by what happens; each thing that happens counts once. Decides nothing.

What changes is computed by `core.talks`. Rights, stickiness and the ids of what was heard are written together or not
at all, so that something told twice, by a link that was started again for example, changes nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgpack
import redis

from fsapp.core.callback_rights import CallbackEvent
from fsapp.core.model import Sticky
from fsapp.core.rules import Rules
from fsapp.core.talks import Happened, Known, after
from fsapp.errors import StateRefused
from fsapp.log import get_logger, mask
from fsapp.state import keys
from fsapp.state.connection import redis_faults
from fsapp.state.known import UNREADABLE, life_ms, pack_rights, pack_sticky, text, unpack_rights, unpack_sticky
from fsapp.state.scripts import SWAP_ALL

__all__ = ["Customers"]

_ATTEMPTS = 20
_HEARD = 20  # of the last ids
_log = get_logger("state")
Change = Callable[[Known], tuple[Known, list[dict[str, Any]]]]


class Customers:
    """Every method raises StateUnavailable or StateRefused when Redis does not do it."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._swap = client.register_script(SWAP_ALL)

    def get(self, number: str) -> Known:
        """Rights that have not expired, and stickiness; what cannot be read is logged and counts as absent."""
        known, _heard, _seen = self._read(number)
        now = datetime.now(UTC)
        return known._replace(rights=tuple(right for right in known.rights if right.expires_at > now))

    def whole(self, number: str) -> tuple[Known, list[str]]:
        """All that is kept, what has expired included, and the ids of what was heard last."""
        known, heard, _seen = self._read(number)
        return known, heard

    def take(self, happened: Happened, rules: Rules) -> list[dict[str, Any]]:
        """Change what is known by something that happened; the events that tell of it, none for the second time."""
        # A call coming in may be told twice: it only ever lengthens a right. It is not worth remembering.
        id_ = None if happened.event is CallbackEvent.CUSTOMER_CAME else happened.id
        return self._change(happened.number, id_, lambda known: after(known, happened, rules))

    def put_sticky(self, number: str, change: Callable[[Sticky | None], Sticky | None], life_s: int) -> Sticky | None:
        """Set the stickiness to what `change` makes of it, for `life_s` seconds; what it was."""
        was: Sticky | None = None

        def changed(known: Known) -> tuple[Known, list[dict[str, Any]]]:
            nonlocal was
            was = known.sticky
            return Known(known.rights, change(known.sticky), life_s), [{}]

        self._change(number, None, changed)
        return was

    def _change(self, number: str, id_: str | None, change: Change) -> list[dict[str, Any]]:
        places = [keys.rights(number), keys.sticky(number), keys.heard(number)]
        for _ in range(_ATTEMPTS):
            known, heard, seen = self._read(number)
            if id_ is not None and id_ in heard:
                return []
            new, events = change(known)
            if not events and id_ is None:
                return []
            heard = [*heard, id_][-_HEARD:] if id_ is not None else heard
            now = datetime.now(UTC)
            rights = tuple(right for right in new.rights if right.expires_at > now)
            sticky = pack_sticky(new.sticky) if new.sticky else b""
            with redis_faults(self._client):
                sticky_ms = self._sticky_ms(places[1], known, new)
                if self._swap(keys=places, args=[
                    seen[0], pack_rights(rights), life_ms(rights, now), seen[1], sticky, sticky_ms,
                    seen[2], msgpack.packb(heard) if heard else b"", keys.HEARD_S * 1000,
                ]):
                    return events
        raise StateRefused(f"what is known of {number} is changed by others all the time: try again")

    def _sticky_ms(self, key: str, known: Known, new: Known) -> int:
        """How long the stickiness is to live: as long as before, where it is as before."""
        if new.sticky_s is not None or new.sticky != known.sticky:
            return (new.sticky_s or 0) * 1000
        return max(0, int(self._client.pttl(key))) if new.sticky else 0

    def _read(self, number: str) -> tuple[Known, list[str], list[bytes]]:
        with redis_faults(self._client):
            found = self._client.mget(keys.rights(number), keys.sticky(number), keys.heard(number))
        seen = [value or b"" for value in found]
        rights = self._value(keys.rights(number), seen[0], unpack_rights) or ()
        sticky = self._value(keys.sticky(number), seen[1], unpack_sticky)
        heard = self._value(keys.heard(number), seen[2], _ids) or []
        return Known(rights, sticky), heard, seen

    def _value(self, key: str, value: bytes, decode: Callable[[bytes], Any]) -> Any:
        try:
            return decode(value) if value else None
        except UNREADABLE as error:
            _log.warning("bad_value", key=mask(key), error=repr(error))
            return None


def _ids(value: bytes) -> list[str]:
    return [text(id_) for id_ in msgpack.unpackb(value)]
