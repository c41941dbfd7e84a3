"""Rules folders: the example is sound, every fault is named with its place, and nothing faulty comes out."""

import random
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.core.rules import Rules
from fsapp.errors import RulesError
from fsapp.rules import check, check_document, diff, load_folder, to_toml
from fsapp.rules.folder import MAX_BYTES

EXAMPLE = Path(__file__).parents[2] / "conf" / "rules"
SOUND = """
[centre]
region = "RS"
[[number]]
number = "+381115550100"
line = "desk"
[line.desk]
agents = ["1001"]
[agent.1001]
name = "ana"
email = "ana@example.com"
[group.all]
agents = ["1001"]
"""


@pytest.fixture
def faults_of(tmp_path):
    """The faults of SOUND with `text` added, or of `text` alone."""
    def faults(text: str | bytes, *, alone: bool = False) -> tuple[str, ...]:
        if not alone:
            (tmp_path / "sound.toml").write_text(SOUND)
        (tmp_path / "x.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
        checked = check(tmp_path)
        assert all("\n" not in line and line.isprintable() for line in checked.faults)
        assert not (checked.faults and checked.document)
        return checked.faults
    return faults


def test_the_example_centre_is_sound_and_as_designed():
    checked = check(EXAMPLE)
    assert (checked.faults, checked.warnings) == ((), ())
    rules = Rules.from_document(checked.document)
    behind = {
        number.number: (number.priority, [stage.id for stage in number.outbound],
                        number.new_customers and number.new_customers.id, number.line and number.line.name,
                        number.flow and number.flow.name)
        for number in rules.numbers.values()
    }
    assert behind == {
        "+381115550100": (50, ["renewals/first-call"], None, "helpdesk", None),
        "+381115550200": (40, [], "web-leads/new", None, None),
        "+381115550300": (10, [], None, "helpdesk", None),
        "+381115550400": (10, [], None, None, "main"),
        "+381115550900": (90, [], None, "vip", None),
    }
    places = {**rules.stages, **rules.lines}
    assert {name: place.sla_s for name, place in places.items()} == {
        "renewals/first-call": 20, "web-leads/new": 20, "helpdesk": 60, "vip": 10}
    sales, support = {"1001", "1002", "1003"}, {"1004", "1005", "1006"}
    assert {name: set(place.staff) for name, place in places.items()} == {
        "renewals/first-call": sales, "web-leads/new": sales, "helpdesk": support, "vip": support}
    assert [agent.email for agent in rules.agents.values()] == [
        f"{name}@example.com" for name in ("ana", "boris", "ceca", "dejan", "eva", "filip")]
    assert rules.lists == {}


@pytest.mark.parametrize(("text", "where", "said"), [
    ('[[number]]\nnumber = "+381115550100"\nline = "desk"', "x.toml:1: number.+381115550100", "twice"),
    ('[[number]]\nnumber = "011 5550-100"\nline = "desk"', "x.toml:2", "write '+381115550100'"),
    ('[[number]]\nnumber = "011 5550-100"\nline = "desk"', "x.toml:1", "twice, the first time as '+381115550100'"),
    ('[[number]]\nnumber = "1234"\nline = "desk"', "x.toml:2", "short number"),
    ('[[number]]\nnumber = "junk"\nline = "desk"', "x.toml:2", "no telephone number"),
    ('[[number]]\nnumber = "+381115550101;ext=3"\nline = "desk"', "x.toml:2", "no telephone number"),
    ('[[number]]\nnumber = "+381115550101"', "x.toml:1: number.+381115550101", "nothing behind it"),
    ('[[number]]\nnumber = "+381115550101"\nline = "nope"', "x.toml:3: number.+381115550101.line", "no line 'nope'"),
    ('[[number]]\nnumber = "+381115550101"\nflow = "nope"', "x.toml:3", "no flow 'nope'"),
    ('[[number]]\nnumber = "+381115550101"\nline = "desk"\nflow = "f"\n[flow.f]\nline = "desk"', "x.toml:1",
     "keep one"),
    ('[[number]]\nnumber = 381\nline = "desk"', "x.toml:2: number.no-2.number", "is 381, and must be text"),
    ('[[number]]\nline = "desk"', "x.toml:1: number.no-2.number", "is missing"),
    ('[[number]]\nnumber = "+381115550101"\nline = "desk"\npriority = 100', "x.toml:4", "at most 99"),
    ('[[number]]\nnumber = "+381115550101"\nline = "desk"\npriority = -1', "x.toml:4", "at least 0"),
    ('[[number]]\nnumber = "+381115550101"\nline = "desk"\npriority = nan', "x.toml:4", "whole number"),
    ('[[number]]\nnumber = "+381115550101"\nline = "desk"\npriority = 5.0', "x.toml:4", "whole number"),
    ('[[number]]\nnumber = "+381115550101"\nline = "desk"\npriority = true', "x.toml:4", "is true, and must be"),
    ('[[number]]\nnumber = "+381115550101"\nline = "desk"\ncolour = "red"', "x.toml:4", "is not known here"),
    ('[line.desk]\nsla_s = 3', "x.toml:1: line.desk", "is also in sound.toml:7"),
    ('[line.a]\nsla_s = 3601', "x.toml:2: line.a.sla_s", "at most 3600"),
    ('[line.a]\nsla_s = "60"', "x.toml:2: line.a.sla_s", "whole number"),
    ('[line.a]\ngroups = "sales"', "x.toml:2: line.a.groups", "must be a list"),
    ('[line.a]\ngroups = ["nope"]', "x.toml:2: line.a.groups", "no group 'nope'"),
    ('[line.a]\nagents = ["1009"]', "x.toml:2: line.a.agents", "no agent '1009'"),
    ('[line.a]\nagents = ["1001", "1001"]', "x.toml:2: line.a.agents", "names '1001' twice"),
    ('[line.a]\nstickiness = "glue"', "x.toml:2: line.a.stickiness", "agent-then-group"),
    ('[line.a]\npriority = { 1001 = 5 }', "x.toml:2: line.a.priority.1001", "does not work here"),
    ('[line.a]\npriority = { 1009 = 5 }', "x.toml:2: line.a.priority.1009", "no agent '1009'"),
    ('[line.a]\nagents = ["1001"]\npriority = { 1001 = 11 }', "x.toml:3: line.a.priority.1001", "at most 10"),
    ('[line.group-a]', "x.toml:1: line.group-a", "without \"agent-\""),
    ('[line.agent-1001]', "x.toml:1: line.agent-1001", "without \"agent-\""),
    ('[line."a\tb"]', "x.toml:1: line.'a\\tb'", "is no name"),
    ('[line."a\\u0000"]', "x.toml: line.'a\\x00'", "is no name"),
    ('[line.Big]', "x.toml:1: line.Big", "is no name"),
    ('[line]\na = 3', "x.toml:2: line.a", "must be a table"),
    ('line = 3', "x.toml:1: line", "is also in sound.toml"),
    ('[flow.f]\nline = "nope"', "x.toml:2: flow.f.line", "no line 'nope'"),
    ('[flow.f]', "x.toml:1: flow.f.line", "is missing"),
    ('[group.g]\nagents = ["1009"]', "x.toml:2: group.g.agents", "no agent '1009'"),
    ('[group.g]\nagents = []\nwait_s = 0', "x.toml:3: group.g.wait_s", "at least 1"),
    ('[agent.12]\nname = "b"\nemail = "ANA@example.com"', "x.toml:3: agent.12.email", "agent 1001 already"),
    ('[agent.12]\nname = "b"\nemail = "nobody"', "x.toml:3: agent.12.email", "no e-mail"),
    ('[agent.12]\nname = "${b}"\nemail = "b@example.com"', "x.toml:2: agent.12.name", "plain line"),
    ('[agent.12]\nname = "a\\nb"\nemail = "b@example.com"', "x.toml:2: agent.12.name", "plain line"),
    ('[agent.1]\nname = "b"\nemail = "b@example.com"', "x.toml:1: agent.1", "2 to 8 digits"),
    ('[agent.ana]\nname = "b"\nemail = "b@example.com"', "x.toml:1: agent.ana", "2 to 8 digits"),
    ('[list.v]\nvip = 10\nnumbers = []', "x.toml:2: list.v.vip", "at most 9"),
    ('[list.v]\nvip = 1\nnumbers = ["0601234567"]', "x.toml:3: list.v.numbers", "write '+381601234567'"),
    ('[centre]\nname = "b"', "x.toml:1: centre", "is also in sound.toml:2"),
    ('[campaign.c]', "x.toml:1: campaign.c.stage", "add at least one [campaign.c.stage.NAME]"),
    ('[campaign.c.stage.s]', "x.toml:1: campaign.c.stage.s.kind", "is missing"),
    ('[campaign.c.stage.s]\nkind = "inbound"', "x.toml:2: campaign.c.stage.s.kind",
     "write 'outbound' or 'new-customers'"),
    ('[campaign.c.stage.s]\nkind = "outbound"\ncaller_ids = ["+381115550199"]', "x.toml:3", "add it with [[number]]"),
    ('[campaign.c.stage.s]\nkind = "outbound"\nnumbers = []', "x.toml:3", "write caller_ids"),
    ('[campaign.c.stage.s]\nkind = "outbound"\nstrict = true', "x.toml:3", "remove it"),
    ('[campaign.c.stage.s]\nkind = "new-customers"\ncaller_ids = []', "x.toml:3", "write numbers"),
    ('[campaign.c]\npriority = { 1001 = 3 }\n[campaign.c.stage.s]\nkind = "outbound"', "x.toml:2",
     "does not work here"),
    ('[campaign.c.stage.s]\nkind = "new-customers"\nnumbers = ["+381115550100"]\n'
     '[campaign.c.stage.t]\nkind = "new-customers"\nnumbers = ["+381115550100"]', "x.toml:6", "stage 'c/s' already"),
    ('[colour]', "x.toml:1: colour", "is not known here"),
    ('[x]\na = 1\na = 2', "x.toml", "not TOML"),
    ('[x]\ny = "\x01"', "x.toml:2", "not TOML"),
    ('x = ' + '[' * 5000, "x.toml", "nested too deeply"),
    ('x = ' + '9' * 5000, "x.toml", "not TOML"),
    ('.'.join(["x"] * 3000) + ' = 1', "x.toml", "is not known here"),
    (b'# caf\xe9\nx = 1', "x.toml:1", "not UTF-8"),
    ('[centre]'.encode("utf-16"), "x.toml:1", "not UTF-8"),
    (b"#" * (MAX_BYTES + 1), "x.toml", "larger than 5 MB"),
])
def test_a_fault_says_where_and_what_to_do(faults_of, text, where, said):
    faults = faults_of(text)
    assert [line for line in faults if line.startswith(where) and said in line], faults


def test_the_sound_folder_is_sound_or_nothing_above_means_anything(faults_of):
    assert faults_of("") == ()


def test_all_faults_of_all_files_come_at_once(tmp_path):
    (tmp_path / "a.toml").write_text(SOUND + '[line.a]\nsla_s = -1\n[flow.f]\nline = "nope"\n')
    (tmp_path / "b.toml").write_text('[line.desk]\n[agent.1001]\n')
    (tmp_path / "c.toml").write_text("not toml")
    faults = check(tmp_path).faults
    # With a file unread nobody knows whether the line `nope` is in it.
    assert [line.split(": ")[:2] for line in faults] == [
        ["b.toml:1", "line.desk"], ["b.toml:2", "agent.1001"], ["c.toml:1", "is not TOML"],
        ["a.toml:15", "line.a.sla_s"]]
    with pytest.raises(RulesError) as caught:
        load_folder(tmp_path)
    assert caught.value.faults == faults


@pytest.mark.parametrize(("field", "value"), [("region", '"Serbia"'), ("region", "381"), ("agent_wait_s", "0"),
                                              ("domain", '"a b"'), ("unknown_flow", '"nope"'), ("name", '"a|b"')])
def test_a_wrong_centre(faults_of, field, value):
    region = "" if field == "region" else 'region = "RS"\n'
    (fault,) = faults_of(f"[centre]\n{region}{field} = {value}\n", alone=True)
    assert f"centre.{field}: " in fault


def test_a_folder_without_a_centre(faults_of):
    (fault,) = faults_of("[line.a]\n", alone=True)
    assert "centre: is missing; add a table [centre]" in fault


def test_folders_that_are_none(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, said in [("none", "No such file"), ("file", "Not a directory"), ("empty", "no .toml"),
                       ("a\0b", "no path")]:
        (fault,) = check(tmp_path / name).faults
        assert said in fault
        assert fault.isprintable()


def test_what_is_no_readable_file_is_named(tmp_path):
    (tmp_path / "a.toml").write_text(SOUND)
    (tmp_path / "b.toml").mkdir()
    (tmp_path / "c.toml").symlink_to("nowhere")
    (tmp_path / ".#d.toml").symlink_to("an editor's lock")
    assert [line.split(" (")[0] for line in check(tmp_path).faults] == [
        "b.toml: is no plain file; remove it from the folder", "c.toml: cannot be read"]


def test_how_files_are_split_means_nothing(tmp_path):
    """Every table of the example in a file of its own, in any order, is the same document."""
    whole = load_folder(EXAMPLE)
    text = to_toml(whole)
    assert tomllib.loads(text) == whole
    pieces = ["[" + piece for piece in ("\n" + text).split("\n[")[1:]]
    order = list(range(len(pieces)))
    random.Random(1).shuffle(order)
    for name, index in enumerate(order):
        (tmp_path / f"{name:02}.toml").write_text(pieces[index], encoding="utf-8-sig")
    again = load_folder(tmp_path)
    assert again == whole
    assert list(again["group"]) == list(whole["group"])
    assert len(pieces) > 15


WARNED = """
[[number]]
number = "+381115550101"
line = "desk"
[[number]]
number = "+381115550102"
[[number]]
number = "+381115550103"
line = "desk"
[campaign.c.stage.falls]
kind = "new-customers"
numbers = ["+381115550101"]
[campaign.c.stage.waits]
kind = "new-customers"
numbers = ["+381115550102"]
[campaign.c.stage.swallows]
kind = "new-customers"
numbers = ["+381115550103"]
strict = true
agents = ["1001"]
priority = { 1001 = 0 }
[campaign.c.stage.silent]
kind = "outbound"
caller_ids = ["+381115550101"]
[campaign.c.stage.idle]
kind = "outbound"
agents = ["1001"]
[line.empty]
[group.nobody]
agents = []
[agent.1002]
name = "boris"
email = "boris@example.com"
"""


def test_warnings_for_what_its_author_may_not_want(tmp_path):
    (tmp_path / "a.toml").write_text(SOUND + WARNED)
    checked = check(tmp_path)
    assert checked.faults == ()
    expected = {
        "campaign.c.stage.falls.numbers": "fall through to line desk", "campaign.c.stage.waits.numbers": "without end",
        "campaign.c.stage.swallows.numbers": "swallows the service calls of line desk",
        "campaign.c.stage.silent": "nobody who answers", "campaign.c.stage.idle": "no caller_ids",
        "line.empty": "nobody who answers", "group.nobody": "no agents", "agent.1002": "in no group",
    }
    found = {line.split(": ")[1]: line for line in checked.warnings}
    assert found.keys() == expected.keys()
    for key, said in expected.items():
        assert said in found[key]
        assert found[key].startswith("a.toml:")


def test_a_document_is_judged_like_a_folder():
    document = load_folder(EXAMPLE)
    assert check_document(document, "version 3").document == document
    document["line"] = {}
    faults = check_document(document, "version 3").faults
    assert faults
    assert all(line.startswith("version 3: ") for line in faults)


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["1001", "a", "sales"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["number", "line", "flow", "agents", "groups", "priority", "stage", "kind", "1001", "a", "\n"]),
        inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(
    st.sampled_from(["centre", "number", "campaign", "line", "group", "agent", "flow", "list", "x"]), _ODD, max_size=8))
def test_whatever_a_document_holds_it_is_judged(document):
    checked = check_document(document, "here")
    assert checked.faults
    assert all(line.isprintable() for line in checked.faults)


def test_differences():
    old = load_folder(EXAMPLE)
    new = load_folder(EXAMPLE)
    new["line"]["vip"]["sla_s"] = 15
    del new["flow"]["main"]
    new["number"] = [entry for entry in reversed(new["number"]) if entry["number"] != "+381115550400"]
    new["group"]["night"] = {"agents": []}
    changes = [str(change) for change in diff(old, new)]
    of_the_flow = [change for change in changes if change.startswith("- flow.main.")]
    assert {"- flow.main.line = 'helpdesk'", "- flow.main.block.order.min = 4"} < set(of_the_flow)
    assert [change for change in changes if change not in of_the_flow] == [
        "+ group.night.agents = []", "~ line.vip.sla_s = 10 -> 15",
        "- number.+381115550400.flow = 'main'", "- number.+381115550400.priority = 10"]
    assert diff(old, old) == []
    assert [change.after for change in diff(new, old)] == [change.before for change in diff(old, new)]


def test_an_empty_table_is_a_difference():
    assert [str(change) for change in diff({"line": {}}, {"line": {"a": {}}})] == ["+ line.a = {}"]
    assert [str(change) for change in diff({}, {"number": [{"number": "+381115550100"}]})] == [
        "+ number.+381115550100 = {}"]


@pytest.mark.parametrize(("text", "place", "said"), [
    ('[line.other]\nagents = ["1001"]\nsticky_busy = "any"', "line.other", "sticky_busy says nothing"),
    ('[campaign.c]\nagents = ["1001"]\nsticky_scope = "place"\n[campaign.c.stage.s]\nkind = "outbound"\n'
     'caller_ids = ["+381115550100"]', "campaign.c.stage.s", "sticky_scope says nothing"),
    ('[agent.1002]\nname = "b"\nemail = "b@example.com"\ndirect_callback_s = 60\n[group.b]\nagents = ["1002"]',
     "agent.1002", "direct_callback_s says nothing"),
    ('[line.other]\nagents = ["1001"]\nannounce = true', "line.other", "announce says nothing"),
])
def test_what_is_said_in_vain_is_warned_of(tmp_path, text, place, said):
    (tmp_path / "sound.toml").write_text(SOUND)
    (tmp_path / "x.toml").write_text(text)
    checked = check(tmp_path)
    assert checked.faults == ()
    [line] = checked.warnings
    assert place in line
    assert said in line


@pytest.mark.parametrize(("text", "key"), [
    ("direct_callback = 5", "direct_callback"), ("direct_callback = true", "direct_callback"),
    ("direct_callback_s = 59", "direct_callback_s"), ("direct_callback_s = 7776001", "direct_callback_s"),
    ("sticky_talk_s = -1", "sticky_talk_s"), ("sticky_days = 0", "sticky_days"),
    ('sticky_busy = "never"', "sticky_busy"), ('sticky_scope = "group"', "sticky_scope"),
    ("direct_calback = 1", "direct_callback"),
])
def test_faulty_keys_of_callback_and_stickiness(faults_of, text, key):
    [fault] = faults_of(f'[campaign.c]\nagents = ["1001"]\n{text}\n[campaign.c.stage.s]\nkind = "outbound"\n'
                        'caller_ids = ["+381115550100"]')
    assert key in fault
