"""Running a scenario on a switch from the first call to the summary. Opens no socket, reads no file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent.event import Event

from fsapp.core.rules import Rules
from fsapp.lab.callcenter import from_rules
from fsapp.lab.cc_load import FILE, written
from fsapp.lab.clock import Clock
from fsapp.lab.dialplan import Dialplan
from fsapp.lab.order import OrderChecker
from fsapp.lab.people import Callers, Customers, Phones, agents
from fsapp.lab.scenario import Scenario
from fsapp.lab.summary import Summary
from fsapp.lab.switch import Switch
from fsapp.log import get_logger

__all__ = ["build_switch", "run_scenario"]

_log = get_logger("lab")
_QUIET_S = 60.0   # real seconds without any event after which the calls left are stuck


def build_switch(
    rules: Rules, scenario: Scenario, dialplan: Dialplan, *, redis_url: str = "", snapshot: str = "",
) -> Switch:
    """A switch with the agents and tiers of the rules, its agents behaving as in the scenario; not started.

    With `redis_url` (and `snapshot`, the path of the rules' snapshot) it runs the scripts of `scripts/switch`: they
    make its queues when one is first wanted, and decide where `fsapp serve` does not. Without, it has the queues of the
    rules and no scripts, which would ask the Redis and the snapshot of this machine.
    """
    queues, tiers = from_rules(rules.queues.values())
    people = agents(list(rules.agents), scenario)
    clock, phone = Clock(scenario.speed), Phones(scenario)
    customer = Customers(scenario.customers, scenario.seed) if scenario.customers is not None else None
    if not redis_url:
        return Switch(dialplan, queues, people, tiers, clock=clock, phone=phone, scripts=None, customer=customer)
    return Switch(
        dialplan, (), people, tiers, clock=clock, phone=phone, customer=customer, xml_handler="fsapp_queues",
        files={FILE: written((), (), ())}, variables={"fsapp_redis_url": redis_url, "fsapp_snapshot": snapshot},
    )


def run_scenario(
    switch: Switch, scenario: Scenario, stop_event: Event | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> Summary:
    """Let the scenario's callers call a started switch until all of them are done; what came of it.

    Setting `stop_event` ends it early: nobody calls any more and whoever is on the line is cut. `on_event` hears
    every event of the switch (see Switch) and must not block. The switch is left running.
    """
    return _Run(switch, scenario, stop_event or Event(), on_event).run()


class _Run:
    def __init__(
        self, switch: Switch, scenario: Scenario, stop: Event, on_event: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self._switch = switch
        self._callers = Callers(scenario, switch.clock)
        self._phones = Phones(scenario)
        self._stop = stop
        self._summary = Summary()
        self._order = OrderChecker(switch.callcenter.served_by)
        self._happened = Event()
        switch.subscribe(self._observe)
        if on_event is not None:
            switch.subscribe(on_event)

    def _observe(self, event: dict[str, Any]) -> None:
        self._summary.observe(event)
        self._order.observe(event)
        self._callers.observe(event)
        self._phones.return_from_break(self._switch.callcenter, self._switch.clock, event)
        self._happened.set()

    def run(self) -> Summary:
        clock = self._switch.clock
        start = clock.now()
        for at, caller, called in self._callers.arrivals():
            while not self._stop.is_set() and (left := start + at - clock.now()) > 0:
                clock.wait(self._stop, left)
            if self._stop.is_set():
                break
            self._callers.impatient(self._switch.call(caller, called))
        self._until_all_have_ended()
        self._summary.lab_seconds = clock.now() - start
        self._summary.order_violations = [
            f"agent {v.agent} was offered {v.offered} while {v.passed_over} waited in {v.queue}"
            for v in self._order.violations
        ]
        return self._summary

    def _until_all_have_ended(self) -> None:
        quiet_since = self._switch.clock.now()
        while self._switch.calls:
            if self._stop.is_set():
                self._switch.hang_up_all("cut")
            if self._happened.wait(0.1):
                self._happened.clear()
                quiet_since = self._switch.clock.now()
            elif self._switch.clock.real(self._switch.clock.now() - quiet_since) > _QUIET_S:
                _log.error("calls_stuck", calls=self._switch.calls)
                self._switch.hang_up_all("stuck")
                quiet_since = self._switch.clock.now()
