"""What goes wrong between machines and inside mod_callcenter, made on purpose: cuts, losses, stuck states."""

import contextlib

import pytest
from lab_ends import Client, client, until
from lab_traces import headers, kinds

from fsapp.lab.api import run
from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.faults import ghost, stick
from fsapp.lab.offering import Reaction

DIALPLAN = """<include><extension name="q"><condition field="destination_number" expression="^q$">
  <action application="callcenter" data="a@x"/></condition></extension></include>"""


@pytest.fixture
def switch(make_switch):
    agents = [Agent("1", "user/1@x", status="On Break"), Agent("2", "user/2@x", status="Logged Out")]
    return make_switch(DIALPLAN, [Queue("a@x")], agents, [Tier("a@x", "1"), Tier("a@x", "2")],
                       phone=lambda _agent, _call: Reaction(talk_s=60), heartbeat_s=1.0)


def test_a_heartbeat_says_what_a_real_one_says(switch, make_socket):
    with client(make_socket(switch).address, "HEARTBEAT") as ours:
        switch.call("1", "q")
        until(lambda: len(ours.events()) == 2, "two heartbeats")
        said = dict(headers(ours.events()[1]))
    assert list(said)[-14:] == [
        "Event-Info", "Up-Time", "FreeSWITCH-Version", "Uptime-msec", "Session-Count", "Max-Sessions",
        "Session-Per-Sec", "Session-Per-Sec-Last", "Session-Per-Sec-Max", "Session-Per-Sec-FiveMin",
        "Session-Since-Startup", "Session-Peak-Max", "Session-Peak-FiveMin", "Idle-CPU"]
    assert (said["Event-Info"], said["Session-Count"], said["Core-UUID"]) == ("System%20Ready", "1", switch.core_uuid)
    assert said["Up-Time"].startswith("0%20years,%200%20days,%200%20hours,%200%20minutes,%20")


def test_events_that_are_lost(switch, make_socket):
    door = make_socket(switch)
    with client(door.address, "CHANNEL_CREATE") as ours:
        door.lose(2)
        for caller in "123":
            switch.call(caller, "q")
        until(lambda: ours.events(), "the third is heard")
        assert dict(headers(ours.events()[0]))["Caller-Caller-ID-Number"] == "3"
        door.lose(None)
        switch.call("4", "q")
        with client(door.address, "CHANNEL_CREATE") as later:  # who connects meanwhile hears nothing either
            switch.call("5", "q")
            assert "1.10.12" in later.command("api version")
            assert later.events() == []
        door.lose(0)
        switch.call("6", "q")
        until(lambda: len(ours.events()) == 2, "events come again")
        assert dict(headers(ours.events()[1]))["Caller-Caller-ID-Number"] == "6"


def test_a_connection_that_is_cut(switch, make_socket):
    door = make_socket(switch)
    with client(door.address, "ALL") as ours:
        door.cut()
        until(lambda: ours.heard[-1:] == [""], "the connection is closed")
        assert not any("disconnect-notice" in message for message in ours.heard)
    with client(door.address) as again:
        assert "UP 0 years" in again.command("api status")


def test_a_connection_that_says_nothing_any_more(switch, make_socket):
    door = make_socket(switch)
    with client(door.address, "CHANNEL_CREATE") as ours:
        heard = len(ours.heard)
        door.freeze()
        ours.say("api status\n\n")
        call = switch.call("1", "q")
        until(lambda: call.joined_at is not None, "things go on")
        assert len(ours.heard) == heard
        door.thaw()
        switch.call("2", "q")
        until(lambda: ours.events(), "it talks again")


def refused(address):
    with contextlib.suppress(ConnectionRefusedError):
        Client(address).close()
        return False
    return True


def test_a_crash_and_another_boot(switch, make_socket):
    door = make_socket(switch)
    centre = switch.callcenter
    run(switch, "callcenter_config agent set status 1 Available")
    talking, waiting = switch.call("1", "q"), switch.call("2", "q")
    until(lambda: talking.bridged or waiting.bridged, "one talks")
    before = switch.core_uuid
    with client(door.address, "ALL") as ours:
        switch.crash()
        until(lambda: ours.heard[-1:] == [""], "the connection is closed")
    assert (switch.channels, switch.running, refused(door.address)) == ({}, False, True)
    assert {talking.end, waiting.end} == {"cut"}
    switch.boot()
    assert switch.core_uuid != before
    one = centre.agents["1"]
    assert (one.status, one.state, one.uuid) == ("Available", "Waiting", "")
    assert {tier.state for tier in centre.tiers.values()} == {"Ready"}
    rows = run(switch, "callcenter_config queue list members a@x").splitlines()[1:-1]
    assert {row.split("|")[15] for row in rows} <= {"Abandoned"}
    with client(door.address) as again:
        assert "UP 0 years, 0 days, 0 hours, 0 minutes" in again.command("api status")
        assert switch.core_uuid in again.command("api global_getvar core_uuid")
    call = switch.call("3", "q")
    until(lambda: call.bridged, "an agent answers as before")


def test_a_database_that_is_lost(switch):
    run(switch, "callcenter_config agent set status 1 Available")
    run(switch, "callcenter_config agent add 9 callback")
    switch.crash()
    switch.boot(keep_database=False)
    assert {name: agent.status for name, agent in switch.callcenter.agents.items()} == {
        "1": "Logged Out", "2": "Logged Out"}
    assert set(switch.callcenter.tiers) == {("a@x", "1"), ("a@x", "2")}


@pytest.mark.parametrize("state", ["Receiving", "Reserved", "In a queue call"])
def test_a_stuck_agent_is_offered_nothing_until_somebody_heals_it(switch, state):
    run(switch, "callcenter_config agent set status 1 Available")
    stick(switch, "1", state, call="gone")
    call = switch.call("1", "q")
    until(lambda: call.joined_at is not None, "the caller waits")
    switch.clock.sleep(2)
    row = run(switch, "callcenter_config agent list 1").splitlines()[1].split("|")
    assert (row[2], row[5], row[6], call.bridged) == ("gone", "Available", state, False)
    run(switch, "callcenter_config agent set state 1 Waiting")
    run(switch, "callcenter_config tier set state a@x 1 Ready")
    until(lambda: call.bridged, "the agent is offered calls again")


def test_a_member_without_a_channel(switch):
    uuid = ghost(switch, "a@x", agent="1")
    row = run(switch, "callcenter_config queue list members a@x").splitlines()[1].split("|")
    assert (row[2], row[13], row[15]) == (uuid, "1", "Answered")
    assert run(switch, f"uuid_exists {row[3]}") == "false"


def test_a_waiting_member_without_a_channel_is_offered_in_vain(switch):
    run(switch, "callcenter_config agent set status 1 Available")
    uuid = ghost(switch, "a@x", state="Waiting")
    member = switch.callcenter.queues["a@x"].members[uuid]
    until(lambda: member.state == "Abandoned", "the dispatcher finds out")
    until(lambda: switch.callcenter.agents["1"].state == "Waiting", "the agent is free again")


def test_an_unregistered_phone(switch, make_socket):
    run(switch, "callcenter_config agent set status 1 Available")
    switch.phones.unregister("1")
    with client(make_socket(switch).address, "CUSTOM callcenter::info") as ours:
        call = switch.call("1", "q")
        until(lambda: "bridge-agent-fail" in kinds(ours.events()), "the offer fails")
        failed = next(event for event in ours.events() if "bridge-agent-fail" in event)
        assert dict(headers(failed))["CC-Hangup-Cause"] == "USER_NOT_REGISTERED"
        agent = switch.callcenter.agents["1"]
        assert (agent.no_answer_count, agent.ready_time - agent.last_offered_call) == (0, 5)
        switch.phones.register("1")
        until(lambda: call.bridged, "the phone rings again")


def test_a_socket_that_has_stopped_is_not_opened_by_a_boot(switch):
    door = EventSocket(switch, ("127.0.0.1", 0), "ClueCon")
    door.stop()
    switch.crash()
    switch.boot()
    assert refused(door.address)
