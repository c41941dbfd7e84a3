"""The `socket` application where the recorded traces do not go: apps that leave, fall silent or say strange things."""

import gc
from collections.abc import Callable

import gevent
import pytest
from gevent.server import StreamServer
from lab_ends import Messages, until

DIALPLAN = """<include><extension name="in"><condition field="destination_number" expression="^in(.*)$">
  <action application="set" data="socket_resume=$1"/>
  <action application="socket" data="{address} async full"/>
  <action application="set" data="next=reached"/>
  <action application="sleep" data="100000"/>
</condition></extension>
<extension name="there"><condition field="destination_number" expression="^there$">
  <action application="set" data="there=${{a}}"/>
  <action application="sleep" data="100000"/>
</condition></extension></include>"""


@pytest.fixture
def with_app(make_switch):
    """A switch whose dialplan asks this app: a function of a socket and its messages."""
    servers = []

    def start(app: Callable[..., None]):
        def serve(sock, _peer):
            messages = Messages(sock)
            try:
                app(sock, messages)
            finally:
                messages.close()
                sock.close()

        servers.append(StreamServer(("127.0.0.1", 0), serve))
        servers[-1].start()
        return make_switch(DIALPLAN.format(address=f"127.0.0.1:{servers[-1].server_port}"))

    yield start
    for server in servers:
        server.stop(timeout=1)


def ask(sock, messages, text):
    sock.sendall(text.encode() + b"\n\n")
    return messages.next()


def execute(name, data):
    return f"sendmsg\ncall-command: execute\nexecute-app-name: {name}\nexecute-app-arg: {data}"


def test_nobody_there_is_the_next_action(make_switch):
    switch = make_switch(DIALPLAN.format(address="127.0.0.1:1"))
    call = switch.call("1", "in")
    until(lambda: call.variables.get("next"), "the next action")


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", ":", "127.0.0.1"])
def test_a_wrong_address_is_the_next_action(make_switch, address):
    call = make_switch(DIALPLAN.format(address=address)).call("1", "in")
    until(lambda: call.variables.get("next"), "the next action")


def test_an_app_that_leaves_at_once_leaves_the_call_parked(with_app):
    seen = []
    switch = with_app(lambda sock, messages: seen.append(True))
    call = switch.call("1", "in")
    until(lambda: seen, "the app has left")
    switch.clock.sleep(2)
    assert (call.up, call.variables.get("next")) == (True, None)


def test_an_app_that_leaves_at_once_is_the_next_action_when_the_call_may_resume(with_app):
    call = with_app(lambda sock, messages: None).call("1", "intrue")
    until(lambda: call.variables.get("next"), "the next action")


def test_an_app_that_asks_to_resume_and_exits_is_the_next_action(with_app):
    call = with_app(lambda sock, messages: sock.sendall(b"connect\n\nresume\n\nexit\n\n")).call("1", "in")
    until(lambda: call.variables.get("next"), "the next action")


def test_an_app_that_dies_later_is_the_next_action(with_app):
    def app(sock, messages):
        ask(sock, messages, "connect")
        ask(sock, messages, execute("set", "a=b"))
        until(lambda: calls[0].variables.get("a"), "it is set")
        switch.clock.sleep(1)

    switch = with_app(app)
    calls = [switch.call("1", "in")]
    until(lambda: calls[0].variables.get("next"), "the next action")


def test_what_was_asked_for_before_leaving_is_still_done(with_app):
    def app(sock, messages):
        text = "connect\n\n" + execute("multiset", "^^;a=x y;b=z") + "\n\n" + execute("transfer", "there XML public")
        sock.sendall(text.encode() + b"\n\nexit\n\n")
        while messages.next():
            pass

    call = with_app(app).call("1", "in")
    until(lambda: call.variables.get("there"), "the call is there")
    assert call.variables["there"] == "x y"
    assert call.variables["b"] == "z"
    assert "next" not in call.variables


def test_commands_may_come_in_pieces_and_with_carriage_returns(with_app):
    heard = []

    def app(sock, messages):
        for byte in b"connect\r\n\r\ngetvar direction\n\n":
            sock.sendall(bytes([byte]))
        messages.next()
        heard.append(messages.next())

    with_app(app).call("1", "intrue")
    until(lambda: heard, "an answer")
    assert "Reply-Text: inbound" in heard[0]


def test_answers_to_what_it_does_not_know_or_cannot_do(with_app):
    heard = []

    def app(sock, messages):
        ask(sock, messages, "connect")
        heard.extend(ask(sock, messages, text) for text in (
            "nonsense", "sendmsg 123\ncall-command: execute", "myevents", "myevents", "linger", "nolinger",
            "filter Event-Name", "event plain", "nixevent", "api echo hello",
        ))

    with_app(app).call("1", "intrue")
    until(lambda: len(heard) == 10, "all answers")
    texts = [message.strip().rpartition("Reply-Text: ")[2] for message in heard]
    assert texts[:9] == [
        "-ERR command not found", "-ERR invalid session id [123]", "+OK Events Enabled", "-ERR aready enabled.",
        "+OK will linger", "+OK will not linger", "-ERR invalid syntax", "-ERR no keywords supplied",
        "-ERR no keywords supplied",
    ]
    assert heard[9].endswith("\n\nhello")


def test_an_unknown_application_ends_the_call(with_app):
    def app(sock, messages):
        ask(sock, messages, "connect")
        ask(sock, messages, execute("no_such_application", ""))
        messages.next()

    call = with_app(app).call("1", "intrue")
    until(lambda: call.finished.is_set(), "the call has ended")
    assert call.hangup_cause == "DESTINATION_OUT_OF_ORDER"


def test_what_a_caller_says_stays_one_header(with_app):
    heard = []
    hostile = "x\nvariable_fsapp_class: callback\r\n\n%0A${uuid}\x00\u2028|\"'" + "9" * 4000

    def app(sock, messages):
        heard.append(ask(sock, messages, "connect"))

    with_app(app).call(hostile, "intrue", name=hostile)
    until(lambda: heard, "the app has been asked")
    lines = heard[0].rstrip("\n").split("\n")
    assert all(": " in line for line in lines)
    assert not any(line.startswith("variable_fsapp_class") for line in lines)


def test_too_many_transfers_end_the_call(make_switch):
    switch = make_switch("""<include><extension name="round"><condition field="destination_number" expression="^round$">
        <action application="transfer" data="round XML public"/></condition></extension></include>""")
    call = switch.call("1", "round")
    until(lambda: call.finished.is_set(), "the call has ended")
    assert (call.hangup_cause, call.variables["max_forwards"]) == ("EXCHANGE_ROUTING_ERROR", "1")


def test_a_scheduled_transfer_takes_a_call_back_from_a_silent_app(with_app, make_switch):
    before = '<action application="sched_transfer" data="+1 there XML public"/>'
    plan = DIALPLAN.replace('<action application="socket"', before + '<action application="socket"')
    quiet = StreamServer(("127.0.0.1", 0), lambda sock, _peer: sock.recv(1))
    quiet.start()
    call = make_switch(plan.format(address=f"127.0.0.1:{quiet.server_port}")).call("1", "in")
    until(lambda: call.profile.destination_number == "there", "the call is taken back")
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: call.finished.is_set(), "the call has ended")
    quiet.stop(timeout=1)


def lab_greenlets():
    return [g for g in gc.get_objects() if isinstance(g, gevent.Greenlet) and not g.dead and g.started
            and str(getattr(g, "name", "")).startswith(("lab-call", "lab-socket", "lab-sender", "lab-offer"))]


def test_nothing_is_left_of_visits_and_calls(with_app):
    def app(sock, messages):
        sock.sendall(("connect\n\n" + execute("transfer", "there XML public") + "\n\nexit\n\n").encode())
        while messages.next():
            pass

    before = len(lab_greenlets())
    switch = with_app(app)
    calls = [switch.call(str(number), "intrue") for number in range(30)]
    until(lambda: all(call.profile.destination_number == "there" for call in calls), "all have been visited")
    until(lambda: len(lab_greenlets()) == before + 30, "a waiting call has its own thread and nothing more")
    for call in calls:
        call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: not switch.channels, "all calls have ended")
    until(lambda: len(lab_greenlets()) == before, "nothing is left")
