"""A thousand calls of all classes for ten agents on a real switch: nobody is offered out of the order of scores."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from crowd import CALLBACKS, Crowd, NullAgents, Offers
from machine import PASSWORD, Switch

from fsapp.telephony.link import Link

CALLS = 1000
WAITING = 30
DEADLINE_S = 900.0
QUEUES = ("renewals.first-call@fsapp", "web-leads.new@fsapp", "helpdesk@fsapp", "vip@fsapp")
CALLED = ("0115550100", "0115550200", "0115550300", "0115550900")


def test_a_thousand_calls_are_offered_in_the_order_of_their_scores(switch: Switch, fsapp: Callable[[], object]) -> None:
    fsapp()
    lot = random.Random(11)
    with Link("127.0.0.1", switch.event_port, PASSWORD, max_events=100_000) as link:
        link.subscribe("callcenter::info")
        crowd, offers = Crowd(link), Offers(QUEUES)
        with NullAgents(link, [str(number) for number in range(2001, 2011)], QUEUES) as agents:
            made, until = 0, time.monotonic() + DEADLINE_S
            while len(offers.offered) < CALLS:
                said = f"{made} called, {offers.joined} joined, {len(offers.offered)} offered"
                assert time.monotonic() < until, said
                while made < CALLS and made - len(offers.offered) < WAITING:
                    called = lot.choice(CALLED)
                    back = called == CALLED[0] and lot.random() < 0.7
                    crowd.call(called, lot.choice(CALLBACKS) if back else f"+38160{lot.randrange(10**6, 10**7)}")
                    made += 1
                if offers.joined >= min(WAITING, CALLS) and not offers.offered:
                    agents.status("Available")
                event = link.next_event(1)
                if event is not None:
                    offers.observe(event)
            assert link.dropped == 0
    assert offers.classes == {"callback", "new-customer", "service"}
    assert offers.violations == []
    # Most offers are not those that the switch's own tick explains, or this would say nothing.
    assert offers.ticks < CALLS / 4
