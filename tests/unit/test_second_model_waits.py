"""Two thousand random calls against a second model of whom a caller waits for: not one queue or wait may differ."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from random import Random

from random_centre import AGENTS, NOW, random_customer, random_document
from second_model import second_opinion
from second_model_waits import say_of_stickiness, second_waits, some_talks

from fsapp.core.availability import Availability
from fsapp.core.model import Call, Contact, Facts, Right
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.core.stickiness import after_talk
from fsapp.rules import check_document

CENTRES = 200
CALLS_A_CENTRE = 10


def when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_two_thousand_random_callers_wait_for_whom_the_design_says() -> None:
    seen: Counter[str] = Counter()
    for seed in range(CENTRES):
        random = Random(seed)
        document = random_document(random)
        say_of_stickiness(random, document)
        assert check_document(document, f"seed {seed}").faults == ()
        rules = Rules.from_document(document)
        for _ in range(CALLS_A_CENTRE):
            customer = random_customer(random, document)
            talks = [{"place": place, "agent": random.choice([*AGENTS, "9999"]), "at": NOW - ago}
                     for place, ago in some_talks(random, document)]
            there = {agent: random.choice(["free", "busy", "away"]) for agent in AGENTS if random.random() < 0.7}
            opinion = second_opinion(document, customer["caller"], customer["called"], customer["contacts"],
                                     customer["rights"], NOW)
            if opinion["class"] is None or customer["caller"] is None:
                continue
            live = [one for one in customer["rights"] if one["expires"] > NOW and one["agent"] in document["agent"]]
            right = max(live, key=lambda one: one["expires"], default=None)
            contact = next((one for one in customer["contacts"] if opinion["contact"]
                            and opinion["contact"].startswith(f"{one['campaign']}/{one['stage']}/")), None)
            callback = opinion["class"] == "callback"
            decision = decide(
                Call(normalise(customer["caller"], "RS"), normalise(customer["called"] or "0900x", "RS")),
                _facts(customer, talks, there), rules, when(NOW))
            second = second_waits(
                document, opinion, right["agent"] if right and callback else None,
                contact["agent"] if contact else None, talks, there, NOW, decision.reason == "flow")
            first = [(target.queue.removesuffix("@fsapp"), target.wait_s) for target in decision.targets]
            assert first == second, (seed, customer, talks, there, document)
            for step in decision.trace:
                if step.rule.startswith("sticky"):
                    seen[f"{step.rule}: {step.outcome.split(':')[0].split(' ')[0]}"] += 1
    assert min(seen.values()) >= 10, seen
    assert len(seen) >= 8, seen


def _facts(customer: dict, talks: list[dict], there: dict[str, str]) -> Facts:
    sticky = None
    for talk in talks:
        sticky = after_talk(sticky, talk["agent"], when(talk["at"]), talk["place"])
    free_at = {agent: 0.0 if how == "free" else math.inf for agent, how in there.items() if how != "away"}
    return Facts(
        tuple(Contact(one["campaign"], one["stage"], customer["caller"], one["open"], one["agent"],
                      None if one["attempted"] is None else when(one["attempted"])) for one in customer["contacts"]),
        tuple(Right(one["agent"], when(one["expires"]), one["campaign"], one["stage"]) for one in customer["rights"]),
        sticky, availability=Availability(free_at, frozenset(a for a, how in there.items() if how == "away")),
    )
