"""What is known of one call, put together of its events: in any order, however often each comes. Pure.

A state is a map of plain values that only `learn` changes. It keeps, of everything that happens once, the best fact:
what an event told beats what the switch's record of the call says (`cdr`), which beats what was found after a gap
(`recovered`); among equals the earlier. So the same events give the same state whatever their order.

    first, last   the first and the last decision      stays     by member: joined, answered, left, talked,
    hung          the hangup                                      offered and missed by the event's id
    flow          how the last flow ended              files     recordings, with when each began
    ended         the visit that found it answered     voicemail when a message was left
    tried         the try at a task that it was
    caller, called                                    as visits have them
    homes, from   the call's legs on other switches, and the call that this one is such a leg of
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fsapp.core.event_values import count, id_of, real, text, when

__all__ = ["ABOUT_CALLS", "State", "calls_of", "learn"]

State = dict[str, Any]
Event = Mapping[str, Any]

_TOLD, _RECORD, _FOUND = 0, 1, 2  # how good a fact is
_ROUTED = ("class", "decision", "campaign", "stage", "line", "contact", "task")
_DECIDED = ("caller", "name", "called", "class", "reason", "campaign", "stage", "line", "contact", "queue", "agent")


def calls_of(event: Event) -> tuple[str, ...]:
    """The calls whose states an event changes: its own, and the one it is a leg of. ValueError.

    A try at a task has the id of the call that stood in line for it.
    """
    if event["type"] == "attempt":
        return (id_of(event),) if event.get("task") else ()
    call, origin = id_of(event, "call"), _origin(event)
    return (call, origin) if origin and origin != call else (call,)


def learn(state: State, call: str, event: Event) -> bool:
    """Put an event into the state of `call`, one of `calls_of`; whether that changed anything.

    ValueError for an event that is not what its type should be; the state is then as it was.
    """
    if event["type"] == "attempt":
        return _tried(state, event)
    started, own = _started(event), id_of(event, "call")
    if own != call:
        return _add(state, "homes", own) | _least(state, "start", started)
    rule = ABOUT_CALLS[event["type"]]
    rank = _RECORD if event.get("cdr") else _FOUND if event.get("recovered") else _TOLD
    fact: State = {"rank": rank, "at": when(event), "id": id_of(event)}
    origin = _origin(event)
    least = {"start": started, "rank": rank, "switch": text(event, "switch"), "direction": text(event, "direction"),
             "caller": text(event, "caller"), "called": text(event, "called") if "caller" in event else None,
             "from": origin if origin != call else None}
    changed = rule(state, fact, event)
    for name, value in least.items():
        changed |= _least(state, name, value)
    return changed


def _started(event: Event) -> float:
    """When the call was there already."""
    lasted = (real(event, "lasted_s") or 0.0) if event.get("type") == "call_hung_up" else 0.0
    return max(0.0, when(event) - max(0.0, lasted))


def _origin(event: Event) -> str | None:
    """The call that this one is a leg of, on the home switch of its queue."""
    if event.get("type") == "call_arrived":
        return text(event, "carried_call")
    variables = event.get("variables")
    return text(variables, "fsapp_carried_call") if isinstance(variables, Mapping) else None


# One rule for each type


def _decided(state: State, fact: State, event: Event) -> bool:
    refused = event["type"] == "call_refused"
    facts = event.get("facts")
    sticky = facts.get("sticky") if isinstance(facts, Mapping) else None
    fact |= {name: value for name in _DECIDED if (value := text(event, name)) is not None}
    fact |= {"refused": refused, "rules": count(event, "rules"), "degraded": bool(event.get("degraded"))}
    if isinstance(sticky, (list, tuple)) and sticky and isinstance(sticky[0], str):
        fact["sticky"] = sticky[0]
    last = {name: fact[name] for name in ("rank", "at", "id", "refused", "reason", "queue", "line") if name in fact}
    return _best(state, "first", fact) | _best(state, "last", last, later=True)


def _joined(state: State, fact: State, event: Event) -> bool:
    fact |= {"number": text(event, "number"), "base_score": count(event, "base_score"), **_as_routed(event)}
    return _stay(state, "joined", fact, event)


def _answered(state: State, fact: State, event: Event) -> bool:
    fact |= {"number": text(event, "number"), "agent": text(event, "agent"), "waited_s": real(event, "waited_s"),
             **_as_routed(event)}
    return _stay(state, "answered", fact, event)


def _talked(state: State, fact: State, event: Event) -> bool:
    fact |= {"number": text(event, "number"), "agent": text(event, "agent"), "talked_s": real(event, "talked_s"),
             **_as_routed(event)}
    return _stay(state, "talked", fact, event)


def _left(state: State, fact: State, event: Event) -> bool:
    fact |= {"abandoned": event["type"] == "call_abandoned", "number": text(event, "number"),
             "reason": text(event, "reason"), "waited_s": real(event, "waited_s"), **_as_routed(event)}
    return _stay(state, "left", fact, event)


def _offered(state: State, fact: State, event: Event) -> bool:
    return _many(state, "offered", fact | {"agent": text(event, "agent")}, event)


def _missed(state: State, fact: State, event: Event) -> bool:
    return _many(state, "missed", fact | {"agent": text(event, "agent"), "cause": text(event, "cause")}, event)


def _hung_up(state: State, fact: State, event: Event) -> bool:
    variables = event.get("variables")
    given = variables if isinstance(variables, Mapping) else {}
    fact |= {name: text(event, name) for name in ("number", "called", "cause")}
    fact |= {"lasted_s": real(event, "lasted_s"), "answered_s": real(event, "answered_s"),
             "file": text(given, "fsapp_recording"), "reason": text(given, "fsapp_reason"),
             "customer": text(given, "fsapp_customer"), "asks": text(given, "fsapp_asks")}
    fact |= {name: value for name in _ROUTED if (value := text(given, f"fsapp_{name}")) is not None}
    return _best(state, "hung", fact)


def _flow(state: State, fact: State, event: Event) -> bool:
    return _best(state, "flow", fact | {"flow": text(event, "flow"), "end": text(event, "end")}, later=True)


def _key(state: State, fact: State, event: Event) -> bool:
    """How somebody left a queue by its key: to be called back, or to wait on."""
    return _best(state, "key", fact | {"end": text(event, "end")}, later=True)


def _ended(state: State, fact: State, event: Event) -> bool:
    return _best(state, "ended", fact | {"queue": text(event, "queue"), "agent": text(event, "agent")})


def _voicemail(state: State, fact: State, event: Event) -> bool:
    return _best(state, "voicemail", fact)


def _file(state: State, fact: State, event: Event) -> bool:
    file = text(event, "file", 1024)
    if file is None:
        return False
    return _least(state.setdefault("files", {}), file, fact["at"])


def _only_there(_state: State, _fact: State, _event: Event) -> bool:
    """It tells only that the call is there."""
    return False


ABOUT_CALLS: Mapping[str, Callable[[State, State, Event], bool]] = {
    "call_routed": _decided, "call_refused": _decided, "call_carried": _only_there, "call_arrived": _only_there,
    "call_ended": _ended, "flow_left": _flow, "key_left": _key, "survey_answered": _only_there,
    "voicemail_left": _voicemail,
    "queue_joined": _joined, "agent_offered": _offered, "agent_missed": _missed, "call_answered": _answered,
    "talk_ended": _talked, "call_abandoned": _left, "call_left_queue": _left, "call_hung_up": _hung_up,
    "recording_started": _file, "recording_stopped": _only_there,
}


def _tried(state: State, event: Event) -> bool:
    """How a call of ours in line for a customer went. There may be no call: then it makes none.

    One that was given up for lost may have reached the customer after all.
    """
    outcome = text(event, "outcome")
    return _best(state, "tried", {
        "rank": _FOUND if outcome == "failed" else _TOLD, "at": when(event), "id": id_of(event), "outcome": outcome,
        "talked_s": real(event, "talked_s")})


# How facts are put together


def _stay(state: State, name: str, fact: State, event: Event) -> bool:
    stay, changed = _stay_of(state, event)
    return _best(stay, name, fact) | changed


def _many(state: State, name: str, fact: State, event: Event) -> bool:
    stay, changed = _stay_of(state, event)
    return _best(stay.setdefault(name, {}), fact["id"], fact) | changed


def _stay_of(state: State, event: Event) -> tuple[State, bool]:
    """What is known of the stay that an event tells of, and whether that is new."""
    member, queue, switch = id_of(event, "member"), text(event, "queue"), text(event, "switch")
    stays = state.setdefault("stays", {})
    new = member not in stays
    stay = stays.setdefault(member, {})
    return stay, new | _least(stay, "queue", queue) | _least(stay, "switch", switch)


def _as_routed(event: Event) -> State:
    return {name: value for name in _ROUTED if (value := text(event, name)) is not None}


def _best(slots: State, name: str, fact: State, *, later: bool = False) -> bool:
    """Keep the better of two facts; `later`: among equally good ones the later."""
    old = slots.get(name)
    if old is not None and (old == fact or _worse(fact, old, later=later)):
        return False
    slots[name] = fact
    return True


def _worse(fact: State, old: State, *, later: bool) -> bool:
    mine, theirs = (fact["at"], fact["id"]), (old["at"], old["id"])
    if fact["rank"] != old["rank"]:
        return fact["rank"] > old["rank"]
    if mine != theirs:
        return mine < theirs if later else mine > theirs
    # The same fact told in two ways: whichever, but always the same one.
    return repr(sorted(fact.items(), key=str)) > repr(sorted(old.items(), key=str))


def _least(slots: State, name: str, value: Any) -> bool:
    if value is None or (name in slots and slots[name] <= value):
        return False
    slots[name] = value
    return True


def _add(state: State, name: str, value: str) -> bool:
    found = state.setdefault(name, [])
    if value in found:
        return False
    found.append(value)
    found.sort()
    return True
