"""`fsapp dialplan check`: the project's own files fit; each thing that can be wrong is one line that says where."""

import json
import shutil
from pathlib import Path

import pytest

from fsapp.cli.root import main
from fsapp.core.numbers import normalise
from fsapp.core.queue_xml import callcenter_document
from fsapp.core.rules import Rules
from fsapp.rules import load_folder
from fsapp.rules.spellings import spellings

ROOT = Path(__file__).parents[2]
CALLCENTER = "conf/freeswitch/autoload_configs/callcenter.conf.xml"
PYTHON = "conf/freeswitch/autoload_configs/python.conf.xml"
MODULES = "conf/freeswitch/autoload_configs/modules.conf.xml"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A copy of what an operator has, with the working folder there."""
    for part in ("dialplan", "conf/freeswitch", "conf/rules"):
        shutil.copytree(ROOT / part, tmp_path / part)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FSAPP_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def run(place, capsys):
    """Runs `fsapp dialplan check ...`; gives the exit status, stdout and the lines of stderr."""
    def run(*args):
        with pytest.raises(SystemExit) as left:
            main(["dialplan", "check", *map(str, args)])
        out, err = capsys.readouterr()
        return left.value.code, out, err.splitlines()
    return run


def change(place, file, old, new):
    path = place / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_no_extension_of_the_queue(run, place):
    path = place / "dialplan/fsapp.xml"
    path.write_text(path.read_text().replace("^fsapp-queue$", "^fsapp-queues$"))
    status, _, err = run()
    assert status == 1
    assert any("no extension fsapp-queue in context fsapp" in fault for fault in err)


@pytest.mark.parametrize(("part", "line"), [
    ("execute_on_pre_bridge", "calls of helpdesk are to be recorded"),
    ('records" continue="true', "calls of helpdesk are to be recorded"),
    ("fsapp_announced=", "calls of helpdesk are to be announced"),
])
def test_what_the_rules_record_the_dialplan_must(run, place, part, line):
    change(place, "conf/rules/lines.toml", "[line.helpdesk]", '[line.helpdesk]\nrecord = "both"\nannounce = true')
    assert run()[0] == 0
    change(place, "dialplan/fsapp.xml", part, "something_else")
    status, _, err = run()
    assert status == 1
    assert any(line in fault for fault in err)


@pytest.mark.parametrize(("old", "new", "line"), [
    ("^fsapp-closed$", "^fsapp-shut$", "no extension fsapp-closed in context fsapp"),
    ('application="hangup" data="SUBSCRIBER_ABSENT"', 'application="answer"',
     "fsapp-closed does not hang up: end it with `hangup SUBSCRIBER_ABSENT`"),
])
def test_who_closes_needs_an_extension_that_says_so(run, place, old, new, line):
    change(place, "dialplan/fsapp.xml", old, new)
    assert run()[0] == 0
    change(place, "conf/rules/lines.toml", "[line.helpdesk]", '[line.helpdesk]\nschedule = "office"')
    (place / "conf/rules/hours.toml").write_text(
        '[schedule.office]\ntimezone = "Europe/Belgrade"\nhours = ["mon-fri 08:00-20:00"]\n')
    status, _, err = run()
    assert status == 1
    assert any(line in fault for fault in err)


@pytest.mark.parametrize(("old", "new", "line"), [
    ("^fsapp-ask$", "^fsapp-x$", "nothing in context fsapp takes fsapp-ask where fsapp_asks is set"),
    ('fsapp-fallback-asked">\n      <condition field="destination_number" expression="^fsapp-fallback$"/>\n      '
     '<condition field="${fsapp_asks}"',
     'fsapp-fallback-asked">\n      <condition field="destination_number" expression="^fsapp-fallback$"/>\n      '
     '<condition field="${fsapp_block}"', "led to a queue while fsapp is away"),
])
def test_who_is_called_for_a_survey_needs_extensions(run, place, old, new, line):
    change(place, "dialplan/fsapp.xml", old, new)
    status, _, err = run()
    assert status == 1
    assert any(line in fault for fault in err), err


def test_what_the_project_ships_fits(run):
    status, out, err = run()
    assert (status, err) == (0, [])
    assert out == "dialplan and conf/freeswitch fit the rules: 5 numbers, 12 queues.\n"


def test_json_says_the_same(run, place):
    status, out, _ = run("--json")
    assert status == 0
    assert json.loads(out) == {"ok": True, "faults": [], "dialplan": "dialplan", "freeswitch": "conf/freeswitch"}
    change(place, "dialplan/fsapp-vars.xml", "127.0.0.1:8040", "127.0.0.1:8041")
    status, out, err = run("--json")
    assert status == 1
    assert [f"fsapp: {fault}" for fault in json.loads(out)["faults"]] == err


FAULTS = [
    ("dialplan/fsapp.xml", "</extension>", "</extensoin>", ": is not well-formed XML: mismatched tag; mend this line"),
    ("dialplan/fsapp.xml", "<include>", '<!DOCTYPE x [<!ENTITY a "b">]><include>', "declares an entity"),
    ("dialplan/fsapp.xml", "^fsapp-visit$", "^(fsapp-visit$", "is no regular expression"),
    ("dialplan/fsapp.xml", "async full", "full", "write `async full`"),
    ("dialplan/fsapp.xml", 'application="socket"', 'application="sleep"', "no socket action"),
    ("dialplan/fsapp.xml", "socket_resume=true", "socket_resume=false", "set socket_resume=true before the socket"),
    ("dialplan/fsapp.xml", "execute_on_blind_transfer", "x", "execute_on_blind_transfer=unset socket_resume"),
    ("dialplan/fsapp.xml", 'data="fsapp-fallback XML fsapp"/>', 'data="nowhere XML fsapp"/>', "leads to nowhere"),
    ("dialplan/fsapp.xml", 'data="fsapp-return XML fsapp"', 'data="x XML other"', "leads to context other"),
    ("dialplan/fsapp.xml", 'data="fsapp-return XML fsapp"', 'data="fsapp-return"', "is not EXTENSION XML CONTEXT"),
    ("dialplan/fsapp.xml", 'data="cc_cause"', 'data="cc_causes"', "unset cc_cause before callcenter"),
    ("dialplan/fsapp.xml", 'data="${fsapp_queue}"', 'data="helpdesk@fsapp"', "does not run `callcenter"),
    ("dialplan/fsapp.xml", "$${fsapp_sounds}", "$${fsapp_noise}", "$${fsapp_noise} is set nowhere"),
    ("dialplan/public.xml", "fsapp_called=$1", "fsapp_called=${destination_number}", "does not set fsapp_called=$1"),
    ("dialplan/public.xml", "fsapp-visit XML fsapp", "elsewhere XML fsapp",
     "no other context than fsapp leads to fsapp-visit"),
    ("dialplan/public.xml", "^($${fsapp_numbers})$", "^$${fsapp_numbers}$", "+381115550100 is not matched"),
    ("dialplan/public.xml", "^($${fsapp_numbers})$", "($${fsapp_numbers})", "narrow fsapp_numbers"),
    ("dialplan/fsapp-vars.xml", "127.0.0.1:8040", "127.0.0.1:8041",
     "leads to 127.0.0.1:8041, fsapp listens on 127.0.0.1:8040"),
    ("dialplan/fsapp-vars.xml", "|900", "", "+381115550900 is not matched when written +381115550900, 381115550900"),
    ("dialplan/fsapp-vars.xml", "381|0)", "381)", "+381115550100 is not matched when written 0115550100"),
    ("dialplan/fsapp-vars.xml", "|00)", ")", "+381115550100 is not matched when written 00381115550100"),
    ("dialplan/fsapp-vars.xml", "100|200|300|400|900", "[0-9]{3}", "numbers that are not in the rules are matched"),
    ("dialplan/fsapp-vars.xml", "=helpdesk@", "=helpdisk@", "'helpdisk@fsapp' is not in the rules"),
    ("dialplan/fsapp-vars.xml", "=helpdesk@", "=agent-1004@", "callers leave the fallback queue"),
    ("dialplan/fsapp-vars.xml", "=100000000", "=9999999999", "write a whole number up to 2147483647"),
    ("dialplan/fsapp-vars.xml", "_patience=15", "_patience=10", "more than visit_s, which is 10"),
    ("dialplan/fsapp-vars.xml", "_patience=15", "_patience=", "fsapp_patience is ''"),
    ("dialplan/fsapp.xml", 'application="sched_hangup"', 'application="log"', "could be called at any hour"),
    ("dialplan/fsapp.xml", 'application="sched_cancel"/>', 'application="log"/>', "a talk would be cut off"),
    ("dialplan/fsapp.xml", 'decides" continue="true"', 'decides"', "write continue"),
    ("dialplan/fsapp.xml", 'data="fsapp_fallback"', 'data="other"', "does not begin with `python fsapp_fallback`"),
    ("dialplan/fsapp.xml", "${module_exists(mod_python3)}", "${module_exists(mod_python)}", "hangs up there"),
]


@pytest.mark.parametrize(("file", "old", "new", "line"), FAULTS)
def test_a_fault_is_a_line_with_its_file(run, place, file, old, new, line):
    change(place, file, old, new)
    status, _, err = run()
    assert status == 1
    found = [said for said in err if line in said]
    assert found, err
    assert all(said.startswith("fsapp: ") for said in err)
    assert all(part in found[0] for part in ("fsapp: ", "/" if "/" in found[0] else "dialplan"))


FILE_FAULTS = [
    ('<queue name="vip@', '<queue name="vips@', "queue vip@fsapp of the rules is missing"),
    ('"time-base-score" value="system"', '"time-base-score" value="queue"', "time-base-score is queue"),
    ('"max-wait-time" value="20"', '"max-wait-time" value="30"', "max-wait-time is 30, the rules want 20"),
    ('<agent name="1006"', '<agent name="1007"', "agent 1006 of the rules is missing"),
    ('level="3"', 'level="4"', "agent 1001 in web-leads.new@fsapp: level is 4, the rules want 3"),
    ('<tier agent="1001" queue="group-sales', '<tier agent="1006" queue="group-sales',
     "agent 1001 has no tier in group-sales@fsapp"),
    ('<tier agent="1001" queue="group-sales', '<tier agent="1006" queue="group-sales',
     "agent 1006 takes no inbound calls in group-sales@fsapp"),
]


def printed(place):
    """The switch's file is what `fsapp switch config` prints."""
    rules = Rules.from_document(load_folder(place / "conf/rules"))
    (place / CALLCENTER).write_text(callcenter_document(rules))


@pytest.mark.parametrize(("old", "new", "line"), FILE_FAULTS)
def test_a_switch_without_python_needs_all_of_it_in_its_file(run, place, old, new, line):
    (place / PYTHON).unlink()
    printed(place)
    assert run()[::2] == (0, [])
    change(place, CALLCENTER, old, new)
    status, _, err = run()
    assert status == 1
    assert [said for said in err if said.startswith(f"fsapp: {CALLCENTER}:") and line in said], err


@pytest.mark.parametrize(("file", "old", "new"), [
    (PYTHON, "fsapp_queues", "other"), (PYTHON, 'value="configuration"', 'value="directory"'),
    (MODULES, "mod_python3", "mod_lua"),
])
def test_a_switch_that_does_not_ask_for_queues_needs_them_in_its_file(run, place, file, old, new):
    status, _, err = run()
    assert (status, err) == (0, [])
    change(place, file, old, new)
    _, _, err = run()
    advice = "is missing: put what `fsapp switch config` prints into the file"
    assert len([line for line in err if advice in line]) == 18


@pytest.mark.parametrize(("old", "new"), [item[:2] for item in FILE_FAULTS if "is missing" not in item[2]])
def test_what_is_said_otherwise_is_a_fault_for_every_switch(run, place, old, new):
    printed(place)
    change(place, CALLCENTER, old, new)
    assert run()[0] == 1


def test_all_faults_are_said_at_once(run, place):
    printed(place)
    change(place, "dialplan/fsapp-vars.xml", "127.0.0.1:8040", "127.0.0.1:8041")
    change(place, "dialplan/fsapp-vars.xml", "=helpdesk@", "=nothing@")
    change(place, CALLCENTER, 'level="3"', 'level="4"')
    _, _, err = run()
    assert len(err) == 3


def test_an_agent_without_inbound_calls_has_no_tier(run, place):
    printed(place)
    change(place, "conf/rules/campaigns.toml", "1001 = 8", "1001 = 0")
    _, _, err = run()
    what = "agent 1001 takes no inbound calls in web-leads.new@fsapp by the rules: remove it"
    assert err == [f"fsapp: {CALLCENTER}:{_line(place)}: {what}"]


def _line(place):
    lines = (place / CALLCENTER).read_text().splitlines()
    return 1 + next(i for i, line in enumerate(lines) if 'level="3"' in line)


def test_folders_that_are_not_there(run, place):
    (place / "empty").mkdir()
    assert run("--dialplan", "empty")[2] == [
        "fsapp: empty: no dialplan here: name the folder that holds fsapp.xml with --dialplan"]
    assert "name the switch's conf folder with --freeswitch" in run("--freeswitch", "empty")[2][0]
    assert run("--rules", "empty")[0] == 1


def test_without_a_switch_configuration_only_the_dialplan_is_checked(run, place):
    shutil.rmtree(place / "conf/freeswitch")
    status, out, _ = run()
    assert status == 0
    assert out == "dialplan fits the rules: 5 numbers, 12 queues.\n"


@pytest.mark.parametrize(("number", "region", "national"), [
    ("+381115550100", "RS", "0115550100"), ("+3612345678", "HU", None), ("+48221234567", "PL", None),
    ("+420212345678", "CZ", "212345678"), ("+12125550123", "US", None),
])
def test_every_spelling_means_the_number(number, region, national):
    found = spellings(number, region)
    assert found[:3] == (number, number[1:], "00" + number[1:])
    assert all(normalise(spelling, region).e164 == number for spelling in found)
    assert national is None or found[3] == national


def test_what_the_operator_owns_is_read_last(run, place):
    own = place / "conf/freeswitch/own"
    own.mkdir(exist_ok=True)
    line = '<X-PRE-PROCESS cmd="set" data="fsapp_socket=127.0.0.1:8041"/>'
    (own / "vars.xml").write_text(f"<include>{line}</include>\n")
    status, _, err = run()
    assert status == 1
    assert any("own/vars.xml:1" in fault and "leads to 127.0.0.1:8041" in fault for fault in err), err


SWITCHES = '\n[switch.one]\nsip = "10.0.0.1:5070"\n[switch.two]\nsip = "10.0.0.2:5070"\n'


@pytest.mark.parametrize(("file", "old", "new", "line"), [
    ("dialplan/fsapp-vars.xml", "fsapp_switch=two", "fsapp_switch=main", "fsapp_switch is 'main': write the name"),
    ("dialplan/switches.xml", 'context name="fsapp-carry"', 'context name="x"',
     "no extension fsapp-carry in context fsapp-carry"),
    ("dialplan/switches.xml", "^fsapp-carried$", "^x$", "no extension fsapp-carried in context fsapp-peers"),
    ("dialplan/fsapp-vars.xml", "fsapp_switch=two", "fsapp_switch=one", "helpdesk@fsapp is at home on two"),
    ("dialplan/public.xml", "fsapp_switch=$${fsapp_switch}", "x=y", "does not set fsapp_switch=$${fsapp_switch}"),
])
def test_what_several_switches_need(run, place, file, old, new, line):
    rules = place / "conf/rules/centre.toml"
    rules.write_text(rules.read_text().replace('region = "RS"', 'region = "RS"\nhome = "two"') + SWITCHES)
    change(place, "dialplan/fsapp-vars.xml", "fsapp_switch=main", "fsapp_switch=two")
    status, _, err = run()
    assert (status, err) == (0, [])
    change(place, file, old, new)
    status, _, err = run()
    assert status == 1
    assert any(line in said for said in err), err
