"""Queues of the lab: who is offered to whom, when, and what comes of it."""

import random

import pytest
from lab_ends import until

from fsapp.core.rules import Queue as RulesQueue
from fsapp.core.rules import Strategy
from fsapp.lab.callcenter import Agent, CallCenter, Member, Queue, Tier, from_rules
from fsapp.lab.offering import Reaction
from fsapp.lab.order import OrderChecker

DIALPLAN = """<include><extension name="q"><condition field="destination_number" expression="^q-(.*)$">
  <action application="callcenter" data="$1"/><action application="set" data="back=${cc_cause}"/>
  <action application="hangup" data="NORMAL_CLEARING"/></condition></extension></include>"""


def answers(after_s=0, talk_s=0.5):
    return lambda _agent, _caller: Reaction(after_s=after_s, talk_s=talk_s)


def heard(switch):
    """Everything the switch tells from now on."""
    events = []
    switch.subscribe(events.append)
    return events


def waiting(switch, caller, queue="a", score=0):
    """A caller who waits in a queue."""
    call = switch.call(caller, f"q-{queue}", variables=[("cc_base_score", str(score))])
    until(lambda: call.joined_at is not None, "the caller has joined")
    return call


def of(events, kind):
    return [event for event in events if event["event"] == kind]


def test_the_highest_score_is_offered_first_across_queues(make_switch):
    agent = Agent("1", status="On Break")
    switch = make_switch(DIALPLAN, [Queue("a"), Queue("b")], [agent], [Tier("a", "1"), Tier("b", "1")],
                         phone=answers())
    events = heard(switch)
    order = OrderChecker(switch.callcenter.served_by)
    switch.subscribe(order.observe)
    scores = random.Random(4).sample(range(0, 900_000, 1000), 12)
    for index, score in enumerate(scores):
        waiting(switch, f"+3816{score}", "ab"[index % 2], score)
    switch.callcenter.set_status(agent, "Available")
    until(lambda: len(of(events, "ended")) == 12, "everybody has been served")
    assert [event["caller"] for event in of(events, "offered")] == [f"+3816{s}" for s in sorted(scores, reverse=True)]
    assert order.violations == []


def test_among_equals_who_joined_first_is_first(make_switch):
    agent = Agent("1", status="On Break")
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=answers())
    events = heard(switch)
    for name in "123":
        waiting(switch, name)
    switch.callcenter.set_status(agent, "Available")
    until(lambda: len(of(events, "ended")) == 3, "everybody has been served")
    assert [event["caller"] for event in of(events, "offered")] == ["1", "2", "3"]


def test_a_dispatcher_that_offers_in_the_wrong_order_is_found_out(make_switch, monkeypatch):
    monkeypatch.setattr(Member, "rank", property(lambda member: (member.base_score, member.number)))
    agent = Agent("1", status="On Break")
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=answers())
    order = OrderChecker(switch.callcenter.served_by)
    switch.subscribe(order.observe)
    events = heard(switch)
    for score in (10_000, 20_000, 30_000):
        waiting(switch, str(score), score=score)
    switch.clock.sleep(0.3)  # beyond the grace for who has only just joined
    switch.callcenter.set_status(agent, "Available")
    until(lambda: len(of(events, "ended")) == 3, "everybody has been served")
    assert len(order.violations) == 2


def test_agents_of_a_lower_level_come_first_then_who_has_been_idle_longest(make_switch):
    idle, level = Agent("idle", last_bridge_end=100), Agent("level", last_bridge_end=900)
    busy = Agent("busy", last_bridge_end=500)
    switch = make_switch(DIALPLAN, [Queue("a")], [busy, idle, level],
                         [Tier("a", "busy", 2), Tier("a", "idle", 2), Tier("a", "level", 1)], phone=answers(talk_s=60))
    events = heard(switch)
    for name in "123":
        waiting(switch, name)
    until(lambda: len(of(events, "answered")) == 3, "all talk")
    assert [event["agent"] for event in of(events, "offered")] == ["level", "idle", "busy"]


@pytest.mark.parametrize("agent", [
    Agent("1", status="On Break"), Agent("1", status="Logged Out"), Agent("1", state="Idle"),
    Agent("1", last_bridge_end=2**40), Agent("1", ready_time=2**40),
], ids=["break", "out", "idle", "wrap-up", "rest"])
def test_agents_who_are_not_free_get_nothing(make_switch, agent):
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=answers())
    waiting(switch, "1")
    switch.callcenter.dispatch()
    assert agent.state in ("Waiting", "Idle")
    assert len(switch.callcenter.queues["a"].waiting) == 1


def test_the_wait_is_over_after_the_queues_time_and_the_time_waited_is_kept(make_switch):
    then = '<action application="callcenter" data="b"/><action application="hangup"'
    two = DIALPLAN.replace('<action application="hangup"', then)
    switch = make_switch(two, [Queue("a", wait_s=3), Queue("b", wait_s=1)], speed=20)
    events = heard(switch)
    call = waiting(switch, "1", score=1000)
    until(lambda: call.finished.is_set(), "the call has ended")
    first, second = of(events, "queue_joined")
    assert second["joined_at"] - first["joined_at"] >= 2  # whole seconds of the clock: between two and four
    # `system` adds the whole seconds since the answer, so that the place in line is kept.
    assert second["base_score"] - 1000 in (3, 4)
    assert [event["reason"] for event in of(events, "left")] == ["TIMEOUT", "TIMEOUT"]
    assert of(events, "moved")[0]["target"] == "b"
    assert call.variables["cc_cause"] == "cancel"


def test_a_queue_that_does_not_exist_answers_nobody(make_switch):
    switch = make_switch(DIALPLAN)
    call = switch.call("1", "q-nowhere")
    until(lambda: call.finished.is_set(), "the call has ended")
    assert not call.answered
    assert "cc_cause" not in call.variables


def test_who_does_not_answer_too_often_is_sent_on_a_break(make_switch):
    agent = Agent("1", max_no_answer=2)
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], speed=20,
                         phone=lambda _agent, _caller: Reaction("NO_ANSWER", 1))
    events = heard(switch)
    waiting(switch, "1")
    until(lambda: agent.status == "On Break", "the agent is on a break")
    until(lambda: agent.state == "Waiting", "the offer is over")
    assert len(of(events, "not_answered")) == agent.no_answer_count == 2
    assert switch.callcenter.tiers["a", "1"].state == "No Answer"
    assert len(switch.callcenter.queues["a"].waiting) == 1


def test_busy_and_rejecting_agents_are_not_counted_and_rest(make_switch):
    agent = Agent("1", max_no_answer=1, busy_delay_time=5000)
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=lambda _a, _c: Reaction("USER_BUSY"))
    events = heard(switch)
    waiting(switch, "1")
    until(lambda: of(events, "not_answered") and agent.state == "Waiting", "the agent was busy")
    assert (agent.status, agent.no_answer_count) == ("Available", 0)
    assert agent.ready_time > switch.clock.epoch() + 4000


def test_an_agent_without_a_phone_rests_and_is_not_counted(make_switch):
    agent = Agent("1", contact="error/USER_NOT_REGISTERED", max_no_answer=1)
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")])
    events = heard(switch)
    waiting(switch, "1")
    until(lambda: of(events, "not_answered") and agent.state == "Waiting", "the agent has no phone")
    assert (agent.status, agent.no_answer_count) == ("Available", 0)
    assert agent.ready_time - int(of(events, "not_answered")[0]["at"]) in (4, 5)


def test_an_agent_who_is_rung_stands_by_for_the_other_queues(make_switch):
    agent = Agent("1")
    switch = make_switch(DIALPLAN, [Queue("a"), Queue("b")], [agent], [Tier("a", "1"), Tier("b", "1")],
                         phone=answers(after_s=500))
    call = waiting(switch, "1")
    until(lambda: len(switch.channels) == 2, "the agent is rung")
    tiers = switch.callcenter.tiers
    assert (tiers["a", "1"].state, tiers["b", "1"].state) == ("Offering", "Standby")
    call.hangup("ORIGINATOR_CANCEL", "caller")
    until(lambda: agent.state == "Waiting", "the offer is over")
    assert (tiers["a", "1"].state, tiers["b", "1"].state) == ("Ready", "Ready")


def test_an_agent_who_goes_on_a_break_is_no_longer_rung(make_switch):
    agent = Agent("1")
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=answers(after_s=500))
    events = heard(switch)
    waiting(switch, "1")
    until(lambda: len(switch.channels) == 2, "the agent is rung")
    switch.callcenter.set_status(agent, "On Break")
    until(lambda: of(events, "not_answered"), "the offer is taken back")
    until(lambda: agent.state == "Waiting", "the offer is over")
    assert (agent.status, agent.no_answer_count) == ("On Break", 0)
    assert len(switch.callcenter.queues["a"].waiting) == 1


def test_an_agent_who_is_back_starts_with_empty_counters(make_switch):
    agent = Agent("1", status="On Break", talk_time=50, calls_answered=3, no_answer_count=2)
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=answers())
    switch.callcenter.set_status(agent, "Available")
    assert (agent.talk_time, agent.calls_answered, agent.no_answer_count) == (0, 0, 0)
    agent.calls_answered = 1
    switch.callcenter.set_status(agent, "Available")
    assert agent.calls_answered == 1


@pytest.mark.parametrize(("strategy", "first"), [
    ("longest-idle-agent", "idle"), ("agent-with-least-talk-time", "silent"), ("agent-with-fewest-calls", "fresh"),
    ("sequentially-by-agent-order", "order"),
])
def test_each_strategy_has_its_own_first(make_switch, strategy, first):
    agents = [
        Agent(name, last_bridge_end=9 - 5 * (name == "idle"), talk_time=9 - 5 * (name == "silent"),
              calls_answered=9 - 5 * (name == "fresh"))
        for name in ("idle", "silent", "fresh", "order")
    ]
    tiers = [Tier("a", agent.name, 1, 2 - (agent.name == "order")) for agent in agents]
    switch = make_switch(DIALPLAN, [Queue("a", strategy=strategy)], agents, tiers, phone=answers(talk_s=60))
    events = heard(switch)
    waiting(switch, "1")
    until(lambda: of(events, "answered"), "somebody answers")
    assert of(events, "answered")[0]["agent"] == first


def test_a_queue_of_the_rules_takes_its_agents_by_the_rules_strategy():
    queues, _ = from_rules([
        RulesQueue("a", None, {}), RulesQueue("b", None, {}, strategy=Strategy.LEAST_BUSY),
        RulesQueue("c", None, {}, strategy=Strategy.FEWEST_CALLS)])
    assert [queue.strategy for queue in queues] == [
        "longest-idle-agent", "agent-with-least-talk-time", "agent-with-fewest-calls"]


def test_who_gave_up_is_listed_for_a_while(make_switch):
    switch = make_switch(DIALPLAN, [Queue("a")], speed=100)
    call = waiting(switch, "1")
    queue = switch.callcenter.queues["a"]
    call.hangup("ORIGINATOR_CANCEL", "caller")
    until(lambda: [member.state for member in queue.members.values()] == ["Abandoned"], "it is listed as abandoned")
    until(lambda: not queue.members, "it is listed no more")


def test_wrap_up_keeps_the_next_caller_waiting(make_switch):
    agent = Agent("1", wrap_up_time=5)
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=answers(talk_s=1), speed=20)
    events = heard(switch)
    first, second = waiting(switch, "1"), waiting(switch, "2")
    until(lambda: second.finished.is_set(), "both were served")
    ended = of(events, "ended")[0]["at"]
    assert of(events, "offered")[1]["at"] - ended > 4
    assert first.variables["back"] == "answered"


def test_a_caller_who_hangs_up_while_an_agent_is_rung_leaves_nobody_busy(make_switch):
    agent = Agent("1")
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=answers(after_s=500))
    events = heard(switch)
    call = waiting(switch, "1")
    until(lambda: len(switch.channels) == 2, "the agent is rung")
    call.hangup("ORIGINATOR_CANCEL", "caller")
    until(lambda: agent.state == "Waiting" and not switch.channels, "all is as before")
    assert of(events, "ended")[0]["outcome"] == "abandoned"
    assert switch.callcenter.tiers["a", "1"].state == "Ready"
    assert agent.no_answer_count == 0
    assert switch.callcenter.queues["a"].count() == 0


def test_a_caller_whose_time_is_over_while_an_agent_is_rung_may_still_be_answered(make_switch):
    switch = make_switch(DIALPLAN, [Queue("a", wait_s=2)], [Agent("1")], [Tier("a", "1")],
                         phone=answers(after_s=5, talk_s=1), speed=20)
    call = waiting(switch, "1")
    until(lambda: call.finished.is_set(), "the call has ended")
    assert call.variables["back"] == "answered"


def test_five_thousand_who_wait_cost_the_dispatcher_nothing(make_switch, monkeypatch):
    agent = Agent("1", status="Logged Out")
    switch = make_switch(DIALPLAN, [Queue("a")], [agent], [Tier("a", "1")], phone=answers(), speed=1)
    events = heard(switch)
    scores = list(range(0, 5_000_000, 1000))
    random.Random(2).shuffle(scores)
    for score in scores:
        switch.call(str(score), "q-a", variables=[("cc_base_score", str(score))])
    queue = switch.callcenter.queues["a"]
    until(lambda: len(queue.waiting) == 5000, "all wait")
    looks = []
    rank = Member.rank.fget
    monkeypatch.setattr(Member, "rank", property(lambda member: looks.append(1) or rank(member)))
    for _ in range(1000):
        switch.callcenter.dispatch()
    assert looks == []
    switch.callcenter.set_status(agent, "Available")
    until(lambda: of(events, "offered"), "somebody is offered")
    assert of(events, "offered")[0]["caller"] == str(max(scores))
    assert len(looks) < 10


def test_queues_and_tiers_of_the_rules():
    queues, tiers = from_rules([
        RulesQueue("sales@x", None, {"1": 10, "2": 1, "3": 0}), RulesQueue("agent-1@x", 20, {"1": 10}),
    ])
    assert [(queue.name, queue.wait_s) for queue in queues] == [("sales@x", None), ("agent-1@x", 20)]
    assert [(tier.queue, tier.agent, tier.level) for tier in tiers] == [
        ("sales@x", "1", 1), ("sales@x", "2", 10), ("agent-1@x", "1", 1)]


def test_an_unknown_strategy_goes_by_the_agents_order():
    first, second = Tier("a", "1", position=1), Tier("a", "2", position=2)
    queue = Queue("a", strategy="fastest")
    assert queue.order(Agent("1", last_bridge_end=900), first) < queue.order(Agent("2"), second)


def test_an_agent_removed_is_offered_nothing_more(make_switch):
    switch = make_switch(DIALPLAN, [Queue("a")], [Agent("1")], [Tier("a", "1")], phone=answers())
    centre: CallCenter = switch.callcenter
    centre.remove_agent("1")
    waiting(switch, "1")
    centre.dispatch()
    assert (list(centre.served_by("1")), centre.staff("a"), centre.tiers) == ([], [], {})


@pytest.mark.parametrize(("given", "score"), [
    ("300000040", 300_000_040), ("-5", -5), ("12x", 12), ("x", 0), ("9" * 19, 2**31 - 1), ("\u0663", 0),
])
def test_a_base_score_is_read_as_the_switch_reads_it(make_switch, given, score):
    switch = make_switch(DIALPLAN, [Queue("a")])
    events = heard(switch)
    waiting(switch, "1", score=given)
    assert of(events, "queue_joined")[0]["base_score"] == score
