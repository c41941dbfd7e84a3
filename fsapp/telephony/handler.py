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
from fsapp.errors import HangUp
from fsapp.log import get_logger
from fsapp.metrics import DECISION_SECONDS, DECISIONS, DEGRADED, VISITS
from fsapp.telephony import command
from fsapp.telephony.channel import Arrival, read_arrival
from fsapp.telephony.session import Session

__all__ = ["CONTEXT", "Visits", "variables"]

CONTEXT = "fsapp"
QUEUE_EXTENSION = "fsapp-queue"
UNKNOWN_EXTENSION = "fsapp-unknown"
_log = get_logger("visit")
# Finding a metric's child by its labels costs more than counting: remember it. The labels are few, all of our own.
_visits = lru_cache(VISITS.labels)
_decisions = lru_cache(DECISIONS.labels)


def _decision_id() -> str:
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
        "fsapp_reason": f"degraded-{decision.reason}" if decision.degraded and not again else decision.reason,
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

    def __call__(self, session: Session) -> None:
        try:
            outcome = self._visit(session)
        except HangUp:
            outcome = "hangup"
        _visits(outcome).inc()

    def _visit(self, session: Session) -> str:
        data = session.connect()
        rules = self._rules()
        if rules is None:
            _log.error("no_rules", advice="run `fsapp rules load`; until then calls go to the dialplan's fallback")
            session.finish()
            return "no-rules"
        arrival = read_arrival(data, rules.region)
        if arrival.cause == "answered":
            return self._end(session, arrival)
        return self._route(session, arrival, rules)

    def _end(self, session: Session, arrival: Arrival) -> str:
        """The call has been talked: nothing more is to be done with it."""
        earlier = arrival.call.earlier
        self._write({
            "type": "call_ended", "call": arrival.uuid, "queue": arrival.queue, "agent": arrival.agent,
            "decision": earlier.decision if earlier else None,
            "class": earlier.call_class.value if earlier else None,
        })
        session.finish(command.hangup("NORMAL_CLEARING"))
        return "ended"

    def _route(self, session: Session, arrival: Arrival, rules: Rules) -> str:
        call = arrival.call
        if call.earlier is not None and not arrival.cause:
            _log.error("queue_took_nobody", queue=arrival.queue, advice="is it loaded? `callcenter_config queue list`")
        started = time.perf_counter()
        facts = self._facts(call.caller.key)
        decision = decide(call, facts, rules, datetime.now(UTC))
        DECISION_SECONDS.observe(time.perf_counter() - started)
        if decision.degraded:
            DEGRADED.inc()
        _decisions(decision.call_class.value if decision.call_class else "none", decision.reason).inc()
        decision_id = _decision_id()
        self._write(_event(arrival, decision, decision_id))
        commands = [command.set_profile_var(name, value) for name, value in arrival.renamed.items()]
        commands.append(command.multiset(variables(decision, decision_id, again=call.earlier is not None)))
        commands.append(command.transfer(QUEUE_EXTENSION if decision.target else UNKNOWN_EXTENSION, CONTEXT))
        session.finish(*commands)
        return "routed" if decision.target else "unknown"


def _event(arrival: Arrival, decision: Decision, decision_id: str) -> dict[str, Any]:
    call, target = arrival.call, decision.target
    return {
        "type": "call_routed" if target else "call_refused",
        "id": decision_id,
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
