"""Asks Redis what a doctor wants to know. Judges nothing; writes only the probe."""

from __future__ import annotations

import time
from typing import Any

import redis as driver

from fsapp.core.rules import Rules
from fsapp.doctor.facts import NotAsked, Redis
from fsapp.errors import StateError
from fsapp.settings import Settings
from fsapp.state import keys
from fsapp.state.connection import address, connect, translate
from fsapp.state.lease import holder_of
from fsapp.state.rules import RulesStore

__all__ = ["ask_redis"]

_PATIENCE_S = 2.0
_LONGEST_NAME = 80


def ask_redis(settings: Settings) -> tuple[Redis | NotAsked, Rules | NotAsked | None, str | NotAsked]:
    """Redis itself, the rules in force (None: none are loaded), who holds the switch's link (empty: nobody)."""
    try:
        client = connect(settings, _PATIENCE_S)
    except StateError as error:
        return _nothing(str(error))
    try:
        return _redis(client), _rules(client), _link(client, settings.switch_name)
    except driver.RedisError as error:
        return _nothing(str(translate(error, address(client))))
    except StateError as error:
        return _nothing(str(error))
    finally:
        client.close()


def _nothing(why: str) -> tuple[NotAsked, NotAsked, NotAsked]:
    later = NotAsked("Redis was not reached")
    return NotAsked(why), later, later


def _redis(client: driver.Redis) -> Redis:
    server = client.info("server")
    memory = client.info("memory")
    refuses = ""
    try:
        client.set(keys.PROBE, b"", ex=keys.PROBE_S)
    except driver.RedisError as error:
        refuses = str(translate(error, address(client)))
    asked = time.time()
    seconds, micro = client.time()
    took = time.time() - asked
    return Redis(
        where=address(client), version=str(server["redis_version"]), refuses=refuses,
        clock_off_s=_beyond(seconds + micro / 1e6 - (asked + took / 2), took / 2),
        append=_config(client, "appendonly", lambda value: value == "yes"), save=_config(client, "save", str),
        maxmemory=int(memory.get("maxmemory", 0)), policy=str(memory.get("maxmemory_policy", "noeviction")),
        local=_local(client), open=_config(client, "requirepass", lambda value: not value),
    )


def _beyond(off_s: float, doubt_s: float) -> float:
    """What is surely off: the answer was made at some moment between question and answer."""
    return 0.0 if abs(off_s) <= doubt_s else off_s - doubt_s if off_s > 0 else off_s + doubt_s


def _config(client: driver.Redis, name: str, of: Any) -> Any:
    try:
        return of(client.config_get(name).get(name, ""))
    except driver.RedisError as error:
        return NotAsked(f"it does not let us ask for {name} ({' '.join(str(error).split())[:_LONGEST_NAME]})")


def _local(client: driver.Redis) -> bool:
    known = client.connection_pool.connection_kwargs
    return "path" in known or str(known.get("host", "localhost")) in ("localhost", "127.0.0.1", "::1")


def _rules(client: driver.Redis) -> Rules | NotAsked | None:
    try:
        current = RulesStore(client).current()
        return current.rules() if current is not None else None
    except StateError as error:
        return NotAsked(str(error))


def _link(client: driver.Redis, switch: str) -> str:
    holder = holder_of(client, keys.floor(switch, "lease"))
    return "" if holder is None or holder.is_dead() else str(holder)
