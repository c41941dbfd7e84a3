"""Whether a switch is the one that the settings mean, before anything on it is changed. Changes nothing."""

from __future__ import annotations

from fsapp.errors import SwitchRefused
from fsapp.telephony.link import Link

__all__ = ["refuse_another"]


def refuse_another(link: Link, name: str, where: str) -> None:
    """SwitchRefused if the switch at `where` calls itself otherwise than `name`; one that says nothing may be any.

    By the rules for one switch, the agents of another are left over from older ones.
    """
    theirs = link.api("global_getvar fsapp_switch").strip()
    if theirs and theirs != name and not theirs.startswith("-ERR"):
        raise SwitchRefused(f"the switch at {where} calls itself {theirs}, not {name}: set FSAPP_SWITCH to the address "
                            "of the one that is meant, or make its fsapp_switch and FSAPP_SWITCH_NAME one")
