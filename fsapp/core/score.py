"""The base score that makes the switch serve callers in our order. Only arithmetic.

    base = band + 10_000_000 * vip + 100_000 * number_priority + head_start

mod_callcenter serves the highest score first and adds one a second (`time-base-score=system`), so the head start of
3600 minus the SLA target makes it earliest deadline first within one class, VIP level and number priority.
"""

from __future__ import annotations

from fsapp.core.model import CallClass

__all__ = ["BANDS", "DIALER_BAND", "HEAD_START_MAX_S", "MAX_SCORE", "base_score"]

DIALER_BAND = 400_000_000
BANDS = {
    CallClass.CALLBACK: 300_000_000,
    CallClass.NEW_CUSTOMER: 200_000_000,
    CallClass.SERVICE: 100_000_000,
}
HEAD_START_MAX_S = 3600
MAX_SCORE = 2**31 - 1  # a C int in the switch


def base_score(call_class: CallClass, vip: int, number_priority: int, sla_s: int) -> int:
    """The score of one call: an int that fits the switch's.

    `vip` 0-9, `number_priority` 0-99, `sla_s` the seconds in which such a call should be answered (beyond an hour
    gives no head start). ValueError outside of these.
    """
    if not 0 <= vip <= 9:
        raise ValueError(f"vip {vip} is not within 0-9")
    if not 0 <= number_priority <= 99:
        raise ValueError(f"number priority {number_priority} is not within 0-99")
    if sla_s < 0:
        raise ValueError(f"SLA target {sla_s} s is negative")
    head_start = max(0, HEAD_START_MAX_S - sla_s)
    return BANDS[call_class] + 10_000_000 * vip + 100_000 * number_priority + head_start
