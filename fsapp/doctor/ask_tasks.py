"""What Redis says of the calls to customers that are to be made, counted. Judges nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fsapp.core.rules import Rules
from fsapp.core.task_rows import Doing, doing
from fsapp.doctor.facts import NotAsked, OpenTasks
from fsapp.doctor.judge_tasks import LATE_S
from fsapp.errors import StateError
from fsapp.settings import Settings
from fsapp.state.connection import connect
from fsapp.state.tasks import Tasks

__all__ = ["ask_tasks"]

_MOST = 10_000  # of very many the first to be due tell enough


def ask_tasks(settings: Settings, rules: Rules | None) -> OpenTasks | NotAsked:
    if rules is None:
        return NotAsked("no rules are loaded")
    client = connect(settings, 1.0)
    now = datetime.now(UTC)
    count = late = agentless = placeless = 0
    try:
        for task in Tasks(client).every(limit=_MOST):
            count += 1
            lost = (task.agent and task.agent not in rules.agents) or (task.group and task.group not in rules.groups)
            agentless += bool(lost)
            placeless += rules.place(task.place) is None
            since = max(task.due_at, task.tries[-1].at if task.tries else task.due_at)
            late += now - since > timedelta(seconds=LATE_S) and doing(task, rules, now) is Doing.DUE
    except StateError as error:
        return NotAsked(str(error))
    finally:
        client.close()
    return OpenTasks(count, late, agentless, placeless)
