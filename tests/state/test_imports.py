"""An import is there as a whole or not at all, whatever ends it: an exception, kill -9, a dead or a full Redis."""

import subprocess
import sys
from pathlib import Path

import pytest
import redis

from fsapp.errors import StateRefused, StateUnavailable
from fsapp.state import keys
from fsapp.state.contacts import Contacts, Entry, Visibility, pack, unpack
from fsapp.state.imports import Import
from fsapp.state.store import Store

STAGE = "renewals/first-call"
OTHER = "renewals/second-call"


def numbers(count, first=0):
    return [f"+3816{first + place:08d}" for place in range(count)]


def rows(some, **values):
    return [(number, Entry(**values)) for number in some]


def names(client, some):
    """What readers see: the name of each contact, None where there is none."""
    seen = Store(client).facts_many(some)
    return [facts.contacts[0].name if facts.contacts else None for facts in seen]


def import_all(client, contacts, **options):
    with Import(client, STAGE, **options) as bulk:
        bulk.write(contacts)
    return bulk.written


def stored(client):
    """Everything Redis holds but the imports' own books."""
    return {key: client.get(key) for key in client.scan_iter() if not key.startswith(b"fsapp:{imports}")}


def test_all_at_once(redis_client):
    some = numbers(50)
    with Import(redis_client, STAGE) as bulk:
        for place in range(0, 50, 10):
            bulk.write(rows(some[place: place + 10], name="new", agent="1001"))
            assert names(redis_client, some) == [None] * 50
    assert names(redis_client, some) == ["new"] * 50
    assert bulk.written.added == 50
    assert not redis_client.keys(f"{keys.LEASE_PREFIX}*")


def test_what_was_there_is_seen_until_the_end_and_forgotten_then(redis_client):
    some = numbers(30)
    import_all(redis_client, rows(some[:20], name="old"))
    with Import(redis_client, STAGE) as bulk:
        bulk.write(rows(some, name="new"))
        assert names(redis_client, some) == ["old"] * 20 + [None] * 10
    assert names(redis_client, some) == ["new"] * 30
    assert (bulk.written.added, bulk.written.updated) == (10, 20)
    assert all(entry.previous is None for value in stored(redis_client).values() for entry in unpack(value).values())


def test_other_stages_of_a_customer_stay(redis_client):
    some = numbers(3)
    with Import(redis_client, OTHER) as bulk:
        bulk.write(rows(some, name="other"))
    import_all(redis_client, rows(some, name="new"))
    assert {stage: entry.name for stage, entry in Contacts(redis_client).get(some[0]).items()} == {
        OTHER: "other", STAGE: "new"}


def test_a_closed_contact_stays_closed_unless_it_is_reopened(redis_client):
    number = numbers(1)[0]
    redis_client.set(keys.contacts(number), pack({STAGE: Entry(open=False, attempted_at=12.5, name="old")}))
    assert import_all(redis_client, rows([number], name="new")).closed == 1
    assert Contacts(redis_client).get(number)[STAGE][:1] == (False,)
    assert import_all(redis_client, rows([number], name="newer"), reopen=True).closed == 0
    entry = Contacts(redis_client).get(number)[STAGE]
    assert (entry.open, entry.name, entry.attempted_at) == (True, "newer", 12.5)


def test_each_write_is_a_sign_of_life(redis_client):
    with Import(redis_client, STAGE) as bulk:
        [lease] = redis_client.keys(f"{keys.LEASE_PREFIX}*")
        redis_client.expire(lease, 5)
        bulk.write(rows(numbers(1), name="new"))
        assert redis_client.ttl(lease) > 5


def test_an_exception_takes_everything_back(redis_client):
    some = numbers(30)
    import_all(redis_client, rows(some[:10], name="old"))
    before = stored(redis_client)
    with pytest.raises(ZeroDivisionError), Import(redis_client, STAGE) as bulk:
        bulk.write(rows(some, name="new"))
        raise ZeroDivisionError
    assert stored(redis_client) == before
    assert not Visibility.parse(redis_client.get(keys.IMPORTS)).pending


def test_of_two_imports_the_last_to_finish_wins(redis_client):
    some = numbers(5)
    import_all(redis_client, rows(some, name="old"))
    first, second = Import(redis_client, STAGE), Import(redis_client, STAGE)
    first.__enter__().write(rows(some, name="first"))
    second.__enter__().write(rows(some, name="second"))
    first.__exit__(None, None, None)
    # The second one wrote on top, so it decides what is seen; nothing is seen of it before its end.
    assert names(redis_client, some) == ["first"] * 5
    second.__exit__(None, None, None)
    assert names(redis_client, some) == ["second"] * 5


def test_one_of_two_imports_fails(redis_client):
    some = numbers(5)
    import_all(redis_client, rows(some, name="old"))
    for failing in (0, 1):
        both = [Import(redis_client, STAGE), Import(redis_client, STAGE)]
        for place, bulk in enumerate(both):
            bulk.__enter__().write(rows(some, name=f"import {failing}{place}"))
        both[failing].__exit__(ValueError, ValueError(), None)
        both[1 - failing].__exit__(None, None, None)
        assert names(redis_client, some) == [f"import {failing}{1 - failing}"] * 5


def test_a_close_while_it_runs_is_kept(redis_client):
    some = numbers(4)
    import_all(redis_client, rows(some, name="old"))
    with Import(redis_client, STAGE) as bulk:
        Contacts(redis_client).set_open(some[0], STAGE, False)
        bulk.write(rows(some[:2], name="new"))
        Contacts(redis_client).set_open(some[1], STAGE, False)
        bulk.write(rows(some[2:], name="new"))
    assert [Contacts(redis_client).get(number)[STAGE].open for number in some] == [False, False, True, True]
    assert names(redis_client, some) == ["new"] * 4


def test_a_change_between_reading_and_writing_is_not_lost(redis_client):
    number = numbers(1)[0]
    import_all(redis_client, rows([number], name="old"))
    with Import(redis_client, STAGE) as bulk:
        write, closed = bulk._write, []

        def close_first(**arguments):
            if not closed:
                closed.append(Contacts(redis_client).set_open(number, STAGE, False))
            return write(**arguments)

        bulk._write = close_first
        bulk.write(rows([number], name="new"))
    entry = Contacts(redis_client).get(number)[STAGE]
    assert closed == [True]
    assert (entry.open, entry.name) == (False, "new")


def test_an_import_that_slept_too_long_is_refused(redis_client):
    some = numbers(4)
    import_all(redis_client, rows(some, name="old"))
    for lost_before_the_end in (False, True):
        with pytest.raises(StateRefused, match="run it again"), Import(redis_client, STAGE) as bulk:
            bulk.write(rows(some[:2], name="new"))
            redis_client.delete(keys.import_lease(bulk._batch))
            if lost_before_the_end:
                import_all(redis_client, rows(numbers(1, 900), name="sweeps"))
            else:
                bulk.write(rows(some[2:], name="new"))
        assert names(redis_client, some) == ["old"] * 4


def test_an_import_that_slept_while_another_takes_it_back_is_refused(redis_client):
    some = numbers(4)
    import_all(redis_client, rows(some, name="old"))
    slept, other = Import(redis_client, STAGE), Import(redis_client, STAGE)
    slept.__enter__().write(rows(some, name="new"))
    redis_client.delete(keys.import_lease(slept._batch))
    end, refused = other._end, []

    def wakes_before(batch, **options):
        if batch == slept._batch:
            with pytest.raises(StateRefused, match="run it again"):
                slept.__exit__(None, None, None)
            refused.append(batch)
        return end(batch, **options)

    other._end = wakes_before
    with other:
        pass
    assert refused == [slept._batch]
    assert names(redis_client, some) == ["old"] * 4


def killed_half_way(url, first=0):
    """Start an import in a process of its own, kill -9 it after some pages; how many contacts it had written."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("import_slowly.py")), url, STAGE, str(first)],
        stdout=subprocess.PIPE, text=True,
    ) as process:
        for _ in range(5):
            page = process.stdout.readline()
        process.kill()
    return (int(page) + 1) * 20


def test_kill_9_half_way(redis_server, redis_client):
    old = numbers(40)
    import_all(redis_client, rows(old, name="old"))
    before = stored(redis_client)
    count = killed_half_way(redis_server.url)
    assert count >= 100
    some = numbers(count)
    assert stored(redis_client) != before
    assert names(redis_client, some) == ["old"] * 40 + [None] * (count - 40)

    # As long as it may still live nothing is taken back; the next import is right all the same.
    import_all(redis_client, rows(some[30:50], name="newer"))
    assert names(redis_client, some[:60]) == ["old"] * 30 + ["newer"] * 20 + [None] * 10

    redis_client.delete(*redis_client.keys(f"{keys.LEASE_PREFIX}*"))
    import_all(redis_client, rows(numbers(1, 10_000_000), name="sweeps"))
    assert names(redis_client, some) == ["old"] * 30 + ["newer"] * 20 + [None] * (count - 50)
    assert len(stored(redis_client)) == 51
    assert redis_client.get(keys.IMPORTS).endswith(b":")


def test_redis_killed_half_way(own_redis):
    server = own_redis("--appendonly", "yes", "--appendfsync", "always")
    some = numbers(40)
    with server.connect() as client:
        import_all(client, rows(some[:20], name="old"))
        before = stored(client)
        with pytest.raises(StateUnavailable), Import(client, STAGE) as bulk:
            bulk.write(rows(some[:30], name="new"))
            server.stop()
            bulk.write(rows(some[30:], name="new"))
    server.start()
    with server.connect() as client:
        assert names(client, some) == ["old"] * 20 + [None] * 20
        client.delete(*client.keys(f"{keys.LEASE_PREFIX}*"))
        with Import(client, STAGE):
            pass
        assert stored(client) == before


def test_a_full_redis_keeps_what_it_had(own_redis):
    server = own_redis()
    some = numbers(3000)
    with server.connect(30) as client:
        import_all(client, rows(some[:500], name="old"))
        before = stored(client)
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 300_000)
        with pytest.raises(StateRefused, match="is full"), Import(client, STAGE) as bulk:
            for place in range(0, 3000, 100):
                bulk.write(rows(some[place: place + 100], name="x" * 500))
        assert stored(client) == before
        assert not Visibility.parse(client.get(keys.IMPORTS)).pending
        assert names(client, some[:501]) == ["old"] * 500 + [None]


def test_the_sweep_works_in_a_full_redis(own_redis):
    server = own_redis()
    with server.connect() as client:
        import_all(client, rows(numbers(10), name="old"))
        before = stored(client)
        bulk = Import(client, STAGE).__enter__()
        bulk.write(rows(numbers(20), name="new"))
        client.delete(keys.import_lease(bulk._batch))
        client.config_set("maxmemory", 1)
        with pytest.raises(StateRefused, match="is full"), Import(client, STAGE):
            pass
        assert stored(client) == before


def test_the_end_can_be_reached_in_a_full_redis(own_redis):
    with own_redis().connect() as client:
        with Import(client, STAGE) as bulk:
            bulk.write(rows(numbers(10), name="new"))
            client.config_set("maxmemory", 1)
        assert names(client, numbers(10)) == ["new"] * 10


def test_garbage_in_the_way_is_named_and_left(redis_client):
    some = numbers(3)
    redis_client.set(keys.contacts(some[1]), b"garbage")
    with pytest.raises(StateRefused, match=r"\+381600000001 cannot be read"):
        import_all(redis_client, rows(some, name="new"))
    assert names(redis_client, some) == [None] * 3
    assert redis_client.get(keys.contacts(some[1])) == b"garbage"


def test_lost_books_hide_nobody(redis_client):
    some = numbers(3)
    for number in some:
        redis_client.set(keys.contacts(number), pack({STAGE: Entry(batch=1_700_000_000, name="old")}))
    assert names(redis_client, some) == ["old"] * 3
    with Import(redis_client, STAGE) as bulk:
        bulk.write(rows(some[:1], name="new"))
        assert names(redis_client, some) == ["old"] * 3
    assert names(redis_client, some) == ["new", "old", "old"]


def test_redis_errors_are_told(redis_client):
    redis_client.lpush(keys.IMPORTS, "a list")
    with pytest.raises(StateRefused), Import(redis_client, STAGE):
        pass
    assert isinstance(redis_client, redis.Redis)
