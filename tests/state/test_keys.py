"""Keys are spelled in one file, and all keys of one customer live in one slot of a cluster."""

import re
from pathlib import Path

import pytest
from redis.crc import key_slot

import fsapp
from fsapp.state import keys

_ROOT = Path(fsapp.__file__).parent
_SPELLED = re.compile(r"""["']fsapp:[A-Za-z{%]""")


def test_nobody_else_spells_a_key():
    guilty = [
        f"{path.relative_to(_ROOT)}: {line.strip()}"
        for path in _ROOT.rglob("*.py") if path != _ROOT / "state" / "keys.py"
        for line in path.read_text(encoding="utf-8").splitlines() if _SPELLED.search(line)
    ]
    assert not guilty
    assert _SPELLED.search((_ROOT / "state" / "keys.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", ["+381601234567", "+36301234567"])
def test_one_customer_is_one_slot(number):
    places = [keys.contacts(number), keys.rights(number), keys.sticky(number), keys.heard(number),
              keys.tasks(number), keys.asked(number)]
    assert len(set(places)) == 6
    assert all(f"{{{number}}}" in place for place in places)
    assert len({key_slot(place.encode()) for place in places}) == 1


def test_scripts_keep_to_one_slot():
    assert key_slot(keys.IMPORTS.encode()) == key_slot(keys.import_lease(7).encode())
    assert key_slot(keys.RULES_CURRENT.encode()) == key_slot(keys.RULES_VERSIONS.encode())


def test_every_key_is_in_the_table():
    named = set(re.findall(r"^\| `([^`]+)`", keys.__doc__, re.MULTILINE))
    made = {
        keys.contacts("NUMBER"), keys.rights("NUMBER"), keys.sticky("NUMBER"), keys.heard("NUMBER"), keys.IMPORTS,
        f"{keys.LEASE_PREFIX}BATCH", keys.RULES_CURRENT, keys.RULES_VERSIONS, keys.EVENTS, keys.PROBE,
        keys.AGENT_STATUS, keys.AGENT_RUNS, keys.tasks("NUMBER"), keys.asked("NUMBER"), keys.TASKS_OPEN,
        keys.TASKS_OVER, keys.RECORDER_LEASE, keys.ERASED, keys.ERASED_KEY,
    } | {
        keys.floor("SWITCH", part)
        for part in ("agents", "queues", "tiers", "members", "calls", "waits", "learned", "meta", "free", "lease",
                     "requests", "answer:ID")
    }
    assert named == made
