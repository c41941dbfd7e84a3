"""Holds a callcenter.conf against the queues, agents and tiers that the rules imply. Asks no switch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fsapp.core.queue_xml import queue_parameters, tiers
from fsapp.core.rules import MAIN, Rules
from fsapp.rules.switch_xml import Node, expand, read_file

__all__ = ["CALLCENTER", "PYTHON", "check_callcenter"]

CALLCENTER = "autoload_configs/callcenter.conf.xml"
PYTHON = "autoload_configs/python.conf.xml"
MODULES = "autoload_configs/modules.conf.xml"
_HANDLER = "fsapp_queues"
# Callers hear it, calls are not decided by it: the centre's own.
_FREE = frozenset({"moh-sound"})
# What mod_callcenter takes for granted where nothing is said.
_DEFAULTS = {"max-wait-time": "0"}
_ALL = "put what `fsapp switch config` prints into the file"


def check_callcenter(freeswitch: Path, values: Mapping[str, str], rules: Rules, faults: list[str]) -> None:
    """Adds a line to `faults` for each queue, agent and tier that a switch's files have otherwise than the rules.

    What is missing is a fault only where the switch does not get it from the rules (mod_python3 with python.conf).
    """
    path = freeswitch / CALLCENTER
    if not path.exists():
        faults.append(f"{path}: is not there: name the switch's conf folder with --freeswitch")
        return
    served = _served(freeswitch, faults)
    root = read_file(path, faults)
    if root is None:
        return
    known = dict(values)
    switch = known.get("fsapp_switch") or MAIN
    missing = [*_queues(root, known, rules, switch, faults), *_agents(root, known, rules, switch)]
    missing += _tiers(root, known, rules, switch, faults)
    if not served:
        faults += [f"{root.where}: {what}: {_ALL}" for what in missing]


def _served(freeswitch: Path, faults: list[str]) -> bool:
    """Whether the switch asks fsapp for its queues."""
    if not (freeswitch / PYTHON).exists() or not (freeswitch / MODULES).exists():
        return False
    config, modules = read_file(freeswitch / PYTHON, faults), read_file(freeswitch / MODULES, faults)
    if config is None or modules is None:
        return False
    said = {param.get("name"): param.get("value") for param in config.all("param")}
    bound = said.get("xml-handler-script") == _HANDLER and "configuration" in said.get("xml-handler-bindings", "")
    return bound and any(load.get("module") == "mod_python3" for load in modules.all("load"))


def _queues(root: Node, known: dict[str, str], rules: Rules, switch: str, faults: list[str]) -> list[str]:
    """Adds what is said otherwise; what is missing."""
    found = {expand(node.get("name"), known): node for node in root.all("queue")}
    for queue in rules.queues.values():
        node = found.get(queue.name)
        if node is None:
            continue
        said = {param.get("name"): param for param in node.all("param")}
        for name, value in queue_parameters(queue, switch).items():
            there = said.get(name)
            text = expand(there.get("value"), known) if there else _DEFAULTS.get(name, "not set")
            if text != value and name not in _FREE:
                where = (there or node).where
                faults.append(f"{where}: queue {queue.name}: {name} is {text}, the rules want {value}: write that")
    return [f"queue {name} of the rules is missing" for name in rules.queues if name not in found]


def _agents(root: Node, known: dict[str, str], rules: Rules, switch: str) -> list[str]:
    found = {expand(node.get("name"), known) for node in root.all("agent")}
    wanted = dict.fromkeys(agent for _, agent, _ in tiers(rules, switch))
    return [f"agent {agent} of the rules is missing" for agent in sorted(wanted) if agent not in found]


def _tiers(root: Node, known: dict[str, str], rules: Rules, switch: str, faults: list[str]) -> list[str]:
    """Adds what is said otherwise; what is missing."""
    found = {(expand(n.get("queue"), known), expand(n.get("agent"), known)): n for n in root.all("tier")}
    wanted = {(queue, agent): str(level) for queue, agent, level in tiers(rules, switch)}
    for (queue, agent), level in wanted.items():
        node = found.get((queue, agent))
        if node is not None and (node.get("level") or "1") != level:
            said = node.get("level") or "no level"
            where = f"{node.where}: agent {agent} in {queue}"
            faults.append(f"{where}: level is {said}, the rules want {level}: write that")
    for (queue, agent), node in found.items():
        if queue in rules.queues and (queue, agent) not in wanted:
            faults.append(f"{node.where}: agent {agent} takes no inbound calls in {queue} by the rules: remove it")
    return [f"agent {agent} has no tier in {queue}, level {level}"
            for (queue, agent), level in wanted.items() if (queue, agent) not in found]
