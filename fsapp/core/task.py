"""A task as a value: an outbound attempt that is due at a time, what was tried of it, and how it ended. No behaviour.

What makes, changes and ends tasks is in `task_life`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

__all__ = ["HIDDEN", "Task", "TaskKind", "TaskState", "Try", "TryOutcome"]


HIDDEN = "hidden"  # as `Task.asked_by`: callers without a number, all of them


class TaskKind(StrEnum):
    """Where a task came from."""

    IMPORTED = "imported"    # a row of a file, with a time
    AGAIN = "again"          # an agent's "call again"
    REQUESTED = "requested"  # a caller asked to be called back
    LOST = "lost"            # a caller gave up waiting
    SURVEY = "survey"        # a flow asks how a call was, no agent


class TaskState(StrEnum):
    OPEN = "open"
    DONE = "done"            # they talked, or the flow has asked
    FAILED = "failed"        # no tries are left
    EXPIRED = "expired"      # it took too long
    CANCELLED = "cancelled"  # by somebody, or as the customer got through otherwise


class TryOutcome(StrEnum):
    """How a try at a task ended."""

    TALKED = "talked"
    ASKED = "asked"              # the customer answered, and a flow has begun to ask
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"  # no such number, no way there, the phone is off
    GIVEN_UP = "given-up"        # the agent hung up before the customer answered
    FAILED = "failed"            # on our side


class Try(NamedTuple):
    """One try. `responsible`: whose task it was then; `agent`: who was reserved for it. `cause`: the switch's word."""

    id: str
    at: datetime
    outcome: TryOutcome
    responsible: str | None = None
    agent: str | None = None
    cause: str = ""
    talked_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """An outbound attempt that is due. `number`: the customer's, in E.164. `place`: the id of a stage or line.

    `agent`: the responsible agent; else `group`; both None: anyone's of the place. `due_at`: when it is to be tried
    next. `caller_id`: the number of ours that the customer sees. `base_score` and `since`: the place in the queue that
    is kept, as the score of one who has waited since then; None: what a callback has. `tries_left`: after those there
    are. `call`: the uuid of the call that stands in the queue for it now. `closed_at` and `why`: of one not open.
    `batch`: of the import that has made it (`state.imports`), 0 for none. `asked_by`: the number of the caller who has
    asked for it, where that is another than `number`, HIDDEN where there is none. `flow`: which one asks the customer
    who has answered; such a task is nobody's and never stands in a queue. `about`: the interaction that it asks about,
    or the call that was lost or in which the callback was asked for; `about_agent`: who had talked there, of a survey.
    """

    id: str
    kind: TaskKind
    number: str
    place: str
    due_at: datetime
    expires_at: datetime
    made_at: datetime
    state: TaskState = TaskState.OPEN
    agent: str | None = None
    group: str | None = None
    caller_id: str | None = None
    contact: str | None = None
    base_score: int | None = None
    since: datetime | None = None
    tries_left: int = 1
    tries: tuple[Try, ...] = ()
    made_by: str = ""
    name: str = ""
    language: str = ""
    note: str = ""
    call: str | None = None
    closed_at: datetime | None = None
    why: str = ""
    batch: int = 0
    asked_by: str = ""
    flow: str = ""
    about: str = ""
    about_agent: str = ""

    @property
    def open(self) -> bool:
        return self.state is TaskState.OPEN

    @property
    def campaign(self) -> str | None:
        """That of a stage's task; None of a line's."""
        return self.place.partition("/")[0] if "/" in self.place else None

    @property
    def stage(self) -> str | None:
        return self.place.partition("/")[2] or None

    @property
    def line(self) -> str | None:
        return None if "/" in self.place else self.place
