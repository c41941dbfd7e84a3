"""`fsapp flow`: the example's flow drawn, walked through, and held against recorded calls."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from fsapp.cli.flow import flow
from fsapp.cli.root import CommandLine
from fsapp.rules import load_folder
from fsapp.state import stream
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore

ROOT = Path(__file__).resolve().parents[2]
RULES = ("--rules", str(ROOT / "conf/rules"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_server):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    monkeypatch.setenv("FSAPP_SOUNDS", str(ROOT / "sounds"))

    def invoke(*args: str, keys: str = "", status: int = 0) -> str:
        done = CliRunner().invoke(flow, args, obj=CommandLine(None), input=keys)
        assert done.exit_code == status, (done.output, done.exception)
        return done.output if status != 1 else str(done.exception)

    return invoke


def test_drawn_as_text_and_as_a_picture(run):
    assert run("draw", "main", *RULES).splitlines()[:5] == [
        "flow main, else line helpdesk", "[language] language language-menu", "    next -> department",
        "[department] menu order-menu", "    1 -> order"]
    picture = ET.fromstring(run("draw", "main", "--format", "svg", *RULES))
    texts = [node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"language", "department", "order", "noted", "helpdesk"} <= set(texts)
    assert json.loads(run("draw", "main", "--json", *RULES))["line"] == "helpdesk"


def test_walked_through_with_keys_given(run):
    said = json.loads(run("try", "main", "--digits", "2,1,12#,12345#,1", "--json", *RULES))
    assert (said["end"], said["line"], said["language"]) == ("queue", "helpdesk", "en")
    assert said["values"] == {"order": "12345"}
    assert said["path"] == ["language", "department", "order", "noted", "helpdesk"]
    assert ["invalid-number", "order-number"] in [step.get("said") for step in said["steps"]]
    shown = run("try", "main", "--digits", "2", *RULES)
    assert "[department] If you are calling about an order, press one." in shown
    assert shown.endswith("The caller waits for line helpdesk.\n")


def test_walked_through_by_hand(run):
    shown = run("try", "main", *RULES, keys="1\n2\n")
    assert "Ako zovete u vezi sa porudžbinom" in shown
    assert "The caller waits for line helpdesk." in shown


def test_what_nobody_came_to(run, redis_server):
    class Settings:
        redis_url, redis_timeout_s = redis_server.url, 5.0

    client = connect(Settings())
    RulesStore(client).load(load_folder(ROOT / "conf/rules"), "", "test", "test")
    for number, path in enumerate((["language", "department", "helpdesk"], ["language"])):
        event = {"type": "flow_left", "id": str(number), "at": 1.0, "call": "x", "flow": "main", "path": path,
                 "end": "queue" if number == 0 else "hung-up"}
        stream.add(client, [stream.encode(event)] * 2)  # the same one twice is one
    found = json.loads(run("coverage", "main", "--json"))
    assert found["calls"] == 2
    assert found["blocks"] == {
        "callback": 0, "department": 1, "helpdesk": 1, "language": 2, "noted": 0, "order": 0}
    assert found["missed"] == ["callback", "noted", "order"]
    assert found["untaken"] == [["department", "order"], ["department", "callback"]]
    assert "Nobody came to: callback, noted, order." in run("coverage", "main")
    assert 'opacity="0.45"' in run("coverage", "main", "--format", "svg")


def test_what_is_not_there_is_said(run, tmp_path: Path):
    assert "there is no flow 'none', there are main" in run("draw", "none", *RULES, status=1)
    assert "no rules are loaded" in run("draw", "main", status=1)
    run("try", "main", "--answer", "[1]", *RULES, status=2)
