"""What a doctor makes of the facts: a table of what is wrong, and the one finding it leads to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fsapp.core.after_rules import after_rules_from
from fsapp.core.mending import Difference, Kind
from fsapp.core.rules import Rules
from fsapp.doctor.ask_machine import listening
from fsapp.doctor.checks import CHECKS, judge
from fsapp.doctor.facts import Facts, Folder, Machine, Memory, NotAsked, OpenTasks, PythonInSwitch, Redis, Sound, Switch
from fsapp.doctor.finding import Level
from fsapp.doctor.judge_guards import is_loopback, switch_password_fault
from fsapp.doctor.judge_versions import NEEDED, USEFUL
from fsapp.doctor.passwords import Strength, strength
from fsapp.rules import load_folder
from fsapp.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
RULES = replace(Rules.from_document(load_folder(ROOT / "conf/rules")), version=7)
FOLLOWED = replace(RULES, follow=after_rules_from({
    "after": [{"name": "all", "webhook": "crm", "email": "boss"}],
    "webhook": {"crm": {"url": "https://crm.example.com", "secret_env": "FSAPP_CRM"}},
    "email": {"boss": {"to": ["ana@example.com"], "subject": "s", "text": "t"}}}))
SECRET = "correct-horse-battery"
UNKNOWN = NotAsked("nobody said")


def well(**changes: Any) -> Facts:
    """A centre where all is well; `changes` to Facts, or by `redis__`, `switch__`, `machine__` or `settings__`."""
    parts = {
        "settings": Settings(switch_password=SECRET, max_visits=500, recordings="/srv/recordings",
                             smtp_url="smtp://mail", mail_from="fsapp@example.com"),
        "machine": Machine(greenswitch="0.0.19", greenswitch_wanted="0.0.19",
                           recordings=Folder("/srv/recordings"), files=4096),
        "redis": Redis("redis://127.0.0.1:6379/0", "6.2.14"),
        "switch": Switch(
            "127.0.0.1:8021", modules=dict.fromkeys((*NEEDED, *USEFUL), True), python=PythonInSwitch("0", "3.11", 7),
            phone_passwords={"1001": Strength.FINE}, profiles={"trunks": "127.0.0.1", "peers": "127.0.0.1"},
            open_to={"trunks": False, "peers": False}, sounds=(Sound("/sounds/goodbye.wav"),),
            recordings="/srv/recordings"),
    }
    facts: dict[str, Any] = {"link": "here pid 1", "rules": RULES, "snapshot": 7,
                             "environment": frozenset({"FSAPP_CRM"})}
    for name, value in changes.items():
        part, _, field = name.partition("__")
        if not field:
            facts[name] = value
        elif part == "settings":
            parts[part] = parts[part].model_copy(update={field: value})
        else:
            parts[part] = replace(parts[part], **{field: value})
    return Facts(**{**parts, **facts})


def found(facts: Facts, *levels: Level) -> list[tuple[str, str]]:
    return [(name, one.what) for name, one in judge(facts) if one.level in (levels or (Level.WARNING, Level.FAULT))]


@pytest.mark.parametrize(("tasks", "what"), [
    (OpenTasks(9, late=2), "2 tasks have been due"), (OpenTasks(9, agentless=1), "1 open tasks are of agents"),
    (OpenTasks(9, placeless=1), "1 open tasks are for stages"),
])
def test_calls_to_customers_that_nobody_makes(tasks: OpenTasks, what: str) -> None:
    [(name, said)] = found(well(tasks=tasks))
    assert name == "tasks" and said.startswith(what)
    assert ("tasks", "tasks: nobody said") in found(well(tasks=UNKNOWN), Level.NOT_LOOKED_AT)


def test_all_is_well() -> None:
    findings = judge(well())
    assert {one.level for _, one in findings} == {Level.OK}
    assert {name for name, _ in findings} == set(CHECKS)


def without(module: str) -> dict[str, bool]:
    return {**dict.fromkeys((*NEEDED, *USEFUL), True), module: False}


FAULTS = [
    ({"redis__refuses": "Redis is full: raise its maxmemory"}, "redis", "is full"),
    ({"switch__name": "north"}, "switch", "calls itself north, the settings call it main"),
    ({"rules": replace(RULES, switches={"north": "10.0.0.1:5070"})}, "switch", "know no switch main, but north"),
    ({"serve": "Connection refused"}, "serve", "every call goes to the fallback"),
    ({"link": ""}, "link", "nobody holds the link to switch main"),
    ({"switch__modules": without("mod_sndfile")}, "modules", "has no mod_sndfile"),
    ({"switch__version": "1.8.7"}, "versions", "FreeSWITCH is version 1.8.7"),
    ({"redis__version": "6.0.16"}, "versions", "Redis is version 6.0.16"),
    ({"machine__python": (3, 9, 2)}, "versions", "this is Python 3.9.2"),
    ({"machine__greenswitch": "0.0.20"}, "versions", "greenswitch is version 0.0.20"),
    ({"switch__clock_off_s": 1.2}, "clock", "the switch is 1.2 s ahead of ours"),
    ({"redis__clock_off_s": -90.0}, "clock", "Redis is 90.0 s behind ours"),
    ({"rules": None}, "rules", "no rules are loaded"),
    ({"switch__differences": (Difference(Kind.QUEUE_MISSING, "vip@fsapp", "queue vip@fsapp is missing"),)},
     "queues", "queue vip@fsapp is missing"),
    ({"dialplan": ("fsapp.xml:5: the socket leads elsewhere: mend it",)}, "dialplan", "the socket leads elsewhere"),
    ({"switch__socket": "127.0.0.1:9999"}, "dialplan", "hands its calls to 127.0.0.1:9999"),
    ({"switch__python": PythonInSwitch(fault="does not find fsapp")}, "python", "does not find fsapp"),
    ({"switch__sounds": (Sound("/s/a.wav"), Sound("/s/b.wav", "is not there"))}, "sounds", "/s/b.wav is not there"),
    ({"memory": Memory("sqlite:///x", fault="the database x is of version 0001: run `fsapp records migrate`")},
     "records", "of version 0001"),
    ({"memory": Memory("sqlite:///x", lag_s=61.0)}, "records", "waited for 61 s"),
    ({"memory": Memory("sqlite:///x", follow_s=301.0), "rules": FOLLOWED}, "follow-ups", "due for 301 s"),
    ({"rules": FOLLOWED, "settings__smtp_url": ""}, "follow-ups", "rule all sends letters"),
    ({"redis__append": False}, "persistence", "keeps nothing on disk"),
    ({"redis__policy": "allkeys-lru", "redis__maxmemory": 10**9}, "persistence", "allkeys-lru"),
    ({"settings__switch_password": "ClueCon"}, "passwords", "well-known default"),
    ({"well_known_taken": True}, "passwords", "lets in whoever says"),
    ({"switch__default_password": Strength.KNOWN}, "passwords", "default_password"),
    ({"switch__phone_passwords": {"1001": Strength.FINE, "1002": Strength.KNOWN}}, "passwords", "agents 1002 is well"),
    ({"switch__phone_passwords": {"1001": Strength.SHORT}}, "passwords", "agents 1001 is short"),
    ({"redis__open": True, "redis__local": False}, "passwords", "lets in everybody"),
    ({"machine__listening": {8021: ("0.0.0.0",)}}, "ports", "event socket listens on 0.0.0.0:8021"),
    ({"machine__listening": {8021: ("127.0.0.1", "::")}}, "ports", "event socket listens on [::]:8021"),
    ({"switch__event_socket": "192.0.2.7"}, "ports", "event socket listens on 192.0.2.7:8021"),
    ({"settings__listen": "192.0.2.7:8040"}, "ports", "listen is reached from elsewhere (192.0.2.7:8040)"),
    ({"settings__link_http": "0.0.0.0:8043"}, "ports", "link_http is reached"),
    ({"switch__profiles": {"trunks": "192.0.2.7"}, "switch__open_to": {"trunks": True}},
     "ports", "trunks at 192.0.2.7"),
]
WARNINGS = [
    ({"switch__gateway": ""}, "outside", "has no gateway trunk"),
    ({"switch__gateway": "DOWN"}, "outside", "gateway trunk is down"),
    ({"switch__modules": without("mod_python3")}, "modules", "has no mod_python3"),
    ({"switch__zone": "+0100"}, "time-zone", "UTC+0100"),
    ({"memory": Memory("sqlite:///x", None, lag_s=900.0)}, "records", "nothing in the database"),
    ({"memory": Memory("sqlite:///x", quarantined=3)}, "records", "3 events could not"),
    ({"memory": Memory("sqlite:///x", unfollowed=2), "rules": FOLLOWED}, "follow-ups", "2 things that follow"),
    ({"rules": FOLLOWED, "environment": frozenset()}, "follow-ups", "FSAPP_CRM, the secret of webhook crm, is not"),
    ({"snapshot": 0}, "snapshot", "there is no snapshot"),
    ({"snapshot": 6}, "snapshot", "holds version 6 of the rules, in force is 7"),
    ({"switch__python": PythonInSwitch("0", "3.11", 5)}, "python", "has version 5 of the rules"),
    ({"switch__differences": (Difference(Kind.NO_PHONE, "1001", "agent 1001 has no phone"),)},
     "queues", "has no phone"),
    ({"redis__append": False, "redis__save": "3600 1"}, "persistence", "now and then"),
    ({"redis__policy": "allkeys-lru"}, "persistence", "allkeys-lru"),
    ({"settings__switch_password": "x7-Zq"}, "passwords", "shorter than 8"),
    ({"switch__phone_passwords": {"1001": Strength.MISSING}}, "passwords", "no phone of agents 1001 can register"),
    ({"settings__http": "0.0.0.0:8042"}, "ports", "http is reached"),
    ({"machine__listening": {6379: ("0.0.0.0",)}}, "ports", "Redis listens on 0.0.0.0:6379"),
    ({"switch__profiles": {"peers": "192.0.2.7"}}, "ports", "the rules name no other switch"),
    ({"switch__here": False, "settings__switch": "192.0.2.9:8021", "switch__event_socket": "192.0.2.9"},
     "ports", "event socket listens on 192.0.2.9:8021"),
    ({"switch__here": False, "settings__listen": "192.0.2.7:8040"}, "ports", "listen is reached"),
    ({"machine__recordings": Folder("/srv/recordings", "is not there")}, "recordings", "no rule records calls"),
    ({"machine__recordings": Folder("/srv/recordings", free=0.05)}, "recordings", "nearly full"),
    ({"switch__recordings": "/elsewhere"}, "recordings", "the switch records to /elsewhere"),
    ({"machine__files": 256}, "limits", "may open 256 files"),
    ({"switch__sessions": (900, 1000, 100)}, "limits", "takes 1000 call legs, has 900 now"),
    ({"switch__sessions": (0, 1000, 10)}, "limits", "takes 10 new legs a second"),
]


def _words(value: Any) -> str:
    return value if isinstance(value, str) else ""


@pytest.mark.parametrize(("changes", "check", "words"), FAULTS, ids=_words)
def test_one_fault(changes: dict[str, Any], check: str, words: str) -> None:
    facts = well(**changes)
    [(name, what)] = found(facts, Level.FAULT)
    assert name == check
    assert words in what
    assert found(facts, Level.WARNING) == []
    assert all(one.todo for _, one in judge(facts) if one.level is Level.FAULT)
    assert SECRET not in str(judge(facts))


@pytest.mark.parametrize(("changes", "check", "words"), WARNINGS, ids=_words)
def test_one_warning(changes: dict[str, Any], check: str, words: str) -> None:
    facts = well(**changes)
    assert found(facts, Level.FAULT) == []
    [(name, what)] = found(facts)
    assert name == check
    assert words in what
    assert all(one.todo for _, one in judge(facts) if one.level is Level.WARNING)


def test_recordings_matter_where_something_is_recorded() -> None:
    line = replace(RULES.lines["vip"], recording=replace(RULES.lines["vip"].recording, sides="both"))
    rules = replace(RULES, lines={**RULES.lines, "vip": line})
    facts = well(rules=rules, machine__recordings=Folder("/srv/recordings", "cannot be written to from here"))
    [(name, _)] = found(facts, Level.FAULT)
    assert name == "recordings"


def test_an_unreached_switch_is_one_fault_and_hides_no_other_check() -> None:
    facts = well(switch=NotAsked("no switch at 127.0.0.1:8021: start it"), link=NotAsked("Redis was not reached"))
    assert found(facts) == [("switch", "no switch at 127.0.0.1:8021")]
    findings = judge(facts)
    assert {name for name, _ in findings} == set(CHECKS)
    assert {name for name, one in findings if one.level is Level.NOT_LOOKED_AT} >= {
        "link", "modules", "versions", "clock", "queues", "dialplan", "python", "sounds", "ports", "limits"}


def test_an_unreached_redis_is_one_fault_and_hides_no_other_check() -> None:
    later = NotAsked("Redis was not reached")
    facts = well(redis=NotAsked("Redis does not answer: start it"), rules=later, link=later)
    assert found(facts) == [("redis", "Redis does not answer")]
    assert {name for name, _ in judge(facts)} == set(CHECKS)


@pytest.mark.parametrize("field", [
    "version", "clock_off_s", "zone", "differences", "sessions", "default_password", "profiles", "event_socket", "name",
    "socket", "python", "sounds", "recordings",
])
def test_what_the_switch_does_not_say_is_no_fault(field: str) -> None:
    assert found(well(**{f"switch__{field}": UNKNOWN})) == []


@pytest.mark.parametrize("field", ["append", "save", "policy", "open"])
def test_what_redis_does_not_say_is_no_fault(field: str) -> None:
    facts = well(**{f"redis__{field}": UNKNOWN})
    assert found(facts) == []
    assert found(facts, Level.NOT_LOOKED_AT)


def test_a_module_nobody_told_of_is_not_said_to_be_missing() -> None:
    facts = well(switch__modules={**dict.fromkeys((*NEEDED, *USEFUL), True), "mod_sofia": UNKNOWN})
    assert found(facts) == []
    assert ("modules", "whether the switch has mod_sofia: it did not say") in found(facts, Level.NOT_LOOKED_AT)


def test_many_faults_of_a_kind_are_counted() -> None:
    missing = tuple(Difference(Kind.QUEUE_MISSING, f"{n}@fsapp", f"queue {n}@fsapp is missing") for n in range(25))
    lines = [what for name, what in found(well(switch__differences=missing)) if name == "queues"]
    assert len(lines) == 11
    assert lines[-1] == "and 15 more differences to the rules"


@pytest.mark.parametrize(("password", "worth"), [
    ("", Strength.MISSING), ("ClueCon", Strength.KNOWN), ("1234", Strength.KNOWN), ("1001", Strength.KNOWN),
    ("x7-Zq", Strength.SHORT), (SECRET, Strength.FINE),
])
def test_what_a_password_is_worth(password: str, worth: Strength) -> None:
    assert strength(password, "1001") is worth
    assert (switch_password_fault(password) == "") == (worth in (Strength.SHORT, Strength.FINE)) or password == "1001"


@pytest.mark.parametrize(("address", "loopback"), [
    ("127.0.0.1", True), ("127.0.0.53", True), ("::1", True), ("[::1]", True), ("localhost", True),
    ("::ffff:127.0.0.1", True), ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("db.example.com", False),
])
def test_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


def test_who_listens_as_linux_tells_it(tmp_path: Path) -> None:
    tcp, tcp6 = tmp_path / "tcp", tmp_path / "tcp6"
    head = "  sl  local_address rem_address   st\n"
    tcp.write_text(
        f"{head}   0: 0100007F:1F68 00000000:0000 0A 0\n   1: 00000000:1F55 00000000:0000 0A 0\n"
        "   2: 00000000:0050 0100007F:9999 01 0\n")
    tcp6.write_text(f"{head}   0: 00000000000000000000000000000000:1F55 00000000000000000000000000000000:0000 0A 0\n"
                    "   1: 00000000000000000000000001000000:1F69 00000000000000000000000000000000:0000 0A 0\n")
    assert listening((tcp, tcp6)) == {8040: ("127.0.0.1",), 8021: ("0.0.0.0", "::"), 8041: ("::1",)}
    assert isinstance(listening((tmp_path / "none",)), NotAsked)
