"""Lists, checks, hours, deadlines and a replay, in whole calls: lab switch, dialplan, `fsapp serve`, Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from lab_centre import DOCUMENT, ROOT, Centre, play, scenario
from lab_ends import until

from fsapp.core.model import CallClass
from fsapp.core.score import base_score
from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.offering import Reaction
from fsapp.rules import check_document, to_toml

DESK = "+381115550300"
DIALPLAN = """<include><extension name="q"><condition field="destination_number" expression="^q-(.*)$">
  <action application="callcenter" data="$1"/></condition></extension></include>"""


def ruled(**tables: Any) -> dict[str, Any]:
    """The example centre with these tables, checked."""
    checked = check_document({**DOCUMENT, **tables}, "test")
    assert (checked.faults, checked.warnings) == ((), ())
    return checked.document


@pytest.fixture
def centre(own_redis: Any, tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Centre]]:
    """Starts a centre with these rules."""
    made: list[Centre] = []

    def start(document: dict[str, Any]) -> Centre:
        made.append(Centre(own_redis(), tmp_path, document))
        made[-1].start_serve()
        return made[-1]

    yield start
    for one in made:
        one.close()


def replay(centre: Centre, folder: str) -> dict[str, Any]:
    """What `fsapp replay` says of all calls of the centre under the rules of a folder."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")}
    done = subprocess.run(
        [sys.executable, "-m", "fsapp", "replay", "--since", "1h", "--rules", folder, "--json"], cwd=ROOT, timeout=60,
        env=environ | {"FSAPP_REDIS_URL": centre.redis.url}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_a_difficult_caller_waits_for_the_toughest_agents_then_for_the_line(centre: Callable[..., Centre]) -> None:
    hard = {"numbers": ["+38160666*"], "agents": ["1005"], "wait_s": 5}
    one = centre(ruled(list={"hard": hard}, check=[{"from": ["+38164"], "line": "vip"}]))
    switch = one.switch(scenario())
    for agent in switch.callcenter.agents.values():
        switch.callcenter.set_status(agent, "On Break")
    call, checked = switch.call("+381606661234", DESK), switch.call("+381641234567", DESK)
    queues = switch.callcenter.queues
    until(lambda: "list-hard@fsapp" in queues and queues["list-hard@fsapp"].waiting, "waits for the toughest")
    until(lambda: "vip@fsapp" in queues and queues["vip@fsapp"].waiting, "the other one waits in the VIP line")
    assert checked.variables["fsapp_line"] == "vip"
    # The time for them is over: on to the line.
    until(lambda: "helpdesk@fsapp" in queues and queues["helpdesk@fsapp"].waiting, "waits in the line")
    assert call.variables["fsapp_tried"] == "list-hard@fsapp,helpdesk@fsapp"
    assert call.variables["fsapp_line"] == "helpdesk"


def test_a_closed_number_says_so_and_ends_the_call_and_one_with_a_line_goes_there(
    centre: Callable[..., Centre],
) -> None:
    never = {"never": {"timezone": "Europe/Belgrade", "exceptions": ["2020-01-01 01:00-02:00"]}}
    numbers = [entry | ({"schedule": "never"} if entry["number"] == DESK else
                        {"schedule": "never", "closed_line": "vip"} if entry["number"].endswith("0100") else {})
               for entry in DOCUMENT["number"]]
    one = centre(ruled(number=numbers, schedule=never))
    one.import_contacts({"+381601234567": None})
    switch = one.switch(scenario())
    gone = switch.call("+381601112223", DESK)
    until(gone.finished.is_set, "the call has ended")
    refused = [event for event in one.events() if event["type"] == "call_refused"]
    assert [(event["call"], event["reason"], event["class"]) for event in refused] == [(gone.uuid, "closed", None)]
    assert gone.variables["fsapp_reason"] == "closed"
    assert gone.hangup_cause == "SUBSCRIBER_ABSENT"
    led = switch.call("+381601234567", "+381115550100")
    queues = switch.callcenter.queues
    until(lambda: led.variables.get("fsapp_queue") == "vip@fsapp", "an open contact is led to the closed line")
    until(lambda: "vip@fsapp" in queues, "its queue is there")
    assert (led.variables["fsapp_class"], led.variables["fsapp_reason"]) == ("service", "closed")


def test_across_queues_the_earliest_deadline_is_first(make_switch: Any) -> None:
    """SLA targets of two lines: who has to be answered sooner is offered first, whoever came first and in whichever."""
    agent = Agent("1", status="On Break")
    switch = make_switch(DIALPLAN, [Queue("a"), Queue("b")], [agent], [Tier("a", "1"), Tier("b", "1")],
                         phone=lambda _agent, _caller: Reaction(after_s=0, talk_s=0.5))
    deadlines = {}
    start = switch.clock.now()
    # Seconds after the start, and the line's target: deadlines 60, 30, 68, 36, 52, 76.
    for index, (joins, target) in enumerate([(0, 60), (10, 20), (20, 48), (24, 12), (28, 24), (30, 46)]):
        gevent.sleep(max(0, start + joins - switch.clock.now()) / switch.clock.speed)
        score = base_score(CallClass.SERVICE, 0, 10, target)
        call = switch.call(str(index), f"q-{'ab'[target < 40]}", variables=[("cc_base_score", str(score))])
        until(lambda call=call: call.joined_at is not None, "the caller has joined")
        deadlines[str(index)] = call.joined_at + target
    offered: list[str] = []
    switch.subscribe(lambda event: offered.append(event["caller"]) if event["event"] == "offered" else None)
    switch.callcenter.set_status(agent, "Available")
    until(lambda: len(offered) == 6, "everybody has been served")
    assert offered == sorted(deadlines, key=lambda caller: deadlines[caller])


def test_a_replay_of_a_days_calls_is_exact_and_shows_what_other_rules_would_do(
    centre: Callable[..., Centre], tmp_path: Path,
) -> None:
    one = centre(ruled(list={"some": {"numbers": ["+38163*"], "vip": 2}}))
    one.import_contacts({f"+3816012345{last:02}": "1001" if last % 2 else None for last in range(100)})
    summary, _joined = play(one, 60)
    assert summary.faults() == []
    same, other = tmp_path / "same", tmp_path / "other"
    for folder, document in ((same, one.document), (other, {**one.document, "list": {
            "some": {"numbers": ["+38163*"], "vip": 2}, "land": {"numbers": ["+38111*"], "group": "sales"}}})):
        folder.mkdir()
        (folder / "rules.toml").write_text(to_toml(document))
    # Who hangs up within a flow is never decided about.
    decided = [event for event in one.events() if event["type"] == "call_routed" and "facts" in event]
    assert 40 < len(decided) <= 60
    assert any("led" in event["facts"] for event in decided)
    found = replay(one, str(same))
    assert found["calls"] == len(decided)
    assert (found["changed"], found["unreadable"], found["facts"]) == (0, 0, {"then": len(decided), "now": 0})
    found = replay(one, str(other))
    first = {event["call"]: event for event in decided if event["caller"].startswith("+38111")}
    assert found["changed"] == len(first) > 5
    assert found["kinds"]["targets"] == len(first)
    assert {change["call"] for change in found["changes"]} <= first.keys()
