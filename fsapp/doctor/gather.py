"""Gathers all facts at once: each source in a greenlet of its own, each wait with an end. Judges nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

from fsapp.core.rules import Rules
from fsapp.doctor.ask_machine import answers, ask_machine
from fsapp.doctor.ask_records import ask_records
from fsapp.doctor.ask_redis import ask_redis
from fsapp.doctor.ask_switch import ask_switch, takes_well_known
from fsapp.doctor.ask_tasks import ask_tasks
from fsapp.doctor.facts import Facts, NotAsked
from fsapp.doctor.passwords import strength
from fsapp.errors import FsappError
from fsapp.rules import load_folder
from fsapp.rules.dialplan import Wanted, check_dialplan
from fsapp.settings import Settings
from fsapp.spawn import spawn
from fsapp.state import snapshot

__all__ = ["gather"]

_LONGEST_S = 10.0


def gather(settings: Settings) -> Facts:
    """Everything that can be known now, within some seconds; what could not be had says why."""
    machine = ask_machine(settings.recordings)
    serve = spawn(answers, settings.listen, name="doctor-serve")
    well_known = spawn(takes_well_known, settings, name="doctor-password")
    redis, rules, link = _until(lambda: ask_redis(settings), "Redis", 3)
    here = rules if isinstance(rules, Rules) else _from_folder(settings)
    memory = _until(lambda: ask_records(settings), "the database")
    tasks = _until(lambda: ask_tasks(settings, rules if isinstance(rules, Rules) else None), "Redis")
    switch = _until(lambda: ask_switch(settings, here), "the switch")
    gevent.joinall([serve, well_known], timeout=_LONGEST_S)
    kept = snapshot.load(settings.snapshot)
    return Facts(
        settings=settings, machine=machine, redis=redis, rules=rules, link=link, switch=switch, memory=memory,
        tasks=tasks, serve=serve.value if serve.ready() else "no answer in time",
        well_known_taken=well_known.value if well_known.ready() else NotAsked("no answer in time"),
        snapshot=kept[0] if kept else 0, dialplan=_dialplan(settings, here),
        phone_password=strength(os.environ.get("FSAPP_PHONE_PASSWORD", "")),
        environment=frozenset(name for name, value in os.environ.items() if value),
    )


def _until(ask: Callable[[], Any], who: str, parts: int = 1) -> Any:
    """What `ask` returns; as many NotAsked as it has parts when it takes too long."""
    late = NotAsked(f"{who} did not answer within {_LONGEST_S:g} s: see its log")
    with gevent.Timeout(_LONGEST_S, False):
        return ask()
    return late if parts == 1 else (late,) * parts


def _from_folder(settings: Settings) -> Rules | None:
    """The rules of the folder, where Redis has none."""
    try:
        return Rules.from_document(load_folder(settings.rules))
    except FsappError:
        return None


def _dialplan(settings: Settings, rules: Rules | None) -> tuple[str, ...] | NotAsked:
    if rules is None:
        return NotAsked("the rules are not known")
    return tuple(check_dialplan(Path(settings.dialplan), Wanted(rules, settings.listen, settings.visit_s)))
