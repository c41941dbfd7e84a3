"""Tokens of the web; surveys by number; rows of a customer found without reading all of a table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "web_tokens",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("may", sa.String, nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_web_tokens"),
    )
    op.create_index("ix_surveys_number_at", "surveys", ["number", "at"])
    op.create_index("ix_attempts_customer_id", "attempts", ["customer_id"])
    op.create_index("ix_tasks_customer_id", "tasks", ["customer_id"])
    op.create_index("ix_voicemails_customer_id", "voicemails", ["customer_id"])
    op.create_index("ix_customer_events_customer_id", "customer_events", ["customer_id"])
