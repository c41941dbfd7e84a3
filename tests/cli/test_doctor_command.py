"""`fsapp doctor` against a lab switch and a real Redis: all is well, then one thing at a time is not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer

from fsapp.core.queue_xml import callcenter_document
from fsapp.core.rules import Rules
from fsapp.doctor.checks import CHECKS, judge
from fsapp.doctor.finding import Finding, Level
from fsapp.doctor.gather import gather
from fsapp.lab.cc_load import FILE
from fsapp.lab.dialplan import load_folder as load_dialplan
from fsapp.lab.esl_in import EventSocket
from fsapp.lab.switch import Switch
from fsapp.rules import load_folder
from fsapp.settings import Settings
from fsapp.state import keys, snapshot
from fsapp.state.agents import AgentMemory
from fsapp.state.lease import Lease
from fsapp.state.rules import RulesStore
from fsapp.telephony.callcenter import read_seen
from fsapp.telephony.link import Link
from fsapp.telephony.reconcile import Reconciler

ROOT = Path(__file__).parents[2]
DOCUMENT = load_folder(ROOT / "conf/rules")
PASSWORD = "a-password-of-the-test"
VERSION = 1


class Centre:
    """Everything a doctor looks at, in good health: a Redis that appends, a switch as the rules want it, a listener."""

    def __init__(self, redis: Any, folder: Path) -> None:
        self.redis, self.folder = redis, folder
        self.client = redis.connect()
        self.serve = StreamServer(("127.0.0.1", 0), lambda *_: None)
        self.serve.start()
        RulesStore(self.client).load(DOCUMENT, note="", author="test", source="test")
        self.rules = Rules.from_document(DOCUMENT, VERSION)
        snapshot.save(folder / "rules.snapshot", VERSION, DOCUMENT)
        (folder / "recordings").mkdir()
        shutil.copytree(ROOT / "dialplan", folder / "dialplan")
        listen = f"127.0.0.1:{self.serve.server_port}"
        plan = folder / "dialplan/fsapp-vars.xml"
        plan.write_text(plan.read_text().replace("127.0.0.1:8040", listen))
        variables = {"fsapp_redis_url": redis.url, "fsapp_snapshot": str(folder / "rules.snapshot")}
        self.switch = Switch(
            load_dialplan(folder / "dialplan", {"fsapp_socket": listen}), (), (), (), xml_handler="fsapp_queues",
            files={FILE: callcenter_document(self.rules)}, variables=variables)
        self.switch.start()
        self.door = EventSocket(self.switch, ("127.0.0.1", 0), PASSWORD)
        self.lease = Lease(self.client, keys.floor("main", "lease"), "the link")
        self.lease.hold()
        self.settings = Settings(
            redis_url=redis.url, listen=listen, switch="{}:{}".format(*self.door.address), switch_password=PASSWORD,
            snapshot=str(folder / "rules.snapshot"), recordings=str(folder / "recordings"),
            dialplan=str(folder / "dialplan"), rules=str(ROOT / "conf/rules"))
        self._mend()

    def _mend(self) -> None:
        now = datetime.now(UTC)
        with Link(*self.door.address, PASSWORD) as link:
            for step in range(3):
                Reconciler("main", lambda: self.rules, AgentMemory(self.client, "main"), lambda _event: None,
                           now=lambda step=step: now + timedelta(seconds=10 * step)).look(link, read_seen(link))

    def findings(self, **changes: Any) -> list[tuple[str, Finding]]:
        return judge(gather(self.settings.model_copy(update=changes)))

    def faults(self, **changes: Any) -> list[tuple[str, str]]:
        return [(name, one.what) for name, one in self.findings(**changes) if one.level is Level.FAULT]

    def environment(self) -> dict[str, str]:
        given = {key: value for key, value in os.environ.items() if not key.startswith("FSAPP_")}
        told = ("redis_url", "listen", "switch", "switch_password", "snapshot", "recordings", "dialplan", "rules")
        return given | {f"FSAPP_{name.upper()}": getattr(self.settings, name) for name in told}

    def close(self) -> None:
        self.door.stop()
        self.switch.stop()
        self.serve.stop()
        self.client.close()


@pytest.fixture
def make_centre(own_redis: Any, tmp_path: Path) -> Iterator[Callable[..., Centre]]:
    made = []

    def make(*options: str) -> Centre:
        made.append(Centre(own_redis(*(options or ("--appendonly", "yes"))), tmp_path))
        return made[-1]

    yield make
    for centre in made:
        centre.close()


@pytest.fixture
def centre(make_centre: Callable[..., Centre]) -> Centre:
    return make_centre()


def test_all_is_well(centre: Centre) -> None:
    findings = centre.findings()
    assert [one for _, one in findings if one.level is Level.FAULT] == []
    assert {name for name, _ in findings} == set(CHECKS)
    fine = {name for name, one in findings if one.level is Level.OK}
    assert fine >= {"redis", "switch", "serve", "link", "modules", "versions", "rules", "snapshot", "queues",
                    "dialplan", "python", "recordings", "persistence", "passwords"}


def test_nobody_serves(centre: Centre) -> None:
    centre.serve.stop()
    [(name, what)] = centre.faults()
    assert name == "serve"
    assert "Connection refused" in what


def test_one_that_hangs_serves_nobody(centre: Centre) -> None:
    """The machine itself takes connections for a process that stands still."""
    centre.serve.stop_accepting()
    [(name, what)] = centre.faults()
    assert name == "serve"
    assert "nothing is said" in what


def test_nobody_holds_the_link(centre: Centre) -> None:
    centre.lease.release()
    [(name, _)] = centre.faults()
    assert name == "link"


def test_whoever_held_the_link_is_dead(centre: Centre) -> None:
    centre.lease.release()
    hold = ("import sys\nfrom fsapp.settings import Settings\nfrom fsapp.state import keys\n"
            "from fsapp.state.connection import connect\nfrom fsapp.state.lease import Lease\n"
            "Lease(connect(Settings(redis_url=sys.argv[1])), keys.floor('main', 'lease'), 'it', 60).hold()")
    subprocess.run([sys.executable, "-c", hold, centre.redis.url], cwd=ROOT, check=True, timeout=60)
    assert centre.client.get(keys.floor("main", "lease"))
    assert [name for name, _ in centre.faults()] == ["link"]


def test_the_wrong_password(centre: Centre) -> None:
    [(name, what)] = centre.faults(switch_password="not-the-right-one")
    assert name == "switch"
    assert "refuses the password" in what
    assert "not-the-right-one" not in what


def test_the_switchs_default_password(make_centre: Callable[..., Centre], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PASSWORD", "ClueCon")
    [(name, what)] = make_centre().faults()
    assert name == "passwords"
    assert "well-known default" in what
    assert "ClueCon" not in what


def test_another_password_and_yet_the_default_one_is_taken(
    make_centre: Callable[..., Centre], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PASSWORD", "ClueCon")
    found = make_centre().faults(switch_password="some-other-password")
    assert [name for name, _ in found] == ["switch", "passwords"]
    assert "lets in whoever says" in found[1][1]


def test_a_missing_queue(centre: Centre) -> None:
    del centre.switch.callcenter.queues["vip@fsapp"]
    [(name, what)] = centre.faults()
    assert (name, what) == ("queues", "queue vip@fsapp is missing")


def test_no_mod_callcenter(centre: Centre) -> None:
    del centre.switch.applications["callcenter"]
    found = centre.faults()
    assert ("modules", "the switch has no mod_callcenter") in found


def test_redis_that_keeps_nothing(make_centre: Callable[..., Centre]) -> None:
    [(name, what)] = make_centre("--appendonly", "no").faults()
    assert name == "persistence"
    assert "keeps nothing on disk" in what


def test_redis_that_evicts(make_centre: Callable[..., Centre]) -> None:
    centre = make_centre("--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    assert [name for name, _ in centre.faults()] == ["persistence"]


def test_no_rules(centre: Centre) -> None:
    centre.client.flushall()
    centre.lease.hold()
    assert [name for name, _ in centre.faults()] == ["rules"]


def test_redis_is_away(centre: Centre) -> None:
    centre.redis.stop()
    found = centre.findings()
    assert [name for name, one in found if one.level is Level.FAULT] == ["redis", "python"]
    assert ("queues", Level.OK) in [(name, one.level) for name, one in found]


def test_the_switch_is_away(centre: Centre) -> None:
    centre.door.stop()
    found = centre.findings()
    assert [name for name, one in found if one.level is Level.FAULT] == ["switch"]
    assert ("persistence", Level.OK) in [(name, one.level) for name, one in found]


def test_a_switch_that_takes_the_connection_and_says_nothing(centre: Centre) -> None:
    silent = StreamServer(("127.0.0.1", 0), lambda *_: gevent.sleep(60))
    silent.start()
    try:
        with gevent.Timeout(30, AssertionError("it waits for ever")):
            found = centre.faults(switch=f"127.0.0.1:{silent.server_port}")
    finally:
        silent.stop()
    assert [name for name, _ in found] == ["switch"]


def test_a_dialplan_for_another_address(centre: Centre) -> None:
    plan = centre.folder / "dialplan/fsapp-vars.xml"
    plan.write_text(plan.read_text().replace(centre.settings.listen, "127.0.0.1:9"))
    [(name, what)] = centre.faults()
    assert name == "dialplan"
    assert "127.0.0.1:9" in what


def test_the_command_says_it_all_and_never_a_password(centre: Centre) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "fsapp", "doctor", *options], cwd=ROOT, env=centre.environment(),
                              capture_output=True, text=True, timeout=60, check=False)

    plain, well = run(), run("--json")
    assert (plain.returncode, plain.stderr, well.returncode, well.stderr) == (0, "", 0, "")
    assert "✓ switch: the switch at 127.0.0.1:" in plain.stdout
    told = json.loads(well.stdout)
    assert told["ok"] is True
    assert {one["check"] for one in told["findings"]} == set(CHECKS)
    centre.lease.release()
    plain, ill = run(), run("--json")
    assert (plain.returncode, ill.returncode) == (1, 1)
    assert json.loads(ill.stdout)["ok"] is False
    for done in (plain, ill):
        [line] = done.stderr.splitlines()
        assert line.startswith("fsapp: ✗ link: nobody holds the link to switch main")
        assert line.endswith("start fsapp: `fsapp up`")
    assert PASSWORD not in plain.stdout + ill.stdout + plain.stderr
