"""Where the switch's modules get their configuration from: the script bound to it, then its file. Loads nothing.

Behaviour as of FreeSWITCH 1.10.12 (switch_xml_locate): an answer that is empty, no XML or the "not found" document
leads on to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree

from fsapp.log import get_logger

__all__ = ["Configuration"]

_log = get_logger("lab")
Params = Sequence[tuple[str, str]]


class Configuration:
    """`ask` gets the parameters of a look-up and answers with a document, or nothing; `files` are XML texts by name.

    A document that declares entities or a DTD is refused: nothing is ever expanded.
    """

    def __init__(self, ask: Callable[[Params], str], files: Mapping[str, str] | None = None) -> None:
        self._ask = ask
        self.files = dict(files or {})

    def find(self, name: str, params: Params = ()) -> ElementTree.Element | None:
        """The element `configuration` of this name, asked for with these further parameters; None: there is none."""
        asked = [
            ("key_value", name), ("key_name", "name"), ("tag_name", "configuration"), ("section", "configuration"),
            *params,
        ]
        found = _element(_parsed(self._ask(asked), name), name)
        if found is None and name in self.files:
            found = _element(_parsed(self.files[name], name), name)
        if found is None:
            _log.error("configuration_not_found", name=name)
        return found


def _parsed(text: str, name: str) -> ElementTree.Element | None:
    if not text.strip():
        return None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        _log.error("configuration_refused", name=name, reason="it declares a document type or entities")
        return None
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        _log.error("configuration_unreadable", name=name, error=str(error))
        return None


def _element(root: ElementTree.Element | None, name: str) -> ElementTree.Element | None:
    if root is None:
        return None
    if root.tag == "configuration":
        return root if root.get("name") == name else None
    for section in root.findall("section"):
        if section.get("name") == "configuration":
            found = next((item for item in section.findall("configuration") if item.get("name") == name), None)
            if found is not None:
                return found
    return None
