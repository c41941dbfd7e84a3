"""Who has asked for callbacks on numbers other than their own: for which, and how many within a day. Decides nothing.

What is kept here only leads to tasks: one that has ended, or was never made, is found no more where it points to.
"""

from __future__ import annotations

import math

import redis

from fsapp.core.task import Task
from fsapp.state import keys
from fsapp.state.connection import redis_faults
from fsapp.state.scripts import COUNT_IN
from fsapp.state.tasks import member_of

__all__ = ["Askers"]

DAY_S = 24 * 3600
KEPT = 1240  # of one caller: as many a day as the rules allow, for as long as a task may be open


class Askers:
    """Every method raises StateUnavailable or StateRefused when Redis does not do it."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._count_in = client.register_script(COUNT_IN)

    def take(self, task: Task, most: int) -> bool:
        """Note that `task.asked_by` has asked for it; False, and nothing noted, after `most` within 24 hours."""
        life_s = max(DAY_S, math.ceil((task.expires_at - task.made_at).total_seconds()))
        with redis_faults(self._client):
            return bool(self._count_in(
                keys=[keys.asked(task.asked_by)],
                args=[task.made_at.timestamp(), member_of(task.number, task.id), most, DAY_S, life_s, KEPT]))

    def give_back(self, task: Task) -> None:
        """It has not been made, or is not to be known of any more: nobody has asked for it."""
        with redis_faults(self._client):
            self._client.zrem(keys.asked(task.asked_by), member_of(task.number, task.id))

    def numbers(self, asker: str) -> list[str]:
        """The numbers, in E.164, on which this caller has asked to be called back."""
        with redis_faults(self._client):
            members = self._client.zrange(keys.asked(asker), 0, -1)
        return list(dict.fromkeys(member.decode(errors="replace").partition(" ")[0] for member in members))
