"""What may stand in braces in subjects, texts and addresses of the rules, and what it becomes. Pure; sends nothing.

What callers and customers gave is cleaned here once more: a value is one line, and never a placeholder itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fsapp.core.clean import clean_text
from fsapp.core.follow_up import Finished

__all__ = ["PLACEHOLDERS", "template_faults", "values_of", "written"]

PLACEHOLDERS: Mapping[str, str] = {
    "interaction": "its id", "channel": "call, or what another channel is called", "direction": "inbound or outbound",
    "number": "the customer's number", "name": "the customer's name", "called": "the number called",
    "class": "callback, new-customer or service", "reason": "why that class", "outcome": "how it ended",
    "campaign": "its campaign", "stage": "its stage", "line": "its line", "place": "CAMPAIGN/STAGE or the line",
    "queue": "its queue", "agent": "the agent's id", "agent_name": "the agent's name",
    "agent_email": "the agent's e-mail", "customer_email": "the customer's e-mail", "disposition": "how the agent "
    "said it ended", "tags": "its tags", "note": "the newest note about it", "waited_s": "seconds waited",
    "talked_s": "seconds talked", "started_at": "when it began", "ended_at": "when it ended",
    "ticket": "its ticket's id", "subject": "the subject of an e-mail or the like",
}
_BRACES = re.compile(r"\{([a-z_]*)\}|[{}]")
_LONGEST = 500
_LONGEST_NOTE = 4000


def template_faults(template: str) -> list[str]:
    """One line for each brace that is not of a placeholder."""
    faults = []
    for found in _BRACES.finditer(template):
        if found.group(1) is None:
            faults.append(f"has a {found.group()} that is of no placeholder; remove it")
        elif found.group(1) not in PLACEHOLDERS:
            faults.append(f"has {found.group()!r}, which is no placeholder; there are "
                          + ", ".join(f"{{{name}}}" for name in PLACEHOLDERS))
    return list(dict.fromkeys(faults))


def values_of(
    one: Finished, *, agent_name: str = "", agent_email: str = "", timezone: str = "UTC",
) -> dict[str, str]:
    """Each placeholder's value; empty for what is not known. Times as on a clock in `timezone`."""
    said: dict[str, str | None] = {
        "interaction": one.id, "channel": one.channel, "direction": one.direction, "number": one.number,
        "name": one.name, "called": one.called, "class": one.call_class, "reason": one.reason, "outcome": one.outcome,
        "campaign": one.campaign, "stage": one.stage, "line": one.line, "place": one.place, "queue": one.queue,
        "agent": one.agent, "agent_name": agent_name, "agent_email": agent_email, "customer_email": one.email,
        "disposition": one.disposition, "tags": ", ".join(sorted(one.tags)), "waited_s": _seconds(one.waited_s),
        "talked_s": _seconds(one.talked_s), "started_at": _clock(one.started_at, timezone),
        "ended_at": _clock(one.ended_at, timezone), "ticket": one.ticket_id, "subject": one.subject,
    }
    values = {name: clean_text(value or "", _LONGEST) for name, value in said.items()}
    values["note"] = clean_text(one.note, _LONGEST_NOTE)
    return values


def written(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced; braces in a value stay what they are."""
    return _BRACES.sub(lambda found: values.get(found[1], "") if found[1] else found[0], template)


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.0f}"


def _clock(at: float, timezone: str) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z}"
    except (ValueError, OverflowError, OSError, KeyError):
        return ""
