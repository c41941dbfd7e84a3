"""What a switch says about its floor, read whole: agents, tiers, queues, members, calls. Changes nothing there.

Rows come as JSON: mod_callcenter's tables of text hold what callers call themselves, and a bar or a newline in a name
would be a row of the caller's own. Only the counters of queues are in such a table alone, and no caller's text is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Container, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from fsapp.core.clean import clean_name, clean_number
from fsapp.core.floor import Seen, SeenAgent, SeenCall, SeenMember, SeenQueue, SeenTier, users_of
from fsapp.errors import ProtocolError, SwitchError
from fsapp.telephony.link import Link

__all__ = ["QUESTIONS", "read_seen", "seen_from"]


def _listing(arguments: str) -> str:
    return "json " + json.dumps({"command": "callcenter_config", "data": {"arguments": arguments}})


QUESTIONS: Mapping[str, str] = {
    "core": "global_getvar core_uuid",
    "queues": _listing("queue list"),
    "counters": "callcenter_config queue list",
    "agents": _listing("agent list"),
    "tiers": _listing("tier list"),
    "members": _listing("member list"),
    "channels": "show channels as json",
    "bridges": "show bridged_calls as json",
    "registrations": "show registrations as json",
}
_NONE = frozenset({"", "0"})

Row = Mapping[str, Any]


def read_seen(link: Link, gone: Container[str] = ()) -> Seen:
    """Everything the switch says right now. SwitchError when it cannot be asked or has no mod_callcenter.

    `gone`: the call ids of registrations that the switch has told to be over; its table may still have them.
    """
    return seen_from({name: link.api(question) for name, question in QUESTIONS.items()}, time.time(), gone)


def seen_from(answers: Mapping[str, str], now: float, gone: Container[str] = ()) -> Seen:
    """The answers to QUESTIONS, put together; `now` in epoch seconds tells which registrations have run out."""
    registered = _registered(_shown(answers["registrations"]), now, gone)
    agents = [_agent(row, registered) for row in _listed(answers["agents"], "agents")]
    counters = _counters(answers["counters"])
    queues = [_queue(row, counters) for row in _listed(answers["queues"], "queues")]
    members = [_member(row) for row in _listed(answers["members"], "members")]
    return Seen(
        core_uuid=answers["core"].strip(),
        agents={agent.id: agent for agent in agents if agent.id},
        tiers=tuple(_tier(row) for row in _listed(answers["tiers"], "tiers")),
        queues={queue.name: queue for queue in queues if queue.name},
        members={member.uuid: member for member in members if member.uuid},
        calls=_calls(_shown(answers["channels"]), _shown(answers["bridges"])),
    )


def _listed(answer: str, what: str) -> list[Row]:
    """The rows of a JSON answer of mod_callcenter."""
    found = _json(answer)
    if not isinstance(found, dict) or found.get("status") != "success" or not isinstance(found.get("response"), list):
        raise SwitchError(f"the switch lists no {what} ({' '.join(answer.split())[:80]!r}): load mod_callcenter there")
    return [row for row in found["response"] if isinstance(row, dict)]


def _shown(answer: str) -> list[Row]:
    """The rows of `show ... as json`, which leaves them out where there are none."""
    found = _json(answer)
    rows = found.get("rows", []) if isinstance(found, dict) else []
    return [row for row in rows if isinstance(row, dict)]


def _json(answer: str) -> Any:
    try:
        return json.loads(answer, strict=False)
    except ValueError:
        raise ProtocolError(f"the switch answers {' '.join(answer.split())[:80]!r} where JSON was asked for") from None


def _agent(row: Row, registered: Mapping[str, frozenset[str]]) -> SeenAgent:
    contact = _text(row, "contact")
    return SeenAgent(
        id=_text(row, "name"), contact=contact, status=_text(row, "status"), state=_text(row, "state"),
        call=_text(row, "uuid"), wrap_up_s=_number(row, "wrap_up_time"), max_no_answer=_number(row, "max_no_answer"),
        reject_delay_s=_number(row, "reject_delay_time"), busy_delay_s=_number(row, "busy_delay_time"),
        no_answer_delay_s=_number(row, "no_answer_delay_time"), status_at=_at(row, "last_status_change"),
        offered_at=_at(row, "last_offered_call"), talked_at=_at(row, "last_bridge_start"),
        ended_at=_at(row, "last_bridge_end"), answered=_number(row, "calls_answered"), talk_s=_number(row, "talk_time"),
        registered=_is_registered(contact, registered),
    )


def _is_registered(contact: str, registered: Mapping[str, frozenset[str]]) -> bool | None:
    """Whether one of the users that `contact` calls is registered; None where it calls none."""
    users = users_of(contact)
    if not users:
        return None
    return any(user in registered and (not realm or realm in registered[user]) for user, realm in users)


def _registered(rows: Iterable[Row], now: float, gone: Container[str]) -> dict[str, frozenset[str]]:
    """The realms each user is registered in."""
    realms: dict[str, set[str]] = {}
    for row in rows:
        expires = _number(row, "expires")
        if (not expires or expires > now) and _text(row, "token") not in gone:
            realms.setdefault(_text(row, "reg_user"), set()).add(_text(row, "realm"))
    return {user: frozenset(found) for user, found in realms.items()}


def _tier(row: Row) -> SeenTier:
    return SeenTier(
        queue=_text(row, "queue"), agent=_text(row, "agent"), level=_number(row, "level"),
        position=_number(row, "position"), state=_text(row, "state"),
    )


def _queue(row: Row, counters: Mapping[str, tuple[int, int]]) -> SeenQueue:
    name = _text(row, "name")
    answered, abandoned = counters.get(name, (0, 0))
    return SeenQueue(
        name, _number(row, "max_wait_time") or None, answered, abandoned,
        {key: str(value) for key, value in row.items() if key != "name"},
    )


def _counters(table: str) -> dict[str, tuple[int, int]]:
    """Answered and abandoned calls by queue: what the JSON leaves out. A row that is not whole has none."""
    head, *rows = table.split("\n")
    columns = head.split("|")
    found = {}
    for line in rows:
        cells = line.split("|")
        if len(cells) == len(columns):
            row = dict(zip(columns, cells, strict=True))
            found[_text(row, "name")] = (_number(row, "calls_answered"), _number(row, "calls_abandoned"))
    return found


def _member(row: Row) -> SeenMember:
    return SeenMember(
        uuid=_text(row, "uuid"), queue=_text(row, "queue"), call=_text(row, "session_uuid"),
        number=clean_number(_text(row, "cid_number")), name=clean_name(_text(row, "cid_name")),
        joined_at=_at(row, "joined_epoch"), answered_at=_at(row, "bridge_epoch"),
        base_score=_number(row, "base_score"), score=_number(row, "score"), agent=_text(row, "serving_agent"),
        state=_text(row, "state"),
    )


def _calls(channels: Iterable[Row], bridges: Iterable[Row]) -> dict[str, SeenCall]:
    others = {}
    for row in bridges:
        one, other = _text(row, "uuid"), _text(row, "b_uuid")
        if one and other:
            others[one], others[other] = other, one
    calls = [_call(row, others) for row in channels]
    return {call.uuid: call for call in calls if call.uuid}


def _call(row: Row, others: Mapping[str, str]) -> SeenCall:
    uuid = _text(row, "uuid")
    return SeenCall(
        uuid=uuid, direction=_text(row, "direction"), number=clean_number(_text(row, "cid_num")),
        # `dest` is where the dialplan has led the call since.
        called=clean_number(_text(row, "initial_dest") or _text(row, "dest")), state=_text(row, "callstate"),
        created_at=_at(row, "created_epoch"), bridged_to=others.get(uuid, ""),
    )


def _text(row: Row, key: str) -> str:
    """A column as text; the switch leaves one out that is NULL."""
    value = row.get(key)
    return "" if value is None else str(value)


def _number(row: Row, key: str) -> int:
    try:
        return int(_text(row, key) or 0)
    except ValueError:
        return 0


def _at(row: Row, key: str) -> datetime | None:
    """Epoch seconds of a column; None for 0, which stands for never."""
    value = _text(row, key)
    if value in _NONE or not value.isdecimal() or len(value) > 11:
        return None
    return datetime.fromtimestamp(int(value), UTC)
