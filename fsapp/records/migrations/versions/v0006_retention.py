"""What is too old found without reading all of a table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    for table in ("decisions", "notes", "voicemails", "surveys", "dispositions", "customer_events"):
        op.create_index(f"ix_{table}_at", table, ["at"])
    op.create_index("ix_call_states_changed_at", "call_states", ["changed_at"])
    op.create_index("ix_contacts_state_changed_at", "contacts", ["state", "changed_at"])
    # Most rows of these are over; of those that are not there is nothing to find.
    for table, column in (("tickets", "closed_at"), ("tasks", "closed_at"), ("agent_sessions", "ended_at"),
                          ("agent_breaks", "ended_at")):
        over = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], sqlite_where=over, postgresql_where=over)
