"""The log: what is personal is hidden unless the setting says otherwise; levels and JSON."""

import contextlib
import json
import os

import gevent
import pytest

from fsapp import log


def test_mask():
    assert log.mask("+381601234567") == "+381******567"
    assert log.mask("anonymous") == "anonymous"
    assert log.mask("") == ""


@pytest.mark.parametrize("hidden", [True, False])
def test_personal_values_are_hidden_unless_told_otherwise(capsys, hidden):
    log.configure(json=True, mask_numbers=hidden)
    log.get_logger("test").info("call_routed", caller="+381601234567", name="Customer 1", called="+381115550300",
                                contact="renewals/first-call/+381601234567")
    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["level"], said["part"]) == ("call_routed", "info", "test")
    assert said["called"] == "+381115550300"
    assert ("234" in said["caller"], said["name"] == "Customer 1", "234" in said["contact"]) == (not hidden,) * 3


def test_numbers_are_hidden_wherever_they_stand(capsys):
    log.configure(json=True)
    logger = log.get_logger("test")
    try:
        raise ValueError("the rights of +381601234567 cannot be read")
    except ValueError as error:
        logger.exception("failed", error=str(error), key="fsapp:{+381601234567}:rights", called="+381115550300",
                         file="2026-11-22/100000Z_service_helpdesk_+381601234567_ab-1.wav", all=["+381601234567"], n=5)
    line = capsys.readouterr().err
    assert "601234567" not in line and line.count("+381******567") >= 5
    said = json.loads(line)
    assert (said["called"], said["n"], said["all"]) == ("+381115550300", 5, ["+381******567"])


@pytest.mark.parametrize(("said", "shown"), [
    ("0601234567 calls", "06*****567 calls"),
    ("'00381601234567'", "'00*********567'"),
    ("from 381601234567.", "from 38*******567."),
    ("sip:0601234567@10.0.0.1:5060", "sip:06*****567@10.0.0.1:5060"),
    ("GET /crm?number=%2B381601234567&x=1", "GET /crm?number=%2B*********567&x=1"),
    ("helpdesk_+381601234567_ab.wav", "helpdesk_+381******567_ab.wav"),
    ("wrong\nDETAIL:  Failing row contains (1, Ana).\nSQL: x", "wrong\nDETAIL:  ***\nSQL: x"),
    (b"x 0601234567", "b'x 06*****567'"),
    ({"a": ["0601234567"], "name": "Ana"}, {"a": ["06*****567"], "name": "***"}),
    (ValueError("0601234567"), "ValueError('06*****567')"),
    ("1795638301335-2", "1795638301335-2"),
    ("12345678-1234-5678-1234-567812345678", "12345678-1234-5678-1234-567812345678"),
    ("2026-11-22T10:00:00.123456789Z 1700000000.25", "2026-11-22T10:00:00.123456789Z 1700000000.25"),
    ("pid 1234567 of 20261122 took 12345678 bytes", "pid 1234567 of 20261122 took 12345678 bytes"),
])
def test_numbers_are_hidden_in_any_spelling_and_nothing_else_is(said, shown):
    event = {"event": "x", "said": said, "called": "+381115550300"}
    assert log.mask_personal(None, "info", event) == {"event": "x", "said": shown, "called": "+381115550300"}


def test_what_is_printed_past_the_log_is_masked_too(capsys):
    with contextlib.suppress(ZeroDivisionError):
        gevent.get_hub().exception_stream = log.Hidden()
        try:
            gevent.spawn(int, "no 0601234567").join()
        finally:
            del gevent.get_hub().exception_stream
    said = capsys.readouterr().err
    assert "ValueError" in said and "06*****567" in said and "601234567" not in said


def test_the_level_says_what_is_told(capsys):
    log.configure("warning")
    logger = log.get_logger("test")
    logger.info("not_told")
    logger.warning("told")
    said = capsys.readouterr().err
    assert "told" in said
    assert "not_told" not in said


def test_a_log_that_nobody_reads_costs_nobody_a_call(monkeypatch):
    log.configure()
    logger = log.get_logger("test")
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as gone:
        monkeypatch.setattr("sys.stderr", gone)
        logger.error("told_to_nobody")
        monkeypatch.undo()
        with contextlib.suppress(BrokenPipeError):
            gone.close()
    monkeypatch.setattr("sys.stderr", gone)
    logger.error("told_to_a_closed_file")
