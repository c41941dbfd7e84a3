"""Boots one FreeSWITCH for all tests of this folder, and skips them with the reason where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from app import App
from desk import Desk
from machine import Switch, binary
from phone import Phone

HERE = Path(__file__).parent


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
    switch = Switch(found, tmp_path_factory.mktemp("switch"))
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
    """Agent 1004's phone, registered, the agent available."""
    with Desk(switch.phone_port, "1004") as desk:
        assert desk.register("phone") == 200
        switch.cli("callcenter_config agent set status 1004 Available")
        yield desk
        switch.cli("callcenter_config agent set status 1004 'Logged Out'")
