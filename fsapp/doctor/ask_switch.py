"""Asks a switch on its event socket what a doctor wants to know. Judges nothing, changes nothing, keeps no password."""

from __future__ import annotations

import json
import re
import socket
import time
import wave
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat

from fsapp.core.dialling import gateway_of
from fsapp.core.mending import Difference
from fsapp.core.rules import Rules
from fsapp.core.sync import compare
from fsapp.doctor.facts import NotAsked, PythonInSwitch, Sound, Switch
from fsapp.doctor.judge_versions import NEEDED, USEFUL
from fsapp.doctor.passwords import DEFAULT_SWITCH_PASSWORD, Strength, strength
from fsapp.errors import SwitchError, SwitchRefused, Timeout
from fsapp.rules.prompts import flow_prompts, prompts, told_prompts
from fsapp.settings import Settings, split_address
from fsapp.telephony.callcenter import read_seen
from fsapp.telephony.link import Link

__all__ = ["ask_switch", "takes_well_known"]

_PATIENCE_S = 2.0
_STRANGER = "203.0.113.77"  # an address of documentation: nobody's
_LISTS = ("trunks", "peers")
_DEFERRED = NotAsked("the rules are not known")


def takes_well_known(settings: Settings) -> bool | NotAsked:
    """Whether the switch lets in who says FreeSWITCH's default password."""
    host, port = split_address(settings.switch)
    try:
        with Link(host, port, DEFAULT_SWITCH_PASSWORD, _PATIENCE_S):
            return True
    except SwitchRefused:
        return False
    except SwitchError as error:
        return NotAsked(str(error))


def ask_switch(settings: Settings, rules: Rules | NotAsked | None) -> Switch | NotAsked:
    """What the switch says; NotAsked with what is wrong, and what to do, when it does not let us in."""
    host, port = split_address(settings.switch)
    try:
        with Link(host, port, settings.switch_password, _PATIENCE_S) as link:
            return _Asking(link, settings, rules if isinstance(rules, Rules) else None).switch()
    except SwitchError as error:
        return NotAsked(str(error))


class _Asking:
    """One conversation. An answer that does not come in time ends it: all that follows is NotAsked."""

    def __init__(self, link: Link, settings: Settings, rules: Rules | None) -> None:
        self._link = link
        self._settings = settings
        self._rules = rules
        self._gone: NotAsked | None = None

    def switch(self) -> Switch:
        here = self._ask("hostname") == socket.gethostname()
        modules = {name: self._module(name) for name in (*NEEDED, *USEFUL)}
        return Switch(
            where=self._settings.switch, here=here, version=self._ask("version short"), clock_off_s=self._clock(),
            zone=self._ask("strftime %z"), modules=modules, differences=self._differences(), sessions=self._sessions(),
            default_password=self._worth("global_getvar default_password"), phone_passwords=self._phones(),
            profiles=self._profiles(), open_to={name: self._open(name) for name in _LISTS},
            event_socket=self._event_socket(), name=self._ask("global_getvar fsapp_switch"),
            socket=self._ask("global_getvar fsapp_socket"), python=self._python(modules["mod_python3"]),
            sounds=self._sounds(here), recordings=self._ask("global_getvar fsapp_recordings"),
            gateway=self._gateway(),
        )

    def _ask(self, command: str, empty: str | None = None) -> str | NotAsked:
        """The answer without space around it; `empty`: what to make of none at all."""
        if self._gone is not None:
            return self._gone
        verb = " ".join(command.split()[:2])
        try:
            answer = self._link.api(command).strip()
        except Timeout as error:
            self._gone = NotAsked(str(error))
            return self._gone
        except SwitchError as error:
            return NotAsked(str(error))
        if empty is not None and answer in ("", "-ERR no reply"):
            return empty
        if answer.startswith(("-ERR", "-USAGE")) or not answer:
            return NotAsked(f"the switch has no answer to `{verb}`")
        return answer

    def _of(self, command: str, of: Callable[[str], Any]) -> Any:
        answer = self._ask(command)
        if isinstance(answer, NotAsked):
            return answer
        try:
            return of(answer)
        except (ValueError, LookupError, AttributeError, expat.ExpatError):
            return NotAsked(f"the answer to `{command.split()[0]}` is not understood")

    def _module(self, name: str) -> bool | NotAsked:
        return self._of(f"module_exists {name}", lambda answer: answer == "true")

    def _clock(self) -> float | NotAsked:
        asked = time.time()
        there = self._of("strmicroepoch", lambda answer: int(answer) / 1e6)
        if isinstance(there, NotAsked):
            return there
        doubt_s = (time.time() - asked) / 2
        off_s = there - (asked + doubt_s)
        return 0.0 if abs(off_s) <= doubt_s else off_s

    def _differences(self) -> tuple[Difference, ...] | NotAsked:
        if self._rules is None:
            return _DEFERRED
        if self._gone is not None:
            return self._gone
        try:
            seen = read_seen(self._link)
        except SwitchError as error:
            return NotAsked(str(error))
        return tuple(compare(self._rules, seen, {}, self._settings.switch_name, datetime.now(UTC)))

    def _sessions(self) -> tuple[int, int, int] | NotAsked:
        def numbers(text: str) -> tuple[int, int, int]:
            now, most = re.search(r"(\d+) session\(s\) - peak", text), re.search(r"(\d+) session\(s\) max", text)
            rate = re.search(r"per Sec out of max (\d+)", text)
            return int(now[1]), int(most[1]), int(rate[1])

        return self._of("status", numbers)

    def _worth(self, command: str, user: str = "") -> Strength | NotAsked:
        """What a password is worth; the password itself goes no further."""
        return self._of(command, lambda answer: strength(answer, user))

    def _phones(self) -> dict[str, Strength | NotAsked]:
        if self._rules is None:
            return {}
        found = {}
        for agent in self._rules.agents:
            user = f"{agent}@{self._rules.domain}"
            if self._ask(f"user_exists id {agent} {self._rules.domain}") == "true":
                worth = self._worth(f"user_data {user} param password", agent)
                found[agent] = Strength.MISSING if isinstance(worth, NotAsked) and self._gone is None else worth
        return found

    def _profiles(self) -> dict[str, str] | NotAsked:
        """Profile -> the address it listens on."""
        listed = self._of("sofia status", lambda text: re.findall(
            r"(?m)^\s*(\S+)\s+profile\s+sip:[^@\s]*@(\[[^\]]+\]|[^:\s]+):\d+", text))
        return listed if isinstance(listed, NotAsked) else {name: ip.strip("[]") for name, ip in listed}

    def _gateway(self) -> str | NotAsked:
        """The state of the gateway that the rules call customers by; empty where there is none."""
        if self._rules is None:
            return _DEFERRED
        name = gateway_of(self._rules.dialling)
        if not name:
            return NotAsked(f"the route {self._rules.dialling.route} is by no gateway")
        return self._of(
            f"sofia status gateway {name}", lambda text: "" if text.startswith("Invalid Gateway")
            else re.search(r"(?m)^Status\s+(\w+)", text)[1])

    def _open(self, name: str) -> bool | NotAsked:
        return self._of(f"acl {_STRANGER} {name}", lambda answer: answer == "true")

    def _event_socket(self) -> str | NotAsked:
        """The address of the event socket. The document holds the password: nothing else of it is kept."""
        def listen_ip(text: str) -> str:
            found: dict[str, str] = {}
            parser = expat.ParserCreate()
            parser.StartElementHandler = lambda _tag, named: found.update(
                {named.get("name", ""): named.get("value", "")})
            parser.Parse(text, True)
            return found.get("listen-ip", "::")

        return self._of("xml_locate configuration configuration name event_socket.conf", listen_ip)

    def _python(self, there: bool | NotAsked) -> PythonInSwitch | NotAsked:
        """What the script fsapp_probe says; mod_python3 answers nothing where it cannot import it."""
        if there is not True:
            return NotAsked("it has no mod_python3")
        answer = self._ask("python fsapp_probe", empty="")
        if isinstance(answer, NotAsked):
            return answer
        try:
            found = json.loads(answer.splitlines()[0])
            if found["redis"]:
                return PythonInSwitch(fault=f"finds fsapp, but not its Redis ({found['redis']})")
            return PythonInSwitch(str(found["version"]), str(found["python"]), int(found["rules"]))
        except (ValueError, LookupError, TypeError):
            return PythonInSwitch(fault="does not find fsapp (the switch's log says why)")

    def _sounds(self, here: bool) -> tuple[Sound, ...] | NotAsked:
        folder = self._ask("global_getvar fsapp_sounds")
        if isinstance(folder, NotAsked):
            return NotAsked(f"fsapp_sounds of the switch: {folder.why}")
        paths = [f"{folder}/{name}" for name in prompts(Path(self._settings.dialplan), [])]
        rules = self._rules
        for name in (*flow_prompts(rules.flows.values()), *told_prompts(rules)) if rules else ():
            # Languages are beside each other: fsapp_sounds is the folder of one of them.
            paths.append(str(PurePosixPath(folder).parent / name) if "/" in name else f"{folder}/{name}")
        found = []
        for path in dict.fromkeys(paths):
            fault = self._of(f"file_exists {path}", lambda answer: "" if answer == "true" else "is not there")
            if isinstance(fault, NotAsked):
                return fault
            found.append(Sound(path, fault or (_wav_fault(Path(path)) if here else "")))
        return tuple(found)


def _wav_fault(path: Path) -> str:
    try:
        with wave.open(str(path), "rb") as sound:
            return "" if sound.getnframes() else "holds no sound"
    except PermissionError:
        return ""  # the switch may read what we may not
    except (OSError, EOFError, wave.Error) as error:
        return f"is no wav file ({error or 'it ends too early'})"
