"""Alembic's entry: runs on the connection that rainer.database.migrate hands over, inside its lock and transaction."""

from alembic import context

from rainer.database.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transaction_per_migration=False,
    # Alembic takes SQLite's DDL for none that a transaction holds, and would commit, and let go of the lock, after each
    # migration. Only MySQL's commits by itself.
    transactional_ddl=connection.dialect.name != "mysql",
)
with context.begin_transaction():
    context.run_migrations()
