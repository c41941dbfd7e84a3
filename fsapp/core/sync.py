"""The switch held against the rules and against what is remembered: every difference, with what mends it. Pure.

What belongs to others is never named: queues outside our domain, agents who serve only such or whose id is none of
ours, tiers of such queues. A queue that is at home on another switch is here too, and has no tiers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from fsapp.core.evidence import BUSY, Evidence
from fsapp.core.floor import AgentStatus, MemberState, RememberedStatus, Seen, SeenAgent, SeenQueue
from fsapp.core.healing import Doubts, heal
from fsapp.core.mending import (
    AddAgent,
    AddTier,
    DeleteAgent,
    DeleteTier,
    Difference,
    Kind,
    LoadQueue,
    ReturnCall,
    SetAgent,
    SetStatus,
    SetTier,
    Step,
    Suspicion,
    UnloadQueue,
)
from fsapp.core.people import Agent
from fsapp.core.queue_xml import agent_contact, queue_parameters, tiers
from fsapp.core.rules import Rules

__all__ = ["NO_ANSWER", "SETTLED_S", "compare", "knows", "to_remember"]

NO_ANSWER = "no-answer"
SETTLED_S = 5  # what was remembered since may be newer than what was seen
_OUR_ID = re.compile(r"[0-9]{2,8}\Z")
_SETTINGS = {
    "strategy": "strategy", "time_base_score": "time-base-score", "tier_rules_apply": "tier-rules-apply",
    "max_wait_time": "max-wait-time",
}
_ORDER = {kind: place for place, kind in enumerate(Kind)}


def compare(
    rules: Rules, seen: Seen, remembered: Mapping[str, RememberedStatus], switch: str, now: datetime,
    earlier: Suspicion | None = None, *, restarted: bool = False,
) -> list[Difference]:
    """Every difference, in the order in which they are to be mended.

    `restarted`: the switch has been started anew since the agents' status was last known, so that what is remembered
    of it counts, not what the switch says. `earlier`: see Suspicion.
    """
    doubts = Doubts(now, seen.core_uuid, earlier)
    evidence = Evidence(seen, now)
    wanted = {agent.id: agent for agent in rules.agents.values() if agent.home == switch}

    def name(id_: str) -> str:
        agent = rules.agents.get(id_)
        return f"agent {id_} ({agent.name})" if agent is not None else f"agent {id_}"

    left = {id_: agent for id_, agent in seen.agents.items() if _left_over(agent, rules, wanted, evidence, remembered)}
    mine = {id_: seen.agents[id_] for id_ in wanted if id_ in seen.agents}
    found = [
        *_queues(rules, evidence, switch, doubts),
        *_agents(wanted, seen, remembered, restarted, name),
        *_tiers(rules, evidence, switch, name, left),
        *_left_agents(left, evidence, name),
        *heal({**mine, **left}, _ours(rules, seen), evidence, remembered, doubts, name),
    ]
    return sorted(found, key=lambda one: _ORDER[one.kind])


def knows(rules: Rules, switch: str) -> bool:
    """Whether the rules speak of this switch at all: of one they do not know, everything would seem to be left over."""
    return switch in rules.switches if rules.switches else any(queue.home == switch for queue in rules.queues.values())


def to_remember(
    rules: Rules, seen: Seen, remembered: Mapping[str, RememberedStatus], switch: str, now: datetime,
    tired: frozenset[str] = frozenset(),
) -> tuple[dict[str, RememberedStatus], bool]:
    """What of the agents' status is to be remembered anew: the switch is right. Not for a switch just started anew.

    `tired`: who has been sent on a break by the switch for calls not answered. Also whether there are differences that
    are too fresh to tell which of the two is newer: look again after SETTLED_S.
    """
    news, fresh = {}, False
    for agent in seen.agents.values():
        wanted = rules.agents.get(agent.id)
        known = remembered.get(agent.id)
        if wanted is None or wanted.home != switch or (known is not None and known.status == agent.status):
            continue
        if known is not None and known.since is not None and now - known.since < timedelta(seconds=SETTLED_S):
            fresh = True
            continue
        reason = NO_ANSWER if agent.status == AgentStatus.ON_BREAK and agent.id in tired else ""
        news[agent.id] = RememberedStatus(agent.status, reason, agent.status_at or now)
    return news, fresh


def _is_ours(queue: str, rules: Rules) -> bool:
    return queue.endswith(f"@{rules.domain}")


def _ours(rules: Rules, seen: Seen) -> frozenset[str]:
    return frozenset({queue for queue in seen.queues if _is_ours(queue, rules)} | rules.queues.keys())


def _queues(rules: Rules, evidence: Evidence, switch: str, doubts: Doubts) -> Iterator[Difference]:
    seen = evidence.seen
    for queue in rules.queues.values():
        there = seen.queues.get(queue.name)
        if there is None:
            yield Difference(Kind.QUEUE_MISSING, queue.name, f"queue {queue.name} is missing", (LoadQueue(queue.name),))
            continue
        parameters = queue_parameters(queue, switch)
        others = _other_settings(there, {key: parameters[name] for key, name in _SETTINGS.items()})
        if others:
            yield Difference(
                Kind.QUEUE_SETTINGS, queue.name, f"queue {queue.name} has {'; '.join(others)}",
                (LoadQueue(queue.name),), sign="; ".join(others),
            )
    for name in seen.queues.keys() - rules.queues.keys():
        if _is_ours(name, rules):
            yield from _left_queue(name, evidence, doubts)


def _other_settings(there: SeenQueue, wanted: Mapping[str, str]) -> list[str]:
    is_ = {**there.settings, "max_wait_time": str(there.wait_s or 0)}
    return [
        f"{_setting(key, is_.get(key, ''))} instead of {_setting(key, value)}"
        for key, value in wanted.items() if is_.get(key, "") != value
    ]


def _setting(key: str, value: str) -> str:
    if key == "max_wait_time":
        return "no limit to the wait" if value in ("", "0") else f"a wait of {value} s"
    return f"{key.replace('_', '-')} {value or 'nothing'}"


def _left_queue(name: str, evidence: Evidence, doubts: Doubts) -> Iterator[Difference]:
    """A call of the older rules may still be on its way there: gone once it has been empty for a while."""
    members = [member for member in evidence.seen.members.values() if member.queue == name]
    if not _served(name, evidence):
        yield from _forgotten(name, evidence, doubts)
    if any(evidence.waits(member) for member in members):
        yield Difference(
            Kind.QUEUE_LEFT, name, f"queue {name} is left over from older rules, and callers are in it",
            todo="it goes when the last of them has left",
        )
        return
    yield doubts.difference(
        Kind.QUEUE_LEFT, name, f"queue {name} is left over from older rules", (UnloadQueue(name, len(members)),),
        legs=[member.call for member in members],
    )


def _served(queue: str, evidence: Evidence) -> bool:
    """Whether anybody in the switch has a tier of this queue, logged in or not."""
    return any(tier.queue == queue and tier.agent in evidence.seen.agents for tier in evidence.seen.tiers)


def _forgotten(queue: str, evidence: Evidence, doubts: Doubts) -> Iterator[Difference]:
    """Callers who wait where nobody will ever answer them: the rules in force say where they belong now."""
    for member in evidence.seen.members.values():
        if member.queue == queue and member.state == MemberState.WAITING and evidence.waits(member):
            yield doubts.difference(
                Kind.MEMBER_STUCK, member.uuid,
                f"a caller waits in queue {queue}, which is left over from older rules and which nobody serves",
                (ReturnCall(member.call),), "nobody serves it",
            )


def _agents(
    wanted: Mapping[str, Agent], seen: Seen, remembered: Mapping[str, RememberedStatus], restarted: bool,
    name: Callable[[str], str],
) -> Iterator[Difference]:
    for agent in wanted.values():
        there = seen.agents.get(agent.id)
        known = remembered.get(agent.id)
        settings = _settings(agent, agent_contact(agent))
        if there is None:
            steps: list[Step] = [AddAgent(agent.id)]
            steps += [SetAgent(agent.id, key, value) for key, value in settings.items()]
            if known is not None and known.status != AgentStatus.LOGGED_OUT:
                steps.append(SetStatus(agent.id, known.status, known.reason))
            yield Difference(Kind.AGENT_MISSING, agent.id, f"{name(agent.id)} is missing", tuple(steps))
            continue
        is_ = _settings(there, there.contact)
        others = {key: value for key, value in settings.items() if is_[key] != value}
        if others:
            text = "; ".join(
                f"{key.replace('_', '-')} {is_[key] or 'nothing'} instead of {value}" for key, value in others.items()
            )
            yield Difference(
                Kind.AGENT_SETTINGS, agent.id, f"{name(agent.id)} has {text}",
                tuple(SetAgent(agent.id, key, value) for key, value in others.items()), sign=text,
            )
        if restarted and known is not None and known.status != there.status:
            yield Difference(
                Kind.STATUS_LOST, agent.id,
                f"{name(agent.id)} was {known.status} before the switch was started anew and is {there.status}",
                (SetStatus(agent.id, known.status, known.reason),),
            )


def _settings(agent: Agent | SeenAgent, contact: str) -> dict[str, str]:
    """By the words of `agent set`."""
    return {
        "contact": contact, "wrap_up_time": str(agent.wrap_up_s), "max_no_answer": str(agent.max_no_answer),
        "reject_delay_time": str(agent.reject_delay_s), "busy_delay_time": str(agent.busy_delay_s),
        "no_answer_delay_time": str(agent.no_answer_delay_s),
    }


def _left_over(
    agent: SeenAgent, rules: Rules, wanted: Mapping[str, Agent], evidence: Evidence,
    remembered: Mapping[str, RememberedStatus],
) -> bool:
    """Whether an agent was ours by older rules, and nobody else's."""
    if agent.id in wanted or not _OUR_ID.match(agent.id):
        return False
    queues = [tier.queue for tier in evidence.tiers.get(agent.id, ())]
    if any(not _is_ours(queue, rules) for queue in queues):
        return False
    return bool(queues) or agent.id in remembered


def _left_agents(
    left: Mapping[str, SeenAgent], evidence: Evidence, name: Callable[[str], str],
) -> Iterator[Difference]:
    for agent in left.values():
        if agent.state in BUSY or evidence.in_call(agent):
            yield Difference(
                Kind.AGENT_LEFT, agent.id, f"{name(agent.id)} is left over from older rules, and in a call",
                todo="it goes when the call is over",
            )
        else:
            yield Difference(
                Kind.AGENT_LEFT, agent.id, f"{name(agent.id)} is left over from older rules", (DeleteAgent(agent.id),),
            )


def _tiers(
    rules: Rules, evidence: Evidence, switch: str, name: Callable[[str], str], left: Mapping[str, SeenAgent],
) -> Iterator[Difference]:
    wanted = {(queue, agent): level for queue, agent, level in tiers(rules, switch)}
    there = {(tier.queue, tier.agent): tier for tier in evidence.seen.tiers if _is_ours(tier.queue, rules)}
    for (queue, agent), level in wanted.items():
        tier = there.get((queue, agent))
        subject = f"{queue} {agent}"
        if tier is None:
            yield Difference(
                Kind.TIER_MISSING, subject, f"{name(agent)} does not serve queue {queue}",
                (AddTier(queue, agent, level),),
            )
        elif tier.level != level:
            yield Difference(
                Kind.TIER_LEVEL, subject, f"{name(agent)} has level {tier.level} instead of {level} in queue {queue}",
                (SetTier(queue, agent, "level", str(level)),),
            )
    # Who came by older rules is answered by those who served the queue then.
    waited_in = {
        member.queue for member in evidence.seen.members.values()
        if member.queue not in rules.queues and member.state != MemberState.ANSWERED and evidence.waits(member)
    }
    for (queue, agent), tier in there.items():
        if (queue, agent) in wanted or agent in left or (queue in waited_in and agent in evidence.seen.agents):
            continue
        # A row of one that is no longer there, or of one who no longer serves it.
        yield Difference(
            Kind.TIER_LEFT, f"{queue} {agent}", f"{name(agent)} serves queue {tier.queue} by older rules only",
            (DeleteTier(queue, agent),),
        )
