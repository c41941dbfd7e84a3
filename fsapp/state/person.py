"""What Redis holds of one person, by numbers: contacts, rights, stickiness, tasks, events. Read, and removed.

Where the event stream is not read to its end yet, what is left of it is for who reads it (`records.erasures`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any

import redis

from fsapp.core import task_life
from fsapp.core.erased import identities, maybe_in, names
from fsapp.state import keys, stream
from fsapp.state.askers import Askers
from fsapp.state.connection import redis_faults
from fsapp.state.contacts import Contacts
from fsapp.state.customers import Customers
from fsapp.state.tasks import Tasks, member_of

__all__ = ["OWN", "Removed", "erase", "events_of", "known"]

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


# What is kept of a number by keys of its own: in an export each has its name, an erasure removes all of them.
OWN: Mapping[str, Callable[[str], str]] = {
    "contacts": keys.contacts, "rights": keys.rights, "sticky": keys.sticky, "heard": keys.heard, "tasks": keys.tasks,
    "asked": keys.asked,
}


def known(client: redis.Redis, numbers: Sequence[str]) -> list[dict[str, Any]]:
    """What is kept of each number, by the names in OWN, as JSON has it."""
    found = []
    for number in numbers:
        customer, heard = Customers(client).whole(number)
        found.append({"number": number, **_plain({
            "contacts": Contacts(client).get(number), "rights": customer.rights, "sticky": customer.sticky,
            "heard": heard, "tasks": Tasks(client).of(number), "asked": Askers(client).numbers(number)})})
    return found


def events_of(
    client: redis.Redis, numbers: Sequence[str], calls: Collection[str] = (),
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of the stream that name one of the numbers or calls, oldest first, each with its place."""
    place, ids = "-", frozenset(calls)
    while True:
        with redis_faults(client):
            page = client.xrange(keys.EVENTS, place, count=_PAGE)
        for id_, entry in page:
            payload = entry.get(stream.FIELD, b"")
            if not ids and not maybe_in(payload, numbers):
                continue
            try:
                event = stream.decode(payload)
            except ValueError:
                continue  # the recorder has it in quarantine
            if names(event, numbers) or not ids.isdisjoint(identities(event)):
                yield id_.decode(), event
        if len(page) < _PAGE:
            return
        place = f"({page[-1][0].decode()}"


def erase(
    client: redis.Redis, numbers: Sequence[str], read_until: str | None, calls: Collection[str] = (),
) -> Removed:
    """Remove all of it; of events those that the recorder has read, up to the place `read_until` (None: all).

    `calls`: whose events go as well, under whatever number they were.
    """
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
            for key in (of(number) for of in OWN.values()):
                if client.delete(key):
                    done.keys.append(key)
    gone: list[str] = []
    for place, event in events_of(client, numbers, calls):
        done.passing.update(one for one in identities(event) if one in (event.get("call"), event.get("task")))
        if read_until is None or _order(place) <= _order(read_until):
            gone.append(place)
        else:
            done.left += 1
    for start in range(0, len(gone), _PAGE):
        with redis_faults(client):
            done.events += client.xdel(keys.EVENTS, *gone[start: start + _PAGE])
    return done


def _plain(value: Any) -> Any:
    """A value of ours as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _order(place: str) -> tuple[int, int]:
    ms, _, count = place.partition("-")
    return int(ms), int(count or 0)
