"""The project's dialplan XML: reading a folder and finding the actions for a call. Executes nothing."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol
from xml.etree import ElementTree

from fsapp.errors import DialplanError

__all__ = ["Action", "Dialplan", "load_folder", "parse"]

_BREAKS = ("on-false", "on-true", "always", "never")
_GLOBAL = re.compile(r"\$\$\{([^{}]*)\}")
_CAPTURE = re.compile(r"\$([0-9])")


class Action(NamedTuple):
    application: str
    data: str
    inline: bool = False


class Caller(Protocol):
    """What a condition may look at."""

    def expand(self, text: str) -> str: ...

    def profile_field(self, name: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """`expression` None: always true."""

    field: str
    expression: re.Pattern[str] | None
    stops: str
    actions: tuple[Action, ...]
    anti_actions: tuple[Action, ...]

    def matches(self, caller: Caller) -> re.Match[str] | bool:
        if self.expression is None:
            return True
        value = caller.expand(self.field) if "$" in self.field else caller.profile_field(self.field)
        return self.expression.search(value) or False


@dataclass(frozen=True, slots=True)
class Extension:
    name: str
    goes_on: bool
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Dialplan:
    """Extensions by context, in the order of their files. `variables`: what their X-PRE-PROCESS set, and was given."""

    contexts: Mapping[str, tuple[Extension, ...]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)

    def hunt(self, context: str, caller: Caller, inline: Callable[[Action], None]) -> list[Action]:
        """The actions for a call, captures filled in, variables not; empty when no extension matches.

        `inline` runs an action marked so while the hunt is on, as later conditions may look at what it sets.
        """
        found: list[Action] = []
        for extension in self.contexts.get(context, ()):
            if _try(extension, caller, inline, found) and not extension.goes_on:
                break
        return found


def _try(extension: Extension, caller: Caller, inline: Callable[[Action], None], found: list[Action]) -> bool:
    proceed = False
    for condition in extension.conditions:
        match = condition.matches(caller)
        proceed = bool(match)
        actions = condition.actions if match else condition.anti_actions
        for action in actions:
            proceed = True
            if isinstance(match, re.Match):
                action = action._replace(data=_fill(action.data, match))
            if action.inline:
                inline(action)
            else:
                found.append(action)
        if condition.stops == "always" or condition.stops == ("on-true" if match else "on-false"):
            break
    return proceed


def _fill(data: str, match: re.Match[str]) -> str:
    groups = match.re.groups
    return _CAPTURE.sub(lambda c: (match[int(c[1])] or "") if int(c[1]) <= groups else "", data)


def load_folder(folder: str | Path, variables: Mapping[str, str] | None = None) -> Dialplan:
    """Every *.xml of a folder in the order of their names; bare extensions belong to the context named as their file.

    `variables` win over the files' own X-PRE-PROCESS set. A `recordings_dir` is always there, as in a real switch: a
    folder of this process among the temporary ones unless another is given. DialplanError with every fault, by file.
    """
    variables = {"recordings_dir": f"{tempfile.gettempdir()}/fsapp-lab-{os.getpid()}/recordings", **(variables or {})}
    path = Path(folder)
    files = sorted(path.glob("*.xml"))
    if not files:
        raise DialplanError(f"{path}: no dialplan here: give the folder that holds public.xml with --dialplan")
    texts, faults = {}, []
    for file in files:
        try:
            texts[file] = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            faults.append(f"{file}: cannot be read: {error}")
    if faults:
        raise DialplanError("the dialplan cannot be read", faults)
    return parse({str(file): text for file, text in texts.items()}, variables)


def parse(texts: Mapping[str, str], variables: Mapping[str, str] | None = None) -> Dialplan:
    """A dialplan from XML texts by file name; see load_folder."""
    faults: list[str] = []
    roots: dict[str, ElementTree.Element] = {}
    for name, text in texts.items():
        try:
            roots[name] = ElementTree.fromstring(text)
        except ElementTree.ParseError as error:
            faults.append(f"{name}: is not well-formed XML: {error}")
    values = _settings(roots, dict(variables or {}), faults)
    contexts: dict[str, list[Extension]] = {}
    for name, root in roots.items():
        loader = _Loader(name, values, faults)
        for context in [root] if root.tag == "context" else list(root.iter("context")):
            contexts.setdefault(context.get("name", ""), []).extend(loader.extensions(context))
        bare = [] if root.tag == "context" else loader.extensions(root)
        if bare:
            contexts.setdefault(Path(name).stem, []).extend(bare)
    if faults:
        raise DialplanError("the dialplan is wrong", faults)
    return Dialplan({name: tuple(extensions) for name, extensions in contexts.items()}, values)


def _settings(roots: Mapping[str, ElementTree.Element], given: dict[str, str], faults: list[str]) -> dict[str, str]:
    values = dict(given)
    for name, root in roots.items():
        for line in root.iter("X-PRE-PROCESS"):
            command, data = line.get("cmd", ""), line.get("data", "")
            if command == "set" and "=" in data:
                key, _, value = data.partition("=")
                if key not in given:
                    values[key] = _globals(value, values)
            elif command != "include":  # the whole folder is read anyway
                faults.append(f"{name}: X-PRE-PROCESS {command} {data!r}: the lab knows only set and include")
    return values


def _globals(text: str, values: Mapping[str, str]) -> str:
    return _GLOBAL.sub(lambda found: values.get(found[1], ""), text)


class _Loader:
    """The extensions of one file."""

    def __init__(self, file: str, values: Mapping[str, str], faults: list[str]) -> None:
        self._file = file
        self._values = values
        self._faults = faults

    def extensions(self, parent: ElementTree.Element) -> list[Extension]:
        return [
            Extension(
                extension.get("name", ""), extension.get("continue") == "true",
                tuple(self._condition(extension.get("name", ""), c) for c in extension.findall("condition")),
            )
            for extension in parent.findall("extension")
        ]

    def _condition(self, extension: str, element: ElementTree.Element) -> Condition:
        where = f"{self._file}: extension {extension}"
        stops = element.get("break", "on-false")
        if stops not in _BREAKS:
            self._faults.append(f"{where}: break={stops!r} is none of {', '.join(_BREAKS)}")
        foreign = set(element.keys()) - {"field", "expression", "break"}
        if foreign:
            self._faults.append(f"{where}: the lab does not know the attribute {', '.join(sorted(foreign))}")
        if element.find("condition") is not None:
            self._faults.append(f"{where}: the lab does not know conditions within conditions")
        expression = None
        if element.get("field") is not None:
            try:
                expression = re.compile(_globals(element.get("expression", ""), self._values))
            except re.error as error:
                self._faults.append(f"{where}: expression {element.get('expression')!r}: {error}")
        return Condition(
            _globals(element.get("field", ""), self._values), expression, stops, self._actions(element, "action"),
            self._actions(element, "anti-action"),
        )

    def _actions(self, element: ElementTree.Element, tag: str) -> tuple[Action, ...]:
        return tuple(
            Action(action.get("application", ""), _globals(action.get("data", ""), self._values),
                   action.get("inline") == "true")
            for action in element.findall(tag)
        )
