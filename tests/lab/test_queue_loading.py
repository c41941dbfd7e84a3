"""Queues, agents and tiers out of XML: what a load adds, changes and leaves alone, as mod_callcenter does."""

import pytest
from lab_ends import client, until
from structlog.testing import capture_logs

from fsapp.lab.api import run
from fsapp.lab.offering import Reaction

DIALPLAN = """<include><extension name="q"><condition field="destination_number" expression="^q-(.*)$">
  <action application="callcenter" data="$1"/><action application="set" data="back=${cc_cause}${cc_cancel_reason}x"/>
  <action application="park"/></condition></extension></include>"""
NOT_FOUND = '<document><section name="result"><result status="not found"/></section></document>'
QUEUE = (
    '<queue name="{0}"><param name="max-wait-time" value="{1}"/><param name="time-base-score" value="system"/></queue>'
)


def document(queues="", agents="", tiers="", settings=""):
    return (
        f'<document><section name="configuration"><configuration name="callcenter.conf">'
        f"<settings>{settings}</settings><queues>{queues}</queues><agents>{agents}</agents><tiers>{tiers}</tiers>"
        "</configuration></section></document>"
    )


def agent(name, **more):
    rest = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    return f'<agent name="{name}" type="callback" contact="user/{name}@x"{rest}/>'


def tier(queue, name, level=1):
    return f'<tier queue="{queue}" agent="{name}" level="{level}" position="1"/>'


class Source:
    """What the script answers with, and what it was asked."""

    def __init__(self, folder):
        self._folder = folder
        self.says(document())
        (folder / "queues_of_test.py").write_text(
            "from pathlib import Path\n"
            f"FOLDER = Path({str(folder)!r})\n"
            "def xml_fetch(params, args):\n"
            "    asked = [params.getHeader(n) for n in ('section', 'tag_name', 'key_name', 'key_value', 'CC-Queue')]\n"
            "    with (FOLDER / 'asked').open('a') as file:\n"
            "        file.write(repr(asked) + '\\n')\n"
            "    return (FOLDER / 'answer').read_text()\n")

    def says(self, text):
        (self._folder / "answer").write_text(" " * 16 + text)

    @property
    def asked(self):
        """The queue asked for by name, '' where everything was asked for."""
        lines = [eval(line) for line in (self._folder / "asked").read_text().splitlines()]  # noqa: S307 - ours
        assert all(line[:4] == ["configuration", "configuration", "name", "callcenter.conf"] for line in lines)
        return [line[4] or "" for line in lines]


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path)


@pytest.fixture
def boot(make_switch, tmp_path):
    return lambda **options: make_switch(DIALPLAN, scripts=tmp_path, xml_handler="queues_of_test", **options)


def test_a_start_loads_everything(boot, source):
    source.says(document(
        QUEUE.format("a@x", 20) + QUEUE.format("b@x", 0), agent("1", wrap_up_time=7, max_no_answer=3),
        tier("a@x", "1", 2)))
    switch = boot()
    assert source.asked == [""]
    assert {name: queue.wait_s for name, queue in switch.callcenter.queues.items()} == {"a@x": 20, "b@x": None}
    one = switch.callcenter.agents["1"]
    assert (one.status, one.state, one.contact, one.wrap_up_time, one.max_no_answer) == (
        "Logged Out", "Waiting", "user/1@x", 7, 3)
    assert run(switch, "callcenter_config tier list") == (
        "queue|agent|state|level|position\na@x|1|Ready|2|1\n+OK\n")


def test_settings_are_read_as_the_switch_reads_them(boot, source):
    source.says(document(
        '<queue name="a"><param name="discard-abandoned-after" value="0"/><param name="max-wait-time" value="99999"/>'
        '<param name="skip-agents-with-external-calls" value="no"/><param name="record-template" value="/r/${uuid}"/>'
        '<param name="agent-no-answer-status" value="Asleep"/><param name="tier-rules-apply" value="1"/>'
        '<param name="moh-sound" value="tone"/></queue>'))
    assert run(boot(), "callcenter_config queue list").splitlines()[1] == (
        "a|longest-idle-agent|tone|queue|true|0|false|true|0|false|0|0|5|/r/${uuid}|0|0|0|false|On Break")


def test_loading_a_queue_brings_who_is_said_along_with_it_and_leaves_the_rest(boot, source):
    source.says(document(QUEUE.format("a", 5), agent("1") + agent("2"), tier("a", "1") + tier("a", "2")))
    switch = boot()
    centre = switch.callcenter
    run(switch, "callcenter_config agent set status 1 'Available'")
    source.says(document(
        QUEUE.format("b", 9), agent("1", wrap_up_time=9) + agent("3"), tier("b", "3") + tier("a", "1", 4)))
    assert run(switch, "callcenter_config queue load b") == "+OK\n"
    assert source.asked[-1] == "b"
    assert set(centre.queues) == {"a", "b"}
    assert {name: (who.status, who.wrap_up_time) for name, who in centre.agents.items()} == {
        "1": ("Available", 9), "2": ("Logged Out", 0), "3": ("Logged Out", 0)}
    assert {key: one.level for key, one in centre.tiers.items()} == {("a", "1"): 4, ("a", "2"): 1, ("b", "3"): 1}


def test_a_status_is_changed_only_where_one_is_said(boot, source):
    source.says(document("", agent("1") + agent("2", status="Available")))
    switch = boot()
    run(switch, "callcenter_config agent set status 1 'On Break'")
    run(switch, "callcenter_config agent set status 2 'On Break'")
    for name in "12":
        assert run(switch, f"callcenter_config agent reload {name}") == "+OK\n"
    assert {name: who.status for name, who in switch.callcenter.agents.items()} == {"1": "On Break", "2": "Available"}


def test_a_queue_that_nobody_knows(boot, source):
    switch = boot()
    for command in ("queue load no@x", "queue reload no@x"):
        assert run(switch, f"callcenter_config {command}") == "-ERR Invalid Queue not found!\n"
    assert run(switch, "callcenter_config queue unload no@x") == "+OK\n"
    assert run(switch, "callcenter_config tier add no@x 1") == "-ERR Queue not found!\n"
    call = switch.call("+381601112223", "q-no@x")
    until(lambda: call.get("back"), "the dialplan goes on")
    assert (call.get("back"), call.answered) == ("x", False)
    assert source.asked == ["", "no@x", "no@x", "no@x", "no@x"]


def test_a_call_for_a_queue_that_is_not_loaded_loads_it(boot, source):
    switch = boot()
    source.says(document(QUEUE.format("late", 3), agent("1"), tier("late", "1")))
    call = switch.call("+381601112223", "q-late")
    until(lambda: call.get("back"), "the wait is over")
    assert call.get("back") == "cancelTIMEOUTx"
    assert switch.callcenter.agents == {}  # a queue loaded so comes without its people


def test_who_waits_goes_on_waiting_when_the_queue_is_loaded_anew(boot, source):
    source.says(document(QUEUE.format("a", 0), agent("1"), tier("a", "1")))
    switch = boot(phone=lambda _agent, _call: Reaction(talk_s=1))
    calls = [switch.call(f"+38160111222{number}", "q-a") for number in range(3)]
    until(lambda: len(switch.callcenter.queues["a"].waiting) == 3, "three wait")
    source.says(document(QUEUE.format("a", 0).replace("</queue>", '<param name="moh-sound" value="new"/></queue>')))
    assert run(switch, "callcenter_config queue reload a") == "+OK\n"
    queue = switch.callcenter.queues["a"]
    assert (queue.moh_sound, len(queue.waiting), len(queue.members)) == ("new", 3, 3)
    run(switch, "callcenter_config agent set status 1 Available")
    until(lambda: all(call.get("back") == "answeredx" for call in calls), "everybody has been served")


def test_a_shorter_wait_holds_for_who_waits_already(boot, source):
    source.says(document(QUEUE.format("a", 0)))
    switch = boot()
    call = switch.call("+381601112223", "q-a")
    until(lambda: len(switch.callcenter.queues["a"].waiting) == 1, "one waits")
    source.says(document(QUEUE.format("a", 1)))
    run(switch, "callcenter_config queue reload a")
    until(lambda: call.get("back") == "cancelTIMEOUTx", "the wait is over")


def test_members_of_an_unloaded_queue_are_kept_where_it_can_be_loaded_again(boot, source):
    source.says(document(QUEUE.format("a", 0)))
    switch = boot()
    switch.call("+381601112223", "q-a")
    until(lambda: len(switch.callcenter.queues["a"].waiting) == 1, "one waits")
    run(switch, "callcenter_config queue unload a")
    until(lambda: "a" in switch.callcenter.queues, "the dispatcher loads it")
    assert len(switch.callcenter.queues["a"].waiting) == 1


def test_members_of_a_queue_that_is_gone_are_forgotten_and_hear_music_for_ever(boot, source):
    source.says(document(QUEUE.format("a", 2), agent("1"), tier("a", "1")))
    switch = boot()
    call = switch.call("+381601112223", "q-a")
    until(lambda: len(switch.callcenter.queues["a"].waiting) == 1, "one waits")
    source.says(document())
    run(switch, "callcenter_config queue unload a")
    until(lambda: source.asked.count("a") == 1, "the dispatcher asks for it")
    source.says(document(QUEUE.format("a", 2)))
    switch.clock.sleep(1)
    assert run(switch, "callcenter_config queue load a") == "+OK\n"
    run(switch, "callcenter_config agent set status 1 Available")
    switch.clock.sleep(4)
    assert run(switch, "callcenter_config queue list members") == "+OK\n"
    assert (call.up, call.get("back")) == (True, "")


def test_truncation_forgets_before_it_loads(boot, source):
    source.says(document(
        QUEUE.format("a", 0), agent("1"), tier("a", "1"),
        settings='<param name="truncate-tiers-on-load" value="true"/>'))
    switch = boot()
    source.says(document(
        QUEUE.format("a", 0), agent("2"), "", settings='<param name="truncate-tiers-on-load" value="true"/>'))
    switch.loader.everything()
    assert (list(switch.callcenter.agents), switch.callcenter.tiers) == (["1", "2"], {})


def test_tiers_are_loaded_by_queue_by_agent_or_all(boot, source):
    source.says(document(QUEUE.format("a", 0) + QUEUE.format("b", 0), agent("1") + agent("2")))
    switch = boot()
    said = ["a", "a 2", "nosuch", "all", ""]
    source.says(document("", "", tier("a", "1") + tier("a", "2") + tier("b", "1")))
    answers = [run(switch, f"callcenter_config tier reload {words}".strip()) for words in said]
    assert answers == ["+OK\n", "+OK\n", "-ERR Unknown Error!\n", "+OK\n", "-ERR Invalid!\n"]
    assert set(switch.callcenter.tiers) == {("a", "1"), ("a", "2"), ("b", "1")}


@pytest.mark.parametrize("text", [
    "", "x" + " " * 1050 + document(), "  \n", "<no", NOT_FOUND,
    '<!DOCTYPE x [<!ENTITY a "b">]>' + document(QUEUE.format("a", 0)),
])
def test_without_a_configuration_there_is_no_mod_callcenter(boot, source, text):
    source.says(text)
    with capture_logs() as logs:
        switch = boot()
    assert "callcenter_not_loaded" in {log["event"] for log in logs}
    assert run(switch, "module_exists mod_callcenter") == "false"
    assert run(switch, "callcenter_config queue list") == "-ERR callcenter_config Command not found!\n"
    call = switch.call("+381601112223", "q-a")
    until(lambda: not call.up, "an application that is not there ends the call")
    assert call.hangup_cause == "DESTINATION_OUT_OF_ORDER"


@pytest.mark.parametrize("text", [document(QUEUE.format("a", 4)), " " * 16 + document(QUEUE.format("a", 4) * 9)])
def test_an_answer_is_freed_before_it_is_read_as_in_the_real_switch(boot, source, tmp_path, text):
    switch = boot()
    (tmp_path / "answer").write_text(text)  # its first 16 bytes are lost, or all of it
    assert run(switch, "callcenter_config queue load a") == "-ERR Invalid Queue not found!\n"


def test_where_no_script_answers_the_file_does(make_switch, source, tmp_path):
    source.says(NOT_FOUND)
    switch = make_switch(DIALPLAN, scripts=tmp_path, xml_handler="queues_of_test")
    switch.configuration.files["callcenter.conf"] = document(QUEUE.format("a", 4))
    assert run(switch, "callcenter_config queue load a") == "-ERR callcenter_config Command not found!\n"
    assert switch.loader.everything()
    assert switch.callcenter.queues["a"].wait_s == 4


def test_a_load_is_told(boot, source, make_socket):
    switch = boot()
    source.says(document(QUEUE.format("a", 0), agent("1", status="On Break"), tier("a", "1")))
    with client(make_socket(switch).address, "CUSTOM", "callcenter::info") as heard:
        heard.command("api callcenter_config queue load a")
        until(lambda: len(heard.events()) == 3, "the events are there")
        told = [next(line for line in event.splitlines() if line.startswith("CC-Action")) for event in heard.events()]
    assert told == ["CC-Action: agent-add", "CC-Action: agent-contact-change", "CC-Action: agent-status-change"]
