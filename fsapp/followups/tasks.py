"""Makes the task that follows from an interaction, in Redis: once, by its id. Decides nothing about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from fsapp.core import task_life
from fsapp.core.clean import clean_number
from fsapp.core.dialling import refusal
from fsapp.core.numbers import normalise
from fsapp.core.retrying import Delivered, Later, Needless, Never, Outcome
from fsapp.core.rules import Rules
from fsapp.core.task import TaskKind
from fsapp.core.task_making import new_task
from fsapp.errors import StateError
from fsapp.state import stream
from fsapp.state.tasks import Tasks

__all__ = ["TaskMaker"]

_ID = 12


class TaskMaker:
    """Tasks in the Redis of `client`."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._tasks = Tasks(client)

    def __call__(
        self, wanted: Mapping[str, Any], rules: Rules, *, id_: str, rule: str, made_at: datetime, now: datetime,
    ) -> Outcome:
        """Make the task that `following.task_wanted` describes, or `survey_wanted`. Never for a number not dialled.

        A survey of such a number, or of one that is called often enough, is Needless.
        `made_at`: when that was decided, the same at each try.
        """
        place, flow = rules.place(wanted["place"]), wanted.get("flow", "")
        refused = Needless if flow else Never
        if place is None:
            return Never(f"the rules have no stage or line {wanted['place']} any more")
        number = normalise(clean_number(wanted["number"]), rules.region)
        why = refusal(number, rules.dialling, rules.numbers, rules.lists)
        if why is not None or number.e164 is None:
            return refused(f"the number is not dialled: {why.value if why else 'nonsense'}")
        due_at = max(datetime.fromtimestamp(wanted["due_at"], UTC), now)
        if flow and flow not in rules.flows:
            return Never(f"the rules have no flow {flow} any more")
        new = new_task(
            id_[:_ID], TaskKind.SURVEY if flow else TaskKind.AGAIN, number.e164, place, rules, made_at, due_at,
            agent=wanted.get("agent"), group=wanted.get("group"), called=wanted.get("called"),
            made_by=f"{task_life.BY_RULE}{rule}", name=wanted.get("name", ""), language=wanted.get("language", ""),
            note=wanted.get("note", ""), flow=flow, about=wanted.get("about", ""),
            about_agent=wanted.get("about_agent", ""))
        try:
            a_day = rules.dialling.callbacks_a_day
            task = self._tasks.change(new.number, lambda known: task_life.made(known, new, a_day)).task
            if task is None:
                return refused(f"the number has been called back {a_day} times within 24 hours, or is to be")
            if task.id != new.id:
                return refused(f"the customer is to be asked the same anyway, by task {task.id}")
            # Told at each try, as whoever was killed here had not told it yet: the event's id is the same.
            stream.add(self._client, [stream.encode(event) for event in task_life.made((), new).events])
        except StateError as error:
            return Later(str(error))
        return Delivered(new.id)
