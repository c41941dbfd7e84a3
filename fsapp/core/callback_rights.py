"""Direct callback: when a customer gets the right to reach one agent, for how long, and when it ends. Pure.

A right is one customer's to one agent, with the time it expires at. Five types, set for an agent, a stage, a campaign
or the centre (`direct_callback`, `direct_callback_s`):

| type | event | without a right | with a right |
| --- | --- | --- | --- |
| 0 | agent's attempt failed | - | kept |
| 0 | agent's attempt talked | - | kept |
| 0 | customer's call came in | - | kept |
| 0 | customer's call talked | - | kept |
| 1 | agent's attempt failed | arises | kept |
| 1 | agent's attempt talked | - | deleted |
| 1 | customer's call came in | - | kept |
| 1 | customer's call talked | - | deleted |
| 2 | agent's attempt failed | arises | restarted |
| 2 | agent's attempt talked | - | deleted |
| 2 | customer's call came in | - | kept |
| 2 | customer's call talked | - | deleted |
| 3 | agent's attempt failed | arises | restarted |
| 3 | agent's attempt talked | arises | restarted |
| 3 | customer's call came in | - | kept |
| 3 | customer's call talked | - | kept |
| 4 | agent's attempt failed | arises | restarted |
| 4 | agent's attempt talked | arises | restarted |
| 4 | customer's call came in | - | restarted |
| 4 | customer's call talked | - | restarted |

Time is the fifth event, the same for all types: at its expiry a right is none any more. What a right was given for
stays so when the type changes: under type 0 none arises, and those there are run out.

An attempt and a talk concern the right to the agent who made it or talked; a customer's call coming in concerns all of
this customer's rights. The type of an attempt is that of its agent and stage, the type of what the customer does that
of the right's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from fsapp.core.model import Right

__all__ = [
    "AGENTS_EVENTS", "OFF", "TABLE", "CallbackEvent", "CallbackRule", "Effect", "callback_rule", "effect",
    "said_of_callback", "step",
]

DEFAULT_LIFE_S = 24 * 3600


class CallbackEvent(StrEnum):
    AGENT_FAILED = "agent's attempt failed"
    AGENT_TALKED = "agent's attempt talked"
    CUSTOMER_CAME = "customer's call came in"
    CUSTOMER_TALKED = "customer's call talked"


class Effect(StrEnum):
    NOTHING = "-"
    ARISES = "arises"
    KEPT = "kept"
    RESTARTED = "restarted"
    DELETED = "deleted"


class CallbackRule(NamedTuple):
    """`type` 0-4; `life_s`: how long a right lasts from the event that made it or restarted it."""

    type: int = 0
    life_s: int = DEFAULT_LIFE_S


OFF = CallbackRule()
AGENTS_EVENTS = frozenset({CallbackEvent.AGENT_FAILED, CallbackEvent.AGENT_TALKED})

_FAILED, _TALKED, _CAME, _CUSTOMER_TALKED = CallbackEvent
# By type and event: what it does without a right, and with one.
TABLE: Mapping[tuple[int, CallbackEvent], tuple[Effect, Effect]] = {
    **{(0, event): (Effect.NOTHING, Effect.KEPT) for event in CallbackEvent},
    (1, _FAILED): (Effect.ARISES, Effect.KEPT),
    (1, _TALKED): (Effect.NOTHING, Effect.DELETED),
    (1, _CAME): (Effect.NOTHING, Effect.KEPT),
    (1, _CUSTOMER_TALKED): (Effect.NOTHING, Effect.DELETED),
    (2, _FAILED): (Effect.ARISES, Effect.RESTARTED),
    (2, _TALKED): (Effect.NOTHING, Effect.DELETED),
    (2, _CAME): (Effect.NOTHING, Effect.KEPT),
    (2, _CUSTOMER_TALKED): (Effect.NOTHING, Effect.DELETED),
    (3, _FAILED): (Effect.ARISES, Effect.RESTARTED),
    (3, _TALKED): (Effect.ARISES, Effect.RESTARTED),
    (3, _CAME): (Effect.NOTHING, Effect.KEPT),
    (3, _CUSTOMER_TALKED): (Effect.NOTHING, Effect.KEPT),
    (4, _FAILED): (Effect.ARISES, Effect.RESTARTED),
    (4, _TALKED): (Effect.ARISES, Effect.RESTARTED),
    (4, _CAME): (Effect.NOTHING, Effect.RESTARTED),
    (4, _CUSTOMER_TALKED): (Effect.NOTHING, Effect.RESTARTED),
}


def said_of_callback(spec: Mapping[str, Any]) -> dict[str, int]:
    """What one table of a checked document says of direct callback."""
    return {key: spec[key] for key in ("direct_callback", "direct_callback_s") if key in spec}


def callback_rule(*said: Mapping[str, int]) -> CallbackRule:
    """The rule where these say something, the nearest first; each key is that of the first to have it."""
    def first(key: str, default: int) -> int:
        return next((spec[key] for spec in said if key in spec), default)

    return CallbackRule(first("direct_callback", OFF.type), first("direct_callback_s", OFF.life_s))


def effect(right: Right | None, rule: CallbackRule, event: CallbackEvent, at: datetime) -> Effect:
    """What an event does to a right; one that has expired at `at` is none."""
    without, with_ = TABLE[rule.type, event]
    return without if right is None or right.expires_at <= at else with_


def step(
    right: Right | None, rule: CallbackRule, event: CallbackEvent, at: datetime, agent: str,
    campaign: str | None = None, stage: str | None = None,
) -> Right | None:
    """The right to `agent` after an event; None for none.

    `campaign` and `stage` are those of an agent's attempt; a right that is restarted by one is for them from then on.
    An event told late never takes away what a later one has given: an expiry is restarted forwards only.
    """
    done = effect(right, rule, event, at)
    expires_at = at + timedelta(seconds=rule.life_s)
    if done is Effect.ARISES:
        return Right(agent, expires_at, campaign, stage)
    if right is None or done in (Effect.NOTHING, Effect.DELETED):
        return None
    if done is Effect.KEPT:
        return right
    if event not in AGENTS_EVENTS:
        campaign, stage = right.campaign, right.stage
    return Right(agent, max(expires_at, right.expires_at), campaign, stage)
