"""Calls carried from one lab switch to another: what arrives there, how it ends, by the causes of a real one."""

import pytest
from lab_ends import until

from fsapp.lab.bridging import Peer
from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.offering import Reaction

THERE = """<include><context name="fsapp-peers">
  <extension name="there"><condition field="destination_number" expression="^there$">
    <action application="answer"/><action application="sleep" data="700"/><action application="hangup"/>
  </condition></extension>
  <extension name="busy"><condition field="destination_number" expression="^busy$">
    <action application="hangup" data="USER_BUSY"/></condition></extension>
  <extension name="hup"><condition field="destination_number" expression="^hup$">
    <action application="answer"/><action application="hangup" data="NORMAL_TEMPORARY_FAILURE"/>
  </condition></extension>
  <extension name="ring"><condition field="destination_number" expression="^ring$">
    <action application="ring_ready"/><action application="sleep" data="20000"/></condition></extension>
  <extension name="early"><condition field="destination_number" expression="^early$">
    <action application="playback" data="tone_stream://%(300,300,440)"/>
    <action application="hangup" data="UNALLOCATED_NUMBER"/></condition></extension>
  <extension name="keys"><condition field="destination_number" expression="^keys$">
    <action application="play_and_get_digits" data="2 2 1 9000 # silence_stream://10 x got \\d+"/>
    <action application="hangup"/></condition></extension>
  <extension name="park"><condition field="destination_number" expression="^park$">
    <action application="answer"/><action application="park"/></condition></extension>
  <extension name="q"><condition field="destination_number" expression="^q$">
    <action application="callcenter" data="a@x"/><action application="hangup"/></condition></extension>
</context></include>"""
ADDRESS = "127.0.0.1:5070"
AFTER = "${originate_disposition}/${originate_failed_cause}/${bridge_hangup_cause}/${last_bridge_hangup_cause}"


@pytest.fixture
def other(make_switch):
    return make_switch(THERE, [Queue("a@x")], [Agent("1", "user/1@x")], [Tier("a@x", "1")],
                       phone=lambda _agent, _call: Reaction(after_s=1, talk_s=2), scripts=None)


@pytest.fixture
def dial(make_switch, other):
    """A call on a first switch that bridges to `target`, with what comes before."""

    def call(target, before="", goes_on="true"):
        settings = [("set", item) for item in [f"continue_on_fail={goes_on}", *before.split("|")]]
        actions = "".join(
            f'<action application="{name}" data="{data}"/>'
            for name, data in [*settings, ("bridge", target), ("set", f"after={AFTER}"), ("park", "")])
        plan = f'<include><extension name="b"><condition>{actions}</condition></extension></include>'
        switch = make_switch(plan, peers={ADDRESS: Peer(other)}, scripts=None)
        return switch.call("+381601112223", "1", name="Mira")

    return call


@pytest.mark.parametrize(("target", "after"), [
    (f"sofia/peers/there@{ADDRESS}", "SUCCESS//NORMAL_CLEARING/NORMAL_CLEARING"),
    (f"sofia/peers/busy@{ADDRESS}", "USER_BUSY/USER_BUSY//USER_BUSY"),
    (f"sofia/peers/early@{ADDRESS}", "SUCCESS//UNALLOCATED_NUMBER/UNALLOCATED_NUMBER"),
    ("sofia/peers/there@127.0.0.1:9",
     "NORMAL_TEMPORARY_FAILURE/NORMAL_TEMPORARY_FAILURE//NORMAL_TEMPORARY_FAILURE"),
    ("sofia/none/there@127.0.0.1:9", "INVALID_PROFILE/INVALID_PROFILE//"),
    (f"[leg_timeout=2]sofia/peers/ring@{ADDRESS}", "ALLOTTED_TIMEOUT/ALLOTTED_TIMEOUT//ALLOTTED_TIMEOUT"),
    (f"{{originate_timeout=2}}sofia/peers/ring@{ADDRESS}", "NO_ANSWER/NO_ANSWER//NO_ANSWER"),
    ("error/user_busy", "USER_BUSY/USER_BUSY//"),
    (f"sofia/peers/there@127.0.0.1:9|sofia/peers/there@{ADDRESS}", "SUCCESS//NORMAL_CLEARING/NORMAL_CLEARING"),
    (f"sofia/peers/hup@{ADDRESS}", "SUCCESS//NORMAL_TEMPORARY_FAILURE/NORMAL_TEMPORARY_FAILURE"),
])
def test_how_a_bridge_ends(dial, other, target, after):
    call = dial(target)
    until(lambda: call.get("after"), "the dialplan goes on")
    assert call.get("after") == after
    until(lambda: not other.channels, "nothing is left on the other side")
    assert len(call.switch.channels) == 1


def test_a_call_timeout_of_the_caller(dial):
    call = dial(f"sofia/peers/ring@{ADDRESS}", "call_timeout=2")
    until(lambda: call.get("after"), "the dialplan goes on")
    assert call.get("after") == "NO_ANSWER/NO_ANSWER//NO_ANSWER"


@pytest.mark.parametrize(("target", "goes_on", "cause"), [
    ("error/user_busy", "false", "USER_BUSY"), ("error/user_busy", "NO_ROUTE_DESTINATION,call_rejected", "USER_BUSY"),
    (f"sofia/peers/early@{ADDRESS}", "false", "UNALLOCATED_NUMBER"), ("error/no_answer", "false", "NO_ANSWER"),
])
def test_a_failure_ends_the_call_where_it_may_not_go_on(dial, target, goes_on, cause):
    call = dial(target, goes_on=goes_on)
    until(lambda: not call.up, "the call is over")
    assert (call.hangup_cause, call.get("after")) == (cause, "")


@pytest.mark.parametrize(("goes_on", "target"), [("", "error/no_answer"), ("user_busy,603", "error/user_busy")])
def test_a_failure_that_may_go_on(dial, goes_on, target):
    call = dial(target, goes_on=goes_on)
    until(lambda: call.get("after"), "the dialplan goes on")


def test_the_call_may_end_with_its_bridge(dial):
    call = dial(f"sofia/peers/hup@{ADDRESS}", "hangup_after_bridge=true")
    until(lambda: not call.up, "the call is over")
    assert call.hangup_cause == "NORMAL_TEMPORARY_FAILURE"


def test_the_other_switch_gets_caller_and_headers(dial, other):
    odd = 'a b;c,%25 "q" ž'
    call = dial(f"sofia/peers/park@{ADDRESS}",
                f"sip_h_X-Fsapp-Class=callback|sip_h_X-Odd={odd.replace(chr(34), '&quot;')}|fsapp_class=x")
    until(lambda: call.bridged and other.channels, "they are connected")
    [far] = other.channels.values()
    assert (far.profile.caller_id_number, far.profile.caller_id_name) == ("+381601112223", "Mira")
    assert (far.profile.destination_number, far.profile.context, far.direction) == ("park", "fsapp-peers", "inbound")
    assert (far.get("sip_h_X-Fsapp-Class"), far.get("sip_h_X-Odd"), far.get("fsapp_class")) == ("callback", odd, "")
    assert call.answered


def test_a_line_end_in_a_header_starts_another_one_as_on_a_real_switch(dial, other):
    call = dial(f"sofia/peers/park@{ADDRESS}", "sip_h_X-Odd=${odd}|ignored=x")
    until(lambda: other.channels, "they are connected")
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: not other.channels, "both sides are over")
    call = call.switch.call("+381601112223", "1", variables=[("odd", "one\r\nX-Fsapp-Class: vip\r\nTo: <sip:x@y>")])
    until(lambda: other.channels, "they are connected")
    [far] = other.channels.values()
    heard = {name: value for name, value in far.variables.items() if name.startswith("sip_h_")}
    assert heard == {"sip_h_X-Odd": "one", "sip_h_X-Fsapp-Class": "vip"}


def test_the_caller_leaves_and_nothing_stays(dial, other):
    call = dial(f"sofia/peers/park@{ADDRESS}")
    until(lambda: call.bridged, "they are connected")
    [far] = other.channels.values()
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: not other.channels and not call.switch.channels, "both sides are over")
    assert (far.hangup_cause, far.end) == ("NORMAL_CLEARING", "caller")


def test_a_caller_who_leaves_while_it_rings(dial, other):
    call = dial(f"sofia/peers/ring@{ADDRESS}")
    until(lambda: other.channels, "it rings")
    [far] = other.channels.values()
    call.hangup("ORIGINATOR_CANCEL", "caller")
    until(lambda: not other.channels and not call.switch.channels, "both sides are over")
    assert far.hangup_cause == "ORIGINATOR_CANCEL"


def test_keys_reach_the_other_side(dial, other):
    call = dial(f"sofia/peers/keys@{ADDRESS}")
    until(lambda: call.bridged, "they are connected")
    [far] = other.channels.values()
    call.press("42")
    until(lambda: far.get("got") == "42", "the keys have arrived")


def test_a_switch_that_is_down(dial, other):
    other.crash()
    call = dial(f"sofia/peers/there@{ADDRESS}")
    until(lambda: call.get("after"), "the dialplan goes on")
    assert call.get("originate_disposition") == "NORMAL_TEMPORARY_FAILURE"


def test_a_switch_that_dies_under_a_call_is_only_not_heard_any_more(dial, other):
    call = dial(f"[media_timeout=2000]sofia/peers/park@{ADDRESS};transport=tcp")
    until(lambda: call.bridged, "they are connected")
    died_at = call.switch.clock.now()
    other.crash()
    until(lambda: call.get("after"), "the dialplan goes on")
    assert call.get("after") == "SUCCESS//MEDIA_TIMEOUT/MEDIA_TIMEOUT"
    assert call.switch.clock.now() >= died_at + 2


def test_a_caller_who_hears_nothing_may_hang_up(dial, other):
    call = dial(f"sofia/peers/park@{ADDRESS}")
    until(lambda: call.bridged, "they are connected")
    other.crash()
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: call.finished.is_set() and not call.switch.channels, "both legs are over")


def test_a_switch_that_is_shut_down_says_so_in_a_reason_alone(dial, other):
    call = dial(f"sofia/peers/park@{ADDRESS}")
    until(lambda: call.bridged, "they are connected")
    other.stop()
    until(lambda: call.get("after"), "the dialplan goes on")
    assert call.get("after") == "SUCCESS//NORMAL_CLEARING/NORMAL_CLEARING"
    assert call.get("sip_reason") == 'SIP;cause=701;text="SYSTEM_SHUTDOWN"'


def test_a_caller_served_over_there_counts_as_answered(dial, other):
    heard = []
    call = dial(f"sofia/peers/q@{ADDRESS}", "hangup_after_bridge=true")
    call.switch.subscribe(heard.append)
    until(lambda: call.bridged, "the caller waits over there")
    assert not call.served
    until(lambda: call.served, "an agent talks")
    until(lambda: any(event["event"] == "ended" for event in heard), "the call is over")
    ended = next(event for event in heard if event["event"] == "ended")
    assert (ended["outcome"], ended["waited_s"] > 0) == ("answered", True)
