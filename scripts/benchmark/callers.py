"""Who calls in the benchmark: the same mix of classes for every app measured. Knows nothing of sockets or Redis."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CONTACTS", "NAMES", "CallPlan", "calls_of", "contact_number", "contacts_csv"]

CONTACTS = 5_000
NAMES = (b"Customer%201", b"Customer%202", b"caller", b"%C4%8Ceda%20100%25%20%3A%20%C5%BEena", b"")
_AGENTS = ("ana", "boris", "ceca")


class CallPlan(NamedTuple):
    """One call; `expected` is the assignment that the app must make."""

    caller: str
    called: str
    expected: bytes


def contact_number(index: int) -> str:
    return f"+38163{1_000_000 + index * 7 % 8_000_000}"


def _stranger(index: int) -> str:
    return f"+38160{1_000_000 + index % 8_000_000}"


def calls_of(first: int, count: int) -> list[CallPlan]:
    """`count` calls from place `first` of an endless list: a third each open contacts, new customers and service.

    Strangers' numbers do not repeat before eight million of them, so that no cache makes an app look faster than it is.
    """
    made = []
    for index in range(first, first + count):
        kind = index % 3
        if kind == 0:
            made.append(CallPlan(contact_number(index // 3 % CONTACTS), "+381115550100", b"fsapp_class=callback"))
        elif kind == 1:
            made.append(CallPlan(_stranger(index), "+381115550200", b"fsapp_class=new-customer"))
        else:
            made.append(CallPlan(_stranger(index), "+381115550300", b"fsapp_class=service"))
    return made


def contacts_csv() -> str:
    """The open contacts of renewals/first-call among the callers, as a file for `fsapp contacts import`."""
    lines = ["number,name,agent,priority,policy"]
    for index in range(CONTACTS):
        agent = f"{_AGENTS[index % 3]}@example.com" if index % 2 else ""
        lines.append(f"{contact_number(index)},Customer {index},{agent},{index % 10},P-{index:06d}")
    return "\n".join(lines) + "\n"
