"""A plain second opinion on what reports say, written from docs/reports.md alone. Shares no code with fsapp.core.

It is naive on purpose: it holds all rows as dicts, asks of each moment between two changes what an agent did in it, and
finds the hour of a moment by going back minute by minute until the clock shows the beginning of one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Figures = dict[str, Any]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIMES = ("month", "week", "day", "hour", "half-hour", "quarter-hour", "weekday", "hour-of-day")
DAY_S = 86_400  # what began earlier than that before the period is over
STEP_S = 900  # every day and hour of every zone begins at a multiple of it


class Asked:
    """What is asked: a period as epoch seconds, a zone by name, the rules' document or None, and the options."""

    def __init__(self, start: float, end: float, zone: str, now: float, document: Row | None, **options: Any) -> None:
        self.start, self.end, self.zone, self.now, self.document = start, end, zone, now, document
        self.by: tuple[str, ...] = options.get("by", ())
        self.only: dict[str, tuple[str, ...]] = options.get("only", {})
        self.within_s: float | None = options.get("within_s")
        self.short_s: float = options.get("short_s", 5.0)
        self.abandoned: str = options.get("abandoned", "not-short")

    def has(self, at: float | None) -> bool:
        return at is not None and self.start <= at < self.end

    def key(self, at: float, row: Row) -> tuple[Any, ...]:
        return tuple(clock(at, self.zone, name) if name in TIMES else row.get(name) for name in self.by)

    def wants(self, row: Row) -> bool:
        return all(row.get(name) in values for name, values in self.only.items())


@lru_cache(maxsize=100_000)
def clock(at: float, zone: str, name: str) -> str:
    """The day or hour of a moment, as the clock on the wall calls it."""
    def wall(moment: float) -> datetime:
        return datetime.fromtimestamp(moment, UTC).astimezone(ZoneInfo(zone))

    shown = wall(at)
    if name == "day":
        return shown.strftime("%Y-%m-%d")
    if name in ("month", "week"):
        return shown.strftime("%Y-%m" if name == "month" else "%G-W%V")
    if name == "weekday":
        return WEEKDAYS[shown.weekday()]
    if name == "hour-of-day":
        return shown.strftime("%H")
    minute, minutes = at - at % 60, {"hour": 60, "half-hour": 30, "quarter-hour": 15}[name]
    while True:
        before, here = wall(minute - 60), wall(minute)
        if here.minute % minutes == 0 or before.utcoffset() != here.utcoffset():
            return here.isoformat(sep=" ", timespec="minutes")
        minute -= 60


def second_report(
    name: str, tables: dict[str, list[Row]], asked: Asked,
) -> tuple[dict[tuple[Any, ...], Figures], Figures]:
    """The rows of a report by what they are for, and its total."""
    gather, reckon = REPORTS[name]
    found = list(gather(tables, asked))
    groups: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(list)
    if asked.by and set(asked.by) <= set(TIMES):
        at = asked.start
        while at < asked.end and at <= asked.now:  # a row for each day or hour that has begun
            groups[asked.key(at, {})] = []
            at = at - at % STEP_S + STEP_S
    for key, one in found:
        groups[key].append(one)
    everything = [one for _key, one in found]
    return {key: reckon(some, asked) for key, some in groups.items()}, reckon(everything, asked)


# Arithmetic


def part(some: float, whole: float) -> float | None:
    return None if whole == 0 else round(some / whole, 4)


def average(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def middle(values: list[float]) -> float | None:
    return round(median(values), 3) if values else None


def ninety(values: list[float]) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    whole, tenths = divmod(9 * (len(ordered) - 1), 10)
    more = ordered[whole + 1] - ordered[whole] if tenths else 0.0
    return round(ordered[whole] + more * tenths / 10, 3)


def most(values: list[float]) -> float | None:
    return round(max(values), 3) if values else None


def seconds(values: Iterable[float | None]) -> list[float]:
    """What is known; a clock that was put back makes it nothing."""
    return [max(0.0, value) for value in values if value is not None]


# Calls that came in


def came_in(tables: dict[str, list[Row]]) -> Iterator[Row]:
    stays = {stay["interaction_id"] for stay in tables["queue_stays"]}
    for call in tables["interactions"]:
        if call["channel"] == "call" and call["direction"] != "outbound" and call["task_id"] is None:
            yield named(call) | {
                "was_offered": call["waited_s"] is not None or call["outcome"] in ("answered", "abandoned")
                or call["id"] in stays,
                "is_over": call["ended_at"] is not None}


def named(call: Row) -> Row:
    """With what rows can be told apart by."""
    stage = None if None in (call["campaign"], call["stage"]) else f"{call['campaign']}/{call['stage']}"
    return call | {"place": stage or call["line"], "stage": stage, "number": call.get("called"),
                   "class": call.get("call_class")}


def calls_or_stays(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    calls = {call["id"]: call for call in came_in(tables)}
    if "queue" not in (*asked.by, *asked.only):
        for call in calls.values():
            if asked.has(call["started_at"]) and asked.wants(call):
                yield asked.key(call["started_at"], call), call
        return
    for stay in tables["queue_stays"]:
        call = calls.get(stay["interaction_id"])
        if call is None:
            continue
        outcome = stay["outcome"]
        over = call["is_over"] or stay["talk_ended_at"] is not None or outcome not in (None, "answered")
        if outcome is None and over and call["outcome"] == "abandoned":
            outcome = "abandoned"  # its end was not told
        at = call["started_at"] if stay["joined_at"] is None else stay["joined_at"]
        row = call | {name: stay[name] for name in ("queue", "agent", "switch", "waited_s", "talked_s")} | {
            "outcome": outcome, "was_offered": True, "is_over": over}
        if asked.has(at) and asked.wants(row):
            yield asked.key(at, row), row


def sorted_out(calls: list[Row], asked: Asked) -> dict[str, list[Row]]:
    offered = [call for call in calls if call["was_offered"]]
    found = {"calls": calls, "offered": offered}
    for outcome in ("answered", "abandoned"):
        found[outcome] = [call for call in offered if call["outcome"] == outcome]
    others = [call for call in offered if call["outcome"] not in ("answered", "abandoned")]
    found["short_abandoned"] = [call for call in found["abandoned"] if (call["waited_s"] or 0) < asked.short_s]
    found["waiting"] = [call for call in others if call["outcome"] is None and not call["is_over"]]
    found["elsewhere"] = [call for call in others if call["outcome"] is not None or call["is_over"]]
    found["talking"] = [call for call in found["answered"] if not call["is_over"]]
    return found


def of_calls(calls: list[Row], asked: Asked) -> Figures:
    sets = sorted_out(calls, asked)
    many = {name: len(some) for name, some in sets.items()}
    talks = seconds(call["talked_s"] for call in sets["answered"] if call["is_over"])
    return {name: many[name] for name in ("calls", "offered", "answered", "abandoned", "short_abandoned", "elsewhere",
                                          "waiting", "talking")} | {
        "answer_rate": part(many["answered"], many["answered"] + many["abandoned"]),
        "talk_s": round(sum(talks), 3), "average_talk_s": average(talks)}


def target(call: Row, asked: Asked) -> float:
    if asked.within_s is not None:
        return asked.within_s
    return float(place_of(call, asked.document).get("sla_s", 60))


def place_of(call: Row, document: Row | None) -> Row:
    if document is None:
        return {}
    if call["stage"] is not None:
        campaign, _slash, stage = call["stage"].partition("/")
        return dict(document["campaign"].get(campaign, {}).get("stage", {}).get(stage, {}))
    return dict(document["line"].get(call["line"], {}))


def of_service_level(calls: list[Row], asked: Asked) -> Figures:
    sets = sorted_out(calls, asked)
    answered, abandoned, short = (sets[name] for name in ("answered", "abandoned", "short_abandoned"))
    in_time = [call for call in answered if call["waited_s"] is not None and call["waited_s"] <= target(call, asked)]
    late = [call for call in abandoned if (call["waited_s"] or 0) > target(call, asked)]
    counted = len(answered) + {
        "all": len(abandoned), "early-met": len(abandoned), "not-short": len(abandoned) - len(short),
        "late": len(late), "none": 0}[asked.abandoned]
    met = len(in_time) + (len(abandoned) - len(late) if asked.abandoned == "early-met" else 0)
    return {"offered": len(sets["offered"]), "answered": len(answered), "abandoned": len(abandoned),
            "short_abandoned": len(short), "counted": counted, "met": met, "service_level": part(met, counted)}


def of_answer_speed(calls: list[Row], asked: Asked) -> Figures:
    answered = sorted_out(calls, asked)["answered"]
    waits = seconds(call["waited_s"] for call in answered)
    return {"answered": len(answered), "average_answer_s": average(waits), "median_answer_s": middle(waits),
            "p90_answer_s": ninety(waits), "longest_answer_s": most(waits)}


def of_abandonment(calls: list[Row], asked: Asked) -> Figures:
    sets = sorted_out(calls, asked)
    answered, abandoned, short = (len(sets[name]) for name in ("answered", "abandoned", "short_abandoned"))
    waits = seconds(call["waited_s"] for call in sets["abandoned"])
    return {"offered": len(sets["offered"]), "answered": answered, "abandoned": abandoned, "short_abandoned": short,
            "abandonment_rate": part(abandoned - short, answered + abandoned - short),
            "abandonment_rate_all": part(abandoned, answered + abandoned), "average_patience_s": average(waits),
            "median_patience_s": middle(waits), "longest_patience_s": most(waits)}


# Flows


def flow_ends(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    calls = {call["id"]: named(call) for call in tables["interactions"]}
    for end in tables["flow_ends"]:
        row = calls[end["interaction_id"]] | {name: end[name] for name in ("flow", "block", "end")}
        if asked.has(end["at"]) and asked.wants(row):
            yield asked.key(end["at"], row), row


def of_flows(ends: list[Row], _asked: Asked) -> Figures:
    ways = {"queued": ("queue", "agent"), "transferred": ("transfer",), "ended": ("hangup",), "hung_up": ("hung-up",),
            "gone_wrong": ("limit", "late", "failed", "cut")}
    found: Figures = {"runs": len(ends)} | {
        figure: sum(end["end"] in words for end in ends) for figure, words in ways.items()}
    found["other"] = len(ends) - sum(found[figure] for figure in ways)
    return found | {"hung_up_rate": part(found["hung_up"], len(ends))}


# Calling customers


def due_to(task: Row | None, tables: dict[str, list[Row]]) -> Row:
    """Queue and number of ours of the call that a task is due to."""
    about = None if task is None else task["about_id"]
    call = next((call for call in tables["interactions"] if call["id"] == about), {})
    return {"queue": call.get("queue"), "number": call.get("called"), "agent_of_call": call.get("agent")}


def callbacks(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    for task in tables["tasks"]:
        row = named(task) | due_to(task, tables) | {"first": min(
            (one["at"] for one in tables["attempts"] if one["task_id"] == task["id"]), default=None)}
        if task["kind"] in ("requested", "lost") and asked.has(task["made_at"]) and asked.wants(row):
            yield asked.key(task["made_at"], row), row


def of_callbacks(tasks: list[Row], _asked: Asked) -> Figures:
    found: Figures = {"callbacks": len(tasks)}
    for kind in ("requested", "lost"):
        found[kind] = sum(task["kind"] == kind for task in tasks)
    for state in ("open", "done", "failed", "expired", "cancelled"):
        found[state] = sum((task["state"] or "open") == state for task in tasks)
    first = seconds(task["first"] - task["made_at"] for task in tasks if task["first"] is not None)
    done = seconds(task["closed_at"] - task["made_at"] for task in tasks
                   if task["state"] == "done" and task["closed_at"] is not None)
    return found | {
        "tries": sum(task["tries"] for task in tasks),
        "done_rate": part(found["done"], found["done"] + found["failed"] + found["expired"]),
        "average_first_try_s": average(first), "median_first_try_s": middle(first), "longest_first_try_s": most(first),
        "average_done_s": average(done), "median_done_s": middle(done), "longest_done_s": most(done)}


def survey_calls(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    answered = {one["call_id"] for one in tables["surveys"]}
    for one in tables["attempts"]:
        task = next((task for task in tables["tasks"] if task["id"] == one["task_id"]), None)
        row = named(one) | due_to(task, tables) | {
            "responded": one["interaction_id"] in answered, "said": one["result"],
            "result": one["result"] or one["outcome"]}
        row["agent"] = row["agent_of_call"]
        if one["flow"] is not None and asked.has(one["at"]) and asked.wants(row):
            yield asked.key(one["at"], row), row


def of_survey_calls(some: list[Row], _asked: Asked) -> Figures:
    asked = [one for one in some if one["said"] == "asked"]
    missed = [one["said"] for one in some if one["said"] != "asked"]
    words = ("busy", "no-answer", "rejected", "unreachable", "given-up", "failed")
    responded = sum(one["responded"] for one in asked)
    return {"calls": len(some), "asked": len(asked), "responded": responded, "not_reached": len(missed)} | {
        word.replace("-", "_"): missed.count(word) for word in words} | {
        "unknown": sum(word not in words for word in missed), "reach_rate": part(len(asked), len(some)),
        "response_rate": part(responded, len(asked))}


def attempts(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    for one in tables["attempts"]:
        if one["flow"] is not None:
            continue
        task = next((task for task in tables["tasks"] if task["id"] == one["task_id"]), None)
        row = named(one) | due_to(task, tables) | {"said": one["result"], "result": one["result"] or one["outcome"]}
        if asked.has(one["at"]) and asked.wants(row):
            yield asked.key(one["at"], row), row


def of_attempts(some: list[Row], _asked: Asked) -> Figures:
    talks = [one for one in some if one["outcome"] == "talked"]
    missed = [one["said"] for one in some if one["outcome"] != "talked"]
    words = ("busy", "no-answer", "rejected", "unreachable", "given-up", "failed")
    spoken = seconds(one["talked_s"] for one in talks)
    return {"attempts": len(some), "talked": len(talks), "not_reached": len(missed)} | {
        word.replace("-", "_"): missed.count(word) for word in words} | {
        "unknown": sum(word not in words for word in missed), "reach_rate": part(len(talks), len(some)),
        "talk_s": round(sum(spoken), 3), "average_talk_s": average(spoken)}


def campaigns(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, tuple[str, Row]]]:
    for contact in map(named, tables["contacts"]):
        if contact["state"] != "removed" and asked.wants(contact):
            yield asked.key(asked.start, contact), ("contact", contact)
    for key, one in attempts(tables, asked):
        if one["campaign"] is not None:
            yield key, ("attempt", one)


def of_campaigns(some: list[tuple[str, Row]], asked: Asked) -> Figures:
    contacts = [row for word, row in some if word == "contact"]
    tried = of_attempts([row for word, row in some if word == "attempt"], asked)
    is_open = sum(contact["state"] == "open" for contact in contacts)
    return {"contacts": len(contacts), "open": is_open, "closed": len(contacts) - is_open,
            "untried": sum(contact["attempted_at"] is None and not contact["attempts"] for contact in contacts)} | {
        name: tried[name] for name in ("attempts", "talked", "not_reached", "reach_rate", "talk_s", "average_talk_s")}


# Agents at work. What one did is a list of (word, seconds or None) for each row.


def spans_of(tables: dict[str, list[Row]], asked: Asked, agent: str) -> dict[str, list[tuple[float, float, Row]]]:
    """Everything of an agent as (start, end, row), not clipped; what goes on has lasted until now."""
    calls = {call["id"]: call for call in tables["interactions"]}
    stays = {stay["id"]: stay for stay in tables["queue_stays"]}
    found: dict[str, list[tuple[float, float, Row]]] = {word: [] for word in (
        "session", "break", "stay", "talk", "wrap_up", "ringing")}
    for word, table in (("session", "agent_sessions"), ("break", "agent_breaks")):
        for row in tables[table]:
            if row["agent"] == agent:
                found[word].append((row["started_at"], asked.now if row["ended_at"] is None else row["ended_at"], row))
    wrap_up_s = (asked.document or {"agent": {}})["agent"].get(agent, {}).get("wrap_up_s", 10)
    for stay in stays.values():
        if stay["agent"] != agent or stay["answered_at"] is None or stay["answered_at"] < asked.start - DAY_S:
            continue
        start, end = stay["answered_at"], stay["talk_ended_at"]
        if end is None and stay["talked_s"] is not None:
            end = start + stay["talked_s"]
        if end is None:
            end = calls[stay["interaction_id"]]["ended_at"]
        until = asked.now if end is None else max(start, end)
        found["stay"].append((start, until, {"over": end is not None}))
        found["talk"].append((start, until, {}))
        if end is not None:
            found["wrap_up"].append((until, until + wrap_up_s, {}))
    for one in tables["attempts"]:
        if one["agent"] == agent and one["outcome"] == "talked" and one["talked_s"] is not None:
            found["talk"].append((one["at"] - one["talked_s"], one["at"], {}))
    for offer in tables["offers"]:
        if offer["agent"] != agent:
            continue
        start = offer["ended_at"] if offer["offered_at"] is None else offer["offered_at"]
        end, stay = offer["ended_at"], stays[offer["stay_id"]]
        if end is None:  # what became of it nobody knows
            end = stay["left_at"] if stay["left_at"] is not None else calls[offer["interaction_id"]]["ended_at"]
        if start is not None and start >= asked.start - DAY_S:
            found["ringing"].append((start, asked.now if end is None else end, offer))
    return found


def moments(spans: Iterable[tuple[float, float, Row]], asked: Asked) -> Iterator[tuple[float, float]]:
    """The period in pieces in which nothing changes, and no day or hour begins where these are told apart."""
    end = min(asked.end, asked.now)
    edges = {asked.start, end}
    edges |= {edge for start, until, _row in spans for edge in (start, until) if asked.start < edge < end}
    if set(asked.by) & set(TIMES):
        edges |= {float(edge) for edge in range(int(asked.start - asked.start % STEP_S), int(end) + 1, STEP_S)
                  if asked.start < edge < end}
    ordered = sorted(edges)
    return zip(ordered, ordered[1:], strict=False)


def within(spans: list[tuple[float, float, Row]], at: float) -> bool:
    return any(begin <= at < until for begin, until, _row in spans)


def worked(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, tuple[str, float | None]]]:
    for agent in everybody(tables, asked):
        found = spans_of(tables, asked, agent)
        row = {"agent": agent}
        for start, end in moments([span for some in found.values() for span in some], asked):
            key, lasted = asked.key(start, row), end - start
            does = {word for word, spans in found.items() if within(spans, start)}
            if "talk" in does:
                yield key, ("talk", lasted)
            if "session" in does:
                yield key, ("logged_in", lasted)
                yield key, (f"there {next((word for word in PRECEDENCE if word in does), 'idle')}", lasted)
        for start, until, stay in found["stay"]:
            if asked.has(start):
                yield asked.key(start, row), ("answered", until - start if stay["over"] else None)
        for start, _until, offer in found["ringing"]:
            if asked.has(start) and offer["outcome"] == "missed":
                yield asked.key(start, row), ("missed", None)


PRECEDENCE = ("talk", "break", "wrap_up", "ringing")


def everybody(tables: dict[str, list[Row]], asked: Asked) -> list[str]:
    """The agents of the rules, and who else was logged in or talked around the period; those alone who are named."""
    known = set((asked.document or {"agent": {}})["agent"])
    known |= {row["agent"] for row in tables["agent_sessions"] if row["started_at"] < asked.end
              and (row["ended_at"] is None or row["ended_at"] > asked.start)}
    known |= {row["agent"] for row in tables["queue_stays"] if row["agent"] is not None
              and (row["joined_at"] is None or asked.start - DAY_S <= row["joined_at"] < asked.end)}
    known |= {row["agent"] for row in tables["attempts"] if row["agent"] is not None and row["outcome"] == "talked"
              and asked.start <= row["at"] < asked.end + DAY_S}
    return sorted(set(asked.only.get("agent", known)))


def of_agents(some: list[tuple[str, float | None]], _asked: Asked) -> Figures:
    def lasted(word: str) -> float:
        return sum(value or 0.0 for one, value in some if one == word)

    there = {word: lasted(f"there {word}") for word in (*PRECEDENCE, "idle")}
    talks = [value for word, value in some if word == "answered"]
    ended = [value for value in talks if value is not None]
    return {"logged_in_s": round(lasted("logged_in"), 3), "talk_s": round(lasted("talk"), 3)} | {
        f"{word}_s": round(there[word], 3) for word in ("wrap_up", "ringing", "break", "idle")} | {
        "occupancy": part(there["talk"] + there["wrap_up"], lasted("logged_in") - there["break"]),
        "answered": len(talks), "missed": sum(word == "missed" for word, _value in some),
        "average_talk_s": average(ended),
        "average_handling_s": round((sum(ended) + there["wrap_up"]) / len(ended), 3) if ended else None}


def rested(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, tuple[str, float]]]:
    for agent in everybody(tables, asked):
        found = spans_of(tables, asked, agent)
        for reason in {row["reason"] for _start, _end, row in found["break"]}:
            breaks = [span for span in found["break"] if span[2]["reason"] == reason]
            row = {"agent": agent, "reason": reason}
            for start, _end, _row in breaks:
                if asked.has(start):
                    yield asked.key(start, row), ("break", 0.0)
            for start, end in moments([*found["session"], *found["talk"], *breaks], asked):
                if within(breaks, start) and within(found["session"], start) and not within(found["talk"], start):
                    yield asked.key(start, row), ("time", end - start)


def of_breaks(some: list[tuple[str, float]], _asked: Asked) -> Figures:
    many = sum(word == "break" for word, _value in some)
    time_s = sum(value for _word, value in some)
    return {"breaks": many, "break_s": round(time_s, 3),
            "average_break_s": round(time_s / many, 3) if many else None}


# Promises


def stuck(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    decisions = {one["id"]: one for one in tables["decisions"]}
    for call in came_in(tables):
        if not (call["was_offered"] and asked.has(call["started_at"]) and asked.wants(call) and call["sticky_agent"]):
            continue
        to = belongs_to(call, (decisions.get(call["decision_id"]) or {}).get("facts"), asked.document)
        if to is not None:
            yield asked.key(call["started_at"], call), call | {"to": {to}}


def belongs_to(call: Row, facts: Row | None, document: Row | None) -> str | None:
    """Whom the caller belonged to. `facts`: as the first decision knew them."""
    known = (facts or {}).get("sticky")
    if document is None:
        return str(call["sticky_agent"])
    place = place_of(call, document)
    if place.get("stickiness", "none") == "none":
        return None
    if known is None:
        return str(call["sticky_agent"])
    agent, talked, talks = known
    scope = place.get("sticky_scope", document["centre"].get("sticky_scope", "centre"))
    if scope != "centre":
        campaign = (call["stage"] or "/").split("/")[0]
        there = [(at, who) for where, who, at in talks if where in ("", call["place"])
                 or (scope == "campaign" and campaign and where.split("/")[0] == campaign and "/" in where)]
        if not talks:  # it is only known that they talked
            there = [(talked, agent)]
        if not there:
            return None
        talked, agent = max(there)
    days = place.get("sticky_days", document["centre"].get("sticky_days", 90))
    return agent if talked + days * 86_400 > call["started_at"] else None


def entitled(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    decisions = {one["id"]: one for one in tables["decisions"]}
    for call in came_in(tables):
        facts = (decisions.get(call["decision_id"]) or {}).get("facts") or {}
        to = {agent for agent, expires, *_where in facts.get("rights", ()) if expires > call["started_at"]}
        if to and call["class"] == "callback" and asked.has(call["started_at"]) and asked.wants(call):
            yield asked.key(call["started_at"], call), call | {"to": to}


def of_kept(calls: list[Row], asked: Asked) -> Figures:
    answered = [call for call in calls if call["outcome"] == "answered" and call["agent"] is not None]
    abandoned = sum(call["outcome"] == "abandoned" for call in calls)
    own = sum(call["agent"] in call["to"] for call in answered)
    groups = [set(group["agents"]) for group in (asked.document or {"group": {}})["group"].values()]
    group = sum(call["agent"] not in call["to"] and any(call["agent"] in one and call["to"] & one for one in groups)
                for call in answered)
    return {"calls": len(calls), "answered": len(answered), "own_agent": own, "own_group": group,
            "somebody_else": len(answered) - own - group, "abandoned": abandoned,
            "unanswered": len(calls) - len(answered) - abandoned, "kept_rate": part(own, len(answered))}


def of_stickiness(calls: list[Row], asked: Asked) -> Figures:
    kept = of_kept(calls, asked)
    return kept | {"kept_group_rate": part(kept["own_agent"] + kept["own_group"], kept["answered"])}


# What was said afterwards


def dispositions(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    calls = {call["id"]: call for call in tables["interactions"]}
    for one in tables["dispositions"]:
        call = calls.get(one["interaction_id"]) or {}
        row = named(one | {name: call.get(name) for name in ("line", "queue", "called")})
        if asked.has(one["at"]) and asked.wants(row):
            yield asked.key(one["at"], row), row


def answers(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    calls = {call["id"]: named(call) for call in tables["interactions"]}
    for one in tables["surveys"]:
        row = calls.get(one["interaction_id"], {}) | {name: one[name] for name in ("flow", "block", "value")}
        if asked.has(one["at"]) and asked.wants(row):
            yield asked.key(one["at"], row), row


def of_surveys(some: list[Row], _asked: Asked) -> Figures:
    marks = [float(one["value"]) for one in some
             if one["value"] and len(one["value"]) <= 4 and set(one["value"]) <= set("0123456789")]
    return {"answers": len(some), "marks": len(marks), "average_mark": average(marks), "median_mark": middle(marks)}


def messages(tables: dict[str, list[Row]], asked: Asked) -> Iterator[tuple[Any, Row]]:
    calls = {call["id"]: call for call in tables["interactions"]}
    for one in tables["voicemails"]:
        call = calls.get(one["interaction_id"], {})
        row = one | {"queue": call.get("queue"), "number": call.get("called")}
        if asked.has(one["at"]) and asked.wants(row):
            yield asked.key(one["at"], row), row


def of_voicemails(some: list[Row], _asked: Asked) -> Figures:
    heard = seconds(one["heard_at"] - one["at"] for one in some if one["heard_at"] is not None)
    return {"messages": len(some), "heard": len(heard), "heard_rate": part(len(heard), len(some)),
            "average_unheard_s": average(heard), "median_unheard_s": middle(heard), "longest_unheard_s": most(heard)}


Gather = Callable[[dict[str, list[Row]], Asked], Iterator[tuple[Any, Any]]]
REPORTS: dict[str, tuple[Gather, Callable[[Any, Asked], Figures]]] = {
    "calls": (calls_or_stays, of_calls), "classes": (calls_or_stays, of_calls),
    "service-level": (calls_or_stays, of_service_level), "answer-speed": (calls_or_stays, of_answer_speed),
    "abandonment": (calls_or_stays, of_abandonment), "flows": (flow_ends, of_flows),
    "survey-calls": (survey_calls, of_survey_calls), "callbacks": (callbacks, of_callbacks),
    "attempts": (attempts, of_attempts), "campaigns": (campaigns, of_campaigns),
    "agents": (worked, of_agents), "breaks": (rested, of_breaks), "stickiness": (stuck, of_stickiness),
    "direct-callbacks": (entitled, of_kept), "voicemails": (messages, of_voicemails), "surveys": (answers, of_surveys),
    "dispositions": (dispositions, lambda some, _asked: {"dispositions": len(some)}),
}
