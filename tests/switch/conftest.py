"""Boots one FreeSWITCH for all tests of this folder, and skips them with the reason where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from app import App
from crowd import CALLBACKS
from customer import Customer
from desk import Desk
from linked import Links
from machine import ROOT, Switch, binary, wait_until
from phone import Phone

HERE = Path(__file__).parent
DEADLINE_S = 30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="no freeswitch on the PATH, and FSAPP_TEST_SWITCH names none")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.switch)
            if binary() is None:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def running_switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    found = binary()
    assert found is not None
    switch = Switch(found, tmp_path_factory.mktemp("switch"), variables={"fsapp_peer_from": "127.0.0.0/8"})
    try:
        switch.start()
        yield switch
    finally:
        switch.stop()


@pytest.fixture
def switch(running_switch: Switch) -> Iterator[Switch]:
    """The running switch, without any call before and after."""
    running_switch.settle()
    yield running_switch
    running_switch.settle()


@pytest.fixture
def app(switch: Switch) -> Iterator[App]:
    with App(switch.app_port) as app:
        yield app


@pytest.fixture
def phone(switch: Switch) -> Iterator[Phone]:
    with Phone(switch.trunk_port) as phone:
        yield phone


@pytest.fixture
def agent(switch: Switch) -> Iterator[Desk]:
    """Agent 1004's phone, registered, the agent available and rested."""
    with Desk(switch.phone_port, "1004") as desk:
        assert desk.register("phone") == 200
        switch.cli("callcenter_config agent set status 1004 Available")
        switch.wait_rested("1004")
        yield desk
        switch.cli("callcenter_config agent set status 1004 'Logged Out'")


@pytest.fixture
def customer() -> Iterator[Customer]:
    """The phone of all customers who are called."""
    with Customer() as customer:
        yield customer


@pytest.fixture
def links(switch: Switch, redis_server) -> Iterator[Links]:
    links = Links(switch, redis_server)
    yield links
    links.stop()


@pytest.fixture
def fsapp(switch: Switch, redis_server, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `fsapp serve` with the example's rules and one open contact of agent 1004; returns once it serves.

    CALLBACKS are open contacts too, of nobody in particular.
    """
    environment = os.environ | {
        "FSAPP_REDIS_URL": redis_server.url, "FSAPP_RULES": str(ROOT / "conf/rules"), "FSAPP_HTTP": "127.0.0.1:0",
        "FSAPP_LISTEN": f"127.0.0.1:{switch.app_port}", "FSAPP_SNAPSHOT": str(tmp_path / "snapshot"),
    }
    environment.pop("FSAPP_CONFIG", None)
    contacts = tmp_path / "contacts.csv"
    rows = ["number,name,agent", "+381601234567,Customer 1,dejan@example.com", *(f"{number},," for number in CALLBACKS)]
    contacts.write_text("\n".join(rows) + "\n")
    processes = []

    def run(*args: str) -> None:
        subprocess.run([sys.executable, "-m", "fsapp", *args], env=environment, cwd=tmp_path, check=True,
                       capture_output=True, timeout=DEADLINE_S)

    def start() -> subprocess.Popen[bytes]:
        log = tmp_path / f"serve{len(processes)}"
        with open(log, "wb") as output:
            processes.append(subprocess.Popen(
                [sys.executable, "-m", "fsapp", "serve"], env=environment, cwd=tmp_path, stdout=output, stderr=output))
        wait_until(lambda: b"serving" in log.read_bytes() and b"rules_in_force" in log.read_bytes(), "fsapp serves")
        return processes[-1]

    run("rules", "load")
    run("contacts", "import", str(contacts), "--campaign", "renewals", "--stage", "first-call")
    yield start
    for process in processes:
        process.kill()
        process.wait(DEADLINE_S)
