"""A second model of what follows from an interaction: written from docs/follow-ups.md, rule by rule on plain maps."""

from __future__ import annotations

from typing import Any

__all__ = ["expected"]

_EQUAL = {"channel": "channel", "direction": "direction", "class": "call_class", "outcome": "outcome",
          "campaign": "campaign", "line": "line", "disposition": "disposition"}


def expected(call: dict[str, Any], rules: list[dict[str, Any]], lists: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """What follows: (ticket, mode, rule), (tag, TAG) for tags it did not have, (task|webhook|..., rule, name)."""
    tags = set(call["tags"])
    fitting: list[dict[str, Any]] = []
    for _round in range(len(rules) + 1):
        fitting = [rule for rule in rules if _fits(call, rule, tags, lists)]
        tags |= {tag for rule in fitting for tag in rule.get("tags", [])}
    found: set[tuple[str, ...]] = {("tag", tag) for tag in tags - set(call["tags"])}
    for rule in fitting:
        if "ticket" in rule:
            if rule["ticket"] != "none":
                found.add(("ticket", rule["ticket"], rule["name"]))
            break
    for rule in fitting:
        found |= {(what, rule["name"], rule[what]) for what in ("webhook", "email") if what in rule}
        found |= {("task", rule["name"], "")} if "task" in rule else set()
        found |= {("survey", rule["name"], rule["survey"])} if "survey" in rule else set()
    return found


def _fits(call: dict[str, Any], rule: dict[str, Any], tags: set[str], lists: dict[str, set[str]]) -> bool:
    if "survey" in rule and call["reason"] == "survey":
        return False
    for key, name in _EQUAL.items():
        if key in rule and call[name] not in rule[key]:
            return False
    if "stage" in rule and f"{call['campaign']}/{call['stage']}" not in rule["stage"]:
        return False
    if "queue" in rule:
        queue = call["queue"] or ""
        if queue not in rule["queue"] and queue.split("@")[0] not in rule["queue"]:
            return False
    if "tag" in rule and not tags & set(rule["tag"]):
        return False
    if "list" in rule and not any(call["number"] in lists[name] for name in rule["list"]):
        return False
    for what in ("talked", "waited"):
        seconds = call[f"{what}_s"]
        for key, wrong in ((f"{what}_min_s", lambda bound, s=seconds: s < bound),
                           (f"{what}_max_s", lambda bound, s=seconds: s > bound)):
            if key in rule and (seconds is None or wrong(rule[key])):
                return False
    if "sticky_kept" in rule:
        if call["sticky_agent"] is None:
            return False
        return rule["sticky_kept"] == (call["sticky_agent"] == call["agent"])
    return True
