"""Keeps a picture of the switch's floor: connects, reads all of it, follows its events, reads it again after any gap.

Where the picture and the facts go is given to it. It changes nothing on the switch, and never trusts that an event
came: everything is read anew when connected, when events were dropped, when somebody asks, and every so often anyway.
The switch numbers its events, but counts those that nobody subscribed to as well: a gap in the numbers says nothing.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from gevent.event import Event

from fsapp.core.floor import Seen
from fsapp.core.floor_change import NOTHING, Changes, FloorEvent, changed
from fsapp.core.floor_events import apply, carried
from fsapp.core.floor_facts import is_callers, recovered
from fsapp.core.placeholder import is_placeholders
from fsapp.errors import ProtocolError, SwitchError, SwitchRefused, SwitchUnavailable
from fsapp.log import get_logger
from fsapp.metrics import FLOOR, LINK_EVENTS, LINK_SYNC_SECONDS, LINK_SYNCS, LINK_UP
from fsapp.telephony.callcenter import read_seen
from fsapp.telephony.esl import Message
from fsapp.telephony.floor_events import KINDS, PHONE_CAME, PHONES_GONE, WANTED, described, event_from
from fsapp.telephony.link import Link

__all__ = ["Picture", "Watch"]

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_TICK_S = 0.1       # how soon a wish is heard while no event comes
_QUIET_S = 5.0      # without an event for so long, the switch is asked whether it is there
_PING_S = 3.0
_SETTLE_S = 0.1     # mod_callcenter writes its tables and tells of it within milliseconds, in either order
_RECENT_S = 2.0
_SIGHT = timedelta(seconds=60)
_CORE_S = 1.0       # the switch's own tables, of calls and registered phones, are behind by up to half a second
_AT_ONCE = 500
_DESCRIBED = 2000
_GONE = 10_000
NOTHING_SEEN = Seen()
_log = get_logger("link")


class Picture(Protocol):
    """What is told of the floor. No method waits."""

    def whole(self, seen: Seen, at: datetime) -> None: ...

    def change(self, seen: Seen, changes: Changes, at: datetime) -> None: ...

    def down(self) -> None: ...


class Watch:
    """`connect` gives a link that is connected; `tell` takes the facts for the event stream.

    `known`: the floor as it was last known, so that what has ended since is told; `known_at`: when that was. `hearers`
    hear of each event, and `on_synced` may be set to hear of each time all was read; none of them may wait.
    `gap_from`: until when the switch was known before the last time it was not, until somebody has taken note of it.
    """

    def __init__(
        self, connect: Callable[[], Link], picture: Picture, tell: Callable[[dict[str, Any]], None], *,
        sync_s: float, known: Seen = NOTHING_SEEN, known_at: datetime | None = None,
    ) -> None:
        self.seen = known
        self.up = False
        self.fault = "the switch has not been reached yet"
        self.synced_at: datetime | None = None
        self.gap_from: datetime | None = None
        self._known_at = known_at
        self._known_since: datetime | None = None
        self._sight_at: datetime | None = None
        self.hearers: list[Callable[[FloorEvent], None]] = []
        self.on_synced: Callable[[Seen], None] = lambda seen: None
        self._connect = connect
        self._picture = picture
        self._tell = tell
        self._sync_s = sync_s
        self._link: Link | None = None
        self._stopping = Event()
        self._synced = Event()
        self._next_sync = 0.0
        self._reason = ""
        self._dropped = 0
        self._gone: dict[str, None] = {}
        self._recent: deque[tuple[float, FloorEvent]] = deque()

    # -- for others --------------------------------------------------------------------------------------------------

    def api(self, cmd: str, timeout_s: float | None = None) -> str:
        """The switch's answer to an api command; SwitchUnavailable while there is no link."""
        if self._link is None:
            raise SwitchUnavailable(self.fault)
        return self._link.api(cmd, timeout_s)

    def bgapi(self, cmd: str) -> None:
        """Have the switch run an api command, and do not wait for it. SwitchUnavailable while there is no link."""
        if self._link is None:
            raise SwitchUnavailable(self.fault)
        self._link.bgapi(cmd)

    def ask_for_sync(self, reason: str, in_s: float = 0.0) -> None:
        """Read all of it in `in_s` seconds, or earlier if something else wants it."""
        at = time.monotonic() + in_s
        if at < self._next_sync:
            self._next_sync, self._reason = at, reason

    def wait_for_sync(self, reason: str, timeout_s: float) -> bool:
        """Have all of it read now; whether that was done in time."""
        synced = self._synced
        self.ask_for_sync(reason)
        return synced.wait(timeout_s)

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    # -- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until `stop`: connect, follow, and again, however often and for however long the switch is away.

        SwitchRefused when the switch does not let us in and never has.
        """
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            try:
                link = self._connect()
                try:
                    self._follow(link)
                finally:
                    # The next wait is short again only after a link that was of use.
                    wait_s = _FIRST_WAIT_S if self.up else wait_s
                    self._lost("")
                    link.close()
            except SwitchError as error:
                self._lost(str(error))
                if isinstance(error, SwitchRefused) and self.synced_at is None:
                    raise
            except Exception as error:  # noqa: BLE001  whatever the switch says, the next connection starts anew
                _log.exception("link_failed")
                self._lost(repr(error))
            # Not all links of all centres at the same moment.
            self._stopping.wait(wait_s * random.uniform(0.8, 1.2))
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)

    def _lost(self, fault: str) -> None:
        if self.up:
            LINK_UP.set(0)
            self._picture.down()
            self._tell_sight()
        if fault and fault != self.fault and not self._stopping.is_set():
            _log.error("link_down", error=fault, meanwhile="the floor grows old, calls go on")
        self.fault = fault or self.fault
        self.up, self._link = False, None

    def _follow(self, link: Link) -> None:
        self._dropped = link.dropped
        self._recent.clear()
        link.subscribe(*WANTED)
        self._link = link
        self._sync(link, "connected", gap=True)
        self.ask_for_sync("settled", _CORE_S)
        heard = time.monotonic()
        while not self._stopping.is_set():
            now = time.monotonic()
            if link.dropped != self._dropped:
                # What came before is no guide to what is so now.
                self._dropped = link.dropped
                self._recent.clear()
                self._sync(link, "dropped", gap=True)
                self.ask_for_sync("settled", _CORE_S)
            elif now >= self._next_sync:
                self._sync(link, self._reason)
            first = link.next_event(max(0.0, min(_TICK_S, self._next_sync - time.monotonic())))
            if first is not None:
                self._take([first, *link.ready_events(_AT_ONCE)])
                heard = self._confirmed(datetime.now(UTC))
            elif time.monotonic() - heard > _QUIET_S:
                self._ping(link)
                heard = self._confirmed(datetime.now(UTC))

    def _confirmed(self, at: datetime) -> float:
        """The switch has been seen to be there: told now and then. The monotonic time."""
        if not self.up or self._known_since is None:
            self._known_since, self._sight_at = at, None
        self._known_at = at
        if self._sight_at is None or not timedelta() <= at - self._sight_at < _SIGHT:
            self._tell_sight()
        return time.monotonic()

    def _tell_sight(self) -> None:
        """Since when, until when and in which run of it the switch has been seen."""
        at, since = self._known_at, self._known_since
        if at is None or since is None or at == self._sight_at:
            return
        self._sight_at = at
        self._tell({"type": "switch_seen", "id": f"{self.seen.core_uuid}:{at.timestamp()}", "at": at.timestamp(),
                    "since": since.timestamp(), "run": self.seen.core_uuid})

    def _ping(self, link: Link) -> None:
        """A link that says nothing may be a dead one. SwitchError if it is."""
        if link.api("global_getvar core_uuid", _PING_S).strip() != self.seen.core_uuid:
            raise ProtocolError("another switch answers than the one that was seen")
        self._picture.change(self.seen, NOTHING, datetime.now(UTC))

    def _take(self, messages: list[Message]) -> None:
        """Make what the events say part of the picture."""
        everything = NOTHING
        for message in messages:
            subclass = message.get("Event-Subclass", "")
            if subclass in PHONES_GONE:
                self._phone_gone(message.get("call-id", ""))
            elif subclass == PHONE_CAME:
                self._gone.pop(message.get("call-id", ""), None)
            event = event_from(message)
            if event is None:
                continue
            LINK_EVENTS.labels(event.kind if event.kind in KINDS else "other").inc()
            changes = apply(self.seen, event)
            self.seen = changed(self.seen, changes)
            everything |= changes
            self._recent.append((time.monotonic(), event))
            for hear in self.hearers:
                hear(event)
        self._picture.change(self.seen, everything, datetime.now(UTC))
        for fact in everything.facts:
            self._tell(fact)
        self._count()

    def _phone_gone(self, registration: str) -> None:
        """It may not have been the agent's only one: the switch is asked, once it has written down what it says.

        A registration that an operator throws out stays in the switch's table until it would have run out.
        """
        self._gone[registration] = None
        while len(self._gone) > _GONE:
            del self._gone[next(iter(self._gone))]
        self._recent = deque(one for one in self._recent if one[1].kind != "phone-registered")
        self.ask_for_sync("phones", _CORE_S)

    def _sync(self, link: Link, reason: str, *, gap: bool = False) -> None:
        """Read everything; what the events since then say comes on top, since tables may be behind them.

        `gap`: what is known is of before one. No event is put into that: it would be told of who was there then.
        """
        synced, self._synced = self._synced, Event()
        self._next_sync, self._reason = time.monotonic() + self._sync_s, "time"
        started = time.monotonic()
        fresh = self._describe(link, carried(self.seen, read_seen(link, self._gone)))
        LINK_SYNC_SECONDS.observe(time.monotonic() - started)
        self._stopping.wait(_SETTLE_S)
        held: list[Message] = []
        while messages := link.ready_events(_AT_ONCE):
            if gap:
                held += messages
            else:
                self._take(messages)
        fresh = carried(self.seen, self._with_recent(fresh))
        at = datetime.now(UTC)
        if fresh.core_uuid != self.seen.core_uuid and self.seen.core_uuid:
            _log.warning("switch_restarted", was=self.seen.core_uuid, now=fresh.core_uuid)
        better = _ids_of_facts(fresh, held)
        for fact in recovered(self.seen, fresh, at):
            if fact["id"] not in better:
                self._tell(fact)
        self.seen, self.synced_at = fresh, at
        self._picture.whole(self.seen, at)
        if held:
            self._take(held)
        if not self.up:
            self.gap_from = self.gap_from or self._known_at
        self._confirmed(at)
        if not self.up:
            _log.info("link_up", agents=len(fresh.agents), queues=len(fresh.queues), members=len(fresh.members),
                      calls=len(fresh.calls))
        self.up, self.fault = True, ""
        LINK_UP.set(1)
        LINK_SYNCS.labels(reason).inc()
        self._count()
        self.on_synced(self.seen)
        synced.set()

    def _describe(self, link: Link, seen: Seen) -> Seen:
        """Callers' legs whose events came before we did: their variables are asked for, each by itself.

        Where calls stand in line for tasks, those of all legs: one of them may be a customer's who is called back.
        """
        every = any(is_placeholders(call.uuid, call) for call in seen.calls.values())
        unknown = [
            call.uuid for call in seen.calls.values() if not call.variables and (every or is_callers(call))]
        for uuid in unknown[:_DESCRIBED]:
            event = described(link.api(f"uuid_dump {uuid}"), uuid)
            if event is not None:
                seen = changed(seen, apply(seen, event))
        return seen

    def _with_recent(self, seen: Seen) -> Seen:
        """The events of the last moment, once more: a table read just now may not have had them yet."""
        oldest = time.monotonic() - _RECENT_S
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()
        again = seen
        for _, event in self._recent:
            again = changed(again, apply(again, event))
        # What has been counted is in the tables: twice would be once too often.
        agents = {
            id_: replace(agent, answered=seen.agents[id_].answered, talk_s=seen.agents[id_].talk_s)
            if id_ in seen.agents else agent for id_, agent in again.agents.items()
        }
        return replace(again, agents=agents)

    def _count(self) -> None:
        for part in ("agents", "queues", "members", "calls"):
            FLOOR.labels(part).set(len(getattr(self.seen, part)))


def _ids_of_facts(seen: Seen, messages: Sequence[Message]) -> set[str]:
    """Which facts the events will tell, put into the floor one after the other."""
    found: set[str] = set()
    for event in map(event_from, messages):
        if event is not None:
            changes = apply(seen, event)
            seen = changed(seen, changes)
            found.update(fact["id"] for fact in changes.facts)
    return found
