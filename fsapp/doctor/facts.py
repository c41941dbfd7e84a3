"""What is known before anything is judged. Values only: asks nobody, and holds no password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fsapp.core.mending import Difference
from fsapp.core.rules import Rules
from fsapp.doctor.passwords import Strength
from fsapp.settings import Settings

__all__ = [
    "Facts", "Folder", "Machine", "Memory", "NotAsked", "OpenTasks", "PythonInSwitch", "Redis", "Sound",
    "Switch",
]


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Stands where a fact could not be had, and says why."""

    why: str


@dataclass(frozen=True, slots=True)
class Redis:
    """`clock_off_s`: how far its clock is ahead of ours, what the question took taken off. `local`: on this machine.

    `refuses`: why it takes no writes, empty if it does. `open`: whether it lets anybody in without a password.
    """

    where: str
    version: str
    refuses: str = ""
    clock_off_s: float = 0.0
    append: bool | NotAsked = True
    save: str | NotAsked = ""
    maxmemory: int = 0
    policy: str | NotAsked = "noeviction"
    local: bool = True
    open: bool | NotAsked = False


@dataclass(frozen=True, slots=True)
class PythonInSwitch:
    """What mod_python3's Python says of fsapp. `fault`: what it could not import or reach, empty if all is well."""

    version: str = ""
    python: str = ""
    rules: int = 0
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Sound:
    """A prompt that the dialplan, a queue or a flow plays: where the switch looks for it, and what is wrong with it."""

    path: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Switch:
    """What the switch said on its event socket. `here`: it runs on this machine.

    `profiles`: SIP profile -> the address it listens on. `open_to`: lists of the switch (`trunks`, `peers`) -> whether
    any address passes. `sessions`: legs now, most, most new ones a second. `zone`: its offset from UTC, as +0100.
    `name`, `socket`: its variables fsapp_switch and fsapp_socket. `differences`: to the rules. `gateway`: the state of
    the one by which customers are called (UP, DOWN), empty where the switch has no such gateway.
    """

    where: str
    here: bool = True
    version: str | NotAsked = "1.10.12-release"
    clock_off_s: float | NotAsked = 0.0
    zone: str | NotAsked = "+0000"
    modules: Mapping[str, bool | NotAsked] = field(default_factory=dict)
    differences: tuple[Difference, ...] | NotAsked = ()
    sessions: tuple[int, int, int] | NotAsked = (0, 1000, 100)
    default_password: Strength | NotAsked = NotAsked("it has none")
    phone_passwords: Mapping[str, Strength | NotAsked] = field(default_factory=dict)
    profiles: Mapping[str, str] | NotAsked = field(default_factory=dict)
    open_to: Mapping[str, bool | NotAsked] = field(default_factory=dict)
    event_socket: str | NotAsked = "127.0.0.1"
    name: str | NotAsked = "main"
    socket: str | NotAsked = "127.0.0.1:8040"
    python: PythonInSwitch | NotAsked = PythonInSwitch()
    sounds: tuple[Sound, ...] | NotAsked = ()
    recordings: str | NotAsked = ""
    gateway: str | NotAsked = "UP"


@dataclass(frozen=True, slots=True)
class Memory:
    """The SQL database. `fault`: why it cannot be used, empty if it can. `version` None: there is nothing in it yet.

    `lag_s`: for how long the oldest event that is not recorded has waited; `quarantined`: how many are put aside.
    `follow_s`: for how long the oldest thing that follows from a call has been due; `unfollowed`: how many failed.
    """

    where: str
    version: str | None = "0001"
    fault: str = ""
    lag_s: float | NotAsked = 0.0
    quarantined: int = 0
    follow_s: float = 0.0
    unfollowed: int = 0


@dataclass(frozen=True, slots=True)
class OpenTasks:
    """How many tasks are open; of these due for long; of agents or groups, for places, that the rules do not know."""

    open: int = 0
    late: int = 0
    agentless: int = 0
    placeless: int = 0


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder where files are written. `free`: the share of the disk that is free, and bytes."""

    path: str
    fault: str = ""
    free: float = 1.0
    free_bytes: int = 10**12


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine and this process. `listening`: port -> addresses that something listens on, over TCP."""

    python: tuple[int, int, int] = (3, 11, 0)
    greenswitch: str = ""
    greenswitch_wanted: str = ""
    zone: str = "+0000"
    files: int = 1024
    listening: Mapping[int, tuple[str, ...]] | NotAsked = field(default_factory=dict)
    recordings: Folder = Folder("var/recordings")


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything. `serve`: why nobody answers at `listen`, empty if somebody does. `link`: who holds the switch's link.

    `well_known_taken`: whether the switch lets in who says FreeSWITCH's default password. `dialplan`: its faults.
    `snapshot`: the version in the snapshot file, 0 without one. `rules` None: none are loaded.
    `environment`: the names of the variables that are set in our own environment.
    `phone_password`: of FSAPP_PHONE_PASSWORD in our own environment, where the switch cannot be asked.
    """

    settings: Settings
    machine: Machine
    redis: Redis | NotAsked
    switch: Switch | NotAsked
    serve: str = ""
    link: str | NotAsked = ""
    rules: Rules | NotAsked | None = None
    snapshot: int = 0
    dialplan: tuple[str, ...] | NotAsked = ()
    memory: Memory | NotAsked = Memory("sqlite:///var/fsapp.db")
    tasks: OpenTasks | NotAsked = OpenTasks()
    well_known_taken: bool | NotAsked = False
    phone_password: Strength = Strength.MISSING
    environment: frozenset[str] = frozenset()
