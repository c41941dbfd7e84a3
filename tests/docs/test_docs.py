"""Every setting, command and folder is documented, and what the documentation names is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fsapp.cli.root import cli
from fsapp.doctor.checks import CHECKS
from fsapp.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_setting_is_documented(name: str) -> None:
    lines = (ROOT / "docs/settings.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if f"| `{name}` |" in line)
    assert f"`FSAPP_{name.upper()}`" in row
    assert Settings.model_fields[name].description in row
    assert f"| `{Settings.model_fields[name].default}` |" in row


def test_no_setting_is_documented_that_is_not_there() -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)`", text, re.MULTILINE)) == set(Settings.model_fields)


def test_every_command_is_in_the_readme() -> None:
    import click

    with click.Context(cli) as context:
        for name in cli.list_commands(context):
            command = cli.get_command(context, name)
            if isinstance(command, click.Group):
                names = [f"fsapp {name} {sub}" for sub in command.list_commands(click.Context(command))]
            else:
                names = [f"fsapp {name}"]
            for full in names:
                assert full in README, f"`{full}` is not in README.md"


def test_every_command_and_option_has_a_help_text() -> None:
    import click

    def walk(command: click.Command, path: str) -> None:
        assert command.help, path
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{path} {parameter.opts[0]}"
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                walk(command.get_command(context, name), f"{path} {name}")

    walk(cli, "fsapp")


def test_paths_named_in_the_documentation_are_there() -> None:
    for page in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")):
        for path in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / path).exists(), f"{page.name} leads to {path}"


def test_every_check_of_the_doctor_is_documented() -> None:
    rows = re.findall(r"(?m)^\| `([a-z-]+)` \|", (ROOT / "docs/doctor.md").read_text(encoding="utf-8"))
    assert rows == list(CHECKS)


def test_the_minimal_switch_is_booted_a_second_time_as_the_first(tmp_path: Path) -> None:
    """In a folder of its own, where its passwords are nobody else's to read, whether that is there already or not."""
    page = (ROOT / "docs/operator.md").read_text(encoding="utf-8").partition("\n## Boot the minimal switch\n")[2]
    lines = [line.strip() for line in page.splitlines() if line.startswith("    ")]
    first = next(place for place, line in enumerate(lines) if line.startswith("mkdir"))
    assert lines[first + 1].startswith("freeswitch ")
    (tmp_path / "freeswitch").write_text('#!/bin/sh\npwd; stat -c %a .; echo "$@"\n')
    (tmp_path / "freeswitch").chmod(0o755)
    told = []
    for _ in range(2):
        done = subprocess.run(["bash", "-c", "\n".join(lines[first:first + 2])], cwd=tmp_path, capture_output=True,
                              text=True, timeout=60, check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
        folder, mode, options, back = done.stdout.splitlines()
        assert Path(folder).is_relative_to(tmp_path / "var") and mode == "700" and Path(back) == tmp_path
        assert f"-conf {tmp_path}/conf/freeswitch" in options
        told.append(done.stdout)
    assert told[0] == told[1]
