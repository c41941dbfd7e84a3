"""Which prompts the dialplan and the queues play. Looks for no file but the dialplan's own."""

from __future__ import annotations

import re
from pathlib import Path

from fsapp.core.queue_xml import MOH
from fsapp.rules.switch_xml import Node, read_file

__all__ = ["prompts"]

_PROMPT = re.compile(r"\$\$?\{fsapp_sounds\}/([A-Za-z0-9_./-]+)")


def prompts(folder: Path, faults: list[str]) -> list[str]:
    """The files under fsapp_sounds that are named in the *.xml of `folder`, in order. `faults` as in `read_file`."""
    found = dict.fromkeys(_PROMPT.findall(MOH))
    for path in sorted(folder.glob("*.xml")):
        root = read_file(path, faults)
        if root is not None:
            found |= dict.fromkeys(_named(root))
    return list(found)


def _named(node: Node) -> list[str]:
    here = [name for text in node.attributes.values() for name in _PROMPT.findall(text)]
    return here + [name for child in node.children for name in _named(child)]
