"""Two thousand random calls against a second model of the design: not one class, stage, contact or score may differ."""

import re
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

from random_centre import NOW, random_customer, random_document
from second_model import second_opinion

from fsapp.core.model import REASONS, Call, Contact, Decision, Facts, Right
from fsapp.core.numbers import normalise
from fsapp.core.route import decide
from fsapp.core.rules import Rules
from fsapp.rules import check_document

CENTRES = 200
CALLS_A_CENTRE = 10


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _first_opinion(document: dict[str, Any], customer: dict[str, Any]) -> dict[str, Any]:
    rules = Rules.from_document(document)
    call = Call(normalise(customer["caller"] or "anonymous", "RS"), normalise(customer["called"] or "0900x", "RS"))
    contacts = tuple(
        Contact(one["campaign"], one["stage"], customer["caller"], one["open"], one["agent"],
                None if one["attempted"] is None else _time(one["attempted"]))
        for one in customer["contacts"]
    )
    rights = tuple(Right(one["agent"], _time(one["expires"]), one["campaign"], one["stage"])
                   for one in customer["rights"])
    decision = decide(call, Facts(contacts, rights), rules, _time(NOW))
    return {"class": decision.call_class and decision.call_class.value, "campaign": decision.campaign,
            "stage": decision.stage, "line": decision.line, "contact": decision.contact, "score": decision.base_score,
            "reason": decision.reason, "people": _people(decision)}


def _people(decision: Decision) -> list[str]:
    """Whom lists and checks lead to, as the trace says it: also those who are first in line anyway, or skipped."""
    found = []
    for step in decision.trace:
        by_agent = re.search(r" is led by .* to agent ([0-9]+)", step.fact)
        by_group = re.search(r" leads to group (.*)", step.fact)
        by_list = re.search(r"list (.*) leads to its own agents", step.fact)
        found += [f"agent-{by_agent[1]}"] if by_agent else []
        found += [f"group-{by_group[1]}"] if by_group else [f"list-{by_list[1]}"] if by_list else []
    return list(dict.fromkeys(found))


def test_two_thousand_random_calls_are_decided_as_the_design_says():
    seen: Counter[tuple[str | None, str]] = Counter()
    swallowed = fell_through = 0
    for seed in range(CENTRES):
        random = Random(seed)
        document = random_document(random)
        checked = check_document(document, f"seed {seed}")
        assert checked.faults == ()
        for _ in range(CALLS_A_CENTRE):
            customer = random_customer(random, document)
            first = _first_opinion(document, customer)
            reason = first.pop("reason")
            assert reason in REASONS
            second = second_opinion(document, customer["caller"], customer["called"], customer["contacts"],
                                    customer["rights"], NOW)
            assert first == second, (seed, customer, document)
            seen[first["class"], reason] += 1
        traps = [line for line in checked.warnings if "nobody of this stage" in line]
        swallowed += sum("swallows" in line for line in traps)
        fell_through += sum("fall through" in line for line in traps)
    assert sum(seen.values()) == CENTRES * CALLS_A_CENTRE
    # The comparison is worth something only if every way a call can go was gone many times.
    for case in [("callback", "open-contact"), ("callback", "direct-callback"), ("new-customer", "new-caller"),
                 ("service", "service-line"), ("service", "closed-contact"), ("service", "flow"),
                 ("service", "unknown-number"), (None, "unknown-number"), (None, "no-line"), ("service", "no-line"),
                 ("service", "closed"), (None, "closed")]:
        assert seen[case] >= 10, (case, seen)
    assert swallowed >= 10
    assert fell_through >= 10
