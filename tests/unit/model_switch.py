"""A switch of dicts that takes the commands of mod_callcenter which mending sends. Holds no calls of its own making."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace

from fsapp.core.floor import AgentState, AgentStatus, Seen, SeenAgent, SeenCall, SeenMember, SeenQueue, SeenTier
from fsapp.core.queue_xml import queue_parameters
from fsapp.core.rules import Rules

__all__ = ["ModelSwitch"]

_KEYS = {
    "contact": "contact", "status": "status", "state": "state", "wrap_up_time": "wrap_up_s",
    "max_no_answer": "max_no_answer", "reject_delay_time": "reject_delay_s", "busy_delay_time": "busy_delay_s",
    "no_answer_delay_time": "no_answer_delay_s",
}
_NUMBERS = ("wrap_up_time", "max_no_answer", "reject_delay_time", "busy_delay_time", "no_answer_delay_time")


class ModelSwitch:
    """`configured` says which queue its configuration has, by name, with its parameters; None: no such queue."""

    def __init__(self, configured: Callable[[str], dict[str, str] | None]) -> None:
        self.configured = configured
        self.core_uuid = "run-1"
        self.agents: dict[str, SeenAgent] = {}
        self.tiers: dict[tuple[str, str], SeenTier] = {}
        self.queues: dict[str, SeenQueue] = {}
        self.members: dict[str, SeenMember] = {}
        self.calls: dict[str, SeenCall] = {}
        self.dialled: dict[str, str] = {}  # the directory's dial-string of a user
        self.phones: dict[str, str] = {}   # where a user is registered
        self.said: list[str] = []

    @classmethod
    def of(cls, rules: Rules, switch: str = "main") -> ModelSwitch:
        """A switch, still empty, whose configuration is made from `rules`."""
        def configured(name: str) -> dict[str, str] | None:
            return queue_parameters(rules.queues[name], switch) if name in rules.queues else None

        return cls(configured)

    def seen(self) -> Seen:
        return Seen(
            self.core_uuid, dict(self.agents), tuple(self.tiers.values()), dict(self.queues), dict(self.members),
            dict(self.calls),
        )

    def load(self, name: str, parameters: dict[str, str]) -> None:
        settings = {key.replace("-", "_"): value for key, value in parameters.items()}
        self.queues[name] = SeenQueue(name, int(settings.get("max_wait_time", 0)) or None, settings=settings)

    def restart(self, *, new_database: bool) -> None:
        """As load_config of mod_callcenter does it."""
        self.core_uuid += "+"
        self.calls.clear()
        self.members.clear()
        if new_database:
            self.agents.clear()
            self.tiers.clear()
        self.agents = {id_: replace(one, state=AgentState.WAITING, call="") for id_, one in self.agents.items()}
        self.tiers = {key: replace(tier, state="Ready") for key, tier in self.tiers.items()}

    def api(self, cmd: str, timeout_s: float | None = None) -> str:
        self.said.append(cmd)
        words = shlex.split(cmd)
        if words[0] == "uuid_transfer":
            gone = [uuid for uuid, member in self.members.items() if member.call == words[1]]
            for uuid in gone:
                del self.members[uuid]
            return "+OK\n" if words[1] in self.calls else "-ERR No such channel!\n"
        if words[0] == "uuid_exists":
            self.said.pop()
            return str(words[1] in self.calls).lower()
        if words[0] in ("user_data", "sofia_contact"):
            self.said.pop()
            kind = {"user_data": self.dialled, "sofia_contact": self.phones}[words[0]]
            return kind.get(words[1].removeprefix("*/"), "-ERR no reply")
        assert words[0] == "callcenter_config"
        return getattr(self, f"_{words[1]}_{words[2]}")(*words[3:])

    def _queue_load(self, name: str) -> str:
        parameters = self.configured(name)
        if parameters is None:
            return "-ERR Invalid Queue not found!\n"
        self.load(name, parameters)
        return "+OK\n"

    def _queue_unload(self, name: str) -> str:
        self.queues.pop(name, None)
        return "+OK\n"

    def _queue_count(self, what: str, name: str) -> str:
        assert what == "members"
        return f"{sum(member.queue == name for member in self.members.values())}\n"

    def _agent_add(self, name: str, kind: str) -> str:
        assert kind == "callback"
        if name in self.agents:
            return "-ERR Agent already exist!\n"
        self.agents[name] = SeenAgent(name, status=AgentStatus.LOGGED_OUT)
        return "+OK\n"

    def _agent_set(self, key: str, name: str, value: str) -> str:
        if name not in self.agents:
            return "-ERR Agent not found!\n"
        self.agents[name] = replace(self.agents[name], **{_KEYS[key]: int(value) if key in _NUMBERS else value})
        return "+OK\n"

    def _agent_del(self, name: str) -> str:
        self.agents.pop(name, None)
        self.tiers = {key: tier for key, tier in self.tiers.items() if tier.agent != name}
        return "+OK\n"

    def _tier_add(self, queue: str, agent: str, level: str, position: str) -> str:
        if queue not in self.queues and self.configured(queue) is None:
            return "-ERR Queue not found!\n"
        if agent not in self.agents:
            return "-ERR Agent not found!\n"
        if (queue, agent) in self.tiers:
            return "-ERR Tier already exist!\n"
        self.tiers[queue, agent] = SeenTier(queue, agent, int(level), int(position))
        return "+OK\n"

    def _tier_set(self, key: str, queue: str, agent: str, value: str) -> str:
        if (queue, agent) not in self.tiers:
            return "-ERR Unknown Error!\n"
        tier = self.tiers[queue, agent]
        self.tiers[queue, agent] = replace(tier, **{key: int(value) if key == "level" else value})
        return "+OK\n"

    def _tier_del(self, queue: str, agent: str) -> str:
        self.tiers.pop((queue, agent), None)
        return "+OK\n"
