"""How flows were left; what happened in a period found without reading all of a table, for reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "flow_ends",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("interaction_id", sa.String, nullable=False),
        sa.Column("flow", sa.String, nullable=False),
        sa.Column("block", sa.String),
        sa.Column("end", sa.String),
        sa.Column("at", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(
            ["interaction_id"], ["interactions.id"], name="fk_flow_ends_interaction_id_interactions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_flow_ends"),
    )
    op.create_index("ix_flow_ends_interaction_id", "flow_ends", ["interaction_id"])
    op.create_index("ix_flow_ends_at", "flow_ends", ["at"])
    op.create_index("ix_queue_stays_joined_at", "queue_stays", ["joined_at"])
    op.create_index("ix_attempts_at", "attempts", ["at"])
    op.create_index("ix_tasks_made_at", "tasks", ["made_at"])
