"""`fsapp link` and the status of agents: set by command, remembered, restored; on a lab switch that follows rules."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_ends import until

from fsapp.app.link import LinkProcess
from fsapp.cli.root import main
from fsapp.core.floor import AgentStatus
from fsapp.core.queue_xml import callcenter_document
from fsapp.core.rules import Rules
from fsapp.errors import NoLink, RequestRefused
from fsapp.lab.cc_load import FILE
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch
from fsapp.rules import load_folder
from fsapp.state.agents import AgentMemory
from fsapp.state.requests import ask
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail

HELPDESK = "helpdesk@fsapp"
FOLDER = str(Path(__file__).parents[2] / "conf/rules")
PLAN = """<include><context name="public"><extension name="all"><condition>
<action application="callcenter" data="helpdesk@fsapp"/></condition></extension></context></include>"""


class Centre:
    """A lab switch, a Redis with the example rules, and a link between them."""

    def __init__(self, make_switch: Callable[..., Switch], server: Any) -> None:
        self._make_switch = make_switch
        self.server = server
        self.client = server.connect()
        self.answers = True
        self.document = load_folder(FOLDER)
        self.load(self.document)
        self.socket: EventSocket | None = None
        self.process: LinkProcess | None = None
        self.switch = self.restart()

    def load(self, document: dict[str, Any]) -> None:
        self.document = document
        RulesStore(self.client).load(document, "", "test", "test")

    def restart(self) -> Switch:
        """The switch is started anew, and knows nothing."""
        address = ("127.0.0.1", 0)
        if self.socket is not None:
            address = self.socket.address
            self.socket.stop()
            self.switch.hang_up_all("cut")

        def phone(*_args: Any) -> Reaction:
            return Reaction("", 0.1, 60) if self.answers else Reaction("NO_ANSWER", 1)

        self.switch = self._make_switch(PLAN, phone=phone)
        rules = Rules.from_document(self.document)
        self.switch.configuration.files[FILE] = callcenter_document(rules)
        self.socket = EventSocket(self.switch, address, "ClueCon")
        return self.switch

    def link(self) -> None:
        assert self.socket is not None
        self.process = LinkProcess(self.server.settings.model_copy(update={
            "switch": f"127.0.0.1:{self.socket.address[1]}", "switch_password": "ClueCon", "link_http": "127.0.0.1:0",
            "sync_s": 3600.0,
        }))
        self.process.start()
        self.wait_followed()

    def wait_followed(self) -> None:
        rules = Rules.from_document(self.document)
        until(lambda: self.process.watch.seen.agents.keys() == rules.agents.keys(), "the agents are there")
        until(lambda: len(self.process.watch.seen.tiers) == len(self.switch.callcenter.tiers) > 0, "the tiers too")

    def status(self, agent: str) -> str:
        return self.switch.callcenter.agents[agent].status

    def remembered(self, agent: str) -> tuple[str, str]:
        known = AgentMemory(self.client, "main").read()[0].get(agent)
        return ("", "") if known is None else (known.status, known.reason)

    def events(self, agent: str) -> list[tuple[str, str]]:
        return [(event["status"], event["reason"]) for _, event in tail(self.client, 0.0, follow=False)
                if event["type"] == "agent_status" and event["agent"] == agent]

    def told(self, type_: str) -> list[dict[str, Any]]:
        return [event for _, event in tail(self.client, 0.0, follow=False) if event["type"] == type_]

    def run(self) -> str:
        return self.process.watch.seen.core_uuid

    def ask(self, agent: str, status: str, reason: str = "") -> dict[str, Any]:
        return ask(self.client, "main", {"do": "agent_status", "agent": agent, "status": status, "reason": reason})

    def close(self) -> None:
        if self.process is not None:
            self.process.stop()
        self.socket.stop()
        self.client.close()


@pytest.fixture
def centre(make_switch: Callable[..., Switch], redis_server: Any) -> Iterator[Centre]:
    centre = Centre(make_switch, redis_server)
    yield centre
    centre.close()


@pytest.fixture
def linked(centre: Centre) -> Centre:
    centre.link()
    return centre


def test_the_link_makes_the_switch_follow_the_rules_by_itself(linked: Centre) -> None:
    assert set(linked.switch.callcenter.queues) == set(Rules.from_document(linked.document).queues)
    document = load_folder(FOLDER)
    document["line"]["helpdesk"]["priority"] = {"1005": 10}
    linked.load(document)
    until(lambda: linked.switch.callcenter.tiers[HELPDESK, "1005"].level == 1, "the tier has followed")


def test_a_status_is_set_on_the_switch_remembered_and_told(linked: Centre) -> None:
    answer = linked.ask("1004", AgentStatus.AVAILABLE)
    assert answer == {"agent": "1004", "was": "Logged Out", "status": "Available", "reason": "", "warning": ""}
    assert linked.status("1004") == "Available"
    assert linked.remembered("1004") == ("Available", "")
    linked.ask("1004", AgentStatus.ON_BREAK, "lunch")
    assert linked.status("1004") == "On Break"
    assert linked.remembered("1004") == ("On Break", "lunch")
    until(lambda: linked.events("1004")[-2:] == [("Available", ""), ("On Break", "lunch")], "it is in the stream")


def test_an_agent_on_demand_gets_one_call_each_time_it_is_asked_for(linked: Centre) -> None:
    agents = linked.switch.callcenter.agents
    linked.ask("1004", AgentStatus.ON_DEMAND)
    call = linked.switch.call("+381601234567", "1")
    until(lambda: agents["1004"].state == "In a queue call", "the agent talks")
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: agents["1004"].state == "Idle", "the call is over")
    until(lambda: linked.process.watch.seen.agents["1004"].state == "Idle", "and known to be")
    linked.ask("1004", AgentStatus.ON_DEMAND)
    assert agents["1004"].state == "Waiting"


def test_a_phone_that_is_not_there_is_said(linked: Centre) -> None:
    linked.switch.phones.unregister("1004")
    linked.process.watch.wait_for_sync("test", 5)
    assert "not registered" in linked.ask("1004", AgentStatus.AVAILABLE)["warning"]


def test_what_cannot_be_set_is_refused(linked: Centre) -> None:
    with pytest.raises(RequestRefused, match="no agent 1099"):
        linked.ask("1099", AgentStatus.AVAILABLE)
    with pytest.raises(RequestRefused, match="is no status of an agent"):
        linked.ask("1004", "Sleeping")
    del linked.switch.callcenter.agents["1006"]
    with pytest.raises(RequestRefused, match="agent 1006 is not set to Available: the switch says '-ERR Agent not f"):
        linked.ask("1006", AgentStatus.AVAILABLE)
    assert linked.remembered("1006")[0] != "Available"


def test_what_a_switch_did_by_itself_is_remembered_with_its_reason(linked: Centre) -> None:
    linked.answers = False
    document = load_folder(FOLDER)
    document["centre"] |= {"max_no_answer": 1}
    linked.load(document)
    until(lambda: linked.switch.callcenter.agents["1004"].max_no_answer == 1, "the rules are followed")
    linked.ask("1004", AgentStatus.AVAILABLE)
    linked.ask("1005", AgentStatus.AVAILABLE)
    call = linked.switch.call("+381601234567", "1")
    until(lambda: linked.status("1004") == linked.status("1005") == "On Break", "nobody has answered")
    call.hangup("NORMAL_CLEARING", "caller")
    until(lambda: linked.remembered("1004") == linked.remembered("1005") == ("On Break", "no-answer"), "remembered")


def test_a_switch_started_anew_has_its_agents_back_at_work(linked: Centre) -> None:
    linked.ask("1004", AgentStatus.AVAILABLE)
    linked.ask("1005", AgentStatus.ON_BREAK, "training")
    linked.restart()
    until(lambda: linked.switch.callcenter.agents.keys() >= {"1004", "1005"}, "the agents are back")
    until(lambda: (linked.status("1004"), linked.status("1005")) == ("Available", "On Break"), "as they were")
    linked.wait_followed()
    assert linked.switch.callcenter.tiers[HELPDESK, "1004"].level == 6
    assert linked.remembered("1005") == ("On Break", "training")
    call = linked.switch.call("+381601234567", "1")
    until(lambda: linked.switch.callcenter.agents["1004"].state == "In a queue call", "and take calls")
    call.hangup("NORMAL_CLEARING", "caller")


def test_sessions_end_when_they_were_last_known_to_be(linked: Centre) -> None:
    """The link is away while one logs out; then the switch is started anew, and the other was there until then."""
    linked.ask("1004", AgentStatus.AVAILABLE)
    linked.ask("1005", AgentStatus.AVAILABLE)
    until(lambda: linked.told("switch_seen"), "the link says that the switch is there")
    linked.process.stop()
    gap_from = linked.told("switch_seen")[-1]["at"]
    agent = linked.switch.callcenter.agents["1004"]
    linked.switch.callcenter.set_status(agent, AgentStatus.LOGGED_OUT)
    agent.last_status_change = int(gap_from + 1)  # the lab's own clock is ahead
    until(lambda: time.time() > gap_from + 2, "some time is over")
    linked.link()
    until(lambda: linked.events("1004")[-1] == ("Logged Out", ""), "it is known then")
    out = [event for event in linked.told("agent_status") if event["agent"] == "1004"][-1]
    assert out["at"] == max(gap_from, int(gap_from + 1))
    assert linked.events("1005") == [("Logged Out", ""), ("Available", "")], "who is there still has been all the time"
    linked.restart()
    until(lambda: len(linked.events("1005")) == 4 and linked.status("1005") == "Available", "back at work")
    gone, back = [event for event in linked.told("agent_status") if event["agent"] == "1005"][-2:]
    before = [event["at"] for event in linked.told("switch_seen") if event["run"] != linked.run()]
    assert (gone["status"], gone["reason"], gone["at"]) == ("Logged Out", "switch-gone", before[-1])
    assert back["at"] > gone["at"] and linked.told("switch_seen")[-1]["run"] == linked.run()
    assert [event["agent"] for event in linked.told("agent_status") if event["reason"] == "switch-gone"] == ["1005"]


def test_a_status_that_is_remembered_is_told_even_by_a_link_that_is_killed(
    linked: Centre, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told later, it would be lost with the link: the next one finds the switch as it remembers it."""
    monkeypatch.setattr(linked.process._events, "hand_over", lambda _event: None)  # what it has in hand when killed
    linked.ask("1004", AgentStatus.AVAILABLE)
    linked.ask("1004", AgentStatus.ON_BREAK, "lunch")
    assert linked.events("1004")[-2:] == [("Available", ""), ("On Break", "lunch")]
    linked.switch.callcenter.set_status(linked.switch.callcenter.agents["1005"], AgentStatus.AVAILABLE)
    until(lambda: linked.remembered("1005") == ("Available", ""), "what another has set is remembered")
    assert linked.events("1005")[-1:] == [("Available", "")]
    linked.restart()
    until(lambda: linked.events("1005")[-1:] == [("Available", "")] and len(linked.events("1005")) >= 3, "back at work")
    assert linked.events("1005")[-2:] == [("Logged Out", "switch-gone"), ("Available", "")]


# -- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def agents(
    centre: Centre, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
) -> Callable[..., tuple[int, str, str]]:
    """Runs `fsapp agents` with the arguments; exit status, stdout, the lines of stderr that are fsapp's."""
    monkeypatch.setenv("FSAPP_REDIS_URL", centre.server.url)

    def run(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["agents", *args])
        out, err = capsys.readouterr()
        # The link runs in this process, and logs.
        out = "".join(line for line in out.splitlines(keepends=True) if line.startswith(("Agent ", "{")))
        return left.value.code, out, "".join(line for line in err.splitlines(True) if not line.startswith("20"))

    return run


def test_agents_are_logged_in_and_out_by_id_or_e_mail(linked: Centre, agents: Callable[..., Any]) -> None:
    assert agents("login", "Dejan@example.com") == (0, "Agent 1004 (dejan) is Available.\n", "")
    assert linked.status("1004") == "Available"
    assert agents("status", "1004", "break", "--reason", "lunch") == (
        0, "Agent 1004 (dejan) is On Break (lunch).\n", "")
    status, out, _ = agents("status", "1004", "on-demand", "--json")
    assert (status, json.loads(out)) == (0, {
        "name": "dejan", "agent": "1004", "was": "On Break", "status": "Available (On Demand)", "reason": "",
        "warning": "",
    })
    assert agents("logout", "1004") == (0, "Agent 1004 (dejan) is Logged Out.\n", "")
    assert linked.status("1004") == "Logged Out"


@pytest.mark.parametrize(("args", "said"), [
    (("login", "1014"), "there is no agent 1014: did you mean 1004 (dejan, dejan@example.com)"),
    (("login", "dejann@example.com"), "did you mean 1004 (dejan, dejan@example.com)"),
    (("login", "zzz"), "there is no agent zzz: see `fsapp agents list`"),
    (("status", "1004", "break", "--reason", "golf"), "'golf' is no reason for a break here: there are lunch, "),
])
def test_who_or_what_is_not_known_is_said(agents: Callable[..., Any], args: tuple[str, ...], said: str) -> None:
    status, out, err = agents(*args)
    assert (status, out) == (1, "") and said in err and err.count("\n") == 1


def test_any_reason_will_do_where_the_centre_has_no_list_but_those_of_fsapp(
    linked: Centre, agents: Callable[..., Any],
) -> None:
    document = load_folder(FOLDER)
    del document["centre"]["breaks"]
    linked.load(document)
    assert agents("status", "1004", "break", "--reason", "back soon")[:2] == (
        0, "Agent 1004 (dejan) is On Break (back soon).\n")
    status, _, err = agents("status", "1004", "break", "--reason", "no phone")
    assert status == 1 and "'no phone' is what fsapp says of a break that nobody asked for" in err


def test_without_a_link_it_is_said(centre: Centre, agents: Callable[..., Any]) -> None:
    status, out, err = agents("login", "1004")
    assert (status, out) == (1, "") and "no link runs for switch main: start `fsapp link`" in err
    with pytest.raises(NoLink):
        centre.ask("1004", "Available")


def test_wrong_usage_is_said(agents: Callable[..., Any]) -> None:
    assert agents("status", "1004", "asleep")[0] == 2
    assert agents("status", "1004", "available", "--reason", "lunch")[0] == 2
