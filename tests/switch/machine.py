"""A real FreeSWITCH in a folder of its own, running the project's configuration on ports nobody else has. No tests."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from fsapp.core.queue_xml import callcenter_document
from fsapp.core.rules import MAIN, Rules
from fsapp.rules import load_folder
from fsapp.state import keys, snapshot
from fsapp.state.connection import connect

__all__ = ["PASSWORD", "Switch", "binary", "count_elsewhere", "free_port", "rules_document", "wait_until"]

ROOT = Path(__file__).resolve().parents[2]
BOOT_S = 60.0
DEADLINE_S = 20.0
PASSWORD = "only-for-this-test"
PERSONAL_WAIT_S = 2
PORTS = ("trunk_port", "phone_port", "browser_port", "websocket_port", "peer_port", "event_port")
PROFILES = 4
FOLDERS = ("log", "db", "run", "scripts", "recordings", "storage", "cache", "temp", "certs")


def binary() -> str | None:
    """The freeswitch to test with: FSAPP_TEST_SWITCH, else the one on the PATH, else None."""
    return os.environ.get("FSAPP_TEST_SWITCH") or shutil.which("freeswitch")


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Ask until `condition` holds; AssertionError saying `what` did not happen in time."""
    until = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < until, f"{what}: not within {deadline_s:.0f} s"
        time.sleep(0.05)


def free_port() -> int:
    """A port free for TCP and UDP both."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def rules_document() -> dict[str, Any]:
    """The example centre's rules, but that nobody waits long for one agent or group."""
    document = load_folder(ROOT / "conf/rules")
    document["centre"] |= {"agent_wait_s": PERSONAL_WAIT_S, "group_wait_s": PERSONAL_WAIT_S}
    return document


def _shorten(sound: Path) -> None:
    """Leave a quarter of a second: the tests need not hear it all."""
    with wave.open(str(sound), "rb") as source:
        parameters, frames = source.getparams(), source.readframes(source.getframerate() // 4)
    with wave.open(str(sound), "wb") as result:
        result.setparams(parameters)
        result.writeframes(frames)


def count_elsewhere(client: Any) -> None:
    """Have the rules of this Redis count their versions from where no other test's do.

    The scripts in a switch take a version that they know for what it was for a minute.
    """
    client.set(keys.RULES_CURRENT, int(time.time() * 1000))


class Switch:
    """One process of FreeSWITCH. `start` returns when its event socket answers and its profiles run.

    `variables` are written to own/vars.xml, as an operator would; `modules` is a module folder instead of its own;
    `document` are its rules instead of the example's.
    """

    def __init__(
        self, freeswitch: str, folder: Path, environment: dict[str, str] | None = None,
        variables: dict[str, str] | None = None, modules: Path | None = None, document: dict[str, Any] | None = None,
    ) -> None:
        self._freeswitch = freeswitch
        # The sibling of the real file: what is on the PATH may be a link.
        self.fs_cli = str(Path(freeswitch).resolve().with_name("fs_cli"))
        self.folder = folder
        self.app_port, self.trunk_port, self.phone_port, self.event_port = (free_port() for _ in range(4))
        self.browser_port, self.websocket_port, self.peer_port = (free_port() for _ in range(3))
        self._variables = variables or {}
        self._modules = modules
        self.document = document or rules_document()
        given = {"FSAPP_SWITCH_PASSWORD": PASSWORD, "FSAPP_PHONE_PASSWORD": "phone"}
        self.snapshot = folder / "rules.snapshot"
        # Nobody listens there until a test leads this to a Redis.
        self.redis_socket = folder / "redis.sock"
        self._python = {
            "PYTHONPATH": os.pathsep.join([sysconfig.get_path("purelib"), str(ROOT), str(ROOT / "scripts/switch")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "FSAPP_SNAPSHOT": str(self.snapshot), "FSAPP_REDIS_URL": f"unix://{self.redis_socket}",
        }
        self._environment = given if environment is None else environment
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def asking(self, server: Any) -> Iterator[None]:
        """The scripts in the switch have this Redis (`.socket`) for as long as it lasts, and none before and after."""
        self.redis_socket.symlink_to(Path(server.socket).resolve())
        try:
            yield
        finally:
            self.redis_socket.unlink()
            # One that lives on would be asked for ever, by the connections that are open.
            with closing(connect(server.settings)) as client, suppress(redis.exceptions.ConnectionError):
                client.client_kill_filter(_type="normal", skipme=True)

    def start(self, ready: Callable[[], bool] | None = None) -> None:
        self._copy()
        for name in FOLDERS:
            (self.folder / name).mkdir()
        self._boot(ready)

    def restart(self, *, new_database: bool) -> None:
        """Stop it and start it again; with a new database mod_callcenter knows nothing of what was."""
        self.stop()
        if new_database:
            (self.folder / "db/callcenter.db").unlink()
        self._boot(None)

    def _boot(self, ready: Callable[[], bool] | None) -> None:
        options = [f"-{name}" for name in ("nf", "nc", "nonat", "nonatmap", "np")]
        options += ["-conf", str(self.folder / "conf/freeswitch"), "-sounds", str(self.folder / "sounds")]
        options += ["-mod", str(self._modules)] if self._modules else []
        for name in FOLDERS:
            options += [f"-{name}", str(self.folder / name)]
        with open(self.folder / "output", "wb") as output:
            self._process = subprocess.Popen(
                [self._freeswitch, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin"} | self._python | self._environment,
            )
        try:
            wait_until(lambda: self._runs() and (ready or self._ready)(), "the switch is up", BOOT_S)
        except AssertionError as error:
            self.stop()
            tail = (self.folder / "output").read_text(errors="replace")[-2000:]
            raise AssertionError(f"{error}; it said: {tail}") from None

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(DEADLINE_S)

    def kill(self) -> None:
        """End it as a crash would; `restart` starts it again."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        process.wait(DEADLINE_S)

    def cli(self, command: str, password: str = PASSWORD) -> str:
        """What fs_cli prints for a command."""
        return subprocess.run(
            [self.fs_cli, "-H", "127.0.0.1", "-P", str(self.event_port), "-p", password, "-x", command],
            capture_output=True, text=True, timeout=DEADLINE_S, check=False, errors="replace",
        ).stdout.strip()

    def waiting(self, queue: str) -> list[dict[str, str]]:
        """The members that wait in a queue."""
        lines = self.cli(f"callcenter_config queue list members {queue}").splitlines()
        if not lines:
            return []
        names = lines[0].split("|")
        rows = [dict(zip(names, line.split("|"), strict=False)) for line in lines[1:] if "|" in line]
        return [row for row in rows if row.get("state") == "Waiting"]

    def agent(self, id_: str) -> dict[str, str]:
        """An agent's row of mod_callcenter."""
        names, row = self.cli(f"callcenter_config agent list {id_}").splitlines()[:2]
        return dict(zip(names.split("|"), row.split("|"), strict=False))

    def wait_rested(self, agent: str) -> None:
        """Until the wrap-up after a talk in an earlier test is over: so long nobody is offered to the agent."""
        row = self.agent(agent)
        over = int(row["last_bridge_end"]) + int(row["wrap_up_time"])
        wait_until(lambda: time.time() > over + 1, f"{agent} has rested")

    def wait_waiting(self, queue: str) -> dict[str, str]:
        """The one member of a queue, as soon as it is there."""
        wait_until(lambda: self.waiting(queue), f"a caller waits in {queue}")
        [member] = self.waiting(queue)
        return member

    def wait_talking(self) -> None:
        """Until a caller and an agent are connected: whoever hangs up before was not there."""
        wait_until(lambda: "1 total" in self.cli("show bridged_calls count"), "caller and agent talk")

    def variable(self, call: str, name: str) -> str | None:
        """A variable of the call with this uuid."""
        value = self.cli(f"uuid_getvar {call} {name}")
        return None if value == "_undef_" else value

    def set_variable(self, name: str, value: str) -> None:
        """Change one setting of the dialplan, as an operator would."""
        self._change("dialplan/fsapp-vars.xml", {rf"({name})=[^\"]+": value})
        self.cli("reloadxml")

    @contextmanager
    def without_python(self) -> Iterator[None]:
        """The dialplan runs as on a switch that has no mod_python3."""
        self._change("dialplan/fsapp.xml", {r'(field)="\$\{module_exists\(\w+\)': '"${module_exists(mod_none)'})
        self.cli("reloadxml")
        try:
            yield
        finally:
            shutil.copy(ROOT / "dialplan/fsapp.xml", self.folder / "dialplan")
            self.cli("reloadxml")

    def settle(self) -> None:
        """No call is left."""
        self.cli("hupall")
        wait_until(lambda: "0 total" in self.cli("show calls count"), "all calls have ended")

    def _copy(self) -> None:
        for part in ("conf/freeswitch", "dialplan", "sounds"):
            shutil.copytree(ROOT / part, self.folder / part, ignore=shutil.ignore_patterns("own"))
        self._own()
        self._change("dialplan/fsapp-vars.xml", {r"(fsapp_socket)=[^\"]+": f"127.0.0.1:{self.app_port}"})
        for sound in (self.folder / "sounds").glob("*/*.wav"):
            _shorten(sound)
        snapshot.save(self.snapshot, 1, self.document)
        # Agents and tiers are the link's to add; queues are asked for by the switch.
        rules, name = Rules.from_document(self.document), self._variables.get("fsapp_switch", MAIN)
        document = callcenter_document(rules, name)
        staff = re.sub("<queues>.*</queues>", "<queues/>", document, flags=re.DOTALL)
        (self.folder / "conf/freeswitch/autoload_configs/callcenter.conf.xml").write_text(staff, encoding="utf-8")

    def _own(self) -> None:
        values = {f"fsapp_{name}": str(getattr(self, name)) for name in PORTS} | self._variables
        lines = "".join(f'<X-PRE-PROCESS cmd="set" data="{name}={value}"/>\n' for name, value in values.items())
        (self.folder / "conf/freeswitch/own").mkdir()
        (self.folder / "conf/freeswitch/own/vars.xml").write_text(f"<include>\n{lines}</include>\n", encoding="utf-8")

    def _change(self, file: str, changes: dict[str, str]) -> None:
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        for pattern, value in changes.items():
            text, count = re.subn(pattern, lambda found, value=value: f"{found[1]}={value}", text)
            assert count, f"{file}: nothing like {pattern}"
        path.write_text(text, encoding="utf-8")

    def listens(self) -> bool:
        """Whether the event socket takes connections."""
        try:
            socket.create_connection(("127.0.0.1", self.event_port), DEADLINE_S).close()
        except ConnectionRefusedError:
            return False
        return True

    def addresses(self) -> set[str]:
        """Every address that the process has a TCP or UDP socket on, as the kernel lists them: address:port in hex."""
        assert self._process is not None
        owned = set()
        for entry in Path(f"/proc/{self._process.pid}/fd").iterdir():
            try:
                owned.add(os.readlink(entry))
            except FileNotFoundError:
                continue
        found = set()
        for table in ("tcp", "tcp6", "udp", "udp6"):
            for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if f"socket:[{fields[9]}]" in owned:
                    found.add(fields[1])
        return found

    def _runs(self) -> bool:
        assert self._process is not None and self._process.poll() is None, "the switch has ended"
        return True

    def _ready(self) -> bool:
        """Every profile runs, and so does the module that is loaded last."""
        return (self.cli("sofia status").count("RUNNING") == PROFILES
                and self.cli("module_exists mod_callcenter") == "true")
