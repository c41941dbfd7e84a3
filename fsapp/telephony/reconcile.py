"""Looks at a switch now and then: compares, mends, remembers, and says what it did. What is wrong is judged in core.

Where the rules come from, where the agents' status is remembered and where events go is given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from fsapp.core.floor import RememberedStatus, Seen
from fsapp.core.healing import DOUBT_S
from fsapp.core.mending import DeleteAgent, Difference, SetStatus, Suspicion
from fsapp.core.rules import Rules
from fsapp.core.sync import compare, to_remember
from fsapp.log import get_logger
from fsapp.metrics import HEALED, UNMENDED
from fsapp.telephony.mend import Api, Outcome, mend

__all__ = ["Look", "Memory", "Reconciler"]

RETRY_S = 600  # what could not be mended is tried again after so long, or with other rules
_log = get_logger("sync")


class Memory(Protocol):
    """What is remembered of the agents, and with which run of the switch their status was last brought together."""

    def read(self) -> tuple[Mapping[str, RememberedStatus], str]: ...

    def write(self, known: Mapping[str, RememberedStatus], forgotten: Iterable[str], core_uuid: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found and did. `again_s`: what may be passing is to be looked at again after so long."""

    differences: tuple[Difference, ...]
    outcomes: tuple[Outcome, ...]
    again_s: float | None = None

    @property
    def changed(self) -> bool:
        """Whether the switch is no longer as it was seen."""
        return any(outcome.done for outcome in self.outcomes)


class Reconciler:
    """Keeps one switch as the rules say. `rules` gives those in force, None while there are none: then nothing is done.

    `record` takes the events `switch_healed` and `agent_status`. `mends` False looks only.
    """

    def __init__(
        self, switch: str, rules: Callable[[], Rules | None], memory: Memory,
        record: Callable[[dict[str, Any]], None], *, mends: bool = True,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._switch = switch
        self._rules = rules
        self._memory = memory
        self._record = record
        self._mends = mends
        self._now = now
        self._earlier = Suspicion()
        self._tried: dict[tuple[object, tuple[str, str, str]], datetime] = {}
        self._tired: set[str] = set()

    def agent_tired(self, agent: str) -> None:
        """The switch sends an agent on a break for calls not answered: so its reason is known when it is seen."""
        self._tired.add(agent)

    def look(self, link: Api, seen: Seen) -> Look:
        """Compares what was just seen, and mends. SwitchError when the link is lost, StateError when Redis fails."""
        rules = self._rules()
        if rules is None:
            return Look((), ())
        now = self._now()
        remembered, known_core = self._memory.read()
        restarted = bool(known_core) and known_core != seen.core_uuid
        found = compare(rules, seen, remembered, self._switch, now, self._earlier, restarted=restarted)
        self._earlier = Suspicion.of(seen.core_uuid, found)
        again_s = DOUBT_S + 0.5 if any(not one.certain for one in found) else None
        if not self._mends:
            return Look(tuple(found), (), again_s)
        outcomes = tuple(mend(link, self._worth_trying(found, (rules.version, seen.core_uuid), now)))
        self._remember(rules, seen, remembered, restarted, outcomes, now)
        for outcome in outcomes:
            self._tell(outcome, now)
        return Look(tuple(found), outcomes, again_s)

    def _worth_trying(self, found: list[Difference], run: object, now: datetime) -> list[Difference]:
        """Those that can be mended, without what an earlier look of the same `run` has mended in vain."""
        tried = {
            (run, one.key): at for one in found
            if one.certain and (at := self._tried.get((run, one.key))) and now - at <= timedelta(seconds=RETRY_S)
        }
        worth = [one for one in found if one.certain and one.steps and (run, one.key) not in tried]
        self._tried = tried | {(run, one.key): now for one in worth}
        return worth

    def _remember(
        self, rules: Rules, seen: Seen, remembered: Mapping[str, RememberedStatus], restarted: bool,
        outcomes: tuple[Outcome, ...], now: datetime,
    ) -> None:
        known: dict[str, RememberedStatus] = {}
        lost: set[str] = set()
        if not restarted:
            known = to_remember(rules, seen, remembered, self._switch, now, frozenset(self._tired))
            self._tired -= known.keys()
        for outcome in outcomes:
            for step in outcome.done:
                if isinstance(step, SetStatus):
                    known[step.agent] = RememberedStatus(step.status, step.reason, now)
                elif isinstance(step, DeleteAgent):
                    lost.add(step.agent)
        self._memory.write(known, lost, seen.core_uuid)
        for agent, status in known.items():
            self._event("agent_status", now, agent=agent, status=status.status, reason=status.reason)

    def _tell(self, outcome: Outcome, now: datetime) -> None:
        one = outcome.difference
        if outcome.fault:
            UNMENDED.labels(one.kind).inc()
            _log.warning(
                "switch_unmended", kind=str(one.kind), subject=one.subject, found=one.text, fault=outcome.fault,
            )
            return
        HEALED.labels(one.kind).inc()
        _log.info("switch_healed", kind=str(one.kind), subject=one.subject, found=one.text)
        self._event("switch_healed", now, kind=str(one.kind), subject=one.subject, found=one.text)

    def _event(self, type_: str, now: datetime, **values: Any) -> None:
        self._record({"type": type_, "id": str(uuid4()), "at": now.timestamp(), "switch": self._switch, **values})
