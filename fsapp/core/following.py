"""What is made because of an interaction: the document of a webhook, a letter, a task, a survey. Pure; sends nothing.

All of it is decided once, when the rule fits, and kept: what is tried again an hour later is the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fsapp.core.after_rules import EmailForm, FollowingTask, TaskFor
from fsapp.core.clean import clean_text
from fsapp.core.follow_up import Action, Finished
from fsapp.core.placeholders import values_of, written
from fsapp.core.rules import Rules

__all__ = ["Unfit", "document", "letter", "subject_of", "survey_wanted", "task_wanted"]

VERSION = 1
MAX_SUBJECT = 200
_ADDRESS = re.compile(r"[\w.%+'-]{1,64}@[\w-]+(\.[\w-]+)+\Z")
_PLAIN = ("channel", "direction", "number", "name", "called", "reason", "campaign", "stage", "line", "place", "queue",
          "contact", "outcome", "agent", "sticky_agent", "disposition", "waited_s", "talked_s", "recording", "subject")


class Unfit(str):
    """Why something can never be done: one line."""

    __slots__ = ()


def document(one: Finished, action: Action, rules: Rules, made_at: float) -> dict[str, Any]:
    """What a webhook is told, docs/follow-ups.md; absent things are None."""
    agent = rules.agents.get(one.agent or "")
    return {
        "version": VERSION, "event": "interaction", "delivery": action.id, "rule": action.rule.name,
        "made_at": _iso(made_at),
        "interaction": {
            "id": one.id, **{name: getattr(one, name) for name in _PLAIN}, "class": one.call_class,
            "started_at": _iso(one.started_at), "ended_at": _iso(one.ended_at), "tags": sorted(one.tags),
            "note": one.note or None, "ticket": one.ticket_id,
        },
        "agent": {"id": agent.id, "name": agent.name, "email": agent.email} if agent else None,
        "customer": {"id": one.customer_id, "name": one.name, "email": one.email, "language": one.language,
                     "vip": one.vip} if one.customer_id else None,
    }


def letter(one: Finished, form: EmailForm, rules: Rules, timezone: str) -> dict[str, Any] | Unfit:
    """`to`, `subject` and `text` of an e-mail; Unfit where nobody has an address."""
    values = _values(one, rules, timezone)
    addresses = [written(template, values).strip() for template in form.to]
    good = [address for address in dict.fromkeys(addresses) if len(address) <= 254 and _ADDRESS.match(address)]
    if not good:
        return Unfit("there is nobody to write to: " + ", ".join(form.to) + " is no address here")
    return {"to": good, "subject": clean_text(written(form.subject, values), MAX_SUBJECT) or "fsapp",
            "text": written(form.text, values)}


def subject_of(one: Finished, template: str, rules: Rules, timezone: str) -> str:
    """The subject of a ticket; where the rule has none, what kind of interaction it was."""
    said = clean_text(written(template, _values(one, rules, timezone)), MAX_SUBJECT)
    kind = f"{one.call_class} {one.channel}" if one.call_class else one.channel
    return said or clean_text(one.subject or f"{kind}, {one.outcome or 'ended'}", MAX_SUBJECT)


def task_wanted(one: Finished, task: FollowingTask, rules: Rules, timezone: str) -> dict[str, Any] | Unfit:
    """Whom to call again, for which place, when (epoch seconds) and whose task that is; Unfit where nobody could."""
    wanted = _call_wanted(one, task.due_s, rules)
    if isinstance(wanted, Unfit):
        return wanted
    agent = one.agent if task.who is TaskFor.AGENT and one.agent in rules.agents else None
    group = task.group
    if task.who is TaskFor.GROUP and group is None and one.agent:
        known = rules.group_of(one.agent, rules.place(wanted["place"]).staff)
        group = known.name if known else None
    note = clean_text(written(task.note, _values(one, rules, timezone)), MAX_SUBJECT)
    return {**wanted, "agent": agent, "group": group, "note": note}


def survey_wanted(one: Finished, flow: str, due_s: int, rules: Rules) -> dict[str, Any] | Unfit:
    """Whom this flow is to ask how the interaction was: as `task_wanted`, but that nobody's agent is waited for."""
    wanted = _call_wanted(one, due_s, rules)
    return wanted if isinstance(wanted, Unfit) else {
        **wanted, "flow": flow, "about": one.id, "about_agent": one.agent or ""}


def _call_wanted(one: Finished, due_s: int, rules: Rules) -> dict[str, Any] | Unfit:
    place = rules.place(one.place or "")
    if one.number is None:
        return Unfit("there is no number to call")
    if place is None:
        return Unfit(f"there is no stage or line {one.place or ''!r} to call for")
    return {
        "number": one.number, "place": place.id, "due_at": one.ended_at + due_s, "called": one.called,
        "name": clean_text(one.name or "", 80), "language": one.language or "",
    }


def _values(one: Finished, rules: Rules, timezone: str) -> Mapping[str, str]:
    agent = rules.agents.get(one.agent or "")
    return values_of(
        one, agent_name=agent.name if agent else "", agent_email=agent.email if agent else "", timezone=timezone)


def _iso(at: float) -> str | None:
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return None
