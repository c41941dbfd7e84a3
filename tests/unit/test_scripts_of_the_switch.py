"""The scripts as mod_python3 runs them: what they answer, and that they run in the little room it gives them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import structlog
from switch_stand_in import Freeswitch, Params

from fsapp.core.rules import Rules
from fsapp.inswitch import config, queues
from fsapp.inswitch.queues import ANSWER_SIZE, NOT_FOUND, fetch
from fsapp.rules import load_folder
from fsapp.state import snapshot

ROOT = Path(__file__).parents[2]
DOCUMENT = load_folder(ROOT / "conf/rules")
FILE = "callcenter.conf"


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    structlog.reset_defaults()
    for name in ("FSAPP_REDIS_URL", "FSAPP_SNAPSHOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def switch(tmp_path: Path) -> Freeswitch:
    """A switch without Redis whose snapshot holds the example's rules."""
    snapshot.save(tmp_path / "rules", 3, DOCUMENT)
    return Freeswitch({"fsapp_redis_url": f"unix://{tmp_path}/nobody", "fsapp_snapshot": str(tmp_path / "rules")})


def test_every_queue_is_answered_in_a_size_that_outlives_its_release(switch: Freeswitch) -> None:
    for queue in Rules.from_document(DOCUMENT).queues.values():
        answer = fetch(Params(key_value=FILE, CC_Queue=queue.name), switch)
        assert len(answer.encode()) == ANSWER_SIZE
        assert answer.startswith(" " * 16)
        found = ElementTree.fromstring(answer).find("section/configuration/queues/queue")
        assert found.get("name") == queue.name
        assert found.find("param[@name='max-wait-time']").get("value") == str(queue.wait_s or 0)


@pytest.mark.parametrize("headers", [
    {"key_value": "sofia.conf"}, {"key_value": FILE}, {"key_value": "ivr.conf", "CC_Queue": "vip@fsapp"}, {},
    {"key_value": FILE, "CC_Queue": "nothing@fsapp"}, {"key_value": FILE, "CC_Queue": 'x"/><queue name="y'},
])
def test_all_else_is_left_to_the_switchs_files(switch: Freeswitch, headers: dict[str, str]) -> None:
    assert fetch(Params(**headers), switch) == NOT_FOUND
    found = ElementTree.fromstring(NOT_FOUND).find("section[@name='result']/result")
    assert found.get("status") == "not found"
    assert len(NOT_FOUND) == ANSWER_SIZE


def test_without_rules_the_file_counts_and_the_log_says_so(tmp_path: Path) -> None:
    switch = Freeswitch({"fsapp_redis_url": f"unix://{tmp_path}/nobody", "fsapp_snapshot": str(tmp_path / "none")})
    assert fetch(Params(key_value=FILE, CC_Queue="vip@fsapp"), switch) == NOT_FOUND
    assert any("no_rules" in line for _, line in switch.said)


def test_a_queue_that_is_too_long_to_be_answered_is_said(tmp_path: Path) -> None:
    name = "l" * 600
    snapshot.save(tmp_path / "rules", 1, DOCUMENT | {"line": DOCUMENT["line"] | {name: {"agents": ["1001"]}}})
    switch = Freeswitch({"fsapp_redis_url": f"unix://{tmp_path}/nobody", "fsapp_snapshot": str(tmp_path / "rules")})
    assert fetch(Params(key_value=FILE, CC_Queue=f"{name}@fsapp"), switch) == NOT_FOUND
    assert any("queue_too_long" in line for _, line in switch.said)


def test_a_fault_is_answered_too(switch: Freeswitch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "callcenter_document", None)
    assert fetch(Params(key_value=FILE, CC_Queue="vip@fsapp"), switch) == NOT_FOUND
    assert any("queue_failed" in line for _, line in switch.said)


def test_the_environment_comes_before_the_switchs_variables() -> None:
    switch = Freeswitch({"fsapp_redis_url": "redis://one", "fsapp_snapshot": "/one", "fsapp_switch": "second"})
    assert config.read(switch, {}) == config.Config("redis://one", "/one", "second")
    given = {"FSAPP_REDIS_URL": "redis://two", "FSAPP_SNAPSHOT": "/two"}
    assert config.read(switch, given) == config.Config("redis://two", "/two", "second")
    default = config.read(Freeswitch(), {})
    assert (default.redis_url, default.switch) == ("redis://127.0.0.1:6379/0", "main")
    assert default.snapshot == str(ROOT / "var/rules.snapshot")


PROGRAM = """
import sys
sys.path[:0] = {paths!r}
from switch_stand_in import Freeswitch, Params, Session
module = Freeswitch({variables!r})
sys.modules["freeswitch"] = module
sys.setrecursionlimit(240)  # mod_python3: the stack of a thread of the switch is that small
import threading
threading.stack_size(240 * 1024)

def calls():
    import fsapp_fallback, fsapp_queues
    answers.append(fsapp_queues.xml_fetch(Params(key_value="callcenter.conf", CC_Queue="vip@fsapp"), ""))
    session = Session({{"uuid": "u", "caller_id_number": "+381601234567", "fsapp_called": "+381115550900"}})
    fsapp_fallback.handler(session, "")
    answers.append(session.variables["fsapp_reason"])

answers = []
thread = threading.Thread(target=calls)
thread.start()
thread.join()
assert "vip@fsapp" in answers[0], module.said
assert answers[1] == "fallback-degraded-service-line"
assert not {{"gevent", "pydantic", "greenswitch"}} & sys.modules.keys()
"""


def test_the_scripts_run_in_a_thread_of_the_switch(switch: Freeswitch) -> None:
    paths = [str(ROOT / "scripts/switch"), str(ROOT), str(ROOT / "tests")]
    program = PROGRAM.format(paths=paths, variables=switch.variables)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
