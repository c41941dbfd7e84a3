"""What the lab switch did, call by call, as it tells its observers; and what of it the memory has otherwise. No tests.

The switch tells this to nobody else: neither an event nor a record of the switch goes into it. What may be missing is
what nobody could know. While the link is away (`Blind`), events of mod_callcenter are heard by nobody and told no
second time: what began and ended meanwhile, and is not the call's last stay in a queue, of which the switch's record
tells, has no trace anywhere; of what only ended meanwhile the time is that of the next look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Blind", "Call", "Truth", "differences"]

_WHOLE_S = 1.6     # mod_callcenter counts in whole seconds; and this machine is busy
_LATE_S = 10.0     # the switch decides whom to offer a caller, and tells of it when it gets to it
_JUST_S = 1.0      # before the link was killed: what it had heard, and not told yet
_HUNG_UP = ("", "NONE", "BREAK_OUT")
Row = Mapping[str, Any]


@dataclass
class Offer:
    agent: str
    at: float
    cause: str | None = None   # why it was not answered
    ended_at: float | None = None
    answered: bool = False


@dataclass
class Stay:
    """A stay in a queue. `left_at`: when it was over without a talk; `over_at`: when the talk was."""

    member: str
    queue: str
    joined_at: float
    offers: list[Offer] = field(default_factory=list)
    agent: str | None = None
    answered_at: float | None = None
    over_at: float | None = None
    left_at: float | None = None
    reason: str | None = None

    def end(self, call: Call) -> float:
        """When the caller did not wait any more."""
        return min(at for at in (self.answered_at, self.left_at, call.ended_at) if at is not None)


@dataclass
class Call:
    uuid: str
    number: str
    started_at: float
    stays: dict[str, Stay] = field(default_factory=dict)
    ended_at: float = 0.0
    cause: str = ""
    outcome: str = ""

    @property
    def talk(self) -> Stay | None:
        return next((stay for stay in self.stays.values() if stay.answered_at is not None), None)

    @property
    def last(self) -> Stay | None:
        return next(reversed(self.stays.values()), None)


@dataclass(frozen=True)
class Blind:
    """From when until when nobody heard what the switch told of its queues."""

    start: float
    end: float

    def has(self, at: float, slack_s: float = 0.0) -> bool:
        return self.start - slack_s <= at <= self.end + slack_s


class Truth:
    """An observer of the switch."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}

    def __call__(self, event: Mapping[str, Any]) -> None:
        kind, uuid, at = event["event"], event["uuid"], event["at"]
        if kind == "call_started":
            self.calls.setdefault(uuid, Call(uuid, event["caller"], at))
            return
        call = self.calls.setdefault(uuid, Call(uuid, event["caller"], at))
        if kind == "ended":
            call.ended_at, call.cause, call.outcome = at, event["cause"], event["outcome"]
        elif kind == "queue_joined":
            call.stays[event["member"]] = Stay(event["member"], event["queue"], event["joined_at"])
        elif kind in ("offered", "not_answered", "answered", "left", "talk_ended"):
            self._in_queue(call.stays[event["member"]], kind, at, event)

    @staticmethod
    def _in_queue(stay: Stay, kind: str, at: float, event: Mapping[str, Any]) -> None:
        if kind == "offered":
            stay.offers.append(Offer(event["agent"], at))
        elif kind == "not_answered":
            stay.offers[-1].cause, stay.offers[-1].ended_at = event["cause"], at
        elif kind == "answered":
            stay.agent, stay.answered_at = event["agent"], at
            stay.offers[-1].answered, stay.offers[-1].ended_at = True, at
        elif kind == "left":
            stay.left_at, stay.reason = at, event["reason"]
        else:
            stay.over_at = at


def differences(
    truth: Mapping[str, Call], stays: Sequence[Row], offers: Sequence[Row], blind: Sequence[Blind],
) -> list[str]:
    """Where the rows of stays in queues and of offers are not what happened; a line each."""
    by_call: dict[str, dict[str, Row]] = {}
    of_stay: dict[str, list[Row]] = {}
    for row in stays:
        by_call.setdefault(row["interaction_id"], {})[row["id"]] = row
    for row in offers:
        of_stay.setdefault(row["stay_id"], []).append(row)
    found = [f"{uuid}: stays of no call" for uuid in by_call.keys() - truth.keys()]
    known = {member for call in truth.values() for member in call.stays}
    found += [f"{member}: offers of no stay" for member in of_stay.keys() - known]
    for uuid, call in truth.items():
        rows = by_call.get(uuid, {})
        found += [f"{uuid}: a stay {member} that was none" for member in rows.keys() - call.stays.keys()]
        for member, stay in call.stays.items():
            row = rows.get(member)
            if row is None:
                if not _unseen(call, stay, blind):
                    found.append(f"{uuid}: no row of {stay}")
                continue
            found += [f"{uuid}: {what}, of {stay}" for what in _stay(call, stay, row, blind)]
            found += [f"{uuid}: {what}, of {stay}" for what in _offers(stay, of_stay.get(member, []), blind)]
    return found


def _unseen(call: Call, stay: Stay, blind: Sequence[Blind]) -> bool:
    """Whether nobody can know of the stay: it began and ended while nobody looked, and the call went on to another."""
    return stay is not call.last and any(
        gap.has(stay.joined_at, _JUST_S) and gap.has(stay.end(call), _JUST_S) for gap in blind)


def _stay(call: Call, stay: Stay, row: Row, blind: Sequence[Blind]) -> Iterator[str]:
    end = stay.end(call)
    gap = None if stay is call.last else next((gap for gap in blind if gap.has(end, _JUST_S)), None)
    late_s = _WHOLE_S + (0.0 if gap is None else max(0.0, gap.end - end))
    yield from _equal("queue", stay.queue, row["queue"])
    yield from _near("joined_at", stay.joined_at, row["joined_at"])
    hung_up = stay.reason in _HUNG_UP and stay is call.last
    outcome = "answered" if stay.answered_at else "abandoned" if hung_up else "left"
    if gap is None:
        yield from _equal("outcome", outcome, row["outcome"])
        yield from _equal("reason", None if stay.answered_at else stay.reason, row["reason"] or None)
    elif row["outcome"] not in (outcome, "left", "abandoned", None):
        # It ended while nobody looked: that it did is known, why is not, nor whether the call lived on.
        yield f"outcome {row['outcome']}"
    yield from _near("left_at", end, row["left_at"], late_s, gap is not None)
    yield from _near("waited_s", end - stay.joined_at, row["waited_s"], late_s, gap is not None)
    yield from _equal("agent", stay.agent, row["agent"])
    if stay.answered_at is not None:
        over = stay.over_at or call.ended_at
        # The switch's record of a call knows only when the call was over.
        after_s = _WHOLE_S + call.ended_at - over if any(gap.has(over, _JUST_S) for gap in blind) else _WHOLE_S
        yield from _near("answered_at", stay.answered_at, row["answered_at"])
        yield from _near("talk_ended_at", over, row["talk_ended_at"], after_s)
        yield from _near("talked_s", over - stay.answered_at, row["talked_s"], after_s + 1)


def _offers(stay: Stay, rows: Sequence[Row], blind: Sequence[Blind]) -> Iterator[str]:
    left = sorted(rows, key=lambda row: row["offered_at"] or row["ended_at"])
    for offer in stay.offers:
        row = next((row for row in left if row["agent"] == offer.agent and
                    -_WHOLE_S <= (row["offered_at"] or offer.at) - offer.at <= _LATE_S), None)
        seen = not any(gap.has(offer.at, _JUST_S) for gap in blind)
        ended = offer.ended_at is not None and not any(gap.has(offer.ended_at, _JUST_S) for gap in blind)
        if row is None:
            if seen or (ended and offer.cause):
                yield f"no row of {offer}"
            continue
        left.remove(row)
        if ended and seen:
            yield from _equal("outcome", "answered" if offer.answered else "missed", row["outcome"])
            yield from _equal("cause", offer.cause, row["cause"])
            yield from _near("ended_at", offer.ended_at, row["ended_at"])
    yield from (f"an offer that was none: {dict(row)}" for row in left)


def _equal(name: str, did: Any, has: Any) -> Iterator[str]:
    if did != has:
        yield f"{name} is {has!r} instead of {did!r}"


def _near(name: str, did: float, has: float | None, slack_s: float = _WHOLE_S, unknown: bool = False) -> Iterator[str]:
    if (has is None and not unknown) or (has is not None and abs(has - did) > slack_s):
        yield f"{name} is {has} instead of {did}"
