"""`fsapp link` on the lab switch: what is known of the floor is what is so, whatever was lost on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import gevent
import pytest
import redis
from floor_truth import comparable, differences
from lab_ends import PATIENCE_S, until

from fsapp.app.link import LinkProcess
from fsapp.core.floor import MemberState, Seen
from fsapp.core.floor_rows import call_rows, queue_rows
from fsapp.core.wait_floor import scene_of
from fsapp.errors import RequestRefused, StateRefused, SwitchRefused
from fsapp.lab.api import run
from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.faults import ghost
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch
from fsapp.metrics import WAITS_FORETOLD
from fsapp.rules import load_folder
from fsapp.state.floor import read_floor, read_learned
from fsapp.state.requests import ask
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail
from fsapp.telephony.callcenter import QUESTIONS, seen_from

ROOT = Path(__file__).parents[2]
PLAN = """<include><context name="public">
<extension name="queue"><condition field="destination_number" expression="^1$">
<action application="set" data="fsapp_class=callback"/><action application="set" data="cc_base_score=300000000"/>
<action application="callcenter" data="vip@fsapp"/><action application="callcenter" data="helpdesk@fsapp"/>
</condition></extension>
<extension name="other"><condition field="destination_number" expression="^2$">
<action application="answer"/><action application="set" data="fsapp_class=service"/>
<action application="callcenter" data="helpdesk@fsapp"/></condition></extension>
<extension name="key"><condition field="destination_number" expression="^3$">
<action application="answer"/><action application="set" data="fsapp_class=service"/>
<action application="set" data="cc_exit_keys=*"/><action application="callcenter" data="helpdesk@fsapp"/>
<action application="unset" data="cc_exit_keys"/><action application="callcenter" data="helpdesk@fsapp"/>
</condition></extension>
</context></include>"""
AGENTS = ("1004", "1005", "1006", "1007")


def phones(rng: random.Random) -> Callable[..., Reaction]:
    def react(_agent: Agent, _channel: Any) -> Reaction:
        lot = rng.random()
        if lot < 0.15:
            return Reaction("NO_ANSWER", 2)
        if lot < 0.25:
            return Reaction("USER_BUSY", 0)
        return Reaction("", rng.uniform(0.5, 2), rng.uniform(1, 6), rng.random() < 0.5)

    return react


def truth(switch: Switch) -> Seen:
    """The floor as the switch itself has it, without a connection."""
    return seen_from({name: run(switch, question) for name, question in QUESTIONS.items()}, switch.clock.now())


class Floor:
    """A lab switch with a few agents, its event socket, which can be cut, and a Redis."""

    def __init__(self, switch: Switch, event_socket: EventSocket, server: Any) -> None:
        self.switch = switch
        self.server = server
        self.client: redis.Redis = server.connect()
        self._socket = event_socket
        self.address = event_socket.address
        self.rng = random.Random(7)

    def lose(self, count: int | None) -> None:
        """The switch keeps so many events to itself, all with None."""
        self._socket.lose(count)

    def freeze(self) -> None:
        self._socket.freeze()

    def thaw(self) -> None:
        self._socket.thaw()

    def cut(self) -> None:
        """The connection breaks, and nobody is let in any more."""
        self._socket.stop()

    def restore(self, switch: Switch | None = None) -> None:
        self.switch = switch or self.switch
        self._socket = EventSocket(self.switch, self.address, "ClueCon")

    def seen(self) -> Seen:
        return read_floor(self.client, "main").seen

    def up(self, switch: str) -> bool:
        return read_floor(self.client, switch).up

    def same(self) -> bool:
        return comparable(self.seen()) == comparable(truth(self.switch))

    def wait_same(self, what: str) -> None:
        try:
            until(self.same, what)
        except AssertionError:
            wrong = differences(self.seen(), truth(self.switch))
            raise AssertionError(f"{what}: what is known and what is so: {wrong}") from None

    def call(self, count: int) -> None:
        """Callers who wait, talk, or have had enough."""
        for _ in range(count):
            channel = self.switch.call(f"+3816012{self.rng.randrange(10**5):05d}", self.rng.choice("12"), name="Mira")
            if self.rng.random() < 0.4:
                self.switch.clock.later(self.rng.uniform(1, 20), channel.hangup, "NORMAL_CLEARING", "caller")
            gevent.sleep(0.01)

    def facts(self, *types: str) -> list[dict[str, Any]]:
        return [fact for _, fact in tail(self.client, 0.0, follow=False) if not types or fact["type"] in types]

    def close(self) -> None:
        self._socket.stop()
        self.client.close()


@pytest.fixture
def make_floor(make_switch: Callable[..., Switch], make_socket: Callable[..., EventSocket]) -> Iterator:
    made: list[Floor] = []

    def make(server: Any) -> Floor:
        switch = lab(make_switch)
        made.append(Floor(switch, make_socket(switch), server))
        return made[-1]

    yield make
    for floor in made:
        floor.close()


@pytest.fixture
def floor(make_floor: Callable[[Any], Floor], redis_server: Any) -> Floor:
    return make_floor(redis_server)


def lab(make_switch: Callable[..., Switch], speed: float = 20) -> Switch:
    return make_switch(
        PLAN, [Queue("vip@fsapp", 5), Queue("helpdesk@fsapp")],
        [Agent(name, f"user/{name}@fsapp", max_no_answer=3, no_answer_delay_time=1) for name in AGENTS],
        [Tier(queue, name) for queue in ("vip@fsapp", "helpdesk@fsapp") for name in AGENTS],
        phone=phones(random.Random(3)), speed=speed,
    )


@pytest.fixture
def start_link() -> Iterator[Callable[..., LinkProcess]]:
    """Starts links in this process; each is stopped after the test."""
    made: list[LinkProcess] = []

    def start(floor: Floor, wait: bool = True, **changes: Any) -> LinkProcess:
        settings = floor.server.settings.model_copy(update={
            "switch": "{}:{}".format(*floor.address), "switch_password": "ClueCon", "link_http": "127.0.0.1:0",
            "sync_s": 3600.0, **changes,
        })
        process = LinkProcess(settings)
        made.append(process)
        process.start()
        if wait:
            until(lambda: process.watch.up and floor.up(settings.switch_name), "the link is up, and all know it")
        return process

    yield start
    for process in made:
        process.stop()


def test_the_floor_is_what_is_so_after_load(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    start_link(floor)
    floor.wait_same("at the start")
    floor.call(100)
    floor.switch.callcenter.set_status(floor.switch.callcenter.agents["1007"], "On Break")
    floor.wait_same("in the middle of it")
    until(lambda: not floor.switch.channels, "all have hung up")
    floor.wait_same("at the end")
    assert [agent.status for agent in floor.seen().agents.values()].count("On Break") >= 1


def test_the_facts_of_every_call(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    happened: list[dict[str, Any]] = []
    floor.switch.subscribe(happened.append)
    process = start_link(floor)
    floor.call(60)
    until(lambda: not floor.switch.channels, "all have hung up")
    until(lambda: len(floor.facts("call_hung_up")) == 60, "all are told")
    process.stop()
    facts = floor.facts()
    assert len({fact["id"] for fact in facts}) == len(facts)
    assert all(fact["switch"] == "main" for fact in facts)

    def so(event: str, *names: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(one[name] for name in names) for one in happened if one["event"] == event)

    def told(*types: str, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
        return sorted(tuple(fact[name] for name in names) for fact in facts if fact["type"] in types)

    who = ("member", "queue")
    assert told("queue_joined", names=who) == so("queue_joined", *who)
    assert told("agent_offered", names=(*who, "agent")) == so("offered", *who, "agent")
    assert told("agent_missed", names=(*who, "agent", "cause")) == so("not_answered", *who, "agent", "cause")
    assert told("call_answered", names=(*who, "agent")) == so("answered", *who, "agent")
    assert told("call_left_queue", "call_abandoned", names=who) == so("left", *who)
    assert told("call_hung_up", names=("call", "cause")) == so("ended", "uuid", "cause")
    assert {fact.get("class") for fact in facts if fact["type"] == "queue_joined"} == {"callback", "service"}
    assert {fact["reason"] for fact in facts if fact["type"] == "call_left_queue"} <= {"TIMEOUT"}
    # On a busy machine an event may come after the look that found what it tells.
    assert len([fact for fact in facts if fact.get("recovered")]) < 6


def test_waits_are_learned_foretold_and_kept(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    process = start_link(floor)
    for wave in range(1, 13):
        if wave == 6:
            before = {within: WAITS_FORETOLD.labels(within)._value.get() for within in ("yes", "no")}
            answered_before = len(floor.facts("call_answered"))
        floor.call(15)
        until(lambda: len(floor.switch.channels) < 4, "nearly all have hung up")
    until(lambda: not floor.switch.channels, "all have hung up")
    until(lambda: len(floor.facts("call_hung_up")) == 180, "all are told")
    until(lambda: "helpdesk@fsapp" in read_floor(floor.client, "main").waits, "the wait is known to all")
    floor.switch.callcenter.set_status(floor.switch.callcenter.agents["1004"], "Available")
    floor.wait_same("at the end")
    # Those whom too many missed calls have sent on a break are in nobody's play.
    ready = sum(agent.status == "Available" for agent in floor.seen().agents.values())

    def expected() -> tuple[int, int]:
        found = read_floor(floor.client, "main").waits["helpdesk@fsapp"]
        return found.agents, found.position

    until(lambda: expected() == (ready, 1), "who is there is known")
    within, beyond = (WAITS_FORETOLD.labels(name)._value.get() - before[name] for name in ("yes", "no"))
    # Counted a moment apart: a call or two may be in one and not in the other.
    assert abs(within + beyond - (len(floor.facts("call_answered")) - answered_before)) < 15
    assert within > beyond
    process.stop()
    assert read_learned(floor.client, "main")["learner"] == process._waits.book.dump()["learner"]
    again = start_link(floor)
    assert again._waits.book.dump() == process._waits.book.dump()


def test_who_waits_is_told_and_nobody_else(
    make_switch: Callable[..., Switch], make_socket: Callable[..., EventSocket], redis_server: Any,
    start_link: Callable[..., LinkProcess],
) -> None:
    switch = make_switch(
        PLAN, [Queue("helpdesk@fsapp")], [Agent("1004", "user/1004@fsapp")], [Tier("helpdesk@fsapp", "1004")],
        phone=lambda _agent, _channel: Reaction(talk_s=3600))
    run(switch, "global_setvar fsapp_sounds=/sounds/fsapp/sr")
    floor = Floor(switch, make_socket(switch), redis_server)
    document = load_folder(ROOT / "conf/rules")
    document["line"]["helpdesk"] |= {"tell_position": True, "tell_wait": True}
    RulesStore(floor.client).load(document, "", "", "")
    played: list[dict[str, Any]] = []
    switch.subscribe(lambda told: played.append(told) if told["event"] == "displaced" else None)
    start_link(floor)
    talks = switch.call("+381601234567", "2", name="Mira")
    until(lambda: switch.callcenter.agents["1004"].state == "In a queue call", "one talks")
    first, second = (switch.call(f"+38160123456{digit}", "2", name="Mira") for digit in "89")
    until(lambda: len(floor.facts("wait_told")) == 2, "both are told")
    told = {fact["call"]: fact for fact in floor.facts("wait_told")}
    # Their place; the wait only once there is something to know it from.
    assert told[first.uuid]["prompts"] == ["position-next"]
    assert told[second.uuid]["prompts"] == ["position", "number-2"]
    assert told[second.uuid]["doubt"] and talks.uuid not in told
    assert {one["uuid"]: one["files"] for one in played}[second.uuid] == (
        "file_string:///sounds/fsapp/sr/position.wav!/sounds/fsapp/sr/number-2.wav")
    # Over when a phone rings for the caller.
    talks.hangup("NORMAL_CLEARING", "caller")
    until(lambda: switch.callcenter.agents["1004"].state == "Receiving" or first.bridged, "the next is offered")
    until(lambda: not first.displaced, "and hears no more of it")
    assert second.displaced
    floor.close()


def test_the_key_is_told_once_to_whom_it_is_given(
    make_switch: Callable[..., Switch], make_socket: Callable[..., EventSocket], redis_server: Any,
    start_link: Callable[..., LinkProcess],
) -> None:
    """Where neither place nor wait is told; although nobody is there to take the call."""
    switch = make_switch(PLAN, [Queue("helpdesk@fsapp")])
    run(switch, "global_setvar fsapp_sounds=/sounds/fsapp/sr")
    floor = Floor(switch, make_socket(switch), redis_server)
    document = load_folder(ROOT / "conf/rules")
    document["line"]["helpdesk"] |= {"callback_key": "*", "tell_every_s": 15}
    RulesStore(floor.client).load(document, "", "", "")
    process = start_link(floor)
    switch.call("+381601234567", "2")
    key = switch.call("+381601234568", "3")
    until(lambda: floor.facts("wait_told"), "the key is told")
    until(lambda: list(process._teller._due.values()) == [inf, inf], "both have had their turn, and have no other")
    [told] = floor.facts("wait_told")
    assert (told["call"], told["prompts"], told["key"]) == (key.uuid, ["callback-offer", "press-star"], "*")
    assert key.displaced
    key.press("*")
    until(lambda: not key.displaced, "it is cut off by the key")
    floor.close()


def test_cut_and_restored(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    start_link(floor)
    floor.call(40)
    floor.cut()
    floor.call(60)
    until(lambda: not read_floor(floor.client, "main").up, "readers know that the floor grows old")
    floor.switch.callcenter.set_status(floor.switch.callcenter.agents["1007"], "On Break")
    assert not floor.same()
    floor.restore()
    floor.wait_same("after the link is back")
    assert read_floor(floor.client, "main").up
    until(lambda: not floor.switch.channels, "all have hung up")
    until(lambda: len({fact["id"] for fact in floor.facts("call_hung_up")}) == 100 - _unheard(floor), "all are told")
    facts = floor.facts()
    assert len({fact["id"] for fact in facts}) == len(facts)
    assert [fact for fact in facts if fact.get("recovered")]


def _unheard(floor: Floor) -> int:
    """Calls that came and went while nobody looked: of those nobody can know."""
    known = {fact["call"] for fact in floor.facts() if "call" in fact}
    return 100 - len(known)


def test_what_ended_while_no_link_ran_is_told_by_the_next(
    floor: Floor, start_link: Callable[..., LinkProcess],
) -> None:
    first = start_link(floor)
    floor.call(20)
    until(lambda: floor.seen().members, "somebody waits")
    first.stop()
    waiting = {call.uuid for call in floor.seen().calls.values() if call.direction == "inbound"}
    until(lambda: not floor.switch.channels, "all have hung up")
    start_link(floor)
    floor.wait_same("the second link knows")
    until(lambda: waiting <= {fact["call"] for fact in floor.facts("call_hung_up")}, "their ends are told")


def test_another_run_of_the_switch(
    floor: Floor, start_link: Callable[..., LinkProcess], make_switch: Callable[..., Switch],
) -> None:
    start_link(floor)
    floor.call(30)
    floor.cut()
    floor.restore(lab(make_switch))
    floor.wait_same("the new run is known")
    assert not floor.seen().calls
    floor.call(20)
    floor.wait_same("and followed")


def test_dropped_events(floor: Floor, start_link: Callable[..., LinkProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    process = start_link(floor)
    process.watch._link._events.maxsize = 2  # what it holds, not what it does
    floor.call(60)
    assert process.watch._link.dropped
    until(lambda: not floor.switch.channels, "all have hung up")
    floor.wait_same("after events were dropped")


def test_events_that_the_switch_itself_never_sent(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    """Nothing tells of them: the look that comes every so often finds out."""
    start_link(floor, sync_s=0.5)
    floor.lose(None)
    floor.call(20)
    floor.lose(0)
    until(lambda: not floor.switch.channels, "all have hung up")
    floor.wait_same("without any event")


def test_a_switch_that_crashes_and_boots(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    process = start_link(floor)
    floor.call(20)
    first = floor.seen().core_uuid
    floor.switch.crash()
    until(lambda: not process.watch.up, "it is noticed")
    floor.switch.boot()
    floor.wait_same("the new run is known")
    assert floor.seen().core_uuid != first
    assert not floor.seen().calls
    until(lambda: len({fact["call"] for fact in floor.facts("call_hung_up")}) >= 1, "whose calls ended is told")


def test_a_row_of_nobody_is_no_caller(
    make_switch: Callable[..., Switch], make_socket: Callable[..., EventSocket], redis_server: Any,
    start_link: Callable[..., LinkProcess],
) -> None:
    """The switch keeps rows of callers whose calls are gone: nobody waits, and nobody talks."""
    switch = lab(make_switch, speed=1)
    for agent in switch.callcenter.agents.values():
        switch.callcenter.set_status(agent, "Logged Out")
    for state in ("Waiting", "Trying", "Answered"):
        member = switch.callcenter.queues["helpdesk@fsapp"].members[ghost(switch, "helpdesk@fsapp", state=state)]
        member.joined_at -= 60
    floor = Floor(switch, make_socket(switch), redis_server)
    start_link(floor)
    until(lambda: len(floor.seen().members) == 3, "the rows are there")

    def helpdesk() -> tuple[int, int, int]:
        rows = queue_rows([read_floor(floor.client, "main")], datetime.now(UTC))
        [row] = [row for row in rows if row["queue"] == "helpdesk@fsapp"]
        return row["waiting"], row["longest_s"], row["talking"]

    assert helpdesk() == (0, 0, 0)
    assert call_rows([read_floor(floor.client, "main")], None, datetime.now(UTC)) == []
    switch.call("+381601234567", "2")
    until(lambda: helpdesk()[0] == 1, "one waits")
    line = scene_of(floor.seen(), datetime.now(UTC)).line
    assert len(line) == 1
    until(lambda: floor.facts("queue_joined"), "the caller is told")
    assert [fact["member"] for fact in floor.facts("queue_joined", "call_answered")] == [line[0].member]
    floor.close()


def test_a_silent_connection_is_given_up(
    floor: Floor, start_link: Callable[..., LinkProcess], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fsapp.link.watch._QUIET_S", 0.2)
    monkeypatch.setattr("fsapp.link.watch._PING_S", 0.3)
    process = start_link(floor)
    first = process.watch._link
    # The connection stays open: nothing comes, and nothing is answered.
    floor.freeze()
    until(lambda: not process.watch.up, "the silence is noticed")
    floor.thaw()
    until(lambda: process.watch.up and process.watch._link is not first, "connected anew")
    floor.wait_same("after the silence")


def test_redis_away_and_back(
    make_floor: Callable[[Any], Floor], own_redis: Callable, start_link: Callable[..., LinkProcess],
) -> None:
    floor = make_floor(own_redis())
    process = start_link(floor)
    floor.call(20)
    floor.wait_same("before")
    floor.server.stop()  # and everything in it is lost
    floor.call(40)
    until(lambda: process._kept.fault, "it is noticed")
    floor.server.start()
    floor.wait_same("after")
    until(lambda: not floor.switch.channels, "all have hung up")
    floor.wait_same("at the end")
    until(lambda: len(floor.facts("call_hung_up")) >= 40, "what was held is told")
    assert read_floor(floor.client, "main").link


def test_a_second_link_is_refused(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    first = start_link(floor)
    with gevent.Timeout(PATIENCE_S), pytest.raises(StateRefused, match="^the link to switch main is held by .* pid "):
        start_link(floor)
    assert first.watch.up
    floor.call(5)
    floor.wait_same("the first goes on")
    start_link(floor, switch_name="second")


def test_a_link_that_lost_its_lease_ends(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    process = start_link(floor)
    floor.client.set("fsapp:{floor:main}:lease", b"another")  # noqa: S105
    floor.call(5)
    with gevent.Timeout(PATIENCE_S), pytest.raises(StateRefused, match="another process"):
        process.run()
    assert floor.client.get("fsapp:{floor:main}:lease") == b"another"


def test_a_wrong_password(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    process = start_link(floor, wait=False, switch_password="wrong")
    with gevent.Timeout(PATIENCE_S), pytest.raises(SwitchRefused, match="set FSAPP_SWITCH_PASSWORD"):
        process.run()


def test_a_switch_that_calls_itself_otherwise_is_left_alone(
    floor: Floor, start_link: Callable[..., LinkProcess],
) -> None:
    """A second switch's settings with the address of the first: its rules have none of these agents."""
    floor.switch.variables["fsapp_switch"] = "two"
    process = start_link(floor, wait=False)
    with gevent.Timeout(PATIENCE_S), pytest.raises(SwitchRefused, match="calls itself two, not main"):
        process.run()
    assert set(floor.switch.callcenter.agents) == set(AGENTS)


def test_started_before_the_switch(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    floor.cut()
    process = start_link(floor, wait=False)
    until(lambda: "no switch at" in process.watch.fault, "nobody is there")
    floor.restore()
    until(lambda: process.watch.up, "the link is up")
    floor.wait_same("the floor is known")


def test_rules_that_do_not_know_this_switch_mend_nothing(
    floor: Floor, start_link: Callable[..., LinkProcess],
) -> None:
    RulesStore(floor.client).load(load_folder(ROOT / "conf/rules"), "", "", "")
    before = sorted(floor.switch.callcenter.agents)
    process = start_link(floor, switch_name="mian")
    assert ask(floor.client, "mian", {"do": "resync"}, 10)["agents"] == len(AGENTS)
    assert "the rules know no switch mian, only main" in process._faults()[0]
    assert sorted(floor.switch.callcenter.agents) == before


def test_a_request(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    process = start_link(floor)
    process.requests.handlers["greet"] = lambda what: {"said": f"hello {what['name']}"}
    assert ask(floor.client, "main", {"do": "greet", "name": "ana"}, 10) == {"said": "hello ana"}
    assert ask(floor.client, "main", {"do": "resync"}, 10)["agents"] == len(AGENTS)


def test_requests_that_fail(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    process = start_link(floor)

    def refuse(_what: Any) -> dict[str, Any]:
        raise RequestRefused("no", ["no agent 9", "no agent 10"])

    def fail(_what: Any) -> dict[str, Any]:
        raise ZeroDivisionError

    process.requests.handlers |= {"refuse": refuse, "fail": fail}
    for do, faults in [
        ("refuse", ("no agent 9", "no agent 10")), ("fail", ("it failed: see the log of the link",)),
        ("nonsense", ("the link knows no request 'nonsense': is it of another version?",)),
    ]:
        with pytest.raises(RequestRefused) as refused:
            ask(floor.client, "main", {"do": do}, 10)
        assert refused.value.faults == faults
    floor.cut()
    until(lambda: not process.watch.up, "the switch is away")
    with pytest.raises(RequestRefused, match="no connection to the switch"):
        ask(floor.client, "main", {"do": "resync"}, 10)


def test_a_phone_that_goes_and_comes(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    start_link(floor)
    assert floor.seen().agents["1004"].registered is True
    floor.switch.phones.unregister("1004")
    floor.switch.fire("CUSTOM", subclass="sofia::unregister", extra=[("from-user", "1004"), ("from-host", "fsapp")])
    until(lambda: floor.seen().agents["1004"].registered is False, "it is gone")
    floor.switch.fire("CUSTOM", subclass="sofia::register", extra=[("from-user", "1004"), ("from-host", "fsapp")])
    until(lambda: floor.seen().agents["1004"].registered is True, "it is back")


def test_members_who_wait_are_known_by_name(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    for agent in floor.switch.callcenter.agents.values():
        floor.switch.callcenter.set_status(agent, "Logged Out")
    floor.switch.call("+381601234567", "2", name='a|b\n"c')
    until(lambda: floor.switch.callcenter.queues["helpdesk@fsapp"].members, "one waits")
    start_link(floor)
    floor.wait_same("the floor is known")
    [member] = floor.seen().members.values()
    assert (member.number, member.name, member.state) == ("+381601234567", 'a b c', MemberState.WAITING)
    assert floor.seen().calls[member.call].variables["fsapp_class"] == "service", "asked for, since no event told"


# -- as a process of its own -------------------------------------------------------------------------------------


@pytest.fixture
def fsapp_link() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `fsapp link` processes; each is killed after the test."""
    made: list[subprocess.Popen[str]] = []

    def start(floor: Floor, **changes: str) -> subprocess.Popen[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")}
        environment = kept | {
            "FSAPP_REDIS_URL": floor.server.url, "FSAPP_SWITCH": "{}:{}".format(*floor.address),
            "FSAPP_SWITCH_PASSWORD": "ClueCon", "FSAPP_LINK_HTTP": "127.0.0.1:0", **changes,
        }
        made.append(subprocess.Popen(
            [sys.executable, "-m", "fsapp", "link", "--json"], cwd=ROOT, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ))
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def said_of(process: subprocess.Popen[str]) -> list[str]:
    """What an ended process said, but for its log."""
    return [line for line in process.communicate(timeout=PATIENCE_S)[1].splitlines() if not line.startswith("{")]


def test_killed_and_started_again(floor: Floor, fsapp_link: Callable[..., subprocess.Popen[str]]) -> None:
    """The lease of the dead lives on for ten seconds; its successor sees that it is dead."""
    first = fsapp_link(floor)
    floor.wait_same("the first knows")
    floor.call(10)
    first.kill()
    first.wait(PATIENCE_S)
    floor.call(10)
    second = fsapp_link(floor)
    until(lambda: read_floor(floor.client, "main").link.endswith(f"pid {second.pid}"), "the second has the lease")
    floor.wait_same("the second knows")


def test_sigterm_ends_it_in_order(floor: Floor, fsapp_link: Callable[..., subprocess.Popen[str]]) -> None:
    process = fsapp_link(floor)
    floor.wait_same("it knows")
    floor.call(5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
    known = read_floor(floor.client, "main")
    assert (known.link, known.up) == ("", False)


def test_a_second_one_says_who_has_the_link(floor: Floor, fsapp_link: Callable[..., subprocess.Popen[str]]) -> None:
    first = fsapp_link(floor)
    floor.wait_same("the first knows")
    second = fsapp_link(floor)
    assert second.wait(PATIENCE_S) == 1
    assert said_of(second) == [
        f"fsapp: the link to switch main is held by {os.uname().nodename} pid {first.pid}: stop that one first"]
    assert first.poll() is None


@pytest.mark.parametrize(("changes", "said"), [
    ({"FSAPP_SWITCH_PASSWORD": ""}, "fsapp: the switch's password is not set: set FSAPP_SWITCH_PASSWORD"),
    ({"FSAPP_SWITCH_PASSWORD": "wrong"}, "refuses the password: set FSAPP_SWITCH_PASSWORD to the one in"),
    ({"FSAPP_LINK_HTTP": "127.0.0.1:1"}, "choose another with FSAPP_LINK_HTTP"),
])
def test_what_it_cannot_start_with(
    floor: Floor, fsapp_link: Callable[..., subprocess.Popen[str]], changes: dict[str, str], said: str,
) -> None:
    if os.geteuid() == 0 and "FSAPP_LINK_HTTP" in changes:
        changes = {"FSAPP_LINK_HTTP": "192.0.2.1:8043"}  # an address of nobody's: root may listen on any port
    process = fsapp_link(floor, **changes)
    assert process.wait(PATIENCE_S) == 1
    [fault] = said_of(process)
    assert said in fault
