"""A plain second opinion on what a call is, written from the design alone. Shares no code and no types with fsapp.core.

It is naive on purpose: it walks the rules document and lists of dicts from the top for every call. Numbers are E.164
text or None (withheld, or nothing anybody could dial); times are plain numbers.
"""

from __future__ import annotations

from typing import Any

NOBODY = {"class": None, "campaign": None, "stage": None, "line": None, "contact": None, "score": None}
BANDS = {"callback": 300_000_000, "new-customer": 200_000_000, "service": 100_000_000}


def second_opinion(
    document: dict[str, Any], caller: str | None, called: str | None, contacts: list[dict[str, Any]],
    rights: list[dict[str, Any]], now: float,
) -> dict[str, Any]:
    """Class, campaign, stage, line, contact and score of a call. `contacts` and `rights` are those of the caller.

    `people`: the agents, lists and groups that lists and checks put before the queue, in their order.
    """
    leads, people = _leads(document, caller, called, now)
    found = _class(document, caller, called, contacts, rights, now, leads)
    return found | {"people": people if found["class"] else []}


def _class(
    document: dict[str, Any], caller: str | None, called: str | None, contacts: list[dict[str, Any]],
    rights: list[dict[str, Any]], now: float, leads: list[dict[str, Any]],
) -> dict[str, Any]:
    entry = next((number for number in document["number"] if number["number"] == called), None)
    right = _last_right(document, rights, now)
    if entry is None:
        if right is not None and right["stage"] is not None:
            return _at_stage(document, "callback", right["campaign"], right["stage"], caller, {}, None)
        return _service(document, caller, _default_line(document), 0, leads, now)
    outbound = [(c, s) for c, s, spec in _stages(document) if called in spec.get("caller_ids", [])]
    fresh = next(((c, s) for c, s, spec in _stages(document) if called in spec.get("numbers", [])), None)
    line = entry.get("line") or (document["flow"][entry["flow"]]["line"] if "flow" in entry else None)
    closed = "schedule" in entry and not _is_open(document, entry["schedule"], now)

    # 0. out of hours it does not matter who calls; but who has no class is nobody's business
    if closed:
        known = [one for one in contacts if (one["campaign"], one["stage"]) in outbound and one["open"]]
        anything = known or right or fresh or line or _default_line(document)
        return _at_open_line(document, "service", entry.get("closed_line") if anything else None, caller,
                             entry.get("priority", 0), now)

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
            return _at_open_line(document, "callback", line, caller, entry.get("priority", 0), now)
        return _at_stage(document, "callback", *fresh, caller, entry, None)

    # 2. the number belongs to a new-customers stage, and the caller is no contact behind it
    if fresh is not None and not behind:
        strict = document["campaign"][fresh[0]]["stage"][fresh[1]].get("strict", False)
        if strict or line is None or _somebody_answers(document, *fresh):
            led = next((lead["stage"].split("/") for lead in leads if "stage" in lead), fresh)
            return _at_stage(document, "new-customer", *led, caller, entry, None)

    # 3. everything else that has a service line
    return _service(document, caller, line or _default_line(document), entry.get("priority", 0), leads, now)


def _service(
    document: dict[str, Any], caller: str | None, line: str | None, priority: int, leads: list[dict[str, Any]],
    now: float,
) -> dict[str, Any]:
    if line is None:
        return dict(NOBODY)
    line = next((lead["line"] for lead in leads if "line" in lead), line)
    return _at_open_line(document, "service", line, caller, priority, now)


def _at_open_line(
    document: dict[str, Any], call_class: str, line: str | None, caller: str | None, priority: int, now: float,
) -> dict[str, Any]:
    """That line, or while it is closed the one it names, and so on."""
    while line is not None and not _is_open(document, document["line"][line].get("schedule"), now):
        line = document["line"][line].get("closed_line")
    return dict(NOBODY) if line is None else _at_line(document, call_class, line, caller, priority)


def _is_open(document: dict[str, Any], schedule: str | None, now: float) -> bool:
    """Only whole days in UTC are understood here: the calendar is tested elsewhere."""
    if schedule is None:
        return True
    today = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][int(now // 86_400) % 7]  # day 0 was a Thursday
    return any(hours.split()[0] == today for hours in document["schedule"][schedule]["hours"])


def _leads(
    document: dict[str, Any], caller: str | None, called: str | None, now: float,
) -> tuple[list[dict[str, Any]], list[str]]:
    """What leads the caller: the list that knows the number best, then the checks that fit; and whom to, in order."""
    def how_well(entry: dict[str, Any]) -> int:
        fits = [len(number) + 100 * (number == caller) for number in entry["numbers"]
                if number == caller or (number[-1] == "*" and caller and caller.startswith(number[:-1]))]
        return max(fits, default=0)

    leading = [name for name, entry in sorted(document["list"].items())
               if how_well(entry) and {"agent", "agents", "group", "line", "stage"} & entry.keys()]
    leads = []
    if leading:
        best = max(leading, key=lambda name: how_well(document["list"][name]))  # the first of equals
        leads.append(document["list"][best] | {"list": best})
    checks = document.get("check", [])
    left = list(checks)
    while left:
        check = left.pop(0)
        begins = ("from" not in check or any((caller or "anonymous").startswith(one) for one in check["from"]))
        ends = "to" not in check or any((called or "").startswith(one) for one in check["to"])
        if begins and ends and _is_open(document, check.get("schedule"), now):
            leads.append(check)
            left = [one for place, one in enumerate(checks)
                    if place >= next((at for at, other in enumerate(checks)
                                      if "next" in check and other.get("name") == check["next"]), len(checks))]
    people: list[str] = []
    for lead in leads:
        people += [f"agent-{lead['agent']}"] if "agent" in lead else []
        people += [f"list-{lead['list']}"] if "list" in lead and "agents" in lead else []
        people += [f"group-{lead['group']}"] if "group" in lead else []
    return leads, list(dict.fromkeys(people))


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
    return max([
        entry.get("vip", 0) for entry in document["list"].values()
        if caller and any(caller == one or (one[-1] == "*" and caller.startswith(one[:-1])) for one in entry["numbers"])
    ], default=0)


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


def _default_line(document: dict[str, Any]) -> str | None:
    flow = document["centre"].get("unknown_flow")
    return None if flow is None else document["flow"][flow]["line"]
