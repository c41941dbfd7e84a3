"""Scenario files: who calls whom, how often, with how much patience, and how agents behave. Checks, runs nothing."""

from __future__ import annotations

import csv
import random
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fsapp.errors import ScenarioError

__all__ = [
    "AgentBehaviour", "Arrival", "Constant", "CustomerBehaviour", "Exponential", "Scenario", "Uniform", "load", "parse",
]

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
# What stands for a random digit in a number.
ANY_DIGIT = "*"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Constant(_Table):
    """Always the same: `{ kind = "constant", seconds = 5 }`."""

    kind: Literal["constant"]
    seconds: Seconds

    def draw(self, rng: random.Random) -> float:
        return self.seconds


class Exponential(_Table):
    """Mostly short, now and then long: `{ kind = "exponential", mean_s = 60, most_s = 600 }`."""

    kind: Literal["exponential"]
    mean_s: Annotated[float, Field(gt=0, le=86_400)]
    most_s: Seconds = 86_400

    def draw(self, rng: random.Random) -> float:
        return min(self.most_s, rng.expovariate(1 / self.mean_s))


class Uniform(_Table):
    """Anything between two: `{ kind = "uniform", low_s = 2, high_s = 8 }`."""

    kind: Literal["uniform"]
    low_s: Seconds
    high_s: Seconds

    @model_validator(mode="after")
    def _in_order(self) -> Uniform:
        if self.low_s > self.high_s:
            raise ValueError(f"low_s {self.low_s:g} is above high_s {self.high_s:g}")
        return self

    def draw(self, rng: random.Random) -> float:
        return rng.uniform(self.low_s, self.high_s)


Duration = Annotated[Constant | Exponential | Uniform, Field(discriminator="kind")]


class Arrival(_Table):
    """Calls of one number: so many a minute at random moments, or at exact times (seconds from the start).

    Who calls: one of `callers`, in which every `*` is a random digit; or, first and in turn, the numbers of the CSV
    file `contacts` (column `number`, path from the scenario's folder); or nobody known, with `anonymous_share`.
    """

    called: Annotated[str, Field(min_length=1, max_length=64)]
    per_minute: Annotated[float, Field(gt=0, le=60_000)] | None = None
    times: tuple[Seconds, ...] = ()
    callers: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()
    contacts: str | None = None
    anonymous_share: Share = 0
    known: tuple[str, ...] = Field((), exclude=True)

    @model_validator(mode="after")
    def _complete(self) -> Arrival:
        if (self.per_minute is None) == (not self.times):
            raise ValueError("give either per_minute or times")
        if not self.callers and self.contacts is None and self.anonymous_share < 1:
            raise ValueError('say who calls: callers = ["+38160*******"], contacts = "FILE.csv" or anonymous_share = 1')
        return self

    def caller(self, rng: random.Random) -> str:
        """The number of the next caller."""
        if rng.random() < self.anonymous_share:
            return "anonymous"
        pool = [*self.known, *self.callers]
        chosen = rng.choice(self.known if self.known and rng.random() < 0.5 or not self.callers else pool)
        return "".join(rng.choice("0123456789") if char == ANY_DIGIT else char for char in chosen)


class AgentBehaviour(_Table):
    """What an agent does with an offer; the shares add up to at most 1, the rest is answered."""

    answer: Duration = Uniform(kind="uniform", low_s=1, high_s=6)
    no_answer_share: Share = 0
    busy_share: Share = 0
    reject_share: Share = 0
    ring_s: Seconds = 20
    caller_ends_share: Share = 0.5
    wrap_up_s: Annotated[int, Field(ge=0, le=3600)] = 5
    max_no_answer: Annotated[int, Field(ge=0, le=100)] = 3
    back_after_s: Seconds = 60

    @model_validator(mode="after")
    def _shares(self) -> AgentBehaviour:
        if self.no_answer_share + self.busy_share + self.reject_share > 1:
            raise ValueError("no_answer_share, busy_share and reject_share add up to more than 1")
        return self


class CustomerBehaviour(_Table):
    """What customers do who are called; the shares add up to at most 1, the rest answers and talks for `talk`.

    `keys`: of these one by chance is what a customer presses at each question of a survey call; empty: none.
    """

    answer: Duration = Uniform(kind="uniform", low_s=3, high_s=12)
    talk: Duration = Uniform(kind="uniform", low_s=20, high_s=90)
    no_answer_share: Share = 0
    busy_share: Share = 0
    reject_share: Share = 0
    keys: Annotated[str, Field(pattern="^[0-9*#]*$", max_length=20)] = ""

    @model_validator(mode="after")
    def _shares(self) -> CustomerBehaviour:
        if self.no_answer_share + self.busy_share + self.reject_share > 1:
            raise ValueError("no_answer_share, busy_share and reject_share add up to more than 1")
        return self


class Scenario(_Table):
    """One scenario. It ends after `calls` calls or `duration_s` seconds of lab time, and when all calls have ended."""

    speed: Annotated[float, Field(gt=0, le=1000)] = 1
    seed: int = 1
    calls: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    duration_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    patience: Duration = Exponential(kind="exponential", mean_s=180)
    callback_share: Share = 0  # of those whose patience is over: who ask to be called back, where that is offered
    talk: Duration = Uniform(kind="uniform", low_s=20, high_s=90)
    agents: AgentBehaviour = AgentBehaviour()
    agent: dict[str, dict[str, Any]] = {}
    customers: CustomerBehaviour | None = None  # without them there is no way outside
    arrival: Annotated[tuple[Arrival, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _ends(self) -> Scenario:
        if self.calls is None and self.duration_s is None and any(a.per_minute for a in self.arrival):
            raise ValueError("give calls or duration_s, or it never ends")
        return self

    def behaviour(self, agent: str) -> AgentBehaviour:
        """How one agent behaves: [agents], and what [agent.ID] says instead."""
        return AgentBehaviour.model_validate({**self.agents.model_dump(), **self.agent.get(agent, {})})


def load(path: str | Path) -> Scenario:
    """The scenario of a file. ScenarioError with every fault, by key."""
    file = Path(path)
    try:
        return parse(file.read_text(encoding="utf-8"), str(file), file.parent)
    except OSError as error:
        raise ScenarioError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ScenarioError(f"{file}: is not UTF-8 text") from None


def parse(text: str, name: str = "scenario", folder: Path = Path()) -> Scenario:
    """The scenario of a text; `folder` is where the files it names are."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{name}: is not TOML: {error}") from None
    faults: list[str] = []
    arrivals = document.get("arrival")
    for index, arrival in enumerate(arrivals if isinstance(arrivals, list) else ()):
        if isinstance(arrival, dict):
            arrival.pop("known", None)
            if isinstance(arrival.get("contacts"), str):
                arrival["known"] = _numbers(folder / arrival["contacts"], f"{name}: arrival.{index + 1}", faults)
    scenario = None
    try:
        scenario = Scenario.model_validate(document)
        for agent in scenario.agent:
            try:
                scenario.behaviour(agent)
            except ValidationError as error:
                faults += _lines(error, name, f"agent.{agent}.")
    except ValidationError as error:
        faults += _lines(error, name, "")
    if faults or scenario is None:
        raise ScenarioError("the scenario is wrong", faults)
    return scenario


def _lines(error: ValidationError, name: str, prefix: str) -> list[str]:
    lines = []
    for item in error.errors():
        parts = [str(part + 1) if isinstance(part, int) else part for part in item["loc"]]
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = "no such key here"
        where = f"{name}: {prefix}{'.'.join(parts)}".rstrip(". ")
        lines.append(f"{where}: {message}")
    return lines


def _numbers(path: Path, where: str, faults: list[str]) -> tuple[str, ...]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            found = tuple(number for row in rows if (number := (row.get("number") or "").strip()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(f"{where}.contacts: {path}: cannot be read: {error}")
        return ("+381600000000",)
    if not found:
        faults.append(f"{where}.contacts: {path}: has no numbers; the column must be called number")
    return found
