"""What is wrong with the flows of a rules document as a whole. Leaves what the schema settles alone to it.

The document may be faulty in any way: what is not of the right type is passed over here and refused there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fsapp.core.flow.blocks import CALLBACK_PROMPTS, ENDS, WAITS, Kind
from fsapp.core.flow.steps import TYPED
from fsapp.rules.finding import Finding
from fsapp.rules.folder import Path
from fsapp.sounds.catalogue import Catalogue

__all__ = ["flow_faults", "prompt_faults", "survey_faults"]

_NAMED = re.compile(r"\{([^{}]*)\}")
_KNOWN = ("caller", "called", "language")
_PROMPTS = ("say", "invalid", "silent", "confirm")
_NOT_AFTERWARDS = (Kind.QUEUE, Kind.AGENT, Kind.TRANSFER, Kind.CALLBACK)
_OF_A_LINE = (Kind.QUEUE, Kind.AGENT, Kind.VOICEMAIL, Kind.CALLBACK)
Blocks = Mapping[str, Mapping[str, Any]]
Staffed = Callable[[Mapping[str, Any]], Iterable[str]]


def flow_faults(document: Mapping[str, Any], complete: bool, staff: Staffed) -> Iterator[Finding]:
    """Every fault of the flows. Without `complete`, names that are not there may be in an unread file.

    `staff` gives the agents who may serve a line, by its table.
    """
    for name, flow in _tables(document, "flow"):
        path: Path = ("flow", name)
        blocks = dict(_tables(flow, "block"))
        if not blocks:
            if "start" in flow:
                yield Finding((*path, "start"), "there are no blocks to start with; add [flow.NAME.block.ID] or "
                              "remove it")
            continue
        start = flow.get("start")
        if start is None:
            yield Finding((*path, "start"), f"is missing; say with which block it starts, there are {_some(blocks)}")
        yield from _targets(path, flow, blocks)
        if isinstance(start, str) and start in blocks:
            yield from _unreachable(path, start, blocks)
        yield from _circles(path, blocks)
        for id_, block in blocks.items():
            here = (*path, "block", id_)
            yield from _values(here, block, blocks)
            yield from _languages(here, block, flow)
            if complete:
                yield from _places(here, block, document, staff)


def survey_faults(path: Path, spec: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether the survey of a line, stage or campaign, or of [[after]], is a flow that leads to nobody: it is over."""
    name = spec.get("survey")
    flow = dict(_tables(document, "flow")).get(name) if isinstance(name, str) else None
    if flow is None:
        return  # said by whoever looks for unknown names
    blocks = dict(_tables(flow, "block"))
    if not blocks:
        yield Finding((*path, "survey"), f"the flow {name!r} has no blocks: nobody would be asked; give it some")
    for id_, block in blocks.items():
        if block.get("kind") in _NOT_AFTERWARDS:
            yield Finding((*path, "survey"), f"the flow {name!r} has a block {id_!r} of kind {block['kind']!r}: after "
                          "the talk callers are led to nobody; end it with hangup, or name another flow")


def prompt_faults(document: Mapping[str, Any], catalogue: Catalogue) -> Iterator[Finding]:
    """Prompts that the flows say and the catalogue does not have, or not in a language of the flow."""
    for name, flow in _tables(document, "flow"):
        spoken = _texts(flow, "languages")
        for id_, block in _tables(flow, "block"):
            said = [(key, prompt) for key in _PROMPTS for prompt in _texts(block, key)]
            if block.get("kind") == Kind.CALLBACK:
                said += [("kind", prompt) for prompt in CALLBACK_PROMPTS]
            for key, prompt in said:
                path = ("flow", name, "block", id_, key)
                if prompt == TYPED:
                    continue
                if prompt not in catalogue.texts:
                    yield Finding(path, f"there is no prompt {prompt[:60]!r} in the catalogue; correct it or add "
                                  "it to catalogue.toml of the sounds")
                    continue
                missing = [language for language in spoken if language not in catalogue.texts[prompt]]
                if missing:
                    yield Finding(path, f"the prompt {prompt!r} has no text in {', '.join(missing)}; "
                                  "add it in catalogue.toml of the sounds")


def _tables(spec: object, key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    value = spec.get(key) if isinstance(spec, Mapping) else None
    for name, table in (value.items() if isinstance(value, Mapping) else ()):
        if isinstance(table, Mapping):
            yield name, table


def _texts(spec: Mapping[str, Any], key: str) -> list[str]:
    value = spec.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _some(names: Iterable[str]) -> str:
    shown = [name for name in names if name.isprintable() and len(name) <= 40]
    return ", ".join(shown[:8]) + (" ..." if len(shown) > 8 else "")


def _exits(block: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The ways out of a block: the key of each, and the block it names."""
    if block.get("kind") in ENDS:
        return
    if block.get("kind") in (Kind.MENU, Kind.NUMBER) and isinstance(block.get("choices"), Mapping):
        for key, target in block["choices"].items():
            if isinstance(target, str):
                yield ("choices", key), target
    for key in ("next", "otherwise"):
        if isinstance(block.get(key), str):
            yield (key,), block[key]


def _targets(path: Path, flow: Mapping[str, Any], blocks: Blocks) -> Iterator[Finding]:
    start = flow.get("start")
    wanted: list[tuple[Path, str]] = [((*path, "start"), start)] if isinstance(start, str) else []
    for id_, block in blocks.items():
        wanted += [((*path, "block", id_, *key), target) for key, target in _exits(block)]
    for place, target in wanted:
        if target not in blocks:
            yield Finding(place, f"there is no block {target[:60]!r} in this flow; correct it or add it, "
                          f"there are {_some(blocks)}")


def _unreachable(path: Path, start: str, blocks: Blocks) -> Iterator[Finding]:
    seen, ahead = {start}, [start]
    while ahead:
        for _, target in _exits(blocks[ahead.pop()]):
            if target in blocks and target not in seen:
                seen.add(target)
                ahead.append(target)
    for id_ in blocks:
        if id_ not in seen:
            yield Finding((*path, "block", id_), "is reached from nowhere; lead to it from another block, or remove it")


def _circles(path: Path, blocks: Blocks) -> Iterator[Finding]:
    """Ways round through blocks at which nothing waits for the caller: they would go round without an end."""
    silent = {id_: [target for _, target in _exits(block) if target in blocks] for id_, block in blocks.items()
              if block.get("kind") not in WAITS}
    done: set[str] = set()
    for first in silent:
        way: list[str] = []
        ahead: list[tuple[str, int]] = [(first, 0)]
        while ahead:
            id_, depth = ahead.pop()
            del way[depth:]
            if id_ in way:
                circle = " > ".join([*way[way.index(id_):], id_])
                yield Finding((*path, "block", id_), f"goes round without waiting for the caller: {circle[:200]}; "
                              "put a menu, an input or something said between")
                return
            if id_ in done or id_ not in silent:
                continue
            way.append(id_)
            done.add(id_)
            ahead += [(target, depth + 1) for target in silent[id_]]


def _stored(blocks: Blocks) -> set[str]:
    """The names under which any block of a flow keeps something."""
    names: set[str] = set()
    for id_, block in blocks.items():
        if block.get("kind") in (Kind.INPUT, Kind.SURVEY):
            names.add(block["store"] if isinstance(block.get("store"), str) else id_)
        key = "values" if block.get("kind") == Kind.SET else "store"
        if isinstance(block.get(key), Mapping):
            names |= set(block[key])
    return names


def _values(path: Path, block: Mapping[str, Any], blocks: Blocks) -> Iterator[Finding]:
    stored = _stored(blocks)
    wanted: list[tuple[tuple[str, ...], str]] = []
    if isinstance(block.get("of"), str):
        wanted.append((("of",), block["of"]))
    if isinstance(block.get("url"), str):
        wanted += [(("url",), name) for name in _NAMED.findall(block["url"])]
    if isinstance(block.get("values"), Mapping):
        wanted += [(("values", key), name) for key, text in block["values"].items() if isinstance(text, str)
                   for name in _NAMED.findall(text)]
    for key, name in wanted:
        if name not in stored and name not in _KNOWN:
            yield Finding((*path, *key), f"no block of this flow keeps anything as {name[:60]!r}; there are "
                          f"{_some([*_KNOWN, *sorted(stored)])}")
    least, most = block.get("min", 1), block.get("max", 32)
    if isinstance(least, int) and isinstance(most, int) and least > most:
        yield Finding((*path, "min"), f"is {least}, which is more than max, {most}; turn them round")
    if block.get("kind") == Kind.AGENT and ("agent" in block) == ("of" in block):
        yield Finding(path, "names its agent twice; keep agent or of" if "of" in block
                      else "names no agent; write agent = an id, or of = the name of what a lookup or an input keeps")


def _languages(path: Path, block: Mapping[str, Any], flow: Mapping[str, Any]) -> Iterator[Finding]:
    if block.get("kind") != Kind.LANGUAGE or not isinstance(block.get("choices"), Mapping):
        return
    spoken = _texts(flow, "languages")
    for key, language in block["choices"].items():
        if isinstance(language, str) and language not in spoken:
            yield Finding((*path, "choices", key), f"{language[:60]!r} is not among the languages of the flow; "
                          f"add it to languages of [flow.{path[1]}]")


def _places(path: Path, block: Mapping[str, Any], document: Mapping[str, Any], staff: Staffed) -> Iterator[Finding]:
    if block.get("kind") in _OF_A_LINE and isinstance(block.get("line"), str):
        lines = dict(_tables(document, "line"))
        line = lines.get(block["line"])
        if line is None:
            yield Finding((*path, "line"), f"there is no line {block['line'][:60]!r}; correct it or add [line.NAME], "
                          f"there are {_some(lines)}")
        elif not any(_priority(line, agent) for agent in staff(line)):
            yield Finding((*path, "line"), f"nobody serves line {block['line']!r}: callers would wait without end; "
                          "give it groups or agents")
    agents = dict(_tables(document, "agent"))
    if isinstance(block.get("agent"), str) and block["agent"] not in agents:
        yield Finding((*path, "agent"), f"there is no agent {block['agent'][:60]!r}; correct it or add [agent.ID], "
                      f"there are {_some(agents)}")
    schedules = dict(_tables(document, "schedule"))
    if isinstance(block.get("schedule"), str) and block["schedule"] not in schedules:
        yield Finding((*path, "schedule"), f"there is no schedule {block['schedule'][:60]!r}; correct it or add "
                      "[schedule.NAME]" + (f", there are {_some(schedules)}" if schedules else ""))
    lists = dict(_tables(document, "list"))
    for name in _texts(block, "lists"):
        if name not in lists:
            yield Finding((*path, "lists"), f"there is no list {name[:60]!r}; correct it or add [list.NAME]"
                          + (f", there are {_some(lists)}" if lists else ""))


def _priority(line: Mapping[str, Any], agent: str) -> int:
    given = line.get("priority")
    priority = given.get(agent, 1) if isinstance(given, Mapping) else 1
    return priority if isinstance(priority, int) else 1
