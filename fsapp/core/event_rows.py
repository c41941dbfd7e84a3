"""What an event puts into the memory: the calls it tells of, and rows that are its own. Pure: writes nothing.

Rows of calls are made of all that is known of the call (`call_state`, `call_rows`), not of one event. A row of an
event's own has the event's id, so that an event that comes twice is one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fsapp.core.call_state import ABOUT_CALLS, calls_of
from fsapp.core.event_values import count, id_of, plain, real, text, when

__all__ = ["NOTHING", "Put", "Row", "contact_of", "put"]

Event = Mapping[str, Any]
Row = dict[str, Any]


class Put(NamedTuple):
    """`calls`: whose state the event changes. `rows`: (table, row), each written once for ever.

    `task`: a row of `tasks`, which counts if its `told` is greater than that of the row that is there. `status`: a
    row of `agent_statuses`, of which sessions and breaks follow. `sight`: a row of `switch_sights`, the latest counts.
    """

    calls: tuple[str, ...] = ()
    rows: tuple[tuple[str, Row], ...] = ()
    task: Row | None = None
    status: Row | None = None
    sight: Row | None = None


NOTHING = Put()


def put(event: Event) -> Put:
    """What to write of an event; NOTHING of a type that the memory does not keep. ValueError for a malformed one."""
    kind = event.get("type")
    if not isinstance(kind, str):
        raise ValueError("it has no type")
    own = _OWN.get(kind)
    if kind not in ABOUT_CALLS:
        found = own(event) if own is not None else NOTHING
        return found._replace(calls=calls_of(event)) if kind == "attempt" else found
    when(event), id_of(event)  # malformed ones are found before anything is written
    found = own(event) if own is not None else NOTHING
    return found._replace(calls=calls_of(event))


def contact_of(event: Event) -> str | None:
    """The number whose contacts have changed in Redis, where the event tells of that. What they are now it does not."""
    number = event.get("number")
    return number if event.get("type") == "contact" and isinstance(number, str) and number else None


def _contact(event: Event) -> Put:
    when(event), id_of(event), text(event, "number")
    return NOTHING


def _decision(event: Event) -> Put:
    row = {
        "id": id_of(event), "interaction_id": id_of(event, "call"), "at": when(event),
        "visit": count(event, "visit") or 0, "call_class": text(event, "class"), "reason": text(event, "reason"),
        "campaign": text(event, "campaign"), "stage": text(event, "stage"), "line": text(event, "line"),
        "queue": text(event, "queue"), "agent": text(event, "agent"), "base_score": count(event, "base_score"),
        "rules": count(event, "rules"), "degraded": bool(event.get("degraded")),
        "targets": plain(event.get("targets")), "trace": plain(event.get("trace")), "facts": plain(event.get("facts")),
    }
    return Put(rows=(("decisions", row),))


def _flow_end(event: Event) -> Put:
    flow = text(event, "flow")
    if flow is None:  # as of a key that was pressed in a queue
        return NOTHING
    return Put(rows=(("flow_ends", {
        "id": id_of(event), "interaction_id": id_of(event, "call"), "flow": flow, "block": text(event, "block"),
        "end": text(event, "end"), "at": when(event),
    }),))


def _survey(event: Event) -> Put:
    return Put(rows=(("surveys", {
        "id": id_of(event), "interaction_id": text(event, "about") or text(event, "call"),
        "call_id": text(event, "call"), "number": _number(event), "flow": text(event, "flow"),
        "block": text(event, "block"), "value": _shown(event, "value"), "agent": text(event, "agent"),
        "at": when(event),
    }),))


def _voicemail(event: Event) -> Put:
    return Put(rows=(("voicemails", {
        "id": id_of(event), "interaction_id": text(event, "call"), "number": _number(event),
        "flow": text(event, "flow"), "block": text(event, "block"), "line": text(event, "line"),
        "file": text(event, "file", 1024), "at": when(event),
    }),))


def _customer_event(event: Event) -> Put:
    campaign, stage, place = text(event, "campaign"), text(event, "stage"), text(event, "place")
    return Put(rows=(("customer_events", {
        "id": id_of(event), "type": event["type"], "number": text(event, "number"),
        "interaction_id": text(event, "call"), "agent": text(event, "agent"),
        "effect": text(event, "effect") or text(event, "by"), "campaign": campaign, "stage": stage,
        "place": place or (f"{campaign}/{stage}" if campaign and stage else None),
        "expires_at": real(event, "expires_at"), "at": when(event),
    }),))


def _attempt(event: Event) -> Put:
    row = {name: text(event, name) for name in (
        "number", "responsible", "agent", "outcome", "result", "cause", "disposition", "campaign", "stage", "line",
        "contact", "flow")}
    return Put(rows=(("attempts", row | {
        "id": id_of(event), "task_id": text(event, "task"), "at": when(event),
        "interaction_id": text(event, "call") or (id_of(event) if event.get("task") else None),
        "talked_s": real(event, "talked_s"),
    }),))


def _task(event: Event) -> Put:
    at, tries, state = when(event), count(event, "tries") or 0, text(event, "state")
    row = {name: text(event, name) for name in (
        "kind", "state", "number", "place", "campaign", "stage", "line", "contact", "agent", "group", "made_by", "why",
        "flow")}
    over = state not in (None, "open")
    return Put(task=row | {
        "id": id_of(event, "task"), "note": text(event, "note", 4000), "about_id": text(event, "about"),
        "due_at": real(event, "due_at"),
        "expires_at": real(event, "expires_at"), "made_at": real(event, "made_at"), "tries": tries, "changed_at": at,
        "closed_at": at if over else None,
        # What is over stays over; else the one with more tries, else the later one is the newer word.
        "told": f"{over:d}:{tries:06d}:{at:019.6f}:{id_of(event)}",
    })


def _status(event: Event) -> Put:
    return Put(status={
        "id": id_of(event), "agent": id_of(event, "agent"), "switch": text(event, "switch") or "main",
        "status": id_of(event, "status"), "reason": text(event, "reason"), "at": when(event),
    })


def _sight(event: Event) -> Put:
    switch, since = text(event, "switch") or "main", when(event, "since")
    return Put(sight={"id": f"{switch}:{since:.3f}", "switch": switch, "run": text(event, "run"), "started_at": since,
                      "seen_at": when(event)})


def _number(event: Event) -> str | None:
    return text(event, "number") or text(event, "caller")


def _shown(event: Event, name: str) -> str | None:
    value = event.get(name)
    return text({name: value if value is None else str(value)}, name)


_OWN: Mapping[str, Callable[[Event], Put]] = {
    "call_routed": _decision, "call_refused": _decision, "flow_left": _flow_end,
    "survey_answered": _survey, "voicemail_left": _voicemail,
    "direct_callback": _customer_event, "stickiness": _customer_event, "attempt": _attempt, "task": _task,
    "agent_status": _status, "switch_seen": _sight, "contact": _contact,
}
