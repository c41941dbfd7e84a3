"""Entries as they are written down, which of them readers see, and single changes."""

from contextlib import suppress

import gevent
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsapp.errors import StateRefused
from fsapp.state import keys
from fsapp.state.contacts import ALL_VISIBLE, Contacts, Entry, Visibility, pack, unpack

N = "+381601234567"
STAGE = "renewals/first-call"
OTHER = "web-leads/old"

texts = st.text(max_size=20)
said = st.text(min_size=1, max_size=20)
entries = st.builds(
    Entry, open=st.booleans(), batch=st.integers(0, 2**40), name=texts, agent=st.none() | said,
    attempted_at=st.none() | st.integers(0, 2**40) | st.floats(0, 2e9), priority=st.none() | st.integers(0, 99),
    due_at=st.none() | st.integers(0, 2**40), timezone=st.none() | said, list=st.none() | said,
    fields=st.dictionaries(texts, texts, max_size=3), previous=st.none(),
)
nested = st.builds(lambda one, two: one._replace(previous=two), entries, st.none() | entries)


@pytest.fixture
def contacts(redis_client):
    return Contacts(redis_client)


def put(client, *, number=N, pending=None, **stages):
    named = {name.replace("__", "/").replace("_", "-"): entry for name, entry in stages.items()}
    client.set(keys.contacts(number), pack(named))
    if pending is not None:
        client.set(keys.IMPORTS, pending)


@given(st.dictionaries(texts, nested, min_size=1, max_size=3))
def test_entries_come_back(stages):
    assert unpack(pack(stages)) == stages


def test_what_is_not_said_costs_nothing():
    assert len(pack({"a/b": Entry()})) < 10
    assert pack({}) == b""


@given(st.binary(max_size=60))
def test_garbage_is_a_value_error_at_most(value):
    with suppress(ValueError):
        unpack(value)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(texts, inner, max_size=3),
))
def test_well_formed_garbage_is_a_value_error_at_most(value):
    for content in (value, {"a/b": value}, {"a/b": [True, 0, value]}):
        try:
            found = unpack(msgpack.packb(content))
        except ValueError:
            continue
        assert all(isinstance(entry.name, str) for entry in found.values())


def test_an_endless_chain_is_refused():
    chain = []
    for _ in range(300):
        chain = [True, 1, "", None, None, None, None, None, None, {}, chain]
    with pytest.raises(ValueError):
        unpack(msgpack.packb({"a/b": chain}))


@pytest.mark.parametrize(("state", "hidden", "shown"), [
    (b"7:6,7", (6, 7, 8), (0, 5)), (b"7:", (8,), (0, 6, 7)), (None, (), (0, 10**12)), (b"", (), (1,)),
    (b"garbage", (), (1,)), (b"7:x,6", (6, 8), (7,)), (b"\xff:\xff", (), (1,)),
    (b"9" * 5000 + b":1", (), (1,)), (b"7:" + b"9" * 5000, (8,), (7,)),
])
def test_visibility(state, hidden, shown):
    visibility = Visibility.parse(state)
    assert all(visibility.hides(batch) for batch in hidden)
    assert not any(visibility.hides(batch) for batch in shown)


def test_the_first_visible_link_is_seen():
    old = Entry(batch=3, name="old")
    chain = Entry(batch=7, previous=Entry(batch=6, previous=old))
    assert Visibility(7, frozenset({6, 7})).of(chain) == old
    assert Visibility(7, frozenset({6})).of(chain) == chain
    assert Visibility(2, frozenset()).of(chain) is None
    assert ALL_VISIBLE.of(chain) == chain


def test_close_and_open(contacts, redis_client):
    put(redis_client, renewals__first_call=Entry(name="Ana"), web_leads__old=Entry(open=False))
    assert contacts.set_open(N, STAGE, False) is True
    assert contacts.set_open(N, STAGE, False) is False
    assert contacts.get(N) == {STAGE: Entry(name="Ana", open=False), OTHER: Entry(open=False)}
    assert contacts.set_open(N, STAGE, True) is True
    assert contacts.get(N)[STAGE].open


def test_who_is_not_there_is_not_made(contacts, redis_client):
    assert contacts.set_open(N, STAGE, False) is None
    assert contacts.remove(N) == []
    put(redis_client, pending=b"7:7", renewals__first_call=Entry(batch=7))
    assert contacts.set_open(N, STAGE, False) is None
    assert contacts.get(N) == {}


def test_remove(contacts, redis_client):
    put(redis_client, renewals__first_call=Entry(), web_leads__old=Entry())
    assert contacts.remove(N, OTHER) == [OTHER]
    assert contacts.remove(N, OTHER) == []
    assert contacts.get(N) == {STAGE: Entry()}
    assert contacts.remove(N) == [STAGE]
    assert not redis_client.exists(keys.contacts(N))


def test_closing_during_an_import_holds_before_and_after_it(contacts, redis_client):
    put(redis_client, pending=b"7:7", renewals__first_call=Entry(batch=7, name="new", previous=Entry(name="old")))
    assert contacts.set_open(N, STAGE, False) is True
    assert contacts.get(N)[STAGE] == Entry(name="old", open=False)
    redis_client.set(keys.IMPORTS, b"7:")
    assert not contacts.get(N)[STAGE].open
    assert contacts.get(N)[STAGE].name == "new"


def test_changes_at_the_same_time_all_count(redis_server, redis_client, contacts):
    stages = [f"campaign/stage{n}" for n in range(8)]
    redis_client.set(keys.contacts(N), pack({stage: Entry() for stage in stages}))

    def close(stage):
        with redis_server.connect() as client:
            assert Contacts(client).set_open(N, stage, False) is True

    gevent.joinall([gevent.spawn(close, stage) for stage in stages], timeout=60, raise_error=True)
    assert not any(entry.open for entry in contacts.get(N).values())


def test_a_value_that_cannot_be_read_is_left_alone(contacts, redis_client):
    redis_client.set(keys.contacts(N), b"garbage")
    for act in (lambda: contacts.get(N), lambda: contacts.set_open(N, STAGE, True), lambda: contacts.remove(N, STAGE)):
        with pytest.raises(StateRefused, match="cannot be read"):
            act()
    assert redis_client.get(keys.contacts(N)) == b"garbage"


def test_a_contact_can_be_closed_in_a_full_redis(own_redis):
    with own_redis().connect() as client:
        put(client, renewals__first_call=Entry(name="Ana"))
        client.config_set("maxmemory", 1)
        assert Contacts(client).set_open(N, STAGE, False) is True
        assert Contacts(client).get(N) == {STAGE: Entry(name="Ana", open=False)}


def test_an_attempt_is_noted_in_what_is_seen_and_in_what_will_be(contacts, redis_client):
    put(redis_client, renewals__first_call=Entry(batch=2, previous=Entry(attempted_at=5.0)), pending=b"2:2")
    assert contacts.set_attempted(N, STAGE, 9.0)
    assert contacts.get(N)[STAGE].attempted_at == 9.0
    redis_client.set(keys.IMPORTS, b"2:")
    assert contacts.get(N)[STAGE].attempted_at == 9.0
    assert contacts.set_attempted(N, STAGE, 7.0)
    assert contacts.get(N)[STAGE].attempted_at == 9.0
    assert not contacts.set_attempted(N, OTHER, 9.0)
    assert list(contacts.get(N)) == [STAGE]
