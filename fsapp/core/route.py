"""The decision: who a classified call waits for, in what order and with which score. Pure; the classes are in classify.

`decide` is the one entry: the socket handler, the fallback inside the switch, `fsapp explain` and the tests use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from fsapp.core.availability import Presence
from fsapp.core.choose import LedBy, leads, placed
from fsapp.core.classify import Classified, classify
from fsapp.core.model import Call, CallClass, Decision, Facts, Step, Target
from fsapp.core.offer import Offers
from fsapp.core.rules import Line, Rules, Stage, Stickiness
from fsapp.core.score import base_score
from fsapp.core.task_life import ASKED, kept_score, unstuck_at

__all__ = ["decide", "score_of"]


def decide(call: Call, facts: Facts, rules: Rules, now: datetime) -> Decision:
    """Where this call goes at this visit, and why.

    `now` is an aware UTC time. Never raises for anything a caller can do; the trace names every rule that spoke.
    """
    trace: list[Step] = []
    found = classify(call, facts, rules, now, trace)
    led = leads(call, rules, now, trace) if found.call_class is not None else ()
    found = placed(found, led, call, rules, now, trace)
    place = found.place
    if found.call_class is None or place is None:
        return Decision(None, found.reason, trace=tuple(trace), rules_version=rules.version, degraded=facts.degraded,
                        facts=facts)
    targets, seen = _targets(found, place, facts, rules, led, now, trace)
    tried = call.earlier.tried if call.earlier else ()
    target = next((t for t in targets if t.queue not in tried), targets[-1])
    if found.task is not None and found.task.agent == targets[0].agent and now < unstuck_at(found.task, rules):
        # Nobody is on the line yet: it goes on waiting for this agent, in one stay after the other.
        target = targets[0]
    if call.earlier is not None and call.earlier.asked:
        trace.append(Step("key", "has left the queue by its key", f"goes on in {target.queue}"))
    elif tried:
        trace.append(Step("move on", f"has waited in {', '.join(tried)}", f"now {target.queue}"))
    is_stage = isinstance(place, Stage)
    score = found.base_score
    if score is None:
        score = _kept(facts, place, _score(call, found, place, rules, trace), now, trace)
    return Decision(
        call_class=found.call_class,
        reason=found.reason,
        base_score=score,
        campaign=place.campaign if is_stage else None,
        stage=place.name if is_stage else None,
        line=None if is_stage else place.name,
        contact=found.contact_id,
        targets=targets,
        target=target,
        tried=tried if target.queue in tried else (*tried, target.queue),
        trace=tuple(trace),
        rules_version=rules.version,
        degraded=facts.degraded,
        flow=found.flow,
        facts=facts,
        seen=seen,
    )


def score_of(call_class: CallClass, call: Call, place: Stage | Line, rules: Rules) -> int:
    """The base score of a call of this class to this place."""
    return base_score(call_class, *_ranks(call, rules), place.sla_s)


def _ranks(call: Call, rules: Rules) -> tuple[int, int]:
    """The caller's VIP level and the priority of the number called."""
    vip = max((one.vip for one in rules.listed.of(call.caller.key)), default=0) if rules.lists else 0
    called = rules.numbers.get(call.called.key or "")
    return vip, called.priority if called else 0


def _score(call: Call, found: Classified, place: Stage | Line, rules: Rules, trace: list[Step]) -> int:
    assert found.call_class is not None
    vip, priority = _ranks(call, rules)
    score = base_score(found.call_class, vip, priority, place.sla_s)
    fact = f"{found.call_class}, VIP {vip}, number priority {priority}, answer within {place.sla_s} s"
    trace.append(Step("score", fact, str(score)))
    return score


def _kept(facts: Facts, place: Stage | Line, score: int, now: datetime, trace: list[Step]) -> int:
    """The better score of a caller who calls again before the callback: who hangs up and calls loses nothing."""
    for task in facts.tasks:
        if not task.open or task.kind not in ASKED or task.place != place.id or task.expires_at <= now:
            continue
        kept = kept_score(task, now)
        if kept is not None and kept > score:
            fact = f"a {task.kind} callback keeps the place since {task.since:%Y-%m-%d %H:%M:%S} UTC"
            trace.append(Step("score", fact, str(kept)))
            score = kept
    return score


def _targets(
    found: Classified, place: Stage | Line, facts: Facts, rules: Rules, led: Sequence[LedBy], now: datetime,
    trace: list[Step],
) -> tuple[tuple[Target, ...], Mapping[str, Presence]]:
    """The targets in order, and whose presence mattered."""
    offers = Offers(place, facts.availability, rules, now, trace)
    if found.agent is not None:
        offers.agent(found.agent, "flow", "was led to")
    if found.right is not None:
        offers.agent(found.right.agent, "direct callback", "holds a right to")
    if found.task is not None:
        if found.task.agent and now < unstuck_at(found.task, rules):
            offers.agent(found.task.agent, "responsible agent", "is the responsibility of", for_task=True)
        if found.task.group in rules.groups:
            offers.group(found.task.group, "responsible group", f"is the responsibility of {found.task.group}")
    elif found.contact is not None and found.contact.agent:
        offers.agent(found.contact.agent, "responsible agent", "is the responsibility of")
    for one in led:
        offers.lead(one)
    if facts.sticky is not None and place.stickiness is not Stickiness.NONE:
        # Who was promised a place has waited already: a busy agent would be waited for a second time.
        kept = found.task is not None and found.task.base_score is not None
        offers.sticky(facts.sticky, at_once=kept or found.reason.endswith("flow"))
    offers.targets.append(Target(place.queue, None, None))
    trace.append(Step("queue", f"{place.id} has queue {place.queue}", "waits there until answered"))
    return tuple(offers.targets), offers.seen
