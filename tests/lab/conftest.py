from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fsapp.lab.clock import Clock
from fsapp.lab.dialplan import Dialplan, parse
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.switch import Switch

# Fast enough that a test takes little time, slow enough that a noisy machine does not change what happens.
SPEED = 10.0


@pytest.fixture
def make_switch() -> Iterator[Callable[..., Switch]]:
    """Makes switches that are started, and stopped after the test."""
    made: list[Switch] = []

    def make(dialplan: str | Dialplan = "<include/>", *args: Any, speed: float = SPEED, **options: Any) -> Switch:
        plan = parse({"public.xml": dialplan}) if isinstance(dialplan, str) else dialplan
        switch = Switch(plan, *args, clock=Clock(speed), **options)
        switch.start()
        made.append(switch)
        return switch

    yield make
    for switch in made:
        switch.stop()
        assert not switch.channels


@pytest.fixture
def make_socket() -> Iterator[Callable[[Switch], EventSocket]]:
    made: list[EventSocket] = []

    def make(switch: Switch) -> EventSocket:
        made.append(EventSocket(switch, ("127.0.0.1", 0), "ClueCon"))
        return made[-1]

    yield make
    for event_socket in made:
        event_socket.stop()
