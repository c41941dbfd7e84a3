"""Calls on a real switch while fsapp is down, over its limit, silent, broken off: none is lost or left in silence.

Here the switch has no Python: the dialplan alone decides. With it: test_inswitch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from socket import socket

import pytest
from app import EXIT, App, connect, execute
from desk import Desk
from machine import Switch
from phone import Phone


@pytest.fixture(autouse=True)
def _without_python(running_switch: Switch) -> Iterator[None]:
    with running_switch.without_python():
        yield


def in_fallback_queue(switch: Switch) -> str:
    """The uuid of the one call that waits there as the fallback says."""
    member = switch.wait_waiting("helpdesk@fsapp")
    call = member["session_uuid"]
    assert member["base_score"] == "100000000"
    assert switch.variable(call, "fsapp_class") == "service"
    assert switch.variable(call, "fsapp_reason") == "fallback"
    return call


def test_nobody_listens(switch: Switch, phone: Phone) -> None:
    phone.call("0115550300")
    phone.wait_for(200)
    in_fallback_queue(switch)


def close_at_once(connection: socket) -> None:
    pass


def bare_exit(connection: socket) -> None:
    connection.sendall(EXIT)


def connect_and_close(connection: socket) -> None:
    connect(connection)


def connect_and_exit(connection: socket) -> None:
    connect(connection)
    connection.sendall(EXIT)


@pytest.mark.parametrize("behave", [close_at_once, bare_exit, connect_and_close, connect_and_exit])
def test_a_connection_that_leaves_the_call_where_it_is(
    switch: Switch, app: App, phone: Phone, behave: Callable[[socket], None],
) -> None:
    phone.call("0115550300")
    with app.accept() as connection:
        behave(connection)
    phone.wait_for(200)
    in_fallback_queue(switch)


@pytest.mark.parametrize("connected", [False, True])
def test_a_silent_fsapp_holds_nobody(switch: Switch, app: App, phone: Phone, connected: bool) -> None:
    switch.set_variable("fsapp_patience", "1")
    try:
        phone.call("0115550300")
        with app.accept() as connection:
            if connected:
                connect(connection)
            phone.wait_for(200)
        in_fallback_queue(switch)
    finally:
        switch.set_variable("fsapp_patience", "15")


def test_a_decision_without_the_transfer_is_still_followed(switch: Switch, app: App, phone: Phone) -> None:
    phone.call("0115550300")
    with app.accept() as connection:
        connect(connection)
        connection.sendall(execute("multiset", "^^|fsapp_class=callback|fsapp_queue=vip@fsapp|cc_base_score=309000000"))
        connection.recv(4096)
    phone.wait_for(200)
    member = switch.wait_waiting("vip@fsapp")
    assert member["base_score"] == "309000000"
    assert switch.variable(member["session_uuid"], "fsapp_class") == "callback"


def test_fsapp_dies_while_the_caller_waits_for_one_agent(switch: Switch, phone: Phone) -> None:
    with App(switch.app_port) as app:
        phone.call("0115550100")
        app.route("agent-1001@fsapp", fsapp_class="callback", cc_base_score="305003580")
        phone.wait_for(200)
    member = switch.wait_waiting("helpdesk@fsapp")
    assert int(member["base_score"]) > 305003580, "the band of a callback is kept, and so is the time waited"
    assert switch.variable(member["session_uuid"], "fsapp_class") == "callback"


def test_fsapp_dies_while_the_caller_talks(switch: Switch, phone: Phone, agent: Desk) -> None:
    with App(switch.app_port) as app:
        phone.call("0115550300")
        app.route("helpdesk@fsapp")
        agent.answer()
    switch.wait_talking()
    agent.hang_up()
    phone.wait_end()


def test_a_caller_in_the_fallback_queue_is_answered(phone: Phone, agent: Desk) -> None:
    phone.call("0115550300")
    assert agent.answer()
    phone.wait_for(200)
