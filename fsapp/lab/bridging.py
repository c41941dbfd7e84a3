"""The application `bridge`: calling out for a caller, to another switch or a simple endpoint, until one side ends it.

Two lab switches of one process reach each other by address: `Switch(..., peers={"127.0.0.1:5070": Peer(other)})`, or
`switch.peers[address] = Peer(other)`. Then `bridge sofia/PROFILE/EXTENSION@127.0.0.1:5070` makes an inbound call of
EXTENSION on the other switch, in the context of its profile for other switches. That call has the caller's number and
name and, as variables, every header `sip_h_X-...` that the calling leg had; each leg is told when the other answers,
ends, or presses a key. An address without a peer, or whose switch has crashed, fails with NORMAL_TEMPORARY_FAILURE.

A number outside, of a gateway or at an address that is no peer's, is a customer's (see customers).

A leg to a switch that crashes stays, and hears nothing: it ends with MEDIA_TIMEOUT after its variable media_timeout
(milliseconds), and without one not by itself. How the other side ended a leg is in sip_reason; a cause without a number
in Q.850, as when it is shut down, counts as NORMAL_CLEARING.

Behaviour and causes as of FreeSWITCH 1.10.12: a failure ends the caller's call with its cause unless `continue_on_fail`
says otherwise (nobody answering never does); the dialplan goes on afterwards unless `hangup_after_bridge`. The outcome
is in originate_disposition, originate_failed_cause, bridge_hangup_cause and last_bridge_hangup_cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsapp.lab.applications import FOREVER_S
from fsapp.lab.channel import Channel, Profile, q850
from fsapp.lab.customers import ring
from fsapp.lab.originate import bracketed
from fsapp.lab.registrations import PROFILES, user_of

if TYPE_CHECKING:
    from fsapp.lab.switch import Switch

__all__ = ["Peer", "bridge_application"]

_RING_S = "60"
_HEADERS = ("sip_h_x-", "sip_h_p-")   # what the other side makes variables of
_LINE_END = re.compile(r"\r\n|\r|\n")
_NEVER_A_FAILURE = ("NO_ANSWER", "NO_USER_RESPONSE", "ORIGINATOR_CANCEL")
_TRUE = ("true", "yes", "on", "t", "1")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another switch, and the context that its profile for other switches leads to."""

    switch: Switch
    context: str = "fsapp-peers"
    profile: str = "peers"


@dataclass(slots=True)
class _Try:
    """One leg called: ours, the other end if that is on another switch, or why there is none."""

    leg: Channel | None = None
    far: Channel | None = None
    cause: str = ""


def bridge_application(channel: Channel, data: str) -> None:
    """`{vars}[vars]ENDPOINT`, several separated by |, the next one called when one fails."""
    shared, rest = bracketed(data) if data.lstrip().startswith("{") else ({}, data)
    tried = _Try(cause="DESTINATION_OUT_OF_ORDER")
    for target in rest.split("|"):
        if not channel.ready:
            return
        own, endpoint = bracketed(target)
        tried = _call(channel, endpoint, {**_exported(channel), **shared, **own})
        if not tried.cause:
            break
    if tried.cause or tried.leg is None:
        _failed(channel, tried.cause)
        return
    channel.set("originate_disposition", "SUCCESS")
    channel.set("originate_failed_cause", None)
    _until_over(channel, tried.leg, tried.far)


def _exported(channel: Channel) -> dict[str, str]:
    """What a leg called for this one starts with: what was exported, and its headers."""
    found = {name: value for name, value in channel.variables.items() if name.lower().startswith("sip_h_")}
    for name in filter(None, channel.get("export_vars").split(",")):
        value = channel.variables.get(name)
        if value:
            found[name.removeprefix("nolocal:")] = value
    return found


def _call(channel: Channel, endpoint: str, variables: dict[str, str]) -> _Try:
    kind, _, rest = endpoint.partition("/")
    if kind == "error":
        return _Try(cause=rest.upper())
    if kind == "user" and user_of(endpoint) is not None and not channel.switch.phones.reaches(endpoint):
        return _Try(cause="USER_NOT_REGISTERED")
    if kind == "sofia":
        profile, _, address = rest.partition("/")
        return _sofia(channel, profile, address, variables)
    if kind == "null":
        leg = _leg(channel, endpoint, rest, variables)
        channel.switch.started(leg)
        leg.answer()
        channel.answer()
        return _Try(leg)
    return _Try(cause="CHAN_NOT_IMPLEMENTED")


def _leg(channel: Channel, name: str, called: str, variables: dict[str, str]) -> Channel:
    number, caller = (
        variables.get(f"origination_{field}") or channel.get(f"effective_{field}") or getattr(channel.profile, field)
        for field in ("caller_id_number", "caller_id_name")
    )
    leg = Channel(
        channel.switch, name, Profile(
            caller_id_name=caller, caller_id_number=number, orig_name=caller, orig_number=number,
            callee_name="Outbound Call", callee_number=called, ani=number, destination_number=called,
            context=channel.profile.context, dialplan=channel.profile.dialplan,
        ),
        direction="outbound", actions=(),
        variables=(("is_outbound", "true"), ("originator", channel.uuid), *variables.items()),
    )
    leg.call_state = "DOWN"
    return leg


def _sofia(channel: Channel, profile: str, address: str, variables: dict[str, str]) -> _Try:
    called, _, host = address.partition(";")[0].rpartition("@")
    if profile == "gateway":
        gateway, _, called = address.partition("/")
        if channel.switch.customer is None:
            return _Try(cause="INVALID_GATEWAY")
        return _outside(channel, f"sofia/{gateway}/{called}", called, variables)
    if profile not in PROFILES:
        return _Try(cause="INVALID_PROFILE")
    if channel.switch.customer is not None and host not in channel.switch.peers:
        return _outside(channel, f"sofia/{profile}/{address}", called, variables)
    leg = _leg(channel, f"sofia/{profile}/{address}", called, variables)
    channel.switch.started(leg)
    peer = channel.switch.peers.get(host)
    if peer is None or not peer.switch.running:
        return _gone(channel, leg, "NORMAL_TEMPORARY_FAILURE")
    far = peer.switch.call(
        leg.profile.caller_id_number, called, name=leg.profile.caller_id_name, context=peer.context,
        channel_name=f"sofia/{peer.profile}/{leg.profile.caller_id_number}@127.0.0.1",
        variables=[
            ("sip_received_ip", "127.0.0.1"), ("sofia_profile_name", peer.profile), *_headers(leg.variables),
        ],
    )
    return _ring(channel, leg, far, variables)


def _outside(channel: Channel, name: str, called: str, variables: dict[str, str]) -> _Try:
    """A customer is called."""
    leg = _leg(channel, name, called, variables)
    channel.switch.started(leg)
    assert channel.switch.customer is not None
    cause = ring(channel, leg, channel.switch.customer(called), *_limit(channel, variables))
    return _gone(channel, leg, cause) if cause else _Try(leg)


def _headers(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the other side makes of a leg's headers. A line end in a value starts another one: it really does."""
    for name, value in variables.items():
        if not name.lower().startswith("sip_h_"):
            continue
        first, *more = _LINE_END.split(value)
        lines = [f"{name[len('sip_h_'):]}: {first}", *more]
        for header, separator, text in (line.partition(":") for line in lines):
            variable = f"sip_h_{header.strip()}"
            if separator and text.strip() and variable.lower().startswith(_HEADERS):
                yield variable, text.strip()


def _ring(channel: Channel, leg: Channel, far: Channel, variables: dict[str, str]) -> _Try:
    """Until the other end answers, is heard, ends, or has rung long enough."""
    clock = channel.switch.clock
    limit_s, late = _limit(channel, variables)
    until = clock.now() + limit_s
    early = variables.get("ignore_early_media", channel.get("ignore_early_media")).lower() not in _TRUE
    far.partner = leg.partner = channel
    while channel.ready and leg.up and far.up and not far.answered and not (early and far.progress_us):
        if (left := until - clock.now()) <= 0:
            break
        channel.wait(left)
    if far.answered:
        leg.answer()
        channel.answer()
    elif far.up and early and far.progress_us:
        leg.early_media()
        channel.early_media()
    else:
        cause = far.hangup_cause or leg.hangup_cause or (late if channel.ready else "ORIGINATOR_CANCEL")
        far.hangup("ORIGINATOR_CANCEL", "caller")
        return _gone(channel, leg, cause)
    return _Try(leg, far)


def _limit(channel: Channel, variables: dict[str, str]) -> tuple[float, str]:
    """How long it may ring, and what it is called when it has."""
    limits = [
        (float(value), late) for value, late in (
            (variables.get("leg_timeout", ""), "ALLOTTED_TIMEOUT"),
            (variables.get("originate_timeout", ""), "NO_ANSWER"), (channel.get("call_timeout"), "NO_ANSWER"),
            (_RING_S, "NO_ANSWER"),
        ) if value.isdecimal()
    ]
    return min(limits)


def _gone(channel: Channel, leg: Channel, cause: str) -> _Try:
    leg.hangup(cause, "hangup")
    leg.finish()
    channel.set("last_bridge_hangup_cause", cause)
    return _Try(cause=cause)


def _failed(channel: Channel, cause: str) -> None:
    channel.set("originate_disposition", cause)
    channel.set("originate_failed_cause", cause)
    _after_failure(channel, cause)


def _after_failure(channel: Channel, cause: str) -> None:
    goes_on = channel.get("continue_on_fail")
    if goes_on:
        wanted = [word.strip().upper() for word in goes_on.split(",")]
        if goes_on.lower() in _TRUE or cause in wanted:
            return
    elif cause in _NEVER_A_FAILURE:
        return
    if channel.ready:
        channel.hangup(cause, "hangup")


def _until_over(channel: Channel, leg: Channel, far: Channel | None) -> None:
    switch = channel.switch
    channel.far, channel.other_leg, channel.other_type = far, leg, "originatee"
    leg.other_leg, leg.other_type = channel, "originator"
    leg.state = "CS_EXCHANGE_MEDIA"
    leg.set("call_uuid", channel.uuid)
    for name, value in (("bridge_uuid", leg.uuid), ("bridge_channel", leg.name), ("last_bridge_to", leg.uuid)):
        channel.set(name, value)
    front = [("Bridge-A-Unique-ID", channel.uuid), ("Bridge-B-Unique-ID", leg.uuid)]
    leg.bridged = channel.bridged = True
    leg.bridged_us = channel.bridged_us = switch.clock_us()
    switch.fire("CHANNEL_BRIDGE", channel, front=front)
    channel.execute_on("pre_bridge")
    while channel.ready and leg.up and (far is None or far.up):
        _pass_on(channel, leg, far)
        channel.wait(FOREVER_S)
    if far is not None and far.switch.crashed:
        _hear_nothing(channel, leg)
    channel.bridged = False
    _end_both(channel, leg, far)
    channel.set("bridge_hangup_cause", leg.hangup_cause)
    channel.set("last_bridge_hangup_cause", leg.hangup_cause)
    switch.fire("CHANNEL_UNBRIDGE", channel, front=front)
    channel.far = channel.other_leg = None
    if not channel.ready:
        return
    if not leg.answered:
        _after_failure(channel, leg.hangup_cause)
    elif channel.get("hangup_after_bridge").lower() in _TRUE:
        channel.hangup(leg.hangup_cause, "agent" if channel.talked_at else "hangup")


def _pass_on(channel: Channel, leg: Channel, far: Channel | None) -> None:
    """What happens on one side is known on the other."""
    if far is None:
        return
    if far.answered and not leg.answered:
        leg.answer()
        channel.answer()
    while channel.digits:
        far.press(channel.digits.popleft())


def _hear_nothing(channel: Channel, leg: Channel) -> None:
    """Nobody says that the other end is gone: until the caller has had enough, or the silence ends it."""
    clock = channel.switch.clock
    timeout = leg.get("media_timeout")
    until = clock.now() + (int(timeout) / 1000 if timeout.isdecimal() else FOREVER_S)
    while channel.ready and leg.up:
        if (left := until - clock.now()) <= 0:
            leg.hangup("MEDIA_TIMEOUT", "cut")
            break
        channel.wait(left)


def _end_both(channel: Channel, leg: Channel, far: Channel | None) -> None:
    if far is not None:
        cause = far.hangup_cause
        if cause and leg.up:
            number = q850(cause)
            channel.set("sip_reason", f'{"Q.850" if number else "SIP"};cause={number or 701};text="{cause}"')
            cause = cause if number else "NORMAL_CLEARING"
        leg.hangup(cause or channel.hangup_cause or "NORMAL_CLEARING", far.end or "caller")
        far.hangup(leg.hangup_cause, "caller")
        far.partner = None
        channel.talked_at = channel.talked_at or far.talked_at
        channel.joined_at = channel.joined_at or far.joined_at
    leg.hangup(channel.hangup_cause or "NORMAL_CLEARING", "caller")
    leg.finish()
