"""A plain second opinion on whom a caller waits for, in order. Shares no code and no types with fsapp.core.

`there` says of each agent "free", "busy" or "away"; who is not in it may be anything. `sticky` is a list of talks, each
with `place`, `agent` and `at`, in no order.
"""

from __future__ import annotations

from random import Random
from typing import Any

DAY = 86_400
AGENT_WAIT = GROUP_WAIT = 20


def second_waits(
    document: dict[str, Any], opinion: dict[str, Any], right: str | None, responsible: str | None,
    sticky: list[dict[str, Any]], there: dict[str, str], now: float, by_flow: bool = False,
) -> list[tuple[str, int | None]]:
    """Queues without their domain, each with the seconds waited there. `opinion`: the second model's on the class."""
    usual = "any" if by_flow else "wait"
    spec, staff = _place(document, opinion)
    found: list[str] = []

    def agent(id_: str | None, free_only: bool = False) -> None:
        known = id_ in document["agent"] and staff.get(id_) != 0
        gone = there.get(id_) == "away" or (free_only and there.get(id_) == "busy")
        if known and not gone and f"agent-{id_}" not in found:
            found.append(f"agent-{id_}")

    def several(queue: str, ids: list[str], free_only: bool = False) -> None:
        said = [there.get(id_, "unknown") for id_ in ids]
        if all(one == "away" for one in said) and said:
            return
        if free_only and all(one in ("away", "busy") for one in said):
            return
        if queue not in found:
            found.append(queue)

    agent(right)
    agent(responsible)
    for person in opinion["people"]:
        kind, _, name = person.partition("-")
        if kind == "agent":
            agent(name)
        elif kind == "group":
            several(person, document["group"][name]["agents"])
        else:
            several(person, document["list"][name]["agents"])
    kind = spec.get("stickiness", "none")
    talked = _talked(document, spec, opinion, sticky, now)
    if kind != "none" and talked is not None:
        free_only = spec.get("sticky_busy", document["centre"].get("sticky_busy", usual)) == "any"
        if kind != "group":
            agent(talked, free_only)
        if kind != "agent":
            group = _group_of(document, talked, staff)
            if group is not None:
                several(f"group-{group}", document["group"][group]["agents"], free_only)
    last = f"{opinion['campaign']}.{opinion['stage']}" if opinion["stage"] else opinion["line"]
    waits: list[tuple[str, int | None]] = [(queue, AGENT_WAIT if queue.startswith("agent-") else GROUP_WAIT)
                                           for queue in found]
    return [*waits, (last, None)]


def _place(document: dict[str, Any], opinion: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    """What is said of the stage or line, and who serves it with which priority."""
    if opinion["line"]:
        spec = document["line"][opinion["line"]]
    else:
        campaign = document["campaign"][opinion["campaign"]]
        spec = {**campaign, **campaign["stage"][opinion["stage"]]}
    ids = [id_ for group in spec.get("groups", []) for id_ in document["group"][group]["agents"]]
    return spec, {id_: spec.get("priority", {}).get(id_, 5) for id_ in [*ids, *spec.get("agents", [])]}


def _talked(
    document: dict[str, Any], spec: dict[str, Any], opinion: dict[str, Any], sticky: list[dict[str, Any]], now: float,
) -> str | None:
    scope = spec.get("sticky_scope", document["centre"].get("sticky_scope", "centre"))
    days = spec.get("sticky_days", document["centre"].get("sticky_days", 90))
    here = opinion["line"] or f"{opinion['campaign']}/{opinion['stage']}"

    def counts(place: str) -> bool:
        same_campaign = opinion["campaign"] is not None and place.split("/")[0] == opinion["campaign"] and "/" in place
        return scope == "centre" or place == here or (scope == "campaign" and same_campaign)

    last = max((talk for talk in sticky if counts(talk["place"])), key=lambda talk: talk["at"], default=None)
    return last["agent"] if last and now - last["at"] < days * DAY else None


def _group_of(document: dict[str, Any], agent: str, staff: dict[str, int]) -> str | None:
    mine = [name for name, group in document["group"].items() if agent in group["agents"]]
    whole = [name for name in mine if staff and set(document["group"][name]["agents"]) <= set(staff)]
    return (whole or mine or [None])[0]


def say_of_stickiness(random: Random, document: dict[str, Any]) -> None:
    """Let a random centre say something of stickiness, at any of the places where it may."""
    stages = [stage for campaign in document["campaign"].values() for stage in campaign["stage"].values()]
    for spec in (document["centre"], *document["campaign"].values(), *stages, *document["line"].values()):
        if random.random() < 0.3:
            spec["sticky_busy"] = random.choice(["wait", "any"])
        if random.random() < 0.3:
            spec["sticky_scope"] = random.choice(["centre", "campaign", "place"])
        if random.random() < 0.2:
            spec["sticky_days"] = random.choice([1, 10, 90])
    for spec in (*stages, *document["line"].values()):
        spec["stickiness"] = random.choice(["none", "agent", "group", "agent-then-group", "agent-then-group"])


def some_talks(random: Random, document: dict[str, Any]) -> list[tuple[str, int]]:
    """Places where somebody talked, with how long ago in seconds, each different."""
    places = [*document["line"], *(f"{campaign}/{stage}" for campaign, whole in document["campaign"].items()
                                   for stage in whole["stage"])]
    chosen = random.sample(places, random.randint(0, min(4, len(places))))
    return list(zip(chosen, random.sample(range(1, 20 * DAY, 7919), len(chosen)), strict=True))
