"""`fsapp rules`: check, load, show, compare and roll back the routing rules. Judges nothing; fsapp.rules does."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fsapp.cli.author import author
from fsapp.core.clean import clean_text
from fsapp.errors import RulesError, StateRefused
from fsapp.rules import Checked, check, check_document, diff, to_toml
from fsapp.sounds.catalogue import Catalogue, read_catalogue

if TYPE_CHECKING:
    from fsapp.state.rules import RulesStore, RulesVersion

__all__ = ["rules"]

MAX_NOTE = 200
_ROLLBACK = re.compile(r"rollback to ([0-9]{1,16})")
_NONE = "no rules are loaded: run `fsapp rules load`"
_folder = click.argument("folder", required=False, metavar="[FOLDER]", type=click.Path())
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
_VERSION = click.IntRange(1, 2**53)


@click.group()
def rules() -> None:
    """Check, load, show, compare and roll back the routing rules.

    FOLDER is a folder of TOML files; the one in the settings (conf/rules) where none is given.
    """


@rules.command("check")
@_folder
@_json
@click.pass_obj
def check_command(obj: Any, folder: str | None, as_json: bool) -> None:
    """Show every fault of a folder at once; change nothing."""
    checked = check(folder or obj.settings.rules, _catalogue(obj))
    if as_json:
        _print_json({"ok": not checked.faults, "faults": checked.faults, "warnings": checked.warnings})
    _refuse(checked, "the rules are refused")
    if not as_json:
        _warn(checked)
        click.echo(f"The rules are sound: {_counts(checked.document)}.")


@rules.command()
@_folder
@click.option("--note", default="", metavar="TEXT", help="Why; shown in the history.")
@_json
@click.pass_obj
def load(obj: Any, folder: str | None, note: str, as_json: bool) -> None:
    """Make a folder's rules the ones in force, if they have no fault.

    Running processes take them up within a second. Rules that say what those in force say make no new version. Before
    loading, `fsapp replay --since 1d` shows which of the last day's calls would go elsewhere.
    """
    folder = folder or obj.settings.rules
    checked = check(folder, _catalogue(obj))
    _refuse(checked, f"the rules in {folder} are refused")
    _put_in_force(_writable(obj), checked, note, str(Path(folder).absolute()), as_json)


@rules.command()
@click.option("--version", type=_VERSION, metavar="N", help="This version; the one in force if not given.")
@_json
@click.pass_obj
def show(obj: Any, version: int | None, as_json: bool) -> None:
    """Print a loaded version as TOML that could be loaded again."""
    found = _version(_store(obj), version)
    if as_json:
        _print_json(_about(found) | {"document": found.document})
        return
    click.echo(f"# version {found.version}, loaded {_time(found)} by {found.author} from {found.source}")
    if found.note:
        click.echo(f"# {found.note}")
    click.echo("\n" + to_toml(found.document), nl=False)


@rules.command("diff")
@_folder
@click.option("--version", type=_VERSION, metavar="N", help="Compare version N instead of a folder ...")
@click.option("--to", type=_VERSION, metavar="M", help="... with version M; with the one in force if not given.")
@_json
@click.pass_obj
def diff_command(obj: Any, folder: str | None, version: int | None, to: int | None, as_json: bool) -> None:
    """Show what loading a folder would change, or what differs between two versions."""
    if folder is not None and version is not None:
        raise click.UsageError("Give a folder or --version, not both.")
    if to is not None and version is None:
        raise click.UsageError("--to needs --version.")
    old_name: int | None
    new_name: int | str
    if version is not None:
        store = _store(obj)
        before, after = _version(store, version), _version(store, to)
        old, old_name, new, new_name = before.document, before.version, after.document, after.version
    else:
        new_name = folder or obj.settings.rules
        checked = check(new_name, _catalogue(obj))
        _refuse(checked, f"the rules in {new_name} are refused")
        current = _readable(_store(obj).current())
        old, old_name = (current.document, current.version) if current else ({}, None)
        new = checked.document
    changes = diff(old, new)
    if as_json:
        _print_json({"from": old_name, "to": new_name, "changes": [change._asdict() for change in changes]})
        return
    for change in changes:
        click.echo(str(change))
    if not changes:
        click.echo(f"Version {old_name} and {_named(new_name)} say the same.")


@rules.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many at most.")
@_json
@click.pass_obj
def history(obj: Any, limit: int, as_json: bool) -> None:
    """List the loaded versions, newest first; the first is in force."""
    versions = _store(obj).history(limit)
    if as_json:
        _print_json([_about(version) for version in versions])
        return
    for version in versions:
        click.echo(f"{version.version:>6}  {_time(version)}  {version.author:<12}  {version.note or version.source}")
    if not versions:
        click.echo("No rules have been loaded yet.")


@rules.command()
@click.argument("version", required=False, type=_VERSION)
@_json
@click.pass_obj
def rollback(obj: Any, version: int | None, as_json: bool) -> None:
    """Load an earlier VERSION again, as a new version; the one before that in force if not given.

    Twice goes back twice: after a rollback the version in force counts as the one it brought back.
    """
    store = _writable(obj)
    if version is None:
        version = _before(store)
    found = _kept(store, version)
    checked = check_document(found.document, f"version {version}")
    _refuse(checked, f"version {version} is refused")
    _put_in_force(store, checked, f"rollback to {version}", f"version {version}", as_json)


def _before(store: RulesStore) -> int:
    """The version before the one in force. RulesError if there is none."""
    version = store.current_version()
    if not version:
        raise RulesError(_NONE)
    with suppress(StateRefused):  # one that cannot be read says nothing of where it came from
        while (back := _ROLLBACK.fullmatch(str(_kept(store, version).note))) and int(back[1]) < version:
            version = int(back[1])
    if version < 2:
        raise RulesError(f"version {version} is the first: there is nothing to roll back to")
    return version - 1


def _put_in_force(store: RulesStore, checked: Checked, note: str, source: str, as_json: bool) -> None:
    try:
        current = _readable(store.current())
    except StateRefused:
        # A version that cannot be read is cured by loading; if Redis itself refuses, so will the load below.
        current = None
    changes = diff(current.document if current else {}, checked.document)
    loaded = current is None or bool(changes)
    if loaded:
        current = store.load(checked.document, clean_text(note, MAX_NOTE), author(), clean_text(source, MAX_NOTE))
    if as_json:
        said = {"version": current.version, "loaded": loaded, "changes": len(changes), "warnings": checked.warnings}
        _print_json(said)
        return
    _warn(checked)
    if loaded:
        counts = _counts(checked.document)
        click.echo(f"Version {current.version} is in force: {counts}; changed values: {len(changes)}.")
    else:
        click.echo(f"Nothing is different: version {current.version} stays in force.")


def _writable(obj: Any) -> RulesStore:
    """The store, after a look whether Redis is new enough and takes writes."""
    from fsapp.state.connection import check as check_redis

    store = _store(obj)
    check_redis(store.client)
    return store


def _store(obj: Any) -> RulesStore:
    from fsapp.state.connection import PATIENT_S, connect
    from fsapp.state.rules import RulesStore

    return RulesStore(connect(obj.settings, PATIENT_S))


def _version(store: RulesStore, version: int | None) -> RulesVersion:
    """One version, the one in force for None; RulesError if there is none, StateRefused if it is none of ours."""
    found = _readable(store.current() if version is None else _kept(store, version))
    if found is None:
        raise RulesError(_NONE)
    return found


def _kept(store: RulesStore, version: int) -> RulesVersion:
    found = store.get(version)
    if found is None:
        raise RulesError(f"version {version} is not kept: `fsapp rules history` lists those that are")
    return found


def _readable(found: RulesVersion | None) -> RulesVersion | None:
    """The same version, once it is known that it can be shown and compared. StateRefused if it cannot."""
    if found is not None:
        found.rules()
    return found


def _refuse(checked: Checked, message: str) -> None:
    if checked.faults:
        raise RulesError(message, checked.faults)


def _warn(checked: Checked) -> None:
    for line in checked.warnings:
        click.echo(f"fsapp: warning: {line}", err=True)


def _counts(document: dict[str, Any]) -> str:
    """What is in a document, in words: "5 numbers, 1 campaign ..."."""
    words = []
    for table in ("number", "campaign", "line", "flow", "group", "agent"):
        count = len(document.get(table, ()))
        words.append(f"{count} {table}{'' if count == 1 else 's'}")
    return ", ".join(words)


def _about(version: RulesVersion) -> dict[str, Any]:
    return {"version": version.version, "loaded_at": version.loaded_at.isoformat(), "author": version.author,
            "note": version.note, "source": version.source}


def _time(version: RulesVersion) -> str:
    return version.loaded_at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _named(version: int | str) -> str:
    return f"version {version}" if isinstance(version, int) else str(version)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False))


def _catalogue(obj: Any) -> Catalogue | None:
    """The catalogue of prompts, which flows are held against; None on a machine that has none."""
    folder = Path(obj.settings.sounds)
    return read_catalogue(folder) if (folder / "catalogue.toml").exists() else None
