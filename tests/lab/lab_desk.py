"""The example centre at work for tests: a lab switch, `fsapp serve` and a link. No tests."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from lab_centre import DOCUMENT, ROOT, Centre
from lab_ends import until

from fsapp.app.link import LinkProcess
from fsapp.core.rules import Rules
from fsapp.lab.callcenter import Agent, from_rules
from fsapp.lab.cc_load import FILE, written
from fsapp.lab.channel import Channel
from fsapp.lab.clock import Clock
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch
from fsapp.state import keys
from fsapp.state.availability import unpack_availability
from fsapp.state.customers import Customers

CUSTOMER = "+381601234567"
HELPDESK = "+381115550300"
FIRST_CALL = "+381115550100"
SPEED = 10.0


class Desk:
    """The example centre on a lab switch with `fsapp serve` and a link; all agents are logged out at first."""

    def __init__(
        self, redis_server: Any, folder: Path, centre: dict[str, Any], line: dict[str, Any], speed: float = SPEED,
        clock: Clock | None = None,
    ) -> None:
        document = copy.deepcopy(DOCUMENT)
        document["centre"] |= {"agent_wait_s": 4, "group_wait_s": 4, "sticky_talk_s": 1, "wrap_up_s": 0} | centre
        document["line"]["helpdesk"] |= line
        self.rules = Rules.from_document(document)
        self.centre = Centre(redis_server, folder, document)
        self.centre.start_serve()
        self.reaction = Reaction(after_s=0.2, talk_s=2)
        _, tiers = from_rules(self.rules.queues.values())
        people = [Agent(id_, status="Logged Out") for id_ in self.rules.agents]
        plan = load_dialplan(ROOT / "dialplan", {"fsapp_socket": self.centre.listen})
        self.switch = Switch(
            plan, (), people, tiers, clock=clock or Clock(speed), phone=lambda _agent, _call: self.reaction,
            xml_handler="fsapp_queues", files={FILE: written((), (), ())},
            variables={"fsapp_redis_url": redis_server.url, "fsapp_snapshot": self.centre.snapshot},
        )
        self.switch.start()
        self.socket = EventSocket(self.switch, ("127.0.0.1", 0), "ClueCon")
        self.link = LinkProcess(redis_server.settings.model_copy(update={
            "switch": f"127.0.0.1:{self.socket.address[1]}", "switch_password": "ClueCon", "link_http": "127.0.0.1:0",
            "sync_s": 3600.0,
        }))
        self.link.start()
        until(lambda: self.link.watch.up, "the link is up")
        self.customers = Customers(self.centre.client)

    def status(self, status: str, *agents: str) -> None:
        """Set a status, and wait until decisions know it."""
        for agent in agents:
            self.switch.callcenter.set_status(self.switch.callcenter.agents[agent], status)
        until(lambda: all((id_ in self.free()) == (status == "Available") for id_ in agents), f"{agents} are {status}")

    def free(self) -> set[str]:
        value = self.centre.client.get(keys.floor("main", "free"))
        return {id_ for id_, at in unpack_availability(value).free_at.items() if at < 1e11} if value else set()

    def call(self, called: str = HELPDESK) -> Channel:
        return self.switch.call(CUSTOMER, called)

    def talk(self, agent: str, called: str = HELPDESK) -> Channel:
        """A call that this agent takes, whose end is told."""
        before = len(self.facts("talk_ended"))
        call = self.call(called)
        until(lambda: call.hangup_cause, "the call is over")
        until(lambda: len(self.facts("talk_ended")) > before, "its end is told")
        assert self.facts("talk_ended")[-1]["agent"] == agent
        return call

    def facts(self, *types: str) -> list[dict[str, Any]]:
        return [event for event in self.centre.events() if event["type"] in types]

    def sticky(self) -> str | None:
        known = self.customers.get(CUSTOMER).sticky
        return known.agent if known else None

    def stop(self) -> None:
        self.link.stop()
        self.socket.stop()
        self.switch.stop()
        self.centre.close()


def queue_of(call: Channel) -> str:
    """Where a call waits first."""
    until(lambda: call.get("fsapp_queue"), "it is decided")
    return call.get("fsapp_queue").removesuffix("@fsapp")
