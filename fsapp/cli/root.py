"""The `fsapp` command: subcommands by name; faults become lines and exit statuses. Does no command's own work."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence
from functools import cached_property
from io import TextIOWrapper
from typing import NamedTuple

import click

from fsapp import __version__
from fsapp.errors import FsappError
from fsapp.settings import Settings, load

__all__ = ["COMMANDS", "CommandLine", "cli", "main"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Entry(NamedTuple):
    """Where a command is (`module:attribute`), and its line in the help: read without importing the module."""

    target: str
    help: str


COMMANDS = {
    "rules": Entry("fsapp.cli.rules:rules", "Check, load, show, compare and roll back the routing rules."),
    "contacts": Entry("fsapp.cli.contacts:contacts", "Import, show, open, close and remove contacts of a campaign."),
    "customers": Entry("fsapp.cli.customers:customers", "Find, make, change, merge, import and export customers."),
    "stickiness": Entry("fsapp.cli.stickiness:stickiness", "See and change which agent a customer belongs to."),
    "tasks": Entry("fsapp.cli.tasks:tasks", "Calls to customers that are to be made: list, make, cancel, assign."),
    "attempts": Entry("fsapp.cli.attempts:attempts", "Write down how agents tried to reach customers."),
    "dialplan": Entry("fsapp.cli.dialplan:dialplan", "Check that the dialplan XML fits the rules."),
    "switch": Entry("fsapp.cli.switch:switch", "Hold the switch against the rules, and print what it is told."),
    "explain": Entry("fsapp.cli.explain:explain", "Say what would become of a call, and why."),
    "replay": Entry("fsapp.cli.replay:replay_command", "Decide recorded calls again under other rules."),
    "flow": Entry("fsapp.cli.flow:flow", "Draw a flow, walk through one, see which ways calls have taken."),
    "serve": Entry("fsapp.cli.serve:serve", "Decide the calls the switch hands over."),
    "doctor": Entry("fsapp.cli.doctor:doctor", "Look at everything a centre needs, and say what to do."),
    "agents": Entry("fsapp.cli.agents:agents", "See agents, and log them in and out."),
    "queues": Entry("fsapp.cli.floor:queues", "Who waits in which queue, and for whom."),
    "calls": Entry("fsapp.cli.floor:calls", "Every caller on the line, in the order of being served."),
    "link": Entry("fsapp.cli.link:link", "Hold the connection to the switch, and keep it as the rules say."),
    "recordings": Entry("fsapp.cli.recordings:recordings", "Find recordings, pause one, remove those too old."),
    "interactions": Entry(
        "fsapp.cli.interactions:interactions", "Look at calls that were, and say how they ended and what about."),
    "tags": Entry("fsapp.cli.tags:tags", "Suggest tags for an interaction, and learn from those that people gave."),
    "followups": Entry(
        "fsapp.cli.followups:followups", "Do what follows from interactions, see what waits, try it again."),
    "tickets": Entry("fsapp.cli.tickets:tickets", "What customers want of us until it is done."),
    "recorder": Entry("fsapp.cli.recorder:recorder", "Bring what happens into the memory."),
    "privacy": Entry("fsapp.cli.privacy:privacy", "What is kept of a person, erasing it, what is too old, who looked."),
    "records": Entry("fsapp.cli.records:records", "Set up and look after the memory: the SQL database."),
    "report": Entry("fsapp.cli.report:report", "Figures of a period: calls, service level, agents, campaigns."),
    "web": Entry("fsapp.cli.web:web", "Serve the API over HTTP, and look after its tokens."),
    "sounds": Entry("fsapp.cli.sounds:sounds", "Make the prompts that callers hear, and check them."),
    "up": Entry("fsapp.cli.up:up", "Run all parts for daily use with a switch."),
    "lab": Entry("fsapp.cli.lab:lab", "Run scenarios on a switch in Python."),
}


class CommandLine:
    """What every command gets as `ctx.obj`; the settings are read when first asked for. SettingsError then if wrong."""

    def __init__(self, config: str | None = None) -> None:
        self.config = config

    @cached_property
    def settings(self) -> Settings:
        from fsapp import log

        found = load(self.config)
        # Until a command says otherwise: what goes wrong beside its work is told on stderr, not in what it prints.
        log.configure("warning", json=found.log_json, mask_numbers=found.mask_numbers)
        return found


class _Lazy(click.Group):
    """A group that imports a command's module only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise FsappError(f"`fsapp {cmd_name}` needs the Python module {error.name}: install fsapp again") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="fsapp")
@click.option("--config", metavar="FILE", help="The settings file (FSAPP_CONFIG, else conf/fsapp.toml).")
@click.pass_context
def cli(ctx: click.Context, config: str | None) -> None:
    """A contact centre on FreeSWITCH: who is calling, who should talk to them, and in what order.

    Exit status: 0 done, 1 refused with one line a fault, 2 wrong usage.
    """
    ctx.obj = CommandLine(config)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit status; 130 after Ctrl-C."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A name that the terminal's encoding does not have is shown in ASCII, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = cli.main(args=args, prog_name="fsapp", standalone_mode=False)
    except FsappError as error:
        for fault in error.faults:
            click.echo(f"fsapp: {_one_line(fault)}", err=True)
        status = 1
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except OSError as error:
        if error.errno not in _FULL:
            raise
        click.echo(f"fsapp: cannot write ({error.strerror}): make room on the disk, then try again", err=True)
        status = 1
    except (click.Abort, KeyboardInterrupt):
        status = 130
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(fault: str) -> str:
    """Faults quote what people and files say: nothing of that may move the cursor or start a line of its own."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in fault)
