"""`fsapp flow`: draw a flow, walk through one, see which ways calls have taken. Decides nothing; core.flow does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from fsapp.core.clean import clean_number
from fsapp.core.flow.actions import (
    END,
    Action,
    Agent,
    Answer,
    Ask,
    Begin,
    Collect,
    Digits,
    Failed,
    Given,
    Note,
    Noted,
    Queue,
    Record,
    Request,
    Said,
    Say,
    Transfer,
)
from fsapp.core.flow.blocks import Flow
from fsapp.core.flow.coverage import cover
from fsapp.core.flow.drawing import as_svg, as_text
from fsapp.core.flow.steps import Situation, begin, step
from fsapp.core.numbers import normalise
from fsapp.core.rules import Rules
from fsapp.errors import RulesError

__all__ = ["flow"]

_NAME = click.argument("name")
_rules = click.option("--rules", "folder", type=click.Path(), metavar="FOLDER",
                      help="The rules of a folder instead of those loaded; nothing is asked of Redis.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def flow() -> None:
    """Draw a flow, walk through one, and see which ways calls have taken."""


@flow.command()
@_NAME
@_rules
@click.option("--format", "form", type=click.Choice(["text", "svg"]), default="text", show_default=True,
              help="Lines of text, or a picture.")
@_json
@click.pass_obj
def draw(obj: Any, name: str, folder: str | None, form: str, as_json: bool) -> None:
    """Print a flow: its blocks from the start on, and where each leads."""
    found = _flow(_load(obj, folder), name)
    if as_json:
        click.echo(json.dumps({"flow": name, "line": found.line, form: "\n".join(as_text(found)) if form == "text"
                               else as_svg(found)}, ensure_ascii=False))
    elif form == "svg":
        click.echo(as_svg(found), nl=False)
    else:
        click.echo("\n".join(as_text(found)))


@flow.command("try")
@_NAME
@_rules
@click.option("--digits", metavar="KEYS", help="What is typed at each question, with commas between: 1,2,0018#,1. "
              "Nothing more is typed after them.")
@click.option("--answer", "answers", multiple=True, metavar="JSON",
              help="What a lookup finds, for each in turn; without one it fails. Nobody is asked.")
@click.option("--from", "caller", default="anonymous", metavar="N", show_default=True, help="The caller's number.")
@click.option("--to", "called", default="", metavar="N", help="The number called.")
@click.option("--at", "at", type=click.DateTime(), metavar="TIME", help="When, in UTC; now if not given.")
@_json
@click.pass_obj
def try_(
    obj: Any, name: str, folder: str | None, digits: str | None, answers: tuple[str, ...], caller: str, called: str,
    at: datetime | None, as_json: bool,
) -> None:
    """Walk through a flow as a caller would, typing keys; nobody is called.

    Without --digits each question is asked here.
    """
    rules = _load(obj, folder)
    now = at.replace(tzinfo=UTC) if at else datetime.now(UTC)
    situation = Situation(
        normalise(clean_number(caller), rules.region), normalise(clean_number(called), rules.region), now, rules.lists,
        rules.schedules, rules.region, rules.dialling, rules.numbers)
    typed = iter(digits.split(",")) if digits is not None else None
    walk = _walk(_flow(rules, name), situation, typed, iter([_answer(text) for text in answers]), _texts(obj))
    steps = []
    for line, fact in walk:
        steps.append(fact)
        if not as_json:
            click.echo(line)
    if as_json:
        click.echo(json.dumps({"flow": name, "steps": steps[:-1], **steps[-1]}, ensure_ascii=False))


@flow.command()
@_NAME
@_rules
@click.option("--format", "form", type=click.Choice(["text", "svg"]), default="text", show_default=True,
              help="Lines of text, or a picture where what nobody came to is faint.")
@_json
@click.pass_obj
def coverage(obj: Any, name: str, folder: str | None, form: str, as_json: bool) -> None:
    """Which blocks and ways of a flow recorded calls have taken, and which nobody has."""
    from fsapp.state.connection import connect
    from fsapp.state.stream import tail

    found = _flow(_load(obj, folder), name)
    covered = cover(found, (event for _, event in tail(connect(obj.settings), 0.0, follow=False)))
    if as_json:
        click.echo(json.dumps({
            "flow": name, "calls": covered.calls, "blocks": covered.blocks, "missed": covered.missed,
            "untaken": covered.untaken, "ends": covered.ends}, ensure_ascii=False))
        return
    if form == "svg":
        click.echo(as_svg(found, covered.blocks), nl=False)
        return
    click.echo("\n".join(as_text(found, covered.blocks)))
    ends = ", ".join(f"{end} {times}" for end, times in covered.ends.items())
    click.echo(f"{covered.calls} calls{f', ended: {ends}' if ends else ''}.")
    if covered.missed:
        click.echo(f"Nobody came to: {', '.join(covered.missed)}.")
    if covered.untaken:
        click.echo(f"Nobody went: {', '.join(f'{start} -> {target}' for start, target in covered.untaken)}.")


def _load(obj: Any, folder: str | None) -> Rules:
    if folder:
        from fsapp.rules import load_folder

        return Rules.from_document(load_folder(folder))
    from fsapp.state.connection import connect
    from fsapp.state.rules import RulesStore

    version = RulesStore(connect(obj.settings)).current()
    if version is None:
        raise RulesError("no rules are loaded: run `fsapp rules load`, or name a folder with --rules")
    return version.rules()


def _flow(rules: Rules, name: str) -> Flow:
    found = rules.flows.get(name)
    if found is None:
        there = f", there are {', '.join(rules.flows)}" if rules.flows else ""
        raise RulesError(f"there is no flow {name[:60]!r}{there}")
    if found.start is None:
        raise RulesError(f"flow {name} has no blocks: it leads to line {found.line} at once")
    return found


def _texts(obj: Any) -> Mapping[str, Mapping[str, str]]:
    """What the prompts say, where the catalogue is at hand."""
    from fsapp.errors import SoundsError
    from fsapp.sounds.catalogue import read_catalogue

    try:
        return read_catalogue(obj.settings.sounds).texts
    except SoundsError:
        return {}


def _answer(text: str) -> Answer | Failed:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise click.UsageError(f"--answer {text[:60]!r} is no JSON object.")
    return Answer(document)


Line = tuple[str, dict[str, Any]]


def _walk(
    found: Flow, situation: Situation, typed: Iterator[str] | None, answers: Iterator[Answer | Failed],
    texts: Mapping[str, Mapping[str, str]],
) -> Iterator[Line]:
    """One line for each thing that is said, asked or done, the last for the end."""
    state, actions = step(found, begin(found), Begin(), situation)
    while True:
        given: Given = Said()
        for action in actions:
            if isinstance(action, END):
                yield _ended(action), {"end": type(action).__name__.lower(), **action._asdict(), "path": state.path,
                                       "language": state.language, "values": dict(state.values)}
                return
            if isinstance(action, Say | Collect):
                said = [_spoken(prompt, action.language, texts) for prompt in action.prompts]
                yield f"[{state.block}] {' '.join(said)}", {"block": state.block, "said": action.prompts}
            if isinstance(action, Collect):
                given = Digits(_typed(action, typed))
                yield f"    typed: {given.text or 'nothing'}", {"block": state.block, "typed": given.text}
            if isinstance(action, Ask):
                given = next(answers, Failed("down"))
                what = json.dumps(given.document) if isinstance(given, Answer) else "nothing"
                yield f"[{state.block}] asks {action.url}: {what}", {"block": state.block, "asked": action.url}
            if isinstance(action, Record):
                line = action.line
                yield f"[{state.block}] records a message to {line}", {"block": state.block, "records": line}
            if isinstance(action, Request):
                given = Noted()
                line = f"[{state.block}] a callback of {action.number} by {action.place} would be noted"
                yield line, {"block": state.block, "requested": action.number, "place": action.place}
            if isinstance(action, Note):
                yield f"[{action.block}] noted: {action.value}", {"block": action.block, "noted": action.value}
        state, actions = step(found, state, given, situation)


def _typed(action: Collect, typed: Iterator[str] | None) -> str:
    """What is typed now, as far as a switch would take it."""
    if typed is None:
        text = click.prompt("    keys (none: just Enter)", default="", show_default=False)
    else:
        text = next(typed, "")
    keys = "".join(char for char in text if char in "0123456789*#")
    return (keys.partition("#")[0] if action.ended else keys)[:action.most]


def _spoken(prompt: str, language: str | None, texts: Mapping[str, Mapping[str, str]]) -> str:
    spoken, _, name = prompt.rpartition("/")
    found = texts.get(name, {}).get(spoken or language or "")
    return found or f"<{prompt}>"


def _ended(action: Action) -> str:
    if isinstance(action, Queue):
        return f"The caller waits for line {action.line}."
    if isinstance(action, Agent):
        return f"The caller waits for agent {action.agent or '(none known)'}, then for line {action.line}."
    if isinstance(action, Transfer):
        return f"The call goes to {action.extension} in context {action.context}."
    return f"The call ends with {action.cause}."
