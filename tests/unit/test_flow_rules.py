"""Every fault of a flow, with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsapp.core.flow.blocks import CALLBACK_PROMPTS
from fsapp.rules import check
from fsapp.sounds.catalogue import Catalogue

CENTRE = """
[centre]
region = "RS"
[line.helpdesk]
agents = ["1001"]
[line.nobody]
agents = ["1001"]
priority = { 1001 = 0 }
[agent.1001]
name = "ana"
email = "ana@example.com"
[group.all]
agents = ["1001"]
"""
SOUND = """
[flow.main]
line = "helpdesk"
start = "menu"
languages = ["sr", "en"]
[flow.main.block.menu]
kind = "menu"
say = ["welcome"]
choices = { 1 = "order", "*" = "end" }
otherwise = "end"
[flow.main.block.order]
kind = "input"
say = ["order"]
confirm = ["entered", "*"]
next = "look"
otherwise = "end"
[flow.main.block.look]
kind = "lookup"
url = "http://127.0.0.1:8080/{order}?{caller}"
store = { who = "agent.id" }
next = "agent"
otherwise = "end"
[flow.main.block.agent]
kind = "agent"
of = "who"
[flow.main.block.end]
kind = "queue"
"""
BOTH = {"sr": "x", "en": "x"}
PROMPTS = Catalogue({"sr": "sr", "en": "en-gb"}, {"welcome": BOTH, "order": BOTH, "entered": BOTH})


def faults(folder: Path, flow: str) -> list[str]:
    (folder / "centre.toml").write_text(CENTRE)
    (folder / "flow.toml").write_text(flow)
    return list(check(folder, PROMPTS).faults)


def test_a_sound_flow_has_no_fault(tmp_path: Path):
    assert faults(tmp_path, SOUND) == []


@pytest.mark.parametrize(("before", "after", "fault"), [
    ('start = "menu"\n', "", "flow.toml:2: flow.main.start: is missing; say with which block it starts, there are"),
    ('start = "menu"', 'start = "men"', "flow.toml:4: flow.main.start: there is no block 'men' in this flow"),
    ('{ 1 = "order", "*"', '{ 1 = "ordr", "*"', "block.menu.choices.1: there is no block 'ordr' in this flow"),
    ('1 = "order", ', "", "flow.toml:11: flow.main.block.order: is reached from nowhere"),
    ('otherwise = "end"\n[flow.main.block.order]', "[flow.main.block.order]",
     "flow.toml:6: flow.main.block.menu.otherwise: is missing; add otherwise = ..."),
    ('next = "agent"\notherwise = "end"', 'next = "agent"\notherwise = "look"',
     "flow.main.block.look: goes round without waiting for the caller: look > look; put a menu"),
    ('say = ["welcome"]', 'say = ["welcom"]',
     "flow.toml:8: flow.main.block.menu.say: there is no prompt 'welcom' in the catalogue"),
    ('languages = ["sr", "en"]', 'languages = ["sr", "hu"]',
     "flow.main.block.menu.say: the prompt 'welcome' has no text in hu; add it in catalogue.toml"),
    ('kind = "queue"', 'kind = "queue"\nline = "nobody"', "flow.main.block.end.line: nobody serves line 'nobody'"),
    ('kind = "queue"', 'kind = "queue"\nline = "none"', "flow.main.block.end.line: there is no line 'none'"),
    ('kind = "queue"', 'kind = "que"', "flow.main.block.end: is of no kind 'que'; write kind = one of 'say', 'menu'"),
    ('kind = "queue"\n', "", "flow.main.block.end: has no kind; write kind = one of 'say'"),
    ('kind = "queue"', 'kind = "queue"\nnext = "menu"',
     "flow.main.block.end.next: is not known here; correct or remove it, there are kind, say, line"),
    ('of = "who"', 'of = "whom"', "flow.main.block.agent.of: no block of this flow keeps anything as 'whom'"),
    ('of = "who"', 'agent = "1009"', "flow.main.block.agent.agent: there is no agent '1009'"),
    ('of = "who"', "", "flow.main.block.agent: names no agent; write agent = an id"),
    ('{order}?', '{oder}?', "flow.main.block.look.url: no block of this flow keeps anything as 'oder'"),
    ('"http://127', '"ftp://127', "flow.main.block.look.url: 'ftp://127.0.0.1:8080/{order}?{caller}' is no address"),
    ('"agent.id"', '"agent id"', "flow.main.block.look.store.who: 'agent id' is no place in a JSON object"),
    ('kind = "input"', 'kind = "input"\nmin = 9\nmax = 4', "block.order.min: is 9, which is more than max, 4"),
    ('kind = "input"', 'kind = "input"\nmax = 99', "flow.main.block.order.max: is 99; write at most 32"),
    ('kind = "input"', 'kind = "input"\ncheck = "luhm"', "block.order.check: is 'luhm'; write 'none', 'luhn'"),
    ('{ 1 = "order", "*"', '{ 11 = "order", "*"', "flow.main.block.menu.choices.11: is no key of a phone"),
    ('choices = { 1 = "order", "*" = "end" }', "choices = {}", "block.menu.choices: is empty; name at least one"),
    ('kind = "menu"', 'kind = "menu"\ntries = 0', "flow.main.block.menu.tries: is 0; write at least 1"),
])
def test_a_fault_is_named_with_what_to_do(tmp_path: Path, before: str, after: str, fault: str):
    assert before in SOUND
    found = faults(tmp_path, SOUND.replace(before, after, 1))
    assert any(line.startswith("flow.toml") and fault in line for line in found), found


def test_a_language_that_is_not_the_flows_and_a_list_that_is_none(tmp_path: Path):
    flow = """
[flow.main]
line = "helpdesk"
start = "speak"
[flow.main.block.speak]
kind = "language"
say = ["welcome"]
choices = { 1 = "sr" }
next = "known"
[flow.main.block.known]
kind = "list"
lists = ["difficult"]
next = "end"
otherwise = "end"
[flow.main.block.end]
kind = "hangup"
cause = "so"
"""
    found = faults(tmp_path, flow)
    assert len(found) == 3
    assert "choices.1: 'sr' is not among the languages of the flow; add it to languages of [flow.main]" in found[0]
    assert "flow.main.block.known.lists: there is no list 'difficult'; correct it or add [list.NAME]" in found[1]
    assert "flow.main.block.end.cause: 'so' is no cause" in found[2]


def test_a_circle_of_several_blocks_is_shown(tmp_path: Path):
    flow = """
[flow.main]
line = "helpdesk"
start = "a"
[flow.main.block.a]
kind = "set"
values = { x = "1" }
next = "b"
[flow.main.block.b]
kind = "number"
choices = { "+381" = "end" }
otherwise = "c"
[flow.main.block.c]
kind = "number"
of = "x"
choices = { 1 = "a" }
otherwise = "end"
[flow.main.block.end]
kind = "queue"
"""
    assert faults(tmp_path, flow) == [
        "flow.toml:5: flow.main.block.a: goes round without waiting for the caller: a > b > c > a; put a menu, an "
        "input or something said between"]


def test_whatever_is_written_there_it_is_judged(tmp_path: Path):
    for flow in ("flow = 1", "[flow]\nmain = 1", "[flow.main]\nblock = 1", "[flow.main.block]\nx = 1",
                 '[flow.main.block.x]\nkind = 1\nchoices = 1\nsay = 1\nlists = 1\nof = 1\nmin = "x"\nvalues = 1',
                 '[flow.main]\nline = 1\nstart = 1\n[flow.main.block.x]\nkind = "menu"\nchoices = {1 = 1}'):
        assert faults(tmp_path, flow)


CALLBACK = """
[flow.main]
line = "helpdesk"
start = "back"
languages = ["sr", "en"]
[flow.main.block.back]
kind = "callback"
line = "LINE"
otherwise = "end"
[flow.main.block.end]
kind = "queue"
"""


def test_a_callback_needs_its_prompts_and_somebody_who_calls(tmp_path: Path):
    known = Catalogue(PROMPTS.voices, {name: BOTH for name in CALLBACK_PROMPTS if name != "*"})
    (tmp_path / "centre.toml").write_text(CENTRE)
    (tmp_path / "flow.toml").write_text(CALLBACK.replace("LINE", "helpdesk"))
    assert list(check(tmp_path, known).faults) == []
    found = list(check(tmp_path, PROMPTS).faults)
    assert len(found) == len(CALLBACK_PROMPTS) - 1
    assert "flow.main.block.back.kind: there is no prompt 'callback-number' in the catalogue" in found[0]
    (tmp_path / "flow.toml").write_text(CALLBACK.replace("LINE", "nobody"))
    [fault] = check(tmp_path, known).faults
    assert "flow.main.block.back.line: nobody serves line 'nobody'" in fault


@pytest.mark.parametrize(("flow", "fault"), [
    ('kind = "hangup"', ""),
    ('kind = "queue"', "line.other.survey: the flow 'after' has a block 'end' of kind 'queue'"),
    ('kind = "agent"\nagent = "1001"', "the flow 'after' has a block 'end' of kind 'agent'"),
    (None, "line.other.survey: there is no flow 'after'"),
])
def test_a_survey_leads_to_nobody(tmp_path: Path, flow: str | None, fault: str):
    (tmp_path / "centre.toml").write_text(CENTRE)
    (tmp_path / "other.toml").write_text('[line.other]\nagents = ["1001"]\nsurvey = "after"\n' + (
        "" if flow is None else f'[flow.after]\nline = "other"\nstart = "end"\n[flow.after.block.end]\n{flow}\n'))
    found = list(check(tmp_path, PROMPTS).faults)
    assert len(found) == bool(fault), found
    assert not fault or fault in found[0]


@pytest.mark.parametrize(("flow", "after", "fault"), [
    ('kind = "hangup"', 'survey = "how"\nsurvey_due_s = 0', ""),
    ('kind = "queue"', 'survey = "how"', "after.how.survey: the flow 'how' has a block 'end' of kind 'queue'"),
    ('kind = "callback"\notherwise = "end"', 'survey = "how"', "has a block 'end' of kind 'callback'"),
    (None, 'survey = "how"', "there is no flow 'how'"),
    ("", 'survey = "how"', "the flow 'how' has no blocks: nobody would be asked"),
    ('kind = "hangup"', 'tags = ["x"]\nsurvey_due_s = 60', 'survey_due_s: is of a survey; add survey = "FLOW"'),
    ('kind = "hangup"', 'survey = "how"\nsurvey_due_s = -1', "survey_due_s"),
    ('kind = "hangup"', 'survey = "how"\nsurvey_rest_days = 0', ""),
    ('kind = "hangup"', 'survey = "how"\nsurvey_rest_days = -1', "survey_rest_days"),
    ('kind = "hangup"', 'tags = ["x"]\nsurvey_rest_days = 7', 'survey_rest_days: is of a survey; add survey = "FLOW"'),
])
def test_a_survey_call_leads_to_nobody_either(tmp_path: Path, flow: str | None, after: str, fault: str):
    (tmp_path / "centre.toml").write_text(CENTRE)
    block = f'start = "end"\n[flow.how.block.end]\n{flow}\n' if flow else ""
    (tmp_path / "flows.toml").write_text("" if flow is None else f'[flow.how]\nline = "helpdesk"\n{block}')
    (tmp_path / "after.toml").write_text(f'[[after]]\nname = "how"\n{after}\n')
    found = list(check(tmp_path, PROMPTS).faults)
    assert bool(found) == bool(fault), found
    assert not fault or any(fault in one for one in found), found


def test_a_survey_that_nobody_is_called_for_is_said_to_be_none(tmp_path: Path):
    (tmp_path / "centre.toml").write_text(f"{CENTRE}\n[dial]\nsurveys_at_once = 0\n")
    (tmp_path / "flows.toml").write_text(
        '[flow.how]\nline = "helpdesk"\nstart = "end"\n[flow.how.block.end]\nkind = "hangup"\n')
    (tmp_path / "after.toml").write_text('[[after]]\nname = "how"\nsurvey = "how"\n')
    checked = check(tmp_path, PROMPTS)
    assert not checked.faults
    assert any("asks nobody: surveys_at_once of [dial] is 0" in one for one in checked.warnings)


@pytest.mark.parametrize(("channel", "warned"), [('["email", "chat"]', True), ('["email", "call"]', False)])
def test_that_nobody_is_called_because_of_an_e_mail_is_said(tmp_path: Path, channel: str, warned: bool):
    (tmp_path / "centre.toml").write_text(CENTRE)
    (tmp_path / "flows.toml").write_text(
        '[flow.how]\nline = "helpdesk"\nstart = "end"\n[flow.how.block.end]\nkind = "hangup"\n')
    (tmp_path / "after.toml").write_text(
        f'[[after]]\nname = "how"\nchannel = {channel}\nsurvey = "how"\ntask = {{ who = "anyone" }}\n')
    checked = check(tmp_path, PROMPTS)
    assert not checked.faults
    for key in ("survey", "task"):
        assert any(f"{key}: calls nobody" in one for one in checked.warnings) is warned
