"""Runs a flow on a call: carries out what the interpreter wants, and tells it what came of it. Decides nothing.

One hangup is the same as another, wherever it happens: `HangUp` comes out of whatever waits, the flow's end is written
down, and it goes on to whoever called. Whatever else goes wrong leads to the flow's line.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from fsapp.core.asking import requested
from fsapp.core.dialling import Dialling
from fsapp.core.flow.actions import (
    END,
    Action,
    Agent,
    Already,
    Answer,
    Ask,
    Begin,
    Collect,
    Digits,
    Failed,
    Given,
    Hangup,
    Note,
    Noted,
    Queue,
    Record,
    Refused,
    Request,
    Said,
    Say,
    Transfer,
)
from fsapp.core.flow.asking import flow_at
from fsapp.core.flow.blocks import Flow
from fsapp.core.flow.state import State, asking, written
from fsapp.core.flow.steps import Situation, begin, step
from fsapp.core.recording import file_name, number_part
from fsapp.core.rules import Rules
from fsapp.core.task import Task
from fsapp.core.task_facts import given_up
from fsapp.core.visit import TALKED, Arrival, event_id
from fsapp.errors import HangUp, SwitchError, Timeout
from fsapp.log import get_logger
from fsapp.metrics import CALLBACKS_ASKED, FLOWS
from fsapp.telephony.session import Session
from fsapp.telephony.talk import DIGIT_S, PROMPT_S, SPARE_S, Talk

__all__ = ["End", "FlowRunner"]

_SPARE_S = 60  # that a visit may take beyond the flow's own limit, which is looked at between two blocks
_log = get_logger("flow")


class End(NamedTuple):
    """How a flow ended: the last action, one of `actions.END`, where the caller was, and the talk to end."""

    action: Action
    state: State
    talk: Talk


class _With(NamedTuple):
    """Whom a flow is run with. `since`: when the call was answered."""

    talk: Talk
    arrival: Arrival
    rules: Rules
    since: datetime


class FlowRunner:
    """`write` takes an event; `lookup` asks an address for a JSON object within so many seconds and never raises;
    `keep` keeps a callback that a caller has asked for, within what may be dialled, and never raises; `earlier` gives
    the rules of an earlier version, None where they are not kept.
    """

    def __init__(
        self, write: Callable[[dict[str, Any]], None], lookup: Callable[[str, float], Answer | Failed],
        keep: Callable[[Task, Dialling], Noted | Already | Refused | Failed], earlier: Callable[[int], Rules | None],
    ) -> None:
        self._write = write
        self._lookup = lookup
        self._request = keep
        self._earlier = earlier

    def run(self, session: Session, arrival: Arrival, rules: Rules, name: str) -> End:
        """Runs flow `name` from its start, or from where the caller is in one. HangUp when the caller has gone."""
        flow, state, rules = self._entry(arrival, rules, name)
        return self._run(session, arrival, rules, flow, state)

    def knows(self, arrival: Arrival, rules: Rules, name: str) -> bool:
        """Whether `run` can: the flow is in force, or was when the caller came into it."""
        earlier = None if name in rules.flows or arrival.flow is None else self._earlier(arrival.flow.version)
        return name in rules.flows or (earlier is not None and name in earlier.flows)

    def ask(self, session: Session, arrival: Arrival, rules: Rules, place: str) -> End:
        """Asks who has pressed the key in a queue of this stage or line where to call back. As `run`.

        The end is Hangup where it is noted, else Queue: the caller goes on waiting.
        """
        return self._run(session, arrival, rules, flow_at(place), arrival.flow or asking({}))

    def _run(self, session: Session, arrival: Arrival, rules: Rules, flow: Flow, state: State) -> End:
        session.allow(flow.limit_s + _SPARE_S)
        talk = Talk(session, arrival.prompts, arrival.recordings, arrival.patience_id)
        who = _With(talk, arrival, rules, datetime.now(UTC) - timedelta(seconds=arrival.waited_s))
        began = time.monotonic()
        try:
            talk.begin()
            given: Given = Begin()
            while True:
                state, actions = step(flow, state, given, _situation(arrival, rules))
                if time.monotonic() - began > flow.limit_s and not isinstance(actions[-1], END):
                    return self._end(arrival, state, talk, Queue(flow.line), "limit")
                self._keep(talk, state, actions, began != 0 and not isinstance(given, Begin))
                for action in actions:
                    if isinstance(action, END):
                        return self._end(arrival, state, talk, action)
                    done = self._do(who, action, state)
                    given = given if done is None else done
        except HangUp:
            if not state.flow and not isinstance(given, Noted | Already):
                self._lost(who, rules)
            self._left(arrival, state, "hung-up")
            raise
        except SwitchError as error:
            if not session.connected:
                self._left(arrival, state, "cut")
                raise
            # It is our call still: the caller goes on to somebody.
            _log.error("flow_failed", call=arrival.uuid, flow=flow.name, block=state.block, error=str(error),
                       meanwhile=f"the call goes to line {flow.line}")
            late = "late" if isinstance(error, Timeout) else "failed"
            return self._end(arrival, state, talk, Queue(flow.line), late)

    def _entry(self, arrival: Arrival, rules: Rules, name: str) -> tuple[Flow, State, Rules]:
        """The flow and the state to begin with: by the rules it began with, else those in force, else at the line."""
        state = arrival.flow
        if state is None or state.flow not in rules.flows and state.version == rules.version:
            return rules.flows[name], _begin(rules.flows[name], rules.version, arrival.language), rules
        for known in (rules,) if state.version == rules.version else (self._earlier(state.version), rules):
            flow = known.flows.get(state.flow) if known else None
            if known and flow and state.block in flow.blocks:
                return flow, state, known
        flow = rules.flows.get(state.flow) or rules.flows[name]
        return flow, state, rules

    def _keep(self, talk: Talk, state: State, actions: tuple[Action, ...], moved: bool) -> None:
        if isinstance(actions[-1], END) and len(actions) == 1:
            return  # what comes next says all there is to say of it
        variables = written(state)
        if moved:
            variables["fsapp_flow_misses"] = ""  # the dialplan counts how often nobody went on here
        talk.keep(variables, sum(_longest_s(action) for action in actions))

    def _do(self, who: _With, action: Action, state: State) -> Given | None:
        talk, arrival = who.talk, who.arrival
        if isinstance(action, Say):
            talk.say(action.prompts, action.language)
            return Said()
        if isinstance(action, Collect):
            return Digits(talk.collect(
                action.prompts, action.language, most=action.most, timeout_s=action.timeout_s, ended=action.ended,
                fresh=action.fresh))
        if isinstance(action, Ask):
            found = self._ask(action, arrival, state)
            talk.still_there()
            return found
        if isinstance(action, Record):
            return self._record(talk, action, arrival, state)
        if isinstance(action, Request):
            return self._ask_for(who, action, state)
        if isinstance(action, Note):
            self._event(arrival, "survey_answered", flow=state.flow, block=action.block, value=action.value,
                        **_about(arrival))
        return None

    def _record(self, talk: Talk, action: Record, arrival: Arrival, state: State) -> Said:
        """A message is one however it ends: most callers hang up when they have said it.

        It is told of as it begins: should we be killed meanwhile, the switch goes on recording.
        """
        file = file_name(datetime.now(UTC), "voicemail", action.line, number_part(arrival.call.caller), arrival.uuid)
        talk.record(file, action.most_s, lambda: self._event(
            arrival, "voicemail_left", flow=state.flow, block=state.block, line=action.line, file=file))
        return Said()

    def _ask(self, action: Ask, arrival: Arrival, state: State) -> Answer | Failed:
        found = self._lookup(action.url, action.timeout_s)
        if isinstance(found, Failed):
            _log.warning("lookup_failed", call=arrival.uuid, flow=state.flow, block=state.block, why=found.why)
        return found

    def _ask_for(self, who: _With, action: Request, state: State) -> Noted | Already | Refused | Failed:
        """A callback that was confirmed counts, whatever the caller does from now on."""
        _, arrival, rules, since = who
        now, place = datetime.now(UTC), rules.place(action.place)
        found: Noted | Already | Refused | Failed = Refused("no-place")
        if place is not None:
            found = self._request(requested(
                event_id(now.timestamp(), random.getrandbits(48)), action.number, place, arrival.call, rules,
                since=since, now=now, queue=arrival.queue, language=state.language or "", about=arrival.uuid),
                rules.dialling)
        outcome = type(found).__name__.lower()
        CALLBACKS_ASKED.labels(outcome).inc()
        self._event(arrival, "callback_asked", flow=state.flow or None, block=state.block, place=action.place,
                    number=action.number, outcome=outcome)
        return found

    def _lost(self, who: _With, rules: Rules) -> None:
        """Who has left the queue by its key and is gone with nothing confirmed has given up waiting like any other."""
        lost = given_up(who.arrival, rules, who.since, datetime.now(UTC))
        if lost is not None:
            self._request(lost, rules.dialling)

    def _end(self, arrival: Arrival, state: State, talk: Talk, action: Action, why: str = "") -> End:
        self._left(arrival, state, why or type(action).__name__.lower(), action)
        return End(action, state, talk)

    def _left(self, arrival: Arrival, state: State, end: str, action: Action | None = None) -> None:
        if not state.flow:
            self._event(arrival, "key_left", queue=arrival.queue, end=end)
            return
        FLOWS.labels(end).inc()
        where: dict[str, Any] = {}
        if isinstance(action, Queue | Agent):
            where["line"] = action.line
        if isinstance(action, Agent):
            where["agent"] = action.agent
        if isinstance(action, Transfer):
            where["extension"] = action.extension
        if isinstance(action, Hangup):
            where["cause"] = action.cause
        self._event(arrival, "flow_left", flow=state.flow, block=state.block, path=state.path, end=end,
                    language=state.language, values=dict(state.values), rules=state.version, **where)

    def _event(self, arrival: Arrival, kind: str, **more: Any) -> None:
        at = time.time()
        call = arrival.call
        self._write({
            "type": kind, "id": event_id(at, random.getrandbits(48)), "at": at, "call": arrival.uuid,
            "caller": call.caller.key or call.caller.raw, "called": call.called.key or call.called.raw, **more,
        })


def _about(arrival: Arrival) -> dict[str, Any]:
    """Of which talk a survey asks: the one before it, or the interaction which the customer was called about."""
    if arrival.asks is not None:
        found = {"about": arrival.asks.about, "agent": arrival.asks.agent}
        return {name: text for name, text in found.items() if text}
    return {"agent": arrival.agent, "queue": arrival.queue} if arrival.cause == TALKED else {}


def _begin(flow: Flow, version: int, language: str | None) -> State:
    """At the start, in the language that the caller has chosen in a flow before, if this one speaks it."""
    state = begin(flow, version)
    return replace(state, language=language) if language in flow.languages else state


def _situation(arrival: Arrival, rules: Rules) -> Situation:
    return Situation(
        arrival.call.caller, arrival.call.called, datetime.now(UTC), rules.lists, rules.schedules, rules.region,
        rules.dialling, rules.numbers)


def _longest_s(action: Action) -> float:
    """The longest that doing this may take."""
    if isinstance(action, Say):
        return len(action.prompts) * (PROMPT_S + SPARE_S)
    if isinstance(action, Collect):
        return len(action.prompts) * PROMPT_S + 2 * (action.timeout_s + action.most * DIGIT_S) + SPARE_S
    if isinstance(action, Record):
        return action.most_s + 4 * SPARE_S
    return action.timeout_s + SPARE_S if isinstance(action, Ask) else SPARE_S
