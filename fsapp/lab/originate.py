"""`originate`: calling out over the simple endpoints null, error, loopback, and sofia to customers.

A number outside, of a gateway or of a profile, is a customer's (see customers), where there are any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from fsapp.lab.channel import Channel, Profile
from fsapp.lab.dialplan import Action
from fsapp.lab.registrations import PROFILES

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["bracketed", "originate"]

_BLOCK = re.compile(r"\s*(?:\{([^{}]*)\}|\[([^\[\]]*)\])")
_APPLICATION = re.compile(r"&([A-Za-z0-9_]+)(?:\((.*)\))?\Z")
_TIMEOUT_S = 60
_FRAME_S = 0.02
_PROFILES = frozenset({*PROFILES, "internal", "external"})  # those of the project's configuration, and FreeSWITCH's own
_ASKED_S = 2.0  # how long a customer listens before pressing a key
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
    if kind == "sofia":
        return _sofia(switch, order, rest)
    if kind == "user":
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


def _sofia(switch: Switch, order: _Order, rest: str) -> str:
    profile, _, address = rest.partition("/")
    if profile == "gateway":
        gateway, _, called = address.partition("/")
        return "-ERR INVALID_GATEWAY\n" if switch.customer is None else _outside(
            switch, order, f"sofia/{gateway}/{called}", called)
    if profile not in _PROFILES:
        return "-ERR INVALID_PROFILE\n"
    called, _, host = address.partition(";")[0].rpartition("@")
    if switch.customer is None or host in switch.peers:
        return _unreachable(switch, order, address.rpartition("/")[2])
    return _outside(switch, order, f"sofia/{profile}/{address}", called)


def _outside(switch: Switch, order: _Order, name: str, called: str) -> str:
    """A customer's phone rings, and whoever answers runs the extension."""
    assert switch.customer is not None
    reaction, clock = switch.customer(called), switch.clock
    leg = _leg(switch, order, name, called)
    switch.fire("CHANNEL_ORIGINATE", leg)
    switch.started(leg)
    given = order.variables.get("originate_timeout", "")
    limit_s = int(given) if given.isdecimal() else _TIMEOUT_S
    until = clock.now() + min(reaction.after_s, limit_s)
    while leg.up and (left := until - clock.now()) > 0:
        leg.wait(left)
    if not leg.up or reaction.after_s > limit_s or reaction.cause:
        leg.hangup("NO_ANSWER" if reaction.after_s > limit_s else reaction.cause, "hangup")
        leg.finish()
        return f"-ERR {leg.hangup_cause}\n"
    answered = _answered(switch, leg)
    if reaction.talk_s is not None:
        clock.later(reaction.talk_s, leg.hangup, "NORMAL_CLEARING", "caller")
    if reaction.keys:
        clock.later(_ASKED_S, _press, switch, leg, reaction.keys)
    return answered


def _press(switch: Switch, leg: Channel, keys: str) -> None:
    """The customer presses the next key when asked something."""
    asked = leg.get("current_application") == "play_and_get_digits"
    if asked:
        leg.press(keys[0])
    if leg.up and (left := keys[asked:]):
        switch.clock.later(_ASKED_S, _press, switch, leg, left)


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
