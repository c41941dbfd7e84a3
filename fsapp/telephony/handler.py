"""One visit of a call: connect, gather the facts, decide, set the variables, transfer, leave. Holds nothing afterwards.

Where facts come from and events go to is given by the composition root; this file knows neither Redis nor files.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from fsapp.core.carry import Course, course, hold
from fsapp.core.flow.actions import Agent, Hangup, Transfer
from fsapp.core.flow.state import left
from fsapp.core.flow_leg import Asks
from fsapp.core.model import Decision, Facts, Led
from fsapp.core.route import decide
from fsapp.core.rules import Line, Rules, Stage
from fsapp.core.treatment import NOT_THE_TALK
from fsapp.core.visit import TALKED, Arrival, ended, event_id
from fsapp.log import get_logger
from fsapp.metrics import ARRIVED, CARRIED, DECISION_SECONDS, DECISIONS, DEGRADED
from fsapp.telephony import command
from fsapp.telephony.channel import read_arrival
from fsapp.telephony.flow_runner import End, FlowRunner
from fsapp.telephony.session import Session

__all__ = ["Visits"]

_SAY_AGAIN_S = 10.0
_LOGGED = (
    "call", "caller", "called", "class", "reason", "queue", "base_score", "contact", "visit", "from", "to", "waited_s",
)
_log = get_logger("visit")
# Finding a metric's child by its labels costs more than counting: remember it; the labels are few.
_decisions = lru_cache(DECISIONS.labels)


class Visits:
    """What the socket server calls for each connection.

    `facts` gives the facts of a caller by the number's key (None for a caller without one) and never raises; `write`
    takes an event and returns when it is safe or kept to be caught up; `rules` gives the rules in force, or None.
    `flows` talks to callers; without it a flow leads to its line at once. `begun` is told that a flow begins to ask a
    customer who was called for that, by a call of this uuid; it never raises.
    """

    def __init__(
        self, facts: Callable[[str | None], Facts], write: Callable[[dict[str, Any]], None],
        rules: Callable[[], Rules | None], flows: FlowRunner | None = None,
        begun: Callable[[Asks, str, Rules], None] = lambda asks, call, rules: None,
    ) -> None:
        self._facts = facts
        self._write = write
        self._rules = rules
        self._flows = flows
        self._begun = begun
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
        elif arrival.carried is not None:
            self._hold(session, arrival, rules)
        elif arrival.asks is not None:
            self._ask(session, arrival, arrival.asks, rules)
        elif arrival.cause == TALKED:
            self._end(session, arrival, rules)
        else:
            self._route(session, arrival, rules)

    def _say_no_rules(self) -> None:
        now = time.monotonic()
        if now - self._said_at >= _SAY_AGAIN_S:
            self._said_at = now
            _log.error("no_rules", advice="run `fsapp rules load`; until then calls go to the dialplan's fallback")

    def _end(self, session: Session, arrival: Arrival, rules: Rules) -> None:
        """The call has been talked: nothing more is to be done with it, unless its place asks how it was."""
        flow = _survey_after(arrival, rules) if self._flows is not None else None
        within = flow is not None and arrival.flow is not None and arrival.flow.flow == flow
        if not within:
            at = time.time()
            self._write(ended(arrival, event_id(at, random.getrandbits(48)), at))
        cause = "NORMAL_CLEARING"
        if flow is not None and self._flows is not None:
            session.send_all(command.multiset(NOT_THE_TALK))
            end = self._flows.run(session, arrival if within else arrival._replace(flow=None), rules, flow)
            if isinstance(end.action, Hangup):
                cause = end.action.cause
        session.leave(command.hangup(cause))

    def _ask(self, session: Session, arrival: Arrival, asks: Asks, rules: Rules) -> None:
        """A customer whom we have called has answered: the flow asks, then the call is over, wherever else it leads."""
        if self._flows is None or not self._flows.knows(arrival, rules, asks.flow):
            _log.error("no_such_flow", call=arrival.uuid, flow=asks.flow, meanwhile="the customer hears so")
            session.leave()  # the dialplan says it
            return
        self._begun(asks, arrival.uuid, rules)
        end = self._flows.run(session, arrival, rules, asks.flow)
        session.leave(command.hangup(end.action.cause if isinstance(end.action, Hangup) else "NORMAL_CLEARING"))

    def _route(self, session: Session, arrival: Arrival, rules: Rules) -> None:
        if arrival.queue and not arrival.cause:
            _log.error("queue_took_nobody", queue=arrival.queue, advice="is it loaded? `callcenter_config queue list`")
        if arrival.asked and self._flows is not None:
            place = _waited_at(arrival, rules)
            end = self._flows.ask(session, arrival, rules, place) if place else None
            if end is not None and isinstance(end.action, Hangup):
                session.leave(command.hangup(end.action.cause))
                return
            rules = self._rules() or rules
        decision = self._decide(arrival, rules)
        if decision.flow is not None and self._flows is not None:
            end = self._flows.run(session, arrival, rules, decision.flow)
            if isinstance(end.action, Hangup):
                session.leave(command.hangup(end.action.cause))
                return
            if isinstance(end.action, Transfer):
                end.talk.leave(
                    command.multiset(left(end.state)), command.transfer(end.action.extension, end.action.context))
                return
            rules = self._rules() or rules
            arrival = _led(arrival, end)
            decision = self._decide(arrival, rules)
        if decision.degraded:
            DEGRADED.inc()
        _decisions(decision.call_class.value if decision.call_class else "none", decision.reason).inc()
        at = time.time()
        found = course(arrival, decision, event_id(at, random.getrandbits(48)), at, rules)
        if len(found.events) > 1:
            CARRIED.labels(found.events[1]["to"]).inc()
        self._take(session, arrival, found)

    def _decide(self, arrival: Arrival, rules: Rules) -> Decision:
        started = time.perf_counter()
        decision = decide(arrival.call, self._facts(arrival.call.caller.key), rules, datetime.now(UTC))
        DECISION_SECONDS.observe(time.perf_counter() - started)
        return decision

    def _hold(self, session: Session, arrival: Arrival, rules: Rules) -> None:
        """Another switch has carried the call here, and decides about it."""
        at = time.time()
        found = hold(arrival, event_id(at, random.getrandbits(48)), at, rules)
        if found.fault:
            queue = (arrival.carried or {}).get("queue")
            _log.error(found.fault, call=arrival.uuid, switch=arrival.switch, queue=queue,
                       advice="do both switches have the same rules, and fsapp_switch its name in them?")
        if arrival.cause is None:
            ARRIVED.labels("refused" if found.extension is None else "taken").inc()
        self._take(session, arrival, found)

    def _take(self, session: Session, arrival: Arrival, found: Course) -> None:
        """Write down what happens, then have it happen."""
        for event in found.events:
            self._write(event)
        if found.extension is None:
            session.leave(command.hangup(found.cause))
            return
        replies = session.leave(
            command.multiset(found.variables), command.transfer(found.extension, found.context))
        refused = next((reply.reply for reply in replies if not reply.ok), None)
        if refused is not None:
            _log.error("switch_refused", call=arrival.uuid, reply=refused[:200], advice="the dialplan goes on alone")
        for event in found.events:
            _log.debug(event["type"], **{name: event[name] for name in _LOGGED if name in event})


def _waited_at(arrival: Arrival, rules: Rules) -> str | None:
    """The stage or line at which a caller has pressed the key; None where it offers no callback any more."""
    place = _place(arrival, rules)
    return place.id if place is not None and place.calling_back.key else None


def _survey_after(arrival: Arrival, rules: Rules) -> str | None:
    """The flow for who has talked to somebody of this stage or line. No caller is on a call we make for a task."""
    place = _place(arrival, rules) if arrival.call.task is None else None
    return place.survey if place is not None and place.survey in rules.flows else None


def _place(arrival: Arrival, rules: Rules) -> Stage | Line | None:
    earlier = arrival.call.earlier
    if earlier is None:
        return None
    return rules.place(f"{earlier.campaign}/{earlier.stage}" if earlier.stage else earlier.line or "")


def _led(arrival: Arrival, end: End) -> Arrival:
    """The call at the end of its flow, which has led it to a line."""
    agent = end.action.agent or None if isinstance(end.action, Agent) else None
    led = Led(end.state.flow, end.action.line, agent, end.state.path)
    return arrival._replace(call=replace(arrival.call, led=led), flow=end.state)
