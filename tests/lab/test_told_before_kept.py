"""What the link has seen is told, and what follows from it done, before the floor says that it was seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
import redis
from lab_ends import until
from test_callback_calls import HELPDESK, Calling

from fsapp.lab.offering import Reaction
from fsapp.state import keys

NUMBER = "+381601112201"


@pytest.fixture
def calling(own_redis: Any, tmp_path: Path) -> Iterator[Calling]:
    made = Calling(own_redis(), tmp_path, line={"sticky_talk_s": 1, "call_back_lost": True, "lost_wait_s": 0})
    yield made
    made.close()


class Heard:
    """The commands that Redis takes, in their order."""

    def __init__(self, server: Any) -> None:
        self.commands: list[str] = []
        self._client = redis.Redis(unix_socket_path=server.socket, socket_timeout=60)
        self._monitor = self._client.monitor().__enter__()
        self._greenlet = gevent.spawn(self._listen)

    def _listen(self) -> None:
        for one in self._monitor.listen():
            self.commands.append(one["command"])

    def place(self, *words: str) -> int:
        """Where the first command is that has all of these words in it."""
        return next((place for place, said in enumerate(self.commands) if all(word in said for word in words)), -1)

    def close(self) -> None:
        self._greenlet.kill()
        self._monitor.__exit__(None, None, None)
        self._client.close()


def test_the_floor_is_behind_what_was_told(calling: Calling) -> None:
    """Killed at any point, the next link finds by comparing what was not told yet. The other way round it is lost."""
    heard = Heard(calling.centre.redis)
    members, calls = keys.floor("main", "members"), keys.floor("main", "calls")
    calling.agent = Reaction(after_s=0.2, talk_s=3)
    gave_up = calling.switch.call("+381601112202", HELPDESK)
    until(lambda: heard.place("EVALSHA", members, gave_up.uuid) >= 0, "the floor has who waits")
    gave_up.hangup("ORIGINATOR_CANCEL", "caller")
    calling.at_work("1004")
    talked = calling.switch.call(NUMBER, HELPDESK)
    until(lambda: not talked.up, "they have talked")
    until(lambda: calling.told("stickiness") and calling.told("task"), "all is told")
    members_of = {event["call"]: event["member"] for event in calling.told("queue_joined")}
    member, lost = members_of[talked.uuid], members_of[gave_up.uuid]
    until(lambda: heard.place("HDEL", calls, talked.uuid) >= 0, "the floor knows that it is over")
    task, gone = ("XADD", "+381601112202", "made_at"), ("HSET", members, lost, "Abandoned")
    order = {
        "joined": (heard.place("XADD", f"{member}:joined"), heard.place("HSET", members, member)),
        "answered": (heard.place("XADD", f"{member}:answered"), heard.place("HSET", members, member, "Answered")),
        "talked": (heard.place("XADD", f"{member}:talked"), heard.place("HDEL", members, member)),
        "hung up": (heard.place("XADD", f"{talked.uuid}:hung-up"), heard.place("HDEL", calls, talked.uuid)),
        "stickiness": (heard.place("XADD", "stickiness"), heard.place("HDEL", members, member)),
        "given up": (heard.place("XADD", f"{lost}:left"), heard.place(*gone)),
        "the task of who gave up": (heard.place(*task), heard.place(*gone)),
    }
    heard.close()
    assert {name: pair for name, pair in order.items() if not 0 <= pair[0] < pair[1]} == {}
