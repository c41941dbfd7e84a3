"""Judges what is kept: Redis on its disk, rules, snapshot, queues, dialplan, prompts, recordings. Asks nobody."""

from __future__ import annotations

import os.path
from collections.abc import Iterator

from fsapp.core.mending import Kind
from fsapp.doctor.facts import Facts, NotAsked
from fsapp.doctor.finding import Finding

__all__ = ["dialplan", "persistence", "python", "queues", "recordings", "rules", "snapshot", "sounds"]

_SHOWN = 10
_SYNC = "run `fsapp switch sync`; if it comes back, see the link's log"
# In this order: a Redis that is restarted with the line in its file starts from an empty one.
_APPEND = "run `redis-cli config set appendonly yes`, then write appendonly yes to redis.conf"
_LACKS = frozenset({
    Kind.QUEUE_MISSING, Kind.QUEUE_SETTINGS, Kind.AGENT_MISSING, Kind.AGENT_SETTINGS, Kind.TIER_MISSING,
    Kind.TIER_LEVEL,
})
_FULL, _NEARLY_FULL = 0.02, 0.10
_GIB = 1024**3


def persistence(facts: Facts) -> Iterator[Finding]:
    """Redis keeps what it has over a restart, and evicts nothing."""
    if isinstance(facts.redis, NotAsked):
        yield Finding.unseen("whether Redis keeps its data: Redis was not reached")
        return
    append, save, policy = facts.redis.append, facts.redis.save, facts.redis.policy
    if isinstance(append, NotAsked) or isinstance(save, NotAsked):
        yield Finding.unseen("whether Redis keeps its data: it does not let us ask for its configuration")
    elif append:
        yield Finding.ok("Redis appends every change to its file")
    elif save:
        yield Finding.warning(
            "Redis saves only now and then: a crash loses the last minutes of contacts and events",
            _APPEND)
    else:
        yield Finding.fault(
            "Redis keeps nothing on disk: its restart loses rules, contacts and events",
            _APPEND)
    if isinstance(policy, NotAsked):
        yield Finding.unseen(f"whether Redis evicts keys: {policy.why}")
    elif policy != "noeviction":
        text = f"maxmemory-policy of Redis is {policy}: when it is full it throws contacts away"
        todo = "set maxmemory-policy noeviction in redis.conf"
        yield Finding.fault(text, todo) if facts.redis.maxmemory else Finding.warning(text, todo)
    else:
        yield Finding.ok("Redis evicts nothing")


def rules(facts: Facts) -> Iterator[Finding]:
    """Rules are loaded."""
    if isinstance(facts.rules, NotAsked):
        yield Finding.unseen(f"the rules: {facts.rules.why}")
    elif facts.rules is None:
        yield Finding.fault("no rules are loaded", f"run `fsapp rules load {facts.settings.rules}`")
    else:
        found = facts.rules
        yield Finding.ok(
            f"version {found.version} of the rules is in force: {len(found.numbers)} numbers, "
            f"{len(found.queues)} queues, {len(found.agents)} agents")


def snapshot(facts: Facts) -> Iterator[Finding]:
    """The rules are in the snapshot too, for a start or a fallback while Redis is away."""
    path = facts.settings.snapshot
    if not facts.snapshot:
        yield Finding.warning(
            f"there is no snapshot of the rules at {path}: started without Redis, fsapp would have no rules",
            "start `fsapp serve`, which writes it; FSAPP_SNAPSHOT says where, in full")
    elif facts.rules is None or isinstance(facts.rules, NotAsked):
        yield Finding.ok(f"the snapshot holds version {facts.snapshot} of the rules")
    elif facts.snapshot != facts.rules.version:
        yield Finding.warning(
            f"the snapshot at {path} holds version {facts.snapshot} of the rules, in force is {facts.rules.version}",
            "see why `fsapp serve` does not write it: its log, its folder, FSAPP_SNAPSHOT")
    else:
        yield Finding.ok(f"the snapshot holds version {facts.snapshot} too")


def queues(facts: Facts) -> Iterator[Finding]:
    """Queues, agents and tiers of the switch are those of the rules."""
    if isinstance(facts.switch, NotAsked):
        yield Finding.unseen("the queues: the switch was not reached")
        return
    if isinstance(facts.switch.differences, NotAsked):
        yield Finding.unseen(f"the queues: {facts.switch.differences.why}")
        return
    # What the switch gets into by itself may be passing: one look does not tell.
    faults = [one for one in facts.switch.differences if one.kind in _LACKS]
    doubts = [one for one in facts.switch.differences if one.kind not in _LACKS]
    for one in faults[:_SHOWN]:
        yield Finding.fault(one.text, _SYNC)
    if len(faults) > _SHOWN:
        yield Finding.fault(f"and {len(faults) - _SHOWN} more differences to the rules", _SYNC)
    for one in doubts[:_SHOWN]:
        yield Finding.warning(one.text, one.todo or "if it lasts: `fsapp switch sync`")
    if not faults:
        yield Finding.ok("queues, agents and tiers of the switch are those of the rules")


def dialplan(facts: Facts) -> Iterator[Finding]:
    """The dialplan files fit the rules, and the running switch hands its calls to where fsapp listens."""
    if isinstance(facts.dialplan, NotAsked):
        yield Finding.unseen(f"the dialplan: {facts.dialplan.why}")
    for line in _first(() if isinstance(facts.dialplan, NotAsked) else facts.dialplan):
        what, _, todo = line.rpartition(": ")
        yield Finding.fault(what or line, todo)
    if facts.dialplan == ():
        yield Finding.ok(f"the dialplan in {facts.settings.dialplan} fits the rules")
    socket = facts.switch if isinstance(facts.switch, NotAsked) else facts.switch.socket
    if isinstance(socket, NotAsked):
        yield Finding.unseen("where the running switch hands its calls to: it was not reached, or did not say")
    elif socket.rpartition(":")[2] != facts.settings.listen.rpartition(":")[2]:
        yield Finding.fault(
            f"the switch hands its calls to {socket}, fsapp listens on {facts.settings.listen}",
            "make fsapp_socket in fsapp-vars.xml and FSAPP_LISTEN one, then restart the switch")
    else:
        yield Finding.ok(f"the switch hands its calls to {socket}")


def python(facts: Facts) -> Iterator[Finding]:
    """mod_python3 finds fsapp, Redis and the rules: the queues come from there, and the fallback."""
    if isinstance(facts.switch, NotAsked):
        yield Finding.unseen("the switch's Python: the switch was not reached")
    elif facts.switch.modules.get("mod_python3") is not True:
        yield Finding.unseen("the switch's Python: it has no mod_python3")
    elif isinstance(facts.switch.python, NotAsked):
        yield Finding.unseen(f"the switch's Python: {facts.switch.python.why}")
    elif facts.switch.python.fault:
        yield Finding.fault(
            f"the switch's Python {facts.switch.python.fault}",
            "start the switch with PYTHONPATH naming scripts/switch, the project and its packages, with "
            "FSAPP_REDIS_URL, and without .venv/bin at the front of its PATH")
    else:
        found = facts.switch.python
        yield Finding.ok(f"the switch's Python {found.python} finds fsapp {found.version}")
        if not isinstance(facts.rules, NotAsked) and facts.rules is not None and found.rules != facts.rules.version:
            yield Finding.warning(
                f"the switch's Python has version {found.rules} of the rules, in force is {facts.rules.version}",
                "give the switch the same FSAPP_REDIS_URL and FSAPP_SNAPSHOT as fsapp")


def sounds(facts: Facts) -> Iterator[Finding]:
    """Every prompt is where the switch looks for it."""
    found = facts.switch if isinstance(facts.switch, NotAsked) else facts.switch.sounds
    if isinstance(found, NotAsked):
        yield Finding.unseen(f"the prompts: {'the switch was not reached' if found is facts.switch else found.why}")
        return
    wrong = [sound for sound in found if sound.fault]
    for sound in wrong[:_SHOWN]:
        yield Finding.fault(
            f"prompt {sound.path} {sound.fault}: callers hear only a tone",
            "`fsapp sounds build --to` the folder above the one that fsapp_sounds of fsapp-vars.xml names")
    if not wrong:
        yield Finding.ok(f"all {len(found)} prompts are where the switch looks for them")


def recordings(facts: Facts) -> Iterator[Finding]:
    """There is a folder for recordings, and room in it."""
    folder = facts.machine.recordings
    gib = folder.free_bytes / _GIB
    recorded = not isinstance(facts.rules, NotAsked) and facts.rules is not None and any(
        place.recording for place in (*facts.rules.stages.values(), *facts.rules.lines.values()))
    if folder.fault:
        text, todo = f"recordings: {folder.path} {folder.fault}", "make it, writable for the switch and fsapp"
        yield Finding.fault(text, todo) if recorded else Finding.warning(f"{text}; no rule records calls", todo)
    elif folder.free < _FULL:
        yield Finding.fault(f"the disk of {folder.path} is full: {folder.free:.0%} are free", "make room there")
    elif folder.free < _NEARLY_FULL or folder.free_bytes < _GIB:
        yield Finding.warning(
            f"the disk of {folder.path} is nearly full: {gib:.1f} GiB are free", "make room there")
    else:
        yield Finding.ok(f"recordings go to {folder.path}, {gib:.0f} GiB are free")
    there = facts.switch if isinstance(facts.switch, NotAsked) else facts.switch.recordings
    same = isinstance(there, NotAsked) or not there or os.path.normpath(there) == os.path.abspath(folder.path)
    if not same and not isinstance(facts.switch, NotAsked) and facts.switch.here:
        text = f"the switch records to {there}, fsapp looks in {os.path.abspath(folder.path)}"
        todo = "make fsapp_recordings of the switch and FSAPP_RECORDINGS one"
        yield Finding.fault(text, todo) if recorded else Finding.warning(f"{text}; no rule records calls", todo)


def _first(lines: tuple[str, ...]) -> list[str]:
    return [*lines[:_SHOWN], *([f"and {len(lines) - _SHOWN} more of that kind"] if len(lines) > _SHOWN else [])]
