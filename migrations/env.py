"""Alembic's entry: runs on the connection that rainer.database.migrate hands over, inside its lock and transaction."""

from alembic import context

from rainer.database.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
