"""Many greenlets and one Redis that may be slow, away, full or back."""

import os
import signal

import gevent
import pytest
import structlog
from structlog.testing import capture_logs

from fsapp.core.model import DEGRADED, NO_FACTS
from fsapp.errors import StateUnavailable
from fsapp.metrics import REDIS_UP, REGISTRY
from fsapp.settings import Settings
from fsapp.state import keys, stream
from fsapp.state.batch import EventWriter, FactsReader, RulesWatcher
from fsapp.state.connection import connect
from fsapp.state.contacts import Entry, pack
from fsapp.state.rules import RulesStore
from fsapp.state.store import Store

N = "+381601234567"


def until(condition, seconds=20):
    with gevent.Timeout(seconds, AssertionError("it never came to pass")):
        while not condition():
            gevent.sleep(0.005)


@pytest.fixture(autouse=True)
def _plain_logs():
    structlog.reset_defaults()


@pytest.fixture
def started():
    """Starts parts and stops them at the end."""
    parts = []

    def start(part):
        part.start()
        parts.append(part)
        return part

    yield start
    for part in parts:
        part.close(1) if isinstance(part, EventWriter) else part.stop()


def reader_of(client, started, **options):
    return started(FactsReader(Store(client), **{"timeout_s": 5, "probe_s": 0.02} | options))


def writer_of(client, started, **options):
    return started(EventWriter(client, **{"length": 10_000, "backlog": 100, "timeout_s": 5, "probe_s": 0.02} | options))


def events(client):
    return [event["id"] for _, event in stream.tail(client, stream.BEGINNING, follow=False)]


def lost():
    return REGISTRY.get_sample_value("fsapp_events_lost_total")


def test_an_anonymous_caller_costs_no_question():
    assert FactsReader(None).facts(None) == NO_FACTS


def test_each_gets_its_own_facts_and_few_questions_are_asked(redis_client, started):
    numbers = [f"+3816{n:08d}" for n in range(700)]
    for number in numbers[::2]:
        redis_client.set(keys.contacts(number), pack({"a/b": Entry(name=number)}))
    reader = reader_of(redis_client, started)
    assert reader.facts(N) == NO_FACTS
    redis_client.config_resetstat()
    asking = [gevent.spawn(reader.facts, number) for number in numbers]
    gevent.joinall(asking, timeout=20, raise_error=True)
    for place, (number, asked) in enumerate(zip(numbers, asking, strict=True)):
        names = [contact.name for contact in asked.value.contacts]
        assert names == ([number] if place % 2 == 0 else [])
        assert not asked.value.degraded
    assert redis_client.info("commandstats")["cmdstat_mget"]["calls"] <= 5


def test_redis_goes_and_comes_back(own_redis, started):
    server = own_redis()
    with server.connect() as client, capture_logs() as logs:
        reader = reader_of(client, started)
        assert reader.facts(N) == NO_FACTS
        server.stop()
        assert reader.facts(N) == DEGRADED
        assert reader.up is False
        assert [reader.facts(N) for _ in range(100)] == [DEGRADED] * 100
        assert REDIS_UP._value.get() == 0
        server.start()
        until(lambda: reader.up)
        assert reader.facts(N) == NO_FACTS
        assert REDIS_UP._value.get() == 1
    assert [line["event"] for line in logs] == ["redis_lost", "redis_back"]
    assert "does not answer" in logs[0]["error"]


def test_a_restart_between_two_calls_is_not_noticed(own_redis, started):
    server = own_redis()
    with server.connect() as client:
        reader = reader_of(client, started, probe_s=3600)
        assert reader.facts(N) == NO_FACTS
        server.stop()
        server.start()
        assert reader.facts(N) == NO_FACTS


def test_a_redis_that_hangs_delays_nobody_for_long(own_redis, started):
    server = own_redis()
    with server.connect(timeout_s=0.1) as client:
        reader = reader_of(client, started, timeout_s=0.1)
        assert reader.facts(N) == NO_FACTS
        os.kill(server.pid, signal.SIGSTOP)
        try:
            asking = [gevent.spawn(reader.facts, N) for _ in range(50)]
            gevent.joinall(asking, timeout=20, raise_error=True)
            assert [asked.value for asked in asking] == [DEGRADED] * 50
            until(lambda: not reader.up)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        until(lambda: reader.up)
        assert reader.facts(N) == NO_FACTS


def test_a_fault_of_our_own_does_not_end_the_reader(redis_client, started):
    store = Store(redis_client)
    reader = started(FactsReader(store, timeout_s=5, probe_s=0.02))
    assert reader.facts(N) == NO_FACTS
    good, store.facts_many = store.facts_many, lambda _numbers: 1 // 0
    assert reader.facts(N) == DEGRADED
    store.facts_many = good
    until(lambda: reader.up)
    assert reader.facts(N) == NO_FACTS


def test_who_waits_when_the_reader_stops_is_answered(redis_client):
    reader = FactsReader(Store(redis_client), timeout_s=60)  # never started: nobody asks
    waiting = gevent.spawn(reader.facts, N)
    gevent.sleep(0)
    reader.stop()
    assert waiting.get(timeout=20) == DEGRADED


def test_without_redis_a_reader_knows_before_the_first_call(tmp_path, started):
    client = connect(Settings(redis_url=f"unix://{tmp_path}/nobody"))
    reader = reader_of(client, started)
    until(lambda: not reader.up)


def test_a_reader_that_does_not_come_to_it_delays_nobody_for_long(redis_client):
    reader = FactsReader(Store(redis_client), timeout_s=0.05)  # never started: nobody asks
    with gevent.Timeout(20, AssertionError("the caller waits on")):
        assert reader.facts(N) == DEGRADED


def test_write_returns_when_redis_has_it(redis_client, started):
    writer = writer_of(redis_client, started)
    for number in range(5):
        writer.write({"id": number})
        assert events(redis_client) == list(range(number + 1))


def test_writes_at_the_same_time_stay_in_order(redis_client, started):
    writer = writer_of(redis_client, started)
    gevent.joinall([gevent.spawn(writer.write, {"id": n}) for n in range(1300)], timeout=20, raise_error=True)
    assert events(redis_client) == list(range(1300))


def test_the_stream_is_bounded(redis_client, started):
    writer = writer_of(redis_client, started, length=100)
    gevent.joinall([gevent.spawn(writer.write, {"id": n}) for n in range(2000)], timeout=20, raise_error=True)
    assert 100 <= redis_client.xlen(keys.EVENTS) <= 300


def test_events_of_an_outage_are_caught_up_in_order(own_redis, started):
    server = own_redis("--appendonly", "yes", "--appendfsync", "always")
    with server.connect() as client, capture_logs() as logs:
        writer = writer_of(client, started)
        writer.write({"id": 0})
        server.stop()
        before = lost()
        for number in range(1, 101):
            writer.write({"id": number})
        assert REGISTRY.get_sample_value("fsapp_events_waiting") == 100
        server.start()
        until(lambda: len(events(client)) >= 101)
        assert events(client) == list(range(101))
        assert lost() == before
        assert REGISTRY.get_sample_value("fsapp_events_waiting") == 0
    assert [line["event"] for line in logs] == ["events_held", "events_caught_up"]


def test_the_oldest_are_dropped_and_counted_beyond_the_backlog(own_redis, started):
    server = own_redis()
    with server.connect() as client:
        writer = writer_of(client, started, backlog=10)
        server.stop()
        before = lost()
        for number in range(50):
            writer.write({"id": number})
        assert lost() - before == 40
        server.start()
        until(lambda: len(events(client)) >= 10)
        assert events(client) == list(range(40, 50))


def test_a_full_redis_holds_events_back(own_redis, started):
    server = own_redis()
    with server.connect() as client:
        writer = writer_of(client, started, backlog=2000)
        writer.write({"id": 0})
        client.config_set("maxmemory", 1)
        for number in range(1, 1200):  # more than are written at once
            writer.write({"id": number})
        assert events(client) == [0]
        tries, ask = [], writer._wire.ask
        writer._wire.ask = lambda *asked: tries.append(1) or ask(*asked)
        until(lambda: len(tries) > 1)
        client.config_set("maxmemory", 0)
        until(lambda: len(events(client)) >= 1200)
        assert events(client) == list(range(1200))


def test_closing_writes_what_is_in_hand(redis_client):
    writer = EventWriter(redis_client, length=1000, backlog=100, timeout_s=0.01)
    for number in range(10):
        writer.write({"id": number})  # nobody writes yet: each returns when its time is over
    writer.close(5)
    assert events(redis_client) == list(range(10))


def test_closing_while_redis_is_away_ends_and_counts(tmp_path):
    client = connect(Settings(redis_url=f"unix://{tmp_path}/nobody"))
    writer = EventWriter(client, length=1000, backlog=100, timeout_s=0.01, probe_s=0.01)
    writer.start()
    before = lost()
    for number in range(10):
        writer.write({"id": number})
    writer.close(0.2)
    assert lost() - before == 10
    assert REGISTRY.get_sample_value("fsapp_events_waiting") == 0


def test_closing_while_redis_hangs_counts_what_is_on_its_way(own_redis):
    server = own_redis()
    with server.connect(timeout_s=30) as client:
        writer = EventWriter(client, length=1000, backlog=100, timeout_s=0.05)
        writer.start()
        writer.write({"id": 0})
        before = lost()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            writer.write({"id": 1})
            writer.close(0.05)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        assert lost() - before == 1


def test_an_event_that_nobody_foresaw_is_written_as_text(redis_client, started):
    writer = writer_of(redis_client, started)
    writer.write({"id": object})
    assert events(redis_client) == ["<class 'object'>"]


def test_new_rules_are_handed_over_once(redis_client, started):
    store, seen = RulesStore(redis_client), []
    store.load({"n": 1}, "", "", "")
    started(RulesWatcher(store, seen.append, period_s=0.01))
    until(lambda: len(seen) == 1)
    store.load({"n": 2}, "", "", "")
    until(lambda: len(seen) == 2)
    redis_client.config_resetstat()
    until(lambda: redis_client.info("commandstats").get("cmdstat_get", {}).get("calls", 0) > 5)
    assert [loaded.document["n"] for loaded in seen] == [1, 2]


def test_an_emptied_redis_counts_from_one_again(redis_client, started):
    store, seen = RulesStore(redis_client), []
    with capture_logs() as logs:
        store.load({"n": 1}, "", "", "")
        started(RulesWatcher(store, seen.append, period_s=0.01))
        until(lambda: len(seen) == 1)
        redis_client.flushall()
        until(lambda: logs)
        redis_client.config_resetstat()
        until(lambda: redis_client.info("commandstats").get("cmdstat_get", {}).get("calls", 0) > 2)
        assert [line["event"] for line in logs] == ["rules_gone"]  # once, however long it lasts
        store.load({"n": 2}, "", "", "")
        until(lambda: len(seen) == 2)
    assert [(loaded.version, loaded.document["n"]) for loaded in seen] == [(1, 1), (1, 2)]


def test_another_redis_after_an_outage_counts_from_one_again(redis_client, started):
    store, seen, away = RulesStore(redis_client), [], []

    class Away(RulesStore):
        def current_version(self):
            if away:
                away.append(1)
                raise StateUnavailable("away")
            return super().current_version()

    store.load({"n": 1}, "", "", "")
    started(RulesWatcher(Away(redis_client), seen.append, period_s=0.01))
    until(lambda: len(seen) == 1)
    away.append(1)
    until(lambda: len(away) > 2)
    redis_client.flushall()
    store.load({"n": 2}, "", "", "")
    away.clear()
    until(lambda: len(seen) == 2)
    away.append(1)
    until(lambda: len(away) > 2)
    away.clear()  # back as it was: nothing is handed over twice
    redis_client.config_resetstat()
    until(lambda: redis_client.info("commandstats").get("cmdstat_get", {}).get("calls", 0) > 5)
    assert [loaded.document["n"] for loaded in seen] == [1, 2]


def test_the_watch_outlasts_an_outage_and_bad_rules(own_redis, started):
    server = own_redis()
    seen = []

    def take(loaded):
        if loaded.document["n"] == 1:
            raise KeyError("centre")
        seen.append(loaded.document["n"])

    with server.connect() as client, capture_logs() as logs:
        store = RulesStore(client)
        started(RulesWatcher(store, take, period_s=0.01))
        store.load({"n": 1}, "", "", "")
        until(lambda: any(line["event"] == "rules_refused" for line in logs))
        looks = []
        look = store.current_version
        store.current_version = lambda: looks.append(1) or look()
        server.stop()
        until(lambda: any(line["event"] == "rules_unreachable" for line in logs))
        looks.clear()
        until(lambda: len(looks) > 3)
        server.start()  # empty, as after a restart without a disk
        store.load({"n": 2}, "", "", "")
        store.load({"n": 3}, "", "", "")
        until(lambda: 3 in seen)
    said = [line["event"] for line in logs]
    assert said in (["rules_refused", "rules_unreachable"], ["rules_refused", "rules_unreachable", "rules_gone"])


def test_an_answer_that_nobody_foresaw_ends_neither_the_writer_nor_the_watch(redis_client, started, monkeypatch):
    writer, seen, store = writer_of(redis_client, started, backlog=5), [], RulesStore(redis_client)
    started(RulesWatcher(store, seen.append, period_s=0.01))
    answers = writer._wire.ask, store.current_version
    monkeypatch.setattr(writer._wire, "ask", lambda *_args: [][1])
    monkeypatch.setattr(store, "current_version", lambda: [][1])
    with capture_logs() as logs:
        for number in range(7):
            writer.write({"id": number})
        until(lambda: {line["event"] for line in logs} == {"events_held", "rules_unreachable"})
    monkeypatch.setattr(writer._wire, "ask", answers[0])
    monkeypatch.setattr(store, "current_version", answers[1])
    store.load({"n": 1}, "", "", "")
    until(lambda: seen and events(redis_client) == [2, 3, 4, 5, 6])
