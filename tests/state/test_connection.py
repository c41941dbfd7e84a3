"""What is wrong with Redis comes out as one line that says what to do, and never with a password."""

import socket
from contextlib import contextmanager

import gevent
import pytest
import redis
import structlog
from gevent.server import StreamServer
from structlog.testing import capture_logs

from fsapp.errors import StateRefused, StateUnavailable
from fsapp.settings import Settings
from fsapp.state.connection import address, check, connect, translate


@contextmanager
def fake_redis(answers):
    """A server on loopback that answers every command by its first word, with the bytes given."""

    def serve(connection, _peer):
        with connection, connection.makefile("rb") as lines:
            while first := lines.readline():
                words = []
                for _ in range(int(first[1:])):
                    words.append(lines.read(int(lines.readline()[1:]) + 2)[:-2].upper())
                connection.sendall(answers.get(words[0].decode(), b"+OK\r\n"))

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    client = connect(Settings(redis_url=f"redis://127.0.0.1:{server.server_port}/0", redis_timeout_s=2))
    try:
        yield client
    finally:
        client.close()
        server.stop(timeout=1)


def _bulk(text):
    return f"${len(text)}\r\n{text}\r\n".encode()


def _refusal(answers):
    with fake_redis(answers) as client, pytest.raises((StateRefused, StateUnavailable)) as caught:
        check(client)
    assert len(caught.value.faults) == 1
    assert "\n" not in caught.value.faults[0]
    return caught.value


NEW = {"INFO": _bulk("# Server\r\nredis_version:6.2.14\r\n")}


def test_a_good_redis_passes(redis_client):
    check(redis_client)


@pytest.mark.parametrize("version", ["5.0.14", "4.0.9", "6.0.16"])
def test_too_old(version):
    error = _refusal({"INFO": _bulk(f"# Server\r\nredis_version:{version}\r\n")})
    assert isinstance(error, StateRefused)
    assert f"is version {version}, fsapp needs 6.2 or newer" in str(error)


def test_nobody_answers():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = connect(Settings(redis_url=f"redis://user:secret@127.0.0.1:{port}/0"))
    with pytest.raises(StateUnavailable) as caught:
        check(client)
    assert str(caught.value) == (
        f"Redis at redis://127.0.0.1:{port}/0 does not answer: start it, or set FSAPP_REDIS_URL")


def test_somebody_who_never_answers():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = connect(Settings(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}", redis_timeout_s=0.05))
        with gevent.Timeout(20), pytest.raises(StateUnavailable, match="does not answer"):
            check(client)
        client.close()


@pytest.mark.parametrize(("answers", "said"), [
    (NEW | {"SET": b"-READONLY You can't write against a read only replica.\r\n"}, "read-only replica"),
    (NEW | {"SET": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"}, "is full: raise its maxmemory"),
    (NEW | {"SET": b"-MISCONF Redis is configured to save RDB snapshots, but cannot.\r\n"}, "disk"),
    (NEW | {"SET": b"-NOREPLICAS Not enough good replicas to write.\r\n"}, "without its replicas"),
    (NEW | {"SET": b"-NOPERM this user has no permissions\r\n"}, "ACL"),
    ({"INFO": b"-NOAUTH Authentication required.\r\n"}, "refuses the password"),
    ({"INFO": b"-LOADING Redis is loading the dataset in memory\r\n"}, "is still loading"),
    ({"INFO": b"-ERR something\r\n"}, "refuses: "),
])
def test_answers_that_refuse(answers, said):
    assert said in str(_refusal(answers))


def test_a_real_full_redis(own_redis):
    client = own_redis("--maxmemory", "1").connect()
    with pytest.raises(StateRefused, match="is full: raise its maxmemory"):
        check(client)
    client.close()


@pytest.mark.parametrize(("policy", "warned"), [("allkeys-lru", ["redis_may_evict"]), ("noeviction", [])])
def test_a_redis_that_may_throw_away_what_it_holds_is_warned_of(own_redis, policy, warned):
    structlog.reset_defaults()
    with own_redis("--maxmemory", "50mb", "--maxmemory-policy", policy).connect() as client, capture_logs() as logs:
        check(client)
    assert [line["event"] for line in logs] == warned


def test_a_real_password(own_redis):
    server = own_redis()
    with server.connect() as client:
        client.config_set("requirepass", "right")
    for wrong in ("", "?password=wrong"):
        client = connect(Settings(redis_url=server.url + wrong))
        with pytest.raises(StateRefused, match="refuses the password") as caught:
            check(client)
        assert "wrong" not in str(caught.value)
        client.close()
    with connect(Settings(redis_url=server.url + "?password=right")) as client:
        check(client)


def test_a_real_replica(own_redis):
    client = own_redis().connect()
    client.replicaof("127.0.0.1", "1")
    with pytest.raises(StateRefused, match="read-only replica"):
        check(client)
    client.close()


def test_errors_inside_a_script_are_understood():
    error = redis.ResponseError("Error running script: @user_script:5: -OOM command not allowed when used memory")
    assert "is full" in str(translate(error))


@pytest.mark.parametrize("url", ["redis://127.0.0.1/0?socket_timeout=soon", "redis://127.0.0.1/0?nonsense=1"])
def test_an_address_that_asks_for_nonsense(url):
    with pytest.raises(StateRefused, match="FSAPP_REDIS_URL"):
        connect(Settings(redis_url=url))


@pytest.mark.parametrize(("url", "shown"), [
    ("redis://:secret@db.example.com:7000/3", "redis://db.example.com:7000/3"),
    ("rediss://u:secret@db.example.com", "rediss://db.example.com:6379/0"),
    ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock"),
])
def test_the_address_hides_the_password(url, shown):
    assert address(connect(Settings(redis_url=url))) == shown
