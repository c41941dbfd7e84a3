"""Recordings as the link sees to them: paused and resumed when somebody asks, removed when their time is over."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import gevent
from gevent.event import Event

from fsapp.core.floor import MemberState, Seen
from fsapp.core.floor_facts import routed
from fsapp.core.rules import Rules
from fsapp.core.visit import event_id
from fsapp.errors import FsappError, RecordingError
from fsapp.log import get_logger
from fsapp.metrics import RECORDINGS_REMOVED
from fsapp.recordings import purge
from fsapp.spawn import spawn
from fsapp.telephony.recording import pause

__all__ = ["PauseRequests", "Retention", "talk_of"]

FIRST_S = 60.0
EVERY_S = 86_400.0
_STOP_S = 2.0
_log = get_logger("recordings")
Tell = Callable[[dict[str, Any]], None]


class _Watch(Protocol):
    """What is needed of the link's Watch."""

    seen: Seen

    def api(self, cmd: str, timeout_s: float | None = None) -> str: ...


class PauseRequests:
    """The request `recording`: `mask` says whether to pause, `call` (a uuid) or `agent` (who talks) what."""

    def __init__(self, watch: Callable[[], _Watch | None], tell: Tell) -> None:
        self._watch = watch
        self._tell = tell

    def __call__(self, what: Mapping[str, Any]) -> Mapping[str, Any]:
        watch, mask = self._watch(), what.get("mask")
        if watch is None:
            raise RecordingError("the link is only starting: try again")
        call, agent = str(what.get("call") or ""), str(what.get("agent") or "")
        if not isinstance(mask, bool) or bool(call) == bool(agent):
            raise RecordingError("say a call or an agent, and whether to pause or to resume")
        leg, file = pause(watch, call or talk_of(watch.seen, agent), paused=mask)
        known = watch.seen.calls.get(leg)
        at = time.time()
        self._tell({
            "type": "recording_paused" if mask else "recording_resumed", "id": event_id(at, random.getrandbits(48)),
            "at": at, "call": leg, "file": file, "agent": agent or _who(watch.seen, leg) or None,
            **routed(known.variables if known else {}),
        })
        return {"call": leg, "file": file, "paused": mask}


def talk_of(seen: Seen, agent: str) -> str:
    """The uuid of the caller's leg that an agent talks to. RecordingError if there is none."""
    for member in seen.members.values():
        if member.agent == agent and member.state == MemberState.ANSWERED and member.call:
            return member.call
    known = seen.agents.get(agent)
    leg = seen.calls.get(known.call) if known else None
    if leg is not None and leg.bridged_to:
        return leg.bridged_to
    if known is None:
        raise RecordingError(f"the switch has no agent {agent}: `fsapp agents list` shows them")
    raise RecordingError(f"agent {agent} is not talking")


def _who(seen: Seen, call: str) -> str:
    return next((member.agent for member in seen.members.values() if member.call == call), "")


class Retention:
    """Removes recordings whose time is over, a while after `start` and then once a day, by the rules in force then."""

    def __init__(self, folder: str, rules: Callable[[], Rules | None], tell: Tell) -> None:
        self._folder = Path(folder)
        self._rules = rules
        self._tell = tell
        self._stopping = Event()
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        self._greenlet = spawn(self._run, name="retention")

    def stop(self) -> None:
        self._stopping.set()
        if self._greenlet is not None:
            self._greenlet.join(_STOP_S)
            self._greenlet.kill(timeout=1)

    def _run(self) -> None:
        wait_s = FIRST_S
        while not self._stopping.wait(wait_s):
            wait_s = EVERY_S if self._once() else FIRST_S

    def _once(self) -> bool:
        """Whether it was done; without rules nobody knows what to remove, and a switch elsewhere has the folder."""
        rules = self._rules()
        if rules is None:
            return False
        if not self._folder.is_dir():
            return True
        try:
            # In a thread: a disk with many files takes its time.
            found = gevent.get_hub().threadpool.apply(purge, (self._folder, rules.keep_days, datetime.now(UTC)))
        except FsappError as error:
            _log.error("retention_failed", error=str(error))
            return True
        except Exception:  # noqa: BLE001  the next day is a new one
            _log.exception("retention_failed")
            return True
        RECORDINGS_REMOVED.inc(len(found.removed))
        for fault in found.faults[:3]:
            _log.error("recording_not_removed", error=fault, all=len(found.faults))
        if found.removed:
            _log.info("recordings_removed", files=len(found.removed), bytes=found.bytes, kept=found.kept)
            at = time.time()
            self._tell({
                "type": "recordings_removed", "id": event_id(at, random.getrandbits(48)), "at": at,
                "files": len(found.removed), "bytes": found.bytes, "kept": found.kept,
            })
        return True
