"""Reads the switch's XML files with the line of every element. Judges nothing but the XML itself; expands no entity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

__all__ = ["Node", "expand", "read_file", "variables"]

_GLOBAL = re.compile(r"\$\$\{([^{}]*)\}")
_MAX_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class Node:
    """An element: its attributes as written, and where it stands."""

    tag: str
    attributes: dict[str, str]
    where: str
    children: list[Node] = field(default_factory=list)

    def get(self, name: str) -> str:
        return self.attributes.get(name, "")

    def all(self, tag: str) -> Iterator[Node]:
        """Every element of that name at or below this one, in order."""
        if self.tag == tag:
            yield self
        for child in self.children:
            yield from child.all(tag)


class _Forbidden(Exception):
    """The file declares an entity."""


def read_file(path: Path, faults: list[str]) -> Node | None:
    """The root of an XML file, or None with a line in `faults` that says where it is wrong."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        faults.append(f"{path}: cannot be read: {error.strerror}")
        return None
    if len(data) > _MAX_BYTES:
        faults.append(f"{path}: is larger than {_MAX_BYTES} bytes: this is no dialplan")
        return None
    parser = expat.ParserCreate()
    top = Node("", {}, str(path))
    stack = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = Node(tag, attributes, f"{path}:{parser.CurrentLineNumber}")
        stack[-1].children.append(node)
        stack.append(node)

    def forbid(*_: object) -> None:
        raise _Forbidden

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: stack.pop()
    parser.EntityDeclHandler = forbid
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        faults.append(f"{path}:{error.lineno}: is not well-formed XML: {expat.ErrorString(error.code)}; mend this line")
        return None
    except _Forbidden:
        faults.append(f"{path}:{parser.CurrentLineNumber}: declares an entity: remove the DOCTYPE")
        return None
    return top.children[0]


def variables(root: Node, known: dict[str, str]) -> dict[str, Node]:
    """The elements that set a variable for the whole switch, by its name; their values go into `known`, expanded."""
    found = {}
    for node in root.all("X-PRE-PROCESS"):
        name, equals, value = node.get("data").partition("=")
        if node.get("cmd") == "set" and equals:
            found[name.strip()] = node
            known[name.strip()] = expand(value.strip(), known)
    return found


def expand(text: str, known: dict[str, str]) -> str:
    """`text` with every $${NAME} that is known filled in; others stay as they are."""
    return _GLOBAL.sub(lambda match: known.get(match[1], match[0]), text)
