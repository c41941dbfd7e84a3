"""Every setting, command and folder is documented, and what the documentation names is there."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from fsapp.cli.root import cli
from fsapp.core.calling_back import calling_back_from
from fsapp.core.dialling import dialling_from
from fsapp.core.reports.catalogue import CATALOGUE
from fsapp.doctor.checks import CHECKS
from fsapp.rules.schema import Dial, _CallingBack
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


def test_what_is_said_of_tasks_is_so() -> None:
    """The settings of docs/tasks.md are all there are, with the values that hold where nothing is said."""
    page = (ROOT / "docs/tasks.md").read_text(encoding="utf-8")
    said = {name: value.strip("`") for name, value in re.findall(r"(?m)^\| `([a-z_]+)` \|.* \| ([^|]+) \|$", page)}
    document = {"centre": {"region": "RS"}}
    rule, dialling = calling_back_from({}, {}), dialling_from(document)
    dial = page.partition("table `[dial]`")[2]
    keys = {"callback_key": rule.key or "none", "callback_tries": rule.tries, "callback_retry_s": rule.retry_s,
            "callback_expires_s": rule.expires_s, "task_wait_s": rule.task_wait_s, "lost_wait_s": rule.lost_wait_s,
            "lost_after_s": rule.lost_after_s, "call_back_lost": str(rule.lost).lower()}
    assert set(keys) == set(_CallingBack.model_fields)
    assert {name: said[name] for name in keys} == {name: str(value) for name, value in keys.items()}
    assert (said["route"], said["ring_s"]) == (dialling.route, str(dialling.ring_s))
    assert set(re.findall(r"(?m)^\| `([a-z_]+)` \|", dial)) == set(Dial.model_fields)
    example = tomllib.loads((ROOT / "conf/rules/centre.toml").read_text(encoding="utf-8"))
    assert calling_back_from({}, example["centre"]) == rule


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_figure_of_a_report_is_defined(name: str) -> None:
    """In its own section, in words and as it is reckoned; and nothing is defined that is not printed."""
    page = (ROOT / "docs/reports.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`[^|]+`) \| ([^|]+) \| ([^|]+) \|$", section)
    assert all(words.strip() and formula.strip() for _figures, words, formula in rows)
    defined = [figure for figures, _words, _formula in rows for figure in re.findall(r"`([a-z0-9_]+)`", figures)]
    assert sorted(defined) == sorted(CATALOGUE[name].units)


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
