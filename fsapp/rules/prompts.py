"""Which prompts are played: by dialplan, queues, flows, and of the wait. Looks for no file but the dialplan's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fsapp.core.flow.blocks import CALLBACK_PROMPTS, Flow, Kind, prompts_of
from fsapp.core.flow.steps import TYPED
from fsapp.core.queue_xml import MOH
from fsapp.core.rules import Rules
from fsapp.core.speech import say_digits, say_press, spoken
from fsapp.rules.switch_xml import Node, read_file

__all__ = ["flow_prompts", "prompts", "told_prompts"]

_PROMPT = re.compile(r"\$\$?\{fsapp_sounds\}/([A-Za-z0-9_./-]+)")


def prompts(folder: Path, faults: list[str]) -> list[str]:
    """The files under fsapp_sounds that are named in the *.xml of `folder`, in order. `faults` as in `read_file`."""
    found = dict.fromkeys(_PROMPT.findall(MOH))
    for path in sorted(folder.glob("*.xml")):
        root = read_file(path, faults)
        if root is not None:
            found |= dict.fromkeys(_named(root))
    return list(found)


def flow_prompts(flows: Iterable[Flow]) -> list[str]:
    """The files that flows play: LANGUAGE/PROMPT.wav, or PROMPT.wav in what the switch speaks where none is named."""
    found: dict[str, None] = {}
    for flow in flows:
        folders = [f"{language}/" for language in sorted(_languages(flow))] or [""]
        said = (prompt for block in flow.blocks.values() for _, prompt in prompts_of(block))
        for prompt in dict.fromkeys(said):
            names = [f"number-{digit}" for digit in range(10)] if prompt == TYPED else [prompt]
            found |= dict.fromkeys(f"{folder}{name}.wav" for name in names for folder in folders)
    return list(found)


def told_prompts(rules: Rules) -> list[str]:
    """The files that tell callers their place, wait and key, and ask who presses it; none where nobody is told.

    Named as those of flows, in what the switch speaks, and in each language that a caller may have chosen in a flow.
    """
    places = (*rules.stages.values(), *rules.lines.values())
    names: set[str] = set()
    if any(place.telling for place in places):
        names |= {name for name in spoken() if not name.startswith("press-")}
    for key in {place.calling_back.key for place in places} - {""}:
        names |= {"callback-offer", *say_press(key, ""), *CALLBACK_PROMPTS, *say_digits("0123456789", "")} - {TYPED}
    folders = ["", *(f"{one}/" for one in sorted({one for flow in rules.flows.values() for one in _languages(flow)}))]
    return [f"{folder}{name}.wav" for folder in folders for name in sorted(names)]


def _languages(flow: Flow) -> set[str]:
    return {*flow.languages, *(language for block in flow.blocks.values() if block.kind is Kind.LANGUAGE
                               for language in block.choices.values())}


def _named(node: Node) -> list[str]:
    here = [name for text in node.attributes.values() for name in _PROMPT.findall(text)]
    return here + [name for child in node.children for name in _named(child)]
