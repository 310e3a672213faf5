"""Alembic's entry: runs the migrations on the connection that `callaudit.store.migrate` gives."""

from __future__ import annotations

from alembic import context

from callaudit.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite cannot alter most of a table; batches copy it instead.
    render_as_batch=True,
    transactional_ddl=True,
)
# The caller's transaction is the migration's: a crash half-way leaves the old schema.
context.run_migrations()
