"""What mod_python3 gives its scripts, in the few parts that ours use: for tests without a switch. No tests."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Freeswitch", "Params", "Session"]


class Freeswitch:
    """The module `freeswitch` of a switch with these global variables; `said` are its log lines."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables = dict(variables or {})
        self.said: list[tuple[str, str]] = []

    def API(self) -> Freeswitch:  # noqa: N802  the switch's name
        return self

    def execute(self, command: str, argument: str) -> str:
        assert command == "global_getvar"
        return self.variables.get(argument, "")

    def consoleLog(self, level: str, line: str) -> None:  # noqa: N802  the switch's name
        line.encode()  # a lone surrogate would end the switch
        self.said.append((level, line))


class Session:
    """One call: what its variables are, and where it went."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = dict(variables)
        self.went: list[str] = []

    def getVariable(self, name: str) -> str | None:  # noqa: N802  the switch's name
        return self.variables.get(name) or None

    def setVariable(self, name: str, value: str) -> None:  # noqa: N802  the switch's name
        value.encode()
        if value:
            self.variables[name] = value
        else:
            self.variables.pop(name, None)

    def transfer(self, extension: str, dialplan: str, context: str) -> int:
        self.went.append(f"{extension} {dialplan} {context}")
        return 1

    def hangup(self, cause: str) -> None:
        self.went.append(f"hangup {cause}")


class Params:
    """The headers of a look-up of configuration."""

    def __init__(self, **headers: str) -> None:
        self._headers = {name.replace("_", "-") if name.startswith("CC") else name: v for name, v in headers.items()}

    def getHeader(self, name: str) -> str | None:  # noqa: N802  the switch's name
        return self._headers.get(name)
