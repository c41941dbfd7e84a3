"""The checks of `fsapp doctor`, by name, in the order they are shown. Each is documented in docs/doctor.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from fsapp.doctor import judge_guards, judge_keeping, judge_reach, judge_records, judge_tasks, judge_versions
from fsapp.doctor.facts import Facts
from fsapp.doctor.finding import Finding

__all__ = ["CHECKS", "judge"]

CHECKS: Mapping[str, Callable[[Facts], Iterable[Finding]]] = {
    "redis": judge_reach.redis,
    "switch": judge_reach.switch,
    "serve": judge_reach.serve,
    "link": judge_reach.link,
    "outside": judge_reach.outside,
    "modules": judge_versions.modules,
    "versions": judge_versions.versions,
    "clock": judge_versions.clock,
    "time-zone": judge_versions.time_zone,
    "rules": judge_keeping.rules,
    "snapshot": judge_keeping.snapshot,
    "queues": judge_keeping.queues,
    "dialplan": judge_keeping.dialplan,
    "python": judge_keeping.python,
    "sounds": judge_keeping.sounds,
    "recordings": judge_keeping.recordings,
    "persistence": judge_keeping.persistence,
    "records": judge_records.records,
    "follow-ups": judge_records.follow_ups,
    "tasks": judge_tasks.tasks,
    "passwords": judge_guards.passwords,
    "ports": judge_guards.ports,
    "limits": judge_versions.limits,
}


def judge(facts: Facts) -> list[tuple[str, Finding]]:
    """Every finding, with the name of its check; each check has at least one."""
    return [(name, finding) for name, check in CHECKS.items() for finding in check(facts)]
