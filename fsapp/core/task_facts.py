"""What a fact of the link means for a customer's tasks: a lost call makes one, a talk ends callbacks. Pure.

What becomes of tasks is in `task_life`, what a fact holds in `floor_facts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from fsapp.core.clean import clean_number
from fsapp.core.dialling import refusal
from fsapp.core.numbers import normalise
from fsapp.core.rules import Line, Rules, Stage, agent_queue, group_queue
from fsapp.core.talks import customer_of, place_of
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import Changed, made, reached
from fsapp.core.task_making import new_task
from fsapp.core.visit import Arrival

__all__ = ["LOST", "TALKED", "Meant", "given_up", "meant_by"]

LOST = "call_abandoned"
TALKED = frozenset({"call_answered", "talk_ended"})
BY = "lost call"


class Meant(NamedTuple):
    """What is to be done with the tasks of the customer with this number: one made, or those of a place ended."""

    number: str
    new: Task | None = None
    place: str = ""
    at: datetime | None = None
    a_day: int | None = None

    def change(self, tasks: Sequence[Task]) -> Changed:
        """The customer's tasks afterwards; the same fact a second time changes nothing."""
        if self.new is not None:
            return made(tasks, self.new, self.a_day)
        assert self.at is not None
        return reached(tasks, self.place, self.at)

    def change_asked(self, tasks: Sequence[Task]) -> Changed:
        """The same of the tasks of another number, some of which this customer has asked for."""
        assert self.at is not None
        return reached(tasks, self.place, self.at, self.number)


def meant_by(fact: Mapping[str, Any], rules: Rules, now: datetime, came_at: datetime | None = None) -> Meant | None:
    """What a fact about a customer's own call means for tasks; None for nothing.

    `came_at`: when the caller began to wait, in an earlier queue perhaps. A fact with `task` is about a call that we
    make ourselves.
    """
    kind = fact.get("type")
    if (kind != LOST and kind not in TALKED) or fact.get("task") or fact.get("direction") == "outbound":
        return None
    place, number = place_of(fact, rules), customer_of(fact, rules)
    if place is None or number is None:
        return None
    at = datetime.fromtimestamp(float(fact.get("at", 0)), UTC)
    if kind == LOST:
        new = _lost(fact, place, rules, at, came_at)
        if new is None or new.expires_at <= now:
            return None
        return Meant(new.number, new, a_day=rules.dialling.callbacks_a_day)
    return Meant(number, place=place.id, at=at)


def given_up(arrival: Arrival, rules: Rules, since: datetime, now: datetime) -> Task | None:
    """The callback for a caller who has hung up at a visit after a wait, which no queue tells of; None as for any."""
    call, earlier = arrival.call, arrival.call.earlier
    if earlier is None or call.task:
        return None
    meant = meant_by({
        "type": LOST, "id": f"{arrival.uuid}:asked", "call": arrival.uuid, "at": now.timestamp(),
        "queue": arrival.queue, "number": call.caller.key or "", "called": call.called.key or "", "name": call.name,
        "waited_s": (now - since).total_seconds(), "base_score": earlier.base_score, "contact": earlier.contact,
        "campaign": earlier.campaign, "stage": earlier.stage, "line": earlier.line, "language": arrival.language,
    }, rules, now)
    return meant.new if meant is not None else None


def _lost(
    fact: Mapping[str, Any], place: Stage | Line, rules: Rules, at: datetime, came_at: datetime | None,
) -> Task | None:
    """The callback for a call that was lost; None where the place has none, or the number is not dialled."""
    rule = place.calling_back
    caller = normalise(clean_number(str(fact.get("number") or "")), rules.region)
    joined_at = at - timedelta(seconds=float(fact.get("waited_s") or 0))
    waited_s = (at - min(joined_at, came_at or joined_at)).total_seconds()
    if not rule.lost or waited_s < rule.lost_wait_s:
        return None
    if caller.e164 is None or refusal(caller, rules.dialling, rules.numbers, rules.lists) is not None:
        return None
    queue, score = str(fact.get("queue") or ""), int(fact.get("base_score") or 0)
    task = new_task(
        sha256(str(fact["id"]).encode()).hexdigest()[:12], TaskKind.LOST, caller.e164, place, rules, at,
        at + timedelta(seconds=rule.lost_after_s),
        agent=next((one for one in rules.agents if agent_queue(rules.domain, one) == queue), None),
        group=next((one for one in rules.groups if group_queue(rules.domain, one) == queue), None),
        called=normalise(clean_number(str(fact.get("called") or "")), rules.region).key,
        contact=str(fact.get("contact") or "") or None, made_by=BY, name=str(fact.get("name") or ""),
        language=str(fact.get("language") or ""), about=str(fact.get("call") or ""),
    )
    # Without a score the place in the queue cannot be kept: it is that of any callback then.
    return replace(task, base_score=score, since=joined_at) if score else task
