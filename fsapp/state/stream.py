"""The event stream: how an event is written down, adding some and reading them. Writing many is `batch.EventWriter`.

An event is a dict: `type`, `id` (unique: an event may come twice after an outage, drop the second), `at` (epoch
seconds), `call` (the call's uuid, where there is one), and what else belongs to its type. From `fsapp serve`:
`call_routed` and `call_refused` (the first about a call with `facts`, see `core.facts_record`, others with `later`),
`call_ended`, `flow_left` (flow, path: the blocks, end: queue, agent, transfer, hangup, or hung-up by the caller, limit,
late, failed, cut; values, rules), `survey_answered` (flow, block, value; after a talk its agent and queue too),
`voicemail_left` (flow, block, line, file), `callback_asked` (flow, block, place, number, outcome: noted, already,
refused, failed), `key_left` (queue, end: as of `flow_left`, of who has pressed the queue's key).
From `fsapp link`, all with `switch`, and `recovered` True where the event
itself was lost and the fact found later (then `at` is when it was found, and causes are empty):

| type | more |
| --- | --- |
| `queue_joined` | member, queue, number, base_score |
| `agent_offered` | member, queue, agent, number, and of a call of our own customer: whom it is for |
| `agent_missed` | member, queue, agent, cause: the phone was busy, rejected it or did not answer |
| `call_answered` | member, queue, number, agent, waited_s |
| `talk_ended` | member, queue, number, agent, agent_call, talked_s |
| `wait_told` | member, queue, position, low_s, high_s, doubt, prompts, key: what a caller who waits has heard |
| `call_abandoned` | member, queue, reason, waited_s and those below: the caller hung up while waiting |
| `call_left_queue` | member, queue, reason (TIMEOUT, EXIT_WITH_KEY, ...), waited_s and those below: and lives on |
| `call_hung_up` | direction, number, called, cause, lasted_s, answered_s, variables: one for each caller's leg |
| `recording_started`, `recording_stopped` | file (its name below the folder of recordings), seconds |
| `recording_paused`, `recording_resumed` | file, agent |
| `recordings_removed` | files, bytes, kept: their time was over |
| `switch_seen` | since, run: it has been seen from then until now; once a minute, and when it is lost |
| `agent_status`, `switch_healed` | see `telephony.reconcile` |
| `direct_callback` | number, agent, effect (arises, restarted, deleted), expires_at, campaign, stage |
| `attempt` | number, agent, outcome (failed, talked), campaign, stage, talked_s, and those below |
| `task` | what (made, tried, assigned, closed), and those below |
| `stickiness` | number, agent (None: nobody any more), place, by (talk, attempt, hand) |
| `contact` | number, what (opened, closed, attempted, removed): its contacts changed, as they are in Redis |

A `task` has task (its id), kind, state, number, place, campaign, stage, line, agent, group, due_at, expires_at,
made_at, made_by, contact, tries (how many), why, note; an `attempt` at one has task, responsible (whose task it was),
result (a `core.task.TryOutcome`), cause, line, contact. Those of a callback have about too: the call that was lost, or
in which it was asked for; those of a survey flow and about, as has its `survey_answered` (about, agent): the
interaction that it asks about, and who had talked there.

Who left a queue has number, base_score (when the stay in it began) and, where they are known, called and language.
A `member` is one stay of a call in one queue. Where the call was routed also: class, decision, campaign, stage, line,
contact; where its leg is known, direction. The last four come from commands as well, then without switch. A `contact`
says that something changed, not what is so now: who keeps contacts reads it where it is. Imports tell of no contacts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgpack
import redis

from fsapp.log import get_logger
from fsapp.state import keys
from fsapp.state.connection import redis_faults

__all__ = ["BEGINNING", "FIELD", "add", "decode", "encode", "read", "tail"]

FIELD = b"e"
BEGINNING = "0"

_PAGE = 500
_log = get_logger("stream")


def encode(event: dict[str, Any]) -> bytes:
    """An event as it stands in the stream; what msgpack does not know is written as text."""
    return msgpack.packb(event, default=str)


def decode(value: bytes) -> dict[str, Any]:
    """The event back; ValueError if it is none."""
    try:
        event = msgpack.unpackb(value)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise ValueError(f"not an event: {error}") from None
    if not isinstance(event, dict):
        raise ValueError("not an event: not a map")
    return event


def add(client: redis.Redis, payloads: Sequence[bytes]) -> None:
    """Add encoded events in one go; StateUnavailable or StateRefused when Redis does not take them.

    Cuts nothing off the stream: how long it may be is for `fsapp serve` to say.
    """
    with redis_faults(client):
        pipeline = client.pipeline(transaction=False)
        for payload in payloads:
            pipeline.xadd(keys.EVENTS, {FIELD: payload})
        pipeline.execute()


def read(
    client: redis.Redis, since: str, *, count: int = _PAGE, block_s: float | None = None,
) -> list[tuple[str, dict[str, Any]]]:
    """At most `count` events after the stream id `since`, oldest first, each with its id; what is no event is skipped.

    `block_s` waits that long for the first one, but never so long that the client's own time limit would end it.
    An empty list does not mean the end if events were skipped: that is what `tail` is for.
    """
    return [(place, event) for place, event in _page(client, since, count, block_s) if event is not None]


def tail(
    client: redis.Redis, since: float | str | None = None, *, follow: bool = True, block_s: float = 1.0,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Events with their stream ids, oldest first.

    `since`: epoch seconds, or a stream id to go on after, or None for what comes from now on. `follow` False ends at
    the last one there is. StateUnavailable or StateRefused when Redis fails.
    """
    if since is None:
        place = _last(client)
    elif isinstance(since, str):
        place = since
    else:
        place = f"{max(int(since * 1000) - 1, 0)}-18446744073709551615"
    while True:
        page = _page(client, place, _PAGE, block_s if follow else None)
        if not page and not follow:
            return
        for place, event in page:  # noqa: B007  the last place read is where the next page starts
            if event is not None:
                yield place, event


def _last(client: redis.Redis) -> str:
    with redis_faults(client):
        newest = client.xrevrange(keys.EVENTS, count=1)
    return newest[0][0].decode() if newest else BEGINNING


def _page(
    client: redis.Redis, since: str, count: int, block_s: float | None,
) -> list[tuple[str, dict[str, Any] | None]]:
    block_ms = None
    if block_s is not None:
        limit_s = client.connection_pool.connection_kwargs.get("socket_timeout") or block_s * 2
        block_ms = max(1, int(min(block_s, limit_s / 2) * 1000))
    with redis_faults(client):
        answer = client.xread({keys.EVENTS: since}, count=count, block=block_ms)
    return [(place.decode(), _event(place, fields)) for _stream, entries in answer or () for place, fields in entries]


def _event(place: bytes, fields: dict[bytes, bytes]) -> dict[str, Any] | None:
    try:
        return decode(fields[FIELD])
    except (ValueError, KeyError) as error:
        _log.warning("bad_event", place=place.decode(), error=str(error))
        return None
