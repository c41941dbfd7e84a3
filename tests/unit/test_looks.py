"""Looks at a switch that come to nothing, as Redis is away: the next one knows since when nobody has looked."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import gevent

from fsapp.core.floor import Seen
from fsapp.errors import StateUnavailable
from fsapp.link.looks import Looks
from fsapp.telephony.reconcile import Look


def test_a_look_after_one_that_failed_knows_since_when_nobody_looked() -> None:
    gaps: list[datetime | None] = []
    asked = iter([False, True, False, False])

    def look(_link: Any, _seen: Seen, gap_from: datetime | None) -> Look:
        gaps.append(gap_from)
        if next(asked):
            raise StateUnavailable("Redis is away")
        return Look((), ())

    watch = SimpleNamespace(gap_from=None, hearers=[], on_synced=None, ask_for_sync=lambda *_why: None)
    looks = Looks(watch, SimpleNamespace(look=look))
    began = datetime.now(UTC)
    for count in range(1, 5):
        watch.on_synced(Seen())
        with gevent.Timeout(10):
            while len(gaps) < count:
                gevent.sleep(0.001)
    looks.stop()
    assert gaps[:2] == [None, None] and gaps[3] is None
    assert gaps[2] is not None and began <= gaps[2] <= datetime.now(UTC)
