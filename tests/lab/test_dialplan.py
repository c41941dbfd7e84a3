from pathlib import Path

import pytest

from fsapp.errors import DialplanError
from fsapp.lab.dialplan import Action, load_folder, parse

PROJECT = Path(__file__).parents[2] / "dialplan"


class Caller:
    def __init__(self, number="1", **variables):
        self.number = number
        self.variables = variables

    def expand(self, text):
        return self.variables.get(text[2:-1], "")

    def profile_field(self, name):
        return self.number if name == "destination_number" else self.variables.get(name, "")


def hunt(xml, caller=None, inline=None):
    plan = parse({"public.xml": f"<include>{xml}</include>"})
    return [tuple(action[:2]) for action in plan.hunt("public", caller or Caller(), inline or (lambda _a: None))]


def extension(conditions, goes_on="false", name="x"):
    return f'<extension name="{name}" continue="{goes_on}">{conditions}</extension>'


def condition(expression, do="yes", stops="on-false", field="destination_number", otherwise=""):
    anti = f'<anti-action application="{otherwise}"/>' if otherwise else ""
    return (f'<condition field="{field}" expression="{expression}" break="{stops}"><action application="{do}"/>{anti}'
            "</condition>")


def test_the_first_extension_that_matches_is_run_with_its_captures():
    xml = extension('<condition field="destination_number" expression="^9(..)(.)?$">'
                    '<action application="set" data="a=$1-$2-$3 ${b}"/></condition>') + extension(condition("."))
    assert hunt(xml, Caller("912")) == [("set", "a=12-- ${b}")]


def test_an_extension_that_continues_lets_later_ones_add_actions():
    xml = extension(condition("^1", "one"), "true") + extension(condition("^1", "two"))
    assert hunt(xml) == [("one", ""), ("two", "")]


@pytest.mark.parametrize(("stops", "matches", "expected"), [
    ("on-false", True, ["a", "b"]), ("on-false", False, []), ("on-true", True, ["a"]), ("on-true", False, ["b"]),
    ("always", True, ["a"]), ("always", False, []), ("never", True, ["a", "b"]), ("never", False, ["b"]),
])
def test_when_conditions_stop(stops, matches, expected):
    xml = extension(condition("^1" if matches else "^2", "a", stops) + condition("^1", "b"))
    assert [name for name, _ in hunt(xml)] == expected


def test_an_anti_action_makes_the_extension_match():
    xml = extension(condition("^2", "a", otherwise="no")) + extension(condition("^1", "later"))
    assert hunt(xml) == [("no", "")]


def test_an_extension_whose_last_condition_fails_does_not_match():
    xml = extension('<condition field="destination_number" expression="^1$"/>' + condition("^x$", field="${cc_cause}"))
    assert hunt(xml + extension(condition("^1", "later")), Caller(cc_cause="y")) == [("later", "")]


def test_an_inline_action_runs_during_the_hunt():
    caller = Caller()
    xml = extension('<condition><action application="set" data="a=b" inline="true"/></condition>'
                    '<condition field="${a}" expression="^b$"><action application="yes"/></condition>')

    def run(action: Action):
        name, _, value = action.data.partition("=")
        caller.variables[name] = value

    assert hunt(xml, caller, run) == [("yes", "")]


def test_settings_fill_in_and_given_ones_win():
    texts = {
        "a.xml": '<include><X-PRE-PROCESS cmd="set" data="one=1"/>'
                 '<X-PRE-PROCESS cmd="set" data="two=$${one}2"/></include>',
        "public.xml": f"<include>{extension(condition('^($${two})$', 'go'))}</include>",
    }
    assert parse(texts).hunt("public", Caller("12"), print)
    assert parse(texts, {"one": "3"}).hunt("public", Caller("32"), print)


def test_every_fault_is_named_at_once():
    with pytest.raises(DialplanError) as refused:
        parse({
            "a.xml": "<include", "b.xml": f"<include>{extension(condition('(', stops='sometimes'))}"
            '<X-PRE-PROCESS cmd="exec" data="rm"/></include>',
            "c.xml": '<include><extension name="t"><condition wday="1"/></extension></include>',
        })
    text = "\n".join(refused.value.faults)
    assert len(refused.value.faults) == 5
    assert all(word in text for word in ("a.xml", "well-formed", "sometimes", "X-PRE-PROCESS exec", "wday", "'('"))


def test_a_folder_without_a_dialplan_is_refused(tmp_path):
    with pytest.raises(DialplanError, match="--dialplan"):
        load_folder(tmp_path)


def test_the_projects_dialplan_can_be_read_and_asks_where_it_is_told_to():
    plan = load_folder(PROJECT, {"fsapp_socket": "127.0.0.1:9"})
    sockets = [
        action.data for extensions in plan.contexts.values() for e in extensions for c in e.conditions
        for action in c.actions if action.application == "socket"
    ]
    assert sockets == ["127.0.0.1:9 async full"]
    assert {"public", "fsapp"} <= set(plan.contexts)


def test_every_application_of_the_projects_dialplan_is_known(make_switch):
    plan = load_folder(PROJECT)
    used = {
        action.application for extensions in plan.contexts.values() for e in extensions for c in e.conditions
        for action in (*c.actions, *c.anti_actions)
    }
    assert used <= set(make_switch(plan).applications)


PROTOCOL = [
    ("fsapp-return", {"cc_cause": "answered"}, "unset fsapp_misses"),
    ("fsapp-return", {"cc_cause": "cancel"}, "unset fsapp_misses"),
    ("fsapp-return", {}, "set fsapp_misses=${fsapp_misses}x"),
    ("fsapp-return", {"fsapp_misses": "x"}, "set fsapp_misses=${fsapp_misses}x"),
    ("fsapp-return", {"fsapp_misses": "xx"}, "set fsapp_misses=xxx"),
    ("fsapp-return", {"fsapp_misses": "xxx"}, "transfer fsapp-goodbye XML fsapp"),
    ("fsapp-fallback", {"cc_cause": "answered", "fsapp_queue": "agent-1@x"}, "sched_cancel ${fsapp_patience_id}"),
    ("fsapp-fallback", {"cc_cause": "cancel", "fsapp_queue": "agent-1@x"}, "set fsapp_queue=helpdesk@fsapp"),
    ("fsapp-fallback", {"cc_cause": "cancel", "fsapp_queue": "group-a@x"}, "set fsapp_queue=helpdesk@fsapp"),
    ("fsapp-fallback", {"cc_cause": "cancel", "fsapp_queue": "list-a@x"}, "set fsapp_queue=helpdesk@fsapp"),
    ("fsapp-fallback", {"cc_cause": "cancel", "fsapp_queue": "helpdesk@x"}, "transfer fsapp-queue XML fsapp"),
    ("fsapp-fallback", {"caller_id_number": "+1"}, "set fsapp_class=service"),
    ("fsapp-fallback", {"caller_id_number": "+1;x"}, "set caller_id_number=anonymous"),
    ("fsapp-fallback", {"caller_id_name": "a|b"}, "set caller_id_name=unknown"),
    ("fsapp-unknown", {}, "sched_cancel ${fsapp_patience_id}"),
    ("fsapp-closed", {}, "sched_cancel ${fsapp_patience_id}"),
    ("fsapp-goodbye", {}, "pre_answer"),
]


@pytest.mark.parametrize(("extension", "variables", "first"), PROTOCOL)
def test_what_the_project_does_first_with_a_call_in_each_case(extension, variables, first):
    found = load_folder(PROJECT).hunt("fsapp", Caller(extension, **variables), lambda _action: None)
    assert next(f"{a.application} {a.data}".strip() for a in found if a.application != "log") == first


def test_who_has_talked_is_done_when_fsapp_is_down():
    caller = Caller("fsapp-fallback", cc_cause="answered", fsapp_queue="agent-1@x")
    found = load_folder(PROJECT).hunt("fsapp", caller, lambda _action: None)
    assert tuple(found[-1][:2]) == ("hangup", "NORMAL_CLEARING")


@pytest.mark.parametrize(("extension", "last"), [
    ("fsapp-visit", "transfer fsapp-fallback XML fsapp"), ("fsapp-queue", "transfer fsapp-return XML fsapp"),
    ("fsapp-fallback", "transfer fsapp-queue XML fsapp"), ("fsapp-unknown", "hangup UNALLOCATED_NUMBER"),
    ("fsapp-goodbye", "hangup NORMAL_TEMPORARY_FAILURE"), ("fsapp-closed", "hangup SUBSCRIBER_ABSENT"),
])
def test_where_a_call_of_the_project_is_led_in_the_end(extension, last):
    found = load_folder(PROJECT).hunt("fsapp", Caller(extension, caller_id_number="+1"), lambda _action: None)
    assert " ".join(found[-1][:2]) == last
