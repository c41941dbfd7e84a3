"""A FreeSWITCH in a folder of its own: this project's configuration on free ports of loopback. Makes no calls."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gevent.event import Event

from fsapp.core.queue_xml import callcenter_document
from fsapp.core.rules import Rules
from fsapp.demo.processes import child, until
from fsapp.errors import FsappError, SwitchError
from fsapp.telephony.link import Link

__all__ = ["CONTEXT", "Booted", "boot", "find_freeswitch"]

CONTEXT = "fsapp-demo"  # where the agents' phones are
NEEDED = (
    "mod_callcenter", "mod_commands", "mod_dptools", "mod_dialplan_xml", "mod_loopback", "mod_sndfile",
    "mod_tone_stream", "mod_sofia",
)
_PORTS = ("trunk_port", "phone_port", "browser_port", "websocket_port", "peer_port", "event_port")
_FOLDERS = ("log", "db", "run", "scripts", "recordings", "storage", "cache", "temp", "certs")
_BOOT_S = 60
_STOP_S = 20
_SHARED = ("conf/freeswitch", "dialplan", "sounds")


@dataclass(frozen=True, slots=True)
class Booted:
    """Where the event socket of the running switch is, and its password. `python`: whether it has mod_python3."""

    address: str
    password: str
    python: bool

    def connect(self) -> Link:
        host, _, port = self.address.rpartition(":")
        return Link(host, int(port), self.password)

    def make_available(self, agents: Iterable[str]) -> None:
        """All of these take calls. SwitchError where the switch does not know one."""
        with self.connect() as link:
            for agent in agents:
                answer = link.api(f"callcenter_config agent set status {agent} Available")
                if "+OK" not in answer:
                    raise SwitchError(f"the switch does not let agent {agent} take calls ({answer.strip()[:80]})")


def find_freeswitch(path: str | None) -> str:
    """The program to run: `path`, else FSAPP_TEST_SWITCH, else the one on the PATH. FsappError where there is none."""
    wanted = path or os.environ.get("FSAPP_TEST_SWITCH") or "freeswitch"
    found = shutil.which(wanted)
    if found is None:
        where = f"{wanted} is no program" if wanted != "freeswitch" else "there is no `freeswitch` on the PATH"
        raise FsappError(
            f"{where}: install FreeSWITCH 1.10 with mod_event_socket, {', '.join(NEEDED)} (and mod_python3), or name "
            "it with --freeswitch PATH; `scripts/demo` without --switch needs no FreeSWITCH")
    return found


@contextmanager
def boot(
    program: str, folder: str, rules: Rules, phones: Mapping[str, float], environment: Mapping[str, str], stop: Event,
) -> Iterator[Booted]:
    """Start `program` under `folder` and wait until it is ready; its end comes with the context's.

    `phones`: agent -> seconds until the phone answers. `environment` says where fsapp is (FSAPP_LISTEN) and its Redis.
    """
    place = Path(folder, "switch")
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    password = secrets.token_urlsafe(24)
    _configure(place, rules, phones, ports, environment["FSAPP_LISTEN"])
    log = place / "output"
    surroundings = {
        "PATH": _path(), "FSAPP_SWITCH_PASSWORD": password,
        "FSAPP_PHONE_PASSWORD": secrets.token_urlsafe(24), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(
            [sysconfig.get_path("purelib"), str(Path.cwd()), str(Path("scripts/switch").resolve())]),
        **{name: environment[name] for name in ("FSAPP_REDIS_URL", "FSAPP_SNAPSHOT")},
    }
    address = f"127.0.0.1:{ports['event_port']}"
    with child(_command(program, place), surroundings, log, _STOP_S) as process:
        until(lambda: _lets_in(address, password), process, "the event socket of FreeSWITCH", log, stop, _BOOT_S)
        with Booted(address, password, False).connect() as link:
            python = _ready(link, program, rules)
        yield Booted(address, password, python)


def _path() -> str:
    """Without the environment that fsapp runs in: mod_python3 would take it for its own Python's."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(place for place in places if place != sysconfig.get_path("scripts"))


def _command(program: str, place: Path) -> list[str]:
    options = [f"-{name}" for name in ("nf", "nc", "nonat", "nonatmap", "np")]
    options += ["-conf", str(place / "conf/freeswitch"), "-sounds", str(place / "sounds")]
    for name in _FOLDERS:
        (place / name).mkdir()
        options += [f"-{name}", str(place / name)]
    return [program, *options]


def _configure(
    place: Path, rules: Rules, phones: Mapping[str, float], ports: Mapping[str, int], listen: str,
) -> None:
    """The project's own files, with what is this run's apart: own/vars.xml, queues, the agents' phones."""
    for part in _SHARED:
        shutil.copytree(part, place / part, ignore=shutil.ignore_patterns("own"))
    conf = place / "conf/freeswitch"
    (conf / "own").mkdir()
    values = {f"fsapp_{name}": str(port) for name, port in ports.items()}
    values["fsapp_socket"] = listen
    # Read last, they win over what is set before.
    _write(conf / "own/vars.xml", [
        f'<X-PRE-PROCESS cmd="set" data="{name}={value}"/>' for name, value in values.items()])
    _write(conf / "dialplan/demo.xml", [f'<context name="{CONTEXT}">', *map(_phone, phones.items()), "</context>"])
    # For a switch without mod_python3; with it the same comes from the rules in Redis.
    (conf / "autoload_configs/callcenter.conf.xml").write_text(callcenter_document(rules), encoding="utf-8")


def _write(path: Path, lines: Sequence[str]) -> None:
    """An included file: the switch takes its first and last line for the frame."""
    path.write_text("\n".join(["<include>", *lines, "</include>"]) + "\n", encoding="utf-8")


def _phone(phone: tuple[str, float]) -> str:
    """Rings for a while, answers, and is quiet until the other side hangs up.

    mod_callcenter looks for what is bridged behind an agent's loopback leg: one that only answers is no agent to it.
    """
    agent, answer_s = phone
    actions = (("ring_ready", ""), ("sleep", f"{answer_s * 1000:.0f}"), ("bridge", f"null/{agent}"))
    return "\n".join([
        f'<extension name="{agent}"><condition field="destination_number" expression="^{agent}$">',
        *(f'<action application="{name}" data="{data}"/>' for name, data in actions), "</condition></extension>"])


def _lets_in(address: str, password: str) -> bool:
    try:
        with Booted(address, password, False).connect() as link:
            return "ready" in link.api("status")
    except SwitchError:
        return False


def _ready(link: Link, program: str, rules: Rules) -> bool:
    """Whether it has mod_python3. FsappError with the modules and queues that are missing."""
    missing = [name for name in NEEDED if link.api(f"module_exists {name}").strip() != "true"]
    if missing:
        raise FsappError(
            f"FreeSWITCH at {program} has no {', '.join(missing)}: build or install what is missing; `scripts/demo` "
            "without --switch needs no FreeSWITCH")
    for name in rules.queues:
        answer = link.api(f"callcenter_config queue load {name}")
        if "+OK" not in answer:
            raise FsappError(f"the switch does not load queue {name} ({answer.strip()[:80]}): this is a fault of fsapp")
    return link.api("module_exists mod_python3").strip() == "true"


def _free_ports(number: int) -> list[int]:
    """Ports of loopback that are free for TCP and UDP both, no two the same."""
    found: list[int] = []
    while len(found) < number:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in found:
                found.append(port)
    return found
