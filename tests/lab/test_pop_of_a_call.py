"""A call on the lab switch: its pop is at the agent's while the phone rings, with what is known of who calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_ends import until
from web_ends import Asker, Page, make_token, start_web

from fsapp.app.link import LinkProcess
from fsapp.app.web import WebProcess
from fsapp.lab.callcenter import Agent, Queue, Tier
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.offering import Reaction
from fsapp.lab.switch import Switch
from fsapp.records.versions import migrate

PLAN = """<include><context name="public"><extension name="queue">
<condition field="destination_number" expression="^1$">
<action application="answer"/><action application="set" data="fsapp_class=service"/>
<action application="set" data="fsapp_line=helpdesk"/><action application="callcenter" data="helpdesk@fsapp"/>
</condition></extension></context></include>"""
RINGS_S = 15  # of the switch's time, which goes ten times as fast


@pytest.fixture
def switch(make_switch: Callable[..., Switch]) -> Switch:
    """Agent 1004 never picks up; 1005, who is asked next, does after a while."""
    def phone(agent: Agent, _channel: Any) -> Reaction:
        return Reaction("NO_ANSWER", RINGS_S) if agent.name == "1004" else Reaction("", RINGS_S, 5, True)

    return make_switch(
        PLAN, [Queue("helpdesk@fsapp")],
        [Agent("1004", "user/1004@fsapp", max_no_answer=1), Agent("1005", "user/1005@fsapp")],
        [Tier("helpdesk@fsapp", "1004", level=1), Tier("helpdesk@fsapp", "1005", level=2)], phone=phone)


@pytest.fixture
def link(switch: Switch, make_socket: Callable[[Switch], EventSocket], redis_server: Any) -> Iterator[LinkProcess]:
    process = LinkProcess(redis_server.settings.model_copy(update={
        "switch": "{}:{}".format(*make_socket(switch).address), "switch_password": "ClueCon",
        "link_http": "127.0.0.1:0", "sync_s": 3600.0}))
    process.start()
    until(lambda: process.watch.up, "the link is up")
    yield process
    process.stop()


@pytest.fixture
def web(redis_server: Any, tmp_path: Path) -> Iterator[WebProcess]:
    url = f"sqlite:///{tmp_path}/fsapp.db"
    migrate(url)
    process = start_web(url, redis_server, tmp_path)
    yield process
    process.stop()


def test_the_pop_is_there_while_the_phone_rings(switch: Switch, link: LinkProcess, web: WebProcess) -> None:
    asker = Asker(web, make_token(web, "write"))
    asker.ask("POST", "/customers", {"name": "Vera", "vip": 6, "numbers": ["060 123 4567"]})
    pages = {agent: Page(asker, agent) for agent in ("1004", "1005")}
    switch.call("+381601234567", "1", name="whoever")
    for agent, became in (("1004", "missed"), ("1005", "answered")):
        name, _, data = pages[agent].next()
        assert (name, data["offer"]["agent"], data["offer"]["became"]) == ("pop", agent, None)
        assert (data["pop"]["name"], data["pop"]["vip"], data["offer"]["class"], data["offer"]["line"]) == (
            "Vera", 6, "service", "helpdesk")
        assert switch.callcenter.agents[agent].state == "Receiving", "nobody has picked up or given up yet"
        name, _, data = pages[agent].next()
        assert (name, data["became"]) == ("became", became)
    assert pages["1005"].next()[2]["became"] == "ended"
    for page in pages.values():
        page.close()
    asker.close()
