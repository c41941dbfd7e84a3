"""`fsapp link` on a real switch: what is known of the floor is what is so, whatever was lost on the way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest
import redis
from desk import Desk
from floor_truth import comparable, differences
from gevent import socket
from gevent.server import StreamServer
from machine import PASSWORD, Switch
from phone import Phone

from fsapp.app.link import LinkProcess
from fsapp.core.floor import MemberState, Seen
from fsapp.errors import StateRefused
from fsapp.settings import Settings
from fsapp.state.floor import read_floor
from fsapp.state.stream import tail
from fsapp.telephony.callcenter import read_seen
from fsapp.telephony.link import Link

QUEUE = "helpdesk@fsapp"
AGENTS = {"1004": "null/a", "1005": "null/b", "1006": "error/user_busy"}
PATIENCE_S = 20


def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    with gevent.Timeout(patience_s, AssertionError(f"not within {patience_s} s: {what}")):
        while not (found := condition()):
            gevent.sleep(0.02)
        return found


class Line:
    """The way to the switch's event socket, which can be cut."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._open: set[Any] = set()
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.whole = True

    def _serve(self, near: Any, _peer: Any) -> None:
        if not self.whole:
            return
        far = socket.create_connection(self._target)
        pair = {near, far}
        self._open |= pair
        there = gevent.spawn(self._copy, near, far)
        self._copy(far, near)
        there.join(PATIENCE_S)
        self._open -= pair

    def _copy(self, source: Any, target: Any) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                end.close()

    def cut(self) -> None:
        self.whole = False
        for end in list(self._open):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def stop(self) -> None:
        self.cut()
        self._server.stop(timeout=1)


class Floor:
    """The switch with callers and agents made of its own null endpoints, the line to it, and a Redis."""

    def __init__(self, switch: Switch, line: Line, client: redis.Redis, server: Any) -> None:
        self.switch = switch
        self.line = line
        self.client = client
        self.server = server
        self.rng = random.Random(5)
        self.link = Link("127.0.0.1", switch.event_port, PASSWORD)
        self.link.connect()

    def api(self, command: str) -> str:
        return self.link.api(command)

    def so(self) -> Seen:
        return read_seen(self.link)

    def seen(self) -> Seen:
        return read_floor(self.client, "main").seen

    def registered(self, agent: str) -> bool | None:
        """None: not known, or the link has not written its first floor."""
        known = self.seen().agents.get(agent)
        return known and known.registered

    def same(self) -> bool:
        return comparable(self.seen()) == comparable(self.so())

    def wait_same(self, what: str, patience_s: float = PATIENCE_S) -> None:
        try:
            until(self.same, what, patience_s)
        except AssertionError:
            raise AssertionError(f"{what}: known, and so: {differences(self.seen(), self.so())}") from None

    def call(self, count: int, *, seconds: tuple[float, float] = (1, 6)) -> None:
        """Callers who wait and talk, and hang up after a while."""
        for number in range(count):
            self.link.bgapi(
                f"originate {{origination_caller_id_number=+3816012345{number:02d},cc_base_score=100003540,"
                f"fsapp_class=service}}null/x 'sched_hangup:+{self.rng.randint(*map(int, seconds))},"
                f"callcenter:{QUEUE}' inline")
            gevent.sleep(0.02)

    def quiet(self) -> bool:
        return not self.so().calls

    def facts(self, *types: str) -> list[dict[str, Any]]:
        return [fact for _, fact in tail(self.client, 0.0, follow=False) if not types or fact["type"] in types]


@pytest.fixture
def floor(switch: Switch, redis_client: redis.Redis, redis_server: Any) -> Iterator[Floor]:
    line = Line(switch.event_port)
    floor = Floor(switch, line, redis_client, redis_server)
    contacts = {agent.id: agent.contact for agent in floor.so().agents.values()}
    if floor.api("module_exists mod_loopback") != "true":
        assert "+OK" in floor.api("load mod_loopback")
    for agent, contact in AGENTS.items():
        floor.api(f"callcenter_config agent set contact {agent} {contact}")
        floor.api(f"callcenter_config agent set wrap_up_time {agent} 0")
        floor.api(f"callcenter_config agent set status {agent} Available")
    yield floor
    floor.api("hupall")
    for agent in AGENTS:
        floor.api(f"callcenter_config agent set status {agent} 'Logged Out'")
        floor.api(f"callcenter_config agent set contact {agent} {contacts[agent]}")
        floor.api(f"callcenter_config agent set wrap_up_time {agent} 10")
    floor.link.close()
    line.stop()


@pytest.fixture
def start_link() -> Iterator[Callable[..., LinkProcess]]:
    made: list[LinkProcess] = []

    def start(floor: Floor, **changes: Any) -> LinkProcess:
        settings: Settings = floor.server.settings.model_copy(update={
            "switch": floor.line.address, "switch_password": PASSWORD, "link_http": "127.0.0.1:0", "sync_s": 3600.0,
            **changes,
        })
        process = LinkProcess(settings)
        made.append(process)
        process.start()
        until(lambda: process.watch is not None and process.watch.up, "the link is up")
        return process

    yield start
    for process in made:
        process.stop()


def test_the_floor_is_what_is_so_during_and_after_load(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    start_link(floor)
    floor.wait_same("at the start")
    floor.call(40)
    floor.api("callcenter_config agent set status 1005 'On Break'")
    floor.wait_same("in the middle of it")
    floor.api("callcenter_config agent set status 1005 Available")
    until(floor.quiet, "all have hung up", 60)
    floor.wait_same("at the end")
    facts = floor.facts()
    assert len({fact["id"] for fact in facts}) == len(facts)
    assert not [fact for fact in facts if fact.get("recovered")]
    counts = {type_: len(floor.facts(type_)) for type_ in ("queue_joined", "call_hung_up", "agent_missed")}
    assert (counts["queue_joined"], counts["call_hung_up"]) == (40, 40)
    assert counts["agent_missed"], "1006 is busy"
    answered, ended = floor.facts("call_answered"), floor.facts("talk_ended")
    assert {fact["member"] for fact in answered} == {fact["member"] for fact in ended}
    stays = {fact["member"]: fact["call"] for fact in floor.facts("queue_joined")}
    ended_stays = {fact["member"] for fact in (*floor.facts("call_abandoned"), *answered)}
    untold = {stays[member] for member in stays.keys() - ended_stays}
    assert not untold, [(fact["type"], fact.get("reason")) for fact in facts if fact.get("call") in untold]
    assert ended_stays == stays.keys()
    assert {fact["class"] for fact in floor.facts("queue_joined")} == {"service"}


def test_cut_and_restored_with_events_lost_in_between(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    start_link(floor)
    floor.call(15)
    floor.line.cut()
    until(lambda: not read_floor(floor.client, "main").up, "readers know")
    floor.call(15)
    floor.api("callcenter_config agent set status 1005 'On Break'")
    assert not floor.same()
    floor.line.whole = True
    floor.wait_same("after the link is back")
    until(floor.quiet, "all have hung up", 60)
    floor.wait_same("at the end")
    facts = floor.facts()
    assert len({fact["id"] for fact in facts}) == len(facts)
    assert [fact for fact in facts if fact.get("recovered")]


def test_callers_who_come_over_sip_and_hostile_names(
    floor: Floor, start_link: Callable[..., LinkProcess], phone: Phone,
) -> None:
    for agent in AGENTS:
        floor.api(f"callcenter_config agent set status {agent} 'Logged Out'")
    phone.call("0115550300", name="a|b|c%0AMira ${system(date)}")
    phone.wait_for(200)
    until(lambda: "|Waiting|" in floor.api(f"callcenter_config queue list members {QUEUE}"), "one waits")
    start_link(floor)
    floor.wait_same("the link is up")
    [member] = [one for one in floor.seen().members.values() if one.state == MemberState.WAITING]
    assert member.queue == QUEUE
    assert not set(member.name + member.number) & set("|\n${}")
    # Asked for, since it called before we were there; the switch's table of calls is behind by a moment.
    until(lambda: member.call in floor.seen().calls, "the call is known")
    assert floor.seen().calls[member.call].variables["fsapp_class"] == "service"
    phone.hang_up()
    until(lambda: floor.facts("call_abandoned"), "it is told")
    until(lambda: floor.facts("call_hung_up"), "its end is told")
    [fact] = floor.facts("call_hung_up")
    assert (fact["call"], fact["cause"], fact["called"]) == (member.call, "NORMAL_CLEARING", "0115550300")
    floor.wait_same("nobody waits")


def test_a_phone_that_registers_and_goes(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    floor.api("callcenter_config agent set contact 1004 user/1004@fsapp")
    floor.api("sofia profile phones flush_inbound_reg 1004@fsapp")  # whoever registered before
    start_link(floor)
    until(lambda: floor.registered("1004") is False, "the phone is not there")
    with Desk(floor.switch.phone_port, "1004") as desk:
        assert desk.register("phone") == 200
        until(lambda: floor.registered("1004") is True, "the phone is there")
        floor.api("sofia profile phones flush_inbound_reg 1004@fsapp")
        until(lambda: floor.registered("1004") is False, "the phone is gone")


def test_a_second_link_is_refused(floor: Floor, start_link: Callable[..., LinkProcess]) -> None:
    start_link(floor)
    with pytest.raises(StateRefused, match="stop that one first"):
        start_link(floor)
