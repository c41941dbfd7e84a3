"""The decision about a call inside the switch, for when `fsapp serve` is not there. Knows no rules of its own.

It does what a visit does: reads the call, asks the same Redis, calls the same `decide`, sets the same variables, writes
the same events. What goes wrong leaves the call where it is: the dialplan's own fallback comes after.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

from fsapp.core.carry import Course, course, hold
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.visit import Arrival, as_fallback, ended, event_id, from_variables, read_arrival
from fsapp.inswitch import config, console
from fsapp.inswitch.source import Source, source_of
from fsapp.log import get_logger

__all__ = ["PATIENCE_S", "handle"]

PATIENCE_S = 0.2  # how long a call may wait for Redis in all
_LOGGED = ("call", "caller", "called", "class", "reason", "queue", "base_score", "from", "to")
_log = get_logger("inswitch")


def handle(session: Any, freeswitch: Any) -> None:
    """Move a call on as `fsapp serve` would; never raises. `session` and `freeswitch` are mod_python3's."""
    try:
        console.attach(freeswitch)
        deadline = time.monotonic() + PATIENCE_S
        source = source_of(config.read(freeswitch))
        rules = source.rules(deadline)
        if rules is None:
            _log.error("no_rules", advice="run `fsapp rules load`; until then calls go to the fallback queue")
            return
        found = from_variables(lambda name: _text(session.getVariable(name)), time.time())
        arrival = read_arrival(found, rules.region)
        if arrival.carried is not None:
            _hold(session, arrival, rules, source)
        elif arrival.asks is not None:
            session.hangup("NORMAL_TEMPORARY_FAILURE")  # no caller, and no flow is run in here
        elif arrival.cause == "answered":
            _end(session, arrival, source)
        else:
            _route(session, arrival, rules, source, deadline)
    except Exception as error:  # noqa: BLE001  the switch may crash of what it is to print: nothing gets out of here
        _log.error("fallback_failed", error=repr(error)[:500], meanwhile="the dialplan goes on alone")


def _end(session: Any, arrival: Arrival, source: Source) -> None:
    session.hangup("NORMAL_CLEARING")
    at = time.time()
    source.write(ended(arrival, event_id(at, random.getrandbits(48)), at))


def _route(session: Any, arrival: Arrival, rules: Rules, source: Source, deadline: float) -> None:
    call = arrival.call
    decision = as_fallback(decide(call, source.facts(call.caller.key, deadline), rules, datetime.now(UTC)))
    at = time.time()
    found = course(arrival, decision, event_id(at, random.getrandbits(48)), at, rules)
    _take(session, arrival, found, source)


def _hold(session: Any, arrival: Arrival, rules: Rules, source: Source) -> None:
    """Another switch has carried the call here, and decides about it."""
    at = time.time()
    found = hold(arrival, event_id(at, random.getrandbits(48)), at, rules)
    if found.fault:
        _log.error(found.fault, call=arrival.uuid, switch=arrival.switch, queue=(arrival.carried or {}).get("queue"))
    _take(session, arrival, found, source)


def _take(session: Any, arrival: Arrival, found: Course, source: Source) -> None:
    """Have it happen, then write it down."""
    if found.extension is None:
        session.hangup(found.cause)
    else:
        for name, value in found.variables.items():
            session.setVariable(name, value)
        if not session.transfer(found.extension, "XML", found.context):
            _log.error("transfer_refused", call=arrival.uuid, meanwhile="the dialplan goes on alone")
            return
    for event in found.events:
        source.write(event)
        _log.warning(f"fallback_{event['type'].removeprefix('call_')}", **{
            name: event[name] for name in _LOGGED if name in event})


def _text(value: str | None) -> str | None:
    """A value of the switch: what is not UTF-8 is read as Latin-1, as it is on the event socket."""
    if not value or value.isascii():
        return value or None
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
