"""Judges a rules document as a whole: every fault and every warning at once. Loads nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fsapp.core.rules import Rules
from fsapp.errors import RulesError
from fsapp.rules.after import after_faults, after_warnings
from fsapp.rules.choosing import choosing_faults, choosing_warnings
from fsapp.rules.finding import Finding
from fsapp.rules.flow_schema import BLOCKS
from fsapp.rules.flows import prompt_faults
from fsapp.rules.folder import Folder, Path, key_text, read_folder
from fsapp.rules.references import references, warnings
from fsapp.rules.schema import Document, known_keys
from fsapp.sounds.catalogue import Catalogue

__all__ = ["Checked", "check", "check_document", "load_folder"]


@dataclass(frozen=True, slots=True)
class Checked:
    """One line for each fault and warning (where, the key, what is wrong and what to do), and the document.

    The document is in canonical order; it is empty when there are faults, so nothing faulty can go further.
    """

    document: dict[str, Any]
    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def check(folder: str | FilePath, catalogue: Catalogue | None = None) -> Checked:
    """Everything that is wrong with the rules in `folder`, all its `*.toml` taken together. Raises nothing.

    Without a catalogue nobody looks whether the prompts are there.
    """
    return _judge(read_folder(folder), str(folder), catalogue)


def check_document(document: Mapping[str, Any], source: str) -> Checked:
    """The same for a document that came from elsewhere; `source` stands in place of the file."""
    return _judge(Folder(document=dict(document)), source)


def load_folder(folder: str | FilePath) -> dict[str, Any]:
    """The document of a folder. RulesError with every fault if there is one."""
    checked = check(folder)
    if checked.faults:
        raise RulesError(f"the rules in {folder} are refused", checked.faults)
    return checked.document


def _judge(folder: Folder, source: str, catalogue: Catalogue | None = None) -> Checked:
    if not folder.document and not folder.complete:
        return Checked({}, tuple(folder.faults), ())
    found = [*_shape(folder), *references(folder.document, folder.complete),
             *choosing_faults(folder.document, folder.complete), *after_faults(folder.document, folder.complete)]
    if catalogue is not None:
        found += prompt_faults(folder.document, catalogue)
    faults = (*folder.faults, *_lines(found, folder, source))
    if faults:
        return Checked({}, faults, ())
    document = _canonical(folder.document)
    rules = Rules.from_document(document)
    hints = _lines(
        [*warnings(rules), *choosing_warnings(rules, folder.document), *after_warnings(rules)], folder, source)
    return Checked(document, (), hints)


def _canonical(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same in alphabetical order, so that how files are split and tables are ordered means nothing anywhere."""
    ordered = {
        key: _canonical(value) if isinstance(value, Mapping) else value for key, value in sorted(document.items())
    }
    for key in ("check", "after"):
        if isinstance(ordered.get(key), list):
            ordered[key] = [_canonical(entry) for entry in ordered[key]]
    if isinstance(ordered.get("number"), list):
        ordered["number"] = sorted(
            (dict(sorted(entry.items())) for entry in ordered["number"]), key=lambda entry: entry["number"])
    return ordered


def _lines(findings: Iterable[Finding], folder: Folder, source: str) -> tuple[str, ...]:
    """One line a finding, in the order of files and lines."""
    placed = []
    for path, message in findings:
        origin = folder.origin(path)
        order = (origin.file, origin.line or 0) if origin else ("", 0)
        where = str(origin) if origin else source if source.isprintable() else repr(source)
        placed.append((order, f"{where}: {key_text(path, folder.document)}: {message}"))
    return tuple(dict.fromkeys(line for _, line in sorted(placed, key=lambda item: item[0])))


def _shape(folder: Folder) -> list[Finding]:
    try:
        Document.model_validate(folder.document)
    except ValidationError as error:
        details = error.errors(include_url=False)
    else:
        return []
    found = []
    for item in details:
        place = tuple(part for part in item["loc"] if part != "[key]")
        # A block's kind stands behind its id there, and nowhere in a file.
        path = (*place[:4], *place[5:]) if place[0] == "flow" and place[2:3] == ("block",) else place
        if item["type"] != "missing" or path != ("centre",) or folder.complete:
            found.append(Finding(path, _message(item, path, place)))
    return found


_TYPES = {
    "string_type": "text; write it in quotes",
    "int_type": "a whole number; write it without quotes and point",
    "bool_type": "true or false; write it without quotes",
    "list_type": "a list; write it in square brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def _message(item: ErrorDetails, path: Path, place: Path) -> str:
    """What is wrong; `place` is the path as the schema has it."""
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return f"is not known here; correct or remove it, there are {', '.join(known_keys(place))}"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        given = "has no kind" if kind == "union_tag_not_found" else f"is of no kind {_shown(context.get('tag'))}"
        return f"{given}; write kind = one of {', '.join(repr(name) for name in BLOCKS)}"
    if kind in ("too_short", "too_long"):
        too_many = f"has too many; at most {context.get('max_length')}"
        return "is empty; name at least one" if kind == "too_short" else too_many
    if kind == "missing":
        return f"is missing; {_how(path)}"
    if kind in _TYPES:
        form = f"a list; write [[{path[0]}]]" if path in (("number",), ("check",), ("after",)) else _TYPES[kind]
        return f"is {_shown(value)}, and must be {form}"
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        return f"is {_shown(value)}; write {bound}"
    if kind == "literal_error":
        return f"is {_shown(value)}; write {context['expected']}"
    message = item["msg"].removeprefix("Value error, ")
    # A key's own name stands in front of the message already.
    return message if item["loc"][-1] == "[key]" else f"{_shown(value)} {message}"


def _how(path: Path) -> str:
    if path == ("centre",):
        return 'add a table [centre] with region = "RS" or another country'
    if path[-1] == "stage":
        return f"add at least one [campaign.{path[1]}.stage.NAME]"
    return f"add {path[-1]} = ..."


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    text = str(value) if not isinstance(value, int) or value.bit_length() < 200 else "a huge number"
    return text if len(text) <= 60 else text[:57] + "..."
