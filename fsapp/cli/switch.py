"""`fsapp switch`: what a switch is told of queues, agents and tiers. Makes none of it; core.queue_xml does."""

from __future__ import annotations

import json
from typing import Any

import click

from fsapp.cli.sync import sync
from fsapp.core.queue_xml import callcenter_document
from fsapp.core.rules import Rules
from fsapp.errors import RulesError
from fsapp.rules import load_folder
from fsapp.settings import Settings
from fsapp.state.connection import connect
from fsapp.state.rules import RulesStore

__all__ = ["switch"]


@click.group()
def switch() -> None:
    """Hold the switch against the rules, and print what it is told of queues, agents and tiers."""


switch.add_command(sync)


@switch.command("config")
@click.option("--queue", metavar="NAME", help="Only this queue, without agents and tiers.")
@click.option("--switch", "name", metavar="NAME", help="For the switch of this name (FSAPP_SWITCH_NAME, else main).")
@click.option("--rules", "folder", type=click.Path(), metavar="FOLDER",
              help="Use the rules of a folder instead of those loaded; nothing is asked of Redis.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def config_command(obj: Any, queue: str | None, name: str | None, folder: str | None, as_json: bool) -> None:
    """Print the callcenter.conf that the rules imply, for a switch without mod_python3.

    One with it gets every queue from the rules by itself, and needs this only while Python fails it.
    """
    settings: Settings = obj.settings
    rules = Rules.from_document(load_folder(folder)) if folder else _loaded(settings)
    name = name or settings.switch_name
    if rules.switches and name not in rules.switches:
        raise RulesError(f"the rules know no switch {name}: there are {', '.join(rules.switches)}")
    if queue is not None and queue not in rules.queues:
        raise RulesError(f"the rules imply no queue {queue}: there are {', '.join(sorted(rules.queues))}")
    document = callcenter_document(rules, name, queue)
    if as_json:
        names = [queue] if queue else list(rules.queues)
        click.echo(json.dumps({"switch": name, "version": rules.version, "queues": names, "xml": document}))
    else:
        click.echo(document, nl=False)


def _loaded(settings: Settings) -> Rules:
    version = RulesStore(connect(settings)).current()
    if version is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`, or name a folder with --rules")
    return version.rules()
