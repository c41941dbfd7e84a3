"""Callers who are to be called back, while everything is killed around them; what customers do. No tests."""

from __future__ import annotations

import copy
import random
from typing import Any

import gevent
from lab_centre import DOCUMENT, Load

from fsapp.lab.channel import Channel
from fsapp.lab.offering import Reaction
from fsapp.lab.scenario import Scenario, parse
from fsapp.lab.switch import Switch
from fsapp.rules import check_document

__all__ = ["TRIES", "Askers", "played", "rules"]

TRIES = 2
_LOOK_S = 0.05
_AGAIN_S = 1.5
_PATIENCE_S = (0.3, 4)
_ASKS_S = 25.0     # so long whoever asks by key goes on asking
_KEY = "5"
_MOST = 20         # who wait to be called: nobody else calls meanwhile
_SOON_S = 15.0
_MORE = 4          # agents of each group: a callback takes one some eight seconds
_SCENARIO = """
speed = 1
seed = 5
calls = 1
talk = { kind = "uniform", low_s = 1.5, high_s = 4 }
[agents]
answer = { kind = "uniform", low_s = 0.1, high_s = 0.8 }
wrap_up_s = 0
no_answer_share = 0.03
ring_s = 2
max_no_answer = 0
caller_ends_share = 0.3
[[arrival]]
called = "+381115550300"
per_minute = 1
callers = ["+38111*******"]
"""


def rules() -> dict[str, Any]:
    """The example centre, which calls back whoever gives up or asks, at once, and soon again."""
    found = copy.deepcopy(dict(DOCUMENT))
    found["centre"] |= {
        "call_back_lost": True, "lost_wait_s": 0, "lost_after_s": 0, "callback_key": _KEY, "callback_tries": TRIES,
        "callback_retry_s": 10, "callback_expires_s": 7200, "task_wait_s": 3, "agent_wait_s": 3, "group_wait_s": 3,
        "sticky_talk_s": 0, "direct_callback": 1, "wrap_up_s": 0, "no_answer_delay_s": 1, "max_no_answer": 0,
    }
    for group, first in (("sales", 1010), ("support", 1020)):
        more = [str(first + place) for place in range(_MORE)]
        found["agent"] |= {id_: {"name": f"agent {id_}", "email": f"{id_}@example.com"} for id_ in more}
        found["group"][group]["agents"] = [*found["group"][group]["agents"], *more]
    checked = check_document(found, "test")
    assert checked.faults == ()
    return checked.document


def played() -> Scenario:
    """How agents are: fast, so that many customers get their turn."""
    return parse(_SCENARIO)


class Askers:
    """They call `per_s` a second until `stop`, each from another number, and give up or ask to be called back.

    By uuid: `pressed`, when a number was confirmed last; `noted`, who has heard that the callback is noted.
    """

    def __init__(self, switch: Switch, per_s: float, chance: random.Random) -> None:
        self.by_uuid: dict[str, Channel] = {}
        self.pressed: dict[str, float] = {}
        self.noted: set[str] = set()
        self.asks: set[str] = set()
        self._to_call: dict[str, float] = {}  # numbers that gave up or asked just now, and have not been rung yet
        self._switch = switch
        self._per_s = per_s
        self._chance = chance
        self._stopped = False
        switch.customer = self.rung
        self._running = [gevent.spawn(self._call)]

    def rung(self, number: str) -> Reaction:
        """What the customer does who is called: some are busy, say no or hear nothing, as long as anybody calls."""
        self._to_call.pop(number, None)
        if self._stopped:
            return Reaction(after_s=0.1, talk_s=4)
        lot = self._chance.random()
        if lot < 0.1:
            return Reaction("USER_BUSY", self._chance.uniform(0, 0.5))
        if lot < 0.2:
            return Reaction("CALL_REJECTED", self._chance.uniform(0.2, 1))
        if lot < 0.25:
            return Reaction(after_s=3600)
        return Reaction(after_s=self._chance.uniform(0.1, 1), talk_s=self._chance.uniform(2.5, 5))

    def stop(self) -> None:
        """Nobody calls any more, who is on the line hangs up, and whoever is called back from now on answers."""
        self._stopped = True
        gevent.killall(self._running, timeout=5)
        for call in self.by_uuid.values():
            call.hangup("ORIGINATOR_CANCEL", "caller")

    def _call(self) -> None:
        clock, contacts = self._switch.clock, list(Load.contacts)
        while True:
            index = len(self.by_uuid)
            clock.sleep(1 / self._per_s)
            if sum(clock.now() - at < _SOON_S for at in self._to_call.values()) > _MOST:
                continue
            contact = contacts[index // 5] if index // 5 < len(contacts) else f"+38165{index:07}"
            caller, called = (
                (f"+38164{index:07}", "+381115550300"), (f"+38163{index:07}", "+381115550200"),
                (f"+38162{index:07}", "+381115550300"), (contact, "+381115550100"),
                (f"+38161{index:07}", "+381115550100"),
            )[index % 5]
            call = self._switch.call(caller, called)
            self.by_uuid[call.uuid] = call
            asks = self._chance.random() < 0.5
            self._running.append(gevent.spawn(self._asks if asks else self._gives_up, call))

    def _gives_up(self, call: Channel) -> None:
        gevent.sleep(self._chance.uniform(*_PATIENCE_S))
        self._leaves(call)

    def _asks(self, call: Channel) -> None:
        """Presses the key of the queue, confirms, and again should nothing come of it; hangs up at last."""
        now = self._switch.clock.now
        self.asks.add(call.uuid)
        until, pressed_at = now() + _ASKS_S, 0.0
        gevent.sleep(self._chance.uniform(*_PATIENCE_S))
        while call.up and now() < until and not call.served:
            said = call.get("current_application_data")
            if "callback-noted" in said:
                self.noted.add(call.uuid)
            elif now() - pressed_at > _AGAIN_S:
                if "callback-confirm" in said and call.get("current_application") == "play_and_get_digits":
                    pressed_at = self.pressed[call.uuid] = now()
                    call.press("1")
                elif call.get("cc_exit_keys") and call.get("current_application") == "callcenter":
                    pressed_at = now()
                    call.press(_KEY)
            gevent.sleep(_LOOK_S)
        self._leaves(call)

    def _leaves(self, call: Channel) -> None:
        if call.served:
            return
        if call.joined_at is not None:
            self._to_call[call.first_profile.caller_id_number.removeprefix("+")] = self._switch.clock.now()
        call.hangup("ORIGINATOR_CANCEL", "caller")
