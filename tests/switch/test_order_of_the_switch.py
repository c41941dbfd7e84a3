"""1,000 calls of all classes for ten agents on a real switch: who is offered, in what order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from callers import Serve, call, caller_of, redis_with_contacts
from gevent.pool import Pool
from machine import DEADLINE_S, PASSWORD, Switch

from fsapp.core.rules import Rules
from fsapp.telephony.link import Link

CALLS = 1000
AT_ONCE = 30   # few enough that the switch goes through its list in a small part of its tick
TALK_S = 0.2
TICK_S = 0.2     # who joined within the switch's last look at its list was not on it
SALES, SUPPORT = ("1001", "1002", "1003", "1007", "1009"), ("1004", "1005", "1006", "1008", "1010")


class Order:
    """Hears the queues: how often somebody was offered although another caller with a better claim waited."""

    def __init__(self, serves: dict[str, set[str]]) -> None:
        self.offers = self.ended = self.out_of_order = 0
        self.passed_over: dict[str, set[int]] = {}  # by member: the seconds in which it was
        self._serves = serves
        self._waiting: dict[str, tuple[str, int, float]] = {}  # queue, claim (the higher the better), since when

    def hear(self, headers: dict[str, str]) -> None:
        member, action = headers.get("CC-Member-UUID", ""), headers["CC-Action"]
        now = int(headers["Event-Date-Timestamp"]) / 1_000_000
        if action == "member-queue-start":
            # score = base score + seconds since the answer; only this much of it differs between two who wait
            answered = int(headers["Caller-Channel-Answered-Time"]) // 1_000_000
            self._waiting[member] = (headers["CC-Queue"], int(headers["variable_cc_base_score"]) - answered, now)
        elif action == "agent-offering":
            self.offers += 1
            _, claim, _ = self._waiting.pop(member)
            queues = self._serves[headers["CC-Agent"]]
            # The switch counts in whole seconds, each taken at another moment: two make a difference.
            others = [
                other for other, (queue, better, since) in self._waiting.items()
                if queue in queues and better > claim + 2 and since < now - TICK_S
            ]
            self.out_of_order += bool(others)
            for other in others:
                self.passed_over.setdefault(other, set()).add(int(now))
        elif action == "member-queue-end":
            self.ended += 1
            self._waiting.pop(member, None)


def talk(link: Link, leg: str) -> None:
    gevent.sleep(TALK_S)
    link.bgapi(f"uuid_kill {leg}")


@pytest.fixture
def agents(switch: Switch) -> Iterator[dict[str, set[str]]]:
    """Ten agents whose phones answer at once, and the queues each of them serves."""
    rules = Rules.from_document(switch.document)
    serves = {}
    for like, names in (("1001", SALES), ("1004", SUPPORT)):
        for name in names:
            serves[name] = {queue for queue, one in rules.queues.items() if like in one.staff and "agent-" not in queue}
            for command in (
                f"agent add {name} callback", f"agent set contact {name} null/{name}",
                f"agent set wrap_up_time {name} 0", *(f"tier add {queue} {name} 6 1" for queue in serves[name]),
                *(f"tier set level {queue} {name} 6" for queue in serves[name]), f"agent set status {name} Available",
            ):
                switch.cli(f"callcenter_config {command}")
    yield serves
    for name in serves:
        switch.cli(f"callcenter_config agent set status {name} 'Logged Out'")
        switch.cli(f"callcenter_config agent {'reload' if name in rules.agents else 'del'} {name}")
    switch.cli("callcenter_config tier reload all")


def test_a_thousand_calls_are_offered_in_the_order_of_their_scores(
    switch: Switch, own_redis: Any, agents: dict[str, set[str]], tmp_path: Path,
) -> None:
    order = Order(agents)
    with (
        redis_with_contacts(switch, own_redis) as (redis, _),
        Link("127.0.0.1", switch.event_port, PASSWORD, timeout=20) as link,
        Link("127.0.0.1", switch.event_port, PASSWORD, timeout=20) as ears,
    ):
        serve = Serve(switch, redis.settings.redis_url, tmp_path)
        try:
            serve.start()
            ears.subscribe("callcenter::info")
            made = 0
            talks = Pool()
            while order.offers < CALLS:
                while made < CALLS and made - order.ended < AT_ONCE:
                    call(link, *caller_of(made)[:2])
                    made += 1
                event = ears.next_event(DEADLINE_S)
                assert event is not None, f"{order.offers} offers, and nothing happens any more"
                order.hear(event.headers)
                if event.headers["CC-Action"] == "bridge-agent-start":
                    talks.spawn(talk, link, event.headers["CC-Agent-UUID"])
            talks.join(DEADLINE_S)
        finally:
            serve.close()
            switch.settle()
    # Whoever becomes free while the switch goes through its list is offered who comes next on it, and who was passed
    # over so is first when it begins anew: a tick's worth, once. Where order did not count, it would be so every time.
    assert order.out_of_order < CALLS / 4
    assert max(map(len, order.passed_over.values()), default=0) <= 2
