"""Run by Alembic: applies the revisions on the connection that `database.py` hands over."""

from alembic import context

from sonic_core.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too: several workers may start at once on one new file
)
with context.begin_transaction():
    context.run_migrations()
