"""Holds a callcenter.conf against the queues, agents and tiers that the rules imply. Asks no switch."""

from __future__ import annotations

from collections.abc import Mapping

from fsapp.core.rules import Rules
from fsapp.rules.switch_xml import Node, expand

__all__ = ["LOWEST_LEVEL", "check_callcenter"]

LOWEST_LEVEL = 11  # a tier's level is this minus the agent's priority: 10 is level 1, 1 is level 10
_EVERY_QUEUE = {"strategy": "longest-idle-agent", "time-base-score": "system", "tier-rules-apply": "false"}


def check_callcenter(root: Node, values: Mapping[str, str], rules: Rules, faults: list[str]) -> None:
    """Adds a line to `faults` for each queue, agent and tier that is missing or says something else than the rules."""
    known = dict(values)
    _queues(root, known, rules, faults)
    agents = {expand(node.get("name"), known) for node in root.all("agent")}
    for agent in sorted({id_ for queue in rules.queues.values() for id_, p in queue.staff.items() if p} - agents):
        faults.append(f"{root.where}: agent {agent} of the rules is missing: add <agent name=\"{agent}\" .../>")
    _tiers(root, known, rules, faults)


def _queues(root: Node, known: dict[str, str], rules: Rules, faults: list[str]) -> None:
    found = {expand(node.get("name"), known): node for node in root.all("queue")}
    for queue in rules.queues.values():
        node = found.get(queue.name)
        if node is None:
            faults.append(f"{root.where}: queue {queue.name} of the rules is missing: add it")
            continue
        said = {param.get("name"): param for param in node.all("param")}
        for name, value in (_EVERY_QUEUE | {"max-wait-time": str(queue.wait_s or 0)}).items():
            there = said.get(name)
            # What mod_callcenter takes for granted where nothing is said.
            text = expand(there.get("value"), known) if there else "0" if name == "max-wait-time" else "not set"
            if text != value:
                where = (there or node).where
                faults.append(f"{where}: queue {queue.name}: {name} is {text}, the rules want {value}: write that")


def _tiers(root: Node, known: dict[str, str], rules: Rules, faults: list[str]) -> None:
    found = {(expand(n.get("queue"), known), expand(n.get("agent"), known)): n for n in root.all("tier")}
    wanted = {
        (queue.name, agent): str(LOWEST_LEVEL - priority)
        for queue in rules.queues.values() for agent, priority in queue.staff.items() if priority
    }
    for (queue, agent), level in wanted.items():
        node = found.get((queue, agent))
        if node is None:
            faults.append(f"{root.where}: agent {agent} has no tier in {queue}: add one with level {level}")
        elif (node.get("level") or "1") != level:
            said = node.get("level") or "no level"
            where = f"{node.where}: agent {agent} in {queue}"
            faults.append(f"{where}: level is {said}, the rules want {level}: write that")
    for (queue, agent), node in found.items():
        if queue in rules.queues and (queue, agent) not in wanted:
            faults.append(f"{node.where}: agent {agent} takes no inbound calls in {queue} by the rules: remove it")
