"""What must hold: whoever is to be called back is, as often as need be and no more, whatever is killed meanwhile.

How long, and in which order: FSAPP_TEST_KILLS_S and FSAPP_TEST_KILLS_SEED, as of the records; `scripts/kill-loop`.
The short run has one database: what is held here is decided in Redis and by the link.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from kill_askers import TRIES, Askers, played, rules
from kill_dialled import Dialled, differences_of_tasks, differences_of_tries
from kill_parts import REDIS, SEED, Parts, database_for
from kill_truth import Blind, Call, differences
from kill_workers import Workers, differences_of_work
from lab_ends import until
from postgresql_server import PostgresServer

from fsapp.core.task import Task, TryOutcome
from fsapp.errors import StateError
from fsapp.state.tasks import Tasks

KILLS_S = float(os.environ.get("FSAPP_TEST_KILLS_S", "8"))
DATABASES = ["sqlite", "postgresql"] if "FSAPP_TEST_KILLS_S" in os.environ else ["sqlite"]
PER_S = 3


class CalledBack(Parts):
    """The example centre, whose customers are called back."""

    truth: Dialled

    def __init__(self, redis: Any, postgres: PostgresServer | None, url: str, folder: Path) -> None:
        super().__init__(redis, postgres, url, folder, rules=rules(), scenario=played(), truth=Dialled())
        self.truth.follow(self.switch)
        self.askers = Askers(self.switch, PER_S, self.chance)
        at_work = list(self.switch.callcenter.agents)
        self.workers = Workers(self.switch, self.redis.connect(), at_work[::3], self.chance)
        self.tasks = Tasks(self.centre.client)

    def parts(self) -> list[str]:
        return [*super().parts(), "link_meanwhile"]

    def settled(self) -> bool:
        """Whether nobody is to be called any more, but those whose call has failed on our side, in some minutes."""
        try:
            return not self.switch.channels and all(
                one.tries and one.tries[-1].outcome is TryOutcome.FAILED and one.call is None
                for one in self.tasks.every())
        except StateError:
            return False

    def stop(self) -> None:
        self.workers.stop()
        self.askers.stop()
        super().stop()


@pytest.fixture(params=DATABASES)
def centre(request: pytest.FixtureRequest, own_redis: Any, tmp_path: Path) -> Iterator[CalledBack]:
    with database_for(request.param, tmp_path) as (postgres, url):
        parts = CalledBack(own_redis("--appendonly", "yes", "--appendfsync", "always"), postgres, url, tmp_path)
        yield parts
        parts.stop()


def test_whoever_is_to_be_called_back_is(centre: CalledBack) -> None:
    killed = centre.kill_all(KILLS_S)
    centre.workers.stop()
    centre.askers.stop()
    until(lambda: not centre.switch.calls, "everybody has left")
    with gevent.Timeout(60 + 2 * KILLS_S, AssertionError(f"not all are called: {list(centre.tasks.every())}")):
        while not (centre.settled() and centre.recorded()):
            gevent.sleep(0.1)
    rows, found = centre.rows()
    calls, placed, blind = centre.truth.calls, centre.truth.placed, centre.blind()
    (centre.folder / "kills.json").write_text(
        json.dumps({"killed": centre.killed, "blind": [[gap.start, gap.end] for gap in blind]}))
    known = [task for call in calls.values() for task in centre.tasks.of(call.number)]
    assert found.bad == {}
    wrong = [*differences_of_tries(placed, rows["attempts"], blind, TRIES)]
    wrong += differences_of_tasks(known, rows["tasks"], rows["attempts"], TRIES)
    by_number: dict[str, list[Task]] = {}
    for task in known:
        by_number.setdefault(task.number, []).append(task)
    for call in calls.values():
        wrong += _made(centre, call, by_number.get(call.number, []), blind)
    wrong += differences_of_work(centre.workers, rows["agent_sessions"], rows["agent_breaks"], blind)
    callers = [row for row in rows["queue_stays"] if row["interaction_id"] in calls]
    stays = {row["id"] for row in callers}
    wrong += differences(calls, callers, [row for row in rows["offers"] if row["stay_id"] in stays], blind)
    assert not wrong, "\n".join([f"{len(wrong)} differences in {len(calls)} calls:", *wrong[:20]])
    assert rows["quarantine"] == []
    results, kinds = Counter(row["result"] for row in rows["attempts"]), Counter(row["kind"] for row in rows["tasks"])
    print(f"\nseed {SEED}: {len(calls)} calls, {dict(kinds)}, {len(placed)} placed, {dict(results)}, "
          f"{dict(Counter(row['state'] for row in rows['tasks']))}, {len(rows['agent_sessions'])} sessions, "
          f"{len(rows['agent_breaks'])} breaks, {centre.workers.refused} of {centre.workers.asked} refused, "
          f"{killed} kills")
    assert results["talked"] > 2 and kinds["lost"] and kinds["requested"]


def _made(centre: CalledBack, call: Call, tasks: list[Task], blind: list[Blind]) -> Iterator[str]:
    """Who gave up or asked is to be called back, once; nobody else is. What nobody could know is as of the records."""
    found, last = [task.kind.value for task in tasks], call.last
    unseen = last is not None and any(gap.has(last.joined_at, 1.0) for gap in blind)
    hidden = call.talk is not None and any(
        gap.has(call.talk.answered_at or 0.0, 1.0) and gap.has(call.talk.over_at or call.ended_at, 1.0)
        for gap in blind)
    gave_up = last is not None and call.talk is None and last.reason == "BREAK_OUT"
    if call.uuid in centre.askers.noted:
        allowed = [["requested"]]
    elif call.uuid in centre.askers.pressed:
        # Confirmed, and perhaps noted in the moment in which who was to say so was killed.
        allowed = [["requested"], ["lost"] if gave_up else []]
    else:
        allowed = [["lost"] if gave_up else []]
    if (unseen and not found) or (hidden and found == ["lost"]) or found in allowed:
        return
    if call.talk is None and found == ["lost"] and any(gap.has(call.ended_at, 1.0) for gap in blind):
        return  # gone while no link was there, in a queue or between two: as far as anybody knows, given up
    at_the_visit = last is not None and last.reason == "EXIT_WITH_KEY"
    if at_the_visit and found in ([], ["lost"]) and (found or centre.around(call.ended_at, "serve", *REDIS)):
        return  # hung up when asked on which number: `fsapp serve` tells of it, where it lives
    yield f"{call.uuid}: tasks of {call.number} are {found} instead of {allowed}, of {last}"
