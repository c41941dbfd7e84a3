"""The lab in the situations of the recorded traces: it must say what the real switch said, in the same order."""

import contextlib
import socket
from urllib.parse import unquote

import pytest
from gevent.server import StreamServer
from lab_ends import Messages, ScriptedApp, client, is_event, until
from lab_traces import brief, headers, kinds, lines, masked, whole

from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.offering import Reaction

DIALPLAN = """<include>
  <extension name="in"><condition field="destination_number" expression="^in$">
    <action application="socket" data="{app} async full"/>
  </condition></extension>
  <extension name="step"><condition field="destination_number" expression="^step$">
    <action application="socket" data="{app} async full"/>
  </condition></extension>
  <extension name="queue"><condition field="destination_number" expression="^queue$">
    <action application="callcenter" data="${{fsapp_queue}}"/>
  </condition></extension>
  <extension name="stage"><condition field="destination_number" expression="^stage$">
    <action application="callcenter" data="${{fsapp_queue}}"/>
    <action application="transfer" data="step XML public"/>
  </condition></extension>
</include>"""
QUEUES = ("service@fsapp", "sales@fsapp")
# The agent's leg has another name here.
TOLD_OTHERWISE = {"variable_bridge_channel"}
CALLER = {"caller": "+381601234567", "name": "Petar Petrovic"}


def queues():
    return [*(Queue(name) for name in QUEUES), Queue("agent-1001@fsapp", wait_s=3)]


def tiers(*names):
    return [Tier(name, "1001") for name in names]


@pytest.fixture
def play(make_switch):
    """Plays a trace's app against a lab with a dialplan like the recorded one's; the app and the switch."""
    apps = []

    def play(name, **options):
        app = ScriptedApp(lines(name))
        apps.append(app)
        options.setdefault("queues", queues())
        return app, make_switch(DIALPLAN.format(app=app.address), **options)

    yield play
    for app in apps:
        app.stop()


def expected(name):
    """What the real switch said on each connection of a trace."""
    found = {}
    for line in lines(name):
        if line.sender == "switch":
            found.setdefault(line.connection, []).append(line.data)
    return found


def assert_same(app, name):
    for connection, real in expected(name).items():
        heard = app.heard[connection]
        assert kinds(heard) == kinds(real), connection
        for index, (ours, theirs) in enumerate(zip(heard, real, strict=True)):
            assert whole(ours) == whole(theirs), f"{connection}, message {index}"


def test_route_and_leave(play):
    app, switch = play("route-and-leave")
    call = switch.call(called="in", **CALLER)
    app.wait()
    assert_same(app, "route-and-leave")
    until(lambda: switch.callcenter.queues["service@fsapp"].waiting, "the call waits in the queue it was sent to")
    assert switch.callcenter.queues["service@fsapp"].waiting[0][1].base_score == 2_000_000
    assert call.up


def test_staged_visits(play):
    app, switch = play(
        "staged-visits", agents=[Agent("1001", contact="user/agent1001")], tiers=tiers("sales@fsapp"),
        phone=lambda _agent, _caller: Reaction(after_s=0, talk_s=2),
    )
    switch.callcenter.agents["1001"].contact = "lab/agent1001"
    call = switch.call(called="step", **CALLER)
    app.wait()
    for connection, real in expected("staged-visits").items():
        assert kinds(app.heard[connection]) == kinds(real), connection
    visits = [app.heard[f"outbound-{n}"][0] for n in (1, 2, 3)]
    real_visits = [expected("staged-visits")[f"outbound-{n}"][0] for n in (1, 2, 3)]
    for ours, theirs in zip(visits, real_visits, strict=True):
        ours, theirs = whole(ours), whole(theirs)
        assert ours["headers"] == theirs["headers"]
        for variables in (ours["variables"], theirs["variables"]):
            variables[:] = [pair for pair in variables if pair[0] not in TOLD_OTHERWISE]
        assert ours["variables"] == theirs["variables"]
    until(lambda: call.finished.is_set(), "the call has ended")
    assert (call.hangup_cause, call.end) == ("NORMAL_CLEARING", "hangup")


def test_the_caller_hangs_up_at_once(make_switch):
    heard = []
    refused = []

    def serve(sock, _peer):
        messages = Messages(sock)
        sock.sendall(b"connect\n\n")
        heard.append(messages.next())
        calls[0].hangup("ORIGINATOR_CANCEL", "caller")
        heard.extend([messages.next(), messages.next()])
        for _ in range(3):
            try:
                sock.sendall(b"sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: a=b\n\n")
            except OSError:
                refused.append(True)
                break
        messages.close()
        sock.close()

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    switch = make_switch(DIALPLAN.format(app=f"127.0.0.1:{server.server_port}"))
    calls = [switch.call(called="in", **CALLER)]
    until(lambda: refused, "a write to a call that is gone fails")
    server.stop(timeout=1)
    real = [line.data for line in lines("caller-hangs-up-at-once") if line.sender == "switch"]
    assert [whole(message) for message in heard] == [whole(message) for message in real]


@pytest.mark.parametrize("connection", ["outbound-1", "outbound-2"])
def test_hostile_names_are_encoded_as_the_real_switch_does(play, connection):
    real = expected("hostile-caller-name")[connection][0]
    app, switch = play("hostile-caller-name")
    names = []
    for wanted in expected("hostile-caller-name").values():
        fields = {name: unquote(value, errors="surrogateescape") for name, value in headers(wanted[0])}
        names.append((fields["Caller-Caller-ID-Number"], fields.get("Caller-Caller-ID-Name", "")))
        switch.call(names[-1][0], "in", name=names[-1][1])
        until(lambda: sum(bool(heard) for heard in app.heard.values()) == len(names), "the app has been asked")
    app.wait()
    assert dict(headers(app.heard[connection][0]))["Caller-Caller-ID-Number"] == dict(
        headers(real))["Caller-Caller-ID-Number"]
    assert dict(headers(app.heard[connection][0])).get("Caller-Caller-ID-Name") == dict(
        headers(real)).get("Caller-Caller-ID-Name")


def test_keys_pressed(play):
    app, switch = play("ivr-digits")
    call = switch.call(called="in", **CALLER)
    heard = app.heard["outbound-1"]
    until(lambda: "fsapp_choice" in (call.variables.get("current_application_data") or ""), "the caller is asked")
    call.press("2")
    until(lambda: kinds(heard).count("CHANNEL_EXECUTE_COMPLETE") == 3, "the second question is over")
    call.hangup("NORMAL_CLEARING", "caller")
    app.wait()
    real = expected("ivr-digits")["outbound-1"]
    assert kinds(heard) == kinds(real)
    for ours, theirs in zip(heard, real, strict=True):
        assert brief(ours) == brief(theirs)
    assert whole(heard[0]) == whole(real[0])
    for index in (6, 8, 10, 13, 16):  # executes and what they leave behind, with all their headers
        assert whole(heard[index]) == whole(real[index]), f"message {index}"


# -- the event socket -------------------------------------------------------------------------------------------------


def on_the_inbound_socket(name):
    """The commands and what came back, without the ends of connections."""
    return [line for line in lines(name) if line.connection.startswith("inbound")]


def test_authentication_and_errors(make_switch, make_socket):
    agents = [Agent("1001", contact="sofia/internal/1001@127.0.0.1:5081")]
    switch = make_switch(queues=queues(), agents=agents, tiers=tiers("service@fsapp"))
    address = make_socket(switch).address
    script = on_the_inbound_socket("authentication")
    for name in ("inbound-1", "inbound-2"):
        mine = [line for line in script if line.connection == name]
        sock = socket.create_connection(address, 10)
        messages = Messages(sock)
        for line in mine:
            if line.sender == "app":
                sock.sendall(line.data.encode())
                continue
            heard = messages.next()
            body, real_body = heard.partition("\n\n")[2], line.data.partition("\n\n")[2]
            assert [pair[0] for pair in headers(heard)] == [pair[0] for pair in headers(line.data)]
            if "|" in real_body:
                assert body.split("\n")[0] == real_body.split("\n")[0]
                assert body.endswith("+OK\n")
            elif real_body.startswith("UP "):
                assert len(body.splitlines()) == len(real_body.splitlines())
                assert body.splitlines()[1] == real_body.splitlines()[1]
            else:
                assert heard == line.data
        messages.close()
        sock.close()


def events_of(name):
    return [line.data for line in lines(name) if line.sender == "switch" and is_event(line.data)]


def assert_events(ours, real):
    assert kinds(ours) == kinds(real)
    for index, (mine, theirs) in enumerate(zip(ours, real, strict=True)):
        assert brief(mine) == brief(theirs), f"event {index}: {kinds([theirs])}"


def originated(ours, name):
    """Originate a caller as the recording did, straight into a queue."""
    number, queue, score = name
    answer = ours.command(
        f"api originate {{origination_caller_id_number=+{number},effective_caller_id_number=+{number},"
        f"cc_base_score={score}}}null/{number} &callcenter({queue})")
    return answer.partition("+OK ")[2].strip()


def legs(switch, agent):
    return [channel for channel in switch.channels.values() if channel.variables.get("cc_agent") == agent
            and channel.variables.get("cc_side") == "agent"]


EVENTS = "CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_BRIDGE CHANNEL_UNBRIDGE CHANNEL_HANGUP_COMPLETE CUSTOM callcenter::info"


def test_an_answered_call_in_a_queue(make_switch, make_socket):
    agent = Agent("1001", "null/agent1001", status="On Break", max_no_answer=3, wrap_up_time=1)
    switch = make_switch(queues=queues(), agents=[agent])
    with client(make_socket(switch).address) as other, client(make_socket(switch).address, EVENTS) as ours:
        originated(other, ("381601234567", "service@fsapp", 0))
        until(lambda: len(ours.events()) == 4, "the member has joined")
        for line in lines("queue-answered"):
            if line.sender == "app" and "agent set" in line.data:
                assert "+OK" in ours.command(line.data.strip())
        switch.callcenter.add_tier(*tiers("service@fsapp"))  # only now, so that both commands come before the offer
        until(lambda: agent.state == "In a queue call", "the agent talks")
        listed = ours.command("api callcenter_config queue list members service@fsapp").splitlines()
        real = [line.data for line in lines("queue-answered") if "|Answered|" in line.data][0].splitlines()
        assert listed[3] == real[3]
        theirs, mine = ([masked(cell) for cell in rows[-2].split("|")] for rows in (real, listed))
        for index, name in enumerate(real[3].split("|")):
            if name not in ("base_score", "score"):  # a second more or less
                assert mine[index] == theirs[index], name
        shown = ours.command("api show channels as json").partition("\n\n")[2]
        assert '"row_count":2' in shown
        legs(switch, "1001")[0].hangup("NORMAL_CLEARING", "agent")
        until(lambda: agent.state == "Waiting", "the agent is free")
        until(lambda: "agent-state-change" in kinds(ours.events()[-1:]), "the last event has come")
        assert_events(ours.events(), events_of("queue-answered"))


def test_three_classes_for_one_agent(make_switch, make_socket):
    agent = Agent("1001", "null/agent1001", status="On Break", wrap_up_time=0)
    switch = make_switch(queues=queues(), agents=[agent], tiers=tiers("service@fsapp", "sales@fsapp"))
    with client(make_socket(switch).address) as other, \
            client(make_socket(switch).address, "CUSTOM callcenter::info") as ours:
        other.command("api callcenter_config agent set status 1001 Available")
        other.command("api callcenter_config agent set state 1001 Waiting")
        originated(other, ("381600000000", "service@fsapp", 0))
        until(lambda: agent.state == "In a queue call", "the agent is busy")
        for caller in (("381600000001", "service@fsapp", 0), ("381600000002", "sales@fsapp", 1_000_000),
                       ("381600000003", "sales@fsapp", 2_000_000)):
            joined = kinds(ours.events()).count("members-count")
            originated(other, caller)
            until(lambda joined=joined: kinds(ours.events()).count("members-count") > joined, "it has joined")
        for n in range(4):
            until(lambda: agent.state == "In a queue call", "the agent talks")
            talking = legs(switch, "1001")[0]
            talking.hangup("NORMAL_CLEARING", "agent")
            until(lambda n=n: kinds(ours.events()).count("member-queue-end") == n + 1, "the talk is over")
        until(lambda: agent.state == "Waiting", "the agent is free")
        until(lambda: len(ours.events()) >= len(events_of("queue-priority")), "the last event has come")
        assert_events(ours.events(), events_of("queue-priority"))


def test_an_agent_who_does_not_answer(make_switch, make_socket):
    agent = Agent("1001", status="On Break", max_no_answer=2, busy_delay_time=1, reject_delay_time=1,
                  no_answer_delay_time=1)
    switch = make_switch(queues=queues(), agents=[agent], tiers=tiers("agent-1001@fsapp"))
    real = events_of("agent-does-not-answer")
    with client(make_socket(switch).address) as other, \
            client(make_socket(switch).address, "CUSTOM callcenter::info") as ours:
        for round_, contact in enumerate(("user_busy", "call_rejected", "no_answer")):
            other.command(f"api callcenter_config agent set contact 1001 error/{contact}")
            other.command("api callcenter_config agent set status 1001 Available")
            other.command("api callcenter_config agent set state 1001 Waiting")
            originated(other, ("381601234567", "agent-1001@fsapp", 0))
            until(lambda round_=round_: kinds(ours.events()).count("members-count") == 2 * round_ + 2, "it is counted")
            until(lambda: agent.state == "Waiting", "the agent is left alone")

        def attempts(events):
            """The events of each round; how often a busy agent is tried in three seconds depends on the clock."""
            rounds = []
            for event in events:
                values = [pair for pair in brief(event) if pair[0] != "Content-Type"]
                if ("CC-Action", "agent-contact-change") in values:
                    rounds.append([])
                if values not in rounds[-1]:
                    rounds[-1].append(values)
            return rounds

        assert attempts(ours.events()) == attempts(real)
        refusals = kinds(ours.events()).count("bridge-agent-fail")
        assert abs(refusals - kinds(real).count("bridge-agent-fail")) <= 4
        assert (agent.status, agent.no_answer_count) == ("On Break", 2)


def test_members_who_leave(make_switch, make_socket):
    switch = make_switch(queues=queues())
    with client(make_socket(switch).address) as other, \
            client(make_socket(switch).address, "CHANNEL_HANGUP_COMPLETE CUSTOM callcenter::info") as ours:
        first = originated(other, ("381601110001", "service@fsapp", 0))
        until(lambda: len(ours.events()) == 2, "the first waits")
        switch.channels[first].hangup("ORIGINATOR_CANCEL", "caller")
        until(lambda: len(ours.events()) == 5, "the first is gone")
        second = originated(other, ("381601110002", "service@fsapp", 0))
        switch.channels[second].set("cc_exit_keys", "1")
        until(lambda: len(ours.events()) == 7, "the second waits")
        other.command(f"api uuid_recv_dtmf {second} 1")
        until(lambda: len(ours.events()) == 10, "the second is gone")
        originated(other, ("381601110003", "agent-1001@fsapp", 0))
        until(lambda: len(ours.events()) == 15, "the third has waited for three seconds")
        assert_events(ours.events(), events_of("member-leaves"))


def test_a_dialers_call(make_switch, make_socket):
    switch = make_switch(queues=queues(), agents=[Agent("1001", "null/agent1001")], tiers=tiers("sales@fsapp"))
    script = [line.data for line in lines("dialer-answered-call") if line.sender == "app"]
    with client(make_socket(switch).address, script[1].removeprefix("event plain ").strip()) as ours:
        ours.command(script[2])
        until(lambda: switch.callcenter.agents["1001"].state == "In a queue call", "the agent talks")
        ours.command(script[3])
        real = events_of("dialer-answered-call")
        until(lambda: len(ours.events()) >= len(real), "the call is over")
        assert_events(ours.events(), real)


def test_outcomes_of_originate(make_switch, make_socket):
    switch = make_switch()
    with client(make_socket(switch).address, "BACKGROUND_JOB") as ours:
        bodies = []
        script = [line.data for line in lines("originate-outcomes") if line.data.startswith("bgapi")]
        for command in script:
            job = dict(headers(command))["Job-UUID"]
            assert f"+OK Job-UUID: {job}" in ours.command(command)
            until(lambda job=job: any(f"Job-UUID: {job}" in event for event in ours.events()), "the job has ended")
            bodies.append(masked(ours.events()[-1].rpartition("\n\n")[2]))
        real = [event for event in events_of("originate-outcomes") if "BACKGROUND_JOB" in event]
        assert bodies == [masked(event.rpartition("\n\n")[2]) for event in real]
        assert [brief(event) for event in ours.events()] == [brief(event) for event in real]
        assert "+OK hangup all channels with cause MANAGER_REQUEST" in ours.command("api hupall")
        with contextlib.suppress(IndexError):
            until(lambda: not switch.channels, "all legs are gone")
