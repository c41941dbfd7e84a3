"""The root of the command line: exit statuses, one line a fault, and that help imports nothing it need not."""

import importlib
import os
import subprocess
import sys

import click
import pytest

from fsapp import __version__
from fsapp.cli import root
from fsapp.errors import RulesError


def _run(*args):
    with pytest.raises(SystemExit) as left:
        root.main(args)
    return left.value.code


def _fails_with(monkeypatch, error):
    def fail(path):
        raise error
    monkeypatch.setattr(root, "load", fail)


def test_help_names_every_command_and_imports_none():
    code = ("import sys; from fsapp.cli.root import main\n"
            "try: main(['--help'])\n"
            "except SystemExit as left: status = left.code\n"
            "loaded = [name for name in sys.modules if name.startswith(('fsapp.cli.', 'fsapp.state', 'redis'))]\n"
            "assert loaded == ['fsapp.cli.root'], loaded\n"
            "sys.exit(status)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for name, entry in root.COMMANDS.items():
        assert f"  {name} " in done.stdout
        assert entry.help[:30] in done.stdout


def test_every_fault_is_a_line_of_its_own(monkeypatch, capsys):
    _fails_with(monkeypatch, RulesError("both", ["one\nthing", "an\x1b[31mother"]))
    assert _run("rules", "check") == 1
    assert capsys.readouterr().err == "fsapp: one\\nthing\nfsapp: an\\x1b[31mother\n"


def test_control_c_is_130(monkeypatch, capsys):
    _fails_with(monkeypatch, KeyboardInterrupt())
    assert _run("rules", "check") == 130


def test_a_bug_is_not_taken_for_a_fault(monkeypatch):
    _fails_with(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        root.main(["rules", "check"])


def test_a_full_disk_is_one_clear_line():
    command = f"{sys.executable} -m fsapp rules check --json > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "make room on the disk" in line


def test_a_reader_that_goes_away_leaves_no_traceback():
    command = f"{sys.executable} -m fsapp rules check --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_what_the_terminal_cannot_show_is_shown_in_ascii():
    command = [sys.executable, "-m", "fsapp", "explain", "--rules", "conf/rules", "--from", "č", "--to", "1"]
    done = subprocess.run(command, capture_output=True, timeout=60, env=os.environ | {"PYTHONIOENCODING": "latin-1"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"\\u010d (invalid) calls 1.")


def test_wrong_settings_are_named(tmp_path, capsys):
    (tmp_path / "fsapp.toml").write_text("colour = 3\n")
    assert _run("--config", str(tmp_path / "fsapp.toml"), "rules", "check") == 1
    assert "colour: is no setting" in capsys.readouterr().err


def test_a_command_whose_part_is_missing_says_so(monkeypatch, capsys):
    monkeypatch.setitem(root.COMMANDS, "lab", root.Entry("fsapp.no_such_part:lab", "none"))
    assert _run("lab") == 1
    assert "fsapp.no_such_part" in capsys.readouterr().err


def test_version_and_wrong_usage(capsys):
    assert _run("--version") == 0
    assert __version__ in capsys.readouterr().out
    assert _run("nope") == 2
    assert _run("rules", "nope") == 2


@pytest.mark.parametrize("name", list(root.COMMANDS))
def test_every_entry_leads_to_a_command(name):
    module, _, attribute = root.COMMANDS[name].target.partition(":")
    assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)
