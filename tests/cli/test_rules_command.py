"""`fsapp rules` against a real Redis: what it prints, what it refuses, and that nothing faulty is ever in force."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from fsapp.cli.root import main
from fsapp.rules import load_folder
from fsapp.state.rules import RulesStore

EXAMPLE = Path(__file__).parents[2] / "conf" / "rules"


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(EXAMPLE, tmp_path / "rules"))


@pytest.fixture
def run(redis_server, folder, monkeypatch, capsys):
    """Runs `fsapp rules ...` in the folder's company; gives the exit status, stdout and the lines of stderr."""
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    monkeypatch.setenv("FSAPP_RULES", str(folder))

    def run(*args):
        with pytest.raises(SystemExit) as left:
            main(["rules", *map(str, args)])
        out, err = capsys.readouterr()
        return left.value.code, out, err.splitlines()
    return run


def _change(folder, sla_s):
    text = (folder / "lines.toml").read_text()
    before = next(line for line in reversed(text.splitlines()) if line.startswith("sla_s"))
    head, _, tail = text.rpartition(before)
    (folder / "lines.toml").write_text(f"{head}sla_s = {sla_s}{tail}")


def test_check_says_what_is_in_a_sound_folder(run):
    assert run("check") == (
        0, "The rules are sound: 5 numbers, 2 campaigns, 2 lines, 1 flow, 2 groups, 6 agents.\n", [])
    assert json.loads(run("check", EXAMPLE, "--json")[1]) == {"ok": True, "faults": [], "warnings": []}


def test_check_prints_a_line_for_each_fault(run, folder):
    _change(folder, -1)
    (folder / "flows.toml").write_text('[flow.main]\nline = "nope\\u001b"\n')
    status, out, err = run("check", "--json")
    assert status == 1
    said = json.loads(out)
    assert not said["ok"]
    assert err == [f"fsapp: {line}" for line in said["faults"]]
    lines = (folder / "lines.toml").read_text().splitlines()
    place = f"lines.toml:{lines.index('sla_s = -1') + 1}"
    assert [line.split(": ")[1:3] for line in err] == [["flows.toml:2", "flow.main.line"],
                                                      ["flows.toml:2", "flow.main.line"],
                                                      [place, "line.vip.sla_s"]]
    assert all(line.isprintable() for line in err)


def test_warnings_refuse_nothing(run, folder):
    (folder / "more.toml").write_text("[line.empty]\n")
    status, out, err = run("load", "--json")
    assert (status, err) == (0, [])
    assert "line.empty" in json.loads(out)["warnings"][0]
    status, out, err = run("check")
    assert status == 0
    assert [line.startswith("fsapp: warning: more.toml:1: line.empty: ") for line in err] == [True]


def test_load_show_diff_history_and_back(run, folder, redis_client):
    store = RulesStore(redis_client)
    assert json.loads(run("diff", "--json")[1])["from"] is None
    assert json.loads(run("load", "--note", "first\nday", "--json")[1])["version"] == 1
    assert store.current().document == load_folder(folder)
    assert run("load")[1] == "Nothing is different: version 1 stays in force.\n"
    assert store.current_version() == 1

    _change(folder, 15)
    assert run("diff")[1] == "~ line.vip.sla_s = 10 -> 15\n"
    assert run("load")[0] == 0
    assert json.loads(run("diff", "--version", 2, "--to", 1, "--json")[1]) == {
        "from": 2, "to": 1, "changes": [{"path": "line.vip.sla_s", "before": 15, "after": 10}]}
    assert run("diff")[1] == f"Version 2 and {folder} say the same.\n"

    status, out, _ = run("rollback")
    assert (status, out.split(" is in force")[0]) == (0, "Version 3")
    assert store.current().document == store.get(1).document
    listed = json.loads(run("history", "--json")[1])
    assert [(entry["version"], entry["note"]) for entry in listed] == [
        (3, "rollback to 1"), (2, ""), (1, "first day")]
    assert [line.split()[0] for line in run("history", "--limit", 2)[1].splitlines()] == ["3", "2"]
    assert "rollback to 1" in run("history")[1]
    assert run("rollback", 2)[0] == 0
    assert store.current().document["line"]["vip"]["sla_s"] == 15


def test_rolling_back_twice_goes_back_twice(run, folder, redis_client):
    store = RulesStore(redis_client)
    for sla_s in (11, 12, 13):
        _change(folder, sla_s)
        run("load")
    for sla_s in (12, 11):
        assert run("rollback")[0] == 0
        assert store.current().document["line"]["vip"]["sla_s"] == sla_s
    assert run("rollback")[2] == ["fsapp: version 1 is the first: there is nothing to roll back to"]
    _change(folder, 14)
    run("load")
    run("rollback")
    assert store.current().document["line"]["vip"]["sla_s"] == 11


def test_show_prints_rules_that_can_be_loaded_again(run, folder, tmp_path):
    run("load", "--note", "x = [")
    _, out, _ = run("show")
    assert tomllib.loads(out) == load_folder(folder)
    again = tmp_path / "again"
    again.mkdir()
    (again / "all.toml").write_text(out)
    assert json.loads(run("load", again, "--json")[1])["loaded"] is False
    shown = json.loads(run("show", "--version", 1, "--json")[1])
    assert (shown["version"], shown["document"]) == (1, load_folder(folder))


def test_nothing_faulty_is_loaded(run, folder, redis_client):
    run("load")
    _change(folder, -1)
    status, out, err = run("load")
    assert (status, out, len(err)) == (1, "", 1)
    assert RulesStore(redis_client).current_version() == 1
    assert run("diff")[0] == 1


def test_a_kept_version_is_judged_anew_before_it_comes_back(run, redis_client):
    store = RulesStore(redis_client)
    store.load({"centre": {"region": "RS"}, "line": 3}, "", "somebody", "an older release")
    run("load")
    status, _, (line,) = run("rollback")
    assert status == 1
    assert line.startswith("fsapp: version 1: line: is 3, and must be a table")
    assert store.current_version() == 2


def test_a_version_that_cannot_be_read_is_cured_by_loading(run, redis_client):
    from fsapp.state import keys
    run("load")
    redis_client.hset(keys.RULES_VERSIONS, "1", b"\xc1")
    assert run("show")[0] == 1
    assert run("load")[0] == 0
    assert RulesStore(redis_client).current_version() == 2


@pytest.mark.parametrize("document", [{"number": [{"nummer": 1}]}, {"number": 5}, {"centre": []}])
def test_a_version_of_another_program_is_one_clear_line_and_cured_by_loading_or_going_back(
    run, redis_client, document,
):
    run("load")
    store = RulesStore(redis_client)
    store.load(document, "", "somebody", "elsewhere")
    for args in (["show"], ["diff"], ["diff", "--version", "1", "--to", "2"]):
        status, _out, (line,) = run(*args)
        assert status == 1
        assert "version 2 of the rules in Redis is not for this fsapp" in line
    assert run("rollback")[0] == 0
    assert store.current().document == store.get(1).document
    store.load(document, "", "somebody", "elsewhere")
    assert run("load")[0] == 0
    assert store.current().document == store.get(1).document


@pytest.mark.parametrize(("args", "said"), [
    (["show"], "no rules are loaded"), (["show", "--version", "7"], "version 7 is not kept"),
    (["rollback"], "no rules are loaded"), (["rollback", "7"], "version 7 is not kept"),
    (["diff", "--version", "7"], "version 7 is not kept"), (["load", "/nowhere"], "No such file"),
])
def test_what_is_not_there_is_one_clear_line(run, args, said):
    status, out, (line,) = run(*args)
    assert (status, out) == (1, "")
    assert said in line


def test_the_first_version_has_nothing_before_it(run):
    run("load")
    assert run("rollback")[2] == ["fsapp: version 1 is the first: there is nothing to roll back to"]


def test_rolling_back_to_what_is_in_force_makes_no_version(run, redis_client):
    run("load")
    assert run("rollback", 1)[1] == "Nothing is different: version 1 stays in force.\n"
    assert RulesStore(redis_client).current_version() == 1


def test_without_redis_a_folder_can_be_checked_and_nothing_else(run, monkeypatch, tmp_path):
    monkeypatch.setenv("FSAPP_REDIS_URL", f"unix://{tmp_path}/none")
    assert run("check")[0] == 0
    for args in (["load"], ["show"], ["diff"], ["history"], ["rollback"]):
        status, out, (line,) = run(*args)
        assert (status, out) == (1, "")
        assert "does not answer" in line


@pytest.mark.parametrize("args", [["diff", "x", "--version", "1"], ["diff", "--to", "1"], ["show", "--version", "0"],
                                  ["rollback", "one"], ["load", "--nope"], ["nope"]])
def test_wrong_usage_is_two(run, args):
    assert run(*args)[0] == 2
