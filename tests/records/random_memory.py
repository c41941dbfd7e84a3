"""A memory by chance: rows of all tables that reports read, around a moment, to quarters of a second. No tests."""

from __future__ import annotations

from random import Random
from typing import Any

from fsapp.rules import load_folder

__all__ = ["AGENTS", "LINES", "STAGES", "random_document", "random_tables"]

Row = dict[str, Any]
AGENTS = ("1001", "1002", "1003", "1004", "1005", "9999")  # 9999 was one once
LINES = ("helpdesk", "vip", "closed-long-ago", None)
STAGES = (("renewals", "first-call"), ("web-leads", "new"), ("gone", "gone"))
QUEUES = ("helpdesk@fsapp", "vip@fsapp", "agent-1001@fsapp", None)
CALLED = ("+381115550100", "+381115550300", None)
RESULTS = ("busy", "no-answer", "rejected", "unreachable", "given-up", "failed", "odd", None)


def random_document(random: Random) -> Row:
    """The example's rules with other targets, stickiness and wrap-up."""
    document = load_folder("conf/rules")
    places = [*document["line"].values(), *(stage for campaign in document["campaign"].values()
                                            for stage in campaign["stage"].values())]
    for place in places:
        place["sla_s"] = random.choice((0, 10, 60))
        place["stickiness"] = random.choice(("none", "agent", "group", "agent-then-group"))
        place["sticky_scope"] = random.choice(("centre", "campaign", "place"))
        place["sticky_days"] = random.choice((1, 90))
    for agent in document["agent"].values():
        agent["wrap_up_s"] = random.choice((0, 10, 120))
    return document


class _Maker:
    """Makes rows within `hours` of `middle`."""

    def __init__(self, random: Random, middle: float, hours: float) -> None:
        self._random, self._middle, self._seconds = random, middle, hours * 3600
        self.tables: dict[str, list[Row]] = {name: [] for name in (
            "interactions", "decisions", "queue_stays", "offers", "flow_ends", "tasks", "attempts", "contacts",
            "agent_sessions", "agent_breaks", "dispositions", "surveys", "voicemails")}

    def at(self) -> float:
        """A moment; often a full quarter of an hour, where days and hours begin."""
        at = self._middle + round(self._random.uniform(-self._seconds, self._seconds) * 4) / 4
        return at - at % 900 if self._random.random() < 0.2 else at

    def some(self, most: float, least: float = 0.0) -> float:
        return round(self._random.uniform(least, most) * 4) / 4

    def wait(self) -> float:
        """Seconds in a queue; often just those that a target or a limit has."""
        return self._random.choice((0.0, 5.0, 10.0, 20.0, 60.0, self.some(100, -3), self.some(100), self.some(100)))

    def maybe(self, value: Any, share: float = 0.8) -> Any:
        return value if self._random.random() < share else None

    def put(self, table: str, **row: Any) -> Row:
        row["id"] = f"{table}-{len(self.tables[table])}"
        self.tables[table].append(row)
        return row

    def where(self) -> Row:
        campaign, stage = self._random.choice((*STAGES, (None, None), (None, None)))
        return {"campaign": campaign, "stage": stage,
                "line": None if campaign and self._random.random() < 0.5 else self._random.choice(LINES)}

    def call(self) -> None:
        random, at = self._random, self.at()
        over = random.random() < 0.8
        outcome = random.choice(("answered", "answered", "answered", "abandoned", "abandoned", "voicemail", "hung-up",
                                 "transferred", "flow"))
        sticky = random.choice(AGENTS)
        near = (sticky, sticky, random.choice(AGENTS[:3]), random.choice(AGENTS[3:5]))  # of the groups sales, support
        call = self.put(
            "interactions", channel=random.choice(("call",) * 8 + ("e-mail",)), started_at=at,
            direction=random.choice(("inbound",) * 6 + ("outbound", None)), called=random.choice(CALLED),
            task_id=self.maybe("t", 0.1), ended_at=at + self.some(4000) if over else None,
            outcome=outcome if over else self.maybe(outcome, 0.6), waited_s=self.maybe(self.wait(), 0.7),
            talked_s=self.maybe(self.some(1000, -3)), queue=random.choice(QUEUES),
            switch=random.choice(("main", "two")), agent=self.maybe(random.choice((*AGENTS[:5], *near))),
            sticky_agent=self.maybe(sticky), call_class=random.choice(("callback", "service", None)),
            reason=random.choice(("service-line", "flow", None)), decision_id=None, **self.where())
        for _ in range(random.choice((0, 0, 1, 1, 2))):
            self.stay(call)
        if random.random() < 0.7:
            self.decision(call)
        for _ in range(random.choice((0, 0, 1, 2))):
            self.put("flow_ends", interaction_id=call["id"], flow=random.choice(("main", "night")),
                     block=self.maybe(random.choice(("menu", "out"))), at=at + self.some(60), end=random.choice((
                         "queue", "agent", "transfer", "hangup", "hung-up", "limit", "late", "failed", "cut", "?",
                         None)))

    def stay(self, call: Row) -> None:
        random, at = self._random, call["started_at"] + self.some(30)
        outcome = random.choice(("answered", "answered", "abandoned", "left", None))
        answered_at = at + self.some(100) if outcome == "answered" else None
        talked_s = self.some(3000, -5) if answered_at and random.random() < 0.7 else None
        left_at = answered_at or self.maybe(at + self.some(100))
        stay = self.put(
            "queue_stays", interaction_id=call["id"], joined_at=self.maybe(at), queue=random.choice(QUEUES),
            outcome=outcome, waited_s=self.maybe(self.wait()), left_at=left_at, switch=random.choice(("main", "two")),
            agent=random.choice(AGENTS) if answered_at else None, answered_at=answered_at, talked_s=talked_s,
            talk_ended_at=self.maybe(answered_at + (talked_s or 0)) if talked_s is not None and answered_at else None)
        for _ in range(random.choice((0, 1, 2))):
            end = self.maybe(at + self.some(60))
            self.put("offers", interaction_id=call["id"], stay_id=stay["id"], agent=random.choice(AGENTS),
                     offered_at=self.maybe(at + self.some(20)), ended_at=end,
                     outcome=random.choice(("missed", "answered")) if end else None)

    def decision(self, call: Row) -> None:
        random, facts = self._random, {}
        at = call["started_at"]
        if random.random() < 0.6:
            talks = [[random.choice(("", "helpdesk", "vip", "renewals/first-call", "renewals/other", "web-leads/new")),
                      random.choice(AGENTS), at - self.some(2 * 86_400)] for _ in range(random.choice((0, 1, 3)))]
            _place, agent, talked = max(talks, key=lambda talk: talk[2], default=(
                "", call["sticky_agent"] or "1001", at - self.some(2 * 86_400)))
            facts["sticky"] = [agent, talked, list({talk[0]: talk for talk in talks}.values())]
        if random.random() < 0.6:
            facts["rights"] = [[random.choice(AGENTS), at + self.some(3000, -1000), None, None]
                               for _ in range(random.choice((1, 2)))]
        call["decision_id"] = self.put("decisions", interaction_id=call["id"], at=at, call_class=call["call_class"],
                                       facts=facts or None)["id"]

    def work(self) -> None:
        """A day or so of one agent: sessions, breaks, attempts, and what agents said."""
        random = self._random
        for agent in AGENTS:
            for _ in range(random.choice((0, 1, 2))):
                at = self.at()
                self.put("agent_sessions", agent=agent, switch="main", started_at=at,
                         ended_at=self.maybe(at + self.some(50_000, -100)))
            for _ in range(random.choice((0, 2, 4))):
                at = self.at()
                self.put("agent_breaks", agent=agent, switch="main", started_at=at,
                         ended_at=self.maybe(at + self.some(5000, -50)),
                         reason=random.choice(("lunch", "training", None)))

    def outbound(self) -> None:
        random = self._random
        calls = [call["id"] for call in self.tables["interactions"]]
        for _ in range(30):
            made_at = self.at()
            task = self.put("tasks", kind=random.choice(("requested", "lost", "imported")), made_at=made_at, told="x",
                            state=random.choice(("open", "done", "done", "failed", "expired", "cancelled", None)),
                            tries=random.randrange(4), changed_at=made_at, agent=self.maybe(random.choice(AGENTS), 0.5),
                            closed_at=self.maybe(made_at + self.some(9000, -10)),
                            about_id=self.maybe(random.choice((*calls, "purged"))), **self.where())
            for _ in range(random.choice((0, 1, 2))):
                talked = random.random() < 0.4
                self.put("attempts", task_id=self.maybe(task["id"]), at=made_at + self.some(9000, -20),
                         agent=self.maybe(random.choice(AGENTS)), responsible=task["agent"],
                         outcome="talked" if talked else "failed",
                         talked_s=self.maybe(self.some(900)) if talked else None,
                         result=self.maybe("talked") if talked else random.choice(RESULTS),
                         flow=None, interaction_id=None,
                         **{name: task[name] for name in ("campaign", "stage", "line")})
            for _ in range(random.choice((0, 1))):
                call = f"s-{len(self.tables['attempts'])}"
                self.put("attempts", task_id=self.maybe(task["id"]), at=made_at + self.some(9000, -20),
                         flow=random.choice(("how", "why")), agent=None, responsible=None, outcome="failed",
                         talked_s=None, interaction_id=call,
                         result=random.choice(("asked", "asked", "asked", *RESULTS)),
                         **{name: task[name] for name in ("campaign", "stage", "line")})
                if random.random() < 0.4:
                    self.put("surveys", interaction_id=random.choice(calls), flow="how", at=made_at, block="how",
                             value="5", call_id=call)
        for _ in range(15):
            campaign, stage = random.choice(STAGES)
            self.put("contacts", campaign=campaign, stage=stage, number="+381601234567", attempts=random.randrange(2),
                     state=random.choice(("open", "closed", "removed")), attempted_at=self.maybe(self.at(), 0.5))

    def said(self) -> None:
        random = self._random
        calls = [call["id"] for call in self.tables["interactions"]]
        for _ in range(15):
            self.put("dispositions", disposition=random.choice(("sold", "not now")), at=self.at(), **self.where() | {
                "interaction_id": self.maybe(random.choice(calls)), "agent": self.maybe(random.choice(AGENTS))})
            self.tables["dispositions"][-1].pop("line")
            self.put("surveys", interaction_id=self.maybe(random.choice(calls)), flow="main", call_id=None,
                     at=self.at(), block=random.choice(("how", "why")),
                     value=random.choice(("1", "5", "10", "x", "12345", "", None)))
            at = self.at()
            self.put("voicemails", interaction_id=self.maybe(random.choice(calls)), flow="main",
                     block=self.maybe("box"), line=random.choice(LINES), at=at,
                     heard_at=self.maybe(at + self.some(9000, -9), 0.6))


def random_tables(random: Random, middle: float, hours: float) -> dict[str, list[Row]]:
    maker = _Maker(random, middle, hours)
    for _ in range(80):
        maker.call()
    maker.work()
    maker.outbound()
    maker.said()
    return maker.tables
