"""What Alembic runs: the revisions, on the connection and inside the transaction that server_steps.py opened."""

from alembic import context

from fieldapp.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
