"""A plain second opinion on what a call is, written from the design alone. Shares no code and no types with fsapp.core.

It is naive on purpose: it walks the rules document and lists of dicts from the top for every call. Numbers are E.164
text or None (withheld, or nothing anybody could dial); times are plain numbers.
"""

from __future__ import annotations

from typing import Any

BANDS = {"callback": 300_000_000, "new-customer": 200_000_000, "service": 100_000_000}


def second_opinion(
    document: dict[str, Any], caller: str | None, called: str | None, contacts: list[dict[str, Any]],
    rights: list[dict[str, Any]], now: float,
) -> dict[str, Any]:
    """Class, campaign, stage, line, contact and score of a call. `contacts` and `rights` are those of the caller."""
    entry = next((number for number in document["number"] if number["number"] == called), None)
    right = _last_right(document, rights, now)
    if entry is None:
        if right is not None and right["stage"] is not None:
            return _at_stage(document, "callback", right["campaign"], right["stage"], caller, {}, None)
        return _default(document, caller, 0)
    outbound = [(c, s) for c, s, spec in _stages(document) if called in spec.get("caller_ids", [])]
    fresh = next(((c, s) for c, s, spec in _stages(document) if called in spec.get("numbers", [])), None)
    line = entry.get("line") or (document["flow"][entry["flow"]]["line"] if "flow" in entry else None)

    # 1. an open contact of an outbound stage behind the number, the most recently attempted one
    behind = [contact for contact in contacts if (contact["campaign"], contact["stage"]) in outbound]
    opened = [contact for contact in behind if contact["open"]]
    if opened:
        contact = max(opened, key=lambda one: -1 if one["attempted"] is None else one["attempted"])
        return _at_stage(document, "callback", contact["campaign"], contact["stage"], caller, entry, contact)

    # ... or somebody with a live right to call back, who goes to the right's stage, else to what the number is for
    if right is not None:
        if right["stage"] is not None:
            return _at_stage(document, "callback", right["campaign"], right["stage"], caller, entry, None)
        if outbound:
            return _at_stage(document, "callback", *outbound[0], caller, entry, None)
        if line is not None:
            return _at_line(document, "callback", line, caller, entry.get("priority", 0))
        return _at_stage(document, "callback", *fresh, caller, entry, None)

    # 2. the number belongs to a new-customers stage, and the caller is no contact behind it
    if fresh is not None and not behind:
        strict = document["campaign"][fresh[0]]["stage"][fresh[1]].get("strict", False)
        if strict or line is None or _somebody_answers(document, *fresh):
            return _at_stage(document, "new-customer", *fresh, caller, entry, None)

    # 3. everything else that has a service line
    if line is not None:
        return _at_line(document, "service", line, caller, entry.get("priority", 0))
    return _default(document, caller, entry.get("priority", 0))


def _last_right(document: dict[str, Any], rights: list[dict[str, Any]], now: float) -> dict[str, Any] | None:
    """The live right that lasts longest; one to an agent who has left is none."""
    live = [right for right in rights if right["expires"] > now and right["agent"] in document["agent"]]
    return max(live, key=lambda one: one["expires"], default=None)


def _stages(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (campaign, stage, spec)
        for campaign, whole in document["campaign"].items() for stage, spec in whole["stage"].items()
    ]


def _somebody_answers(document: dict[str, Any], campaign: str, stage: str) -> bool:
    whole = document["campaign"][campaign]
    spec = whole["stage"][stage]
    groups = spec["groups"] if "groups" in spec else whole.get("groups", [])
    agents = list(spec["agents"] if "agents" in spec else whole.get("agents", []))
    priority = spec["priority"] if "priority" in spec else whole.get("priority", {})
    for group in groups:
        agents += document["group"][group]["agents"]
    return any(priority.get(agent, 5) > 0 for agent in agents)


def _vip(document: dict[str, Any], caller: str | None) -> int:
    return max([entry["vip"] for entry in document["list"].values() if caller in entry["numbers"]], default=0)


def _score(document: dict[str, Any], call_class: str, caller: str | None, priority: int, sla: int) -> int:
    return BANDS[call_class] + 10_000_000 * _vip(document, caller) + 100_000 * priority + 3600 - sla


def _at_stage(
    document: dict[str, Any], call_class: str, campaign: str, stage: str, caller: str | None, entry: dict[str, Any],
    contact: dict[str, Any] | None,
) -> dict[str, Any]:
    sla = document["campaign"][campaign]["stage"][stage].get("sla_s", 60)
    return {
        "class": call_class, "campaign": campaign, "stage": stage, "line": None,
        "contact": f"{campaign}/{stage}/{caller}" if contact else None,
        "score": _score(document, call_class, caller, entry.get("priority", 0), sla),
    }


def _at_line(document: dict[str, Any], call_class: str, line: str, caller: str | None, priority: int) -> dict[str, Any]:
    sla = document["line"][line].get("sla_s", 60)
    return {"class": call_class, "campaign": None, "stage": None, "line": line, "contact": None,
            "score": _score(document, call_class, caller, priority, sla)}


def _default(document: dict[str, Any], caller: str | None, priority: int) -> dict[str, Any]:
    flow = document["centre"].get("unknown_flow")
    if flow is not None:
        return _at_line(document, "service", document["flow"][flow]["line"], caller, priority)
    return {"class": None, "campaign": None, "stage": None, "line": None, "contact": None, "score": None}
