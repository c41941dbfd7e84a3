"""The rows of one call, made of what is known of it (`call_state`): interaction, stays in queues, offers. Pure.

How a call ended, `outcome`, the first of these that is so:

    unreached   a customer we called was not reached
    answered    an agent talked to the caller          abandoned    hung up while waiting in a queue, or between two
    refused     the number is not ours                 transferred  a flow gave the call to somebody outside
    closed      everything was closed                  flow         a flow ended it, or a queue's key
    voicemail   the caller left a message              hung-up      the caller was gone before any of this
    None        the call is not over, or nobody knows  failed       it ended otherwise

A call with legs on other switches is one interaction: its stays and offers are those of all its legs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fsapp.core.call_state import State

__all__ = ["CallRows", "rows_of"]

_ROUTED = ("campaign", "stage", "line", "contact")
_BY_CALLER = frozenset({"", "NORMAL_CLEARING", "ORIGINATOR_CANCEL", "MEDIA_TIMEOUT", "NO_USER_RESPONSE"})
Row = dict[str, Any]


class CallRows(NamedTuple):
    """Rows as maps by column, always of the same columns."""

    interaction: Row
    stays: tuple[Row, ...]
    offers: tuple[Row, ...]


def rows_of(
    call: str, state: State, homes: Mapping[str, State], number_of: Callable[[str], str],
) -> CallRows:
    """The rows of `call`. `homes`: what is known of its legs on other switches. `number_of`: a number in E.164."""
    legs = [state, *(homes[leg] for leg in sorted(homes))]
    stays = sorted((stay for leg in legs for stay in leg.get("stays", {}).items()), key=_order)
    rows = tuple(_stay_row(call, member, stay) for member, stay in stays)
    offers = tuple(row for member, stay in stays for row in _offer_rows(call, member, stay))
    return CallRows(_interaction(call, state, legs, rows, number_of), rows, offers)


def _order(item: tuple[str, State]) -> tuple[float, str]:
    member, stay = item
    return min((fact["at"] for fact in _facts(stay)), default=0.0), member


def _facts(stay: State) -> list[State]:
    return [stay[name] for name in ("joined", "answered", "left", "talked") if name in stay]


def _interaction(
    call: str, state: State, legs: list[State], stays: tuple[Row, ...], number_of: Callable[[str], str],
) -> Row:
    first, last, hung = state.get("first", {}), state.get("last", {}), state.get("hung", {})
    routed = _routed(legs)
    answered = min((row for row in stays if row["answered_at"] is not None), default=None, key=_answer)
    waits = [row["waited_s"] for row in stays if row["waited_s"] is not None]
    talks = [row["talked_s"] for row in stays if row["talked_s"] is not None]
    tried = state.get("tried", {})
    if tried.get("talked_s") is not None:
        talks = [tried["talked_s"]]  # with the customer: the agent was in it before
    started = min(leg["start"] for leg in legs)
    contact = routed.get("contact")
    number = first.get("caller") or state.get("caller") or _said(legs, "number") or hung.get("number")
    if state.get("direction") == "outbound" and contact:
        number = contact.rpartition("/")[2]
    number = hung.get("customer") or number  # a call of ours that stood in line for a customer
    called = first.get("called") or state.get("called") or hung.get("called")
    files = sorted((at, file) for leg in legs for file, at in leg.get("files", {}).items())
    return {
        "id": call, "switch": state.get("switch"), "direction": state.get("direction"),
        "number": number_of(number) if number else None, "name": first.get("name"),
        "called": number_of(called) if called else None, "call_class": routed.get("class"),
        "reason": first.get("reason") or hung.get("reason"), **{name: routed.get(name) for name in _ROUTED},
        "queue": _queue(answered, stays, first, last), "flow": state.get("flow", {}).get("flow"),
        "decision_id": first.get("id") or routed.get("decision"), "rules": first.get("rules"),
        "degraded": bool(first.get("degraded")), "started_at": started,
        "answered_at": answered["answered_at"] if answered else None,
        "ended_at": max(hung["at"], started) if hung else None,
        "waited_s": round(sum(waits), 3) if waits else None, "talked_s": round(sum(talks), 3) if talks else None,
        "lasted_s": hung.get("lasted_s"), "outcome": _outcome(state, legs, stays, bool(answered)),
        "cause": hung.get("cause"), "sticky_agent": first.get("sticky"),
        "agent": answered["agent"] if answered else _of_ended(legs, "agent"),
        "recording": files[0][1] if files else hung.get("file"), "task_id": hung.get("task") or _said(legs, "task"),
        "carried_from": state.get("from"),
        "source": "cdr" if all(leg.get("rank", 2) == 1 for leg in legs) else "stream",
        "recovered": bool(hung.get("rank")) or any(row["recovered"] for row in stays),
    }


def _routed(legs: list[State]) -> State:
    """How the call was decided: as it was told, else as its stays or its hangup have it."""
    if "first" in legs[0]:
        first = legs[0]["first"]
        return {**first, "decision": first["id"]}
    facts = [fact for leg in legs for stay in leg.get("stays", {}).values() for fact in _facts(stay)]
    facts += [leg["hung"] for leg in legs if "hung" in leg]
    known = sorted(facts, key=_rank)
    # A survey call is not decided about: it has its place, and no class.
    asks = (fact for fact in known if fact.get("asks"))
    return next((fact for fact in known if fact.get("class")), None) or next(asks, {})


def _rank(fact: State) -> tuple[int, float, str]:
    return fact["rank"], fact["at"], fact["id"]


def _said(legs: list[State], name: str) -> str | None:
    facts = [fact for leg in legs for stay in leg.get("stays", {}).values() for fact in _facts(stay)]
    return next((fact[name] for fact in sorted(facts, key=_rank) if fact.get(name)), None)


def _of_ended(legs: list[State], name: str) -> str | None:
    return next((leg["ended"][name] for leg in legs if leg.get("ended", {}).get(name)), None)


def _answer(row: Row) -> tuple[float, str]:
    return row["answered_at"], row["id"]


def _queue(answered: Row | None, stays: tuple[Row, ...], first: State, last: State) -> str | None:
    if answered is not None:
        return answered["queue"]
    return (stays[-1]["queue"] if stays else None) or last.get("queue") or first.get("queue")


def _outcome(state: State, legs: list[State], stays: tuple[Row, ...], answered: bool) -> str | None:
    if state.get("tried", {}).get("outcome") == "failed":
        return "unreached"
    hung, last, end = state.get("hung"), state.get("last", {}), state.get("flow", {}).get("end")
    if answered or any("ended" in leg for leg in legs):
        return "answered"
    if any("voicemail" in leg for leg in legs):
        return "voicemail"
    if last.get("refused"):
        return "closed" if (last.get("reason") or "").endswith("closed") else "refused"
    if end == "transfer":
        return "transferred"
    if any(row["outcome"] == "abandoned" for row in stays):
        return "abandoned"
    if hung is None:
        return None
    if stays and stays[-1]["outcome"] is None:
        return "abandoned"
    if end == "hangup" or state.get("key", {}).get("end") == "hangup":
        return "flow"
    if (hung.get("cause") or "") not in _BY_CALLER:
        return "failed"
    # One wait was over and the next had not begun: who is gone then has given up like any other who waits.
    return "abandoned" if stays and stays[-1]["reason"] != "EXIT_WITH_KEY" else "hung-up"


def _stay_row(call: str, member: str, stay: State) -> Row:
    joined, answered, left, talked = (stay.get(name, {}) for name in ("joined", "answered", "left", "talked"))
    talk = answered or talked  # a talk that ended had begun
    outcome = "answered" if talk else ("abandoned" if left["abandoned"] else "left") if left else None
    answered_at = answered.get("at")
    if answered_at is None and talked:
        answered_at = max(0.0, talked["at"] - (talked.get("talked_s") or 0.0))
    ended = answered_at if talk else left.get("at")
    waited = answered.get("waited_s") if talk else left.get("waited_s")
    if waited is None and talk and joined:
        waited = answered_at - joined["at"]
    return {
        "id": member, "interaction_id": call, "switch": stay.get("switch"), "queue": stay.get("queue"),
        "call_class": next((fact["class"] for fact in sorted(_facts(stay), key=_rank) if fact.get("class")), None),
        "joined_at": joined.get("at", None if ended is None or waited is None else ended - waited),
        "left_at": ended, "waited_s": None if waited is None else round(max(0.0, waited), 3), "outcome": outcome,
        "reason": None if talk else left.get("reason"), "agent": answered.get("agent") or talked.get("agent"),
        "answered_at": answered_at, "talk_ended_at": talked.get("at"), "talked_s": talked.get("talked_s"),
        "base_score": joined.get("base_score"),
        "recovered": any(fact.get("rank") for fact in ((joined, answered, talked) if talk else (joined, left))),
    }


def _offer_rows(call: str, member: str, stay: State) -> Iterable[Row]:
    """Each offer with what became of it; an offer that was not told of, but missed, is one too."""
    missed = sorted(stay.get("missed", {}).values(), key=_when)
    offered = sorted(stay.get("offered", {}).values(), key=_when)
    pairs: list[tuple[State | None, State | None]] = []
    for place, offer in enumerate(offered):
        agent, since = offer["agent"], offer["at"]
        until = next((other["at"] for other in offered[place + 1:] if other["agent"] == agent), float("inf"))
        miss = next((one for one in missed if one["agent"] == agent and since <= one["at"] <= until), None)
        if miss is not None:
            missed.remove(miss)
        pairs.append((offer, miss))
    pairs += [(None, miss) for miss in missed]
    pairs.sort(key=lambda pair: _when(pair[0] or pair[1]))
    answered = stay.get("answered", {})
    taken = next((place for place in reversed(range(len(pairs))) if pairs[place][1] is None
                  and pairs[place][0]["agent"] == answered.get("agent", "")), None)
    for place, (offer, miss) in enumerate(pairs):
        known = offer or miss
        yield {
            "id": f"{member}:{place + 1}", "interaction_id": call, "stay_id": member, "switch": stay.get("switch"),
            "queue": stay.get("queue"), "agent": known["agent"], "offered_at": offer["at"] if offer else None,
            "ended_at": miss["at"] if miss else answered["at"] if place == taken else None,
            "outcome": "missed" if miss else "answered" if place == taken else None,
            "cause": miss["cause"] if miss else None,
        }


def _when(fact: State | None) -> tuple[float, str]:
    assert fact is not None
    return fact["at"], fact["id"]
