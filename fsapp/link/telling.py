"""Tells callers who wait their place, wait and key, where the rules say so: soon after they join, then every so often.

It is played over what the caller hears in the queue: place, tone and keys (cc_exit_keys) go on below it. It is cut off
when a phone rings for the caller, so before anybody answers, and when the caller leaves the queue. Nobody is told
anything for whom somebody rings, who talks or who has left; a caller to whom it cannot be played waits on as if nothing
had been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import inf
from typing import Any, Protocol

from gevent.event import Event

from fsapp.core.evidence import is_ghost
from fsapp.core.floor import MemberState, Seen, SeenMember
from fsapp.core.rules import Rules
from fsapp.core.telling import Telling, file_list, said
from fsapp.core.wait_floor import WaitBook
from fsapp.errors import SwitchError, UnsafeArgument
from fsapp.log import get_logger
from fsapp.metrics import WAITS_TOLD
from fsapp.spawn import spawn
from fsapp.telephony.command import uuid_displace

__all__ = ["WaitTeller"]

EVERY_S = 1.0
FIRST_S = 3.0    # so long is the first "please wait"
AT_ONCE = 20     # callers who are told in one round, the longest due first
_STOP_S = 1.0
_OVER = frozenset({"agent_offered", "call_answered", "call_left_queue"})
_LOOK_S = 60.0
_API_S = 2.0
_log = get_logger("waits")


class Watched(Protocol):
    """What is needed of the link's Watch."""

    seen: Seen
    up: bool

    def api(self, cmd: str, timeout_s: float | None = None) -> str: ...


class WaitTeller:
    """Looks every second who is due; `tell` takes the facts for the event stream."""

    def __init__(
        self, watch: Watched, rules: Callable[[], Rules | None], book: WaitBook, tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._watch = watch
        self._rules = rules
        self._book = book
        self._tell = tell
        self._due: dict[str, float] = {}
        self._playing: dict[str, str] = {}   # call -> what was last played to it
        self._ended: list[str] = []
        self._wake = Event()
        self._sounds = ""
        self._looked = 0.0
        self._fault = ""
        self._stopping = Event()
        self._greenlet = spawn(self._run, name="wait-teller")

    def heard(self, fact: Mapping[str, Any]) -> None:
        """One fact of the event stream: whose wait is over, or for whom somebody rings, hears no more. Never waits."""
        if fact.get("type") in _OVER and fact.get("call") in self._playing:
            self._ended.append(str(fact["call"]))
            self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        self._greenlet.join(_STOP_S)
        self._greenlet.kill(timeout=1)

    def _run(self) -> None:
        rounds = time.monotonic()
        while not self._stopping.is_set():
            self._wake.wait(max(0.0, rounds + EVERY_S - time.monotonic()))
            self._wake.clear()
            try:
                self._end()
                if time.monotonic() >= rounds + EVERY_S:
                    rounds = time.monotonic()
                    self._round(datetime.now(UTC))
            except SwitchError as error:
                if str(error) != self._fault:
                    _log.warning("waits_not_told", error=str(error))
                self._fault = str(error)
            except Exception:  # noqa: BLE001  the next round is a new one
                _log.exception("telling_failed")

    def _end(self) -> None:
        """Cut off what those hear who wait no longer. It may be over, and they gone: then there is nothing to do."""
        while self._ended:
            call = self._ended.pop()
            path = self._playing.pop(call, "")
            if path:
                self._watch.api(uuid_displace(call, path, start=False), _API_S)

    def _round(self, now: datetime) -> None:
        rules = self._rules()
        if rules is None or not self._watch.up:
            return
        tellings = {
            place.queue: place.telling for place in (*rules.stages.values(), *rules.lines.values())
            if place.telling or place.calling_back.key}
        waiting = {
            member.uuid: member for member in self._watch.seen.members.values()
            if member.state == MemberState.WAITING and member.call and member.queue in tellings
            and not member.task and not is_ghost(member, self._watch.seen, now)
        }
        seen = self._watch.seen
        self._due = {uuid: at for uuid, at in self._due.items() if uuid in seen.members}
        self._playing = {call: path for call, path in self._playing.items() if call in seen.calls}
        at = now.timestamp()
        for uuid in waiting:
            self._due.setdefault(uuid, at + FIRST_S)
        due = sorted((uuid for uuid in waiting if self._due[uuid] <= at), key=self._due.__getitem__)
        for uuid in due[:AT_ONCE]:
            telling = tellings[waiting[uuid].queue]
            # A key alone is told once.
            self._due[uuid] = at + telling.every_s if telling else inf
            self._tell_one(uuid, telling, now)
            self._end()

    def _tell_one(self, uuid: str, telling: Telling, now: datetime) -> None:
        sounds = self._folder()
        # As it is now: asking and the ones before may have taken a while.
        seen = self._watch.seen
        member = seen.members.get(uuid)
        if member is None or member.state != MemberState.WAITING or not member.call:
            return
        call = seen.calls.get(member.call)
        variables = call.variables if call is not None else {}
        if variables.get("fsapp_task"):  # nobody is on the line yet
            return
        wanted = variables.get("fsapp_flow_language", "")
        _, language = file_list(sounds, wanted, [])
        found = self._book.estimate_of(seen, member, now)
        key = variables.get("cc_exit_keys", "")  # the call's own: one that is carried here has none
        prompts = said(telling, found, language, key)
        if not prompts:
            return
        path, _ = file_list(sounds, wanted, prompts)
        if path and self._played(member, path):
            WAITS_TOLD.inc()
            self._tell({
                "type": "wait_told", "id": f"{uuid}:told:{now.timestamp():.3f}", "at": now.timestamp(),
                "call": member.call, "member": uuid, "queue": member.queue, "prompts": prompts, "key": key or None,
                **({"position": found.position, "low_s": round(found.low_s), "high_s": round(found.high_s),
                    "doubt": found.doubt} if found is not None else {}),
            })

    def _played(self, member: SeenMember, path: str) -> bool:
        try:
            command = uuid_displace(member.call, path, start=True)
        except UnsafeArgument as error:
            _log.warning("wait_not_told", error=str(error))
            return False
        # Known before the switch is asked for anything: somebody may ring meanwhile.
        before = self._playing.get(member.call)
        self._playing[member.call] = path
        if before:
            self._watch.api(uuid_displace(member.call, before, start=False), _API_S)
        done = self._watch.api(command, _API_S).strip()
        if not done.startswith("+OK") and member.call in self._watch.seen.calls:
            _log.error("prompt_missing", files=path, answer=done, advice="`fsapp doctor` says which are not there")
        return done.startswith("+OK")

    def _folder(self) -> str:
        """Where the switch has its prompts; asked again every minute."""
        if not self._sounds or time.monotonic() - self._looked > _LOOK_S:
            self._sounds = self._watch.api("global_getvar fsapp_sounds", _API_S).strip()
            self._looked = time.monotonic()
        return self._sounds
