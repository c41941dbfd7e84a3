"""Judges versions, modules, clocks and limits of the parts. Asks nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fsapp.doctor.facts import Facts, NotAsked
from fsapp.doctor.finding import Finding

__all__ = ["NEEDED", "OLDEST_SWITCH", "USEFUL", "clock", "limits", "modules", "time_zone", "versions"]

NEEDED = (
    "mod_event_socket", "mod_callcenter", "mod_commands", "mod_dptools", "mod_dialplan_xml", "mod_sndfile",
    "mod_tone_stream", "mod_sofia",
)
USEFUL = {  # what is lost without it
    "mod_python3": "without it queues need a file on the switch, and calls get no class while fsapp serve is down",
    "mod_json_cdr": "without it nothing is written down of calls that have ended",
}
OLDEST_SWITCH = (1, 10)
OLDEST_REDIS = (6, 2)
OLDEST_PYTHON = (3, 11)
MOST_OFF_S = 1.0
_SPARE_FILES = 100   # besides the visits: log, Redis, listeners
_LEGS_AN_AGENT = 4   # talking takes two, waiting callers one each
_SLOW_RATE = 30      # FreeSWITCH's own default
_CROWDED = 0.8


def versions(facts: Facts) -> Iterator[Finding]:
    """Redis, FreeSWITCH, Python and greenswitch are those that fsapp was made for."""
    yield from _switch_version(facts)
    if isinstance(facts.redis, NotAsked):
        yield Finding.unseen("the version of Redis: Redis was not reached")
    elif _numbers(facts.redis.version)[:2] < OLDEST_REDIS:
        yield Finding.fault(f"Redis is version {facts.redis.version}, fsapp needs 6.2 or newer", "update Redis")
    else:
        yield Finding.ok(f"Redis {facts.redis.version}")
    python = ".".join(map(str, facts.machine.python))
    if facts.machine.python[:2] < OLDEST_PYTHON:
        yield Finding.fault(f"this is Python {python}, fsapp needs 3.11 or newer", "install fsapp with a newer one")
    else:
        yield Finding.ok(f"Python {python}")
    there, wanted = facts.machine.greenswitch, facts.machine.greenswitch_wanted
    if there and wanted and there != wanted:
        yield Finding.fault(f"greenswitch is version {there}, fsapp was made for {wanted}", "install fsapp again")
    elif there:
        yield Finding.ok(f"greenswitch {there}")
    else:
        yield Finding.unseen("the version of greenswitch: it was installed without saying")


def _switch_version(facts: Facts) -> Iterator[Finding]:
    if isinstance(facts.switch, NotAsked):
        yield Finding.unseen("the version of FreeSWITCH: the switch was not reached")
    elif isinstance(facts.switch.version, NotAsked):
        yield Finding.unseen(f"the version of FreeSWITCH: {facts.switch.version.why}")
    elif _numbers(facts.switch.version)[:2] < OLDEST_SWITCH:
        yield Finding.fault(f"FreeSWITCH is version {facts.switch.version}, fsapp needs 1.10", "update FreeSWITCH")
    else:
        yield Finding.ok(f"FreeSWITCH {facts.switch.version}")


def modules(facts: Facts) -> Iterator[Finding]:
    """The switch has the modules that dialplan and queues need, and those that make more of it."""
    if isinstance(facts.switch, NotAsked):
        yield Finding.unseen("the modules: the switch was not reached")
        return
    there = facts.switch.modules
    silent = [name for name in (*NEEDED, *USEFUL) if isinstance(there.get(name), NotAsked)]
    if silent:
        yield Finding.unseen(f"whether the switch has {', '.join(silent)}: it did not say")
    missing = [name for name in NEEDED if there.get(name) is False]
    for name in missing:
        yield Finding.fault(
            f"the switch has no {name}",
            f"load it: `fs_cli -x 'load {name}'`, and add it to modules.conf.xml for the next start")
    for name, loss in USEFUL.items():
        if there.get(name) is False:
            yield Finding.warning(f"the switch has no {name}: {loss}", f"build or install it, then load {name}")
    if not missing and not silent:
        yield Finding.ok(f"the switch has all {len(NEEDED)} modules that are needed")


def clock(facts: Facts) -> Iterator[Finding]:
    """The clocks of the switch and of Redis are ours: scores are times."""
    clocks = (
        ("the switch", facts.switch if isinstance(facts.switch, NotAsked) else facts.switch.clock_off_s),
        ("Redis", facts.redis if isinstance(facts.redis, NotAsked) else facts.redis.clock_off_s),
    )
    for name, off_s in clocks:
        if isinstance(off_s, NotAsked):
            yield Finding.unseen(f"the clock of {name}: it was not reached, or did not say")
        elif abs(off_s) > MOST_OFF_S:
            way = "ahead of" if off_s > 0 else "behind"
            yield Finding.fault(
                f"the clock of {name} is {abs(off_s):.1f} s {way} ours, and scores are times: callers get out of order",
                "set both machines by the same time server (chrony, systemd-timesyncd)")
        else:
            yield Finding.ok(f"the clock of {name} goes as ours, within a second")


def time_zone(facts: Facts) -> Iterator[Finding]:
    """The switch's local time is ours: it stands in both logs."""
    zone = facts.switch if isinstance(facts.switch, NotAsked) else facts.switch.zone
    if isinstance(zone, NotAsked):
        yield Finding.unseen("the time zone of the switch: it was not reached, or did not say")
    elif zone != facts.machine.zone:
        yield Finding.warning(
            f"the switch's local time is UTC{zone}, ours UTC{facts.machine.zone}: logs do not fit together",
            "set the same time zone (timedatectl, or TZ in the units), then restart both")
    else:
        yield Finding.ok(f"the switch's local time is ours, UTC{zone}")


def limits(facts: Facts) -> Iterator[Finding]:
    """There are files and calls enough for a busy hour."""
    needed = facts.settings.max_visits + _SPARE_FILES
    if facts.machine.files < needed:
        yield Finding.warning(
            f"a process may open {facts.machine.files} files, {facts.settings.max_visits} visits need {needed}",
            "raise LimitNOFILE in the unit (ulimit -n), or lower FSAPP_MAX_VISITS")
    else:
        yield Finding.ok(f"a process may open {facts.machine.files} files")
    sessions = facts.switch if isinstance(facts.switch, NotAsked) else facts.switch.sessions
    if isinstance(sessions, NotAsked):
        yield Finding.unseen("how many calls the switch takes: it was not reached, or did not say")
        return
    now, most, rate = sessions
    agents = 0 if facts.rules is None or isinstance(facts.rules, NotAsked) else len(facts.rules.agents)
    if most < _LEGS_AN_AGENT * agents or now > _CROWDED * most:
        yield Finding.warning(
            f"the switch takes {most} call legs, has {now} now, for {agents} agents: more callers would hear busy",
            "raise max-sessions in switch.conf.xml")
    elif rate < _SLOW_RATE:
        yield Finding.warning(
            f"the switch takes {rate} new legs a second: a rush would be refused",
            "raise sessions-per-second in switch.conf.xml")
    else:
        yield Finding.ok(f"the switch takes {most} call legs, {rate} new ones a second")


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()
