"""Sets an agent's status on the switch when somebody asks for it, and remembers it. Knows no other request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from fsapp.core.evidence import Evidence
from fsapp.core.floor import AgentState, AgentStatus, RememberedStatus, Seen
from fsapp.core.mending import SetState, SetStatus, Step
from fsapp.core.rules import Rules
from fsapp.errors import RequestRefused
from fsapp.telephony.mend import carry_out
from fsapp.telephony.reconcile import Memory

__all__ = ["REQUEST", "AgentStatusRequests"]

REQUEST = "agent_status"
_STATUSES = tuple(str(status) for status in AgentStatus)
_AT_WORK = (AgentStatus.AVAILABLE, AgentStatus.ON_DEMAND)


class Watched(Protocol):
    """What is needed of the watch over the switch."""

    seen: Seen

    def api(self, cmd: str, timeout_s: float | None = None) -> str: ...


class AgentStatusRequests:
    """Handles `agent_status` with `agent` (an id), `status` (the switch's word) and `reason` (of a break).

    It answers the agent, what the status was, what it is, and a `warning` or nothing. RequestRefused when the agent is
    not on this switch or the switch refuses; SwitchError when it is away.
    """

    def __init__(
        self, switch: str, watch: Watched, rules: Callable[[], Rules | None], memory: Memory,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._switch = switch
        self._watch = watch
        self._rules = rules
        self._memory = memory
        self._now = now

    def __call__(self, what: Mapping[str, Any]) -> dict[str, Any]:
        agent, status, reason = (str(what.get(name) or "") for name in ("agent", "status", "reason"))
        if status not in _STATUSES:
            raise RequestRefused(f"{status!r} is no status of an agent: write {', '.join(_STATUSES)}")
        rules = self._rules()
        if rules is None or agent not in rules.agents:
            raise RequestRefused(f"the rules have no agent {agent}")
        there = self._watch.seen.agents.get(agent)
        if there is None:
            raise RequestRefused(f"switch {self._switch} has no agent {agent}: run `fsapp switch sync`")
        steps: list[Step] = [SetStatus(agent, status, reason)]
        free = not Evidence(self._watch.seen, self._now()).in_call(there)
        if status in _AT_WORK and there.state == AgentState.IDLE and free:
            steps.append(SetState(agent, AgentState.WAITING))
        for step in steps:
            fault = carry_out(self._watch, step)
            if fault:
                raise RequestRefused(f"agent {agent} is not set to {status}: {fault}")
        self._keep(agent, status, reason)
        warning = ""
        if there.registered is False and status in _AT_WORK:
            warning = "the phone is not registered: without it the agent has a break until it is"
        return {"agent": agent, "was": there.status, "status": status, "reason": reason, "warning": warning}

    def _keep(self, agent: str, status: str, reason: str) -> None:
        now = self._now()
        self._memory.write({agent: RememberedStatus(status, reason, now)}, (), "", [{
            "type": "agent_status", "id": str(uuid4()), "at": now.timestamp(), "switch": self._switch, "agent": agent,
            "status": status, "reason": reason,
        }])
