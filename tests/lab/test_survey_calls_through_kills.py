"""Survey calls while link and serve are killed at any moment: nobody is dialled too often, or asked twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from lab_centre import ROOT
from lab_ends import until
from test_survey_calls import Surveying, rules

from fsapp.lab.offering import Reaction
from fsapp.state import keys

NUMBERS = [f"+3816012300{place:02}" for place in range(8)]
KILLS, TRIES = 8, 2


class Killed(Surveying):
    """Its link is a process of its own; customers answer, are busy or do not hear it, as chance has it."""

    def __init__(self, redis_server: Any, folder: Path, chance: random.Random) -> None:
        super().__init__(redis_server, folder, rules=rules(surveys_at_once=3, ring_s=15), speed=10)
        self.link.stop()
        self._chance = chance
        self.switch.customer = self._rung
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")} | {
            "FSAPP_REDIS_URL": redis_server.url, "FSAPP_SWITCH_PASSWORD": "ClueCon", "FSAPP_LINK_HTTP": "127.0.0.1:0",
            "FSAPP_SWITCH": f"127.0.0.1:{self.socket.address[1]}"}
        self._process = self._start()

    def _rung(self, number: str) -> Reaction:
        self.dialled.append(number)
        lot = self._chance.random()
        if lot < 0.3:
            return Reaction("USER_BUSY", after_s=self._chance.uniform(0, 15))
        if lot < 0.5:
            return Reaction(after_s=3600)
        return Reaction(after_s=self._chance.uniform(0, 10), keys="4")

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "fsapp", "link"], env=self._environ, cwd=ROOT,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_link(self, *, for_s: float) -> None:
        self._process.kill()
        self._process.wait()
        self.centre.client.delete(keys.floor("main", "lease"))  # which would run out in ten seconds
        gevent.sleep(for_s)
        self._process = self._start()

    def kill_serve(self, *, for_s: float) -> None:
        self.centre.serve.kill()
        self.centre.serve.wait(20)
        gevent.sleep(for_s)
        self.centre.start_serve(self.centre.listen)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        super().close()


@pytest.fixture
def killed(own_redis: Any, tmp_path: Path) -> Iterator[Killed]:
    made = Killed(own_redis(), tmp_path, random.Random(5))
    yield made
    made.close()


def test_nobody_is_dialled_too_often_or_asked_twice(killed: Killed) -> None:
    chance = random.Random(7)
    for number in NUMBERS:
        killed.ask_how(number, tries_left=TRIES)
    for _ in range(KILLS):
        gevent.sleep(chance.uniform(0.5, 3))
        chance.choice([killed.kill_link, killed.kill_link, killed.kill_serve])(for_s=chance.uniform(0, 1))
    until(lambda: all(killed.task(number).tries for number in NUMBERS), "everybody was called, whatever was killed")
    until(lambda: not any(killed.task(number).call for number in NUMBERS) and not killed.switch.channels,
          "all is written down")
    dialled, asked = Counter(killed.dialled), Counter(one["caller"] for one in killed.told("survey_answered"))
    for number in NUMBERS:
        tries = killed.task(number).tries
        assert dialled[number[1:]] <= len(tries) <= TRIES, (number, tries)
        assert asked[number] <= 1
    told = [one["id"] for one in killed.told("attempt")]
    assert len(told) == len(set(told)) <= sum(len(killed.task(number).tries) for number in NUMBERS)
