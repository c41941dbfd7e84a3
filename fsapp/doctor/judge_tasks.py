"""Judges the calls to customers that are to be made: whether they are, and whose they are. Asks nobody."""

from __future__ import annotations

from collections.abc import Iterator

from fsapp.doctor.facts import Facts, NotAsked
from fsapp.doctor.finding import Finding

__all__ = ["LATE_S", "tasks"]

LATE_S = 3600


def tasks(facts: Facts) -> Iterator[Finding]:
    """Tasks that are due are done, and those who are to do them are in the rules."""
    found = facts.tasks
    if isinstance(found, NotAsked):
        yield Finding.unseen(f"tasks: {found.why}")
        return
    if found.late:
        yield Finding.warning(
            f"{found.late} tasks have been due for more than an hour, and nobody stands in line for them",
            "see `fsapp tasks list --state due`: agents of their places have to be available, and `fsapp link` to run")
    if found.agentless:
        yield Finding.warning(
            f"{found.agentless} open tasks are of agents or groups that the rules do not know",
            "see `fsapp tasks list --json`, and give them to somebody with `fsapp tasks assign`")
    if found.placeless:
        yield Finding.warning(
            f"{found.placeless} open tasks are for stages or lines that the rules do not know: they are never called",
            "load rules that have them, or take them back with `fsapp tasks cancel`")
    if not (found.late or found.agentless or found.placeless):
        yield Finding.ok(f"{found.open} open tasks, all of them known to the rules, none late")
