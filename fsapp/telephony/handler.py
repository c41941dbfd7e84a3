"""One visit of a call: connect, gather the facts, decide, set the variables, transfer, leave. Holds nothing afterwards.

Where facts come from and events go to is given by the composition root; this file knows neither Redis nor files.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from fsapp.core.model import Decision, Facts
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.log import get_logger
from fsapp.metrics import DECISION_SECONDS, DECISIONS, DEGRADED
from fsapp.telephony import command
from fsapp.telephony.channel import Arrival, read_arrival
from fsapp.telephony.session import Session

__all__ = ["CONTEXT", "Visits", "variables"]

CONTEXT = "fsapp"
QUEUE_EXTENSION = "fsapp-queue"
UNKNOWN_EXTENSION = "fsapp-unknown"
_SAY_AGAIN_S = 10.0
_LOGGED = ("call", "caller", "called", "class", "reason", "queue", "base_score", "contact", "visit")
_log = get_logger("visit")
# Finding a metric's child by its labels costs more than counting: remember it; the labels are few.
_decisions = lru_cache(DECISIONS.labels)


def _event_id() -> str:
    """26 hex digits: the time in microseconds, then chance; sorts by time."""
    return f"{time.time_ns() // 1000:014x}{random.getrandbits(48):012x}"


def variables(decision: Decision, decision_id: str, *, again: bool) -> dict[str, str]:
    """The channel variables of a decision; on a later visit (`again`) those that no longer apply are set to nothing."""
    target = decision.target
    found = {
        "fsapp_class": decision.call_class.value if decision.call_class else None,
        "fsapp_queue": target.queue if target else None,
        "cc_base_score": str(decision.base_score) if decision.base_score is not None else None,
        "fsapp_decision": decision_id,
        "fsapp_reason": decision.reason,
        "fsapp_campaign": decision.campaign,
        "fsapp_stage": decision.stage,
        "fsapp_line": decision.line,
        "fsapp_contact": decision.contact,
        "fsapp_agent": target.agent if target else None,
        "fsapp_tried": ",".join(decision.tried) or None,
        "fsapp_degraded": "true" if decision.degraded else None,
    }
    return {name: value or "" for name, value in found.items() if value is not None or again}


class Visits:
    """What the socket server calls for each connection.

    `facts` gives the facts of a caller by the number's key (None for a caller without one) and never raises; `write`
    takes an event and returns when it is safe or kept to be caught up; `rules` gives the rules in force, or None.
    """

    def __init__(
        self, facts: Callable[[str | None], Facts], write: Callable[[dict[str, Any]], None],
        rules: Callable[[], Rules | None],
    ) -> None:
        self._facts = facts
        self._write = write
        self._rules = rules
        self._said_at = -_SAY_AGAIN_S

    def __call__(self, session: Session) -> None:
        data = session.connect()
        rules = self._rules()
        if rules is None:
            self._say_no_rules()
            session.leave()
            return
        arrival = read_arrival(data, rules.region)
        if arrival.moved_on:
            _log.warning("moved_on", call=arrival.uuid, advice="the dialplan lost patience: is this machine busy?")
            session.leave()
        elif arrival.cause == "answered":
            self._end(session, arrival)
        else:
            self._route(session, arrival, rules)

    def _say_no_rules(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= _SAY_AGAIN_S:
            self._said_at = now
            _log.error("no_rules", advice="run `fsapp rules load`; until then calls go to the dialplan's fallback")

    def _end(self, session: Session, arrival: Arrival) -> None:
        """The call has been talked: nothing more is to be done with it."""
        earlier = arrival.call.earlier
        self._write({
            "type": "call_ended", "id": _event_id(), "at": time.time(), "call": arrival.uuid,
            "queue": arrival.queue, "agent": arrival.agent,
            "decision": earlier.decision if earlier else None,
            "class": arrival.call_class.value if arrival.call_class else None,
        })
        session.leave(command.hangup("NORMAL_CLEARING"))

    def _route(self, session: Session, arrival: Arrival, rules: Rules) -> None:
        call = arrival.call
        if arrival.queue and not arrival.cause:
            _log.error("queue_took_nobody", queue=arrival.queue, advice="is it loaded? `callcenter_config queue list`")
        started = time.perf_counter()
        facts = self._facts(call.caller.key)
        decision = decide(call, facts, rules, datetime.now(UTC))
        DECISION_SECONDS.observe(time.perf_counter() - started)
        if decision.degraded:
            DEGRADED.inc()
        _decisions(decision.call_class.value if decision.call_class else "none", decision.reason).inc()
        decision_id = _event_id()
        event = _event(arrival, decision, decision_id)
        self._write(event)
        replies = session.leave(
            command.multiset(arrival.renamed | variables(decision, decision_id, again=call.earlier is not None)),
            command.transfer(QUEUE_EXTENSION if decision.target else UNKNOWN_EXTENSION, CONTEXT),
        )
        refused = next((reply.reply for reply in replies if not reply.ok), None)
        if refused is not None:
            _log.error("switch_refused", call=arrival.uuid, reply=refused[:200], advice="the dialplan goes on alone")
        _log.debug(event["type"], **{name: event[name] for name in _LOGGED})


def _event(arrival: Arrival, decision: Decision, decision_id: str) -> dict[str, Any]:
    call, target = arrival.call, decision.target
    return {
        "type": "call_routed" if target else "call_refused",
        "id": decision_id,
        "at": time.time(),
        "call": arrival.uuid,
        "caller": call.caller.key or call.caller.raw,
        "name": call.name,
        "called": call.called.key or call.called.raw,
        "class": decision.call_class.value if decision.call_class else None,
        "reason": decision.reason,
        "campaign": decision.campaign,
        "stage": decision.stage,
        "line": decision.line,
        "contact": decision.contact,
        "queue": target.queue if target else None,
        "agent": target.agent if target else None,
        "base_score": decision.base_score,
        "targets": decision.targets,
        "trace": decision.trace,
        "visit": len(decision.tried),
        "rules": decision.rules_version,
        "degraded": decision.degraded,
    }
