"""What the rules say of phones, skills, recordings and switches: defaults, faults, and a round trip."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from fsapp.core.model import CallClass
from fsapp.core.recording import Recording, Sides
from fsapp.core.rules import Rules
from fsapp.rules import check_document, load_folder, to_toml

EXAMPLE = Path(__file__).parents[2] / "conf" / "rules"


def centre(**changes: Any) -> dict[str, Any]:
    """A small centre; each keyword adds keys to the table named, with __ for a dot."""
    document: dict[str, Any] = {
        "centre": {"region": "RS"}, "number": [{"number": "+381115550100", "line": "desk"}],
        "line": {"desk": {"groups": ["all"]}}, "group": {"all": {"agents": ["1001", "1002"]}},
        "agent": {id_: {"name": id_, "email": f"a{id_}@example.com"} for id_ in ("1001", "1002", "1003")},
    }
    for path, values in changes.items():
        table = document
        for part in path.split("__"):
            table = table.setdefault(part, {})
        table |= values
    return document


def rules(**changes: Any) -> Rules:
    checked = check_document(centre(**changes), "test")
    assert checked.faults == ()
    again = tomllib.loads(to_toml(checked.document))
    assert check_document(again, "test").document == checked.document
    return Rules.from_document(checked.document)


def fault(**changes: Any) -> str:
    faults = check_document(centre(**changes), "test").faults
    assert len(faults) == 1, faults
    return faults[0]


def test_phones_are_treated_as_the_example_says_and_as_without_a_word() -> None:
    for made in (Rules.from_document(load_folder(EXAMPLE)), rules()):
        agent = made.agents["1001"]
        assert (agent.contact, agent.ring_s, agent.wrap_up_s, agent.max_no_answer) == ("user/1001@fsapp", 15, 10, 3)
        assert (agent.reject_delay_s, agent.busy_delay_s, agent.no_answer_delay_s) == (10, 20, 5)


def test_an_agent_may_be_treated_otherwise_than_the_centre() -> None:
    made = rules(centre={"wrap_up_s": 30, "ring_s": 9},
                 agent__1002={"wrap_up_s": 0, "contact": "sofia/phones/7@10.0.0.7"})
    assert (made.agents["1001"].wrap_up_s, made.agents["1002"].wrap_up_s, made.agents["1002"].ring_s) == (30, 0, 9)
    assert made.agents["1002"].contact == "sofia/phones/7@10.0.0.7"


@pytest.mark.parametrize("contact", [
    "", "1001", "user/${system(date)}", "user/1001|x", "[a=b]user/1001", "user/1001,error/x", "user/1 001",
    "user/'1001", "user/1001\nx", "{a=b}null/1", "user/1001&bridge", "user/" + "1" * 300,
])
def test_a_hostile_contact_is_refused(contact: str) -> None:
    assert "contact: " in fault(agent__1001={"contact": contact})


def test_skills_choose_among_the_groups_or_among_all() -> None:
    skilled = {"agent__1001": {"skills": {"german": 8, "english": 3}}, "agent__1003": {"skills": {"german": 2}}}
    assert rules(**skilled, line__desk={"skills": ["german"]}).lines["desk"].staff == {"1001": 8}
    anybody = rules(**skilled, line__desk={"groups": [], "skills": ["german"]})
    assert anybody.lines["desk"].staff == {"1001": 8, "1003": 2}
    both = rules(**skilled, line__desk={"groups": [], "skills": ["german", "english"]})
    assert both.lines["desk"].staff == {"1001": 3}
    said = rules(**skilled, line__desk={"skills": ["german"], "priority": {"1001": 10}})
    assert said.lines["desk"].staff == {"1001": 10}


def test_faults_of_skills() -> None:
    assert "no agent has the skill 'german'" in fault(line__desk={"skills": ["german"]})
    skilled = {"agent__1003": {"skills": {"german": 2}}}
    assert "does not work here" in fault(**skilled, line__desk={"skills": ["german"], "priority": {"1001": 5}})
    assert "at most 10" in fault(agent__1001={"skills": {"german": 11}})


def test_recordings_by_stage_and_line() -> None:
    assert not rules().lines["desk"].recording
    made = rules(centre={"record_days": 30}, line__desk={"record": "stereo", "announce": True})
    assert made.lines["desk"].recording == Recording(Sides.STEREO, True, 30)
    campaign = {"groups": ["all"], "record": "agent", "stage": {
        "new": {"kind": "new-customers", "numbers": ["+381115550100"]},
        "next": {"kind": "outbound", "caller_ids": ["+381115550100"], "record": "none", "record_days": 2},
    }}
    stages = rules(campaign={"leads": campaign}).stages
    assert stages["leads/new"].recording.sides is Sides.AGENT
    assert stages["leads/next"].recording == Recording(Sides.NONE, False, 2)
    assert "record: " in fault(line__desk={"record": "yes"})


def test_rings() -> None:
    assert rules().rings == {CallClass.CALLBACK: "<http://127.0.0.1>;info=callback"}
    made = rules(ring={"callback": "ring-2", "new-customer": "ring-3"})
    assert made.rings == {CallClass.CALLBACK: "ring-2", CallClass.NEW_CUSTOMER: "ring-3"}
    assert "Alert-Info" in fault(ring={"callback": "x\r\nEvil: yes"})
    assert "is not known here" in fault(ring={"vip": "ring-2"})


SWITCHES = {"switch": {"one": {"sip": "10.0.0.1:5070"}, "two": {"sip": "10.0.0.2:5070"}}}


def test_queues_have_a_home() -> None:
    assert {queue.home for queue in rules().queues.values()} == {"main"}
    made = rules(**SWITCHES, centre={"home": "two"}, agent__1003={"home": "one"})
    assert made.switches == {"one": "10.0.0.1:5070", "two": "10.0.0.2:5070"}
    homes = {name: queue.home for name, queue in made.queues.items()}
    assert homes == {"desk@fsapp": "two", "group-all@fsapp": "two", "agent-1001@fsapp": "two",
                     "agent-1002@fsapp": "two", "agent-1003@fsapp": "one"}


def test_faults_of_switches() -> None:
    assert "centre.home: is missing" in fault(**SWITCHES)
    assert "there is no switch 'three'" in fault(**SWITCHES, centre={"home": "one"}, agent__1003={"home": "three"})
    assert "there is no switch 'one'" in fault(centre={"home": "one"})
    assert "HOST:PORT" in fault(switch={"one": {"sip": "10.0.0.1"}})
    split = check_document(centre(**SWITCHES, centre={"home": "one"}, line__desk={"home": "two"}), "test").faults
    assert len(split) == 2
    assert all("has queues on 2 switches" in line for line in split)


def test_two_switches_have_two_addresses() -> None:
    said = fault(switch={"one": {"sip": "sip.example.com:5070"}, "two": {"sip": "SIP.example.com:5070"}},
                 centre={"home": "one"})
    assert "switch.two.sip: is the address of switch 'one' already" in said
