"""In a small centre with a known truth the estimate beats both usual ones and its interval holds."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "scripts/benchmark"
SEEDS = (7001, 7002, 7003, 7004)


@pytest.fixture(autouse=True)
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.mark.parametrize("load", ["light", "heavy", "changing"])
def test_it_beats_both_and_its_interval_holds(load: str) -> None:
    import waits

    days = [waits.simulated(load, seed).as_json() for seed in SEEDS]
    mean = {name: fmean(day[name] for day in days) for name in ("fsapp_s", "last_s", "length_s", "covered")}
    assert mean["fsapp_s"] < mean["last_s"]
    assert mean["fsapp_s"] < mean["length_s"]
    assert 0.75 <= mean["covered"] <= 0.85


def test_the_same_seed_is_the_same_day() -> None:
    import waits

    assert waits.simulated("light", 7001, 2).as_json() == waits.simulated("light", 7001, 2).as_json()


def facts_of(seed: int) -> list[dict[str, Any]]:
    """A day of a centre as its event stream would tell it."""
    import waits_centre

    facts: list[dict[str, Any]] = []

    class Stream(waits_centre.Listener):
        def _tell(self, kind: str, caller: Any, at: float, **more: Any) -> None:
            facts.append({"type": kind, "at": at, "member": caller.member, "queue": caller.kind.queue, **more})

        def joined(self, caller: Any, scene: Any, now: float) -> None:
            self._tell("queue_joined", caller, now, base_score=caller.kind.base_score)

        def answered(self, caller: Any, agent: Any, ring_s: float, now: float) -> None:
            who = f"a{id(agent)}"
            self.agents[caller.member] = who
            self._tell("agent_offered", caller, now - ring_s, agent=who)
            self._tell("call_answered", caller, now, agent=who, waited_s=now - caller.joined_at)

        def gone(self, caller: Any, now: float) -> None:
            self._tell("call_abandoned", caller, now, waited_s=now - caller.joined_at)

        def held(self, caller: Any, held_s: float, now: float) -> None:
            self._tell("talk_ended", caller, now, agent=self.agents[caller.member])

    stream = Stream()
    stream.agents = {}
    waits_centre.centre_of("heavy", seed).run(stream, 6)
    return sorted(facts, key=lambda fact: fact["at"])


def test_recorded_calls_are_estimated_from_their_facts_alone(tmp_path: Path) -> None:
    import waits_recorded

    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(json.dumps(fact) for fact in facts_of(7001)), encoding="utf-8")
    found = waits_recorded.replayed(waits_recorded.recorded(str(path)), 10).as_json()
    assert found["callers"] > 300
    assert found["fsapp_s"] < found["last_s"]
    assert 0.7 <= found["covered"] <= 0.9


def test_a_file_that_is_no_stream_is_named(tmp_path: Path) -> None:
    import waits_recorded

    path = tmp_path / "events.jsonl"
    path.write_text('{"type": "queue_joined"}\nnonsense\n', encoding="utf-8")
    with pytest.raises(ValueError, match="events.jsonl:2"):
        list(waits_recorded.recorded(str(path)))
