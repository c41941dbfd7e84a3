"""What follows from interactions: which have been looked at, and what is to be done."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
_TO_FOLLOW = sa.text("followed_at IS NULL AND ended_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("interactions", sa.Column("followed_at", sa.Double))
    # Nothing follows any more from what ended before there were rules for it.
    op.execute("UPDATE interactions SET followed_at = ended_at WHERE ended_at IS NOT NULL")
    op.create_index(
        "ix_interactions_to_follow", "interactions", ["ended_at"], sqlite_where=_TO_FOLLOW, postgresql_where=_TO_FOLLOW)
    op.create_table(
        "followups",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("interaction_id", sa.String, nullable=False),
        sa.Column("rule", sa.String),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("target", sa.String),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("tries", sa.Integer, server_default="0", nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("next_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("error", sa.String),
        sa.Column("payload", _JSON),
        sa.Column("rules", sa.Integer),
        sa.ForeignKeyConstraint(
            ["interaction_id"], ["interactions.id"], name="fk_followups_interaction_id_interactions",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_followups"),
    )
    op.create_index("ix_followups_interaction_id", "followups", ["interaction_id"])
    op.create_index("ix_followups_state_kind_target_next_at", "followups", ["state", "kind", "target", "next_at"])
    op.create_index("ix_followups_made_at", "followups", ["made_at"])
