"""Versions of the rules: whole, numbered, in order, kept."""

import gevent
import pytest

from fsapp.errors import StateRefused, StateUnavailable
from fsapp.settings import Settings
from fsapp.state import keys
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore


@pytest.fixture
def store(redis_client):
    return RulesStore(redis_client)


def test_nothing_is_loaded(store):
    assert store.current_version() == 0
    assert store.current() is None
    assert store.get(1) is None
    assert store.history() == []


def test_a_version_comes_back_whole(store):
    document = {"centre": {"name": "Šabac", "region": "RS"}, "number": [{"number": "+381115550100", "priority": 50}]}
    loaded = store.load(document, "the first", "ana", "conf/rules")
    assert loaded.version == 1
    assert loaded.loaded_at.tzinfo is not None
    assert store.current() == store.get(1) == loaded


def test_history_is_newest_first_and_trimmed(store, redis_client):
    for place in range(keys.KEPT_VERSIONS + 10):
        store.load({"place": place}, "", "ana", "test")
    assert [found.version for found in store.history(3)] == [210, 209, 208]
    assert len(store.history(10_000)) == keys.KEPT_VERSIONS >= 100
    assert store.get(10) is None
    assert redis_client.hlen(keys.RULES_VERSIONS) == keys.KEPT_VERSIONS


def test_loads_at_the_same_time_never_mix(redis_server, store):
    def load(author):
        with redis_server.connect() as client:
            for place in range(20):
                RulesStore(client).load({"author": author, "place": place}, str(place), author, author)

    gevent.joinall([gevent.spawn(load, f"author{n}") for n in range(5)], timeout=60, raise_error=True)
    history = store.history(200)
    assert [found.version for found in history] == list(range(100, 0, -1))
    for found in history:
        assert found.document == {"author": found.author, "place": int(found.note)}
    assert len({(found.author, found.note) for found in history}) == 100


@pytest.mark.parametrize("document", [
    {}, {"centre": {}}, {"centre": {"region": "RS"}, "line": ["a"]}, {"centre": {"region": "RS"}, "number": 5},
    {"centre": {"region": "RS"}, "number": [{"nummer": 1}]},
    {"centre": {"region": "RS"}, "campaign": {"a": {"stage": {"b": {"kind": "of another time"}}}}},
])
def test_a_document_of_another_program_is_one_clear_line(store, document):
    with pytest.raises(StateRefused, match="version 1 of the rules .* run `fsapp rules load`"):
        store.load(document, "", "ana", "test").rules()


def test_history_leaves_out_an_earlier_version_that_cannot_be_read(store, redis_client):
    for place in range(3):
        store.load({"place": place}, "", "ana", "test")
    redis_client.hset(keys.RULES_VERSIONS, "2", b"\xc1")
    assert [found.version for found in store.history()] == [3, 1]
    redis_client.hset(keys.RULES_VERSIONS, "3", b"\xc1")
    with pytest.raises(StateRefused, match="version 3"):
        store.history()


def test_a_full_redis_changes_nothing(own_redis):
    client = own_redis().connect()
    store = RulesStore(client)
    before = store.load({"good": True}, "", "ana", "test")
    client.config_set("maxmemory", 1)
    with pytest.raises(StateRefused, match="is full"):
        store.load({"big": "x" * 10_000}, "", "ana", "test")
    assert store.current() == before
    assert store.current_version() == 1
    client.close()


@pytest.mark.parametrize("garbage", [b"\xc1", b"\x93\x01\x02\x03", b"\x95\xa1x\xa1x\xa1x\xa1x\xa1x"])
def test_a_version_that_cannot_be_read(store, redis_client, garbage):
    store.load({"good": True}, "", "ana", "test")
    redis_client.hset(keys.RULES_VERSIONS, "1", garbage)
    with pytest.raises(StateRefused, match="run `fsapp rules load`"):
        store.current()


def test_a_counter_that_is_none(store, redis_client):
    redis_client.set(keys.RULES_CURRENT, "nonsense")
    with pytest.raises(StateRefused, match="another program"):
        store.current()


def test_redis_away(tmp_path):
    store = RulesStore(connect(Settings(redis_url=f"unix://{tmp_path}/nobody")))
    with pytest.raises(StateUnavailable):
        store.current()
