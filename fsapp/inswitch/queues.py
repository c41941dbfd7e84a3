"""The switch's queues, made from the rules whenever it asks for one. Keeps no file; agents and tiers are the link's.

mod_python3 of FreeSWITCH 1.10.12 frees an answer before the switch reads it (python_fetch: switch_xml_parse_str, then
free). A small answer outlives that: glibc keeps a freed block of up to a kilobyte for the thread's next request of the
same size and overwrites only its first 16 bytes. So an answer begins with spaces and is of one size that hardly anybody
else asks for, and the whole of callcenter.conf, which is longer, is never answered: the switch would load garbage.
"""

from __future__ import annotations

import time
from typing import Any

from fsapp.core.queue_xml import callcenter_document
from fsapp.inswitch import config, console
from fsapp.inswitch.source import source_of
from fsapp.log import get_logger

__all__ = ["ANSWER_SIZE", "NOT_FOUND", "fetch"]

PATIENCE_S = 0.2
ANSWER_SIZE = 1000
_LEAST_BEFORE = 16
_FILE = "callcenter.conf"
_log = get_logger("inswitch")


def _answer(section: str, content: str) -> str:
    document = f'<document type="freeswitch/xml"><section name="{section}">{content}</section></document>'
    return document.rjust(ANSWER_SIZE)


# What tells the switch to look into its own files.
NOT_FOUND = _answer("result", '<result status="not found"/>')


def fetch(params: Any, freeswitch: Any) -> str:
    """The answer to a look-up of configuration; always text, never raises.

    Of callcenter.conf the one queue that `CC-Queue` names; NOT_FOUND for everything else, for a queue that the rules
    do not have, and without rules. `params` and `freeswitch` are mod_python3's.
    """
    try:
        name = params.getHeader("CC-Queue")
        if not name or params.getHeader("key_value") != _FILE:
            return NOT_FOUND
        console.attach(freeswitch)
        return _queue(name, freeswitch)
    except Exception as error:  # noqa: BLE001  the switch crashes of an answer that is no text, and may of a traceback
        _log.error("queue_failed", error=repr(error)[:500], meanwhile="the switch looks into its own file")
        return NOT_FOUND


def _queue(name: str, freeswitch: Any) -> str:
    found = config.read(freeswitch)
    rules = source_of(found).rules(time.monotonic() + PATIENCE_S)
    if rules is None:
        _log.error("no_rules", advice="run `fsapp rules load`; until then the switch's own callcenter.conf counts")
        return NOT_FOUND
    if name not in rules.queues:
        return NOT_FOUND
    lines = callcenter_document(rules, found.switch, name).splitlines()
    answer = _answer("configuration", "".join(line.strip() for line in lines))
    if len(answer) > ANSWER_SIZE or not answer.startswith(" " * _LEAST_BEFORE) or not answer.isascii():
        _log.error("queue_too_long", queue=name, advice="put it into callcenter.conf.xml: `fsapp switch config`")
        return NOT_FOUND
    return answer
