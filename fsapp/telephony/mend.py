"""Carries out what mends a difference, with commands of mod_callcenter. Judges nothing and remembers nothing.

What they do in FreeSWITCH 1.10.12, where it is not what one would think:

- `queue load` of a queue that is loaded puts the new settings in its place: callers in it stay, and a shorter wait
  applies to them too. When the configuration no longer has the queue, it fails and the loaded one stays.
  (`queue reload` throws the loaded one away first: without a new one its callers are forgotten.)
- `queue unload` forgets callers who are in the queue: they hear the music for ever.
- `agent add` makes an agent Logged Out; `agent del` takes the tiers along; `tier add` and `tier set` load the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from fsapp.core.mending import (
    AddAgent,
    AddTier,
    DeleteAgent,
    DeleteTier,
    Difference,
    Kind,
    LoadQueue,
    ReturnCall,
    SetAgent,
    SetState,
    SetStatus,
    SetTier,
    Step,
    UnloadQueue,
)
from fsapp.errors import UnsafeArgument
from fsapp.telephony.command import callcenter, sofia_contact, user_data, uuid_exists, uuid_transfer

__all__ = ["Api", "Outcome", "carry_out", "mend"]

_THERE_ALREADY = ("-ERR Agent already exist!", "-ERR Tier already exist!")
_GONE_ALREADY = ("-ERR No such channel!",)
_SAID_MOST = 80


class Api(Protocol):
    """What is needed of a link to the switch."""

    def api(self, cmd: str, timeout_s: float | None = None) -> str: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a difference: `done` holds the steps carried out, `fault` is empty when they are all of them."""

    difference: Difference
    done: tuple[Step, ...] = ()
    fault: str = ""


def mend(link: Api, differences: list[Difference]) -> Iterator[Outcome]:
    """Mends those that are certain and can be mended, in the order given. SwitchError when the link is lost.

    What needs a queue that could not be loaded is left out, and what one of its legs shows to be as it should be.
    """
    without: set[str] = set()
    for difference in differences:
        if not difference.certain or not difference.steps or _needs(difference) & without:
            continue
        if _refuted(link, difference):
            continue
        outcome = _mend(link, difference)
        if outcome.fault and difference.kind is Kind.QUEUE_MISSING:
            without.add(difference.subject)
        yield outcome


def _refuted(link: Api, difference: Difference) -> bool:
    """Whether the switch, asked for it alone, says otherwise: its lists of calls and phones are behind what is so."""
    try:
        return (
            any(link.api(uuid_exists(leg)).strip() == "true" for leg in difference.legs)
            or any(_reaches(link, phone) for phone in difference.phones)
        )
    except UnsafeArgument:
        return True  # nobody of ours


def _reaches(link: Api, phone: str) -> bool:
    """Whether a call to this user would ring: the phone is registered, or the directory leads to it in another way."""
    dialled = link.api(user_data(phone, "dial-string")).strip()
    if dialled and not dialled.startswith("-ERR") and "sofia_contact" not in dialled:
        return True
    return "sofia/" in link.api(sofia_contact(phone))


def _mend(link: Api, difference: Difference) -> Outcome:
    done: list[Step] = []
    for step in difference.steps:
        try:
            fault = carry_out(link, step)
        except UnsafeArgument as error:
            # Nothing of it was sent, and the others are not worse for it.
            fault = str(error)
        if fault:
            return Outcome(difference, tuple(done), fault)
        done.append(step)
    return Outcome(difference, tuple(done))


def _needs(difference: Difference) -> set[str]:
    """The queues without which the steps cannot be."""
    return {step.queue for step in difference.steps if isinstance(step, AddTier | SetTier)}


def carry_out(link: Api, step: Step) -> str:
    """Does one step; what was in the way, empty when it is done.

    SwitchError when the switch does not answer, UnsafeArgument when the step holds what no command may.
    """
    if isinstance(step, UnloadQueue):
        counted = link.api(callcenter("queue", "count", "members", step.queue)).strip()
        if not counted.isdecimal() or int(counted) > step.gone:
            return "a caller has come into it"
    said = " ".join(link.api(_COMMANDS[type(step)](step)).split())
    if said.startswith("+OK") or said.startswith(_THERE_ALREADY) or said.startswith(_GONE_ALREADY):
        return ""
    if isinstance(step, LoadQueue) and "not found" in said:
        return ("the switch's configuration has no such queue: let mod_python3 serve it, or give the switch what "
                "`fsapp switch config` prints")
    return f"the switch says {said[:_SAID_MOST] or 'nothing'!r}"


_COMMANDS: dict[type, Callable[..., str]] = {
    LoadQueue: lambda step: callcenter("queue", "load", step.queue),
    UnloadQueue: lambda step: callcenter("queue", "unload", step.queue),
    AddAgent: lambda step: callcenter("agent", "add", step.agent, "callback"),
    SetAgent: lambda step: callcenter("agent", "set", step.key, step.agent, step.value),
    SetStatus: lambda step: callcenter("agent", "set", "status", step.agent, step.status),
    SetState: lambda step: callcenter("agent", "set", "state", step.agent, step.state),
    DeleteAgent: lambda step: callcenter("agent", "del", step.agent),
    AddTier: lambda step: callcenter("tier", "add", step.queue, step.agent, str(step.level), "1"),
    SetTier: lambda step: callcenter("tier", "set", step.key, step.queue, step.agent, step.value),
    DeleteTier: lambda step: callcenter("tier", "del", step.queue, step.agent),
    ReturnCall: lambda step: uuid_transfer(step.call, "fsapp-return", "fsapp"),
}
