"""`originate`: calling out over the simple endpoints null, error, loopback and, as far as failing goes, sofia."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from fsapp.lab.channel import Channel, Profile
from fsapp.lab.dialplan import Action

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["bracketed", "originate"]

_BLOCK = re.compile(r"\s*(?:\{([^{}]*)\}|\[([^\[\]]*)\])")
_APPLICATION = re.compile(r"&([A-Za-z0-9_]+)(?:\((.*)\))?\Z")
_TIMEOUT_S = 60
_FRAME_S = 0.02
_PROFILES = ("internal", "external")
_FROM_OUTSIDE = ("", "default", "public")


@dataclass(frozen=True, slots=True)
class _Order:
    variables: dict[str, str]
    endpoint: str
    then: str


def originate(switch: Switch, arguments: str) -> str:
    """`{vars}ENDPOINT &app(args)` or `... EXTENSION [DIALPLAN [CONTEXT]]`: `+OK UUID`, or `-ERR CAUSE`."""
    order = _parse(arguments)
    if order is None:
        return "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>]\n"
    kind, _, rest = order.endpoint.partition("/")
    if kind == "error":
        return f"-ERR {rest.upper()}\n"
    if kind == "null":
        return _null(switch, order, rest)
    if kind == "loopback":
        return _loopback(switch, order, rest)
    if kind == "sofia" and rest.partition("/")[0] not in _PROFILES:
        return "-ERR INVALID_PROFILE\n"
    if kind in ("sofia", "user"):
        return _unreachable(switch, order, rest.rpartition("/")[2])
    return "-ERR CHAN_NOT_IMPLEMENTED\n"


def bracketed(text: str) -> tuple[dict[str, str], str]:
    """The variables in braces and brackets before a dial string, and the rest of it."""
    variables: dict[str, str] = {}
    while found := _BLOCK.match(text):
        for pair in re.split(r"(?<!\\),", found[1] or found[2] or ""):
            name, _, value = pair.replace("\\,", ",").partition("=")
            if name:
                variables[name.strip()] = value.strip("'")
        text = text[found.end():]
    return variables, text.strip()


def _parse(arguments: str) -> _Order | None:
    variables, text = bracketed(arguments)
    endpoint, _, then = text.partition(" ")
    return _Order(variables, endpoint, then.strip()) if endpoint and then else None


def _actions(then: str) -> tuple[list[Action] | None, list[str]]:
    """The application to run, or the extension to go to."""
    found = _APPLICATION.match(then)
    if found:
        return [Action(found[1], found[2] or "")], []
    return [], then.split()


def _leg(switch: Switch, order: _Order, name: str, called: str) -> Channel:
    number = order.variables.get("origination_caller_id_number", "")
    caller = order.variables.get("origination_caller_id_name", "")
    actions, extension = _actions(order.then)
    leg = switch.originated(
        name,
        Profile(
            caller_id_name=caller, caller_id_number=number, orig_name=caller, orig_number=number, ani=number,
            callee_name=order.variables.get("origination_callee_id_name", "Outbound Call"),
            callee_number=order.variables.get("origination_callee_id_number", called), destination_number=called,
            context="default", dialplan="",
        ),
        actions or [], order.variables.get("origination_uuid") or str(uuid4()),
        [("is_outbound", "true"), *((k, v) for k, v in order.variables.items() if k != "origination_uuid")],
    )
    leg.state, leg.call_state = "CS_INIT", "DOWN"
    if extension:
        leg.transfer(extension[0], *extension[1:3])
    return leg


def _answered(switch: Switch, leg: Channel) -> str:
    """The leg is answered: it runs its application, seen from which the one called is the caller."""
    leg.state = "CS_CONSUME_MEDIA"
    leg.answer()
    old = leg.profile
    leg.profile = replace(
        old, caller_id_name=old.callee_name, caller_id_number=old.callee_number, callee_name=old.caller_id_name,
        callee_number=old.caller_id_number,
    )
    leg.state = "CS_EXECUTE"
    leg.hit_dialplan = True
    switch.clock.later(_FRAME_S, switch.go, leg)
    return f"+OK {leg.uuid}\n"


def _null(switch: Switch, order: _Order, called: str) -> str:
    leg = _leg(switch, order, f"null/{called}", called)
    switch.fire("CHANNEL_ORIGINATE", leg)
    switch.started(leg)
    return _answered(switch, leg)


def _unreachable(switch: Switch, order: _Order, called: str) -> str:
    leg = _leg(switch, order, f"sofia/internal/{called}", called)
    switch.fire("CHANNEL_ORIGINATE", leg)
    leg.hangup("NORMAL_TEMPORARY_FAILURE", "hangup")
    leg.finish()
    return "-ERR NORMAL_TEMPORARY_FAILURE\n"


def _loopback(switch: Switch, order: _Order, rest: str) -> str:
    """Two legs: one of ours, the other runs the dialplan of the extension called; they answer and end together.

    They have the same variables, and know each other. The other is a caller where a caller could have come in.
    """
    called, context, *_ = *rest.split("/"), ""
    ours = _leg(switch, order, f"loopback/{called}-a", called)
    switch.fire("CHANNEL_ORIGINATE", ours)
    switch.started(ours)
    other = switch.call(
        order.variables.get("origination_caller_id_number", ""), called, context=context or "default",
        name=order.variables.get("origination_caller_id_name", ""), channel_name=f"loopback/{called}-b",
        variables=[
            *((key, value) for key, value in order.variables.items() if key != "origination_uuid"),
            ("other_loopback_leg_uuid", ours.uuid), ("loopback_leg", "B"),
        ], counted=context in _FROM_OUTSIDE,
    )
    ours.set("other_loopback_leg_uuid", other.uuid)
    ours.set("loopback_leg", "A")
    given = order.variables.get("originate_timeout", "")
    until = switch.clock.now() + (int(given) if given.isdecimal() else _TIMEOUT_S)
    while other.up and ours.up and not other.answered and switch.clock.now() < until:
        switch.clock.sleep(_FRAME_S)
    if other.up and other.answered and ours.up:
        ours.twin, other.twin = other, ours
        return _answered(switch, ours)
    other.hangup("ORIGINATOR_CANCEL" if not ours.up else "NO_ANSWER", "caller")
    ours.hangup(other.hangup_cause, "hangup")
    other.finished.wait(switch.clock.real(_TIMEOUT_S))
    ours.finish()
    return f"-ERR {other.hangup_cause}\n"
