"""`fsapp tags`: tags that a note suggests, for people to confirm; learning from those that people gave."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from fsapp.cli.author import author
from fsapp.cli.interactions import there, wanted_tag
from fsapp.cli.looking import noted
from fsapp.cli.memory import open_memory
from fsapp.cli.tables import print_json, print_table
from fsapp.cli.tasks import open_tasks
from fsapp.errors import FsappError

__all__ = ["tags"]

_MOST = 200_000
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_SUGGESTED = {"tag": "tag", "by": "by", "word": "word", "likely": "probability"}
_MEASURED = {
    "tag": "tag", "examples": "examples", "held out: suggested": "suggested", "right": "right",
    "precision": "precision", "recall": "recall", "": "said",
}


@click.group()
def tags() -> None:
    """Tags with help: suggested from note and disposition, and always for people to confirm."""


@tags.command()
@click.argument("id_", metavar="ID")
@click.option("--confirm", multiple=True, metavar="TAG", help="Give it this tag, which must be among those suggested.")
@_json
@click.pass_obj
def suggest(obj: Any, id_: str, confirm: Sequence[str], as_json: bool) -> None:
    """The tags that the notes and the disposition of an interaction suggest; with --confirm it gets them.

    By the words of the rules ([tags]); as learnt, where `fsapp tags train` has learnt something. Nothing is given a tag
    by itself.
    """
    from fsapp import tagging
    from fsapp.core.tag_model import suggestions
    from fsapp.records import interactions as kept
    from fsapp.records.tag_examples import written

    rules, _client = open_tasks(obj)
    model = tagging.load(obj.settings.tag_model) if tagging.installed() else None
    wanted = [wanted_tag(tag) for tag in confirm]
    now = time.time()

    def work(connection: Any) -> Any:
        one = there(written(connection, id_), id_)
        found = suggestions(one.texts, one.disposition, one.tags | one.by_rule, rules.follow.tag_words, model)
        unknown = sorted(set(wanted) - {suggestion.tag for suggestion in found})
        if unknown:
            raise FsappError(f"{unknown[0]} is not suggested: give it with `fsapp interactions tag {id_[:80]} "
                             f"{unknown[0]}`")
        if wanted:
            kept.set_tags(connection, id_, wanted, author(), "suggestion", now)
        return found

    database = open_memory(obj)
    found = database.write(work) if wanted else database.read(work)
    noted(obj, "interaction", subject=id_)
    rows = [one._asdict() | {"confirmed": one.tag in wanted} for one in found]
    if as_json:
        print_json({"id": id_, "suggestions": rows, "learnt": model is not None})
    elif not rows:
        click.echo("Nothing suggests a tag.")
    elif wanted:
        click.echo(f"It has the tag{'s' * (len(wanted) > 1)} {', '.join(wanted)} now.")
    else:
        print_table(f"suggested: {len(rows)}", _SUGGESTED, rows)


@tags.command()
@_json
@click.pass_obj
def train(obj: Any, as_json: bool) -> None:
    """Learn which tags notes suggest from those that people gave, and say how well, on a fifth that is held out.

    Needs the extra fsapp[tags]. Nothing leaves this machine. A tag that it suggests wrongly too often is left out.
    """
    from fsapp import tagging
    from fsapp.records.tag_examples import tagged

    rows = open_memory(obj).read(lambda connection: tagged(connection, _MOST))
    examples = [tagging.Example(one.id, one.texts, one.disposition, one.tags, one.by_rule) for one in rows]
    model, measures = tagging.train(examples, time.time())
    tagging.save(model, obj.settings.tag_model)
    kept = [one for one in measures if one.kept]
    suggested, right = sum(one.suggested for one in kept), sum(one.right for one in kept)
    precision = round(right / suggested, 3) if suggested else None
    shown = [{
        **one._asdict(), "precision": round(one.precision, 3), "recall": round(one.recall, 3),
        "said": "" if one.kept else "left out",
    } for one in measures]
    if as_json:
        print_json({"examples": model.examples, "tags": len(model.tags), "precision": precision, "measures": [
            {name: value for name, value in row.items() if name != "said"} for row in shown]})
        return
    print_table(f"tags learnt: {len(model.tags)}, from {model.examples} interactions", _MEASURED, shown)
    click.echo(f"Of {suggested} suggestions for interactions that were held out {right} were right"
               + (f" (precision {precision:.0%})." if precision is not None else "."))
