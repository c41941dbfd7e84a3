"""What a visit reads from a call and what it sets on it. Pure: knows no socket and no switch, and decides nothing.

A call is a mapping with the names that the event socket gives (`HEADERS`): telephony picks them out of a header block,
the scripts inside the switch ask the session for the variables behind them (`from_variables`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from fsapp.core.clean import clean_name, clean_number, clean_text
from fsapp.core.facts_record import facts_record
from fsapp.core.flow.state import NO_STATE, State, asking, read_language, read_state
from fsapp.core.flow_leg import ABOUT, ABOUT_AGENT, Asks, asks_of
from fsapp.core.model import DEGRADED_REASON, FALLBACK_REASON, REASONS, Call, CallClass, Decision, Earlier
from fsapp.core.numbers import normalise
from fsapp.core.placeholder import ASKS, CUSTOMER
from fsapp.core.rules import MAIN
from fsapp.core.score import MAX_SCORE

__all__ = [
    "CARRIED", "CLOSED_EXTENSION", "CONTEXT", "FALLBACK_EXTENSION", "HEADERS", "QUEUE_EXTENSION", "TALKED",
    "UNKNOWN_EXTENSION", "Arrival", "as_fallback", "ended", "event_id", "from_variables", "read_arrival", "routed",
    "variables",
]

# Where a decided call is transferred to (dialplan/fsapp.xml).
CONTEXT = "fsapp"
QUEUE_EXTENSION = "fsapp-queue"
UNKNOWN_EXTENSION = "fsapp-unknown"
CLOSED_EXTENSION = "fsapp-closed"
FALLBACK_EXTENSION = "fsapp-fallback"

# What comes along with a call that another switch carries here, by the variable of its SIP header: only a call that the
# dialplan marks as carried is asked for it, as any caller can send such headers.
CARRIED: Mapping[str, str] = {name: f"sip_h_X-fsapp-{name}" for name in (
    "class", "queue", "score", "decision", "reason", "campaign", "stage", "line", "contact", "agent", "tried",
    "degraded", "called", "number", "name", "waited", "call", "switch", "recording", "announced",
)}
# Everything that a visit reads, by the name on the event socket: the channel's variable of the same value.
HEADERS: Mapping[str, str] = {
    "Unique-ID": "uuid",
    "Caller-Caller-ID-Number": "caller_id_number",
    "Caller-Caller-ID-Name": "caller_id_name",
    "Caller-Destination-Number": "destination_number",
    "Caller-Channel-Answered-Time": "answered_time",
} | {f"variable_{name}": name for name in (
    "fsapp_called", "fsapp_decision", "fsapp_class", "fsapp_queue", "fsapp_campaign", "fsapp_stage", "fsapp_line",
    "fsapp_contact", "fsapp_reason", "fsapp_tried", "fsapp_task", "fsapp_switch", "fsapp_carried", "fsapp_recording",
    "cc_base_score", "cc_cause", "cc_cancel_reason", "cc_agent", *NO_STATE, "fsapp_prompts",
    "fsapp_recordings_of_switch", "fsapp_patience_id", ASKS, CUSTOMER, ABOUT, ABOUT_AGENT, *CARRIED.values(),
)}
_NOW = "Event-Date-Timestamp"  # when the switch said all this, by its own clock; microseconds, as all its times
_MAX_WORD = 256  # the longest of ours is a contact's id: two names and a number
_MAX_TRIED = 2000
_BY_KEY = "EXIT_WITH_KEY"
TALKED = "answered"  # how a stay in a queue ends after which there is nobody to wait for
_WORD = re.compile(r"[A-Za-z0-9@+./:_-]{1,256}\Z")
_SCORE = re.compile(r"[0-9]{1,10}\Z", re.ASCII)
_TIME = re.compile(r"[0-9]{1,18}\Z", re.ASCII)
# Extensions where a call is that no longer waits for a decision (dialplan/fsapp.xml).
_ELSEWHERE = frozenset({
    QUEUE_EXTENSION, "fsapp-return", FALLBACK_EXTENSION, UNKNOWN_EXTENSION, CLOSED_EXTENSION, "fsapp-goodbye",
    "fsapp-carry",
})


class Arrival(NamedTuple):
    """A call at the door. `cause` is how its last stay in a queue ended, `queue` where that was; None on a first visit.

    `renamed` holds the caller's number and name where cleaning changed them, for the switch to show instead.
    `moved_on`: the dialplan has taken the call elsewhere meanwhile, and it must be left alone. `switch`: where the call
    is. `waited_s`: since the switch answered it. `carried`: what came along from the switch that carried it here, by
    the names of CARRIED and as it came; None for a call of our own. `recording`: the file that an earlier visit
    has named. `flow`: where in a flow the caller is, or, where the caller has left the queue by its key (`asked`), in
    what is asked then; None outside. `language`: the one chosen in a flow. `prompts`: the folder of the switch's
    prompts, `recordings` that of its recordings.
    `patience_id`: what the dialplan has scheduled for the case that nobody decides. `asks`: of a call of ours, answered
    by a customer whom a flow asks, what for; then the caller is this customer, and nothing is decided about the call.
    """

    uuid: str
    call: Call
    cause: str | None
    queue: str | None
    call_class: CallClass | None
    agent: str | None
    renamed: dict[str, str]
    moved_on: bool
    switch: str = MAIN
    waited_s: int = 0
    carried: Mapping[str, str] | None = None
    recording: str | None = None
    flow: State | None = None
    prompts: str = ""
    recordings: str = ""
    patience_id: str = ""
    asked: bool = False
    language: str | None = None
    asks: Asks | None = None


def from_variables(get: Callable[[str], str | None], at: float = 0.0) -> dict[str, str]:
    """What `read_arrival` reads, asked of a call one variable at a time; None and an empty one are absent.

    `at`: epoch seconds; without it the call has waited for nothing.
    """
    found = {header: text for header, name in HEADERS.items() if (text := get(name))}
    return found | {_NOW: str(int(at * 1_000_000))}


def read_arrival(found: Mapping[str, str], region: str) -> Arrival:
    """The call behind these headers, once-decoded; `region` is the centre's default region for numbers.

    What only the switch and fsapp write is bounded and on one line too: it is logged and kept, whoever it came from.
    """
    get = found.get
    asks = asks_of({name: get(f"variable_{name}") or "" for name in (ASKS, "fsapp_task", CUSTOMER, ABOUT, ABOUT_AGENT)})
    raw_number = (asks.number if asks else get("Caller-Caller-ID-Number")) or ""
    raw_name = get("Caller-Caller-ID-Name") or ""
    raw_called = get("variable_fsapp_called") or get("Caller-Destination-Number") or ""
    number, name = clean_number(raw_number), clean_name(raw_name)
    renamed = {}
    if number != raw_number:
        renamed["caller_id_number"] = number
    if name != raw_name:
        renamed["caller_id_name"] = name
    asked = _asked(found)
    earlier = _read_earlier(found, asked=asked)
    state = {name: get(f"variable_{name}") or "" for name in NO_STATE}
    call = Call(
        normalise(number, region), normalise(clean_number(raw_called), region), name, earlier,
        task=_word(get("variable_fsapp_task")))
    return Arrival(
        _word(get("Unique-ID")) or "", call, get("variable_cc_cause") or None,
        _word(get("variable_fsapp_queue")), _class(get("variable_fsapp_class")), _word(get("variable_cc_agent")),
        renamed, get("Caller-Destination-Number") in _ELSEWHERE, _word(get("variable_fsapp_switch")) or MAIN,
        _waited_s(get("Caller-Channel-Answered-Time") or "", get(_NOW) or ""), _carried(found),
        _word(get("variable_fsapp_recording")),
        asking(state) if asked else read_state(state), get("variable_fsapp_prompts") or "",
        get("variable_fsapp_recordings_of_switch") or "",
        text if _TIME.match(text := get("variable_fsapp_patience_id") or "") else "", asked,
        read_language(state), asks,
    )


def _asked(found: Mapping[str, str]) -> bool:
    """Whether the last stay in a queue ended by its key. The switch keeps the reason when it ends otherwise later."""
    return found.get("variable_cc_cause") == "cancel" and found.get("variable_cc_cancel_reason") == _BY_KEY


def _carried(found: Mapping[str, str]) -> dict[str, str] | None:
    if found.get("variable_fsapp_carried") != "true":
        return None
    return {name: text for name, variable in CARRIED.items() if (text := found.get(f"variable_{variable}"))}


def _waited_s(answered: str, now: str) -> int:
    """Whole seconds between two of the switch's times, as its queues count them; 0 for a call not answered yet."""
    if not (_TIME.match(answered) and _TIME.match(now) and int(answered)):
        return 0
    return max(0, int(now) // 1_000_000 - int(answered) // 1_000_000)


def _read_earlier(found: Mapping[str, str], *, asked: bool) -> Earlier | None:
    """What an earlier visit left in the call's variables; None where they are absent or not ours.

    A queue that was left by its key (`asked`) has not been tried: the caller may go on there.
    """
    get = found.get
    decision = _word(get("variable_fsapp_decision"))
    if not decision:
        return None
    call_class = _class(get("variable_fsapp_class"))
    score = get("variable_cc_base_score") or ""
    if call_class is None or not _SCORE.match(score) or int(score) > MAX_SCORE:
        return None
    reason = get("variable_fsapp_reason") or ""
    if reason.removeprefix(FALLBACK_REASON).removeprefix(DEGRADED_REASON) not in REASONS:
        reason = ""  # a call keeps its place; reasons are counted one by one and must stay few
    tried = clean_text(get("variable_fsapp_tried") or "", _MAX_TRIED)
    return Earlier(
        call_class, int(score), reason, _word(get("variable_fsapp_campaign")), _word(get("variable_fsapp_stage")),
        _word(get("variable_fsapp_line")), _word(get("variable_fsapp_contact")), decision,
        tuple(queue for queue in tried.split(",") if queue and not (asked and queue == get("variable_fsapp_queue"))),
        asked,
    )


def _class(text: str | None) -> CallClass | None:
    try:
        return CallClass(text or "")
    except ValueError:
        return None


def _word(text: str | None) -> str | None:
    """A name or an id of ours as it stands; anything else cleaned and cut. None for none and for an empty one."""
    if not text or _WORD.match(text):
        return text or None
    return clean_text(text, _MAX_WORD) or None


def variables(decision: Decision, decision_id: str, *, again: bool) -> dict[str, str]:
    """The channel variables of a decision; on a later visit (`again`) those that no longer apply are set to nothing."""
    target = decision.target
    found = {
        "fsapp_class": decision.call_class.value if decision.call_class else None,
        "fsapp_queue": target.queue if target else None,
        "cc_base_score": str(decision.base_score) if decision.base_score is not None else None,
        "fsapp_decision": decision_id,
        "fsapp_reason": decision.reason,
        "fsapp_campaign": decision.campaign,
        "fsapp_stage": decision.stage,
        "fsapp_line": decision.line,
        "fsapp_contact": decision.contact,
        "fsapp_agent": target.agent if target else None,
        "fsapp_tried": ",".join(decision.tried) or None,
        "fsapp_degraded": "true" if decision.degraded else None,
    }
    return {name: value or "" for name, value in found.items() if value is not None or again}


def as_fallback(decision: Decision) -> Decision:
    """The same decision, saying that it was made inside the switch; once, however often that happens to a call."""
    reason = f"{FALLBACK_REASON}{decision.reason.removeprefix(FALLBACK_REASON)}"
    return replace(decision, reason=reason)


def event_id(at: float, chance: int) -> str:
    """26 hex digits: the time `at` (epoch seconds) in microseconds, then `chance` (48 bits); sorts by time."""
    return f"{int(at * 1_000_000):014x}{chance:012x}"


def routed(arrival: Arrival, decision: Decision, decision_id: str, at: float) -> dict[str, Any]:
    """The event of a decision: `call_routed`, or `call_refused` where the number is not ours. `at`: epoch seconds."""
    call, target = arrival.call, decision.target
    return {
        "type": "call_routed" if target else "call_refused",
        "id": decision_id,
        "at": at,
        "call": arrival.uuid,
        "caller": call.caller.key or call.caller.raw,
        "name": call.name,
        "called": call.called.key or call.called.raw,
        "class": decision.call_class.value if decision.call_class else None,
        "reason": decision.reason,
        "campaign": decision.campaign,
        "stage": decision.stage,
        "line": decision.line,
        "contact": decision.contact,
        "queue": target.queue if target else None,
        "agent": target.agent if target else None,
        "base_score": decision.base_score,
        "targets": decision.targets,
        "trace": decision.trace,
        "visit": len(decision.tried),
        "rules": decision.rules_version,
        "degraded": decision.degraded,
        # Only the first decision about a call can be made again: later ones hang on what became of it.
        # Nor can one about a call of our own, whose task may have changed.
        **({"task": call.task} if call.task else {}),
        **({"later": True} if call.earlier or call.task else {"facts": facts_record(decision, call.led)}),
    }


def ended(arrival: Arrival, id_: str, at: float) -> dict[str, Any]:
    """The event of a call that comes back answered; `at` epoch seconds."""
    earlier = arrival.call.earlier
    return {
        "type": "call_ended",
        "id": id_,
        "at": at,
        "call": arrival.uuid,
        "queue": arrival.queue,
        "agent": arrival.agent,
        "decision": earlier.decision if earlier else None,
        "class": arrival.call_class.value if arrival.call_class else None,
    }
