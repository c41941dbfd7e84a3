"""Random centres and callers for comparing the decision with a second model. Makes documents only; judges nothing."""

from __future__ import annotations

from random import Random
from typing import Any

NUMBERS = [f"+38111555{suffix:04}" for suffix in range(100, 108)]
CALLERS = [f"+38160123{suffix:04}" for suffix in range(4560, 4572)]
AGENTS = [str(1001 + offset) for offset in range(8)]
NOW = 1_800_000_000.0
_DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _some(random: Random, values: list[str], most: int) -> list[str]:
    return random.sample(values, random.randint(0, min(most, len(values))))


def _staff(random: Random, groups: dict[str, Any], chance_of_nobody: float = 0.0) -> dict[str, Any]:
    if random.random() < chance_of_nobody:
        if random.random() < 0.5:
            return {}
        agents = random.sample(AGENTS, 2)
        return {"agents": agents, "priority": dict.fromkeys(agents, 0)}
    spec: dict[str, Any] = {"groups": random.sample(sorted(groups), random.randint(1, len(groups)))}
    if random.random() < 0.3:
        agents = random.sample(AGENTS, 2)
        spec |= {"agents": agents, "priority": {agents[0]: random.randint(0, 10)}}
    return spec


def _stages(random: Random, numbers: list[str], free: list[str], groups: dict[str, Any]) -> dict[str, Any]:
    """1 to 3 stages; `free` are the numbers no new-customers stage has yet."""
    stages: dict[str, Any] = {}
    for index in range(random.randint(1, 3)):
        spec: dict[str, Any] = {"kind": "outbound", "caller_ids": _some(random, numbers, 3)}
        if random.random() < 0.5:
            taken = _some(random, free, 4)
            free[:] = [number for number in free if number not in taken]
            spec = {"kind": "new-customers", "numbers": taken}
            if random.random() < 0.6:
                spec["strict"] = random.random() < 0.8
        if random.random() < 0.7:
            spec["sla_s"] = random.choice([0, 10, 20, 60, 600, 3600])
        if random.random() < 0.6:
            spec["stickiness"] = random.choice(["none", "agent", "group", "agent-then-group"])
        stages[f"stage-{index}"] = spec | _staff(random, groups, 0.5)
    return stages


def random_document(random: Random) -> dict[str, Any]:
    """A sound rules document: several campaigns whose stages share numbers, some with nobody who answers."""
    groups = {f"group{index}": {"agents": random.sample(AGENTS, random.randint(1, 4))} for index in range(3)}
    lines = {f"line-{index}": {"sla_s": random.choice([0, 60, 3600])} | _staff(random, groups) for index in range(3)}
    flows = {"main": {"line": random.choice(sorted(lines))}}
    numbers = random.sample(NUMBERS, random.randint(2, len(NUMBERS)))
    free = list(numbers)
    campaigns = {}
    for index in range(random.randint(1, 3)):
        # What a campaign says of its staff counts only for stages that do not say it themselves.
        campaigns[f"campaign-{index}"] = _staff(random, groups, 0.5) | {"stage": _stages(random, numbers, free, groups)}
    named = {
        number for campaign in campaigns.values() for stage in campaign["stage"].values()
        for number in (*stage.get("caller_ids", ()), *stage.get("numbers", ()))
    }
    entries = []
    for number in numbers:
        entry: dict[str, Any] = {"number": number}
        if random.random() < 0.8:
            entry["priority"] = random.randint(0, 99)
        chance = random.random()
        if chance < 0.35 or (number not in named and chance < 0.8):
            entry["line"] = random.choice(sorted(lines))
        elif chance < 0.5 or number not in named:
            entry["flow"] = "main"
        entries.append(entry)
    fresh = [f"{campaign}/{name}" for campaign, whole in campaigns.items() for name, stage in whole["stage"].items()
             if stage["kind"] == "new-customers"]
    lists = {f"list-{index}": _list(random, groups, lines, fresh) for index in range(random.randint(0, 3))}
    agents = {agent: {"name": f"agent {agent}", "email": f"a{agent}@example.com"} for agent in AGENTS}
    schedules = {f"schedule-{index}": {"timezone": "UTC", "hours": [
        f"{day} 00:00-24:00" for day in random.sample(_DAYS, random.randint(1, 6))]} for index in range(2)}
    _close(random, entries, lines)
    centre: dict[str, Any] = {"region": "RS"}
    if random.random() < 0.6:
        centre["unknown_flow"] = "main"
    return {"centre": centre, "number": entries, "campaign": campaigns, "line": lines, "flow": flows,
            "group": groups, "agent": agents, "list": lists, "schedule": schedules,
            "check": _checks(random, groups, lines, fresh)}


def _lead(random: Random, groups: dict[str, Any], lines: dict[str, Any], fresh: list[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    for key, there in (("agent", AGENTS), ("group", sorted(groups)), ("line", sorted(lines)), ("stage", fresh)):
        if there and random.random() < 0.35:
            spec[key] = random.choice(there)
    return spec


def _list(random: Random, groups: dict[str, Any], lines: dict[str, Any], fresh: list[str]) -> dict[str, Any]:
    numbers = _some(random, CALLERS, 4)
    if random.random() < 0.3:
        numbers.append(random.choice(["+38160*", "+381601234*", "+38160123456*", CALLERS[0][:-1] + "*"]))
    spec: dict[str, Any] = {"numbers": numbers}
    if random.random() < 0.6:
        spec["vip"] = random.randint(0, 9)
    if random.random() < 0.5:
        spec |= _lead(random, groups, lines, fresh)
        if random.random() < 0.3:
            spec["agents"] = random.sample(AGENTS, 2)
    return spec


def _checks(random: Random, groups: dict[str, Any], lines: dict[str, Any], fresh: list[str]) -> list[dict[str, Any]]:
    """A chain of checks: each may lead on to one that stands behind it."""
    checks: list[dict[str, Any]] = []
    count = random.choice([0, 0, 1, 2, 3, 4])
    for place in range(count):
        check: dict[str, Any] = {"name": f"check-{place}", **_lead(random, groups, lines, fresh)}
        if random.random() < 0.7:
            check["from"] = random.sample(["+381601234", "+38160123456", "+38160", "anonymous", "+1"], 2)
        if random.random() < 0.4 or "from" not in check:
            check["to"] = random.sample(["+3811155501", "+38111555", *NUMBERS], 3)
        if random.random() < 0.2:
            check["schedule"] = random.choice(["schedule-0", "schedule-1"])
        if random.random() < 0.4 or not {"agent", "group", "line", "stage"} & check.keys():
            check["next"] = random.choice(["end", *[f"check-{later}" for later in range(place + 1, count)]])
        checks.append(check)
    return checks


def _close(random: Random, entries: list[dict[str, Any]], lines: dict[str, Any]) -> None:
    """Give some lines and numbers a schedule, and where their calls go meanwhile; never in a ring."""
    names = sorted(lines)
    for place, name in enumerate(names):
        if random.random() < 0.3:
            lines[name]["schedule"] = random.choice(["schedule-0", "schedule-1"])
            if place and random.random() < 0.7:
                lines[name]["closed_line"] = random.choice(names[:place])
    for entry in entries:
        if random.random() < 0.15:
            entry["schedule"] = random.choice(["schedule-0", "schedule-1"])
            if random.random() < 0.6:
                entry["closed_line"] = random.choice(names)


def random_customer(random: Random, document: dict[str, Any]) -> dict[str, Any]:
    """A caller (None: withheld), what is known of them, and the number they call (sometimes not ours)."""
    caller = random.choice([*CALLERS, None])
    called = random.choice([entry["number"] for entry in document["number"]])
    if random.random() < 0.1:
        called = random.choice(["+381115559999", None])
    stages = [(name, stage, spec["kind"]) for name, whole in document["campaign"].items()
              for stage, spec in whole["stage"].items()]
    contacts: list[dict[str, Any]] = []
    rights: list[dict[str, Any]] = []
    if caller is not None:
        outbound = [(campaign, stage) for campaign, stage, kind in stages if kind == "outbound"]
        attempts = random.sample(range(1, 1000), len(outbound))
        if attempts and random.random() < 0.3:
            attempts[0] = 0
        contacts = [
            {"campaign": campaign, "stage": stage, "open": random.random() < 0.5, "attempted": attempt or None,
             "agent": random.choice([None, *AGENTS, "9999"])}
            for (campaign, stage), attempt in zip(outbound, attempts, strict=True) if random.random() < 0.45
        ]
        random.shuffle(contacts)
        for offset in random.sample([-100, -1, 0, 1, 60, 3600], random.choice([0, 0, 0, 1, 2])):
            campaign, stage, _ = random.choice([*stages, (None, None, None)])
            rights.append({"agent": random.choice([*AGENTS, "9999"]), "expires": NOW + offset,
                           "campaign": campaign, "stage": stage})
    return {"caller": caller, "called": called, "contacts": contacts, "rights": rights}
