"""A flow on a real switch: keys as its own DTMF, prompts from its disk, an fsapp that dies in the middle."""

from __future__ import annotations

import re
from pathlib import Path

from machine import Switch, rules_document, wait_until
from phone import Phone

from fsapp.settings import Settings
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore
from fsapp.state.stream import tail

FLOW = "0115550400"
DEADLINE_S = 30


def caller(switch: Switch) -> str:
    """The call's uuid, once it is in the flow."""
    def uuid() -> str | None:
        calls = [line.split(",")[0] for line in switch.cli("show channels").splitlines() if "sofia/trunks/" in line]
        return calls[0] if calls and switch.variable(calls[0], "fsapp_block") else None

    wait_until(uuid, "the caller is in the flow")
    found = uuid()
    assert found is not None
    return found


def press(switch: Switch, call: str, block: str, keys: str, prompt: str = "") -> None:
    """Presses keys once the caller is asked at this block, by a prompt of that name."""
    def asked() -> bool:
        return (switch.variable(call, "fsapp_block") == block
                and switch.variable(call, "current_application") == "play_and_get_digits"
                and prompt in (switch.variable(call, "current_application_data") or ""))

    wait_until(asked, f"the caller is asked at {block}")
    assert switch.cli(f"uuid_recv_dtmf {call} {keys}").startswith("+OK")


def left(redis_server, call: str) -> dict:
    """How the flow of this call ended, by the event stream."""
    client = connect(Settings(redis_url=redis_server.url))
    found: list[dict] = []

    def there() -> bool:
        found[:] = [event for _, event in tail(client, 0.0, follow=False)
                    if event["type"] == "flow_left" and event["call"] == call]
        return bool(found)

    wait_until(there, "the flow's end is written down")
    return found[-1]


def test_language_order_number_and_a_queue(switch: Switch, fsapp, redis_server, phone: Phone) -> None:
    fsapp()
    phone.call(FLOW, caller="+381641111111")
    call = caller(switch)
    press(switch, call, "language", "2", "sr/language-menu.wav!")
    press(switch, call, "department", "9", "en/order-menu.wav")
    press(switch, call, "department", "1", "en/invalid.wav!")
    press(switch, call, "order", "12#", "en/order-number.wav")
    press(switch, call, "order", "12345#", "en/invalid-number.wav!")
    press(switch, call, "order", "1", "en/you-entered.wav!")
    member = switch.wait_waiting("helpdesk@fsapp")
    assert member["session_uuid"] == call
    assert switch.variable(call, "cc_base_score") == "101003540"
    assert switch.variable(call, "fsapp_flow_values") == "order=12345"
    assert switch.variable(call, "fsapp_flow_language") == "en"
    assert switch.variable(call, "fsapp_block") is None
    event = left(redis_server, call)
    assert (event["end"], event["path"]) == ("queue", ["language", "department", "order", "noted", "helpdesk"])
    # The dialplan's patience has been called off: nothing takes the caller out of the queue.
    assert not re.search(f"(?m)^[^,]*,[^,]*,sched_transfer.*{call}", switch.cli("show tasks"))


def test_who_does_nothing_reaches_somebody(switch: Switch, fsapp, phone: Phone) -> None:
    fsapp()
    phone.call(FLOW, caller="+381641111111")
    call = caller(switch)
    wait_until(lambda: switch.waiting("helpdesk@fsapp"), "the caller waits", 2 * DEADLINE_S)
    assert switch.variable(call, "fsapp_flow_path") == "language,department,helpdesk"
    assert switch.variable(call, "fsapp_flow_language") == "sr"


def test_a_hangup_in_the_middle_is_one_quiet_end(switch: Switch, fsapp, redis_server, phone: Phone) -> None:
    process = fsapp()
    phone.call(FLOW, caller="+381641111111")
    phone.wait_for(200)
    call = caller(switch)
    press(switch, call, "language", "2")
    wait_until(lambda: switch.variable(call, "fsapp_block") == "department", "the caller is asked on")
    phone.hang_up()
    event = left(redis_server, call)
    assert (event["end"], event["block"]) == ("hung-up", "department")
    assert process.poll() is None


def test_fsapp_killed_in_the_middle_goes_on_where_the_caller_was(
    switch: Switch, fsapp, redis_server, phone: Phone,
) -> None:
    process = fsapp()
    phone.call(FLOW, caller="+381641111111")
    call = caller(switch)
    press(switch, call, "language", "2")
    wait_until(lambda: switch.variable(call, "fsapp_block") == "department", "the caller is asked on")
    process.kill()
    process.wait(DEADLINE_S)
    wait_until(lambda: switch.variable(call, "fsapp_flow_misses"), "the dialplan has taken the call back")
    fsapp()
    press(switch, call, "department", "2", "en/order-menu.wav")
    assert switch.wait_waiting("helpdesk@fsapp")["session_uuid"] == call
    event = left(redis_server, call)
    assert (event["language"], event["path"]) == ("en", ["language", "department", "helpdesk"])


def test_a_prompt_that_is_not_on_the_disk_is_a_tone(switch: Switch, fsapp, phone: Phone) -> None:
    fsapp()
    sounds = switch.folder / "sounds"
    hidden = [path for path in sounds.glob("*/order-menu*") if path.exists()]
    for path in hidden:
        path.rename(Path(f"{path}.away"))
    try:
        phone.call(FLOW, caller="+381641111111")
        call = caller(switch)
        press(switch, call, "language", "2")
        press(switch, call, "department", "2", "tone_stream://")
        assert switch.wait_waiting("helpdesk@fsapp")["session_uuid"] == call
    finally:
        for path in hidden:
            Path(f"{path}.away").rename(path)


def test_a_message_is_on_the_disk(switch: Switch, fsapp, redis_server, phone: Phone) -> None:
    document = rules_document()
    document["flow"]["main"] = {
        "line": "helpdesk", "start": "mail", "block": {
            "mail": {"kind": "voicemail", "say": ["voicemail"], "max_s": 30, "next": "end"},
            "end": {"kind": "hangup", "say": ["voicemail-saved"]}}}
    client = connect(Settings(redis_url=redis_server.url))
    version = RulesStore(client).load(document, "", "test", "test").version
    fsapp()
    phone.call(FLOW, caller="+381641111111")
    phone.wait_for(200)
    call = caller(switch)
    assert switch.variable(call, "fsapp_flow_rules") == str(version)
    phone.speak(400)
    press(switch, call, "mail", "1", "silence_stream://")
    phone.wait_end()
    [file] = [event["file"] for _, event in tail(client, 0.0, follow=False) if event["type"] == "voicemail_left"]
    wait_until(lambda: list(switch.folder.rglob(Path(file).name)), "the message is on the disk")
    assert left(redis_server, call)["end"] == "hangup"
