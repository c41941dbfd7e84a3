"""What Redis holds of one person, by numbers: contacts, rights, stickiness, tasks, events. Read, and removed.

Where the event stream is not read to its end yet, what is left of it is for who reads it (`records.erasures`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from fsapp.core import task_life
from fsapp.core.erased import identities, maybe_in, names
from fsapp.state import keys, stream
from fsapp.state.askers import Askers
from fsapp.state.connection import redis_faults
from fsapp.state.contacts import Contacts
from fsapp.state.store import Store
from fsapp.state.tasks import Tasks, member_of

__all__ = ["Removed", "erase", "events_of", "known"]

_PAGE = 500


@dataclass(slots=True)
class Removed:
    """`keys` that are gone, `events` gone from the stream, `left`: events that the recorder has not read yet.

    `passing`: ids of the calls and tasks that were named.
    """

    keys: list[str] = field(default_factory=list)
    events: int = 0
    left: int = 0
    passing: set[str] = field(default_factory=set)


def known(client: redis.Redis, numbers: Sequence[str]) -> list[dict[str, Any]]:
    """What is kept of each number, as JSON has it."""
    contacts, store, tasks = Contacts(client), Store(client), Tasks(client)
    found = []
    for number in numbers:
        facts = store.facts(number)
        found.append({
            "number": number,
            "contacts": {
                stage: entry._replace(previous=None)._asdict() for stage, entry in contacts.get(number).items()},
            "rights": [{"agent": right.agent, "expires_at": right.expires_at.isoformat(), "campaign": right.campaign,
                        "stage": right.stage} for right in facts.rights],
            "sticky": facts.sticky and {"agent": facts.sticky.agent, "talked_at": facts.sticky.talked_at.isoformat()},
            "tasks": [{
                "id": task.id, "kind": task.kind, "state": task.state, "place": task.place, "agent": task.agent,
                "group": task.group, "name": task.name, "note": task.note, "made_by": task.made_by, "why": task.why,
                "asked_by": task.asked_by, "due_at": task.due_at.isoformat(), "made_at": task.made_at.isoformat(),
                "tries": [{"at": one.at.isoformat(), "outcome": one.outcome, "agent": one.agent} for one in task.tries],
            } for task in tasks.of(number)],
            "asked_for": Askers(client).numbers(number),
        })
    return found


def events_of(client: redis.Redis, numbers: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of the stream that name one of the numbers, oldest first, each with its place."""
    place = "-"
    while True:
        with redis_faults(client):
            page = client.xrange(keys.EVENTS, place, count=_PAGE)
        for id_, fields in page:
            payload = fields.get(stream.FIELD, b"")
            if not maybe_in(payload, numbers):
                continue
            try:
                event = stream.decode(payload)
            except ValueError:
                continue  # the recorder has it in quarantine
            if names(event, numbers):
                yield id_.decode(), event
        if len(page) < _PAGE:
            return
        place = f"({page[-1][0].decode()}"


def erase(client: redis.Redis, numbers: Sequence[str], read_until: str | None) -> Removed:
    """Remove all of it; of events those that the recorder has read, up to the place `read_until` (None: all)."""
    done = Removed()
    tasks, askers = Tasks(client), Askers(client)
    for number in numbers:
        for other in askers.numbers(number):
            tasks.change(other, lambda theirs, number=number: task_life.forgotten(theirs, number))
        with redis_faults(client):
            mine = tasks.read(number, client.get(keys.tasks(number)))
            for task in mine:
                done.passing.add(task.id)
                if task.asked_by:
                    askers.give_back(task)
                for list_ in (keys.TASKS_OPEN, keys.TASKS_OVER):
                    client.zrem(list_, member_of(number, task.id))
            for key in (keys.contacts(number), keys.rights(number), keys.sticky(number), keys.heard(number),
                        keys.tasks(number), keys.asked(number)):
                if client.delete(key):
                    done.keys.append(key)
    gone: list[str] = []
    for place, event in events_of(client, numbers):
        done.passing.update(one for one in identities(event) if one in (event.get("call"), event.get("task")))
        if read_until is None or _order(place) <= _order(read_until):
            gone.append(place)
        else:
            done.left += 1
    for start in range(0, len(gone), _PAGE):
        with redis_faults(client):
            done.events += client.xdel(keys.EVENTS, *gone[start: start + _PAGE])
    return done


def _order(place: str) -> tuple[int, int]:
    ms, _, count = place.partition("-")
    return int(ms), int(count or 0)
