from itertools import islice
from pathlib import Path

import pytest
from gevent.event import Event
from lab_ends import until

from fsapp.errors import ScenarioError
from fsapp.lab import run
from fsapp.lab.callcenter import Queue, Tier
from fsapp.lab.clock import Clock
from fsapp.lab.order import OrderChecker, Violation
from fsapp.lab.people import Callers, Phones, agents
from fsapp.lab.run import run_scenario
from fsapp.lab.scenario import load, parse

EXAMPLES = Path(__file__).parents[2] / "conf" / "lab"
ONE = """
speed = 50
calls = {calls}
talk = {{ kind = "constant", seconds = 2 }}
patience = {{ kind = "constant", seconds = {patience} }}
[agents]
answer = {{ kind = "constant", seconds = 0 }}
wrap_up_s = 0
[[arrival]]
called = "{called}"
per_minute = 600
callers = ["+38160*******"]
"""
DIALPLAN = """<include>
  <extension name="ours"><condition field="destination_number" expression="^100$">
    <action application="set" data="fsapp_class=service"/><action application="set" data="cc_base_score=1000"/>
    <action application="callcenter" data="q"/><action application="hangup" data="NORMAL_CLEARING"/>
  </condition></extension>
  <extension name="refused"><condition field="destination_number" expression="^200$">
    <action application="hangup" data="UNALLOCATED_NUMBER"/>
  </condition></extension>
  <extension name="nowhere"><condition field="destination_number" expression="^300$">
    <action application="sleep" data="100"/>
  </condition></extension>
  <extension name="silence"><condition field="destination_number" expression="^600$">
    <action application="park"/>
  </condition></extension>
  <extension name="music"><condition field="destination_number" expression="^700$">
    <action application="pre_answer"/><action application="park"/>
  </condition></extension>
</include>"""


@pytest.fixture
def play(make_switch):
    """Runs a scenario with so many agents for queue q."""
    def play(scenario, staff=2, stop=None, on_event=None):
        names = [str(number) for number in range(staff)]
        switch = make_switch(DIALPLAN, [Queue("q")], agents(names, scenario), [Tier("q", name) for name in names],
                             speed=scenario.speed, phone=Phones(scenario))
        return run_scenario(switch, scenario, stop, on_event)

    return play


def one(calls=10, patience=500, called="100"):
    return parse(ONE.format(calls=calls, patience=patience, called=called))


def test_all_calls_are_answered_in_order(play):
    events = []
    summary = play(one(), on_event=events.append)
    assert summary.well
    told = summary.as_json()
    assert (told["calls"], told["answered"], told["lost"], told["order_violations"]) == (10, 10, 0, 0)
    assert told["classes"]["service"]["wait_p90_s"] >= told["classes"]["service"]["wait_mean_s"] > 0
    assert {event["event"] for event in events} >= {"call_started", "queue_joined", "offered", "answered", "ended"}
    assert all(event["at"] > 0 and event["caller"].startswith("+38160") for event in events)


def test_callers_without_patience_are_counted_as_abandoned(play):
    summary = play(one(patience=5), staff=0)
    assert (summary.total("abandoned"), summary.total("lost")) == (10, 0)


def test_a_call_refused_with_a_cause_is_not_lost_and_one_that_ends_nowhere_is(play):
    refused = play(one(called="200"))
    assert (refused.total("refused"), refused.well) == (10, True)
    for called in ("300", "400"):
        lost = play(one(calls=12, called=called))
        assert (lost.total("lost"), lost.well, len(lost.faults())) == (12, False, 11)


@pytest.mark.parametrize(("called", "outcome"), [("600", "lost"), ("700", "abandoned")])
def test_who_gives_up_in_silence_was_lost(play, called, outcome):
    summary = play(one(calls=2, patience=90, called=called))
    assert summary.total(outcome) == 2
    assert summary.well == (outcome == "abandoned")


def test_a_run_in_which_somebody_was_passed_over_did_not_go_well(play, monkeypatch):
    class Finds(OrderChecker):
        def observe(self, event):
            if event["event"] == "offered" and not self.violations:
                self.violations.append(Violation(event["at"], event["agent"], event["uuid"], "another", "q"))

    monkeypatch.setattr(run, "OrderChecker", Finds)
    summary = play(one(calls=2))
    assert summary.as_json()["order_violations"] == 1
    assert not summary.well
    [fault] = summary.faults()
    assert "offered out of order: agent " in fault
    assert "while another waited in q" in fault


def test_stopping_cuts_whoever_is_on_the_line(play):
    stop = Event()

    def when_three_wait(event):
        if event["event"] == "queue_joined" and event["waiting"] == 3:
            stop.set()

    summary = play(one(calls=1000), staff=0, stop=stop, on_event=when_three_wait)
    assert summary.well
    assert 3 <= summary.started < 1000
    assert summary.total("cut") == summary.started


def test_an_observer_that_fails_stops_nobody(play):
    def fails(_event):
        raise RuntimeError("no")

    assert play(one(calls=3), on_event=fails).total("answered") == 3


def test_an_agent_on_a_break_comes_back(make_switch):
    scenario = parse(ONE.format(calls=1, patience=500, called="100") + """
[agent.0]
no_answer_share = 1
ring_s = 1
max_no_answer = 1
back_after_s = 5
""")
    switch = make_switch(DIALPLAN, [Queue("q")], agents(["0"], scenario), [Tier("q", "0")], speed=50,
                         phone=Phones(scenario))
    statuses = []
    switch.subscribe(lambda event: statuses.append(switch.callcenter.agents["0"].status))
    stop = Event()
    switch.subscribe(lambda event: event["event"] == "not_answered" and statuses.count("On Break") > 1 and stop.set())
    run_scenario(switch, scenario, stop)
    until(lambda: switch.callcenter.agents["0"].status == "Available", "the agent is back")
    assert "On Break" in statuses


def test_the_same_seed_brings_the_same_callers():
    def first(scenario):
        return list(islice(Callers(scenario, Clock()).arrivals(), 20))

    scenario = load(EXAMPLES / "demo.toml")
    assert first(scenario) == first(scenario)
    assert first(scenario) != first(scenario.model_copy(update={"seed": 8}))
    times = [at for at, _, _ in first(scenario)]
    assert times == sorted(times)
    assert not any("*" in caller for _, caller, _ in first(scenario))


def test_calls_at_exact_times():
    scenario = parse('[[arrival]]\ncalled = "1"\ntimes = [3, 1, 2]\nanonymous_share = 1\n')
    assert list(Callers(scenario, Clock()).arrivals()) == [
        (1, "anonymous", "1"), (2, "anonymous", "1"), (3, "anonymous", "1")]


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.toml")))
def test_the_examples_are_good(name):
    scenario = load(EXAMPLES / name)
    assert scenario.arrival


def test_every_fault_is_named_at_once(tmp_path):
    file = tmp_path / "bad.toml"
    (tmp_path / "empty.csv").write_text("phone\n1\n")
    file.write_text("""
speed = 0
colour = "red"
patience = { kind = "sometimes" }
talk = { kind = "uniform", low_s = 9, high_s = 2 }
[agents]
no_answer_share = 0.9
busy_share = 0.9
[[arrival]]
called = "1"
[[arrival]]
called = "1"
per_minute = 5
contacts = "absent.csv"
[[arrival]]
called = "1"
per_minute = 5
contacts = "empty.csv"
""")
    with pytest.raises(ScenarioError) as refused:
        load(file)
    text = "\n".join(refused.value.faults)
    for words in ("speed:", "colour: no such key", "patience:", "talk.uniform: low_s 9 is above", "agents:",
                  "arrival.1: give either", "absent.csv: cannot be read", "empty.csv: has no numbers"):
        assert words in text
    assert all(str(file) in fault for fault in refused.value.faults)


@pytest.mark.parametrize(("text", "words"), [
    ("speed =", "is not TOML"), ("", "arrival"), ('arrival = 3', "arrival"),
    ('[[arrival]]\ncalled="1"\nper_minute=1\ncallers=["1"]', "give calls or duration_s"),
    ('calls=1\n[[arrival]]\ncalled="1"\nper_minute=1\n', "say who calls"),
    ('calls=1\nagent.7.wrap_up_s=-1\n[[arrival]]\ncalled="1"\nper_minute=1\ncallers=["1"]', "agent.7.wrap_up_s"),
])
def test_a_wrong_scenario_says_what_is_wrong(text, words):
    with pytest.raises(ScenarioError) as refused:
        parse(text)
    assert words in "\n".join(refused.value.faults)


def test_a_scenario_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ScenarioError, match="No such file"):
        load(tmp_path / "absent.toml")
