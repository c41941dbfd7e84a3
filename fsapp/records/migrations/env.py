"""How alembic reaches the database: by the connection that `records.versions` gives it. Runs one transaction."""

from __future__ import annotations

from alembic import context

from fsapp.records.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
