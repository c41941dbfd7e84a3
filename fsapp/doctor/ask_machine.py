"""Looks at this machine: versions, listeners, folders, limits. Judges nothing, changes nothing."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sys
import time
from importlib import metadata
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from fsapp.doctor.facts import Folder, Machine, NotAsked
from fsapp.settings import split_address

__all__ = ["answers", "ask_machine", "listening"]

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"
_PATIENCE_S = 2.0


def ask_machine(recordings: str) -> Machine:
    """What can be known without asking anybody else."""
    return Machine(
        python=sys.version_info[:3], greenswitch=_version("greenswitch"), greenswitch_wanted=_wanted("greenswitch"),
        zone=time.strftime("%z"), files=resource.getrlimit(resource.RLIMIT_NOFILE)[1], listening=listening(),
        recordings=_folder(Path(recordings)),
    )


def answers(address: str) -> str:
    """Why nobody takes a call at HOST:PORT; empty when somebody does: who serves a call speaks first."""
    try:
        with socket.create_connection(split_address(address), _PATIENCE_S) as sock:
            sock.recv(1)
    except TimeoutError:
        return "nothing is said"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def listening(tables: tuple[Path, ...] = _TABLES) -> dict[int, tuple[str, ...]] | NotAsked:
    """Port -> the addresses that something listens on over TCP, as Linux tells it in /proc/net/tcp."""
    found: dict[int, tuple[str, ...]] = {}
    lines: list[str] = []
    for table in tables:
        try:
            lines += table.read_text(encoding="ascii").splitlines()[1:]
        except OSError as error:
            if table is tables[0]:
                return NotAsked(f"{table} cannot be read: {error.strerror}")
    for line in lines:
        fields = line.split()
        if len(fields) > 3 and fields[3] == _LISTEN:
            host, _, port = fields[1].partition(":")
            number = int(port, 16)
            found[number] = (*found.get(number, ()), _ip(host))
    return found


def _ip(host: str) -> str:
    """An address of /proc/net/tcp: words of 32 bits, each in the byte order of the machine."""
    words = [int(host[at:at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(host), 8)]
    data = b"".join(words)
    return str(IPv4Address(data) if len(data) == 4 else IPv6Address(data))


def _folder(path: Path) -> Folder:
    if not path.is_dir():
        return Folder(str(path), "is not there")
    if not os.access(path, os.W_OK | os.X_OK):
        return Folder(str(path), "cannot be written to from here")
    usage = shutil.disk_usage(path)
    return Folder(str(path), free=usage.free / usage.total if usage.total else 1.0, free_bytes=usage.free)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _wanted(name: str) -> str:
    """The version that fsapp's own installation pins."""
    try:
        needs = metadata.requires("fsapp") or []
    except metadata.PackageNotFoundError:
        return ""
    return next((need.partition("==")[2].strip() for need in needs if need.startswith(f"{name}==")), "")
