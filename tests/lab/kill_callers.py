"""Callers of all kinds for as long as everything is killed around them, who go on whatever is. No tests."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from typing import Any

import gevent
from flow_centre import FLOW_NUMBER
from lab_centre import DOCUMENT, Load

from fsapp.lab.channel import Channel
from fsapp.lab.switch import Switch
from fsapp.rules import check_document

__all__ = ["Callers", "rules"]

_LOOK_S = 0.05
_AGAIN_S = 1.5
_MOST = 60        # on the line at a time, about
_MAIL_S = (0.3, 1.5)
_ENOUGH = 8
_MARKS = ("1", "2", "3", "4", "5")
_KEYS = {"department": ("1", "2", "3"), "rate": _MARKS, "mark": _MARKS}


def rules() -> dict[str, Any]:
    """The example centre whose flow takes messages and marks, or leads to the helpdesk; another asks after each talk.

    Whoever gives up waiting is to be called back, long after all is over, and any talk makes a customer an agent's.
    """
    found = copy.deepcopy(dict(DOCUMENT))
    found["centre"] |= {"call_back_lost": True, "lost_wait_s": 0, "lost_after_s": 7200, "sticky_talk_s": 0}
    found["flow"]["main"] = {
        "line": "helpdesk", "start": "department", "languages": ["sr", "en"], "block": {
            "department": {"kind": "menu", "say": ["department-menu"], "silent": ["no-input"], "tries": 2,
                           "choices": {"1": "mail", "2": "rate", "3": "helpdesk"}, "otherwise": "helpdesk"},
            "mail": {"kind": "voicemail", "say": ["voicemail"], "max_s": 60, "next": "goodbye"},
            "rate": {"kind": "survey", "say": ["survey"], "invalid": ["invalid"], "min": 1, "max": 5,
                     "next": "goodbye"},
            "helpdesk": {"kind": "queue"},
            "goodbye": {"kind": "hangup", "say": ["goodbye"]},
        }}
    found["flow"]["after"] = {"line": "helpdesk", "start": "mark", "block": {
        "mark": {"kind": "survey", "say": ["survey"], "invalid": ["invalid"], "min": 1, "max": 5, "next": "thanks"},
        "thanks": {"kind": "hangup", "say": ["survey-thanks"]}}}
    found["line"]["helpdesk"]["survey"] = "after"
    checked = check_document(found, "test")
    assert checked.faults == ()
    return checked.document


class Callers:
    """They call `per_s` a second until `stop`; when many are on the line some hang up, whatever goes on with them.

    `answers`: the keys that were pressed when a flow asked for a mark, and when, by call.
    """

    def __init__(self, switch: Switch, per_s: float, chance: random.Random) -> None:
        self.by_uuid: dict[str, Channel] = {}
        self.answers: dict[str, list[tuple[str, float]]] = {}
        self._at: dict[str, set[str]] = {}
        self._switch = switch
        self._per_s = per_s
        self._chance = chance
        self._running = [gevent.spawn(self._call), gevent.spawn(self._give_up)]

    @property
    def calls(self) -> list[Channel]:
        return list(self.by_uuid.values())

    def was_at(self, call: Channel, block: str) -> bool:
        return block in self._at.get(call.uuid, ())

    def enough(self) -> bool:
        """Whether some have been through each branch of the flow to its end, so that there is something to look at."""
        there = [call for call in self.calls if call.hangup_cause == "NORMAL_CLEARING"]
        return all(sum(self.was_at(call, block) for call in there) >= _ENOUGH for block in ("mail", "rate"))

    def stop(self) -> None:
        """Nobody calls or does anything any more; who is on the line stays."""
        gevent.killall(self._running, timeout=5)

    def _call(self) -> None:
        clock, contacts = self._switch.clock, list(Load.contacts)
        start = clock.now()
        while True:
            index = len(self.by_uuid)
            clock.sleep(start + index / self._per_s - clock.now())
            caller, called = (
                (contacts[index % len(contacts)], "+381115550100"),
                (f"+38164{index:07}", "+381115550100"),
                (f"+38163{index:07}", "+381115550200"),
                (f"+381112{index:06}", "+381115550300"),
                (f"+38162{index:07}", FLOW_NUMBER),
            )[index % 5]
            call = self._switch.call(caller, called)
            self.by_uuid[call.uuid] = call
            self._running.append(gevent.spawn(self._through_the_flow, call))

    def _give_up(self) -> None:
        while True:
            gevent.sleep(0.2)
            there = [call for call in self.by_uuid.values() if not call.hangup_cause]
            for call in self._chance.sample(there, max(0, len(there) - _MOST)):
                call.hangup("ORIGINATOR_CANCEL", "caller")

    def _through_the_flow(self, call: Channel) -> None:
        """Presses a key where one is asked for, and again should nothing come of it; speaks, and hangs up or not.

        Who has called a line is asked when the agent has hung up first.
        """
        pressed: Mapping[str, float] = {}
        while call.up:
            gevent.sleep(_LOOK_S if call.get("fsapp_block") else 4 * _LOOK_S)
            block, now = call.get("fsapp_block"), self._switch.clock.now()
            self._at.setdefault(call.uuid, set()).add(block)
            asked = call.get("current_application") == "play_and_get_digits"
            if block in _KEYS and asked and now - pressed.get(block, 0.0) > _AGAIN_S:
                pressed = {**pressed, block: now}
                key = self._chance.choice(_KEYS[block])
                if _KEYS[block] is _MARKS:
                    self.answers.setdefault(call.uuid, []).append((key, now))
                call.press(key)
            elif block == "mail" and call.recordings.running:
                gevent.sleep(self._chance.uniform(*_MAIL_S))
                if self._chance.random() < 0.5:
                    call.hangup("NORMAL_CLEARING", "caller")
                else:
                    call.press("#")
                    gevent.sleep(_AGAIN_S)
