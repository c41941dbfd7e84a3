"""The decision about a call inside the switch, for when `fsapp serve` is not there. Knows no rules of its own.

It does what a visit does: reads the call, asks the same Redis, calls the same `decide`, sets the same variables, writes
the same event. What goes wrong leaves the call where it is: the dialplan's own fallback comes after.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Any

from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.visit import (
    CONTEXT,
    QUEUE_EXTENSION,
    UNKNOWN_EXTENSION,
    Arrival,
    as_fallback,
    ended,
    event_id,
    from_variables,
    read_arrival,
    routed,
    variables,
)
from fsapp.inswitch import config, console
from fsapp.inswitch.source import Source, source_of
from fsapp.log import get_logger

__all__ = ["PATIENCE_S", "handle"]

PATIENCE_S = 0.2  # how long a call may wait for Redis in all
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
        arrival = read_arrival(from_variables(lambda name: _text(session.getVariable(name))), rules.region)
        if arrival.cause == "answered":
            _end(session, arrival, source, deadline)
        else:
            _route(session, arrival, rules, source, deadline)
    except Exception as error:  # noqa: BLE001  the switch may crash of what it is to print: nothing gets out of here
        _log.error("fallback_failed", error=repr(error)[:500], meanwhile="the dialplan goes on alone")


def _end(session: Any, arrival: Arrival, source: Source, deadline: float) -> None:
    session.hangup("NORMAL_CLEARING")
    at = time.time()
    source.write(ended(arrival, event_id(at, random.getrandbits(48)), at), deadline)


def _route(session: Any, arrival: Arrival, rules: Rules, source: Source, deadline: float) -> None:
    call = arrival.call
    decision = as_fallback(decide(call, source.facts(call.caller.key, deadline), rules, datetime.now(UTC)))
    at = time.time()
    decision_id = event_id(at, random.getrandbits(48))
    found = arrival.renamed | variables(decision, decision_id, again=call.earlier is not None)
    for name, value in found.items():
        session.setVariable(name, value)
    extension = QUEUE_EXTENSION if decision.target else UNKNOWN_EXTENSION
    if not session.transfer(extension, "XML", CONTEXT):
        _log.error("transfer_refused", call=arrival.uuid, meanwhile="the dialplan goes on alone")
        return
    event = routed(arrival, decision, decision_id, at)
    source.write(event, deadline)
    _log.warning("fallback_routed", **{name: event[name] for name in (
        "call", "caller", "called", "class", "reason", "queue", "base_score")})


def _text(value: str | None) -> str | None:
    """A value of the switch: what is not UTF-8 is read as Latin-1, as it is on the event socket."""
    if not value or value.isascii():
        return value or None
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
