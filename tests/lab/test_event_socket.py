"""The lab's event socket beyond the recorded traces: filters, jobs, the queue commands, strangers."""

import json
import socket

import pytest
from lab_ends import Messages, client, until
from lab_traces import headers, kinds

from fsapp.errors import ListenError
from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.esl_in import EventSocket

DIALPLAN = """<include><extension name="q"><condition field="destination_number" expression="^q$">
  <action application="callcenter" data="a@x"/></condition></extension></include>"""


@pytest.fixture
def switch(make_switch):
    queues = [Queue("a@x"), Queue("b@x", 5)]
    return make_switch(DIALPLAN, queues, [Agent("1", status="On Break")], [Tier("a@x", "1", 2)])


def body(message):
    return message.partition("\n\n")[2]


def test_only_what_was_asked_for_comes_and_filters_narrow_it(switch, make_socket):
    with client(make_socket(switch).address, "CHANNEL_CREATE", "CHANNEL_ANSWER") as ours:
        assert "+OK filter added. [Event-Name]=[CHANNEL_ANSWER]" in ours.command("filter Event-Name CHANNEL_ANSWER")
        call = switch.call("1", "q")
        until(lambda: ours.events(), "an event")
        assert kinds(ours.events()) == ["CHANNEL_ANSWER"]
        assert "+OK filter deleted." in ours.command("filter delete Event-Name CHANNEL_ANSWER")
        ours.command("nixevent CHANNEL_CREATE")
        switch.call("2", "q")
        until(lambda: len(ours.events()) == 2, "another event")
        assert kinds(ours.events()) == ["CHANNEL_ANSWER"] * 2
        assert dict(headers(ours.events()[0]))["Unique-ID"] == call.uuid
        assert "+OK no longer" in ours.command("noevents")


def test_a_job_ends_with_an_event_that_has_a_body(switch, make_socket):
    with client(make_socket(switch).address, "BACKGROUND_JOB") as ours:
        assert "Job-UUID: abc" in ours.command("bgapi status\nJob-UUID: abc")
        until(lambda: ours.events(), "the job has ended")
        assert "UP 0 years" in ours.events()[0]


def test_commands_about_calls(switch, make_socket):
    with client(make_socket(switch).address) as ours:
        assert json.loads(body(ours.command("api show channels as json"))) == {"row_count": 0}
        call = switch.call("+381601112223", "q", name="Ana | x")
        shown = json.loads(body(ours.command("api show channels as json")))
        assert (shown["row_count"], shown["rows"][0]["cid_num"]) == (1, "+381601112223")
        assert "1 total" in body(ours.command("api show channels count"))
        assert body(ours.command(f"api uuid_exists {call.uuid}")) == "true"
        assert body(ours.command(f"api uuid_setvar {call.uuid} a b c")) == "+OK\n"
        assert body(ours.command(f"api uuid_getvar {call.uuid} a")) == "b c"
        assert body(ours.command(f"api uuid_getvar {call.uuid} none")) == "_undef_"
        assert body(ours.command(f"api uuid_kill {call.uuid}")) == "+OK\n"
        until(lambda: call.finished.is_set(), "the call has ended")
        assert call.end == "killed"
        for command in ("uuid_kill", "uuid_getvar x y", "uuid_transfer x y", "uuid_recv_dtmf x 1"):
            assert "-ERR No such channel!" in body(ours.command(f"api {command}"))


def test_a_call_moved_by_hand(switch, make_socket):
    call = switch.call("1", "q")
    with client(make_socket(switch).address) as ours:
        until(lambda: switch.callcenter.queues["a@x"].waiting, "the call waits")
        assert body(ours.command(f"api uuid_transfer {call.uuid} nowhere XML public")) == "+OK\n"
    until(lambda: call.finished.is_set(), "the call has ended")
    assert (call.hangup_cause, call.variables["cc_cancel_reason"]) == ("NO_ROUTE_DESTINATION", "BREAK_OUT")


@pytest.mark.parametrize(("command", "answer"), [
    ("queue count", "2\n"), ("queue count members a@x", "0\n"), ("queue count agents a@x", "1\n"),
    ("queue count agents a@x Available", "0\n"), ("queue count tiers a@x", "1\n"), ("queue count x", "-ERR Invalid!\n"),
    ("queue list members a@x", "+OK\n"), ("queue load a@x", "+OK\n"), ("queue list x", "-ERR Invalid!\n"),
    ("tier list", "queue|agent|state|level|position\na@x|1|Ready|2|1\n+OK\n"),
    ("tier add b@x 1 3 4", "+OK\n"), ("tier add b@x 9", "-ERR Agent not found!\n"), ("tier add b@x", "-ERR Invalid!\n"),
    ("tier set level a@x 1 7", "+OK\n"), ("tier set colour a@x 1 7", "-ERR Invalid Tier Update KEY!\n"),
    ("tier del a@x 1", "+OK\n"), ("agent add 2 callback", "+OK\n"), ("agent add 2 robot", "-ERR Agent type invalid!\n"),
    ("agent get status 1", "On Break"), ("agent get status 9", "-ERR Agent not found!\n"),
    ("agent set status 1 'Logged Out'", "+OK\n"), ("agent set state 1 Asleep", "-ERR Invalid Agent State!\n"),
    ("agent set wrap_up_time 1 9", "+OK\n"), ("agent set colour 1 9", "-ERR Invalid Agent Update KEY!\n"),
    ("agent set type 1 robot", "-ERR Invalid Agent Type!\n"), ("agent", "-ERR Invalid!\n"), ("agent list 9", "+OK\n"),
])
def test_queue_commands(switch, make_socket, command, answer):
    with client(make_socket(switch).address) as ours:
        assert body(ours.command(f"api callcenter_config {command}")) == answer


def test_an_agent_set_by_hand_takes_calls(switch, make_socket):
    with client(make_socket(switch).address, "CUSTOM callcenter::info") as ours:
        ours.command("api callcenter_config agent add 2 callback")
        ours.command("api callcenter_config agent set contact 2 null/two")
        ours.command("api callcenter_config tier add a@x 2")
        ours.command("api callcenter_config agent set status 2 Available")
        switch.call("1", "q")
        until(lambda: "bridge-agent-start" in kinds(ours.events()), "they talk")


def test_nothing_is_said_before_the_password(switch, make_socket):
    with socket.create_connection(make_socket(switch).address, 10) as sock:
        messages = Messages(sock)
        assert "auth/request" in messages.next()
        sock.sendall(b"api hupall\n\n")
        assert "-ERR command not found" in messages.next()
        sock.sendall(b"auth \xff\x00\n\n")
        assert "-ERR invalid" in messages.next()
        assert "disconnect-notice" in messages.next()
        assert messages.next() == ""
        messages.close()


def test_a_port_in_use_is_one_clear_line(switch):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ListenError, match="choose another port"):
        EventSocket(switch, taken.getsockname()[:2], "x")


def test_stopping_closes_every_connection(switch):
    event_socket = EventSocket(switch, ("127.0.0.1", 0), "ClueCon")
    with client(event_socket.address, "ALL") as ours:
        event_socket.stop()
        until(lambda: ours.heard[-1] == "", "the connection is closed")
        switch.call("1", "q")  # an event nobody hears hurts nobody
