"""Rules, facts and events for the scripts inside the switch: with Redis, without it, and with one that says nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
import pytest
import structlog
from redis import UnixDomainSocketConnection
from structlog.testing import capture_logs

from fsapp.core.model import DEGRADED, NO_FACTS, Sticky
from fsapp.inswitch import writer
from fsapp.inswitch.config import Config
from fsapp.inswitch.source import Source, source_of
from fsapp.inswitch.writer import BACKLOG
from fsapp.rules import load_folder
from fsapp.state import keys, snapshot, stream
from fsapp.state.rules import RulesStore
from fsapp.state.store import Store

ROOT = Path(__file__).parents[2]
DOCUMENT = load_folder(ROOT / "conf/rules")
NUMBER = "+381601234567"
PATIENCE_S = 0.2


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    structlog.reset_defaults()
    yield


def soon() -> float:
    return time.monotonic() + PATIENCE_S


@pytest.fixture
def source_at(tmp_path: Path) -> Any:
    """A source for a Redis, with the snapshot in the test's folder."""
    return lambda url: Source(Config(url, str(tmp_path / "rules.snapshot"), "main"))


def load(client: Any, name: str = "") -> int:
    document = DOCUMENT | {"centre": DOCUMENT["centre"] | {"name": name}}
    return RulesStore(client).load(document, "", "test", "test").version


def save(path: Path, name: str, version: int = 1) -> None:
    snapshot.save(path / "rules.snapshot", version, DOCUMENT | {"centre": DOCUMENT["centre"] | {"name": name}})


def until(condition: Any, what: str) -> None:
    """Ask until `condition` holds."""
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.01)


def test_the_newest_rules_are_had_at_every_call(redis_server: Any, redis_client: Any, source_at: Any) -> None:
    source = source_at(redis_server.url)
    assert source.rules(soon()) is None
    for name in ("one", "two"):
        version = load(redis_client, name)
        rules = source.rules(soon())
        assert (rules.version, rules.name) == (version, name)
        assert source.rules(soon()) is rules, "kept as long as the version stays"


def test_facts_of_a_caller(redis_server: Any, redis_client: Any, source_at: Any) -> None:
    source = source_at(redis_server.url)
    sticky = Sticky("1001", datetime(2026, 1, 1, tzinfo=UTC))
    Store(redis_client).put_sticky(NUMBER, sticky)
    assert source.facts(NUMBER, soon()).sticky == sticky
    assert source.facts(None, soon()) is NO_FACTS


def test_the_snapshot_stands_in_for_redis_and_what_is_newer_wins(
    own_redis: Any, source_at: Any, tmp_path: Path,
) -> None:
    redis = own_redis()
    source = source_at(redis.url)
    save(tmp_path, "from the snapshot")
    load(redis.connect(), "from Redis")
    assert source.rules(soon()).name == "from Redis"
    redis.stop()
    assert source.rules(soon()).name == "from Redis", "it was seen in force after the snapshot was written"
    later = time.time() + 10
    save(tmp_path, "a later snapshot")
    os.utime(tmp_path / "rules.snapshot", (later, later))
    assert source.rules(soon()).name == "a later snapshot"
    (tmp_path / "rules.snapshot").unlink()
    assert source.rules(soon()).name == "from Redis"


def test_without_redis_from_the_start(source_at: Any, tmp_path: Path) -> None:
    source = source_at(f"unix://{tmp_path}/nobody")
    assert source.rules(soon()) is None
    save(tmp_path, "first")
    assert source.rules(soon()).name == "first"
    assert source.rules(soon()) is source.rules(soon()), "read once"
    (tmp_path / "rules.snapshot").write_bytes(b"no snapshot")
    assert source.rules(soon()) is None
    snapshot.save(tmp_path / "rules.snapshot", 1, {"centre": "no rules"})
    assert source.rules(soon()) is None
    assert source.facts(NUMBER, soon()) is DEGRADED


@pytest.mark.parametrize("blob", [
    b"\xc1", msgpack.packb(["no document"]), msgpack.packb([{"centre": 1}, 1.0, "", "", ""]),
])
def test_a_version_that_cannot_be_read_is_said_once_and_the_last_good_one_stays(
    redis_server: Any, redis_client: Any, source_at: Any, blob: bytes,
) -> None:
    source = source_at(redis_server.url)
    load(redis_client, "good")
    assert source.rules(soon()).name == "good"
    version = redis_client.incr(keys.RULES_CURRENT)
    redis_client.hset(keys.RULES_VERSIONS, str(version), blob)
    with capture_logs() as logs:
        for _ in range(3):
            assert source.rules(soon()).name == "good"
    assert [(line["event"], line["version"]) for line in logs] == [("rules_refused", version)]
    assert source.facts(NUMBER, soon()) == NO_FACTS, "the facts are still asked for"


def test_a_redis_that_lost_its_data_and_counts_anew(own_redis: Any, source_at: Any) -> None:
    redis = own_redis()
    source = source_at(redis.url)
    load(redis.connect(), "before")
    assert source.rules(soon()).name == "before"
    redis.stop()
    source.rules(soon())
    redis.start()
    assert load(redis.connect(), "after") == 1
    assert source.rules(soon()).name == "after", "the same version, other rules"


def test_a_silent_redis_holds_nobody_and_is_left_alone_for_a_while(
    own_redis: Any, source_at: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    redis = own_redis()
    source = source_at(redis.url)
    load(redis.connect())
    source.rules(soon())
    asked: list[object] = []
    send = UnixDomainSocketConnection.send_packed_command
    monkeypatch.setattr(UnixDomainSocketConnection, "send_packed_command", lambda *args, **options: (
        asked.append(args), send(*args, **options)))
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        for _ in range(50):
            deadline = soon()
            assert source.rules(deadline) is not None
            assert source.facts(NUMBER, deadline) is DEGRADED
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    assert len(asked) == 2, "100 times there was something to ask"


def test_one_late_answer_does_not_cost_other_calls_their_facts(own_redis: Any, source_at: Any) -> None:
    redis = own_redis()
    source = source_at(redis.url)
    os.kill(redis.pid, signal.SIGSTOP)
    assert source.facts(NUMBER, soon()) is DEGRADED
    os.kill(redis.pid, signal.SIGCONT)
    assert source.facts(NUMBER, soon()) == NO_FACTS


def test_what_could_not_be_written_is_written_when_redis_is_back(own_redis: Any, source_at: Any) -> None:
    redis = own_redis()
    source = source_at(redis.url)
    redis.stop()
    with capture_logs() as logs:
        for number in range(BACKLOG + 5):
            source.write({"id": number})
        until(lambda: logs, "the thread has tried")
        redis.start()
        client = redis.connect()
        until(lambda: client.xlen(keys.EVENTS) >= BACKLOG, "all is caught up")
        source.write({"id": "last"})
        until(lambda: client.xlen(keys.EVENTS) > BACKLOG, "and goes on")
    found = [event["id"] for _, event in stream.tail(client, stream.BEGINNING, follow=False)]
    assert found == [*range(5, BACKLOG + 5), "last"], "in order, the oldest dropped"
    assert [line["event"] for line in logs] == ["events_held", "events_caught_up"]
    assert logs[1]["dropped"] == 5


def test_the_thread_that_writes_ends_when_there_is_nothing_to_write(
    own_redis: Any, source_at: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writer, "_IDLE_S", 0.05)
    redis = own_redis()
    source, client = source_at(redis.url), redis.connect()
    others = threading.enumerate()  # of tests before, which may idle for longer
    for number in (1, 2):
        source.write({"id": number})
        until(lambda: not [one for one in threading.enumerate() if one.name == "fsapp-events" and one not in others],
              "the thread has ended")
        assert client.xlen(keys.EVENTS) == number


def test_the_outage_is_said_once_and_so_is_its_end(own_redis: Any, source_at: Any) -> None:
    redis = own_redis()
    source = source_at(redis.url)
    redis.stop()
    with capture_logs() as logs:
        for _ in range(3):
            source.facts(NUMBER, soon())
        redis.start()
        for _ in range(3):
            source.facts(NUMBER, soon())
    assert [line["event"] for line in logs] == ["redis_lost", "redis_back"]


def test_without_time_left_nothing_is_asked(redis_server: Any, redis_client: Any, source_at: Any) -> None:
    load(redis_client)
    source = source_at(redis_server.url)
    assert source.rules(time.monotonic()) is None
    assert source.facts(NUMBER, time.monotonic()) is DEGRADED
    assert source.rules(soon()) is not None, "and that was no failure"


def test_an_address_that_is_none(source_at: Any) -> None:
    source = source_at("redis://127.0.0.1:1/0?no_such_option=1")
    assert source.rules(soon()) is None
    assert source.facts(NUMBER, soon()) is DEGRADED


def test_many_threads_see_whole_versions_and_write_every_event(own_redis: Any, source_at: Any) -> None:
    redis = own_redis()
    client = redis.connect()
    versions = {load(client, "v1"): "v1"}
    source = source_at(redis.url)
    wrong: list[Any] = []

    def call(thread: int) -> None:
        for number in range(40):
            deadline = time.monotonic() + 10
            rules = source.rules(deadline)
            if rules is None or rules.name != f"v{rules.version}":
                wrong.append(rules)
            source.write({"id": f"{thread}-{number}"})

    threads = [threading.Thread(target=call, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for number in range(2, 20):
        versions[load(client, f"v{number}")] = f"v{number}"
    for thread in threads:
        thread.join(60)
    assert wrong == []
    until(lambda: client.xlen(keys.EVENTS) >= 320, "all is written")
    found = [event["id"] for _, event in stream.tail(client, stream.BEGINNING, follow=False)]
    assert sorted(found) == sorted(f"{thread}-{number}" for thread in range(8) for number in range(40))


def test_there_is_one_source_for_a_configuration() -> None:
    config = Config("redis://127.0.0.1:1/0", "/nowhere", "main")
    assert source_of(config) is source_of(Config("redis://127.0.0.1:1/0", "/nowhere", "main"))
    assert source_of(config) is not source_of(Config("redis://127.0.0.1:2/0", "/nowhere", "main"))
