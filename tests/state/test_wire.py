"""One kept connection: answers in order, refusals as answers, a connection that was closed is made anew."""

from __future__ import annotations

import pytest
import redis

from fsapp.state.wire import Wire, packed


def test_answers_come_in_the_order_of_the_commands(redis_client):
    wire = Wire(redis_client)
    commands = packed(b"SET", b"a", b"1\r\n2") + packed(b"GET", b"a") + packed(b"GET", b"none")
    assert wire.ask(commands, 3) == [b"OK", b"1\r\n2", None]
    assert wire.mget(["a", "none"]) == [b"1\r\n2", None]


def test_a_refusal_is_an_answer_and_the_next_one_is_not_mixed_up(redis_client):
    wire = Wire(redis_client)
    refused, fine = wire.ask(packed(b"INCR", b"a", b"b") + packed(b"PING"), 2)
    assert isinstance(refused, redis.ResponseError)
    assert fine == b"PONG"


def test_a_connection_that_redis_closed_is_made_anew(redis_client):
    wire = Wire(redis_client)
    [number] = wire.ask(packed(b"CLIENT", b"ID"))
    redis_client.client_kill_filter(_id=number)
    assert wire.ask(packed(b"PING")) == [b"PONG"]


def test_without_redis_it_says_so_and_goes_on_when_redis_is_back(own_redis):
    server = own_redis()
    wire = Wire(server.connect())
    assert wire.ask(packed(b"PING")) == [b"PONG"]
    server.stop()
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            wire.ask(packed(b"PING"))
    server.start()
    assert wire.ask(packed(b"PING")) == [b"PONG"]


def test_an_answer_that_came_too_late_is_not_taken_for_the_next(redis_server):
    client = redis_server.connect(0.2)
    wire = Wire(client)
    blocker = redis_server.connect()
    wire.ask(packed(b"PING"))
    blocker.execute_command("CLIENT", "PAUSE", "600", "ALL")
    with pytest.raises(redis.TimeoutError):
        wire.ask(packed(b"ECHO", b"late"))
    blocker.execute_command("ECHO", "the pause is over")
    assert wire.ask(packed(b"ECHO", b"now")) == [b"now"]
    client.close()
    blocker.close()
