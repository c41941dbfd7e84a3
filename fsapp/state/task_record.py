"""A customer's tasks as they are written down, and read back. Asks nobody.

A msgpack list of maps, in which what is as it mostly is is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, get_type_hints

import msgpack

from fsapp.core.task import Task, TaskKind, TaskState, Try, TryOutcome
from fsapp.state.contacts import Visibility

__all__ = ["pack_tasks", "shown", "unpack_tasks"]

_TIMES = frozenset({"due_at", "expires_at", "made_at", "since", "closed_at"})
_DEFAULTS = {field.name: field.default for field in fields(Task)}
_IS = {name: kind for name, kind in get_type_hints(Task).items() if name != "tries"}
_IS_OF_TRY = get_type_hints(Try) | {"talked_s": float | int}


def pack_tasks(tasks: Iterable[Task]) -> bytes:
    """b"" (no key at all) for none."""
    values = [_packed(task) for task in tasks]
    return msgpack.packb(values) if values else b""


def _packed(task: Task) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, default in _DEFAULTS.items():
        value = getattr(task, name)
        if name == "number" or value == default:
            continue
        if name == "tries":
            value = [[one.id, one.at.timestamp(), one.outcome.value, *one[3:]] for one in value]
        found[name] = value.timestamp() if name in _TIMES else value
    return found


def unpack_tasks(number: str, value: bytes) -> tuple[Task, ...]:
    """The tasks of the customer with this number. ValueError, TypeError and their like for what are none."""
    try:
        return tuple(_unpacked(number, found) for found in msgpack.unpackb(value))
    except (KeyError, AttributeError) as error:
        raise ValueError(f"no tasks: {error!r}") from None


def _unpacked(number: str, found: dict[str, Any]) -> Task:
    known = {name: value for name, value in found.items() if name in _DEFAULTS}
    known |= {name: datetime.fromtimestamp(known[name], UTC) for name in _TIMES if known.get(name) is not None}
    known["kind"] = TaskKind(known["kind"])
    known["state"] = TaskState(known.get("state", TaskState.OPEN))
    known["tries"] = tuple(_try(*one) for one in known.get("tries", ()))
    return Task(number=number, **_looked_at(known, _IS))


def _try(id_: object, at: float, outcome: str, *more: Any) -> Try:
    found = Try(str(id_), datetime.fromtimestamp(at, UTC), TryOutcome(outcome), *more)
    _looked_at(found._asdict(), _IS_OF_TRY)
    return found


def _looked_at(found: dict[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The same. TypeError where a value is of another kind: one odd record must not stop those who read all of them."""
    for name, kind in kinds.items():
        if name in found and not isinstance(found[name], kind):
            raise TypeError(f"{name} is {found[name]!r:.40}")
    return found


def shown(tasks: tuple[Task, ...], visibility: Visibility) -> tuple[Task, ...]:
    """Those that readers see: none of an import that is not finished, and of one contact's only the last import's."""
    if not any(task.batch for task in tasks):
        return tasks
    seen = tuple(task for task in tasks if not visibility.hides(task.batch))
    last = {task.contact: task.batch for task in sorted(seen, key=_batch) if task.batch}
    return tuple(task for task in seen if not task.batch or not task.open or task.batch == last[task.contact])


def _batch(task: Task) -> int:
    return task.batch
