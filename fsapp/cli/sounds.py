"""`fsapp sounds`: make the prompts, and see whether they are right. Asks and prints; the work is fsapp.sounds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fsapp.errors import SoundsError
from fsapp.rules.prompts import prompts
from fsapp.sounds.build import PLAIN, RATES, build
from fsapp.sounds.catalogue import Catalogue, read_catalogue
from fsapp.sounds.check import check

__all__ = ["sounds"]

_SHOWN_FAULTS = 20
_language = click.option("--lang", "languages", multiple=True, metavar="L",
                         help="Only this language (all of the catalogue); may be given several times.")


@click.group()
def sounds() -> None:
    """Make the prompts that callers hear, and check them."""


@sounds.command("build")
@_language
@click.option("--rate", "rates", multiple=True, type=click.Choice([str(rate) for rate in RATES]),
              help=f"Samples a second; {PLAIN} are always made, and 16000 too if asked for or made before.")
@click.option("--to", "target", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Bring them to this folder, a switch's perhaps, and make or copy what is not there.")
@click.option("--force", is_flag=True, help="Make all of them anew, files changed by hand too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def build_command(
    obj: Any, languages: tuple[str, ...], rates: tuple[str, ...], target: Path | None, force: bool, as_json: bool,
) -> None:
    """Make LANGUAGE/PROMPT.wav of the catalogue with espeak-ng and sox, where text or recording has changed.

    A recording own/LANGUAGE/PROMPT.wav in the folder of sounds (FSAPP_SOUNDS, else sounds) comes before what is spoken.
    A file that somebody else has changed or put there is left alone, with exit status 1.
    """
    folder = Path(obj.settings.sounds)
    catalogue = read_catalogue(folder)
    built = build(catalogue, folder, to=target, languages=_known(languages, catalogue),
                  rates=sorted({PLAIN, *map(int, rates)}), force=force)
    where = target or folder
    if as_json:
        click.echo(json.dumps({
            "folder": str(where), "made": built.made, "copied": built.copied, "removed": built.removed,
            "unchanged": built.unchanged, "left": built.left, "faults": built.faults}))
    else:
        for name in built.made if len(built.made) <= _SHOWN_FAULTS else []:
            click.echo(f"{where / name}")
        click.echo(f"{len(built.made)} made, {len(built.copied)} copied, {len(built.removed)} removed, "
                   f"{built.unchanged} as they were")
    _refuse("not all sounds could be made", [*built.faults, *(
        f"{where / name}: was changed by hand: put a recording into {folder}/own/{_own_name(name)}, or --force"
        for name in built.left)])


@sounds.command("check")
@_language
@click.option("--in", "target", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              help="Look at the sounds in this folder, a switch's perhaps.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check_command(obj: Any, languages: tuple[str, ...], target: Path | None, as_json: bool) -> None:
    """Say what is wrong: texts missing in a language, files missing, unreadable, of a wrong rate, or out of date.

    Also recordings of your own that no prompt has, and prompts that the dialplan plays and the catalogue does not have.
    """
    folder = Path(obj.settings.sounds)
    catalogue = read_catalogue(folder)
    chosen = _known(languages, catalogue)
    checked = check(catalogue, folder, to=target, languages=chosen)
    faults = [*checked.faults, *(
        f"the dialplan plays {name}, which is no prompt of the catalogue"
        for name in prompts(Path(obj.settings.dialplan), []) if name.removesuffix(".wav") not in catalogue.texts)]
    if as_json:
        click.echo(json.dumps({
            "ok": not faults, "folder": str(target or folder), "languages": chosen, "prompts": len(catalogue.texts),
            "files": checked.files, "own": checked.own, "faults": faults}, ensure_ascii=False))
    _refuse("the sounds are not right", faults)
    if not as_json:
        click.echo(f"{len(catalogue.texts)} prompts in {', '.join(chosen)}: {checked.files} files are as they should "
                   f"be, {checked.own} of them recordings of your own")


def _known(languages: Sequence[str], catalogue: Catalogue) -> tuple[str, ...]:
    unknown = [language for language in languages if language not in catalogue.languages]
    if unknown:
        raise click.UsageError(
            f"the catalogue has no language {', '.join(unknown)}; it has {', '.join(catalogue.languages)}")
    return tuple(dict.fromkeys(languages)) or catalogue.languages


def _own_name(name: str) -> str:
    parts = name.split("/")
    return f"{parts[0]}/{parts[-1]}"


def _refuse(what: str, faults: list[str]) -> None:
    more = len(faults) - _SHOWN_FAULTS
    if faults:
        raise SoundsError(what, [*faults[:_SHOWN_FAULTS], *([f"and {more} more"] if more > 0 else [])])
