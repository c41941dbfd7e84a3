"""Looks at a switch now and then: compares, mends, remembers, and says what it did. What is wrong is judged in core.

Where the rules come from, where the agents' status is remembered and where events go is given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from fsapp.core.agent_record import LOGGED_OUT
from fsapp.core.floor import RememberedStatus, Seen
from fsapp.core.healing import DOUBT_S
from fsapp.core.mending import DeleteAgent, Difference, SetStatus, Suspicion
from fsapp.core.rules import Rules
from fsapp.core.sync import SETTLED_S, compare, knows, to_remember
from fsapp.log import get_logger
from fsapp.metrics import HEALED, UNMENDED
from fsapp.telephony.mend import Api, Outcome, mend

__all__ = ["Look", "Memory", "Reconciler"]

# What could not be mended is tried again after so long, then ever less often, and at once with other rules: each load
# of a queue leaves a little memory behind in the switch.
FIRST_RETRY_S, LAST_RETRY_S = 15, 960
_log = get_logger("sync")


class Memory(Protocol):
    """What is remembered of the agents, and with which run of the switch their status was last brought together."""

    def read(self) -> tuple[Mapping[str, RememberedStatus], str]: ...

    def write(
        self, known: Mapping[str, RememberedStatus], forgotten: Iterable[str], core_uuid: str,
        told: Iterable[dict[str, Any]],
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found and did. `again_s`: what may be passing is to be looked at again after so long.

    `settled` False: there were no rules to look by, or statuses of agents that are too fresh to be judged.
    """

    differences: tuple[Difference, ...]
    outcomes: tuple[Outcome, ...]
    again_s: float | None = None
    settled: bool = True

    @property
    def changed(self) -> bool:
        """Whether the switch is no longer as it was seen."""
        return any(outcome.done for outcome in self.outcomes)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """The last attempt to mend something: when the next is due, and how long that was put off."""

    again_at: datetime
    rest_s: int


_NEVER = _Attempt(datetime.min.replace(tzinfo=UTC), 0)


class Reconciler:
    """Keeps one switch as the rules say. `rules` gives those in force, None while there are none: then nothing is done.

    `record` takes the events `switch_healed` (with kind, subject, found), `memory` those of `agent_status` (agent,
    status, reason), together with what is remembered: what changed while nobody looked has the time that the switch
    says. Where a run of the switch has ended, each agent who was logged in is logged out (`switch-gone`) as of when it
    was last seen; one that is taken off it, as of now. `mends` False looks only.
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
        self._tried: dict[tuple[object, tuple[str, str, str]], _Attempt] = {}
        self._tired: set[str] = set()
        self._unknown_in: int | None = None

    def agent_tired(self, agent: str) -> None:
        """The switch sends an agent on a break for calls not answered: so its reason is known when it is seen."""
        self._tired.add(agent)

    def look(self, link: Api, seen: Seen, gap_from: datetime | None = None) -> Look:
        """Compares what was just seen, and mends. SwitchError when the link is lost, StateError when Redis fails.

        `gap_from`: until when the switch had been known, where nobody has looked since.
        """
        rules = self._rules()
        if rules is None or not self._knows(rules):
            return Look((), (), settled=False)
        now = self._now()
        remembered, known_core = self._memory.read()
        restarted = bool(known_core) and known_core != seen.core_uuid
        found = compare(rules, seen, remembered, self._switch, now, self._earlier, restarted=restarted)
        self._earlier = Suspicion.of(seen.core_uuid, found)
        again_s = DOUBT_S + 0.5 if any(not one.certain for one in found) else None
        if not self._mends:
            return Look(tuple(found), (), again_s)
        outcomes = tuple(mend(link, self._worth_trying(found, (rules.version, seen.core_uuid), now)))
        fresh = self._remember(rules, seen, remembered, restarted, outcomes, now, gap_from)
        if fresh and again_s is None:
            again_s = SETTLED_S + 0.5
        for outcome in outcomes:
            self._tell(outcome, now)
        return Look(tuple(found), outcomes, again_s, settled=not fresh)

    def _knows(self, rules: Rules) -> bool:
        known = knows(rules, self._switch)
        if not known and self._unknown_in != rules.version:
            _log.error("switch_unknown", switch=self._switch, version=rules.version, meanwhile="it stays as it is",
                       advice="set switch_name to a name in the rules, or add [switch.NAME] to them")
        self._unknown_in = None if known else rules.version
        return known

    def _worth_trying(self, found: list[Difference], run: object, now: datetime) -> list[Difference]:
        """Those that can be mended, without what an earlier look of the same `run` has mended in vain a while ago."""
        tried = {
            one.key: self._tried[run, one.key] for one in found if one.certain and (run, one.key) in self._tried
        }
        worth = [one for one in found if one.certain and one.steps and now >= tried.get(one.key, _NEVER).again_at]
        self._tried = {(run, key): attempt for key, attempt in tried.items()}
        for one in worth:
            rest_s = min(tried[one.key].rest_s * 2, LAST_RETRY_S) if one.key in tried else FIRST_RETRY_S
            self._tried[run, one.key] = _Attempt(now + timedelta(seconds=rest_s), rest_s)
        return worth

    def _remember(
        self, rules: Rules, seen: Seen, remembered: Mapping[str, RememberedStatus], restarted: bool,
        outcomes: tuple[Outcome, ...], now: datetime, gap_from: datetime | None,
    ) -> bool:
        """Whether there is more to remember in a while."""
        known: dict[str, RememberedStatus] = {}
        lost: set[str] = set()
        since: dict[str, datetime] = {}
        told: list[dict[str, Any]] = []
        fresh = False
        if restarted and gap_from is not None:
            told += self._of_run(rules, seen, remembered, gap_from, now)
        if not restarted:
            known, fresh = to_remember(rules, seen, remembered, self._switch, now, frozenset(self._tired))
            self._tired -= known.keys()
            if gap_from is not None:  # the switch says when it was, as far as nobody was there
                since = {agent: min(now, max(gap_from, one.since or now)) for agent, one in known.items()}
        for outcome in outcomes:
            for step in outcome.done:
                if isinstance(step, SetStatus):
                    known[step.agent] = RememberedStatus(step.status, step.reason, now)
                    since.pop(step.agent, None)
                elif isinstance(step, DeleteAgent):
                    # One who is at home on another switch now keeps the status there.
                    lost.update({step.agent} - rules.agents.keys())
                    if step.agent in remembered and remembered[step.agent].status != LOGGED_OUT:
                        told.append(self._status(now, step.agent, LOGGED_OUT, "removed"))
        told += [self._status(since.get(agent, now), agent, status.status, status.reason)
                 for agent, status in known.items()]
        self._memory.write(known, lost, seen.core_uuid, told)
        return fresh

    def _of_run(
        self, rules: Rules, seen: Seen, remembered: Mapping[str, RememberedStatus], gap_from: datetime, now: datetime,
    ) -> Iterator[dict[str, Any]]:
        """Who was logged in was so until the run before was last seen, and is so again from now on, if at all."""
        for id_, known in remembered.items():
            agent = rules.agents.get(id_)
            if agent is None or agent.home != self._switch or known.status == LOGGED_OUT:
                continue
            until = min(now, max(gap_from, known.since or gap_from))
            yield self._status(until, id_, LOGGED_OUT, "switch-gone", id=f"{id_}:{seen.core_uuid}:gone")
            there = seen.agents.get(id_)
            if there is not None and there.status == known.status:
                yield self._status(now, id_, known.status, known.reason, id=f"{id_}:{seen.core_uuid}:again")

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
        self._record(self._event("switch_healed", now, kind=str(one.kind), subject=one.subject, found=one.text))

    def _status(self, at: datetime, agent: str, status: str, reason: str, **more: str) -> dict[str, Any]:
        return self._event("agent_status", at, agent=agent, status=status, reason=reason, **more)

    def _event(self, type_: str, at: datetime, **values: Any) -> dict[str, Any]:
        return {"type": type_, "id": str(uuid4()), "at": at.timestamp(), "switch": self._switch, **values}
