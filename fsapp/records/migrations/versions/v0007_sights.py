"""When switches were seen to be there."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "switch_sights",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("switch", sa.String, nullable=False),
        sa.Column("run", sa.String),
        sa.Column("started_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_switch_sights"),
    )
    op.create_index("ix_switch_sights_switch_seen_at", "switch_sights", ["switch", "seen_at"])
    op.create_index("ix_switch_sights_seen_at", "switch_sights", ["seen_at"])
