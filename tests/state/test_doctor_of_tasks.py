"""What `fsapp doctor` asks of tasks."""

from datetime import UTC, datetime, timedelta

from fsapp.core.rules import Rules
from fsapp.core.task import Task, TaskKind
from fsapp.core.task_life import Changed
from fsapp.doctor.ask_tasks import ask_tasks
from fsapp.doctor.facts import NotAsked, OpenTasks
from fsapp.rules import load_folder
from fsapp.state.tasks import Tasks

RULES = Rules.from_document(load_folder("conf/rules"))


def test_tasks_are_counted(redis_server, redis_client):
    now = datetime.now(UTC)
    for place, more in enumerate([
        {}, {"agent": "1004", "due_at": now - timedelta(hours=2)}, {"due_at": now - timedelta(hours=2), "call": "c"},
        {"agent": "gone"}, {"group": "gone"}, {"place": "gone"},
    ]):
        task = Task(**{"id": f"t{place}", "kind": TaskKind.AGAIN, "number": f"+38160123456{place}", "place": "helpdesk",
                       "due_at": now, "expires_at": now + timedelta(hours=9), "made_at": now} | more)
        Tasks(redis_client).change(task.number, lambda _known, task=task: Changed((task,), task))
    assert ask_tasks(redis_server.settings, RULES) == OpenTasks(6, 1, 2, 1)
    assert isinstance(ask_tasks(redis_server.settings, None), NotAsked)
