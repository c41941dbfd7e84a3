"""The task of a caller who wishes to be called back: whose it is, who asked, the place in the queue it keeps. Pure.

Nobody is told or asked anything here; whether a number may be dialled is for `dialling`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from fsapp.core.dialling import Dialling
from fsapp.core.model import Call, CallClass
from fsapp.core.route import score_of
from fsapp.core.rules import Line, Rules, Stage, agent_queue, group_queue
from fsapp.core.task import HIDDEN, Task, TaskKind
from fsapp.core.task_making import expires_at

__all__ = ["AFTER_S", "most_asked", "requested"]

AFTER_S = 15  # the caller is on the phone still, and hears that it is noted


def requested(
    id_: str, number: str, place: Stage | Line, call: Call, rules: Rules, *, since: datetime, now: datetime,
    queue: str | None = None, language: str = "", about: str = "",
) -> Task:
    """The task for a caller who has confirmed `number`, in E.164, at a stage or line.

    `since`: when the call was answered, from when on the switch counts. The score is that of the call where it has one,
    else that of a service call to this place. Who waited in the `queue` of one agent or group is called back by these
    first. `about`: the uuid of the call.
    """
    earlier = call.earlier
    score = earlier.base_score if earlier else score_of(CallClass.SERVICE, call, place, rules)
    rule = place.calling_back
    return Task(
        id_, TaskKind.REQUESTED, number, place.id, now + timedelta(seconds=AFTER_S),
        expires_at(place, rules, now), now,
        agent=_whose(queue, rules.agents, rules, agent_queue), group=_whose(queue, rules.groups, rules, group_queue),
        caller_id=call.called.e164, contact=earlier.contact if earlier else None, base_score=score, since=since,
        tries_left=rule.tries, made_by="caller", name=call.name, language=language,
        asked_by=_asker(number, call.caller.key), about=about,
    )


def most_asked(task: Task, dialling: Dialling) -> int | None:
    """How many callbacks on other numbers who asks for this one gets within 24 hours; None: it is their own number."""
    if not task.asked_by:
        return None
    return dialling.hidden_callers_a_day if task.asked_by == HIDDEN else dialling.other_numbers_a_day


def _asker(number: str, caller: str | None) -> str:
    return "" if caller == number else caller or HIDDEN


def _whose(
    queue: str | None, names: Collection[str], rules: Rules, queue_of: Callable[[str, str], str],
) -> str | None:
    return next((name for name in names if queue_of(rules.domain, name) == queue), None) if queue else None
