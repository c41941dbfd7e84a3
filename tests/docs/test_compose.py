"""compose.yaml: pinned images and nothing built, everything on loopback, and names that the settings know."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from fsapp.cli.root import cli
from fsapp.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
OF_THE_SWITCH = {"FSAPP_PHONE_PASSWORD", "FSAPP_TRUNK_PASSWORD"}


def compose() -> dict[str, Any]:
    found = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OURS = ("serve", "link", "recorder", "followups", "web", "fsapp", "purge")


def test_every_part_is_there() -> None:
    assert {"redis", "install", "serve", "link", "recorder", "followups", "web", "purge", "switch"} <= set(SERVICES)
    started = [name for name, service in SERVICES.items() if "profiles" not in service]
    assert sorted(started) == ["followups", "install", "link", "purge", "recorder", "redis", "serve", "web"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_none_is_built(name: str) -> None:
    assert "build" not in SERVICES[name]
    assert re.fullmatch(r"[a-z/]+:[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_everything_listens_on_loopback(name: str) -> None:
    service = SERVICES[name]
    assert service["network_mode"] == "host", "the event socket of a switch on this machine is on 127.0.0.1"
    assert "ports" not in service
    text = json.dumps(service)
    assert "0.0.0.0" not in text
    for address in re.findall(r"([0-9]+\.[0-9.]+):[0-9]{4}", text):
        assert address == "127.0.0.1"


def test_redis_listens_on_loopback_keeps_everything_and_evicts_nothing() -> None:
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options == {"--bind": "127.0.0.1", "--appendonly": "yes", "--maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("name", OURS)
def test_the_environment_is_one_that_fsapp_takes(name: str) -> None:
    given = SERVICES[name]["environment"]
    assert set(given) <= {f"FSAPP_{field.upper()}" for field in Settings.model_fields}
    assert given["FSAPP_SWITCH_PASSWORD"].startswith("${FSAPP_SWITCH_PASSWORD:?"), "no password, no start"
    settings = load(ROOT / "conf/fsapp.toml", given)
    assert (settings.listen, settings.http, settings.switch) == (
        Settings().listen, Settings().http, Settings().switch), "where the dialplan and conf/freeswitch look"


def test_the_switch_is_given_no_default_password() -> None:
    given = SERVICES["switch"]["environment"]
    assert set(given) == {"FSAPP_SWITCH_PASSWORD"} | OF_THE_SWITCH
    assert all(re.fullmatch(r"\$\{[A-Z_]+:(\?.+|-)\}", value) for value in given.values())


@pytest.mark.parametrize("name", OURS)
def test_our_parts_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (service["user"] == "0:0") == (name == "purge"), "recordings belong to the switch's user"


def test_a_part_that_is_stopped_has_time_to_drain() -> None:
    for name in ("serve", "link", "recorder", "followups", "web"):
        assert float(SERVICES[name]["stop_grace_period"].removesuffix("s")) > Settings().drain_s


def test_compose_itself_takes_it() -> None:
    commands = [["docker", "compose"], ["docker-compose"]]
    found = [command for command in commands if shutil.which(command[0]) and subprocess.run(
        [*command, "version"], capture_output=True, timeout=60, check=False).returncode == 0]
    if not found:
        pytest.skip("no docker compose on this machine")
    command = [*found[0], "-f", str(ROOT / "compose.yaml"), "--profile", "switch", "config", "-q"]
    good = subprocess.run(command, env={"PATH": "/usr/bin:/usr/local/bin:/bin", "FSAPP_SWITCH_PASSWORD": "x"},
                          capture_output=True, text=True, timeout=60, check=False)
    assert good.returncode == 0, good.stderr
    bad = subprocess.run(command, env={"PATH": "/usr/bin:/usr/local/bin:/bin"}, capture_output=True, text=True,
                         timeout=60, check=False)
    assert bad.returncode != 0
    assert "FSAPP_SWITCH_PASSWORD" in bad.stderr


@pytest.mark.parametrize("name", ["serve", "link", "recorder", "followups", "web", "purge"])
def test_what_is_started_is_a_command(name: str) -> None:
    [words] = re.findall(r"/python/bin/fsapp ([a-z ]+)", " ".join(SERVICES[name]["command"]))
    command: click.Command | None = cli
    for word in words.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
        assert command is not None, f"there is no fsapp {words}"
