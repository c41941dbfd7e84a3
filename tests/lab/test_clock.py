import gevent
import pytest
from gevent.event import Event
from lab_ends import until

from fsapp.lab.clock import Clock


def test_lab_time_runs_as_fast_as_it_is_told():
    clock = Clock(100)
    assert clock.real(100) == 1
    before = clock.now()
    clock.sleep(5)
    assert clock.now() - before >= 5


def test_a_speed_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        Clock(0)


def test_what_is_put_off_happens_once_and_can_be_forgotten():
    clock = Clock(100)
    happened = []
    forgotten = clock.later(5, happened.append, "forgotten")
    clock.later(1, happened.append, "first")
    forgotten.cancel()
    forgotten.cancel()
    last = clock.later(10, happened.append, "last")
    until(lambda: "last" in happened, "the last has happened")
    last.cancel()
    assert happened == ["first", "last"]


def test_waiting_ends_with_the_event_or_the_time():
    clock = Clock(1000)
    event = Event()
    assert not clock.wait(event, 1)
    gevent.spawn(event.set)
    assert clock.wait(event, 10_000)
