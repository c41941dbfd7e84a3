"""What a place does for callers who cannot be answered: a callback on request, and one for a call that was lost. Pure.

What becomes of such a callback is in `tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CallingBack", "calling_back_from"]

DEFAULT_TRIES = 3
DEFAULT_RETRY_S = 600
DEFAULT_EXPIRES_S = 8 * 3600
DEFAULT_LOST_AFTER_S = 60
DEFAULT_TASK_WAIT_S = 300


@dataclass(frozen=True, slots=True)
class CallingBack:
    """Of a stage or line. `key`: what a waiting caller presses to be called back, empty: it is not offered.

    `tries`: how often the customer is dialled, `retry_s` after a try that failed; `expires_s` after it was asked for
    it ends. `lost`: a caller who gives up waiting after at least `lost_wait_s` is called back, `lost_after_s` later.
    `task_wait_s`: how long a due task waits for the responsible agent alone.
    """

    key: str = ""
    tries: int = DEFAULT_TRIES
    retry_s: int = DEFAULT_RETRY_S
    expires_s: int = DEFAULT_EXPIRES_S
    lost: bool = False
    lost_wait_s: int = 5
    lost_after_s: int = DEFAULT_LOST_AFTER_S
    task_wait_s: int = DEFAULT_TASK_WAIT_S


def calling_back_from(spec: Mapping[str, Any], centre: Mapping[str, Any]) -> CallingBack:
    """What a stage or line of a checked document says, else the centre."""
    found = {}
    for name, key in (
        ("key", "callback_key"), ("tries", "callback_tries"), ("retry_s", "callback_retry_s"),
        ("expires_s", "callback_expires_s"), ("lost", "call_back_lost"), ("lost_wait_s", "lost_wait_s"),
        ("lost_after_s", "lost_after_s"), ("task_wait_s", "task_wait_s"),
    ):
        said = spec.get(key)
        said = centre.get(key) if said is None else said
        if said is not None:
            found[name] = said
    return CallingBack(**found)
