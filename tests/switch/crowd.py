"""Many callers at once on a real switch, made of its own endpoints loopback and null, as agents are. No tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from fsapp.lab.order import OrderChecker, Violation
from fsapp.telephony.esl import Message
from fsapp.telephony.link import Link

__all__ = ["CALLBACKS", "Crowd", "NullAgents", "Offers"]

LOOK_S = 0.5  # the longest look at everybody who waits, on a busy machine
# Customers whom we are trying to reach, and for whom no agent is responsible.
CALLBACKS = [f"+3816099900{last:02}" for last in range(10)]


class Crowd:
    """Callers of one switch over the link given; `call` returns at once with the uuid of the caller's own end."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._numbers = itertools.count(1)

    def call(self, called: str, caller: str) -> str:
        """Somebody calls and stays on the line until an agent has talked or the switch ends the call."""
        uuid = f"00000000-0000-4000-8000-{next(self._numbers):012d}"
        variables = f"origination_uuid={uuid},origination_caller_id_number={caller},ignore_early_media=true"
        self._link.bgapi(f"originate {{{variables}}}loopback/{called}/public &park()")
        return uuid


class NullAgents:
    """Agents whose phones answer at once and hang up after a second."""

    def __init__(self, link: Link, names: Iterable[str], queues: Iterable[str]) -> None:
        self._link = link
        self.names = list(names)
        self._queues = list(queues)

    def __enter__(self) -> NullAgents:
        for name in self.names:
            self._do(f"agent add {name} callback")
            self._do(f"agent set contact {name} [execute_on_answer='sched_hangup +1']null/{name}")
            self._do(f"agent set wrap_up_time {name} 0")
            for queue in self._queues:
                self._do(f"tier add {queue} {name} 1 1")
        return self

    def status(self, status: str) -> None:
        for name in self.names:
            self._do(f"agent set status {name} '{status}'")

    def __exit__(self, *_error: object) -> None:
        for name in self.names:
            self._link.api(f"callcenter_config agent del {name}")

    def _do(self, command: str) -> None:
        answer = self._link.api(f"callcenter_config {command}")
        assert answer.startswith("+OK"), (command, answer)


class Offers:
    """What mod_callcenter's events say of who was offered, held against the order of scores.

    Its dispatcher looks at everybody who waits in the order of scores, then rests 100 ms. Agents without wrap-up are
    free again from the next whole second on, so a look that this second falls into has passed over the best callers
    already. Offers so soon after an agent was free are counted in `ticks`; all others must be right. Who joined
    during the look was not there when it began.
    The time waited is counted in whole seconds read one after another: scores that are one apart may be equal.
    """

    def __init__(self, queues: Iterable[str]) -> None:
        self._queues = list(queues)
        self.checker = OrderChecker(lambda _agent: self._queues)
        self.offered: set[str] = set()
        self.classes: set[str] = set()
        self.joined = 0
        self.violations: list[Violation] = []
        self.ticks = 0
        self._free_at: dict[str, float] = {}
        self._claims: dict[str, tuple[int, int]] = {}
        self._joined_at: dict[str, float] = {}

    def observe(self, event: Message) -> None:
        """Take notice of one event."""
        get = event.get
        member, agent = get("CC-Member-UUID") or "", get("CC-Agent") or ""
        at = int(get("Event-Date-Timestamp") or 0) / 1_000_000
        told = {"at": at, "member": member, "uuid": get("CC-Member-Session-UUID") or "", "queue": get("CC-Queue")}
        match get("CC-Action"):
            case "member-queue-start":
                self._join(event, told)
            case "agent-offering":
                self.offered.add(member)
                self.checker.observe({"event": "offered", "agent": agent, **told})
                self._judge(agent, at, self._claims[member])
            case "bridge-agent-start":
                self.checker.observe({"event": "answered", **told})
            case "bridge-agent-fail":
                self.checker.observe({"event": "not_answered", "waits": True, **told})
            case "member-queue-end":
                self.checker.observe({"event": "left", **told})
            case "agent-state-change" if get("CC-Agent-State") == "Waiting":
                self._free_at[agent] = max(at, self._free_at.get(agent, 0.0))
            case "agent-status-change":
                self._free_at[agent] = at
            case "bridge-agent-end":
                self._free_at[agent] = int(get("CC-Bridge-Terminated-Time") or 0) + 1

    def _join(self, event: Message, told: dict[str, object]) -> None:
        joined = int(event.get("variable_cc_queue_joined_epoch") or 0)
        answered = int(event.get("Caller-Channel-Answered-Time") or 0) // 1_000_000
        base = int(event.get("variable_cc_base_score") or 0) + joined - answered
        self.joined += 1
        self._joined_at[str(told["uuid"])] = int(event.get("Event-Date-Timestamp") or 0) / 1_000_000
        self.classes.add(event.get("variable_fsapp_class") or "")
        self._claims[str(told["member"])] = self._claims[str(told["uuid"])] = (joined - base, joined)
        self.checker.observe({"event": "queue_joined", "base_score": base, "joined_at": told["at"], **told})

    def _judge(self, agent: str, at: float, claim: tuple[int, int]) -> None:
        """Keep what the checker objects to, unless the look began before the agent was free."""
        found = [
            violation for violation in self.checker.violations
            if claim[0] - self._claims[violation.passed_over][0] > 1
            and at - self._joined_at[violation.passed_over] > LOOK_S
        ]
        self.checker.violations = []
        if found and at - self._free_at[agent] < LOOK_S:
            self.ticks += 1
        else:
            self.violations += found
