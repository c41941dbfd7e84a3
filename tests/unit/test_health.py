"""/metrics and /healthz under whoever can reach them: connections that say nothing take nothing from the calls."""

from __future__ import annotations

import os
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket

from fsapp import health
from fsapp.errors import ListenError
from fsapp.health import HealthServer

IDLE = 60


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(health, "_PATIENCE_S", 0.5)
    server = HealthServer("127.0.0.1:0", list)
    server.start()
    with gevent.Timeout(30, AssertionError("the test hangs")):
        yield server.address
    server.stop()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


# gevent leaves the socket open that it could not bind.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_address_that_is_taken(address: tuple[str, int]) -> None:
    with pytest.raises(ListenError, match=r"is taken by another program, if not by an fsapp .* with FSAPP_LINK_HTTP$"):
        HealthServer(f"127.0.0.1:{address[1]}", list, "FSAPP_LINK_HTTP").start()


def test_silent_connections_are_few_and_have_an_end(address: tuple[str, int]) -> None:
    before = open_files()
    idle = [socket.create_connection(address) for _ in range(IDLE)]
    try:
        gevent.sleep(0.1)
        assert open_files() - before - IDLE <= 16
        with socket.create_connection(address) as sock:
            sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
        assert [sock.recv(1) for sock in idle] == [b""] * IDLE
    finally:
        for sock in idle:
            sock.close()


@pytest.mark.parametrize("drip", [b"GET /healthz HTTP/1.1\r\n", b"G"])
def test_a_slow_request_has_an_end(address: tuple[str, int], drip: bytes) -> None:
    with socket.create_connection(address) as sock, pytest.raises(OSError):
        sock.sendall(drip)
        while True:
            gevent.sleep(0.1)
            sock.sendall(b"X: y\r\n")
