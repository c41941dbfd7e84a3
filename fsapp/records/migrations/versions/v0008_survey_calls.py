"""Survey calls: which flow a task and its tries are for, about which interaction, and in which call it was answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("flow", sa.String))
    op.add_column("tasks", sa.Column("about_id", sa.String))
    op.add_column("attempts", sa.Column("flow", sa.String))
    op.add_column("surveys", sa.Column("call_id", sa.String))
    op.execute("UPDATE surveys SET call_id = interaction_id")
    op.create_index("ix_surveys_call_id", "surveys", ["call_id"])
    op.create_index("ix_tasks_about_id", "tasks", ["about_id"])
