"""The units of conf/systemd: systemd takes them as they are, and they agree with the settings and the commands."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from itertools import takewhile
from pathlib import Path

import click
import pytest

from fsapp.cli.root import cli
from fsapp.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "conf/systemd"
# Read by conf/freeswitch, not by fsapp.
OF_THE_SWITCH = {"FSAPP_PHONE_PASSWORD", "FSAPP_TRUNK_PASSWORD"}
OURS = ("fsapp-serve.service", "fsapp-link.service", "fsapp-recorder.service", "fsapp-followups.service",
        "fsapp-web.service")


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string((UNITS / name).read_text(encoding="utf-8"))
    return parser


def environment() -> dict[str, str]:
    lines = (UNITS / "environment").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_systemd_has_nothing_to_say_against_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on this machine")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    files = []
    for path in [path for path in UNITS.iterdir() if path.suffix in (".service", ".target", ".timer")]:
        text = path.read_text(encoding="utf-8")
        assert "ExecStart=" in text or path.suffix != ".service"
        for name in ("freeswitch", "/srv/fsapp/.venv/bin/fsapp"):
            text = text.replace(f"ExecStart={name} ", f"ExecStart={program} ")
        files.append(tmp_path / path.name)
        files[-1].write_text(text, encoding="utf-8")
    assert len(files) == 11
    found = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, files)],
                           capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


@pytest.mark.parametrize("name", OURS)
def test_a_part_that_ends_is_started_again_and_has_time_to_drain(name: str) -> None:
    service = unit(name)["Service"]
    assert (service["Type"], service["Restart"], service["KillSignal"]) == ("exec", "always", "SIGTERM")
    assert service["User"] not in ("", "root")
    assert service["EnvironmentFile"] == "/etc/fsapp/environment"
    assert float(service["TimeoutStopSec"]) > Settings().drain_s
    assert unit(name)["Unit"]["StartLimitIntervalSec"] == "0", "it is never given up"


@pytest.mark.parametrize("name", [*OURS, "fsapp-purge.service", "fsapp-reconcile.service"])
def test_what_is_started_is_a_command(name: str) -> None:
    words = shlex.split(unit(name)["Service"]["ExecStart"])
    assert words[0] == "/srv/fsapp/.venv/bin/fsapp"
    command: click.Command | None = cli
    for word in takewhile(lambda word: not word.startswith("-"), words[1:]):
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
        assert command is not None, f"there is no fsapp {' '.join(words[1:])}"


def test_the_parts_are_closed_off() -> None:
    for name in (*OURS, "fsapp-purge.service", "fsapp-reconcile.service"):
        service = unit(name)["Service"]
        assert service["ProtectSystem"] == "strict", name
        assert service["CapabilityBoundingSet"] == "", name
        for option in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"):
            assert service[option] == "yes", f"{name}: {option}"


def test_the_target_wants_every_part() -> None:
    wanted = set(unit("fsapp.target")["Unit"]["Wants"].split())
    assert wanted == {*OURS, "fsapp-purge.timer", "fsapp-reconcile.timer"}
    for name in wanted:
        assert unit(name)["Install"]["WantedBy"] == "fsapp.target"


def test_the_environment_is_one_that_fsapp_takes() -> None:
    given = environment()
    known = {f"FSAPP_{name.upper()}" for name in Settings.model_fields} | OF_THE_SWITCH
    assert set(given) <= known
    assert [name for name, value in given.items() if name.endswith("_PASSWORD") and value] == []
    settings = load(UNITS.parent / "fsapp.toml", given)
    assert all(Path(path).is_absolute() for path in (settings.rules, settings.dialplan, settings.snapshot,
                                                     settings.recordings))


def test_the_switch_is_given_folders_that_its_unit_makes() -> None:
    service = unit("fsapp-switch.service")["Service"]
    words = shlex.split(service["ExecStart"])
    folders = dict(zip(words, words[1:], strict=False))
    made = {f"/var/lib/{name}" for name in service["StateDirectory"].split()} | {
        "/run/freeswitch", "/var/log/freeswitch", "/srv/fsapp/conf/freeswitch", "/tmp"}
    given = {folders[option] for option in ("-conf", "-run", "-log", "-db", "-recordings", "-storage", "-cache",
                                            "-certs", "-temp")}
    assert given <= made
    assert environment()["FSAPP_RECORDINGS"] == folders["-recordings"]
    assert service["PIDFile"].startswith(folders["-run"])
    assert "-nonat" in words
