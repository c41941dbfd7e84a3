"""The people of a scenario: when callers call and give up, what agents and customers do who are called. No sockets."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from typing import Any

from fsapp.lab.callcenter import Agent, CallCenter
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock, Timer
from fsapp.lab.offering import Reaction
from fsapp.lab.scenario import Arrival, CustomerBehaviour, Scenario

__all__ = ["Callers", "Customers", "Phones", "agents"]

_NEVER_S = 3600.0
_ASKS_S = 60.0    # how long somebody listens who wants to be called back
_LISTEN_S = 2.0
_QUESTIONS = 5    # of a survey call that a customer answers


def agents(names: list[str], scenario: Scenario) -> list[Agent]:
    """The switch's agents, each as the scenario has it."""
    made = []
    for name in names:
        how = scenario.behaviour(name)
        made.append(Agent(
            name, max_no_answer=how.max_no_answer, wrap_up_time=how.wrap_up_s, reject_delay_time=5, busy_delay_time=5,
            no_answer_delay_time=5,
        ))
    return made


class Phones:
    """What each agent's phone does with an offer, drawn from the scenario; call it as the switch's `phone`."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._rng = random.Random(f"{scenario.seed} phones")

    def __call__(self, agent: Agent, _channel: Channel) -> Reaction:
        how, rng = self._scenario.behaviour(agent.name), self._rng
        lot = rng.random()
        if lot < how.no_answer_share:
            return Reaction("NO_ANSWER", how.ring_s)
        if lot < how.no_answer_share + how.busy_share:
            return Reaction("USER_BUSY", 0)
        if lot < how.no_answer_share + how.busy_share + how.reject_share:
            return Reaction("CALL_REJECTED", how.answer.draw(rng))
        return Reaction("", how.answer.draw(rng), self._scenario.talk.draw(rng), rng.random() < how.caller_ends_share)

    def return_from_break(self, centre: CallCenter, clock: Clock, event: dict[str, Any]) -> None:
        """Hear an event: an agent whom the switch sent on a break for not answering is back after a while."""
        agent = centre.agents.get(event.get("agent", ""))
        if event["event"] == "not_answered" and agent is not None and agent.status == "On Break":
            clock.later(self._scenario.behaviour(agent.name).back_after_s, centre.set_status, agent, "Available")


class Customers:
    """What customers do who are called, drawn from the scenario; call it as the switch's `customer`."""

    def __init__(self, how: CustomerBehaviour, seed: int) -> None:
        self._how = how
        self._rng = random.Random(f"{seed} customers")

    def __call__(self, _number: str) -> Reaction:
        how, rng = self._how, self._rng
        lot = rng.random()
        if lot < how.no_answer_share:
            return Reaction("NO_ANSWER", _NEVER_S)
        if lot < how.no_answer_share + how.busy_share:
            return Reaction("USER_BUSY", 0)
        if lot < how.no_answer_share + how.busy_share + how.reject_share:
            return Reaction("CALL_REJECTED", how.answer.draw(rng))
        answer_s, talk_s = how.answer.draw(rng), how.talk.draw(rng)
        keys = "".join(rng.choice(how.keys) for _ in range(_QUESTIONS)) if how.keys else ""
        return Reaction("", answer_s, talk_s, keys=keys)


class Callers:
    """Who calls when, and who gives up."""

    def __init__(self, scenario: Scenario, clock: Clock) -> None:
        self._scenario = scenario
        self._clock = clock
        self._rng = random.Random(f"{scenario.seed} callers")
        self._patience: dict[str, Timer] = {}
        self._asked: set[str] = set()

    def arrivals(self) -> Iterator[tuple[float, str, str]]:
        """(seconds from the start, caller, called) in order of time, the same for the same seed."""
        rng, scenario = self._rng, self._scenario
        coming: list[tuple[float, int, int]] = []
        for index, arrival in enumerate(scenario.arrival):
            at = min(arrival.times) if arrival.times else _gap(arrival, rng)
            heapq.heappush(coming, (at, index, 1))
        made = 0
        while coming and (scenario.calls is None or made < scenario.calls):
            at, index, number = heapq.heappop(coming)
            if scenario.duration_s is not None and at > scenario.duration_s:
                continue
            arrival = scenario.arrival[index]
            made += 1
            yield at, arrival.caller(rng), arrival.called
            if arrival.per_minute is not None:
                heapq.heappush(coming, (at + _gap(arrival, rng), index, number + 1))
            elif number < len(arrival.times):
                heapq.heappush(coming, (sorted(arrival.times)[number], index, number + 1))

    def impatient(self, channel: Channel) -> None:
        """Have this caller hang up after a while, unless an agent is on the line by then."""
        wait_s = self._scenario.patience.draw(self._rng)
        self._patience[channel.uuid] = self._clock.later(wait_s, self._give_up, channel)

    def _give_up(self, channel: Channel) -> None:
        self._patience.pop(channel.uuid, None)
        if channel.served:
            return
        keys, share = channel.variables.get("cc_exit_keys", ""), self._scenario.callback_share
        if keys and share and channel.uuid not in self._asked and self._rng.random() < share:
            self._asked.add(channel.uuid)
            channel.press(keys[0])
            self._clock.later(_LISTEN_S, self._confirm, channel)
            self._patience[channel.uuid] = self._clock.later(_ASKS_S, self._give_up, channel)
        else:
            channel.hangup("ORIGINATOR_CANCEL", "caller")

    def _confirm(self, channel: Channel) -> None:
        """Presses 1 when asked whether to be called back on this number."""
        asked = channel.variables.get("current_application_data", "")
        if channel.up and "callback-confirm" in asked:
            channel.press("1")
        elif channel.up and channel.uuid in self._patience:
            self._clock.later(_LISTEN_S, self._confirm, channel)

    def observe(self, event: dict[str, Any]) -> None:
        """Hear an event: who talks has patience, who is gone needs none."""
        if event["event"] in ("answered", "ended"):
            timer = self._patience.pop(event["uuid"], None)
            if timer is not None:
                timer.cancel()


def _gap(arrival: Arrival, rng: random.Random) -> float:
    return rng.expovariate((arrival.per_minute or 1) / 60)
