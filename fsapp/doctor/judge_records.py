"""Judges the memory: the SQL database, and whether what happens gets there. Asks nobody."""

from __future__ import annotations

from collections.abc import Iterator

from fsapp.doctor.facts import Facts, NotAsked
from fsapp.doctor.finding import Finding

__all__ = ["records"]

_LATE_S = 60.0


def records(facts: Facts) -> Iterator[Finding]:
    """The database is there and of the right version, and the recorder keeps up with the stream."""
    memory = facts.memory
    if isinstance(memory, NotAsked):
        yield Finding.unseen(f"the database: {memory.why}")
        return
    if memory.fault:
        what, _, todo = memory.fault.rpartition(": ")
        yield Finding.fault(what or memory.fault, todo if what else "see its log")
        return
    if memory.version is None:
        yield Finding.warning(f"there is nothing in the database {memory.where} yet", "start fsapp: `fsapp up`")
    elif isinstance(memory.lag_s, NotAsked):
        yield Finding.unseen(f"whether all that happened is recorded: {memory.lag_s.why}")
    elif memory.lag_s > _LATE_S:
        yield Finding.fault(
            f"events have waited for {memory.lag_s:.0f} s to be recorded",
            "start `fsapp recorder`; where it runs, see its log")
    else:
        yield Finding.ok(f"the database {memory.where} has version {memory.version} and what happened until now")
    if memory.quarantined:
        yield Finding.warning(
            f"{memory.quarantined} events could not be recorded", "see `fsapp records quarantine list`")
